//! Statements of a family on one connection, in one transaction.

use annals_record::Record;
use futures_util::future::BoxFuture;

use crate::{
    Error, Result,
    backend::{postgres::PgSource, sqlite::SqliteSource},
    sql::Names,
};

/// What a [`Work`] does to the database, and so how much a transaction around it must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Reads only. Every statement sees the database as it was at the first.
    Read,
    /// Reads and writes. Each statement sees what others have committed before it, so that a read after
    /// a lock is true; on SQLite nobody else writes meanwhile.
    Write,
    /// One statement, which is a transaction of its own and saves the way there and back around it. On
    /// SQLite the same as [`Write`](Self::Write).
    Statement,
}

/// Statements of a family that belong together, in each dialect. See
/// [`Store::run`](crate::Store::run).
pub trait Work: Send + 'static {
    /// What they find out.
    type Output: Send + 'static;
    /// Why they did not: the database's error, or a reason of the family's own, which rolls back too.
    type Error: From<Error> + Send + 'static;

    /// Runs on PostgreSQL. May be dropped in the middle; the transaction is then rolled back.
    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<Self::Output, Self::Error>>;

    /// Runs on SQLite, on the thread that owns the connection.
    ///
    /// # Errors
    ///
    /// As the family says; the transaction is rolled back.
    fn run_sqlite(
        self,
        connection: &rusqlite::Connection,
        names: &Names,
    ) -> Result<Self::Output, Self::Error>;
}

/// The record of a row that a [`Work`]'s statement gave, whose first columns are those of the record, in
/// order.
///
/// # Errors
///
/// The row is no such record.
pub fn from_postgres<R: Record>(row: &sqlx::postgres::PgRow) -> Result<R> {
    R::decode(&mut PgSource::new(row)).map_err(|source| Error::Decode {
        table: R::DESCRIPTOR.table,
        source,
    })
}

/// The same on SQLite.
///
/// # Errors
///
/// The row is no such record.
pub fn from_sqlite<R: Record>(row: &rusqlite::Row<'_>) -> Result<R> {
    R::decode(&mut SqliteSource::new(row)).map_err(|source| Error::Decode {
        table: R::DESCRIPTOR.table,
        source,
    })
}

/// Lets a connection plan its statements anew. To be run after a DELETE that may have touched compressed chunks: in
/// TimescaleDB 2.19 plans that are kept go on to take a chunk for wholly compressed of which the same session has made
/// some rows ordinary ones, and leave those out.
///
/// # Errors
///
/// The database failed.
pub async fn forget_plans(connection: &mut sqlx::PgConnection) -> Result<()> {
    sqlx::query("DISCARD PLANS")
        .execute(connection)
        .await
        .map_err(Error::statement("forgetting plans"))?;
    Ok(())
}
