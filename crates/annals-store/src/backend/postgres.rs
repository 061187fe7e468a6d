//! PostgreSQL and TimescaleDB.

mod bind;
mod commit;
mod connect;
mod copy;
mod row;
mod schema;
mod statements;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use annals_record::{OnConflict, Record, Timestamp, TimestampMicros, Value};
use futures_util::TryStreamExt as _;
use sqlx::{Connection as _, PgConnection, PgPool, Row as _, pool::PoolConnection};

pub(crate) use copy::check;
pub(crate) use row::PgSource;

use crate::{
    Access, DriverError, Error, Result, Work,
    capabilities::Capabilities,
    sql::{Names, Sql},
    work::forget_plans,
};
use statements::Statements;

/// A pool of connections to one server.
#[derive(Debug)]
pub(crate) struct Postgres {
    pool: PgPool,
    names: Names,
    capabilities: Capabilities,
    /// Statements of each record type and policy, made once.
    statements: Mutex<HashMap<(&'static str, OnConflict), Arc<Statements>>>,
    _idle_limit: connect::IdleLimit,
    /// How long one attempt at a batch may take before its connection is given up.
    attempt_timeout: Duration,
}

impl Postgres {
    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) async fn acquire(&self) -> Result<PoolConnection<sqlx::Postgres>> {
        self.pool.acquire().await.map_err(|source| Error::Connect {
            target: format!(
                "database {:?}",
                self.pool.connect_options().get_database().unwrap_or("")
            ),
            source: source.into(),
        })
    }

    /// The statements of a record type under a policy; the name of its table stands for it.
    fn statements<R: Record>(&self, on_conflict: OnConflict) -> Arc<Statements> {
        let mut known = self
            .statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let statements = known
            .entry((R::DESCRIPTOR.table, on_conflict))
            .or_insert_with(|| Arc::new(Statements::new(&self.names, R::DESCRIPTOR, on_conflict)));
        Arc::clone(statements)
    }

    pub(crate) async fn fetch<R: Record>(&self, sql: Sql, values: Vec<Value>) -> Result<Vec<R>> {
        bind::check(&values)?;
        let mut connection = self.acquire().await?;
        match read(&mut connection, &sql, &values, true).await {
            Err(error) if is_stale_plan(&error) => {
                // A column was added since the statement was prepared on this connection.
                connection
                    .clear_cached_statements()
                    .await
                    .map_err(Error::statement("clearing prepared statements"))?;
                read(&mut connection, &sql, &values, true).await
            }
            other => other,
        }
    }

    pub(crate) async fn fetch_planned<R: Record>(
        &self,
        sql: Sql,
        values: Vec<Value>,
    ) -> Result<Vec<R>> {
        bind::check(&values)?;
        let mut connection = self.acquire().await?;
        read(&mut connection, &sql, &values, false).await
    }

    pub(crate) async fn fetch_count(&self, sql: Sql, values: Vec<Value>) -> Result<i64> {
        bind::check(&values)?;
        let mut connection = self.acquire().await?;
        let row = sqlx::query_with(sql, bind::arguments(&values))
            .fetch_optional(&mut *connection)
            .await
            .map_err(Error::statement("counting"))?;
        let count = row.map(|row| row.try_get(0)).transpose();
        Ok(count.map_err(Error::statement("counting"))?.unwrap_or(0))
    }

    pub(crate) async fn execute(&self, sql: Sql, values: Vec<Value>) -> Result<u64> {
        bind::check(&values)?;
        let mut connection = self.acquire().await?;
        let done = sqlx::query_with(sql, bind::arguments(&values))
            .execute(&mut *connection)
            .await
            .map_err(Error::statement("executing"))?;
        Ok(done.rows_affected())
    }

    /// Runs a DELETE, and counts the rows as the server tells them.
    pub(crate) async fn delete(&self, sql: Sql, values: Vec<Value>) -> Result<u64> {
        bind::check(&values)?;
        let mut connection = self.acquire().await?;
        let done = sqlx::query_with(sql, bind::arguments(&values))
            .execute(&mut *connection)
            .await
            .map_err(Error::statement("deleting"))?;
        if self.capabilities.columnstore() {
            forget_plans(&mut connection).await?;
        }
        Ok(done.rows_affected())
    }

    pub(crate) async fn run<W: Work>(
        &self,
        access: Access,
        work: W,
    ) -> Result<W::Output, W::Error> {
        let mut connection = self.acquire().await?;
        self.run_on(&mut connection, access, work).await
    }

    pub(crate) async fn run_on<W: Work>(
        &self,
        connection: &mut PgConnection,
        access: Access,
        work: W,
    ) -> Result<W::Output, W::Error> {
        let begin = match access {
            Access::Statement => return work.run_postgres(connection, &self.names).await,
            Access::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Access::Write => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        let mut transaction = connection
            .begin_with(begin)
            .await
            .map_err(Error::statement("beginning"))?;
        let output = work.run_postgres(&mut transaction, &self.names).await?;
        transaction
            .commit()
            .await
            .map_err(Error::statement("committing"))?;
        Ok(output)
    }

    /// Asks the server for an answer.
    pub(crate) async fn ping(&self) -> Result<()> {
        self.acquire()
            .await?
            .ping()
            .await
            .map_err(Error::statement("pinging"))
    }

    pub(crate) async fn now(&self) -> Result<Timestamp> {
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        let micros: i64 = sqlx::query_scalar(sql)
            .fetch_one(&mut *self.acquire().await?)
            .await
            .map_err(Error::statement("asking for the time"))?;
        Ok(TimestampMicros::from_unix_micros(micros).map_or(Timestamp::MAX, Timestamp::from))
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Reads rows one by one, so that the server makes the next ones while we read these, and nothing is held
/// twice.
async fn read<R: Record>(
    connection: &mut PgConnection,
    sql: &Sql,
    values: &[Value],
    keeps_plan: bool,
) -> Result<Vec<R>> {
    let query = sqlx::query_with(sql.clone(), bind::arguments(values)).persistent(keeps_plan);
    let mut rows = query.fetch(connection);
    let mut records = Vec::new();
    while let Some(row) = rows.try_next().await.map_err(Error::statement("reading"))? {
        let record = R::decode(&mut PgSource::new(&row)).map_err(|source| Error::Decode {
            table: R::DESCRIPTOR.table,
            source,
        })?;
        records.push(record);
    }
    Ok(records)
}

/// SQLSTATE 0A000 has two meanings; this is "cached plan must not change result type".
fn is_stale_plan(error: &Error) -> bool {
    let Error::Statement {
        source: DriverError::Postgres(error),
        ..
    } = error
    else {
        return false;
    };
    error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>())
        .and_then(sqlx::postgres::PgDatabaseError::routine)
        == Some("RevalidateCachedQuery")
}
