//! A namespace's tables and functions: made with its row in the registry, and gone with it.

use std::time::Duration;

use annals_store::{
    Access, Error as StoreError, Names, Sql, Store, Work, rusqlite,
    rusqlite::OptionalExtension as _, sqlx,
};
use futures_util::future::{BoxFuture, FutureExt as _};

use super::registry::{self, Entry};
use crate::{Error, Result};

const TABLES: &str = include_str!("../../sql/namespace/tables.postgres.sql");
const INDEXES: &str = include_str!("../../sql/namespace/indexes.postgres.sql");
const HYPERTABLE_INDEXES: &str = include_str!("../../sql/namespace/indexes.timescale.sql");
const HYPERTABLE: &str = include_str!("../../sql/namespace/hypertable.sql");
const FUNCTIONS: &str = include_str!("../../sql/namespace/functions.postgres.sql");
const CHUNKS: &str = include_str!("../../sql/namespace/chunks.timescale.sql");
const NO_CHUNKS: &str = include_str!("../../sql/namespace/chunks.plain.sql");
const COMPRESS: &str = include_str!("../../sql/namespace/compress.community.sql");
const NO_COMPRESS: &str = include_str!("../../sql/namespace/compress.apache.sql");
const SQLITE_TABLES: &str = include_str!("../../sql/namespace/tables.sqlite.sql");

/// Tables of a namespace on SQLite.
const SQLITE_NAMES: [&str; 5] = [
    "messages",
    "message_counter",
    "stream_heads",
    "message_ids",
    "subscription_checkpoints",
];

/// Makes a namespace: its row, its schema and all that is in it, or nothing.
pub(crate) async fn create(store: &Store, entry: Entry, chunk_interval: Duration) -> Result<()> {
    let capabilities = store.capabilities();
    let create = Create {
        entry,
        hypertable: capabilities.hypertables().then_some(chunk_interval),
        columnstore: capabilities.columnstore(),
    };
    store.run(Access::Write, create).await
}

/// Deletes a namespace and everything in it; gives the number of its messages.
pub(crate) async fn delete(store: &Store, id: &str) -> Result<i64> {
    store.run(Access::Write, Delete(id.to_owned())).await
}

struct Create {
    entry: Entry,
    hypertable: Option<Duration>,
    columnstore: bool,
}

impl Create {
    async fn on_postgres(&self, connection: &mut sqlx::PgConnection, names: &Names) -> Result<()> {
        if !registry::enter_postgres(connection, names, &self.entry).await? {
            let sql = names
                .within("eventodb_store")
                .statement("SELECT EXISTS (SELECT FROM {namespaces} WHERE id = $1)");
            let exists = sqlx::query_scalar(sql)
                .bind(&self.entry.id)
                .fetch_one(connection)
                .await
                .map_err(StoreError::statement("creating a namespace"))?;
            return Err(taken(&self.entry.id, exists));
        }
        let names = names.within(&self.entry.schema);
        let script = |template| {
            let sql: Sql = names.statement(template);
            sqlx::raw_sql(sql)
        };
        let doing = || StoreError::statement("creating a namespace");
        script("CREATE SCHEMA {schema}")
            .execute(&mut *connection)
            .await
            .map_err(doing())?;
        script(TABLES)
            .execute(&mut *connection)
            .await
            .map_err(doing())?;
        let Some(interval) = self.hypertable else {
            for template in [INDEXES, FUNCTIONS, NO_CHUNKS] {
                script(template)
                    .execute(&mut *connection)
                    .await
                    .map_err(doing())?;
            }
            return Ok(());
        };
        sqlx::query(names.statement(HYPERTABLE))
            .bind(micros(interval))
            .execute(&mut *connection)
            .await
            .map_err(doing())?;
        let compress = if self.columnstore {
            COMPRESS
        } else {
            NO_COMPRESS
        };
        for template in [HYPERTABLE_INDEXES, FUNCTIONS, CHUNKS, compress] {
            script(template)
                .execute(&mut *connection)
                .await
                .map_err(doing())?;
        }
        Ok(())
    }
}

/// Why a namespace could not be entered.
fn taken(id: &str, exists: bool) -> Error {
    let id = id.to_owned();
    if exists {
        Error::NamespaceExists { id }
    } else {
        Error::TokenRefused {
            id,
            reason: "it is in use by another namespace",
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Work for Create {
    type Output = ();
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<()>> {
        async move { self.on_postgres(connection, names).await }.boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, names: &Names) -> Result<()> {
        if !registry::enter_sqlite(connection, names, &self.entry)? {
            let sql = names
                .within("eventodb_store")
                .statement("SELECT 1 FROM {namespaces} WHERE id = $1");
            let exists = connection
                .query_row(sql.as_str(), [&self.entry.id], |_| Ok(()))
                .optional()
                .map_err(StoreError::statement("creating a namespace"))?;
            return Err(taken(&self.entry.id, exists.is_some()));
        }
        let sql = names.within(&self.entry.schema).statement(SQLITE_TABLES);
        connection
            .execute_batch(sql.as_str())
            .map_err(StoreError::statement("creating a namespace"))?;
        Ok(())
    }
}

struct Delete(String);

impl Work for Delete {
    type Output = i64;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<i64>> {
        async move {
            let Some(schema) = registry::leave_postgres(connection, names, &self.0).await? else {
                return Err(Error::NamespaceNotFound { id: self.0 });
            };
            let names = names.within(&schema);
            let doing = || StoreError::statement("deleting a namespace");
            let messages = sqlx::query_scalar(names.statement("SELECT count(*) FROM {messages}"))
                .fetch_one(&mut *connection)
                .await
                .map_err(doing())?;
            sqlx::raw_sql(names.statement("DROP SCHEMA {schema} CASCADE"))
                .execute(connection)
                .await
                .map_err(doing())?;
            Ok(messages)
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, names: &Names) -> Result<i64> {
        let Some(schema) = registry::leave_sqlite(connection, names, &self.0)? else {
            return Err(Error::NamespaceNotFound { id: self.0 });
        };
        let names = names.within(&schema);
        let count = names.statement("SELECT count(*) FROM {messages}");
        let doing = || StoreError::statement("deleting a namespace");
        let messages = connection
            .query_row(count.as_str(), [], |row| row.get(0))
            .map_err(doing())?;
        for table in SQLITE_NAMES {
            connection
                .execute_batch(&format!("DROP TABLE {}", names.table(table)))
                .map_err(doing())?;
        }
        Ok(messages)
    }
}
