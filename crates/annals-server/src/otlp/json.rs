//! OTLP/JSON: documents of any signal, read record by record and written.
//!
//! The messages' own serde support is not used. It reads a document as a whole, so that one bad span
//! takes the others with it; it takes `{"arrayValue":{}}`, protobuf's way to write an empty array,
//! for an error; and it writes NaN as `null`.
//!
//! Read generously, as protobuf's JSON does: a number may stand as text, an enumeration as name, a
//! `null` for what is absent, ids in either case; unknown fields are ignored. One thing is refused
//! though the protocol would ignore it: names in snake_case, with which a document parses and is
//! empty.

mod layers;
mod message;
pub mod metrics;
mod reading;
mod writing;

use annals_record::Uuid;
use annals_telemetry::{LogRecord, Span};
use opentelemetry_proto::tonic::{logs::v1::ResourceLogs, trace::v1::ResourceSpans};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    Bounds, Decoded, FieldError, Identity, Origin, Problem, RefusedRecord,
    logs::{self, Coming},
    span, traces,
};

/// Why a document cannot be read as one of a signal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Not JSON, not of this shape, or more than one document.
    #[error("the text is not an OTLP/JSON document of {of}")]
    Syntax {
        /// What it should be of: traces, metrics or logs.
        of: &'static str,
        /// What the reader said.
        source: serde_json::Error,
    },
    /// A name of another form of the protocol; read as it stands, the document would be empty.
    #[error("{found:?} is not a name of OTLP/JSON, which says {expected:?}")]
    Name {
        /// The name in the document.
        found: &'static str,
        /// The name of OTLP/JSON.
        expected: &'static str,
    },
    /// A message that cannot be read, where it takes all others with it.
    #[error("{0}")]
    Message(FieldError),
    /// Something else than what is read here.
    #[error("the document has no {expected:?}, only {found}")]
    Other {
        /// The name that it should have.
        expected: &'static str,
        /// The names that it has.
        found: String,
    },
}

/// Reads a document: `TracesData` or `ExportTraceServiceRequest`, which look the same.
///
/// A bad span refuses itself, whatever is wrong inside it, and a bad resource or scope refuses the
/// spans in it.
///
/// # Errors
///
/// What surrounds the spans is not OTLP/JSON of traces.
pub fn read(text: &str, bounds: &Bounds) -> Result<Decoded, ReadError> {
    let mut decoded = Decoded::default();
    layers::walk::<ResourceSpans>(text, bounds, |raw, origin| {
        let record = match origin {
            Ok(origin) => read_span(raw, origin, bounds),
            Err(error) => Err(error.clone()),
        };
        decoded.push(record, || identity(raw));
    })?;
    Ok(decoded)
}

/// Reads a document of log records: `LogsData` or `ExportLogsServiceRequest`, which look the same. A bad record
/// refuses itself, and a bad resource or scope refuses the records in it.
///
/// # Errors
///
/// What surrounds the records is not OTLP/JSON of logs.
pub fn read_logs(
    text: &str,
    bounds: &Bounds,
    coming: &Coming<'_>,
) -> Result<Decoded<LogRecord>, ReadError> {
    let mut decoded = Decoded::default();
    let mut index = 0;
    layers::walk::<ResourceLogs>(text, bounds, |raw, origin| {
        let record = match origin {
            Ok(origin) => read_log(raw, origin, bounds, coming.id(index)),
            Err(error) => Err(error.clone()),
        };
        index += 1;
        decoded.push(record, || identity(raw));
    })?;
    coming.give_time(&mut decoded.records);
    Ok(decoded)
}

/// Reads a document into protobuf's messages, all or none, for whoever makes something else than records of
/// them.
///
/// # Errors
///
/// The first thing that is not OTLP/JSON of traces, by the way to it.
pub fn messages(text: &str) -> Result<Vec<ResourceSpans>, ReadError> {
    layers::messages(text, reading::span)
}

fn read_span(raw: &RawValue, origin: &Origin, bounds: &Bounds) -> Result<Span, FieldError> {
    let message = reading::span(value_of("span", raw)?).map_err(|error| error.or_named("span"))?;
    span::from_proto(message, origin, bounds).map_err(FieldError::with_json_names)
}

fn read_log(
    raw: &RawValue,
    origin: &Origin,
    bounds: &Bounds,
    id: Uuid,
) -> Result<LogRecord, FieldError> {
    let message =
        reading::log(value_of("record", raw)?).map_err(|error| error.or_named("record"))?;
    logs::record(message, origin, bounds, id).map_err(FieldError::with_json_names)
}

fn message_of<T>(
    name: &'static str,
    raw: Option<&RawValue>,
    read: fn(Value) -> Result<T, FieldError>,
) -> Result<Option<T>, FieldError> {
    raw.map(|raw| read(value_of(name, raw)?).map_err(|error| error.within(name)))
        .transpose()
}

fn value_of(name: &'static str, raw: &RawValue) -> Result<Value, FieldError> {
    serde_json::from_str(raw.get()).map_err(|error| {
        FieldError::new(
            name,
            Problem::Syntax {
                message: error.to_string(),
            },
        )
    })
}

/// What tells a record of a span from others, as far as that can be told.
fn identity(raw: &RawValue) -> Identity {
    #[derive(Default, Deserialize)]
    struct Ids<'a> {
        #[serde(borrow, rename = "traceId")]
        trace: Option<&'a RawValue>,
        #[serde(borrow, rename = "spanId")]
        span: Option<&'a RawValue>,
    }
    let ids: Ids<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let text = |raw: Option<&RawValue>| serde_json::from_str(raw?.get()).ok();
    Identity::of_span(text(ids.trace), text(ids.span))
}

/// Writes spans as one document, in their order.
///
/// # Errors
///
/// OTLP cannot express a span; the error names it and the field.
pub fn write(spans: &[Span]) -> Result<String, RefusedRecord> {
    Ok(writing::document(traces::to_proto(spans)?, writing::span).to_string())
}

/// Writes log records as one document, in their order.
///
/// # Errors
///
/// OTLP cannot express a record; the error names it and the field.
pub fn write_logs(records: &[LogRecord]) -> Result<String, RefusedRecord> {
    Ok(writing::document(logs::to_proto(records)?, writing::log).to_string())
}
