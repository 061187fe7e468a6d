//! SQLite: one connection that writes, a few that read, each on a thread of its own.
//!
//! SQLite allows one writer at a time, so there is one, and nobody meets SQLITE_BUSY inside this
//! process. Work is sent to the threads as closures: a batch crosses a thread once, not once for
//! each statement.

mod commit;
mod row;
mod schema;
mod thread;

use std::time::Duration;

use annals_record::{Record, Timestamp, Value};
use rusqlite::{Connection, TransactionBehavior};

use crate::{
    Access, DatabaseConfig, Error, Result, Work,
    capabilities::Capabilities,
    config::{SqliteTarget, Target},
    sql::{Dialect, Names, Sql},
};
pub(crate) use row::SqliteSource;
use row::bind_all;
use thread::ConnectionThread;

/// How long a statement waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Threads that read.
const READERS: usize = 4;

/// One database file, or memory.
#[derive(Debug)]
pub(crate) struct Sqlite {
    writer: ConnectionThread,
    /// Empty for a database in memory, which is one connection and no more.
    readers: Vec<ConnectionThread>,
    names: Names,
    capabilities: Capabilities,
    next_reader: std::sync::atomic::AtomicUsize,
}

impl Sqlite {
    pub(crate) async fn connect(target: &SqliteTarget, config: &DatabaseConfig) -> Result<Self> {
        let writer = Self::thread(target, config, false).await?;
        let readers = match target {
            SqliteTarget::Memory => Vec::new(),
            SqliteTarget::File(_) => {
                let mut readers = Vec::with_capacity(READERS);
                for _ in 0..READERS.min(config.pool.max_connections.get() as usize) {
                    readers.push(Self::thread(target, config, true).await?);
                }
                readers
            }
        };
        Ok(Self {
            writer,
            readers,
            names: Names::new(Dialect::Sqlite, &config.schema),
            capabilities: Capabilities::sqlite(rusqlite::version()),
            next_reader: std::sync::atomic::AtomicUsize::new(0),
        })
    }

    async fn thread(
        target: &SqliteTarget,
        config: &DatabaseConfig,
        reads: bool,
    ) -> Result<ConnectionThread> {
        let target = target.clone();
        let opened = ConnectionThread::start(move || open(&target, reads)).await;
        opened.map_err(|source| Error::Connect {
            target: Target::to_string(&config.target),
            source,
        })
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    pub(crate) fn pool_size(&self) -> (u32, usize, u32) {
        let open = u32::try_from(self.readers.len() + 1).unwrap_or(u32::MAX);
        (open, 0, open)
    }

    /// Runs a closure on the writing connection.
    async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T> {
        self.writer
            .call(work)
            .await
            .map_err(|source| Error::Statement { doing, source })
    }

    /// Runs a closure on a reading connection.
    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    ) -> Result<T> {
        let turn = self
            .next_reader
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let reader = self
            .readers
            .get(turn % self.readers.len().max(1))
            .unwrap_or(&self.writer);
        reader
            .call(work)
            .await
            .map_err(|source| Error::Statement { doing, source })
    }

    pub(crate) async fn fetch<R: Record>(&self, sql: Sql, values: Vec<Value>) -> Result<Vec<R>> {
        let rows = self.read("reading", move |connection| {
            let mut statement = connection.prepare_cached(sql.as_str())?;
            bind_all(&mut statement, &values)?;
            let mut rows = statement.raw_query();
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                match R::decode(&mut SqliteSource::new(row)) {
                    Ok(record) => records.push(record),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Ok(Ok(records))
        });
        rows.await?.map_err(|source| Error::Decode {
            table: R::DESCRIPTOR.table,
            source,
        })
    }

    pub(crate) async fn fetch_count(&self, sql: Sql, values: Vec<Value>) -> Result<i64> {
        self.read("counting", move |connection| {
            let mut statement = connection.prepare_cached(sql.as_str())?;
            bind_all(&mut statement, &values)?;
            statement
                .raw_query()
                .next()?
                .map_or(Ok(0), |row| row.get(0))
        })
        .await
    }

    pub(crate) async fn execute(&self, sql: Sql, values: Vec<Value>) -> Result<u64> {
        self.write("executing", move |connection| {
            let mut statement = connection.prepare_cached(sql.as_str())?;
            bind_all(&mut statement, &values)?;
            statement.raw_execute().map(|rows| rows as u64)
        })
        .await
    }

    pub(crate) async fn delete(&self, sql: Sql, values: Vec<Value>) -> Result<u64> {
        self.execute(sql, values).await
    }

    pub(crate) async fn run<W: Work>(
        &self,
        access: Access,
        work: W,
    ) -> Result<W::Output, W::Error> {
        let names = self.names.clone();
        let run = move |connection: &mut Connection| {
            let behavior = match access {
                Access::Read => TransactionBehavior::Deferred,
                Access::Write | Access::Statement => TransactionBehavior::Immediate,
            };
            let transaction = connection.transaction_with_behavior(behavior)?;
            let done = work.run_sqlite(&transaction, &names);
            if done.is_ok() {
                transaction.commit()?;
            }
            Ok(done)
        };
        match access {
            Access::Read => self.read("reading", run).await?,
            Access::Write | Access::Statement => self.write("writing", run).await?,
        }
    }

    pub(crate) async fn ping(&self) -> Result<()> {
        self.read("pinging", |connection| {
            connection.query_row("SELECT 1", [], |_| Ok(()))
        })
        .await
    }

    pub(crate) async fn now(&self) -> Result<Timestamp> {
        Ok(Timestamp::now())
    }

    pub(crate) async fn close(&self) {
        for reader in &self.readers {
            reader.close().await;
        }
        self.writer.close().await;
    }
}

fn open(target: &SqliteTarget, reads: bool) -> Result<Connection, rusqlite::Error> {
    let connection = match target {
        SqliteTarget::Memory => Connection::open_in_memory()?,
        SqliteTarget::File(path) => Connection::open(path)?,
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Before the first table, or it has no effect. FULL because a committed transaction must survive
    // a power cut, which NORMAL in WAL mode does not promise.
    connection.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -65536;
         PRAGMA temp_store = MEMORY;",
    )?;
    if reads {
        connection.execute_batch("PRAGMA query_only = ON;")?;
    }
    Ok(connection)
}
