//! The statements that add to usage, in the transaction of the spans.

use annals_store::{
    Names,
    rusqlite::{self, params},
    sql::PgTimestamp,
    sqlx::{
        self,
        postgres::{PgArguments, Postgres},
        query::Query,
    },
};

use super::{
    columns::{columns, daily_keys, hourly_keys},
    counts::{Added, Counts, added},
};
use crate::Span;

/// Binds the columns of counts, in the order of the tables.
macro_rules! counts {
    ($query:expr, $rows:expr) => {
        columns!($query, $rows;
            |(_, row)| row.calls, |(_, row)| row.errors, |(_, row)| row.unpriced_calls,
            |(_, row)| row.input_tokens, |(_, row)| row.output_tokens, |(_, row)| row.cached_tokens,
            |(_, row)| row.cache_write_tokens, |(_, row)| row.reasoning_tokens, |(_, row)| row.cost_nanos,
            |(_, row)| row.duration_ms, |(_, row)| row.duration_ms_squares)
    };
}

/// What spans add, as statements that are ready to go: they are put together while the server is at something else.
pub(crate) struct Addition {
    days: Vec<i64>,
    /// By hour, and by day.
    statements: Vec<Query<'static, Postgres, PgArguments>>,
}

impl Addition {
    /// What these spans add, which are new.
    pub(crate) fn of(names: &Names, spans: &[&Span]) -> Self {
        let Added {
            days,
            hourly,
            daily,
        } = added(spans);
        let mut statements = Vec::new();
        if !hourly.is_empty() {
            let sql = names.statement(include_str!("hourly.postgres.sql"));
            let query = hourly_keys!(sqlx::query(sql), hourly);
            statements.push(counts!(query, hourly));
        }
        if !daily.is_empty() {
            let sql = names.statement(include_str!("daily.postgres.sql"));
            let query = daily_keys!(sqlx::query(sql), daily);
            statements.push(counts!(query, daily));
        }
        Self { days, statements }
    }

    /// Adds it, in the transaction of the spans.
    pub(crate) async fn run(
        self,
        connection: &mut sqlx::PgConnection,
        names: &Names,
    ) -> Result<(), sqlx::Error> {
        if self.days.is_empty() {
            return Ok(());
        }
        lock_days(connection, names, &self.days).await?;
        for statement in self.statements {
            statement.execute(&mut *connection).await?;
        }
        Ok(())
    }
}

/// Counts a day's version up: whoever else changes its usage waits from now on. Days must come in their order.
pub(super) async fn lock_days(
    connection: &mut sqlx::PgConnection,
    names: &Names,
    days: &[i64],
) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO {usage_days} AS old (day, version) SELECT day, 1 FROM UNNEST($1::timestamptz[]) AS day
        ON CONFLICT (day) DO UPDATE SET version = old.version + 1";
    let days: Vec<_> = days.iter().copied().map(PgTimestamp).collect();
    sqlx::query(names.statement(sql))
        .bind(days)
        .execute(connection)
        .await?;
    Ok(())
}

/// The same on SQLite.
pub(crate) fn add_sqlite(
    connection: &rusqlite::Connection,
    names: &Names,
    spans: &[&Span],
) -> Result<(), rusqlite::Error> {
    let Added {
        days,
        hourly,
        daily,
    } = added(spans);
    if days.is_empty() {
        return Ok(());
    }
    count_days(connection, names, &days)?;
    let sql = names.statement(include_str!("hourly.sqlite.sql"));
    let mut statement = connection.prepare_cached(sql.as_str())?;
    for (key, row) in hourly {
        let Counts {
            calls,
            errors,
            unpriced_calls,
            input_tokens,
            output_tokens,
            ..
        } = row;
        statement.execute(params![
            key.hour,
            key.service,
            key.provider,
            key.model,
            calls,
            errors,
            unpriced_calls,
            input_tokens,
            output_tokens,
            row.cached_tokens,
            row.cache_write_tokens,
            row.reasoning_tokens,
            row.cost_nanos,
            row.duration_ms,
            row.duration_ms_squares,
        ])?;
    }
    let sql = names.statement(include_str!("daily.sqlite.sql"));
    let mut statement = connection.prepare_cached(sql.as_str())?;
    for (key, row) in daily {
        let Counts {
            calls,
            errors,
            unpriced_calls,
            input_tokens,
            output_tokens,
            ..
        } = row;
        statement.execute(params![
            key.day,
            key.subject,
            key.id,
            key.provider,
            key.model,
            calls,
            errors,
            unpriced_calls,
            input_tokens,
            output_tokens,
            row.cached_tokens,
            row.cache_write_tokens,
            row.reasoning_tokens,
            row.cost_nanos,
            row.duration_ms,
            row.duration_ms_squares,
        ])?;
    }
    Ok(())
}

/// Counts the versions of days up.
pub(super) fn count_days(
    connection: &rusqlite::Connection,
    names: &Names,
    days: &[i64],
) -> Result<(), rusqlite::Error> {
    let sql = names.statement("INSERT INTO {usage_days} (day, version) VALUES ($1, 1) ON CONFLICT (day) DO UPDATE SET version = version + 1");
    let mut statement = connection.prepare_cached(sql.as_str())?;
    for day in days {
        statement.execute([day])?;
    }
    Ok(())
}
