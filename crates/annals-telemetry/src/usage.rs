//! What models were used for: calls, tokens and money, summed up by time and by whom.

use annals_store::{Names, rusqlite, sqlx};

use crate::Span;

/// Adds spans that are new to what is summed up, in their transaction.
pub(crate) async fn add_postgres(
    _connection: &mut sqlx::PgConnection,
    _names: &Names,
    _spans: &[&Span],
) -> Result<(), sqlx::Error> {
    Ok(())
}

/// The same on SQLite.
pub(crate) fn add_sqlite(
    _connection: &rusqlite::Connection,
    _names: &Names,
    _spans: &[&Span],
) -> Result<(), rusqlite::Error> {
    Ok(())
}
