//! One log record.

use annals_record::{Json, Record, Timestamp, Uuid};

/// What a service said, as a row of `logs`.
///
/// Columns are those of OTLP's log record (source: OTLP 1.x, `logs.proto`) with what surrounds it.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "logs",
    time = "timestamp",
    key("timestamp", "id"),
    on_conflict = "ignore",
    chunk = "1 day",
    segment_by = "service_name",
    order_by = "timestamp desc",
    index("service_name", "timestamp desc")
)]
pub struct LogRecord {
    /// What tells it from others of its time; see [`LogRecord::id_of`].
    pub id: Uuid,
    /// When it happened; when it was observed where that is not known, else when it came.
    pub timestamp: Timestamp,
    /// When it was observed.
    pub observed_timestamp: Option<Timestamp>,
    /// How grave it is: 1 to 24, 0 where it is not said (source: OTLP 1.x, `SeverityNumber`).
    pub severity_number: i32,
    /// The same in the words of its source.
    pub severity_text: Option<String>,
    /// What was said. Of a body that is no text, its JSON.
    pub body: Option<String>,
    /// A body that is no text.
    pub body_json: Option<Json>,
    /// What kind of event it is.
    pub event_name: Option<String>,
    /// The service that said it.
    pub service_name: String,
    /// The trace in which it was said, in lower-case hexadecimal.
    pub trace_id: Option<String>,
    /// The span in which it was said, in lower-case hexadecimal.
    pub span_id: Option<String>,
    /// W3C trace flags and OpenTelemetry's bits above them.
    pub trace_flags: u32,
    /// Attributes of the record.
    pub attributes: Json,
    /// Attributes that the source left out.
    pub dropped_attributes_count: u32,
    /// Attributes of the resource.
    pub resource_attributes: Json,
    /// Resource attributes that the source left out.
    pub resource_dropped_attributes_count: u32,
    /// Schema of the resource.
    pub resource_schema_url: Option<String>,
    /// The instrumentation that made it.
    pub scope_name: Option<String>,
    /// Its version.
    pub scope_version: Option<String>,
    /// Its attributes.
    pub scope_attributes: Option<Json>,
    /// Scope attributes that the source left out.
    pub scope_dropped_attributes_count: u32,
    /// Schema of the records of this scope.
    pub scope_schema_url: Option<String>,
}
