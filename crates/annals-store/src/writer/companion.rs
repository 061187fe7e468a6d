//! Statements of a family that run in the transaction of each batch.

use futures_util::future::BoxFuture;

use crate::sql::Names;

/// Statements that run in a batch's transaction, after its rows: a directory that must stay true.
///
/// Batches of several connections, and of several servers, touch the same rows: an implementation
/// must visit them in one order, or it will deadlock with itself.
pub trait Companion<R>: Send + Sync + 'static {
    /// Runs on PostgreSQL. `inserted` are the rows of the batch that are new in the table: rows
    /// that were parked, or were there already, are not among them.
    fn apply_postgres<'a>(
        &'a self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
        inserted: Vec<&'a R>,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>>;

    /// Runs on SQLite.
    ///
    /// # Errors
    ///
    /// What SQLite said; the batch is rolled back.
    fn apply_sqlite(
        &self,
        connection: &rusqlite::Connection,
        names: &Names,
        inserted: Vec<&R>,
    ) -> Result<(), rusqlite::Error>;
}
