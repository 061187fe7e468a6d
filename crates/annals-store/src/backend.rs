//! The databases, each behind the same few operations.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::{sync::Arc, time::Duration};

use annals_record::{Descriptor, Record, Timestamp, Value};
use sqlx::pool::PoolConnection;

use crate::{
    Access, Result, Work,
    capabilities::Capabilities,
    ddl::TableShape,
    migrate::{Applied, MigrationStatus, Plan},
    sql::{Names, Sql},
    writer::{Batch, Companion, Failure, Outcome},
};

/// A connected database.
#[derive(Debug)]
pub(crate) enum Backend {
    Postgres(postgres::Postgres),
    Sqlite(sqlite::Sqlite),
}

impl Backend {
    pub(crate) fn names(&self) -> &Names {
        match self {
            Self::Postgres(postgres) => postgres.names(),
            Self::Sqlite(sqlite) => sqlite.names(),
        }
    }

    pub(crate) fn capabilities(&self) -> &Capabilities {
        match self {
            Self::Postgres(postgres) => postgres.capabilities(),
            Self::Sqlite(sqlite) => sqlite.capabilities(),
        }
    }

    /// Runs a query whose columns are those of `R`, in the descriptor's order.
    pub(crate) async fn fetch<R: Record>(&self, sql: Sql, values: Vec<Value>) -> Result<Vec<R>> {
        match self {
            Self::Postgres(postgres) => postgres.fetch(sql, values).await,
            Self::Sqlite(sqlite) => sqlite.fetch(sql, values).await,
        }
    }

    /// The same, with a plan for these values; SQLite's plans are for any.
    pub(crate) async fn fetch_planned<R: Record>(
        &self,
        sql: Sql,
        values: Vec<Value>,
    ) -> Result<Vec<R>> {
        match self {
            Self::Postgres(postgres) => postgres.fetch_planned(sql, values).await,
            Self::Sqlite(sqlite) => sqlite.fetch(sql, values).await,
        }
    }

    /// Runs a query whose one column is a 64-bit integer in one row.
    pub(crate) async fn fetch_count(&self, sql: Sql, values: Vec<Value>) -> Result<i64> {
        match self {
            Self::Postgres(postgres) => postgres.fetch_count(sql, values).await,
            Self::Sqlite(sqlite) => sqlite.fetch_count(sql, values).await,
        }
    }

    /// Runs a statement that returns nothing, and counts the rows that it touched.
    pub(crate) async fn execute(&self, sql: Sql, values: Vec<Value>) -> Result<u64> {
        match self {
            Self::Postgres(postgres) => postgres.execute(sql, values).await,
            Self::Sqlite(sqlite) => sqlite.execute(sql, values).await,
        }
    }

    /// Runs a family's own statements.
    pub(crate) async fn run<W: Work>(
        &self,
        access: Access,
        work: W,
    ) -> Result<W::Output, W::Error> {
        match self {
            Self::Postgres(postgres) => postgres.run(access, work).await,
            Self::Sqlite(sqlite) => sqlite.run(access, work).await,
        }
    }

    /// Waits for a connection on which a batch can go.
    pub(crate) async fn lease(&self) -> Result<Lease<'_>> {
        Ok(match self {
            Self::Postgres(postgres) => Lease::Postgres(postgres, postgres.acquire().await?),
            Self::Sqlite(sqlite) => Lease::Sqlite(sqlite),
        })
    }
}

/// A connection for one batch.
pub(crate) enum Lease<'a> {
    Postgres(&'a postgres::Postgres, PoolConnection<sqlx::Postgres>),
    Sqlite(&'a sqlite::Sqlite),
}

impl Lease<'_> {
    /// Writes one batch in one transaction.
    pub(crate) async fn commit<R: Record>(
        self,
        batch: &Arc<Batch<R>>,
        companion: Option<&Arc<dyn Companion<R>>>,
    ) -> Result<Outcome, Failure> {
        match self {
            Self::Postgres(postgres, connection) => {
                postgres.commit(connection, batch, companion).await
            }
            Self::Sqlite(sqlite) => sqlite.commit(batch, companion).await,
        }
    }
}

/// Operations that each backend has under the same name.
macro_rules! forward {
    ($($(#[$doc:meta])* async fn $name:ident(&self $(, $arg:ident: $ty:ty)*) -> $out:ty;)*) => {
        impl Backend {$(
            $(#[$doc])*
            pub(crate) async fn $name(&self $(, $arg: $ty)*) -> $out {
                match self {
                    Self::Postgres(postgres) => postgres.$name($($arg),*).await,
                    Self::Sqlite(sqlite) => sqlite.$name($($arg),*).await,
                }
            }
        )*}
    };
}

forward! {
    /// Asks for an answer.
    async fn ping(&self) -> Result<()>;
    /// Runs a DELETE, and counts the rows that it touched.
    async fn delete(&self, sql: Sql, values: Vec<Value>) -> Result<u64>;
    /// What time it is there.
    async fn now(&self) -> Result<Timestamp>;
    /// Closes every connection.
    async fn close(&self) -> ();
    /// Runs a script in one transaction, alone among migrations.
    async fn run_script(&self, script: Sql) -> Result<()>;
    /// Plans over what has run, and runs the steps, alone among migrations.
    async fn migrate(&self, plan: &Plan<'_>) -> Result<Vec<MigrationStatus>>;
    /// Which migrations have run.
    async fn applied_migrations(&self) -> Result<Vec<Applied>>;
    /// A table's columns and unique keys; no columns when there is no such table.
    async fn table_shape(&self, table: &str) -> Result<TableShape>;
    /// The range of a chunk in microseconds; `None` when the table is no hypertable.
    async fn chunk_interval(&self, descriptor: &Descriptor) -> Result<Option<i64>>;
    /// Time ranges of compressed chunks, in microseconds, ends excluded.
    async fn compressed_ranges(&self, descriptor: &Descriptor) -> Result<Vec<(i64, i64)>>;
    /// Deletes old entries of the ledger.
    async fn forget_batches(&self, older_than: Duration) -> Result<u64>;
}

impl Backend {
    /// Connections open, idle and at most.
    pub(crate) fn pool_size(&self) -> (u32, usize, u32) {
        match self {
            Self::Postgres(postgres) => {
                let pool = postgres.pool();
                (
                    pool.size(),
                    pool.num_idle(),
                    pool.options().get_max_connections(),
                )
            }
            Self::Sqlite(sqlite) => sqlite.pool_size(),
        }
    }
}
