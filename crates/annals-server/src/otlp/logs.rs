//! Log records in protobuf's shape, and back.
//!
//! A body that is a text is one; of any other, its JSON (see [`super::attributes`]) lies in `body_json`,
//! and its text in `body`, where searches find it.
//!
//! A record comes out as it came in, but for two things: a time that its source did not know is the one at which
//! the record was observed, or came; and an empty resource is as good as none.

use annals_record::{Json, Timestamp, Uuid};
use annals_telemetry::{LogRecord, log::MAX_SEVERITY};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, any_value::Value as Any},
    logs::v1::{LogRecord as Message, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use sha2::{Digest as _, Sha256};

use super::{
    Bounds, Decoded, FieldError, Identity, Kind, Origin, Problem, RefusedRecord, Told, attributes,
    ids,
    layers::{self, layers},
    origin::Around,
    span::{absent_if_empty, attributes_of, nanos, object_column},
};

layers!(
    ResourceLogs { scope_logs },
    ScopeLogs {
        log_records: Message
    }
);

impl Told for LogRecord {
    const KIND: Kind = Kind::LogRecord;

    fn identity(&self) -> Identity {
        Identity::of_span(self.trace_id.clone(), self.span_id.clone())
    }
}

/// A request that brings log records: what makes their ids, and when it came first.
pub struct Coming<'a> {
    hash: [u8; 32],
    came: &'a (dyn Fn(&[u8; 32]) -> Timestamp + Sync),
}

impl std::fmt::Debug for Coming<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coming").finish_non_exhaustive()
    }
}

impl<'a> Coming<'a> {
    /// A request of these bytes, unpacked. `came` says when a request of such a hash came first; it is asked only for
    /// records that have no time.
    #[must_use]
    pub fn new(bytes: &[u8], came: &'a (dyn Fn(&[u8; 32]) -> Timestamp + Sync)) -> Self {
        Self {
            hash: Sha256::digest(bytes).into(),
            came,
        }
    }

    /// The id of the record in this place.
    pub(super) fn id(&self, index: u64) -> Uuid {
        LogRecord::id_of(&self.hash, index)
    }

    /// Gives records that have no time the one at which the request came.
    pub(super) fn give_time(&self, records: &mut [LogRecord]) {
        let mut came = None;
        for record in records {
            if record.timestamp == TIMELESS {
                record.timestamp = *came.get_or_insert_with(|| (self.came)(&self.hash));
            }
        }
    }
}

/// Stands for no time until there is one: OTLP has no other word for 1970.
const TIMELESS: Timestamp = Timestamp::from_unix_nanos(0);

/// The records of `LogsData` or `ExportLogsServiceRequest`, which differ in name only.
///
/// A record that is bad or beyond the bounds refuses itself; such a resource or scope refuses the records
/// in it.
#[must_use]
pub fn from_proto(
    request: Vec<ResourceLogs>,
    bounds: &Bounds,
    coming: &Coming<'_>,
) -> Decoded<LogRecord> {
    let mut decoded = Decoded::default();
    let mut index = 0;
    layers::walk(request, bounds, |message, origin| {
        let ids = (message.trace_id.clone(), message.span_id.clone());
        let record = match origin {
            Ok(origin) => record(message, origin, bounds, coming.id(index)),
            Err(error) => Err(error.clone()),
        };
        index += 1;
        decoded.push(record, || {
            Identity::of_span(Some(hex::encode(ids.0)), Some(hex::encode(ids.1)))
        });
    });
    coming.give_time(&mut decoded.records);
    decoded
}

/// One record. Without a time it has that of 1970, until [`Coming::give_time`].
pub(super) fn record(
    message: Message,
    origin: &Origin,
    bounds: &Bounds,
    id: Uuid,
) -> Result<LogRecord, FieldError> {
    bounds.check_log(&message)?;
    let time = nanos(message.time_unix_nano, "time_unix_nano")?;
    let observed = nanos(message.observed_time_unix_nano, "observed_time_unix_nano")?;
    let (timestamp, field) = match (time, observed) {
        (0, observed) => (observed, "observed_time_unix_nano"),
        (time, _) => (time, "time_unix_nano"),
    };
    let timestamp = Timestamp::from_unix_nanos(timestamp);
    if timestamp != TIMELESS {
        bounds.check_time(timestamp, field)?;
    }
    if !(0..=MAX_SEVERITY).contains(&message.severity_number) {
        let problem = Problem::Enumeration {
            found: message.severity_number,
            expected: "a severity number, 0 to 24",
        };
        return Err(FieldError::new("severity_number", problem));
    }
    let (body, body_json) = body(message.body)?;
    let Origin {
        service_name,
        resource,
        resource_dropped_attributes_count,
        resource_schema_url,
        scope_name,
        scope_version,
        scope_attributes,
        scope_dropped_attributes_count,
        scope_schema_url,
    } = origin.clone();
    Ok(LogRecord {
        id,
        timestamp,
        observed_timestamp: (observed != 0).then(|| Timestamp::from_unix_nanos(observed)),
        severity_number: message.severity_number,
        severity_text: absent_if_empty(message.severity_text),
        body,
        body_json,
        event_name: absent_if_empty(message.event_name),
        service_name,
        // Zeros mean that there is none: so do some SDKs say it of what is said outside of spans.
        trace_id: ids::optional(&message.trace_id, ids::TRACE, "trace_id")?,
        span_id: ids::optional(&message.span_id, ids::SPAN, "span_id")?,
        trace_flags: message.flags,
        attributes: object_column("attributes", attributes::encode(message.attributes)?)?,
        dropped_attributes_count: message.dropped_attributes_count,
        resource_attributes: resource.unwrap_or_else(Json::empty_object),
        resource_dropped_attributes_count,
        resource_schema_url,
        scope_name,
        scope_version,
        scope_attributes,
        scope_dropped_attributes_count,
        scope_schema_url,
    })
}

/// The columns of a body.
fn body(body: Option<AnyValue>) -> Result<(Option<String>, Option<Json>), FieldError> {
    match body {
        None => Ok((None, None)),
        Some(AnyValue {
            value: Some(Any::StringValue(text)),
        }) => Ok((Some(text), None)),
        Some(other) => {
            let value = attributes::encode_one("body", other)?;
            let json = Json::try_from(&value).map_err(|error| FieldError::new("body", error))?;
            Ok((Some(json.as_str().to_owned()), Some(json)))
        }
    }
}

/// The request in which records go out, in their order. Neighbours of one resource and one scope share
/// them.
///
/// # Errors
///
/// OTLP cannot express a record; the error names it and the field.
pub fn to_proto(records: &[LogRecord]) -> Result<Vec<ResourceLogs>, RefusedRecord> {
    let messages = records.iter().enumerate().map(|(i, record)| {
        let refused = |reason| RefusedRecord::new(Kind::LogRecord, i, record.identity(), reason);
        let message = message(record).map_err(refused)?;
        Ok((Around::of(&origin(record)).map_err(refused)?, message))
    });
    let messages: Vec<_> = messages.collect::<Result<_, _>>()?;
    Ok(layers::assemble(messages))
}

fn origin(record: &LogRecord) -> Origin {
    let resource = Some(&record.resource_attributes);
    Origin {
        service_name: record.service_name.clone(),
        resource: resource
            .filter(|resource| **resource != Json::empty_object())
            .cloned(),
        resource_dropped_attributes_count: record.resource_dropped_attributes_count,
        resource_schema_url: record.resource_schema_url.clone(),
        scope_name: record.scope_name.clone(),
        scope_version: record.scope_version.clone(),
        scope_attributes: record.scope_attributes.clone(),
        scope_dropped_attributes_count: record.scope_dropped_attributes_count,
        scope_schema_url: record.scope_schema_url.clone(),
    }
}

fn message(record: &LogRecord) -> Result<Message, FieldError> {
    let nanos = |time: Timestamp, field: &'static str| {
        u64::try_from(time.unix_nanos()).map_err(|_| FieldError::new(field, Problem::Time))
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let observed = record.observed_timestamp;
    let body = match (&record.body_json, &record.body) {
        (Some(json), _) => Some(attributes::decode_one(json.to_value())),
        (None, Some(text)) => Some(AnyValue {
            value: Some(Any::StringValue(text.clone())),
        }),
        (None, None) => None,
    };
    Ok(Message {
        time_unix_nano: nanos(record.timestamp, "timestamp")?,
        observed_time_unix_nano: observed
            .map_or(Ok(0), |time| nanos(time, "observed_timestamp"))?,
        severity_number: record.severity_number,
        severity_text: text(&record.severity_text),
        body,
        attributes: attributes_of("attributes", Some(&record.attributes))?,
        dropped_attributes_count: record.dropped_attributes_count,
        flags: record.trace_flags,
        trace_id: ids::bytes(&text(&record.trace_id), ids::TRACE, "trace_id")?,
        span_id: ids::bytes(&text(&record.span_id), ids::SPAN, "span_id")?,
        event_name: text(&record.event_name),
    })
}
