//! A span's events as they lie in its column.

use annals_record::Json;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{FieldError, Problem, attributes};

const FIELD: &str = "events";

/// One event in the column's array.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Stored {
    /// Text, since JSON readers round numbers of this size.
    time_unix_nano: String,
    name: String,
    attributes: Map<String, Value>,
    dropped_attributes_count: u32,
}

/// The column; absent when there are no events.
pub(super) fn to_json(events: Vec<Event>) -> Result<Option<Json>, FieldError> {
    let stored = events.into_iter().enumerate().map(|(i, event)| {
        Ok(Stored {
            time_unix_nano: event.time_unix_nano.to_string(),
            name: event.name,
            attributes: attributes::encode(event.attributes)
                .map_err(|error| error.within_item(FIELD, i))?,
            dropped_attributes_count: event.dropped_attributes_count,
        })
    });
    super::span::column(FIELD, &stored.collect::<Result<Vec<_>, _>>()?)
}

/// The events in the column.
pub(super) fn from_json(column: Option<&Json>) -> Result<Vec<Event>, FieldError> {
    let stored: Vec<Stored> = super::span::items(FIELD, column)?;
    let events = stored.into_iter().enumerate().map(|(i, event)| {
        let time_unix_nano = event
            .time_unix_nano
            .parse()
            .map_err(|_| FieldError::new("time_unix_nano", Problem::Time).within_item(FIELD, i))?;
        Ok(Event {
            time_unix_nano,
            name: event.name,
            attributes: attributes::decode(event.attributes),
            dropped_attributes_count: event.dropped_attributes_count,
        })
    });
    events.collect()
}
