//! A log record as this API shows it.

use annals_record::Json;
use annals_telemetry::LogRecord;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A log record.
#[derive(Serialize, ToSchema)]
pub(super) struct LogJson {
    id: String,
    /// RFC 3339, with nanoseconds: when it happened, else was observed, else came.
    #[schema(format = DateTime)]
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    observed_timestamp: Option<String>,
    /// 1 to 24, 0 where it is not said; 17 and above are errors.
    severity_number: i32,
    /// trace, debug, info, warn, error or fatal, by the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    /// In the words of its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    severity_text: Option<String>,
    /// What was said: a text, and of any other body its JSON as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// A body that is no text. Bytes are `{"$bytes": base64}`, doubles that JSON lacks `{"$double": "NaN"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    body_json: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_name: Option<String>,
    service_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    trace_flags: u32,
    #[schema(value_type = Object)]
    attributes: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "is_zero")]
    dropped_attributes_count: u32,
    #[schema(value_type = Object)]
    resource_attributes: Option<Box<RawValue>>,
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
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A JSON column as it is stored, so that numbers keep every digit.
fn raw(column: Option<&Json>) -> Option<Box<RawValue>> {
    // What is stored is JSON, so this never fails.
    RawValue::from_string(column?.as_str().to_owned()).ok()
}

impl From<LogRecord> for LogJson {
    fn from(record: LogRecord) -> Self {
        let level = record.level();
        // Taken apart, so that a column added there cannot be forgotten here.
        let LogRecord {
            id,
            timestamp,
            observed_timestamp,
            severity_number,
            severity_text,
            body,
            body_json,
            event_name,
            service_name,
            trace_id,
            span_id,
            trace_flags,
            attributes,
            dropped_attributes_count,
            resource_attributes,
            resource_dropped_attributes_count,
            resource_schema_url,
            scope_name,
            scope_version,
            scope_attributes,
            scope_dropped_attributes_count,
            scope_schema_url,
        } = record;
        Self {
            id: id.to_string(),
            timestamp: timestamp.to_string(),
            observed_timestamp: observed_timestamp.map(|time| time.to_string()),
            severity_number,
            severity: level.map(annals_telemetry::LogLevel::as_str),
            severity_text,
            body,
            body_json: raw(body_json.as_ref()),
            event_name,
            service_name,
            trace_id,
            span_id,
            trace_flags,
            attributes: raw(Some(&attributes)),
            dropped_attributes_count,
            resource_attributes: raw(Some(&resource_attributes)),
            resource_dropped_attributes_count,
            resource_schema_url,
            scope_name,
            scope_version,
            scope_attributes: raw(scope_attributes.as_ref()),
            scope_dropped_attributes_count,
            scope_schema_url,
        }
    }
}
