//! What one batch knows of each trace in it.

use std::collections::HashMap;

use annals_record::{Timestamp, Uuid};

use crate::{Span, StatusCode, Trace, TraceStatus, cost, genai};

/// Bytes of a name in `traces` at most: what is longer is cut there, as its indexes hold no more than a few thousand.
const LONGEST_NAME: usize = 512;

/// What a batch adds to a trace. Adding is commutative: batches may commit in any order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Summary<'a> {
    pub(super) trace_id: &'a str,
    pub(super) service_name: &'a str,
    pub(super) start_time: Timestamp,
    pub(super) end_time: Timestamp,
    pub(super) status: TraceStatus,
    pub(super) status_message: Option<&'a str>,
    pub(super) root_span_name: Option<&'a str>,
    pub(super) span_count: i32,
    pub(super) user_id: Option<&'a str>,
    pub(super) conversation_id: Option<&'a str>,
    pub(super) error_count: i32,
    pub(super) model_calls: i32,
    pub(super) unpriced_calls: i32,
    pub(super) input_tokens: i64,
    pub(super) output_tokens: i64,
    /// In billionths of a US dollar.
    pub(super) cost_nanos: Option<i64>,
}

/// The traces of a batch, in the order of their row ids: batches that touch the same traces must
/// lock them in one order.
pub(super) fn summaries<'a>(spans: &[&'a Span]) -> Vec<(Uuid, Summary<'a>)> {
    let mut by_trace: HashMap<&str, Summary<'a>> = HashMap::new();
    for span in spans {
        by_trace
            .entry(&span.trace_id)
            .and_modify(|summary| summary.add(span))
            .or_insert_with(|| Summary::of(span));
    }
    let mut summaries: Vec<_> = by_trace
        .into_values()
        .map(|summary| (Trace::id_of(summary.trace_id), summary))
        .collect();
    summaries.sort_unstable_by_key(|(id, _)| *id);
    summaries
}

impl<'a> Summary<'a> {
    fn of(span: &'a Span) -> Self {
        let status = match span.status_code {
            StatusCode::Error => TraceStatus::Error,
            StatusCode::Ok => TraceStatus::Ok,
            StatusCode::Unset => TraceStatus::Unset,
        };
        let is_call = genai::is_model_call(span);
        let of_call = |count: i32| if is_call { count } else { 0 };
        let tokens = |tokens: Option<i32>| i64::from(of_call(tokens.unwrap_or(0).max(0)));
        let cost_nanos = span.cost.filter(|_| is_call).and_then(cost::nanodollars);
        Self {
            trace_id: &span.trace_id,
            service_name: cut(&span.service_name),
            start_time: span.start_time,
            end_time: span.end_time(),
            status,
            status_message: span
                .status_message
                .as_deref()
                .filter(|_| status == TraceStatus::Error),
            root_span_name: span
                .parent_span_id
                .is_none()
                .then_some(&*span.operation_name),
            span_count: 1,
            user_id: span.user_id.as_deref().map(cut),
            conversation_id: span.conversation_id.as_deref().map(cut),
            error_count: i32::from(status == TraceStatus::Error),
            model_calls: of_call(1),
            unpriced_calls: of_call(i32::from(cost_nanos.is_none())),
            input_tokens: tokens(span.input_tokens),
            output_tokens: tokens(span.output_tokens),
            cost_nanos,
        }
    }

    fn add(&mut self, span: &'a Span) {
        let other = Self::of(span);
        let takes_service = match (self.root_span_name, other.root_span_name) {
            (None, Some(_)) => true,
            (None, None) => other.start_time < self.start_time,
            (Some(_), _) => false,
        };
        if takes_service {
            self.service_name = other.service_name;
        }
        self.root_span_name = self.root_span_name.or(other.root_span_name);
        self.status_message = self.status_message.or(other.status_message);
        self.status = self.status.max(other.status);
        self.start_time = self.start_time.min(other.start_time);
        self.end_time = self.end_time.max(other.end_time);
        self.span_count = self.span_count.saturating_add(1);
        self.user_id = first(self.user_id, other.user_id);
        self.conversation_id = first(self.conversation_id, other.conversation_id);
        self.error_count = self.error_count.saturating_add(other.error_count);
        self.model_calls = self.model_calls.saturating_add(other.model_calls);
        self.unpriced_calls = self.unpriced_calls.saturating_add(other.unpriced_calls);
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cost_nanos = match (self.cost_nanos, other.cost_nanos) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
    }

    /// In US dollars.
    pub(super) fn cost(&self) -> Option<f64> {
        self.cost_nanos.map(cost::dollars)
    }

    /// From start to end, in microseconds.
    pub(super) fn duration_us(&self) -> i64 {
        self.end_time
            .unix_micros()
            .saturating_sub(self.start_time.unix_micros())
    }
}

fn cut(name: &str) -> &str {
    name.get(..name.floor_char_boundary(LONGEST_NAME))
        .unwrap_or(name)
}

/// The first in the order of texts of what is there: the same whichever comes first.
fn first<'a>(a: Option<&'a str>, b: Option<&'a str>) -> Option<&'a str> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_names_the_trace_wherever_it_comes_and_the_worst_status_stays() {
        let at = Timestamp::from_unix_nanos;
        let mut child = Span::new("t", "b", "db", "query", at(5), 100);
        child.parent_span_id = Some("a".into());
        child.status_code = StatusCode::Error;
        child.status_message = Some("deadlock".into());
        let mut root = Span::new("t", "a", "api", "GET /", at(10), 10);
        root.status_code = StatusCode::Ok;
        let expected = Summary {
            trace_id: "t",
            service_name: "api",
            start_time: at(5),
            end_time: at(105),
            status: TraceStatus::Error,
            status_message: Some("deadlock"),
            root_span_name: Some("GET /"),
            span_count: 2,
            user_id: None,
            conversation_id: None,
            error_count: 1,
            model_calls: 0,
            unpriced_calls: 0,
            input_tokens: 0,
            output_tokens: 0,
            cost_nanos: None,
        };
        for order in [[&child, &root], [&root, &child]] {
            assert_eq!(summaries(&order), [(Trace::id_of("t"), expected.clone())]);
        }
    }
}
