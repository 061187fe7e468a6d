//! What a span may have, so that nobody's mistake becomes everybody's trouble.

use std::time::Duration;

use annals_record::Timestamp;
use annals_telemetry::Span;
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value as Any},
    logs::v1::LogRecord,
    resource::v1::Resource,
    trace::v1 as proto,
};
use serde_json::{Map, Value};

use super::{FieldError, Problem, attributes::MAX_NESTING};

/// What a span may have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Attributes of one span, event, link, scope or resource, values inside arrays and maps included.
    pub attributes: usize,
    /// Levels of arrays and maps in an attribute.
    pub depth: usize,
    /// How long ago a span may have begun.
    pub age: Duration,
    /// How far in the future a span may begin.
    pub lead: Duration,
}

impl Limits {
    /// What that means for requests that come now.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Bounds {
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        let now = now.unix_nanos();
        Bounds {
            attributes: self.attributes,
            depth: self.depth,
            earliest: Timestamp::from_unix_nanos(now.saturating_sub(nanos(self.age))),
            latest: Timestamp::from_unix_nanos(now.saturating_add(nanos(self.lead))),
        }
    }
}

/// The limits of one moment. The default has none but what can be stored at all.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    attributes: usize,
    depth: usize,
    earliest: Timestamp,
    latest: Timestamp,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            attributes: usize::MAX,
            depth: MAX_NESTING,
            earliest: Timestamp::MIN,
            latest: Timestamp::MAX,
        }
    }
}

impl Bounds {
    /// Whether a record began in time.
    ///
    /// # Errors
    ///
    /// It did not; the error names `field`, which is what the protocol calls its start.
    pub(super) fn check_start(&self, span: &Span, field: &str) -> Result<(), FieldError> {
        self.check_time(span.start_time, field)
    }

    /// The same of a start alone.
    ///
    /// # Errors
    ///
    /// It is out of bounds; the error names `field`.
    pub(crate) fn check_time(&self, found: Timestamp, field: &str) -> Result<(), FieldError> {
        if (self.earliest..=self.latest).contains(&found) {
            return Ok(());
        }
        let (earliest, latest) = (self.earliest, self.latest);
        Err(FieldError::new(
            field,
            Problem::Window {
                found,
                earliest,
                latest,
            },
        ))
    }

    /// Whether a record of another protocol, whose tags are flat, is within bounds.
    ///
    /// # Errors
    ///
    /// It is not; the error names `start_field`, which is what the protocol calls its start, or the tags.
    pub(crate) fn check_foreign(&self, span: &Span, start_field: &str) -> Result<(), FieldError> {
        self.check_start(span, start_field)?;
        let tags = span.tags.as_ref().map(annals_record::Json::to_value);
        let found = tags
            .and_then(|tags| Some(tags.as_object()?.len()))
            .unwrap_or(0);
        let most = self.attributes;
        if found > most {
            return Err(FieldError::new("tags", Problem::TooMany { found, most }));
        }
        Ok(())
    }

    pub(crate) fn check_span(&self, span: &proto::Span) -> Result<(), FieldError> {
        self.check(&span.attributes)?;
        for (i, event) in span.events.iter().enumerate() {
            self.check(&event.attributes)
                .map_err(|error| error.within_item("events", i))?;
        }
        for (i, link) in span.links.iter().enumerate() {
            self.check(&link.attributes)
                .map_err(|error| error.within_item("links", i))?;
        }
        Ok(())
    }

    pub(crate) fn check_log(&self, record: &LogRecord) -> Result<(), FieldError> {
        self.check(&record.attributes)?;
        let Some(body) = &record.body else {
            return Ok(());
        };
        let mut found = 0;
        if measure(body, &mut found) > self.depth {
            return Err(FieldError::new(
                "body",
                Problem::TooDeep { most: self.depth },
            ));
        }
        let most = self.attributes;
        if found > most {
            return Err(FieldError::new("body", Problem::TooWide { found, most }));
        }
        Ok(())
    }

    pub(crate) fn check_resource(&self, resource: Option<&Resource>) -> Result<(), FieldError> {
        resource.map_or(Ok(()), |resource| {
            self.check(&resource.attributes)
                .map_err(|error| error.within("resource"))
        })
    }

    pub(crate) fn check_scope(
        &self,
        scope: Option<&InstrumentationScope>,
    ) -> Result<(), FieldError> {
        scope.map_or(Ok(()), |scope| {
            self.check(&scope.attributes)
                .map_err(|error| error.within("scope"))
        })
    }

    /// Whether attributes that came as JSON are within bounds.
    ///
    /// # Errors
    ///
    /// They are not; the error names the one that is too deep, or all of them.
    pub(crate) fn check_members(&self, attributes: &Map<String, Value>) -> Result<(), FieldError> {
        let mut count = 0;
        for (name, value) in attributes {
            if measure_json(value, &mut count) > self.depth {
                let field = format!("attributes[{}]", super::refusal::quote(name));
                return Err(FieldError::new(
                    field,
                    Problem::TooDeep { most: self.depth },
                ));
            }
        }
        self.check_count(count)
    }

    fn check_count(&self, found: usize) -> Result<(), FieldError> {
        let most = self.attributes;
        if found > most {
            return Err(FieldError::new(
                "attributes",
                Problem::TooMany { found, most },
            ));
        }
        Ok(())
    }

    /// Whether attributes are within bounds.
    ///
    /// # Errors
    ///
    /// They are not; the error names the one that is too deep, or all of them.
    pub(super) fn check(&self, attributes: &[KeyValue]) -> Result<(), FieldError> {
        let mut count = 0;
        for (i, attribute) in attributes.iter().enumerate() {
            let item = || super::refusal::item("attributes", i);
            let levels = match &attribute.value {
                Some(value) => measure(value, &mut count),
                None => measure(&AnyValue::default(), &mut count),
            };
            if levels > self.depth {
                return Err(FieldError::new(
                    item(),
                    Problem::TooDeep { most: self.depth },
                ));
            }
        }
        self.check_count(count)
    }
}

/// The levels of a value in JSON; adds it and all values inside it to `count`.
fn measure_json(value: &Value, count: &mut usize) -> usize {
    *count += 1;
    // JSON's reader stops long before this could exhaust the stack.
    match value {
        Value::Array(items) => {
            let items = items.iter();
            1 + items
                .map(|item| measure_json(item, count))
                .max()
                .unwrap_or(0)
        }
        Value::Object(members) => {
            let values = members.values();
            1 + values
                .map(|value| measure_json(value, count))
                .max()
                .unwrap_or(0)
        }
        _ => 0,
    }
}

/// The levels of a value; adds it and all values inside it to `count`.
fn measure(value: &AnyValue, count: &mut usize) -> usize {
    *count += 1;
    // Protobuf's reader and JSON's stop long before this could exhaust the stack.
    match &value.value {
        Some(Any::ArrayValue(array)) => {
            let items = array.values.iter();
            1 + items.map(|item| measure(item, count)).max().unwrap_or(0)
        }
        Some(Any::KvlistValue(map)) => {
            let values = map.values.iter().filter_map(|member| member.value.as_ref());
            1 + values.map(|value| measure(value, count)).max().unwrap_or(0)
        }
        _ => 0,
    }
}
