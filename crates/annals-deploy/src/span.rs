//! A span in OpenTelemetry's model, from whatever source: a recorder, an exporter, a shell.

use annals_record::Timestamp;
use serde_json::{Map, Value};

use crate::StatusCode;

/// Attributes by name. A float that JSON has no number for is its text: `NaN`, `Infinity`, `-Infinity`.
pub type Attributes = Map<String, Value>;

/// A span as OpenTelemetry has it: what it means for deployments stands in its attributes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OtelSpan {
    /// The trace: 32 hexadecimal digits from OpenTelemetry, any text from others.
    pub trace_id: String,
    /// Id within the trace: 16 hexadecimal digits from OpenTelemetry, any text from others.
    pub span_id: String,
    /// The span above it.
    pub parent_span_id: Option<String>,
    /// What it is called.
    pub name: String,
    /// When it began.
    pub start_time: Timestamp,
    /// When it ended; absent while it runs.
    pub end_time: Option<Timestamp>,
    /// How it ended.
    pub status_code: StatusCode,
    /// Why it ended so.
    pub status_message: Option<String>,
    /// Its attributes.
    pub attributes: Attributes,
    /// What happened while it ran.
    pub events: Vec<SpanEvent>,
}

/// Something that happened while a span ran.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanEvent {
    /// What.
    pub name: String,
    /// When.
    pub timestamp: Timestamp,
    /// More about it.
    pub attributes: Attributes,
}

impl OtelSpan {
    /// A span that runs, with nothing but what every span has.
    pub fn new(
        trace_id: impl Into<String>,
        span_id: impl Into<String>,
        name: impl Into<String>,
        start_time: Timestamp,
    ) -> Self {
        Self {
            trace_id: trace_id.into(),
            span_id: span_id.into(),
            parent_span_id: None,
            name: name.into(),
            start_time,
            end_time: None,
            status_code: StatusCode::Unset,
            status_message: None,
            attributes: Attributes::new(),
            events: Vec::new(),
        }
    }
}
