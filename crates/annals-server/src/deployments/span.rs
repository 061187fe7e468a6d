//! A span of a deployment trace as JSON.

use annals_deploy::DeploymentSpan;
use annals_record::{Json, TextEnum as _};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A span of a deployment trace, by the names of the table's columns. What is absent is left out.
#[derive(Serialize, ToSchema)]
#[schema(as = DeploymentSpan)]
pub(super) struct SpanJson {
    /// A UUID, the same for each version of the span.
    id: String,
    trace_id: String,
    span_id: String,
    /// The span above it; of the topmost span of a linked trace one in the trace that it continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: String,
    /// RFC 3339, with nanoseconds.
    #[schema(format = DateTime)]
    start_time: String,
    /// RFC 3339, with nanoseconds; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    end_time: Option<String>,
    /// Absent while it runs; negative when it ended before it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<f64>,
    workspace_id: String,
    /// What is deployed where.
    #[serde(skip_serializing_if = "Option::is_none")]
    release_target_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
    /// The trace that this one continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_trace_id: Option<String>,
    /// reconciliation, planning, eligibility, execution, action, external or another.
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    /// phase, evaluation, check, decision, action or another.
    #[serde(skip_serializing_if = "Option::is_none")]
    node_type: Option<String>,
    /// running, completed, failed, skipped, unset, aborted or another.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// Levels above it in its own trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<i32>,
    /// Its place among the starts of its trace, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<i32>,
    /// Every attribute, those that have a column included.
    #[schema(value_type = Object)]
    attributes: Option<Box<RawValue>>,
    /// Objects with name, timestamp and attributes.
    #[schema(value_type = Vec<Object>)]
    events: Option<Box<RawValue>>,
    /// When its first version was stored: RFC 3339, to the microsecond.
    #[schema(format = DateTime)]
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment_id: Option<String>,
    /// What set the reconciliation off.
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<String>,
    /// Why it ended as it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// unset, ok or error.
    status_code: &'static str,
}

/// A JSON column as it is stored, so that numbers keep every digit.
fn raw(column: &Json) -> Option<Box<RawValue>> {
    // What is stored is JSON, so this never fails.
    RawValue::from_string(column.as_str().to_owned()).ok()
}

impl From<DeploymentSpan> for SpanJson {
    fn from(span: DeploymentSpan) -> Self {
        // Taken apart, so that a column added there cannot be forgotten here.
        let DeploymentSpan {
            id,
            trace_id,
            span_id,
            parent_span_id,
            name,
            start_time,
            end_time,
            workspace_id,
            release_target_key,
            release_id,
            job_id,
            parent_trace_id,
            phase,
            node_type,
            status,
            depth,
            sequence,
            attributes,
            events,
            created_at,
            deployment_id,
            trigger,
            message,
            status_code,
            revision: _,
        } = span;
        let duration = end_time.map(|end| end.unix_nanos().saturating_sub(start_time.unix_nanos()));
        Self {
            id: id.to_string(),
            trace_id,
            span_id,
            parent_span_id,
            name,
            start_time: start_time.to_string(),
            end_time: end_time.map(|time| time.to_string()),
            duration_ms: duration.map(|nanos| nanos as f64 / 1e6),
            workspace_id: workspace_id.to_string(),
            release_target_key,
            release_id,
            job_id,
            parent_trace_id,
            phase,
            node_type,
            status,
            depth,
            sequence,
            attributes: raw(&attributes),
            events: raw(&events),
            created_at: created_at.to_string(),
            deployment_id,
            trigger,
            message,
            status_code: status_code.as_text(),
        }
    }
}

/// Spans as they are answered.
pub(super) fn shown(spans: Vec<DeploymentSpan>) -> Vec<SpanJson> {
    spans.into_iter().map(SpanJson::from).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use annals_deploy::StatusCode;
    use annals_record::{Timestamp, TimestampMicros, Uuid};

    use super::*;

    pub(in crate::deployments) fn span(id: &str) -> DeploymentSpan {
        let start = Timestamp::from_unix_nanos(1_700_000_000_000_000_001);
        DeploymentSpan {
            id: DeploymentSpan::id_of("t", id, start),
            trace_id: "t".to_owned(),
            span_id: id.to_owned(),
            parent_span_id: None,
            name: "Planning".to_owned(),
            start_time: start,
            end_time: None,
            workspace_id: Uuid::nil(),
            release_target_key: None,
            release_id: None,
            job_id: None,
            parent_trace_id: None,
            phase: None,
            node_type: None,
            status: None,
            depth: None,
            sequence: None,
            attributes: Json::empty_object(),
            events: Json::parse("[]").unwrap(),
            created_at: TimestampMicros::floor(start),
            deployment_id: None,
            trigger: None,
            message: None,
            status_code: StatusCode::Unset,
            revision: 0,
        }
    }

    #[test]
    fn what_runs_has_neither_an_end_nor_a_duration() {
        let mut row = span("s");
        let json = serde_json::to_value(SpanJson::from(row.clone())).unwrap();
        assert_eq!(json["start_time"], "2023-11-14T22:13:20.000000001Z");
        assert_eq!(json["attributes"], serde_json::json!({}));
        for absent in ["end_time", "duration_ms", "phase", "revision"] {
            assert!(json.get(absent).is_none(), "{json}");
        }
        row.end_time = Some(Timestamp::from_unix_nanos(1_700_000_000_001_500_001));
        let json = serde_json::to_value(SpanJson::from(row)).unwrap();
        assert_eq!(json["duration_ms"], 1.5);
    }
}
