//! A trace's row as JSON.

use annals_record::Json;
use annals_telemetry::{Trace, TraceStatus};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A trace, as its row in `traces` tells it. What is absent is left out.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct TraceRowJson {
    /// The row's id.
    id: String,
    trace_id: String,
    service_name: String,
    /// RFC 3339, with nanoseconds.
    #[schema(format = DateTime)]
    start_time: String,
    /// RFC 3339, with nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    end_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<i64>,
    /// unset, ok or error: the worst of any span.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root_span_name: Option<String>,
    #[schema(value_type = Object)]
    attributes: Option<Box<RawValue>>,
    #[schema(value_type = Object)]
    resource_attributes: Option<Box<RawValue>>,
    span_count: i32,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<String>,
    error_count: i32,
    model_calls: i32,
    /// Calls whose cost nobody knows.
    unpriced_calls: i32,
    input_tokens: i64,
    output_tokens: i64,
    /// In US dollars, as far as it is known; absent when of no call it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<f64>,
}

/// A JSON column as it is stored, so that numbers keep every digit.
fn raw(column: &Json) -> Option<Box<RawValue>> {
    RawValue::from_string(column.as_str().to_owned()).ok()
}

impl From<Trace> for TraceRowJson {
    fn from(trace: Trace) -> Self {
        // Taken apart, so that a column added there cannot be forgotten here.
        let Trace {
            id,
            trace_id,
            service_name,
            start_time,
            end_time,
            duration_us,
            status,
            status_message,
            root_span_name,
            attributes,
            resource_attributes,
            span_count,
            created_at,
            updated_at,
            user_id,
            conversation_id,
            error_count,
            model_calls,
            unpriced_calls,
            input_tokens,
            output_tokens,
            cost,
        } = trace;
        Self {
            id: id.to_string(),
            trace_id,
            service_name,
            start_time: start_time.to_string(),
            end_time: end_time.map(|time| time.to_string()),
            duration_us,
            status: match status {
                TraceStatus::Unset => "unset",
                TraceStatus::Ok => "ok",
                TraceStatus::Error => "error",
            },
            status_message,
            root_span_name,
            attributes: raw(&attributes),
            resource_attributes: raw(&resource_attributes),
            span_count,
            created_at: created_at.to_string(),
            updated_at: updated_at.to_string(),
            user_id,
            conversation_id,
            error_count,
            model_calls,
            unpriced_calls,
            input_tokens,
            output_tokens,
            cost: cost.filter(|cost| cost.is_finite()),
        }
    }
}
