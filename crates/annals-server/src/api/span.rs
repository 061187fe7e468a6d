//! A span as JSON.

mod summary;

use annals_record::{Json, Timestamp};
use annals_telemetry::{Span, SpanKind, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

pub(super) use summary::SpanSummaryJson;

/// A span. What is absent is left out. The first fields are InferTrace's.
#[derive(Serialize, ToSchema)]
pub(super) struct SpanJson {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    service_name: String,
    operation_name: String,
    /// RFC 3339, with nanoseconds.
    #[schema(format = DateTime)]
    start_time: String,
    /// RFC 3339, with nanoseconds.
    #[schema(format = DateTime)]
    end_time: String,
    /// Rounded to what a double holds; `duration_nanos` is exact.
    duration_ms: f64,
    duration_nanos: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_size: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<i32>,
    /// In percent. NaN and the infinities are left out, since JSON has none.
    #[serde(skip_serializing_if = "is_no_number")]
    gpu_utilization: Option<f64>,
    /// Attributes. Bytes are `{"$bytes": base64}`, doubles that JSON lacks `{"$double": "NaN"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    tags: Option<Box<RawValue>>,
    /// unspecified, internal, server, client, producer or consumer.
    kind: &'static str,
    /// unset, ok or error.
    status_code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_state: Option<String>,
    flags: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    events: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    links: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_attributes_count: u32,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_events_count: u32,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_links_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    resource: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "is_zero")]
    resource_dropped_attributes_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_schema_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    scope_attributes: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "is_zero")]
    scope_dropped_attributes_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope_schema_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gen_ai_operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// How input and output tokens were counted: `included`, or `beside`.
    token_convention: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_to_first_token_nanos: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_name: Option<String>,
    /// In US dollars.
    #[serde(skip_serializing_if = "is_no_number")]
    cost: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// `reported`, or the price by which it was worked out.
    cost_source: Option<String>,
}

fn is_no_number(number: &Option<f64>) -> bool {
    number.is_none_or(|number| !number.is_finite())
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A JSON column as it is stored, so that numbers keep every digit.
fn raw(column: Option<&Json>) -> Option<Box<RawValue>> {
    // What is stored is JSON, so this never fails.
    RawValue::from_string(column?.as_str().to_owned()).ok()
}

impl From<Span> for SpanJson {
    fn from(span: Span) -> Self {
        let end = span
            .start_time
            .unix_nanos()
            .saturating_add(span.duration_nanos);
        // Taken apart, so that a column added there cannot be forgotten here.
        let Span {
            trace_id,
            span_id,
            parent_span_id,
            service_name,
            operation_name,
            start_time,
            duration_nanos,
            status,
            model_name,
            model_version,
            batch_size,
            input_tokens,
            output_tokens,
            gpu_utilization,
            tags,
            kind,
            status_code,
            status_message,
            trace_state,
            flags,
            events,
            links,
            dropped_attributes_count,
            dropped_events_count,
            dropped_links_count,
            resource,
            resource_dropped_attributes_count,
            resource_schema_url,
            scope_name,
            scope_version,
            scope_attributes,
            scope_dropped_attributes_count,
            scope_schema_url,
            provider,
            gen_ai_operation,
            request_model,
            response_model,
            cached_tokens,
            cache_write_tokens,
            reasoning_tokens,
            token_convention,
            time_to_first_token_nanos,
            conversation_id,
            user_id,
            finish_reason,
            response_id,
            tool_name,
            agent_name,
            cost,
            cost_source,
        } = span;
        Self {
            trace_id,
            span_id,
            parent_span_id,
            service_name,
            operation_name,
            start_time: start_time.to_string(),
            end_time: Timestamp::from_unix_nanos(end).to_string(),
            duration_ms: duration_nanos as f64 / 1e6,
            duration_nanos,
            status,
            model_name,
            model_version,
            batch_size,
            input_tokens,
            output_tokens,
            gpu_utilization,
            tags: raw(tags.as_ref()),
            kind: kind_word(kind),
            status_code: status_word(status_code),
            status_message,
            trace_state,
            flags,
            events: raw(events.as_ref()),
            links: raw(links.as_ref()),
            dropped_attributes_count,
            dropped_events_count,
            dropped_links_count,
            resource: raw(resource.as_ref()),
            resource_dropped_attributes_count,
            resource_schema_url,
            scope_name,
            scope_version,
            scope_attributes: raw(scope_attributes.as_ref()),
            scope_dropped_attributes_count,
            scope_schema_url,
            provider,
            gen_ai_operation,
            request_model,
            response_model,
            cached_tokens,
            cache_write_tokens,
            reasoning_tokens,
            token_convention,
            time_to_first_token_nanos,
            conversation_id,
            user_id,
            finish_reason,
            response_id,
            tool_name,
            agent_name,
            cost,
            cost_source,
        }
    }
}

fn kind_word(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "unspecified",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}

fn status_word(code: StatusCode) -> &'static str {
    match code {
        StatusCode::Unset => "unset",
        StatusCode::Ok => "ok",
        StatusCode::Error => "error",
    }
}
