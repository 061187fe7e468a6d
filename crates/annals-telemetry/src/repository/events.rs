//! Events that come after their spans.

use std::collections::{BTreeMap, HashMap, HashSet};

use annals_record::{Filter, Json, Timestamp, Uuid};
use annals_store::{
    Access, DriverError, Error as StoreError, Names, Store, Work, rusqlite, sql::PgTimestamp, sqlx,
};
use futures_util::future::{BoxFuture, FutureExt as _};
use serde_json::Value;

use super::{Inserted, RefusedRow, TraceEvent};
use crate::{Result, Span, Spans, Trace, search::SpanKey};

/// Spans that are changed in one transaction.
const STEP: usize = 500;

/// Traces that are asked for in one statement.
const TRACES: usize = 200;

impl Spans {
    /// Appends events to their spans, those that are not there yet: an event's id tells. Answers once they are committed.
    ///
    /// An event that cannot be, or whose span is not stored, refuses itself alone.
    ///
    /// # Errors
    ///
    /// The database failed. What was written until then stays, and is found there when the batch is written again.
    pub async fn insert_events(&self, events: Vec<TraceEvent>) -> Result<Inserted> {
        let mut inserted = Inserted::default();
        let mut fitting = Vec::with_capacity(events.len());
        for (index, event) in events.into_iter().enumerate() {
            match event.check() {
                Ok(()) => fitting.push((index, event)),
                Err(error) => inserted.refused.push(RefusedRow {
                    index,
                    reason: error.to_string(),
                }),
            }
        }
        let spans: HashSet<Uuid> = fitting.iter().map(|(_, event)| event.span_id).collect();
        let keys = resolve(self.store(), &spans.into_iter().collect::<Vec<_>>()).await?;
        let mut by_span: BTreeMap<(String, String, Timestamp), Appended> = BTreeMap::new();
        for (index, event) in fitting {
            match keys.get(&event.span_id) {
                Some(key) => {
                    let key = (key.trace_id.clone(), key.span_id.clone(), key.start_time);
                    let appended = by_span.entry(key).or_default();
                    appended.count += 1;
                    if appended.ids.insert(event.id) {
                        appended.events.push(event.stored());
                    }
                }
                None => inserted.refused.push(RefusedRow {
                    index,
                    reason: format!("span_id of an event must be the row id of a span that is stored; {} is none", event.span_id),
                }),
            }
        }
        inserted.refused.sort_by_key(|row| row.index);
        let rows: Vec<_> = by_span.into_iter().collect();
        for step in rows.chunks(STEP) {
            let append = Append {
                spans: step
                    .iter()
                    .map(|((trace, span, start), appended)| {
                        (trace.clone(), span.clone(), *start, appended.events.clone())
                    })
                    .collect(),
            };
            self.store().run(Access::Write, append).await?;
            inserted.written += step
                .iter()
                .map(|(_, appended)| appended.count)
                .sum::<usize>();
        }
        Ok(inserted)
    }
}

/// What comes to one span.
#[derive(Debug, Default)]
struct Appended {
    count: usize,
    ids: HashSet<Uuid>,
    events: Vec<Value>,
}

/// The spans whose rows have these ids, as far as they are there. A row's id begins as its trace's does, which is found by that.
pub(super) async fn resolve(store: &Store, rows: &[Uuid]) -> Result<HashMap<Uuid, SpanKey>> {
    let wanted: HashSet<Uuid> = rows.iter().copied().collect();
    let prefixes: HashSet<u64> = rows.iter().map(|row| row.as_u64_pair().0).collect();
    let prefixes: Vec<u64> = prefixes.into_iter().collect();
    let mut found: HashMap<Uuid, SpanKey> = HashMap::new();
    for some in prefixes.chunks(TRACES) {
        let begins = |prefix: &u64| {
            let ends = |last: u64| Uuid::from_u64_pair(*prefix, last);
            Trace::ID
                .at_least(ends(0))
                .and(Trace::ID.at_most(ends(u64::MAX)))
        };
        let traces = store
            .query::<Trace>()
            .filter(Filter::any(some.iter().map(begins)));
        let traces = traces.fetch().await?.rows;
        let (Some(first), Some(last)) = (
            traces.iter().map(|trace| trace.start_time).min(),
            traces
                .iter()
                .map(|trace| trace.end_time.unwrap_or(Timestamp::MAX))
                .max(),
        ) else {
            continue;
        };
        let ids: HashMap<&str, Vec<Uuid>> = traces.iter().fold(HashMap::new(), |mut ids, trace| {
            ids.entry(&*trace.trace_id).or_default().push(trace.id);
            ids
        });
        let keys = store
            .query::<Span>()
            .filter(Span::TRACE_ID.is_in(ids.keys().copied()))
            .filter(Span::START_TIME.at_least(first))
            .filter(Span::START_TIME.at_most(last))
            .order(Span::START_TIME.asc())
            .planned()
            .fetch_as::<SpanKey>()
            .await?;
        for key in keys.rows {
            for trace in ids.get(&*key.trace_id).into_iter().flatten() {
                let row = Span::row_id_of(*trace, &key.span_id);
                if wanted.contains(&row) {
                    // Of two spans of one id, the one that began first.
                    found.entry(row).or_insert_with(|| key.clone());
                }
            }
        }
    }
    Ok(found)
}

/// What a driver's failure becomes.
fn failed<E: Into<DriverError>>() -> impl FnOnce(E) -> StoreError {
    StoreError::statement("appending events to spans")
}

/// Whoever remembers a trace knows by this that it is another one. Rows are locked in the order in which batches of spans
/// lock them.
const CHANGED: &str = "UPDATE {traces} SET updated_at = clock_timestamp()
    WHERE id IN (SELECT id FROM {traces} WHERE trace_id = ANY($1) ORDER BY id FOR UPDATE)";

/// Appends to spans, in the order of their keys, so that none of several waits in a circle.
struct Append {
    spans: Vec<(String, String, Timestamp, Vec<Value>)>,
}

impl Work for Append {
    type Output = ();
    type Error = StoreError;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let mut traces: Vec<String> = self.spans.iter().map(|span| span.0.clone()).collect();
            traces.dedup();
            for (trace, span, start, events) in self.spans {
                sqlx::query(names.statement(include_str!("append.postgres.sql")))
                    .bind(trace)
                    .bind(span)
                    .bind(PgTimestamp(start.unix_micros()))
                    .bind(Value::from(events).to_string())
                    .execute(&mut *connection)
                    .await
                    .map_err(failed())?;
            }
            sqlx::query(names.statement(CHANGED))
                .bind(traces)
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
        let append = || -> Result<(), rusqlite::Error> {
            let read = names.statement("SELECT events FROM {spans} WHERE trace_id = $1 AND span_id = $2 AND start_time = $3");
            let write = names.statement("UPDATE {spans} SET events = $4 WHERE trace_id = $1 AND span_id = $2 AND start_time = $3");
            let changed =
                names.statement("UPDATE {traces} SET updated_at = $2 WHERE trace_id = $1");
            for (trace, span, start, events) in &self.spans {
                let start = start.unix_micros();
                let there: Option<String> = connection
                    .prepare_cached(read.as_str())?
                    .query_row((trace, span, start), |row| row.get(0))?;
                if let Some(column) = appended(there.as_deref(), events) {
                    connection
                        .prepare_cached(write.as_str())?
                        .execute((trace, span, start, column))?;
                    connection
                        .prepare_cached(changed.as_str())?
                        .execute((trace, Timestamp::now().unix_micros()))?;
                }
            }
            Ok(())
        };
        append().map_err(failed::<rusqlite::Error>())
    }
}

/// A column with those of some events that are not in it; nothing when all are.
fn appended(column: Option<&str>, events: &[Value]) -> Option<String> {
    let there = column.and_then(|column| serde_json::from_str(column).ok());
    let mut there = match there {
        Some(Value::Array(there)) => there,
        _ => Vec::new(),
    };
    let before = there.len();
    for event in events {
        if !there.iter().any(|known| known.get("id") == event.get("id")) {
            there.push(event.clone());
        }
    }
    let column = Json::try_from(&Value::from(there.clone())).ok()?;
    (there.len() > before).then(|| column.as_str().to_owned())
}
