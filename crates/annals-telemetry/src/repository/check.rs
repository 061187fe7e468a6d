//! What rows of traces and spans must be, checked before a database sees them.

use std::borrow::Cow;

use annals_record::{Json, Timestamp, TimestampMicros, Uuid};
use md5::{Digest as _, Md5};

use crate::{Span, Trace, TraceStatus};

/// Bytes of an id at most.
const MAX_ID_BYTES: usize = 512;

/// Bytes of a name at most; attributes are the place for more.
const MAX_NAME_BYTES: usize = 65_536;

/// Something that cannot be: a row, or a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} of a {of} must be {needs}")]
pub struct Invalid {
    /// What: `trace`, `span`, `event`, `search`.
    pub of: &'static str,
    /// Its field.
    pub field: &'static str,
    /// What the field must be.
    pub needs: &'static str,
}

impl Invalid {
    pub(crate) const fn new(of: &'static str, field: &'static str, needs: &'static str) -> Self {
        Self { of, field, needs }
    }
}

impl Trace {
    /// A trace of which nothing is known but where it began: status unset, no attributes, no spans.
    ///
    /// A trace id is 32 digits of hexadecimal from OpenTelemetry, kept in lower case, and any other text without U+0000 and of
    /// at most 512 bytes from elsewhere. OpenTelemetry's id of zeros is none.
    ///
    /// # Errors
    ///
    /// An id or a name is missing or cannot be one.
    pub fn new(
        trace_id: impl AsRef<str>,
        service_name: impl Into<String>,
        start_time: Timestamp,
    ) -> Result<Self, Invalid> {
        let trace_id = self::trace_id(trace_id.as_ref()).into_owned();
        let now = TimestampMicros::floor(Timestamp::now());
        let trace = Self {
            id: Self::id_of(&trace_id),
            trace_id,
            service_name: service_name.into(),
            start_time,
            end_time: None,
            duration_us: None,
            status: TraceStatus::Unset,
            status_message: None,
            root_span_name: None,
            attributes: Json::empty_object(),
            resource_attributes: Json::empty_object(),
            span_count: 0,
            created_at: now,
            updated_at: now,
            user_id: None,
            conversation_id: None,
            error_count: 0,
            model_calls: 0,
            unpriced_calls: 0,
            input_tokens: 0,
            output_tokens: 0,
            cost: None,
        };
        trace.check()?;
        Ok(trace)
    }

    /// The trace with an end, and the duration that follows.
    ///
    /// # Errors
    ///
    /// It would end before it began.
    pub fn ending(mut self, end_time: Timestamp) -> Result<Self, Invalid> {
        self.end_time = Some(end_time);
        self.duration_us = Some(
            end_time
                .unix_micros()
                .saturating_sub(self.start_time.unix_micros()),
        );
        self.check()?;
        Ok(self)
    }

    /// Whether the row can be.
    ///
    /// # Errors
    ///
    /// The first field that cannot be as it is.
    pub fn check(&self) -> Result<(), Invalid> {
        const OF: &str = "trace";
        id(OF, "trace_id", &self.trace_id)?;
        name(OF, "service_name", &self.service_name)?;
        if self.id != Self::id_of(&self.trace_id) {
            return Err(Invalid::new(
                OF,
                "id",
                "the UUID that Trace::id_of makes of its trace_id",
            ));
        }
        if self.end_time.is_some_and(|end| end < self.start_time) {
            return Err(Invalid::new(OF, "end_time", "its start_time or later"));
        }
        if self.duration_us.is_some_and(|duration| duration < 0) {
            return Err(Invalid::new(OF, "duration_us", "zero or more"));
        }
        for (field, attributes) in [
            ("attributes", &self.attributes),
            ("resource_attributes", &self.resource_attributes),
        ] {
            object(OF, field, attributes)?;
        }
        for (field, text) in [
            ("status_message", &self.status_message),
            ("root_span_name", &self.root_span_name),
            ("user_id", &self.user_id),
            ("conversation_id", &self.conversation_id),
        ] {
            optional(OF, field, text.as_deref())?;
        }
        Ok(())
    }
}

impl Span {
    /// The id of the span's row in `trace_spans`: the first half of its trace's row id, and then its own id, or a hash of it where
    /// it is not hexadecimal of 8 bytes. Who knows trace and span knows it.
    #[must_use]
    pub fn row_id(&self) -> Uuid {
        Self::row_id_of(Trace::id_of(&self.trace_id), &self.span_id)
    }

    /// The same for a trace whose row has an id of its own.
    #[must_use]
    pub fn row_id_of(trace: Uuid, span_id: &str) -> Uuid {
        let is_hexadecimal = span_id.len() == 16
            && span_id
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let own = if is_hexadecimal {
            u64::from_str_radix(span_id, 16).unwrap_or_default()
        } else {
            hashed(Uuid::nil(), span_id).as_u64_pair().0
        };
        Uuid::from_u64_pair(trace.as_u64_pair().0, own)
    }

    /// Whether the span can be: ids and names that are some, a duration that is none of time going backwards, and attributes,
    /// events and links of their form. The roads of protocols are kinder: what has come is kept as it came.
    ///
    /// # Errors
    ///
    /// The first field that cannot be as it is.
    pub fn check(&self) -> Result<(), Invalid> {
        const OF: &str = "span";
        id(OF, "trace_id", &self.trace_id)?;
        id(OF, "span_id", &self.span_id)?;
        if let Some(parent) = &self.parent_span_id {
            id(OF, "parent_span_id", parent)?;
            if *parent == self.span_id {
                return Err(Invalid::new(OF, "parent_span_id", "another span's"));
            }
        }
        name(OF, "service_name", &self.service_name)?;
        name(OF, "operation_name", &self.operation_name)?;
        if self.duration_nanos < 0 {
            return Err(Invalid::new(OF, "duration_nanos", "zero or more"));
        }
        for (field, tokens) in [
            ("input_tokens", self.input_tokens),
            ("output_tokens", self.output_tokens),
        ] {
            if tokens.is_some_and(|tokens| tokens < 0) {
                return Err(Invalid::new(OF, field, "zero or more"));
            }
        }
        if self
            .cost
            .is_some_and(|cost| !cost.is_finite() || cost < 0.0)
        {
            return Err(Invalid::new(
                OF,
                "cost",
                "a number of US dollars, zero or more",
            ));
        }
        for (field, json) in [
            ("tags", &self.tags),
            ("resource", &self.resource),
            ("scope_attributes", &self.scope_attributes),
        ] {
            json.as_ref()
                .map_or(Ok(()), |json| object(OF, field, json))?;
        }
        for (field, json) in [("events", &self.events), ("links", &self.links)] {
            if json
                .as_ref()
                .is_some_and(|json| !json.as_str().starts_with('['))
            {
                return Err(Invalid::new(OF, field, "a JSON array"));
            }
        }
        for (field, text) in [
            ("status", &self.status),
            ("status_message", &self.status_message),
            ("model_name", &self.model_name),
        ] {
            optional(OF, field, text.as_deref())?;
        }
        Ok(())
    }
}

/// A UUID of version 3: MD5, as PostgreSQL's functions have no other hash for one.
pub(super) fn hashed(namespace: Uuid, name: &str) -> Uuid {
    let mut digest = Md5::new();
    digest.update(namespace.as_bytes());
    digest.update(name.as_bytes());
    let mut bytes: [u8; 16] = digest.finalize().into();
    bytes[6] = (bytes[6] & 0x0f) | 0x30;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Uuid::from_bytes(bytes)
}

/// A trace's id as it is stored: 32 digits of hexadecimal in lower case.
pub(super) fn trace_id(text: &str) -> Cow<'_, str> {
    let is_hexadecimal = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hexadecimal && text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

fn id(of: &'static str, field: &'static str, text: &str) -> Result<(), Invalid> {
    if text.is_empty() || text.len() > MAX_ID_BYTES || text.contains('\0') {
        return Err(Invalid::new(
            of,
            field,
            "a text of 1 to 512 bytes without U+0000",
        ));
    }
    if matches!(text.len(), 16 | 32) && text.bytes().all(|byte| byte == b'0') {
        return Err(Invalid::new(
            of,
            field,
            "an id; zeros are OpenTelemetry's word for none",
        ));
    }
    Ok(())
}

pub(super) fn name(of: &'static str, field: &'static str, text: &str) -> Result<(), Invalid> {
    if text.is_empty() || text.len() > MAX_NAME_BYTES || text.contains('\0') {
        return Err(Invalid::new(
            of,
            field,
            "a text of 1 to 65536 bytes without U+0000",
        ));
    }
    Ok(())
}

fn optional(of: &'static str, field: &'static str, text: Option<&str>) -> Result<(), Invalid> {
    if text.is_some_and(|text| text.contains('\0')) {
        return Err(Invalid::new(of, field, "a text without U+0000"));
    }
    Ok(())
}

pub(super) fn object(of: &'static str, field: &'static str, json: &Json) -> Result<(), Invalid> {
    if !json.as_str().starts_with('{') {
        return Err(Invalid::new(of, field, "a JSON object"));
    }
    if json.has_nul() {
        return Err(Invalid::new(of, field, "free of U+0000"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_new_trace_is_unset_empty_and_called_as_its_spans_call_it() {
        let trace = Trace::new("4BF92F3577B34DA6A3CE929D0E0E4736", "api", at(1)).unwrap();
        assert_eq!(trace.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.id, Trace::id_of("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(
            (trace.status, trace.span_count, trace.attributes.as_str()),
            (TraceStatus::Unset, 0, "{}")
        );
        let ended = trace.ending(at(3)).unwrap();
        assert_eq!(ended.duration_us, Some(2_000_000));
        // Others' ids are any text.
        assert_eq!(
            Trace::new("Order 66", "api", at(1)).unwrap().trace_id,
            "Order 66"
        );
    }

    #[test]
    fn a_trace_that_cannot_be_is_refused_by_field() {
        let refused = |trace: Result<Trace, Invalid>| trace.unwrap_err().to_string();
        for bad in ["", "a\0b", &"0".repeat(32), &"x".repeat(513)] {
            assert!(
                refused(Trace::new(bad, "api", at(1))).contains("trace_id"),
                "{bad:?}"
            );
        }
        assert!(refused(Trace::new("t", "", at(1))).contains("service_name"));
        let trace = Trace::new("t", "api", at(5)).unwrap();
        assert!(refused(trace.clone().ending(at(4))).contains("end_time"));
        let foreign = Trace {
            id: Uuid::nil(),
            ..trace.clone()
        };
        assert!(
            foreign
                .check()
                .unwrap_err()
                .to_string()
                .contains("id of a trace")
        );
        let negative = Trace {
            duration_us: Some(-1),
            ..trace.clone()
        };
        assert!(
            negative
                .check()
                .unwrap_err()
                .to_string()
                .contains("duration_us")
        );
        let array = Trace {
            attributes: Json::parse("[]").unwrap(),
            ..trace
        };
        assert!(
            array
                .check()
                .unwrap_err()
                .to_string()
                .contains("attributes")
        );
    }

    #[test]
    fn a_span_that_cannot_be_is_refused_by_field() {
        let span = Span::new("t", "s", "api", "chat", at(1), 5);
        assert_eq!(span.check(), Ok(()));
        /// A field, and how it is broken.
        type Broken = (&'static str, fn(&mut Span));
        let broken: [Broken; 8] = [
            ("span_id", |span| span.span_id = "0000000000000000".into()),
            ("parent_span_id", |span| {
                span.parent_span_id = Some("s".into())
            }),
            ("operation_name", |span| span.operation_name.clear()),
            ("duration_nanos", |span| span.duration_nanos = -1),
            ("cost", |span| span.cost = Some(f64::NAN)),
            ("input_tokens", |span| span.input_tokens = Some(-1)),
            ("tags", |span| span.tags = Some(Json::parse("[1]").unwrap())),
            ("events", |span| {
                span.events = Some(Json::parse("{}").unwrap())
            }),
        ];
        for (field, break_it) in broken {
            let mut span = span.clone();
            break_it(&mut span);
            let message = span.check().unwrap_err().to_string();
            assert!(message.starts_with(field), "{field}: {message}");
        }
    }

    #[test]
    fn row_ids_of_spans_tell_trace_and_span() {
        let span = Span::new("t", "00f067aa0ba902b7", "api", "chat", at(1), 5);
        let id = span.row_id().simple().to_string();
        assert!(id.ends_with("00f067aa0ba902b7"), "{id}");
        assert_eq!(id[..16], Trace::id_of("t").simple().to_string()[..16]);
        let other = Span {
            span_id: "readable".into(),
            ..span
        };
        assert_ne!(
            other.row_id(),
            Span {
                span_id: "readable too".into(),
                ..other.clone()
            }
            .row_id()
        );
    }
}
