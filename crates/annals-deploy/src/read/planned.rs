//! Statements that are planned for the values at hand.
//!
//! PostgreSQL keeps a plan for any values after five executions if it looks cheaper, and guesses then that a window of
//! time holds half a percent of a table and a status a third of it: it reads and sorts a whole week to give its first
//! hundred rows (15 to 50 ms instead of 0.3, measured at a million spans). Planning anew takes 0.2 ms. Questions by a key
//! of few rows need no such care: any plan for them is good, and those of 90 days have many chunks to plan for.

use annals_record::{Record, Value};
use annals_store::{
    Access, Error as StoreError, Names, Store, rusqlite,
    sql::{Dialect, PgTimestamp, Sql},
    sqlx::{self, PgConnection, postgres::PgArguments},
    work,
};
use futures_util::{TryStreamExt as _, future::BoxFuture};

use crate::{Error, Result};

/// Reads the rows of a statement whose first columns are those of `R`.
pub(super) async fn fetch<R: Record>(
    store: &Store,
    sql: &'static str,
    values: Vec<Value>,
) -> Result<Vec<R>> {
    let access = match store.names().dialect() {
        Dialect::Sqlite => Access::Read,
        _ => Access::Statement,
    };
    let planned = Planned {
        sql: store.names().statement(sql),
        values,
        record: std::marker::PhantomData,
    };
    store.run(access, planned).await
}

struct Planned<R> {
    sql: Sql,
    values: Vec<Value>,
    record: std::marker::PhantomData<fn() -> R>,
}

impl<R: Record> work::Work for Planned<R> {
    type Output = Vec<R>;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut PgConnection,
        _: &'a Names,
    ) -> BoxFuture<'a, Result<Vec<R>>> {
        Box::pin(async move {
            let has_nul = |value: &Value| matches!(value, Value::Text(text) if text.contains('\0'));
            if self.values.iter().any(has_nul) {
                let value = "a text with U+0000";
                return Err(StoreError::Operand { value }.into());
            }
            let mut query = sqlx::query(self.sql).persistent(false);
            for value in self.values {
                query = bound(query, value);
            }
            let mut stream = query.fetch(connection);
            let mut rows = Vec::new();
            while let Some(row) = stream
                .try_next()
                .await
                .map_err(StoreError::statement("reading deployment traces"))?
            {
                rows.push(work::from_postgres(&row)?);
            }
            Ok(rows)
        })
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, _: &Names) -> Result<Vec<R>> {
        let failed = StoreError::statement::<rusqlite::Error>("reading deployment traces");
        let read = || -> Result<Result<Vec<R>, StoreError>, rusqlite::Error> {
            let mut statement = connection.prepare_cached(self.sql.as_str())?;
            for (place, value) in self.values.iter().enumerate() {
                bind_sqlite(&mut statement, place + 1, value)?;
            }
            let mut stream = statement.raw_query();
            let mut rows = Vec::new();
            while let Some(row) = stream.next()? {
                match work::from_sqlite(row) {
                    Ok(record) => rows.push(record),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Ok(Ok(rows))
        };
        Ok(read().map_err(failed)??)
    }
}

type Query = sqlx::query::Query<'static, sqlx::Postgres, PgArguments>;

/// Binds what statements of this crate bind: ids, times, numbers, and texts that may be absent.
fn bound(query: Query, value: Value) -> Query {
    match value {
        Value::Uuid(id) => query.bind(id),
        Value::Timestamp(micros) => query.bind(PgTimestamp(micros)),
        Value::Int4(number) => query.bind(number),
        Value::Int8(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
        _ => query.bind(None::<String>),
    }
}

fn bind_sqlite(
    statement: &mut rusqlite::Statement<'_>,
    place: usize,
    value: &Value,
) -> rusqlite::Result<()> {
    match value {
        Value::Uuid(id) => statement.raw_bind_parameter(place, id.hyphenated().to_string()),
        Value::Timestamp(number) | Value::Int8(number) => {
            statement.raw_bind_parameter(place, number)
        }
        Value::Int4(number) => statement.raw_bind_parameter(place, number),
        Value::Text(text) => statement.raw_bind_parameter(place, text),
        _ => statement.raw_bind_parameter(place, rusqlite::types::Null),
    }
}
