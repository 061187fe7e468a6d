//! Which of some traces have a span that matches.

use std::collections::HashSet;

use annals_record::{Filter, Record, Timestamp};
use annals_store::Store;

use crate::{Result, Span, Trace};

/// Rows that are read at once. More than one of a trace is of no use, and a trace may have thousands.
const ROWS: u64 = 1_000;

/// A span's key: all that is read of a candidate.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "spans",
    time = "start_time",
    key("trace_id", "span_id", "start_time")
)]
pub(crate) struct SpanKey {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) start_time: Timestamp,
}

/// Those of some traces of which a span meets a condition, looked for within their times.
pub(super) async fn matching(
    store: &Store,
    condition: &Filter<Span>,
    traces: &[&Trace],
) -> Result<HashSet<String>> {
    let mut matched = HashSet::new();
    let mut asked: HashSet<&str> = traces.iter().map(|trace| &*trace.trace_id).collect();
    let (Some(first), Some(last)) = (
        traces.iter().map(|trace| trace.start_time).min(),
        traces
            .iter()
            .map(|trace| trace.end_time.unwrap_or(Timestamp::MAX))
            .max(),
    ) else {
        return Ok(matched);
    };
    while !asked.is_empty() {
        let page = store
            .query::<Span>()
            .filter(Span::TRACE_ID.is_in(asked.iter().copied()))
            .filter(Span::START_TIME.at_least(first))
            .filter(Span::START_TIME.at_most(last))
            .filter(condition.clone())
            .limit(ROWS)
            .planned()
            .fetch_as::<SpanKey>()
            .await?;
        for row in page.rows {
            asked.remove(&*row.trace_id);
            matched.insert(row.trace_id);
        }
        if page.next.is_none() {
            break;
        }
    }
    Ok(matched)
}
