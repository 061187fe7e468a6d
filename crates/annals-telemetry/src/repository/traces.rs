//! Traces and spans in batches.

use std::collections::BTreeMap;

use annals_record::{TextEnum as _, Timestamp, Uuid};
use annals_store::{
    Access, DriverError, Error as StoreError, Names, Work,
    rusqlite::{self, params},
    sql::PgTimestamp,
    sqlx,
};
use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Inserted, RefusedRow};
use crate::{Result, Span, SpanStore as _, Spans, Trace};

/// Rows of one transaction at most.
const STEP: usize = 5_000;

impl Spans {
    /// Writes what is declared of traces: times, status, message, root, attributes, user and conversation. Answers once it is
    /// committed. Of equal traces in a batch the last one stays; a batch that is written twice is there once.
    ///
    /// What its spans tell of a trace is not talked away: its times contain theirs, it has failed if one of them has, its service stays that
    /// of its spans, and whatever is counted is counted from them. A trace that cannot be refuses itself alone.
    ///
    /// # Errors
    ///
    /// The database failed. What was written until then stays.
    pub async fn insert_traces(&self, traces: Vec<Trace>) -> Result<Inserted> {
        let mut inserted = Inserted::default();
        // In the order of ids, as batches of spans lock them.
        let mut rows: BTreeMap<Uuid, Trace> = BTreeMap::new();
        for (index, trace) in traces.into_iter().enumerate() {
            match trace.check() {
                Ok(()) => {
                    inserted.written += 1;
                    rows.insert(trace.id, trace);
                }
                Err(error) => inserted.refused.push(RefusedRow {
                    index,
                    reason: error.to_string(),
                }),
            }
        }
        let rows: Vec<Trace> = rows.into_values().collect();
        for step in rows.chunks(STEP) {
            let declare = Declare {
                traces: step.to_vec(),
            };
            self.store().run(Access::Write, declare).await?;
        }
        Ok(inserted)
    }

    /// Writes spans, as [`write_batch`](crate::SpanStore::write_batch) does, after a check of each; one that cannot be refuses itself alone.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn insert_spans(&self, spans: Vec<Span>) -> Result<Inserted> {
        let mut inserted = Inserted::default();
        let mut fitting = Vec::with_capacity(spans.len());
        for (index, span) in spans.into_iter().enumerate() {
            let checked = span.check().map_err(|error| error.to_string());
            let checked =
                checked.and_then(|()| self.store().check(&span).map_err(|error| error.to_string()));
            match checked {
                Ok(()) => fitting.push(span),
                Err(reason) => inserted.refused.push(RefusedRow { index, reason }),
            }
        }
        if !fitting.is_empty() {
            let written = self.write_batch(fitting).await?;
            (inserted.written, inserted.parked) = (written.committed, written.parked);
        }
        Ok(inserted)
    }
}

/// What a driver's failure becomes.
fn failed<E: Into<DriverError>>() -> impl FnOnce(E) -> StoreError {
    StoreError::statement("writing traces")
}

/// Writes rows of the directory.
struct Declare {
    traces: Vec<Trace>,
}

/// The end that is declared: as such, or by a duration.
fn end_of(trace: &Trace) -> Option<Timestamp> {
    trace.end_time.or_else(|| {
        let nanos = trace.duration_us?.saturating_mul(1_000);
        Some(Timestamp::from_unix_nanos(
            trace.start_time.unix_nanos().saturating_add(nanos),
        ))
    })
}

fn duration_of(trace: &Trace) -> Option<i64> {
    let end = end_of(trace)?;
    Some(
        end.unix_micros()
            .saturating_sub(trace.start_time.unix_micros()),
    )
}

impl Work for Declare {
    type Output = ();
    type Error = StoreError;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            macro_rules! column {
                ($of:expr) => {
                    self.traces.iter().map($of).collect::<Vec<_>>()
                };
            }
            let time = |time: Timestamp| PgTimestamp(time.unix_micros());
            sqlx::query(names.statement(include_str!("declare.postgres.sql")))
                .bind(column!(|row| row.id))
                .bind(column!(|row| &*row.trace_id))
                .bind(column!(|row| &*row.service_name))
                .bind(column!(|row| time(row.start_time)))
                .bind(column!(|row| row.start_time.subsec_micro_nanos()))
                .bind(column!(|row| end_of(row).map(time)))
                .bind(column!(
                    |row| end_of(row).map(|end| end.subsec_micro_nanos())
                ))
                .bind(column!(duration_of))
                .bind(column!(|row| row.status.as_text()))
                .bind(column!(|row| row.status_message.as_deref()))
                .bind(column!(|row| row.root_span_name.as_deref()))
                .bind(column!(|row| row.attributes.as_str()))
                .bind(column!(|row| row.resource_attributes.as_str()))
                .bind(column!(|row| row.user_id.as_deref()))
                .bind(column!(|row| row.conversation_id.as_deref()))
                .execute(connection)
                .await
                .map_err(failed())?;
            Ok(())
        }
        .boxed()
    }

    fn run_sqlite(
        self,
        connection: &rusqlite::Connection,
        names: &Names,
    ) -> Result<(), StoreError> {
        let declare = || -> Result<(), rusqlite::Error> {
            let sql = names.statement(include_str!("declare.sqlite.sql"));
            let mut statement = connection.prepare_cached(sql.as_str())?;
            let now = Timestamp::now().unix_micros();
            for row in &self.traces {
                statement.execute(params![
                    row.id.hyphenated().to_string(),
                    row.trace_id,
                    row.service_name,
                    row.start_time.unix_micros(),
                    row.start_time.subsec_micro_nanos(),
                    end_of(row).map(Timestamp::unix_micros),
                    end_of(row).map(Timestamp::subsec_micro_nanos),
                    duration_of(row),
                    row.status.as_text(),
                    row.status_message,
                    row.root_span_name,
                    row.attributes.as_str(),
                    row.resource_attributes.as_str(),
                    row.user_id,
                    row.conversation_id,
                    now,
                ])?;
            }
            Ok(())
        };
        declare().map_err(failed::<rusqlite::Error>())
    }
}
