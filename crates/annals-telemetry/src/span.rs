//! One span.

use annals_record::{Json, Record, TextEnum, Timestamp};

/// One operation of one service, as a row of `spans`.
///
/// The first 15 columns are those of the inference store, by name and type. The rest is what
/// OpenTelemetry's span has beside them (source: OTLP 1.x, `trace.proto`), then what the GenAI
/// conventions make worth a column of its own.
///
/// The key is (`trace_id`, `span_id`, `start_time` to the microsecond): OpenTelemetry makes span ids
/// unique within a trace only, and a hypertable's key contains its time.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "spans",
    time = "start_time",
    key("trace_id", "span_id", "start_time"),
    on_conflict = "ignore",
    chunk = "1 day",
    order_by = "start_time desc",
    index("trace_id", "start_time desc"),
    index("model_name", "start_time desc"),
    index("start_time desc")
)]
pub struct Span {
    /// Trace to which the span belongs: lower-case hexadecimal of 16 bytes from OpenTelemetry, any
    /// text from others.
    pub trace_id: String,
    /// Id within the trace: lower-case hexadecimal of 8 bytes from OpenTelemetry, any text from others.
    pub span_id: String,
    /// The span that caused this one; absent for a root.
    pub parent_span_id: Option<String>,
    /// The service that did the work.
    pub service_name: String,
    /// What it did.
    pub operation_name: String,
    /// When it began.
    pub start_time: Timestamp,
    /// How long it took, in nanoseconds.
    pub duration_nanos: i64,
    /// How it ended, in the words of its source.
    pub status: Option<String>,
    /// The model that answered.
    pub model_name: Option<String>,
    /// The model's version.
    pub model_version: Option<String>,
    /// Requests in the model's batch.
    pub batch_size: Option<i32>,
    /// Tokens read.
    pub input_tokens: Option<i32>,
    /// Tokens written.
    pub output_tokens: Option<i32>,
    /// Use of the GPU, in percent.
    pub gpu_utilization: Option<f64>,
    /// The span's attributes.
    pub tags: Option<Json>,

    /// Its place in a conversation between services.
    pub kind: SpanKind,
    /// How it ended, in OpenTelemetry's words.
    pub status_code: StatusCode,
    /// Why it ended so.
    pub status_message: Option<String>,
    /// W3C trace state.
    pub trace_state: Option<String>,
    /// W3C trace flags and OpenTelemetry's bits above them.
    pub flags: u32,
    /// Events: an array of objects with `time_unix_nano` (text), `name`, `attributes` and
    /// `dropped_attributes_count`.
    pub events: Option<Json>,
    /// Links: an array of objects with `trace_id`, `span_id`, `trace_state`, `attributes`, `flags` and
    /// `dropped_attributes_count`.
    pub links: Option<Json>,
    /// Attributes that the source left out.
    pub dropped_attributes_count: u32,
    /// Events that the source left out.
    pub dropped_events_count: u32,
    /// Links that the source left out.
    pub dropped_links_count: u32,
    /// Attributes of the resource that did the work.
    pub resource: Option<Json>,
    /// Resource attributes that the source left out.
    pub resource_dropped_attributes_count: u32,
    /// Schema of the resource.
    pub resource_schema_url: Option<String>,
    /// The instrumentation that made the span.
    pub scope_name: Option<String>,
    /// Its version.
    pub scope_version: Option<String>,
    /// Its attributes.
    pub scope_attributes: Option<Json>,
    /// Scope attributes that the source left out.
    pub scope_dropped_attributes_count: u32,
    /// Schema of the spans of this scope.
    pub scope_schema_url: Option<String>,

    /// Who serves the model (`gen_ai.provider.name`).
    pub provider: Option<String>,
    /// What was asked of it (`gen_ai.operation.name`).
    pub gen_ai_operation: Option<String>,
    /// The model that was asked for (`gen_ai.request.model`).
    pub request_model: Option<String>,
    /// The model that answered (`gen_ai.response.model`).
    pub response_model: Option<String>,
    /// Input tokens that came from a cache; part of `input_tokens`.
    pub cached_tokens: Option<i64>,
    /// Output tokens spent on reasoning; part of `output_tokens`.
    pub reasoning_tokens: Option<i64>,
    /// Nanoseconds until the first token came.
    pub time_to_first_token_nanos: Option<i64>,
    /// The conversation (`gen_ai.conversation.id`).
    pub conversation_id: Option<String>,
    /// What it cost, in US dollars; absent where nobody knows, which is not the same as nothing.
    pub cost: Option<f64>,

    /// Whom it was done for (`user.id`, `enduser.id`).
    pub user_id: Option<String>,
    /// Input tokens that were written to a cache; part of `input_tokens`.
    pub cache_write_tokens: Option<i64>,
    /// How its source counted tokens; see [`TokenConvention`](crate::genai::TokenConvention).
    pub token_convention: Option<String>,
    /// Why the model stopped; several choices' reasons, each once, with commas between.
    pub finish_reason: Option<String>,
    /// The answer's id at its provider (`gen_ai.response.id`).
    pub response_id: Option<String>,
    /// The tool that was called (`gen_ai.tool.name`).
    pub tool_name: Option<String>,
    /// The agent that did it (`gen_ai.agent.name`).
    pub agent_name: Option<String>,
    /// Where `cost` comes from: `reported` by the source, or the id of the price that it was made with.
    pub cost_source: Option<String>,
}

/// A span's place in a conversation between services (source: OTLP `SpanKind`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum SpanKind {
    /// Not said.
    #[default]
    Unspecified,
    /// Inside a service.
    Internal,
    /// Answering a request.
    Server,
    /// Making a request.
    Client,
    /// Sending a message.
    Producer,
    /// Receiving a message.
    Consumer,
}

/// How a span ended (source: OTLP `Status.StatusCode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum StatusCode {
    /// Not said.
    #[default]
    Unset,
    /// Checked and found right.
    Ok,
    /// Failed.
    Error,
}

impl Span {
    /// A span with what every span has; every other field is absent or at OpenTelemetry's default.
    pub fn new(
        trace_id: impl Into<String>,
        span_id: impl Into<String>,
        service_name: impl Into<String>,
        operation_name: impl Into<String>,
        start_time: Timestamp,
        duration_nanos: i64,
    ) -> Self {
        Self {
            trace_id: trace_id.into(),
            span_id: span_id.into(),
            parent_span_id: None,
            service_name: service_name.into(),
            operation_name: operation_name.into(),
            start_time,
            duration_nanos,
            status: None,
            model_name: None,
            model_version: None,
            batch_size: None,
            input_tokens: None,
            output_tokens: None,
            gpu_utilization: None,
            tags: None,
            kind: SpanKind::Unspecified,
            status_code: StatusCode::Unset,
            status_message: None,
            trace_state: None,
            flags: 0,
            events: None,
            links: None,
            dropped_attributes_count: 0,
            dropped_events_count: 0,
            dropped_links_count: 0,
            resource: None,
            resource_dropped_attributes_count: 0,
            resource_schema_url: None,
            scope_name: None,
            scope_version: None,
            scope_attributes: None,
            scope_dropped_attributes_count: 0,
            scope_schema_url: None,
            provider: None,
            gen_ai_operation: None,
            request_model: None,
            response_model: None,
            cached_tokens: None,
            reasoning_tokens: None,
            time_to_first_token_nanos: None,
            conversation_id: None,
            cost: None,
            user_id: None,
            cache_write_tokens: None,
            token_convention: None,
            finish_reason: None,
            response_id: None,
            tool_name: None,
            agent_name: None,
            cost_source: None,
        }
    }

    /// When it ended; never before it began, whatever its duration says.
    #[must_use]
    pub fn end_time(&self) -> Timestamp {
        let end = self
            .start_time
            .unix_nanos()
            .saturating_add(self.duration_nanos.max(0));
        Timestamp::from_unix_nanos(end)
    }
}
