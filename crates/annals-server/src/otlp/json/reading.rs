//! From JSON to protobuf's messages, field by field.

use opentelemetry_proto::tonic::{
    common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value as Any,
    },
    logs::v1::{LogRecord, SeverityNumber},
    resource::v1::Resource,
    trace::v1::{
        Span, Status,
        span::{Event, Link, SpanKind},
        status::StatusCode,
    },
};
use serde_json::Value;

use super::{
    super::{FieldError, Problem, attributes},
    message::{Message, wrong_type},
};

const U32: &str = "a whole number of 32 bits";
const NANOS: &str = "a whole number of nanoseconds";

pub(super) fn resource(value: Value) -> Result<Resource, FieldError> {
    let mut resource = Message::of(value)?;
    Ok(Resource {
        attributes: resource.list("attributes", attribute)?,
        dropped_attributes_count: resource.unsigned("droppedAttributesCount", U32)?,
        ..Resource::default()
    })
}

pub(super) fn scope(value: Value) -> Result<InstrumentationScope, FieldError> {
    let mut scope = Message::of(value)?;
    Ok(InstrumentationScope {
        name: scope.text("name")?,
        version: scope.text("version")?,
        attributes: scope.list("attributes", attribute)?,
        dropped_attributes_count: scope.unsigned("droppedAttributesCount", U32)?,
    })
}

pub(super) fn span(value: Value) -> Result<Span, FieldError> {
    let mut span = Message::of(value)?;
    Ok(Span {
        trace_id: span.id("traceId")?,
        span_id: span.id("spanId")?,
        trace_state: span.text("traceState")?,
        parent_span_id: span.id("parentSpanId")?,
        flags: span.unsigned("flags", U32)?,
        name: span.text("name")?,
        kind: span.enumeration("kind", "a span kind", |name| {
            SpanKind::from_str_name(name).map(i32::from)
        })?,
        start_time_unix_nano: span.unsigned("startTimeUnixNano", NANOS)?,
        end_time_unix_nano: span.unsigned("endTimeUnixNano", NANOS)?,
        attributes: span.list("attributes", attribute)?,
        dropped_attributes_count: span.unsigned("droppedAttributesCount", U32)?,
        events: span.list("events", event)?,
        dropped_events_count: span.unsigned("droppedEventsCount", U32)?,
        links: span.list("links", link)?,
        dropped_links_count: span.unsigned("droppedLinksCount", U32)?,
        status: span.message("status", status)?,
    })
}

pub(super) fn log(value: Value) -> Result<LogRecord, FieldError> {
    let mut record = Message::of(value)?;
    Ok(LogRecord {
        time_unix_nano: record.unsigned("timeUnixNano", NANOS)?,
        observed_time_unix_nano: record.unsigned("observedTimeUnixNano", NANOS)?,
        severity_number: record.enumeration("severityNumber", "a severity number", |name| {
            SeverityNumber::from_str_name(name).map(i32::from)
        })?,
        severity_text: record.text("severityText")?,
        body: record.message("body", any)?,
        attributes: record.list("attributes", attribute)?,
        dropped_attributes_count: record.unsigned("droppedAttributesCount", U32)?,
        flags: record.unsigned("flags", U32)?,
        trace_id: record.id("traceId")?,
        span_id: record.id("spanId")?,
        event_name: record.text("eventName")?,
    })
}

fn status(value: Value) -> Result<Status, FieldError> {
    let mut status = Message::of(value)?;
    Ok(Status {
        message: status.text("message")?,
        code: status.enumeration("code", "a status code", |name| {
            StatusCode::from_str_name(name).map(i32::from)
        })?,
    })
}

fn event(value: Value) -> Result<Event, FieldError> {
    let mut event = Message::of(value)?;
    Ok(Event {
        time_unix_nano: event.unsigned("timeUnixNano", NANOS)?,
        name: event.text("name")?,
        attributes: event.list("attributes", attribute)?,
        dropped_attributes_count: event.unsigned("droppedAttributesCount", U32)?,
    })
}

fn link(value: Value) -> Result<Link, FieldError> {
    let mut link = Message::of(value)?;
    Ok(Link {
        trace_id: link.id("traceId")?,
        span_id: link.id("spanId")?,
        trace_state: link.text("traceState")?,
        attributes: link.list("attributes", attribute)?,
        dropped_attributes_count: link.unsigned("droppedAttributesCount", U32)?,
        flags: link.unsigned("flags", U32)?,
    })
}

pub(super) fn attribute(value: Value) -> Result<KeyValue, FieldError> {
    let mut attribute = Message::of(value)?;
    Ok(KeyValue {
        key: attribute.text("key")?,
        value: attribute.message("value", any)?,
        ..KeyValue::default()
    })
}

/// A value has one type or none. Of two, whichever was ignored would be lost.
fn any(value: Value) -> Result<AnyValue, FieldError> {
    type Read = fn(Value) -> Result<Any, FieldError>;
    const TYPES: [(&str, Read); 7] = [
        ("stringValue", string),
        ("boolValue", bool),
        ("intValue", |value| int(&value)),
        ("doubleValue", |value| double(&value)),
        ("arrayValue", array),
        ("kvlistValue", map),
        ("bytesValue", |value| bytes(&value)),
    ];
    let mut message = Message::of(value)?;
    let mut found: Option<(&'static str, Any)> = None;
    for (name, read) in TYPES {
        let Some(value) = message.message(name, read)? else {
            continue;
        };
        if let Some((first, _)) = found {
            return Err(FieldError::new(
                "",
                Problem::Ambiguous {
                    first,
                    second: name,
                },
            ));
        }
        found = Some((name, value));
    }
    Ok(AnyValue {
        value: found.map(|(_, value)| value),
    })
}

fn string(value: Value) -> Result<Any, FieldError> {
    match value {
        Value::String(text) => Ok(Any::StringValue(text)),
        other => Err(wrong_type("", &other, "a text")),
    }
}

fn bool(value: Value) -> Result<Any, FieldError> {
    match value {
        Value::Bool(bool) => Ok(Any::BoolValue(bool)),
        other => Err(wrong_type("", &other, "true or false")),
    }
}

fn int(value: &Value) -> Result<Any, FieldError> {
    let int = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    int.map(Any::IntValue)
        .ok_or_else(|| wrong_type("", value, "a whole number of 64 bits"))
}

fn double(value: &Value) -> Result<Any, FieldError> {
    let double = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            // Rust's own reading of words (`inf`, `nan`) is more than the protocol has.
            let digits = text.parse().ok().filter(|double: &f64| double.is_finite());
            attributes::special_double(text).or(digits)
        }
        _ => None,
    };
    double
        .map(Any::DoubleValue)
        .ok_or_else(|| wrong_type("", value, "a number"))
}

fn bytes(value: &Value) -> Result<Any, FieldError> {
    let bytes = value.as_str().and_then(attributes::from_base64);
    bytes
        .map(Any::BytesValue)
        .ok_or_else(|| wrong_type("", value, "a text in base64"))
}

fn array(value: Value) -> Result<Any, FieldError> {
    let values = Message::of(value)?.list("values", any)?;
    Ok(Any::ArrayValue(ArrayValue { values }))
}

fn map(value: Value) -> Result<Any, FieldError> {
    let values = Message::of(value)?.list("values", attribute)?;
    Ok(Any::KvlistValue(KeyValueList { values }))
}
