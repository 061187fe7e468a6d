//! A connected database, and everything that can be asked of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use annals_record::{Filter, Record};
use backon::{BackoffBuilder as _, ExponentialBuilder};

use crate::{
    Access, Capabilities, Companion, DatabaseConfig, DeadLetters, Error, Query, Result, Session,
    Work, Writer, WriterOptions,
    backend::{Backend, postgres::Postgres, sqlite::Sqlite},
    capabilities::Edition,
    config::{DatabaseType, Target},
    ddl,
    listen::Listener,
    metrics,
    migrate::{Migrations, Migrator},
    sql::{Bindings, Names, Sql, predicate_sql},
};

/// A connected database. Cheap to clone; the pool closes with the last clone.
#[derive(Clone, Debug)]
pub struct Store {
    backend: Arc<Backend>,
}

/// How a database is doing.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Health {
    /// How long it took to answer.
    pub latency: Duration,
    /// Connections that are open.
    pub open: u32,
    /// Connections that are open and unused.
    pub idle: usize,
    /// Connections that may be open.
    pub max: u32,
}

impl Store {
    /// Connects to the database at `url`: `sqlite::memory:`, `sqlite:PATH` or `postgres://…`.
    ///
    /// # Errors
    ///
    /// The URL cannot be understood, or the database does not answer in time.
    pub async fn open(url: &str) -> Result<Self> {
        Self::connect(&DatabaseConfig::at(url)?).await
    }

    /// Connects to a configured database.
    ///
    /// A server that is not there yet is waited for, as long as `DB_CONNECT_TIMEOUT` allows; an
    /// error that waiting cannot mend (a wrong password) is reported at once.
    ///
    /// # Errors
    ///
    /// The database does not answer in time, or refuses.
    pub async fn connect(config: &DatabaseConfig) -> Result<Self> {
        let options = match &config.target {
            Target::Sqlite(target) => {
                if matches!(
                    config.database_type,
                    DatabaseType::Postgres | DatabaseType::Timescale
                ) {
                    return Err(Error::Unsupported {
                        feature: "DB_TYPE",
                        needs: "a postgres:// URL or DB_HOST",
                        edition: Edition::Sqlite,
                        way_out: "set DATABASE_URL, or DB_TYPE to auto",
                    });
                }
                let sqlite = Sqlite::connect(target, config).await?;
                return Ok(Self {
                    backend: Arc::new(Backend::Sqlite(sqlite)),
                });
            }
            Target::Postgres(_) if config.database_type == DatabaseType::Sqlite => {
                return Err(Error::Unsupported {
                    feature: "DB_TYPE sqlite",
                    needs: "a sqlite: URL",
                    edition: Edition::Postgres,
                    way_out: "set DATABASE_URL to sqlite:PATH, or DB_TYPE to auto",
                });
            }
            Target::Postgres(options) => options,
        };
        let give_up = Instant::now() + config.pool.connect_timeout;
        let mut delays = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(1))
            .without_max_times()
            .with_jitter()
            .build();
        let mut told = false;
        loop {
            match Postgres::connect(config, options).await {
                Ok(postgres) => {
                    return Ok(Self {
                        backend: Arc::new(Backend::Postgres(postgres)),
                    });
                }
                Err(error) if error.is_transient() => {
                    let delay = delays.next().unwrap_or_default();
                    if Instant::now() + delay >= give_up {
                        return Err(error);
                    }
                    if !told {
                        tracing::warn!(error = error.report(), "waiting for the database");
                        told = true;
                    }
                    tokio::time::sleep(delay).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What this database can do.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        self.backend.capabilities()
    }

    /// How tables are called here.
    #[must_use]
    pub fn names(&self) -> &Names {
        self.backend.names()
    }

    /// Migrations of the kernel and of given families.
    #[must_use]
    pub fn migrator(&self, families: &[&'static Migrations]) -> Migrator<'_> {
        Migrator::new(&self.backend, families)
    }

    /// Makes the table of a record from its descriptor, with what the writer needs beside it, when
    /// it is not there; checks that it fits when it is. For records that ship no migrations.
    ///
    /// # Errors
    ///
    /// The table is there and does not fit ([`Error::TableMismatch`]), or the database failed.
    pub async fn create_table<R: Record>(&self) -> Result<()> {
        self.migrator(&[]).up().await?;
        self.backend
            .run_script(ddl::create_table(
                self.names(),
                R::DESCRIPTOR,
                self.capabilities(),
            ))
            .await?;
        self.check_table::<R>().await
    }

    /// Checks that the table of a record has the columns, types and key that its descriptor says.
    ///
    /// # Errors
    ///
    /// There is no such table ([`Error::TableMissing`]), the first difference
    /// ([`Error::TableMismatch`]), or the database failed.
    pub async fn check_table<R: Record>(&self) -> Result<()> {
        let table = || R::DESCRIPTOR.table.to_owned();
        let found = self.backend.table_shape(R::DESCRIPTOR.table).await?;
        if found.columns.is_empty() {
            return Err(Error::TableMissing { table: table() });
        }
        ddl::compare(self.names().dialect(), R::DESCRIPTOR, &found).map_err(|difference| {
            Error::TableMismatch {
                table: table(),
                difference,
            }
        })
    }

    /// A writer with default options.
    ///
    /// # Errors
    ///
    /// The database could not be asked about the table's chunks.
    pub async fn writer<R: Record>(&self) -> Result<Writer<R>> {
        self.writer_with(WriterOptions::default(), None).await
    }

    /// A writer with given options, and statements that run beside each batch.
    ///
    /// # Errors
    ///
    /// The database could not be asked about the table's chunks.
    pub async fn writer_with<R: Record>(
        &self,
        options: WriterOptions,
        companion: Option<Arc<dyn Companion<R>>>,
    ) -> Result<Writer<R>> {
        Writer::start(Arc::clone(&self.backend), options, companion).await
    }

    /// A query of records.
    pub fn query<R: Record>(&self) -> Query<'_, R> {
        Query::new(&self.backend)
    }

    /// Deletes the records that match. Gives their number as the database tells it, which on
    /// compressed chunks of TimescaleDB before 2.21 is too low.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn delete<R: Record>(&self, filter: Filter<R>) -> Result<u64> {
        let mut bindings = Bindings::default();
        let names = self.names();
        let condition = predicate_sql(
            names.dialect(),
            R::DESCRIPTOR,
            &filter.into_predicate(),
            &mut bindings,
        );
        let table = names.table(R::DESCRIPTOR.table);
        let sql = Sql::vouched(format!("DELETE FROM {table} WHERE {condition}"));
        self.backend.delete(sql, bindings.into_values()).await
    }

    /// The dead letters.
    #[must_use]
    pub fn dead_letters(&self) -> DeadLetters<'_> {
        DeadLetters::new(self)
    }

    /// Whether a table of a record could hold it, found out without writing anything.
    ///
    /// # Errors
    ///
    /// The column that cannot hold its value here.
    pub fn check<R: Record>(&self, record: &R) -> Result<(), crate::Refusal> {
        match &*self.backend {
            Backend::Postgres(_) => crate::backend::postgres::check(record),
            Backend::Sqlite(_) => Ok(()),
        }
    }

    /// Runs a query written for a family: `sql` must return the columns of `R` in order.
    ///
    /// # Errors
    ///
    /// The database failed, or a row is no such record.
    pub async fn fetch<R: Record>(
        &self,
        sql: Sql,
        values: Vec<annals_record::Value>,
    ) -> Result<Vec<R>> {
        self.backend.fetch(sql, values).await
    }

    /// The same, planned for the values at hand. A server keeps a plan for any values after a few executions if it looks
    /// cheaper, and guesses then how much of a table a window of time holds; planning takes about as long as
    /// a small statement.
    ///
    /// # Errors
    ///
    /// The database failed, or a row is no such record.
    pub async fn fetch_planned<R: Record>(
        &self,
        sql: Sql,
        values: Vec<annals_record::Value>,
    ) -> Result<Vec<R>> {
        self.backend.fetch_planned(sql, values).await
    }

    /// Runs a family's own statements on one connection, in a transaction as `access` says, which is
    /// committed when they succeed and rolled back when they fail.
    ///
    /// Nothing is tried again, and when the answer to a COMMIT is lost the outcome is unknown
    /// ([`Error::is_transient`] is then true): a work that is tried again must find out itself what the
    /// first try did.
    ///
    /// # Errors
    ///
    /// The work's own, or the database failed.
    pub async fn run<W: Work>(&self, access: Access, work: W) -> Result<W::Output, W::Error> {
        self.backend.run(access, work).await
    }

    /// Hears what is notified on a channel of the server, from wherever: on a connection of its own beside
    /// the pool's, which is made when the first is waited for and made again whenever it is lost. Hears
    /// nothing on SQLite, nor by way of a pooler that changes connections between transactions.
    #[must_use]
    pub fn listen(&self, channel: &'static str) -> Listener {
        Listener::new(&self.backend, channel)
    }

    /// A connection that is kept between works.
    ///
    /// # Errors
    ///
    /// There is none.
    pub async fn session(&self) -> Result<Session> {
        Session::open(Arc::clone(&self.backend)).await
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Asks the database for an answer, and sets the pool's gauges.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub async fn health(&self) -> Result<Health> {
        let started = Instant::now();
        self.backend.ping().await?;
        let (open, idle, max) = self.backend.pool_size();
        metrics::pool(open, idle, max);
        Ok(Health {
            latency: started.elapsed(),
            open,
            idle,
            max,
        })
    }

    /// Closes every connection. Writers must have been shut down before.
    pub async fn close(&self) {
        self.backend.close().await;
    }
}
