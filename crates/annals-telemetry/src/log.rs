//! One log record.

use annals_record::{Json, Record, Timestamp, Uuid};
use serde_json::Value;

/// The number from which a record tells of an error (source: OTLP 1.x, `SEVERITY_NUMBER_ERROR`).
pub const ERROR: i32 = 17;

/// The largest number that a severity has.
pub const MAX_SEVERITY: i32 = 24;

/// What ids of records are made from, so that nobody else's are the same.
const NAMESPACE: Uuid = Uuid::from_u128(0x8d9c_1b2e_6f04_5a77_9c3d_51e0_a7b4_20f6);

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

/// How grave a record is, in words: four numbers each (source: OTLP 1.x, "Severity Fields").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// 1 to 4.
    Trace,
    /// 5 to 8.
    Debug,
    /// 9 to 12.
    Info,
    /// 13 to 16.
    Warn,
    /// 17 to 20.
    Error,
    /// 21 to 24.
    Fatal,
}

impl LogLevel {
    /// Every one, from the least.
    pub const ALL: [Self; 6] = [
        Self::Trace,
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
        Self::Fatal,
    ];

    /// That of a number; nothing where it is not said.
    #[must_use]
    pub const fn of(severity_number: i32) -> Option<Self> {
        match severity_number {
            1..=4 => Some(Self::Trace),
            5..=8 => Some(Self::Debug),
            9..=12 => Some(Self::Info),
            13..=16 => Some(Self::Warn),
            17..=20 => Some(Self::Error),
            21..=24 => Some(Self::Fatal),
            _ => None,
        }
    }

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// The first of its numbers.
    #[must_use]
    pub const fn lowest(self) -> i32 {
        match self {
            Self::Trace => 1,
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => ERROR,
            Self::Fatal => 21,
        }
    }
}

/// The number of a severity as people write it: a word in any case, or a number from 1 to 24.
///
/// # Errors
///
/// It is neither.
pub fn severity(text: &str) -> Result<i32, LogError> {
    let word = LogLevel::ALL
        .into_iter()
        .find(|level| level.as_str().eq_ignore_ascii_case(text));
    let number = || text.parse().ok();
    word.map(LogLevel::lowest)
        .or_else(number)
        .filter(|number| (1..=MAX_SEVERITY).contains(number))
        .ok_or_else(|| {
            LogError::new(
                "severity",
                "must be trace, debug, info, warn, error, fatal or a number from 1 to 24",
            )
        })
}

/// A log record, or a question for some, that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct LogError {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it, as the rest of a sentence.
    pub problem: &'static str,
}

impl LogError {
    pub(crate) fn new(field: &'static str, problem: &'static str) -> Self {
        Self { field, problem }
    }
}

impl LogRecord {
    /// What a service said. It has an id of its own, so that the same record can be written again after a failure;
    /// where a record comes in a request, [`LogRecord::id_of`] makes one that the request's repetition has too.
    ///
    /// # Errors
    ///
    /// The service has no name, or the severity is none of 0 (not said) to 24.
    pub fn new(
        service_name: impl Into<String>,
        timestamp: Timestamp,
        severity_number: i32,
        body: impl Into<String>,
    ) -> Result<Self, LogError> {
        let mut record = Self::empty(Uuid::now_v7(), service_name.into(), timestamp);
        record.severity_number = severity_number;
        record.body = Some(body.into());
        record.check()?;
        Ok(record)
    }

    /// A record that says nothing yet.
    #[must_use]
    pub fn empty(id: Uuid, service_name: String, timestamp: Timestamp) -> Self {
        Self {
            id,
            timestamp,
            observed_timestamp: None,
            severity_number: 0,
            severity_text: None,
            body: None,
            body_json: None,
            event_name: None,
            service_name,
            trace_id: None,
            span_id: None,
            trace_flags: 0,
            attributes: Json::empty_object(),
            dropped_attributes_count: 0,
            resource_attributes: Json::empty_object(),
            resource_dropped_attributes_count: 0,
            resource_schema_url: None,
            scope_name: None,
            scope_version: None,
            scope_attributes: None,
            scope_dropped_attributes_count: 0,
            scope_schema_url: None,
        }
    }

    /// The same as said in a span.
    #[must_use]
    pub fn in_span(mut self, trace_id: impl Into<String>, span_id: impl Into<String>) -> Self {
        self.trace_id = Some(trace_id.into());
        self.span_id = Some(span_id.into());
        self
    }

    /// The id of a record by the request that brought it: of a hash of the request's bytes, and the record's place among
    /// its records. The same request again brings the same ids.
    #[must_use]
    pub fn id_of(request_hash: &[u8], index: u64) -> Uuid {
        let name = [request_hash, &index.to_be_bytes()].concat();
        Uuid::new_v5(&NAMESPACE, &name)
    }

    /// How grave it is, in words; nothing where it is not said.
    #[must_use]
    pub const fn level(&self) -> Option<LogLevel> {
        LogLevel::of(self.severity_number)
    }

    /// Whether it tells of an error, or of something worse.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        self.severity_number >= ERROR
    }

    /// Whether it can be: what [`Logs::write`](crate::Logs::write) asks of every record.
    ///
    /// # Errors
    ///
    /// The first field that cannot be as it is.
    pub fn check(&self) -> Result<(), LogError> {
        let wrong = |field, problem| Err(LogError::new(field, problem));
        if self.service_name.is_empty() {
            return wrong("service_name", "is empty");
        }
        if !(0..=MAX_SEVERITY).contains(&self.severity_number) {
            return wrong("severity_number", "must be 0 (not said) to 24");
        }
        if !self.trace_id.as_deref().is_none_or(|id| is_id(id, 32)) {
            return wrong(
                "trace_id",
                "must be 32 digits of lower-case hexadecimal, and not all zeros",
            );
        }
        if !self.span_id.as_deref().is_none_or(|id| is_id(id, 16)) {
            return wrong(
                "span_id",
                "must be 16 digits of lower-case hexadecimal, and not all zeros",
            );
        }
        let objects = [
            ("attributes", Some(&self.attributes)),
            ("resource_attributes", Some(&self.resource_attributes)),
            ("scope_attributes", self.scope_attributes.as_ref()),
        ];
        for (field, object) in objects {
            // The stored form has no space before it.
            if !object.is_none_or(|object| object.as_str().starts_with('{')) {
                return wrong(field, "must be an object");
            }
        }
        Ok(())
    }

    /// What was said: a text as such, anything else as JSON; nothing where nothing was.
    #[must_use]
    pub fn said(&self) -> Option<Value> {
        match &self.body_json {
            Some(json) => Some(json.to_value()),
            None => self.body.clone().map(Value::String),
        }
    }
}

fn is_id(id: &str, digits: usize) -> bool {
    id.len() == digits
        && id
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && id.bytes().any(|byte| byte != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(severity: i32) -> Result<LogRecord, LogError> {
        LogRecord::new("api", Timestamp::now(), severity, "hello")
    }

    #[test]
    fn an_error_is_seventeen_and_above_and_debug_is_none() {
        for number in 0..=24 {
            assert_eq!(record(number).unwrap().is_error(), number >= 17, "{number}");
        }
        assert_eq!(record(5).unwrap().level(), Some(LogLevel::Debug));
        assert_eq!(record(0).unwrap().level(), None);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for severity in [-1, 25, i32::MAX, i32::MIN] {
            assert_eq!(record(severity).unwrap_err().field, "severity_number");
        }
        let nobody = LogRecord::new("", Timestamp::now(), 9, "hello");
        assert_eq!(nobody.unwrap_err().field, "service_name");
        for (trace, span, field) in [
            ("0".repeat(32), "1".repeat(16), "trace_id"),
            ("A".repeat(32), "1".repeat(16), "trace_id"),
            ("1".repeat(32), "1".repeat(15), "span_id"),
            ("1".repeat(32), "0".repeat(16), "span_id"),
        ] {
            let record = record(9).unwrap().in_span(trace, span);
            assert_eq!(record.check().unwrap_err().field, field);
        }
    }

    #[test]
    fn a_severity_is_a_word_or_a_number() {
        for (text, number) in [
            ("trace", 1),
            ("WARN", 13),
            ("Fatal", 21),
            ("24", 24),
            ("1", 1),
        ] {
            assert_eq!(severity(text), Ok(number), "{text}");
        }
        for text in ["", "0", "25", "-1", "loud", "warn "] {
            assert!(severity(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ids_are_those_of_a_request_and_a_place() {
        let id = LogRecord::id_of(b"hash", 1);
        assert_eq!(id, LogRecord::id_of(b"hash", 1));
        assert_ne!(id, LogRecord::id_of(b"hash", 2));
        assert_ne!(id, LogRecord::id_of(b"hasi", 1));
    }
}
