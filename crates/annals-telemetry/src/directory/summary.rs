//! What one batch knows of each trace in it.

use std::collections::HashMap;

use annals_record::{Timestamp, Uuid};

use crate::{Span, StatusCode, Trace, TraceStatus};

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
        Self {
            trace_id: &span.trace_id,
            service_name: &span.service_name,
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
    }

    /// From start to end, in microseconds.
    pub(super) fn duration_us(&self) -> i64 {
        self.end_time
            .unix_micros()
            .saturating_sub(self.start_time.unix_micros())
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
        };
        for order in [[&child, &root], [&root, &child]] {
            assert_eq!(summaries(&order), [(Trace::id_of("t"), expected.clone())]);
        }
    }
}
