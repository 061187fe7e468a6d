//! One span in protobuf's shape, and back.

use annals_record::{Json, Timestamp};
use annals_telemetry::{Span, SpanKind, StatusCode};
use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    trace::v1::{self as proto, span::SpanKind as ProtoKind, status::StatusCode as ProtoCode},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Bounds, FieldError, Origin, Problem, attributes, events, genai, ids, links};

/// The record of a span.
///
/// `status` is its code in words: `unset`, `ok` or `error`. The duration is end less start, and
/// negative when a span ended before it began. A parent id of zeros is no parent.
///
/// # Errors
///
/// A field cannot be taken over; the error names it.
pub fn from_proto(span: proto::Span, origin: &Origin, bounds: &Bounds) -> Result<Span, FieldError> {
    bounds.check_span(&span)?;
    let trace_id = ids::required(&span.trace_id, ids::TRACE, "trace_id")?;
    let span_id = ids::required(&span.span_id, ids::SPAN, "span_id")?;
    let start = nanos(span.start_time_unix_nano, "start_time_unix_nano")?;
    let end = nanos(span.end_time_unix_nano, "end_time_unix_nano")?;
    let status = span.status.unwrap_or_default();
    let status_code = status_code(status.code)?;

    // Both times are positive, so their difference fits.
    let duration = end - start;
    let start = Timestamp::from_unix_nanos(start);
    let mut record = Span::new(trace_id, span_id, String::new(), span.name, start, duration);
    bounds.check_start(&record, "start_time_unix_nano")?;
    origin.give_to(&mut record);
    record.parent_span_id = ids::optional(&span.parent_span_id, ids::SPAN, "parent_span_id")?;
    record.status = Some(status_word(status_code).to_owned());
    record.kind = kind(span.kind)?;
    record.status_code = status_code;
    record.status_message = absent_if_empty(status.message);
    record.trace_state = absent_if_empty(span.trace_state);
    record.flags = span.flags;
    genai::promote(&span.attributes, &mut record);
    let tags = attributes::encode(span.attributes)?;
    record.tags = if tags.is_empty() {
        None
    } else {
        Some(object_column("attributes", tags)?)
    };
    record.events = events::to_json(span.events)?;
    record.links = links::to_json(span.links)?;
    record.dropped_attributes_count = span.dropped_attributes_count;
    record.dropped_events_count = span.dropped_events_count;
    record.dropped_links_count = span.dropped_links_count;
    Ok(record)
}

/// A span as OTLP sends it; what surrounds it is [`Around::of`](super::origin::Around::of).
///
/// A span that came by OTLP comes out as it was. Of others, columns that the tags do not tell go out
/// as attributes named `annals.` and the column; a `status` in words of its own does not go out.
///
/// # Errors
///
/// OTLP cannot express a column; the error names it.
pub fn to_proto(span: &Span) -> Result<proto::Span, FieldError> {
    let start = span.start_time.unix_nanos();
    let end = i128::from(start) + i128::from(span.duration_nanos);
    let start_time_unix_nano =
        u64::try_from(start).map_err(|_| FieldError::new("start_time", Problem::Time))?;
    let end_time_unix_nano =
        u64::try_from(end).map_err(|_| FieldError::new("duration_nanos", Problem::Time))?;
    let status = proto::Status {
        message: span.status_message.clone().unwrap_or_default(),
        code: proto_code(span.status_code).into(),
    };
    let mut attributes = attributes_of("tags", span.tags.as_ref())?;
    genai::tell(span, &mut attributes);
    Ok(proto::Span {
        trace_id: required_bytes(&span.trace_id, ids::TRACE, "trace_id")?,
        span_id: required_bytes(&span.span_id, ids::SPAN, "span_id")?,
        trace_state: span.trace_state.clone().unwrap_or_default(),
        parent_span_id: ids::bytes(
            span.parent_span_id.as_deref().unwrap_or_default(),
            ids::SPAN,
            "parent_span_id",
        )?,
        flags: span.flags,
        name: span.operation_name.clone(),
        kind: proto_kind(span.kind).into(),
        start_time_unix_nano,
        end_time_unix_nano,
        attributes,
        dropped_attributes_count: span.dropped_attributes_count,
        events: events::from_json(span.events.as_ref())?,
        dropped_events_count: span.dropped_events_count,
        links: links::from_json(span.links.as_ref())?,
        dropped_links_count: span.dropped_links_count,
        status: (status != proto::Status::default()).then_some(status),
    })
}

/// A time of OTLP.
pub(crate) fn nanos(nanos: u64, field: &'static str) -> Result<i64, FieldError> {
    i64::try_from(nanos).map_err(|_| FieldError::new(field, Problem::Time))
}

fn required_bytes(text: &str, length: usize, field: &'static str) -> Result<Vec<u8>, FieldError> {
    let bytes = ids::bytes(text, length, field)?;
    ids::required(&bytes, length, field).map(|_| bytes)
}

/// The kind of a number.
pub(crate) fn kind(number: i32) -> Result<SpanKind, FieldError> {
    let kind = ProtoKind::try_from(number).map_err(|_| {
        FieldError::new(
            "kind",
            Problem::Enumeration {
                found: number,
                expected: "a span kind",
            },
        )
    })?;
    Ok(match kind {
        ProtoKind::Unspecified => SpanKind::Unspecified,
        ProtoKind::Internal => SpanKind::Internal,
        ProtoKind::Server => SpanKind::Server,
        ProtoKind::Client => SpanKind::Client,
        ProtoKind::Producer => SpanKind::Producer,
        ProtoKind::Consumer => SpanKind::Consumer,
    })
}

fn proto_kind(kind: SpanKind) -> ProtoKind {
    match kind {
        SpanKind::Unspecified => ProtoKind::Unspecified,
        SpanKind::Internal => ProtoKind::Internal,
        SpanKind::Server => ProtoKind::Server,
        SpanKind::Client => ProtoKind::Client,
        SpanKind::Producer => ProtoKind::Producer,
        SpanKind::Consumer => ProtoKind::Consumer,
    }
}

/// The status code of a number.
pub(crate) fn status_code(number: i32) -> Result<StatusCode, FieldError> {
    let code = ProtoCode::try_from(number).map_err(|_| {
        let problem = Problem::Enumeration {
            found: number,
            expected: "a status code",
        };
        FieldError::new("status.code", problem)
    })?;
    Ok(match code {
        ProtoCode::Unset => StatusCode::Unset,
        ProtoCode::Ok => StatusCode::Ok,
        ProtoCode::Error => StatusCode::Error,
    })
}

fn proto_code(code: StatusCode) -> ProtoCode {
    match code {
        StatusCode::Unset => ProtoCode::Unset,
        StatusCode::Ok => ProtoCode::Ok,
        StatusCode::Error => ProtoCode::Error,
    }
}

fn status_word(code: StatusCode) -> &'static str {
    match code {
        StatusCode::Unset => "unset",
        StatusCode::Ok => "ok",
        StatusCode::Error => "error",
    }
}

/// proto3 sends no difference between an absent text and an empty one; the column is absent for both.
pub(crate) fn absent_if_empty(text: String) -> Option<String> {
    if text.is_empty() { None } else { Some(text) }
}

/// A column that holds attributes.
pub(super) fn object_column(
    field: &'static str,
    object: Map<String, Value>,
) -> Result<Json, FieldError> {
    Json::try_from(&Value::Object(object)).map_err(|error| FieldError::new(field, error))
}

/// The attributes in a column.
pub(super) fn attributes_of(
    field: &'static str,
    column: Option<&Json>,
) -> Result<Vec<KeyValue>, FieldError> {
    match column.map(Json::to_value) {
        None => Ok(Vec::new()),
        Some(Value::Object(object)) => Ok(attributes::decode(object)),
        Some(other) => Err(FieldError::new(
            field,
            Problem::Type {
                found: super::refusal::quote(&other.to_string()),
                expected: "an object of attributes",
            },
        )),
    }
}

/// A column that holds a list of messages; absent when there are none.
pub(super) fn column<T: Serialize>(
    field: &'static str,
    items: &[T],
) -> Result<Option<Json>, FieldError> {
    if items.is_empty() {
        return Ok(None);
    }
    let value = serde_json::to_value(items).map_err(|error| syntax(field, &error))?;
    Json::try_from(&value)
        .map(Some)
        .map_err(|error| FieldError::new(field, error))
}

/// The messages in a column.
pub(super) fn items<T: DeserializeOwned>(
    field: &'static str,
    column: Option<&Json>,
) -> Result<Vec<T>, FieldError> {
    column.map_or_else(
        || Ok(Vec::new()),
        |column| serde_json::from_value(column.to_value()).map_err(|error| syntax(field, &error)),
    )
}

fn syntax(field: &'static str, error: &serde_json::Error) -> FieldError {
    FieldError::new(
        field,
        Problem::Syntax {
            message: error.to_string(),
        },
    )
}
