//! By which of the two roads a search goes.

use annals_record::{Filter, Record, Timestamp, Uuid};
use annals_store::Store;

use super::{
    Asked, TraceSearch, by_spans,
    conditions::{of_span, of_trace, spans_within},
};
use crate::{Result, Trace, TraceStatus};

/// What is looked through, and by whose times traces come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Road {
    Spans,
    Traces,
}

/// A trace, of which only that it is there is of interest.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "traces",
    time = "start_time",
    key("id", "start_time")
)]
struct Known {
    id: Uuid,
    start_time: Timestamp,
}

/// The road of a search. All its pages go by that of the first.
pub(super) async fn of(store: &Store, asked: &Asked) -> Result<Road> {
    let search = &asked.search;
    if let Some(begin) = &asked.from {
        // Only a place among spans is one of a span.
        return Ok(match begin.span.is_empty() {
            true => Road::Traces,
            false => Road::Spans,
        });
    }
    if !search.asks_spans() || search.names_few() {
        return Ok(Road::Traces);
    }
    if !search.errors && search.status != Some(TraceStatus::Error) {
        return Ok(Road::Spans);
    }
    if search.model_name.is_none() && search.provider.is_none() {
        // No index leads to such spans, and one leads to traces that failed.
        return Ok(Road::Traces);
    }
    rarer(store, asked).await
}

/// Whether there are fewer spans of a model, or fewer traces that failed, in the time that the newest of these spans
/// cover.
async fn rarer(store: &Store, asked: &Asked) -> Result<Road> {
    let size = asked.first_batch(false);
    let Some(condition) = of_span(store, &asked.search).await? else {
        return Ok(Road::Spans);
    };
    let condition = condition.and(spans_within(asked.window));
    let newest = by_spans::candidates(store, asked, &condition, None, size).await?;
    let (Some(first), Some(last), true) = (
        newest.rows.last(),
        newest.rows.first(),
        newest.next.is_some(),
    ) else {
        // These are all.
        return Ok(Road::Spans);
    };
    let meanwhile = Filter::all([
        Trace::START_TIME.at_least(first.start_time),
        Trace::START_TIME.at_most(last.start_time),
    ]);
    let failed = store
        .query::<Trace>()
        .filter(of_trace(&asked.search))
        .filter(meanwhile)
        .limit(size)
        .planned()
        .fetch_as::<Known>()
        .await?;
    Ok(match failed.next {
        Some(_) => Road::Spans,
        None => Road::Traces,
    })
}

impl TraceSearch {
    /// Whether something is asked of spans.
    pub(super) fn asks_spans(&self) -> bool {
        self.model_name.is_some()
            || self.provider.is_some()
            || self.tool_name.is_some()
            || self.agent_name.is_some()
            || self.name.is_some()
            || !self.attributes.is_empty()
    }

    /// Whether something is asked that few traces have, and an index finds those.
    pub(super) fn names_few(&self) -> bool {
        self.user_id.is_some() || self.conversation_id.is_some()
    }
}
