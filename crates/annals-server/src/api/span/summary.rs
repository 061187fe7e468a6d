//! A span without its bodies as JSON.

use annals_telemetry::SpanSummary;
use serde::Serialize;
use utoipa::ToSchema;

use super::{is_no_number, kind_word, status_word};

/// A span without tags, events, links, resource and scope. What is absent is left out.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct SpanSummaryJson {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    service_name: String,
    operation_name: String,
    /// RFC 3339, with nanoseconds.
    #[schema(format = DateTime)]
    start_time: String,
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
    #[serde(skip_serializing_if = "is_no_number")]
    gpu_utilization: Option<f64>,
    kind: &'static str,
    status_code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_message: Option<String>,
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
    time_to_first_token_nanos: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_name: Option<String>,
    /// In US dollars.
    #[serde(skip_serializing_if = "is_no_number")]
    cost: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_source: Option<String>,
}

impl From<SpanSummary> for SpanSummaryJson {
    fn from(span: SpanSummary) -> Self {
        // Taken apart, so that a column added there cannot be forgotten here.
        let SpanSummary {
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
            kind,
            status_code,
            status_message,
            provider,
            gen_ai_operation,
            request_model,
            response_model,
            cached_tokens,
            reasoning_tokens,
            time_to_first_token_nanos,
            conversation_id,
            cost,
            user_id,
            cache_write_tokens,
            finish_reason,
            tool_name,
            agent_name,
            cost_source,
        } = span;
        Self {
            trace_id,
            span_id,
            parent_span_id,
            service_name,
            operation_name,
            start_time: start_time.to_string(),
            duration_nanos,
            status,
            model_name,
            model_version,
            batch_size,
            input_tokens,
            output_tokens,
            gpu_utilization,
            kind: kind_word(kind),
            status_code: status_word(status_code),
            status_message,
            provider,
            gen_ai_operation,
            request_model,
            response_model,
            cached_tokens,
            cache_write_tokens,
            reasoning_tokens,
            time_to_first_token_nanos,
            conversation_id,
            user_id,
            finish_reason,
            tool_name,
            agent_name,
            cost,
            cost_source,
        }
    }
}
