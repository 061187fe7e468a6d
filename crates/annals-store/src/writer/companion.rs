//! Statements of a family that run in the transaction of each batch.

use futures_util::future::BoxFuture;

use crate::sql::Names;

/// Statements that run in a batch's transaction, after its rows: a directory that must stay true.
///
/// Batches of several connections, and of several servers, touch the same rows: an implementation
/// must visit them in one order, or it will deadlock with itself.
pub trait Companion<R>: Send + Sync + 'static {
    /// Whether it is told every row that the table took, rather than the new ones alone: for what must
    /// know of a correction as well. The table's own statements then need not tell which are new.
    fn wants_every_row(&self) -> bool {
        false
    }

    /// Runs on PostgreSQL, unless there is no row to tell of. `rows` are those of the batch that are
    /// new in the table, or [all that it took](Self::wants_every_row): rows that were parked are never
    /// among them.
    fn apply_postgres<'a>(
        &'a self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
        rows: Vec<&'a R>,
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
        rows: Vec<&R>,
    ) -> Result<(), rusqlite::Error>;
}
