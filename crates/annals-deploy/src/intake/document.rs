//! Attributes and events as the documents that are stored.

use std::borrow::Cow;

use annals_record::{Json, JsonError, Timestamp};
use serde_json::Value;

use super::{MAX_ATTRIBUTES_BYTES, MAX_EVENTS_BYTES, redact::redacted, shortened};
use crate::{SpanEvent, span::Attributes};

/// The document of the attributes, and the attributes as they stand in it: without tokens.
pub(super) fn attributes(attributes: Attributes) -> Result<(Json, Attributes), String> {
    if attributes.is_empty() {
        return Ok((Json::empty_object(), attributes));
    }
    let value = Value::Object(attributes);
    let (json, rewritten) = document(&value, "attributes", MAX_ATTRIBUTES_BYTES)?;
    if json.has_nul() {
        return Err(nul_in_attributes(&value));
    }
    match rewritten.unwrap_or(value) {
        Value::Object(attributes) => Ok((json, attributes)),
        _ => Ok((json, Attributes::new())),
    }
}

/// The document of the events.
pub(super) fn events(events: Vec<SpanEvent>) -> Result<Json, String> {
    let value = Value::Array(events.into_iter().map(event).collect());
    let (json, _) = document(&value, "events", MAX_EVENTS_BYTES)?;
    if json.has_nul() {
        return Err(nul_in_events(&value));
    }
    Ok(json)
}

fn event(event: SpanEvent) -> Value {
    let mut members = Attributes::new();
    members.insert("name".to_owned(), event.name.into());
    members.insert("timestamp".to_owned(), with_nanos(event.timestamp).into());
    members.insert("attributes".to_owned(), Value::Object(event.attributes));
    Value::Object(members)
}

/// RFC 3339 with all nine digits, so that texts of times have one length and compare as times do.
pub(crate) fn with_nanos(time: Timestamp) -> String {
    let text = time.to_string();
    let text = text.trim_end_matches('Z');
    let (second, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{second}.{fraction:0<9}Z")
}

/// The document of a value, and the value again if tokens were taken out of it.
fn document(value: &Value, what: &str, most: usize) -> Result<(Json, Option<Value>), String> {
    if is_deeper(value, Json::MAX_DEPTH) {
        let levels = Json::MAX_DEPTH;
        return Err(format!(
            "has {what} nested deeper than {levels} levels; make them flatter"
        ));
    }
    let json = Json::try_from(value).map_err(|error| impossible(what, &error))?;
    let bytes = json.as_str().len();
    if bytes > most {
        return Err(format!(
            "has {what} of {bytes} bytes as JSON, more than the {most} that a span may have"
        ));
    }
    // A token has no character that JSON escapes, so it stands in the text as it is, and what takes its place ends no
    // string. Keys may be in another order afterwards.
    match redacted(json.as_str()) {
        Cow::Borrowed(_) => Ok((json, None)),
        Cow::Owned(clean) => {
            let json = Json::parse(&clean).map_err(|error| impossible(what, &error))?;
            let value = json.to_value();
            Ok((json, Some(value)))
        }
    }
}

fn impossible(what: &str, error: &JsonError) -> String {
    format!("has {what} that cannot be stored: {error}")
}

/// Whether a value has more levels of arrays and objects; goes no deeper than that itself.
fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| is_deeper(item, levels - 1)),
        Value::Object(members) => {
            levels == 0 || members.values().any(|item| is_deeper(item, levels - 1))
        }
        _ => false,
    }
}

fn nul_in_attributes(attributes: &Value) -> String {
    let name = attributes
        .as_object()
        .into_iter()
        .flatten()
        .find(|(key, value)| key.contains('\0') || has_nul(value))
        .map_or("", |(key, _)| key);
    nul(&format!("its attribute {:?}", shortened(name)))
}

fn nul_in_events(events: &Value) -> String {
    let name = events
        .as_array()
        .into_iter()
        .flatten()
        .find(|event| has_nul(event))
        .and_then(|event| event.get("name")?.as_str())
        .unwrap_or_default();
    nul(&format!("its event {:?}", shortened(name)))
}

/// What is wrong with a text that PostgreSQL cannot hold, of whatever backend: they take the same.
pub(super) fn nul(place: &str) -> String {
    format!("has U+0000 in {place}, which PostgreSQL cannot hold; leave it out")
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members
            .iter()
            .any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_nine_digits() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (1_000_000, "1970-01-01T00:00:00.001000000Z"),
            (1_705_314_600_123_456_789, "2024-01-15T10:30:00.123456789Z"),
            (1_705_314_600_120_000_000, "2024-01-15T10:30:00.120000000Z"),
        ] {
            assert_eq!(with_nanos(Timestamp::from_unix_nanos(nanos)), text);
        }
    }

    #[test]
    fn levels_are_counted_without_going_deeper_than_allowed() {
        let nested = |levels: usize| (0..levels).fold(Value::Null, |v, _| Value::Array(vec![v]));
        assert!(!is_deeper(&nested(3), 3));
        assert!(is_deeper(&nested(4), 3));
        let (json, _) = document(&nested(Json::MAX_DEPTH), "attributes", 1_000).unwrap();
        assert_eq!(json.as_str().len(), 2 * Json::MAX_DEPTH + 4);
        assert!(document(&nested(Json::MAX_DEPTH + 1), "attributes", 1_000).is_err());
    }
}
