//! Traces by their spans: candidates newest first, each trace at its newest one.
//!
//! A batch of candidates is one statement that reads their keys; the rows of their traces are a second one. A candidate whose
//! trace has one that is newer than the page's beginning was on a page before: only traces that end behind that beginning
//! can have, and those are asked about in a third.

use std::collections::{HashMap, HashSet};

use annals_record::{Filter, Record, Timestamp};
use annals_store::{Page, Store};

use super::{
    Asked, Found, MAX_BATCH, MAX_BATCHES, Place,
    conditions::{has_tokens, of_span, of_trace, spans_behind, spans_until, spans_within},
    matching::matching,
};
use crate::{Result, Span, Trace};

/// What is read of a span that matches.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "spans",
    time = "start_time",
    key("trace_id", "span_id", "start_time")
)]
pub(super) struct Candidate {
    trace_id: String,
    span_id: String,
    pub(super) start_time: Timestamp,
    model_name: Option<String>,
}

pub(super) async fn page(store: &Store, asked: &Asked) -> Result<Found> {
    let mut traces = Vec::new();
    let Some(condition) = of_span(store, &asked.search).await? else {
        return Ok(Found { traces, next: None });
    };
    let condition = condition.and(spans_within(asked.window));
    let mut from = asked.from.clone();
    let mut seen: HashSet<String> = HashSet::new();
    let mut size = asked.first_batch(false);
    for _ in 0..MAX_BATCHES {
        let batch = candidates(store, asked, &condition, from.as_ref(), size).await?;
        let mut traces_of: HashSet<&str> = HashSet::new();
        traces_of.extend(batch.rows.iter().map(|key| &*key.trace_id));
        traces_of.retain(|id| !seen.contains(*id));
        let mut rows = reportable(store, asked, &condition, traces_of).await?;
        for (at, key) in batch.rows.iter().enumerate() {
            from = Some(Place {
                time: key.start_time,
                trace: key.trace_id.clone(),
                span: key.span_id.clone(),
            });
            let is_new = seen.insert(key.trace_id.clone());
            traces.extend(rows.remove(&key.trace_id).filter(|_| is_new));
            if traces.len() == asked.limit {
                let mut behind = batch.rows.iter().skip(at + 1);
                let is_more =
                    batch.next.is_some() || behind.any(|key| rows.contains_key(&key.trace_id));
                return Ok(Found {
                    traces,
                    next: from.filter(|_| is_more),
                });
            }
        }
        if batch.next.is_none() {
            return Ok(Found { traces, next: None });
        }
        size = size.saturating_mul(2).min(MAX_BATCH);
    }
    Ok(Found { traces, next: from })
}

/// Spans that match, behind a place or from the newest on.
pub(super) async fn candidates(
    store: &Store,
    asked: &Asked,
    condition: &Filter<Span>,
    from: Option<&Place>,
    size: u64,
) -> Result<Page<Candidate>> {
    let mut query = store
        .query::<Span>()
        .filter(condition.clone())
        .filter(Filter::all(from.map(spans_behind)));
    if asked.search.model_name.is_some() {
        // All are of one: it says which index to take.
        query = query.order(Span::MODEL_NAME.asc());
    }
    Ok(query
        .order(Span::START_TIME.desc())
        .order(Span::TRACE_ID.desc())
        .order(Span::SPAN_ID.desc())
        .limit(size)
        .planned()
        .fetch_as::<Candidate>()
        .await?)
}

/// The rows of those traces that meet what is asked of traces and were on no page before, by the trace's id.
async fn reportable(
    store: &Store,
    asked: &Asked,
    condition: &Filter<Span>,
    candidates: HashSet<&str>,
) -> Result<HashMap<String, Trace>> {
    if candidates.is_empty() {
        return Ok(HashMap::new());
    }
    // By the trace's own id: who declares a trace by SQL may give its row any id.
    let found = store
        .query::<Trace>()
        .filter(Trace::TRACE_ID.is_in(candidates))
        .filter(of_trace(&asked.search))
        .planned()
        .fetch()
        .await?;
    let mut rows: HashMap<String, Trace> = HashMap::with_capacity(found.rows.len());
    for trace in found.rows {
        let is_the_directory_s = trace.id == Trace::id_of(&trace.trace_id);
        if has_tokens(&asked.search, &trace)
            && (is_the_directory_s || !rows.contains_key(&trace.trace_id))
        {
            rows.insert(trace.trace_id.clone(), trace);
        }
    }
    if let Some(begin) = &asked.from {
        let may_have_come = rows
            .values()
            .filter(|trace| trace.end_time.is_none_or(|end| end >= begin.time));
        let may_have_come: Vec<&Trace> = may_have_come.collect();
        let before = condition.clone().and(spans_until(begin));
        for id in matching(store, &before, &may_have_come).await? {
            rows.remove(&id);
        }
    }
    Ok(rows)
}
