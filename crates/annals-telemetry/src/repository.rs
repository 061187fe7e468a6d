//! Traces, spans and events as the LLM storage crate has them: typed rows that check their input, batch writers, reads by id.
//!
//! | What | Here |
//! |---|---|
//! | `Trace`, `TraceSpan`, `TraceEvent` | [`Trace`], [`Span`], [`TraceEvent`], each with `new` and `check` |
//! | `insert_traces`, `insert_spans`, `insert_events` | methods of [`Spans`](crate::Spans); what is written twice is there once |
//! | `TraceRepository` | [`TraceRepository`] |
//! | `trace_spans`, `trace_events` | views; a span's row id is [`Span::row_id`] |
//!
//! A trace's counts and sums are never declared: `span_count`, `error_count`, tokens and cost are counted from its spans as
//! they are stored, whatever a declared row says.

mod check;
mod event;
mod events;
mod traces;

use annals_record::{Filter, Timestamp, Uuid};
use annals_store::{Page, Store};

use crate::{Error, Result, Span, Trace, TraceStatus, directory, search::SpanKey};

pub use check::Invalid;
pub use event::TraceEvent;

/// Traces of a listing when nobody says how many.
const DEFAULT_LIMIT: u64 = 100;

/// Traces of a listing at most.
const MAX_LIMIT: u64 = 10_000;

/// What became of the rows of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inserted {
    /// Rows that are in their table now, those that were there before included.
    pub written: usize,
    /// Rows that their table refused and that are kept as dead letters; spans only.
    pub parked: usize,
    /// Rows that cannot be, and why; nothing of them is kept.
    pub refused: Vec<RefusedRow>,
}

/// A row that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Why, with the name of the field.
    pub reason: String,
}

/// Which traces to list, newest first. Only what is set is a condition.
#[derive(Clone, Debug, Default)]
pub struct TraceFilters {
    /// Only traces that are called by this service.
    pub service_name: Option<String>,
    /// Only traces of this status.
    pub status: Option<TraceStatus>,
    /// Only traces that began then or later.
    pub start_time: Option<Timestamp>,
    /// Only traces that began then or earlier.
    pub end_time: Option<Timestamp>,
    /// Only traces that took so many microseconds or more.
    pub min_duration_us: Option<i64>,
    /// Only traces that took so many microseconds or less.
    pub max_duration_us: Option<i64>,
    /// At most so many; 100 when not set or zero, and never more than 10,000.
    pub limit: Option<u64>,
    /// Leaves so many out, each of which is read all the same: prefer `cursor`.
    pub offset: Option<u64>,
    /// Goes on behind the page that gave this.
    pub cursor: Option<String>,
}

/// Reads of traces, their spans and events by row.
#[derive(Clone, Debug)]
pub struct TraceRepository {
    store: Store,
}

impl TraceRepository {
    /// Reads from a store whose tables are there.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// The trace whose row has this id.
    ///
    /// # Errors
    ///
    /// There is none ([`Error::TraceNotFound`]), or the database failed.
    pub async fn get_by_id(&self, id: Uuid) -> Result<Trace> {
        let query = self
            .store
            .query::<Trace>()
            .filter(Trace::ID.eq(id))
            .limit(1);
        let found = query.fetch().await?.rows.into_iter().next();
        found.ok_or_else(|| directory::not_found(&id.to_string()))
    }

    /// The trace of this id, in whatever case its hexadecimal is written.
    ///
    /// # Errors
    ///
    /// There is none ([`Error::TraceNotFound`]), or the database failed.
    pub async fn get_by_trace_id(&self, trace_id: &str) -> Result<Trace> {
        let named = check::trace_id(trace_id);
        if let Some(trace) = directory::find(&self.store, &named).await? {
            return Ok(trace);
        }
        // Whoever declares a trace by SQL may give its row any id.
        let query = self
            .store
            .query::<Trace>()
            .filter(Trace::TRACE_ID.eq(&*named));
        let found = query.limit(1).fetch().await?.rows.into_iter().next();
        found.ok_or_else(|| directory::not_found(trace_id))
    }

    /// Traces that match, newest first. [`Spans::search`](crate::Spans::search) knows more conditions.
    ///
    /// # Errors
    ///
    /// The cursor is of another listing, or the database failed.
    pub async fn list(&self, filters: TraceFilters) -> Result<Page<Trace>> {
        let conditions = [
            filters
                .service_name
                .map(|service| Trace::SERVICE_NAME.eq(service)),
            filters.status.map(|status| Trace::STATUS.eq(status)),
            filters
                .start_time
                .map(|since| Trace::START_TIME.at_least(since)),
            filters
                .end_time
                .map(|until| Trace::START_TIME.at_most(until)),
            filters
                .min_duration_us
                .map(|least| Trace::DURATION_US.at_least(least)),
            filters
                .max_duration_us
                .map(|most| Trace::DURATION_US.at_most(most)),
        ];
        let limit = filters
            .limit
            .filter(|limit| *limit > 0)
            .unwrap_or(DEFAULT_LIMIT);
        let query = self
            .store
            .query::<Trace>()
            .filter(Filter::all(conditions.into_iter().flatten()))
            .order(Trace::START_TIME.desc())
            .limit(limit.min(MAX_LIMIT))
            .offset(filters.offset.unwrap_or(0))
            .planned();
        let query = match filters.cursor {
            Some(cursor) => query.after(cursor),
            None => query,
        };
        Ok(query.fetch().await?)
    }

    /// Every span of the trace whose row has this id, by start and then by id.
    ///
    /// # Errors
    ///
    /// There is no such trace ([`Error::TraceNotFound`]), or the database failed.
    pub async fn get_spans(&self, trace: Uuid) -> Result<Vec<Span>> {
        let trace = self.get_by_id(trace).await?;
        let query = self
            .store
            .query::<Span>()
            .filter(spans_of(&trace))
            .order(Span::START_TIME.asc())
            .order(Span::SPAN_ID.asc());
        Ok(query.fetch().await?.rows)
    }

    /// A trace and its spans.
    ///
    /// # Errors
    ///
    /// There is no such trace ([`Error::TraceNotFound`]), or the database failed.
    pub async fn get_with_spans(&self, trace_id: &str) -> Result<(Trace, Vec<Span>)> {
        let trace = self.get_by_trace_id(trace_id).await?;
        let spans = self.get_spans(trace.id).await?;
        Ok((trace, spans))
    }

    /// The span whose row in `trace_spans` has this id; see [`Span::row_id`].
    ///
    /// # Errors
    ///
    /// There is none ([`Error::SpanNotFound`]), or the database failed.
    pub async fn get_span_by_id(&self, span: Uuid) -> Result<Span> {
        let keys = events::resolve(&self.store, &[span]).await?;
        let missing = || Error::SpanNotFound { id: span };
        let key = keys.get(&span).ok_or_else(missing)?;
        let query = self.store.query::<Span>().filter(is_span(key)).limit(1);
        query
            .fetch()
            .await?
            .rows
            .into_iter()
            .next()
            .ok_or_else(missing)
    }

    /// The events of the span whose row has this id, in the order in which they lie there.
    ///
    /// # Errors
    ///
    /// There is no such span ([`Error::SpanNotFound`]), or the database failed.
    pub async fn get_events(&self, span: Uuid) -> Result<Vec<TraceEvent>> {
        let found = self.get_span_by_id(span).await?;
        Ok(event::of_span(span, &found))
    }
}

/// The spans of a trace, within its times.
fn spans_of(trace: &Trace) -> Filter<Span> {
    Filter::all([
        Span::TRACE_ID.eq(&*trace.trace_id),
        Span::START_TIME.at_least(trace.start_time),
        Span::START_TIME.at_most(trace.end_time.unwrap_or(Timestamp::MAX)),
    ])
}

fn is_span(key: &SpanKey) -> Filter<Span> {
    Filter::all([
        Span::TRACE_ID.eq(&*key.trace_id),
        Span::SPAN_ID.eq(&*key.span_id),
        Span::START_TIME.eq(key.start_time),
    ])
}
