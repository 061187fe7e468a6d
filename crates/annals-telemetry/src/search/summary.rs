//! Spans without their bodies: what a listing shows of them.

use annals_record::{Record, Timestamp};
use annals_store::Page;

use crate::{Result, SpanFilter, SpanKind, Spans, StatusCode};

/// Some spans of a listing, without bodies.
pub type SpanSummaryPage = Page<SpanSummary>;

/// A [`Span`](crate::Span) without what may be large: attributes, events, links, resource. Prompts and answers of models lie in those,
/// outside of the row, and are not read with this.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "spans",
    time = "start_time",
    key("trace_id", "span_id", "start_time")
)]
pub struct SpanSummary {
    /// See [`Span::trace_id`](crate::Span::trace_id).
    pub trace_id: String,
    /// See [`Span::span_id`](crate::Span::span_id).
    pub span_id: String,
    /// See [`Span::parent_span_id`](crate::Span::parent_span_id).
    pub parent_span_id: Option<String>,
    /// See [`Span::service_name`](crate::Span::service_name).
    pub service_name: String,
    /// See [`Span::operation_name`](crate::Span::operation_name).
    pub operation_name: String,
    /// See [`Span::start_time`](crate::Span::start_time).
    pub start_time: Timestamp,
    /// See [`Span::duration_nanos`](crate::Span::duration_nanos).
    pub duration_nanos: i64,
    /// See [`Span::status`](crate::Span::status).
    pub status: Option<String>,
    /// See [`Span::model_name`](crate::Span::model_name).
    pub model_name: Option<String>,
    /// See [`Span::model_version`](crate::Span::model_version).
    pub model_version: Option<String>,
    /// See [`Span::batch_size`](crate::Span::batch_size).
    pub batch_size: Option<i32>,
    /// See [`Span::input_tokens`](crate::Span::input_tokens).
    pub input_tokens: Option<i32>,
    /// See [`Span::output_tokens`](crate::Span::output_tokens).
    pub output_tokens: Option<i32>,
    /// See [`Span::gpu_utilization`](crate::Span::gpu_utilization).
    pub gpu_utilization: Option<f64>,
    /// See [`Span::kind`](crate::Span::kind).
    pub kind: SpanKind,
    /// See [`Span::status_code`](crate::Span::status_code).
    pub status_code: StatusCode,
    /// See [`Span::status_message`](crate::Span::status_message).
    pub status_message: Option<String>,
    /// See [`Span::provider`](crate::Span::provider).
    pub provider: Option<String>,
    /// See [`Span::gen_ai_operation`](crate::Span::gen_ai_operation).
    pub gen_ai_operation: Option<String>,
    /// See [`Span::request_model`](crate::Span::request_model).
    pub request_model: Option<String>,
    /// See [`Span::response_model`](crate::Span::response_model).
    pub response_model: Option<String>,
    /// See [`Span::cached_tokens`](crate::Span::cached_tokens).
    pub cached_tokens: Option<i64>,
    /// See [`Span::reasoning_tokens`](crate::Span::reasoning_tokens).
    pub reasoning_tokens: Option<i64>,
    /// See [`Span::time_to_first_token_nanos`](crate::Span::time_to_first_token_nanos).
    pub time_to_first_token_nanos: Option<i64>,
    /// See [`Span::conversation_id`](crate::Span::conversation_id).
    pub conversation_id: Option<String>,
    /// See [`Span::cost`](crate::Span::cost).
    pub cost: Option<f64>,
    /// See [`Span::user_id`](crate::Span::user_id).
    pub user_id: Option<String>,
    /// See [`Span::cache_write_tokens`](crate::Span::cache_write_tokens).
    pub cache_write_tokens: Option<i64>,
    /// See [`Span::finish_reason`](crate::Span::finish_reason).
    pub finish_reason: Option<String>,
    /// See [`Span::tool_name`](crate::Span::tool_name).
    pub tool_name: Option<String>,
    /// See [`Span::agent_name`](crate::Span::agent_name).
    pub agent_name: Option<String>,
    /// See [`Span::cost_source`](crate::Span::cost_source).
    pub cost_source: Option<String>,
}

impl Spans {
    /// The spans that match, without their bodies. Its cursors and those of
    /// [`list_spans`](crate::SpanStore::list_spans) are the same.
    ///
    /// # Errors
    ///
    /// The cursor is of another listing, or the database failed.
    pub async fn list_summaries(&self, filter: SpanFilter) -> Result<SpanSummaryPage> {
        Ok(self.query_of(filter).fetch_as::<SpanSummary>().await?)
    }
}
