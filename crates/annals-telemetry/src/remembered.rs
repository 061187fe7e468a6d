//! Traces and summaries of usage that were read before.
//!
//! # Traces
//!
//! A finished trace is asked for again and again while somebody looks into it, and never changes; but it may, as a span
//! may come late. So each read begins with the trace's row in the directory, as reads without a cache do: spans and row
//! are committed together, and what the row tells is the version of the spans. If what is remembered is of that version,
//! no span is read.
//!
//! | What happens | Why the next read is right |
//! |---|---|
//! | a span comes late, by any road and any server | the row has another count and another time of its last change |
//! | a cost is made anew | so does the row |
//! | spans go by age | `trace_cache.gone_before`, moved by the transaction in which they go: older traces are not remembered |
//! | the spans of a service are deleted | `trace_cache.generation`, another one behind it |
//! | spans are inserted past the directory | the row's count is not the number of spans: such a trace is not remembered |
//! | one is inserted past the directory, changed or deleted by SQL **after** the trace was remembered | it is not: the old answer is given until it is as old as the cache allows, or `UPDATE traces SET updated_at = now()` |
//!
//! The version is read first and the spans after it. What is committed between the two makes the spans newer than their
//! version, and nobody asks for that version again.
//!
//! # Summaries
//!
//! Each day of usage has a version in `usage_days`, which whoever changes the day's usage raises in the same transaction.
//! The sum of the versions of a window is the version of its summary: versions only grow, so no change leaves the sum as
//! it was.

mod row;
mod summary;

use std::time::Duration;

use annals_cache::{Cache, Fresh, Kept, Space, Version};
use annals_record::{Filter, Record, Timestamp, TimestampMicros, Value};
use annals_store::{
    DriverError, Names, Store, Work, rusqlite,
    sql::{Dialect, PgTimestamp},
    sqlx,
};
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::OnceCell;

use crate::{Result, Span, Trace};

/// How finished traces, and summaries of usage, are remembered.
#[derive(Clone, Debug)]
pub struct TraceCache {
    /// Where.
    pub cache: Cache,
    /// How long ago a trace's last span must have ended and been stored: one that still grows would be read anew anyway.
    pub finished_after: Duration,
}

impl TraceCache {
    /// In a cache, ten seconds after the last span.
    #[must_use]
    pub fn new(cache: Cache) -> Self {
        Self {
            cache,
            finished_after: Duration::from_secs(10),
        }
    }

    /// So long after the last span.
    #[must_use]
    pub fn finished_after(mut self, time: Duration) -> Self {
        self.finished_after = time;
        self
    }
}

/// Finished traces, remembered.
#[derive(Debug)]
pub(crate) struct Remembered {
    options: TraceCache,
    /// Whose they are: read once.
    space: OnceCell<Space>,
}

/// The spans of a trace.
struct SpansOfTrace(Vec<Span>);

impl Kept for SpansOfTrace {
    const KIND: &'static str = "trace";
    const FORMAT: u16 = row::format_of(Span::DESCRIPTOR);

    fn to_bytes(&self) -> Vec<u8> {
        let mut rows = row::Rows::default();
        self.0.iter().for_each(|span| rows.push(span));
        rows.into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        row::all(bytes).map(Self)
    }

    fn weight(&self) -> usize {
        row::weight_of(&self.0)
    }
}

/// What the database tells about a trace as it is now, in one look.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "traces")]
struct State {
    span_count: i32,
    start_time: Timestamp,
    end_time: Option<Timestamp>,
    created_at: TimestampMicros,
    updated_at: TimestampMicros,
    error_count: i32,
    model_calls: i32,
    unpriced_calls: i32,
    input_tokens: i64,
    output_tokens: i64,
    cost: Option<f64>,
    gone_before: Option<TimestampMicros>,
    generation: Option<i64>,
}

const STATE: &str = include_str!("remembered/state.sql");

/// What tells a database from others.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "trace_cache")]
struct Identity {
    secret: String,
    /// A copy of a database has its secret, and another number.
    database: i64,
}

impl Remembered {
    pub(crate) fn new(options: TraceCache) -> Self {
        Self {
            options,
            space: OnceCell::new(),
        }
    }

    async fn space(&self, store: &Store) -> Result<&Space> {
        self.space.get_or_try_init(|| space_of(store)).await
    }

    /// Every span of a trace, in order; none for an unknown one.
    pub(crate) async fn spans(&self, store: &Store, trace_id: &str) -> Result<Vec<Span>> {
        let sql = store.names().statement(STATE);
        let id = Value::Uuid(Trace::id_of(trace_id));
        let states: Vec<State> = store.fetch(sql, vec![id]).await?;
        let Some(state) = states.first() else {
            return read(store, Span::TRACE_ID.eq(trace_id)).await;
        };
        let read = read(store, state.spans_of(trace_id));
        if !state.is_kept(self.options.finished_after) {
            return read.await;
        }
        let space = self.space(store).await?;
        let read = async {
            let spans = read.await?;
            Ok::<_, crate::Error>(Fresh {
                keep: usize::try_from(state.span_count).is_ok_and(|count| count == spans.len()),
                value: SpansOfTrace(spans),
            })
        };
        let cache = &self.options.cache;
        let spans = cache
            .remember(space, trace_id.as_bytes(), &state.version(), read)
            .await?;
        Ok(match std::sync::Arc::try_unwrap(spans) {
            Ok(spans) => spans.0,
            Err(shared) => shared.0.clone(),
        })
    }
}

impl State {
    fn spans_of(&self, trace_id: &str) -> Filter<Span> {
        Span::TRACE_ID
            .eq(trace_id)
            .and(Span::START_TIME.at_least(self.start_time))
            .and(Span::START_TIME.at_most(self.end_time.unwrap_or(Timestamp::MAX)))
    }

    /// Whether the trace is one to remember: it seems to have ended, and no span of it may have gone by age.
    fn is_kept(&self, finished_after: Duration) -> bool {
        let changed = self.updated_at.unix_micros();
        let end = self.end_time.map_or(changed, |end| end.unix_micros());
        let quiet = Timestamp::now()
            .unix_micros()
            .saturating_sub(changed.max(end));
        let is_over =
            u64::try_from(quiet).is_ok_and(|quiet| u128::from(quiet) >= finished_after.as_micros());
        let start = self.start_time.unix_micros();
        let is_whole = self
            .gone_before
            .is_none_or(|gone| start >= gone.unix_micros());
        self.generation.is_some() && is_over && is_whole
    }

    fn version(&self) -> Version {
        let mut state = row::Rows::default();
        // Of all traces, and moved by what does not concern this one.
        state.push(&Self {
            gone_before: None,
            ..self.clone()
        });
        Version::of([state.into_bytes().as_slice()])
    }
}

/// The spans that match, in the order in which a trace is given.
pub(crate) async fn read(store: &Store, filter: Filter<Span>) -> Result<Vec<Span>> {
    let query = store.query::<Span>().filter(filter);
    let query = query
        .order(Span::START_TIME.asc())
        .order(Span::SPAN_ID.asc());
    Ok(query.fetch().await?.rows)
}

async fn space_of(store: &Store) -> Result<Space> {
    let names = store.names();
    let sql = match names.dialect() {
        Dialect::Sqlite => names.statement("SELECT secret, 0 FROM {trace_cache}"),
        _ => names.statement(
            "SELECT secret, (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) FROM {trace_cache}",
        ),
    };
    let found: Vec<Identity> = store.fetch(sql, Vec::new()).await?;
    // The state that was read had a row of it.
    let identity = found.into_iter().next().unwrap_or_else(|| Identity {
        secret: annals_record::Uuid::new_v4().to_string(),
        database: 0,
    });
    let database = identity.database.to_be_bytes();
    let table = names.statement("{traces}").as_str().to_owned();
    Ok(Space::new(
        identity.secret.as_bytes(),
        [&database[..], table.as_bytes()],
    ))
}

const GONE: &str =
    "UPDATE {trace_cache} SET gone_before = $1 WHERE gone_before IS NULL OR gone_before < $1";

/// Notes that spans have gone by age, in the transaction in which they do.
pub(crate) async fn gone_postgres(
    connection: &mut sqlx::PgConnection,
    names: &Names,
    before: Timestamp,
) -> Result<(), sqlx::Error> {
    let gone = sqlx::query(names.statement(GONE)).bind(PgTimestamp(before.unix_micros()));
    gone.execute(connection).await.map(|_| ())
}

/// The same on SQLite.
pub(crate) fn gone_sqlite(
    connection: &rusqlite::Connection,
    names: &Names,
    before: Timestamp,
) -> Result<(), rusqlite::Error> {
    let gone = connection.execute(names.statement(GONE).as_str(), [before.unix_micros()]);
    gone.map(|_| ())
}

/// Makes every trace that is remembered anywhere one of another version.
pub(crate) struct Outdate(pub(crate) Names);

const OUTDATE: &str = "UPDATE {trace_cache} SET generation = generation + 1";

impl Work for Outdate {
    type Output = ();
    type Error = annals_store::Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<(), annals_store::Error>> {
        async move {
            let outdate = sqlx::query(self.0.statement(OUTDATE));
            let done = outdate.execute(connection).await;
            done.map(|_| ()).map_err(outdating())
        }
        .boxed()
    }

    fn run_sqlite(
        self,
        connection: &rusqlite::Connection,
        _names: &Names,
    ) -> Result<(), annals_store::Error> {
        let done = connection.execute(self.0.statement(OUTDATE).as_str(), []);
        done.map(|_| ()).map_err(outdating())
    }
}

fn outdating<E: Into<DriverError>>() -> impl FnOnce(E) -> annals_store::Error {
    annals_store::Error::statement("noting that spans are gone")
}

#[cfg(test)]
mod tests;
