//! One transaction of either dialect, so that what is done in it is written once.
//!
//! On SQLite nothing ever waits, and a future of [`Tx`] is ready as soon as it is asked.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use annals_record::Record;
use annals_store::{
    Names, rusqlite,
    sql::{Dialect, PgTimestamp},
    sqlx::{self, PgConnection, postgres::PgArguments, query::Query},
    work,
};
use futures_util::TryStreamExt as _;

use crate::Result;

/// A value that is bound.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Param<'a> {
    Text(&'a str),
    /// Microseconds since 1970.
    Time(i64),
    Count(i64),
}

/// What is told each row.
pub(crate) type Each<'a, R> = &'a mut (dyn FnMut(R) -> Result<()> + Send);

/// A transaction.
pub(crate) trait Tx {
    /// The SQL that it speaks.
    fn dialect(&self) -> Dialect;

    /// Runs a statement whose first columns are those of `R`, and tells each row as it comes.
    async fn each<R: Record>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        each: Each<'_, R>,
    ) -> Result<()>;

    /// The same, of few rows.
    async fn fetch<R: Record>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Vec<R>> {
        let mut rows = Vec::new();
        self.each(sql, params, &mut |row| {
            rows.push(row);
            Ok(())
        })
        .await?;
        Ok(rows)
    }
}

/// A transaction of PostgreSQL.
pub(crate) struct PgTx<'a> {
    pub(crate) connection: &'a mut PgConnection,
    pub(crate) names: &'a Names,
}

impl PgTx<'_> {
    pub(crate) fn query(&self, sql: &'static str) -> Query<'static, sqlx::Postgres, PgArguments> {
        sqlx::query(self.names.statement(sql))
    }
}

/// What the database said of a statement.
pub(crate) fn failed<E: Into<annals_store::DriverError>>(
    doing: &'static str,
) -> impl FnOnce(E) -> crate::Error {
    move |error| annals_store::Error::statement(doing)(error).into()
}

impl Tx for PgTx<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    async fn each<R: Record>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        each: Each<'_, R>,
    ) -> Result<()> {
        // Planned for the values at hand: a plan for any values may take the index of times for a range of
        // years, and pass over all other symbols (0.04 s instead of 0.004 for a year of one of twenty).
        let mut query = self.query(sql).persistent(false);
        for param in params {
            query = match param {
                Param::Text(text) => query.bind((*text).to_owned()),
                Param::Time(micros) => query.bind(PgTimestamp(*micros)),
                Param::Count(count) => query.bind(*count),
            };
        }
        let mut rows = query.fetch(&mut *self.connection);
        while let Some(row) = rows.try_next().await.map_err(failed("reading bars"))? {
            each(work::from_postgres(&row)?)?;
        }
        Ok(())
    }
}

/// A transaction of SQLite.
pub(crate) struct SqliteTx<'a> {
    pub(crate) connection: &'a rusqlite::Connection,
    pub(crate) names: &'a Names,
}

impl Tx for SqliteTx<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn each<R: Record>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
        each: Each<'_, R>,
    ) -> Result<()> {
        let sql = self.names.statement(sql);
        let statement = self.connection.prepare_cached(sql.as_str());
        let mut statement = statement.map_err(failed("preparing a statement"))?;
        for (place, param) in params.iter().enumerate() {
            let bound = match param {
                Param::Text(text) => statement.raw_bind_parameter(place + 1, text),
                Param::Time(number) | Param::Count(number) => {
                    statement.raw_bind_parameter(place + 1, number)
                }
            };
            bound.map_err(failed("binding a value"))?;
        }
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(failed("reading bars"))? {
            each(work::from_sqlite(row)?)?;
        }
        Ok(())
    }
}

/// The end of a future that waits for nothing.
pub(crate) fn at_once<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Makes a [`Work`](annals_store::Work) of a type with `async fn script<T: …>(self, tx: &mut T)`.
macro_rules! scripted {
    ($work:ty => $output:ty) => {
        impl annals_store::Work for $work {
            type Output = $output;
            type Error = crate::Error;

            fn run_postgres<'a>(
                self,
                connection: &'a mut annals_store::sqlx::PgConnection,
                names: &'a annals_store::Names,
            ) -> futures_util::future::BoxFuture<'a, crate::Result<Self::Output>> {
                Box::pin(async move {
                    let mut tx = crate::tx::PgTx { connection, names };
                    self.script(&mut tx).await
                })
            }

            fn run_sqlite(
                self,
                connection: &annals_store::rusqlite::Connection,
                names: &annals_store::Names,
            ) -> crate::Result<Self::Output> {
                let mut tx = crate::tx::SqliteTx { connection, names };
                crate::tx::at_once(self.script(&mut tx))
            }
        }
    };
}
pub(crate) use scripted;
