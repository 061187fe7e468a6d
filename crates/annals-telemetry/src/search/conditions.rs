//! What is asked, as conditions on rows of `spans` and of `traces`.

use annals_record::{Filter, Record, Timestamp, TimestampMicros, Value};
use annals_store::Store;
use serde_json::Value as JsonValue;

use super::{Asked, Place, TraceSearch, TraceWindow};
use crate::{Result, Span, Trace, TraceStatus, bind};

/// A span's attribute and what it must be.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeEquals {
    /// The attribute.
    pub name: String,
    /// What it may be: one of these.
    pub values: Vec<JsonValue>,
}

impl AttributeEquals {
    /// The attribute is this value, of this type.
    pub fn new(name: impl Into<String>, value: impl Into<JsonValue>) -> Self {
        Self {
            name: name.into(),
            values: vec![value.into()],
        }
    }

    /// The attribute reads as this text, whether it is a text, a number or a truth value.
    pub fn reads(name: impl Into<String>, text: &str) -> Self {
        let mut values = vec![JsonValue::from(text)];
        let other = serde_json::from_str(text).ok();
        values.extend(other.filter(|value: &JsonValue| value.is_number() || value.is_boolean()));
        Self {
            name: name.into(),
            values,
        }
    }
}

/// What must hold of a span, its time apart; `None` when no span can meet it.
pub(super) async fn of_span(store: &Store, search: &TraceSearch) -> Result<Option<Filter<Span>>> {
    let mut filters: Vec<Filter<Span>> = Vec::new();
    if let Some(model) = search.model_name.as_deref() {
        // Not as an equation: an order by the model would be dropped, and with it the reason to take the model's index.
        // A planner would read the newest spans for a model that many have, also when nobody asks it any more.
        filters.push(Span::MODEL_NAME.at_least(model));
        filters.push(Span::MODEL_NAME.at_most(model));
    }
    if let Some(provider) = search.provider.as_deref() {
        filters.push(Span::PROVIDER.eq(provider));
        if search.model_name.is_none() {
            let models = models_of(store, provider).await?;
            let (Some(first), Some(last)) = (
                models.iter().map(|known| known.first).min(),
                models.iter().map(|known| known.last).max(),
            ) else {
                return Ok(None);
            };
            // So that one that nobody calls any more is not looked for in all that came since.
            filters.push(Span::START_TIME.at_least(Timestamp::from(first)));
            filters.push(Span::START_TIME.lt(Timestamp::from(last) + HOUR));
            // A call that names no model is counted there as one of none.
            if models.iter().all(|known| !known.model.is_empty()) {
                filters.push(match models.as_slice() {
                    [one] => Span::MODEL_NAME.eq(&*one.model),
                    _ => Span::MODEL_NAME.is_in(models.iter().map(|known| &*known.model)),
                });
            }
        }
    }
    filters.extend(
        search
            .tool_name
            .as_deref()
            .map(|tool| Span::TOOL_NAME.eq(tool)),
    );
    filters.extend(
        search
            .agent_name
            .as_deref()
            .map(|agent| Span::AGENT_NAME.eq(agent)),
    );
    filters.extend(
        search
            .name
            .as_deref()
            .map(|text| Span::OPERATION_NAME.contains_ignoring_case(text)),
    );
    filters.extend(search.attributes.iter().map(|attribute| {
        let values = attribute.values.iter();
        Filter::any(values.map(|value| Span::TAGS.has(&*attribute.name, value.clone())))
    }));
    Ok(Some(Filter::all(filters)))
}

/// What must hold of a trace, its start apart. Sums of tokens are told by [`has_tokens`].
pub(super) fn of_trace(search: &TraceSearch) -> Filter<Trace> {
    let mut filters: Vec<Filter<Trace>> = Vec::new();
    filters.extend(
        search
            .service_name
            .as_deref()
            .map(|service| Trace::SERVICE_NAME.eq(service)),
    );
    filters.extend(search.status.map(|status| Trace::STATUS.eq(status)));
    filters.extend(search.errors.then(|| Trace::STATUS.eq(TraceStatus::Error)));
    filters.extend(search.min_duration.map(|least| {
        let micros = least.as_nanos().div_ceil(1_000);
        Trace::DURATION_US.at_least(i64::try_from(micros).unwrap_or(i64::MAX))
    }));
    filters.extend(search.max_duration.map(|most| {
        Trace::DURATION_US.at_most(i64::try_from(most.as_micros()).unwrap_or(i64::MAX))
    }));
    filters.extend(
        search
            .user_id
            .as_deref()
            .map(|user| Trace::USER_ID.eq(user)),
    );
    filters.extend(
        search
            .conversation_id
            .as_deref()
            .map(|one| Trace::CONVERSATION_ID.eq(one)),
    );
    filters.extend(search.min_cost.map(|least| Trace::COST.at_least(least)));
    filters.extend(search.max_cost.map(|most| Trace::COST.at_most(most)));
    filters.extend(
        search
            .root_name
            .as_deref()
            .map(|text| Trace::ROOT_SPAN_NAME.contains_ignoring_case(text)),
    );
    // What a sum can be only if its parts are: most of what does not match stays in the database.
    if let Some(least) = search.min_tokens {
        let half = i64::try_from(least.div_ceil(2)).unwrap_or(i64::MAX);
        let either = Trace::INPUT_TOKENS
            .at_least(half)
            .or(Trace::OUTPUT_TOKENS.at_least(half));
        filters.push(either);
    }
    if let Some(most) = search.max_tokens {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        filters.push(
            Trace::INPUT_TOKENS
                .at_most(most)
                .and(Trace::OUTPUT_TOKENS.at_most(most)),
        );
    }
    Filter::all(filters)
}

/// Whether a trace has as many tokens as are asked for.
pub(super) fn has_tokens(search: &TraceSearch, trace: &Trace) -> bool {
    let tokens = trace.input_tokens.saturating_add(trace.output_tokens);
    let tokens = u64::try_from(tokens).unwrap_or(0);
    search.min_tokens.is_none_or(|least| tokens >= least)
        && search.max_tokens.is_none_or(|most| tokens <= most)
}

/// Spans in the window.
pub(super) fn spans_within(window: Option<TraceWindow>) -> Filter<Span> {
    let (since, until) = window.map_or((None, None), |window| (window.since, window.until));
    let since = since.map(|since| Span::START_TIME.at_least(since));
    let until = until.map(|until| Span::START_TIME.at_most(until));
    Filter::all(since.into_iter().chain(until))
}

/// Traces that began in the window.
pub(super) fn traces_within(window: Option<TraceWindow>) -> Filter<Trace> {
    let (since, until) = window.map_or((None, None), |window| (window.since, window.until));
    let since = since.map(|since| Trace::START_TIME.at_least(since));
    let until = until.map(|until| Trace::START_TIME.at_most(until));
    Filter::all(since.into_iter().chain(until))
}

/// Traces that may have a span in the window.
pub(super) fn traces_around(window: Option<TraceWindow>) -> Filter<Trace> {
    let (since, until) = window.map_or((None, None), |window| (window.since, window.until));
    let since = since.map(|since| {
        Trace::END_TIME
            .at_least(since)
            .or(Trace::END_TIME.is_null())
    });
    let until = until.map(|until| Trace::START_TIME.at_most(until));
    Filter::all(since.into_iter().chain(until))
}

/// Spans behind a place, in the order of spans: by time, trace and id, the last ones first.
pub(super) fn spans_behind(place: &Place) -> Filter<Span> {
    let same_trace = Span::TRACE_ID
        .eq(&*place.trace)
        .and(Span::SPAN_ID.lt(&*place.span));
    Span::START_TIME.at_most(place.time).and(Filter::any([
        Span::START_TIME.lt(place.time),
        Span::TRACE_ID.lt(&*place.trace),
        same_trace,
    ]))
}

/// Spans before a place or at it, in that order.
pub(super) fn spans_until(place: &Place) -> Filter<Span> {
    let same_trace = Span::TRACE_ID
        .eq(&*place.trace)
        .and(Span::SPAN_ID.at_least(&*place.span));
    Span::START_TIME.at_least(place.time).and(Filter::any([
        Span::START_TIME.gt(place.time),
        Span::TRACE_ID.gt(&*place.trace),
        same_trace,
    ]))
}

impl Asked {
    /// How many rows the first batch has: more than are asked for where some will not do.
    pub(super) fn first_batch(&self, is_exact: bool) -> u64 {
        let limit = self.limit as u64;
        if is_exact {
            return limit;
        }
        limit.saturating_mul(4).clamp(200, super::MAX_BATCH)
    }
}

/// An hour, by which usage is summed up.
const HOUR: std::time::Duration = std::time::Duration::from_secs(3_600);

/// A model of a provider, and the first and last hour in which it was called.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "usage_hourly")]
struct ModelOfProvider {
    model: String,
    first: TimestampMicros,
    last: TimestampMicros,
}

/// The models that a provider was called for, so that their index finds its spans.
async fn models_of(store: &Store, provider: &str) -> Result<Vec<ModelOfProvider>> {
    let sql = "SELECT model, min(hour) AS first, max(hour) AS last FROM {usage_hourly} WHERE provider = $1 GROUP BY model";
    let values: Vec<Value> = vec![bind::text(provider)];
    Ok(store.fetch(store.names().statement(sql), values).await?)
}
