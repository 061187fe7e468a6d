//! An event of a span, as a row of `trace_events`.

use annals_record::{Json, Timestamp, Uuid};
use serde_json::{Map, Value};

use super::check::{self, Invalid};
use crate::Span;

/// Something that happened during a span.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceEvent {
    /// Its id. Made of span, time, name and attributes by [`new`](Self::new), so that one that is made anew for a retry is
    /// the same.
    pub id: Uuid,
    /// The row of its span; see [`Span::row_id`].
    pub span_id: Uuid,
    /// What happened.
    pub name: String,
    /// When.
    pub timestamp: Timestamp,
    /// What else there is to say: a JSON object.
    pub attributes: Json,
}

impl TraceEvent {
    /// An event of the span whose row has this id.
    ///
    /// # Errors
    ///
    /// The name is missing, the time is before 1970, or the attributes are no object.
    pub fn new(
        span_id: Uuid,
        name: impl Into<String>,
        timestamp: Timestamp,
        attributes: Json,
    ) -> Result<Self, Invalid> {
        let name = name.into();
        let content = format!("{}\0{name}\0{attributes}", timestamp.unix_nanos());
        let event = Self {
            id: Uuid::new_v5(&span_id, content.as_bytes()),
            span_id,
            name,
            timestamp,
            attributes,
        };
        event.check()?;
        Ok(event)
    }

    /// Whether the event can be.
    ///
    /// # Errors
    ///
    /// The first field that cannot be as it is.
    pub fn check(&self) -> Result<(), Invalid> {
        const OF: &str = "event";
        check::name(OF, "name", &self.name)?;
        if self.timestamp.unix_nanos() < 0 {
            return Err(Invalid::new(OF, "timestamp", "1970 or later"));
        }
        check::object(OF, "attributes", &self.attributes)
    }

    /// As it lies in its span's column.
    pub(super) fn stored(&self) -> Value {
        let mut event = Map::new();
        event.insert("id".into(), self.id.to_string().into());
        event.insert("name".into(), self.name.clone().into());
        event.insert(
            "time_unix_nano".into(),
            self.timestamp.unix_nanos().to_string().into(),
        );
        event.insert("attributes".into(), self.attributes.to_value());
        event.insert("dropped_attributes_count".into(), 0.into());
        event.into()
    }
}

/// The events of a span, as the view `trace_events` has them.
pub(super) fn of_span(row: Uuid, span: &Span) -> Vec<TraceEvent> {
    let stored = span.events.as_ref().map(Json::to_value);
    let Some(Value::Array(stored)) = stored else {
        return Vec::new();
    };
    let events = stored.iter().zip(1_u64..).filter_map(|(event, place)| {
        let event = event.as_object()?;
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        let nanos = text("time_unix_nano").and_then(|nanos| nanos.parse().ok());
        let given = text("id").and_then(|id| id.parse().ok());
        let attributes = event
            .get("attributes")
            .and_then(|attributes| Json::try_from(attributes).ok());
        Some(TraceEvent {
            id: given.unwrap_or_else(|| check::hashed(row, &place.to_string())),
            span_id: row,
            name: text("name").unwrap_or_default().to_owned(),
            timestamp: nanos.map_or(span.start_time, Timestamp::from_unix_nanos),
            attributes: attributes.unwrap_or_else(Json::empty_object),
        })
    });
    events.collect()
}
