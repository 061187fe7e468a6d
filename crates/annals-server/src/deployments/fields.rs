//! Spans as plain JSON, for engines and scripts that do not speak OTLP.
//!
//! The fields that a deployment trace has columns for become attributes with the prefix, and so columns. Whoever
//! sends the same span again while it runs counts `changes`, so that a late arrival does not undo a newer one.

use annals_deploy::{OtelSpan, SpanEvent, StatusCode, span::Attributes};
use annals_record::{TextEnum as _, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};
use utoipa::ToSchema;

use super::body::SentSpan;
use crate::otlp::{Bounds, FieldError};

/// Spans, of which all are taken or none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeploymentSpansInput)]
pub(super) struct SpansFields<'a> {
    /// At most 10,000.
    #[serde(borrow)]
    #[schema(value_type = Vec<SpanFields>)]
    spans: Vec<&'a RawValue>,
}

/// A span that runs or has ended.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeploymentSpanInput)]
pub(super) struct SpanFields {
    /// The trace: 32 hexadecimal digits from OpenTelemetry, any text from others.
    trace_id: String,
    /// Id within the trace: 16 hexadecimal digits from OpenTelemetry, any text from others.
    span_id: String,
    /// The span above it.
    parent_span_id: Option<String>,
    /// What it is called.
    name: String,
    /// RFC 3339, with nanoseconds.
    #[schema(format = DateTime)]
    start_time: String,
    /// RFC 3339, with nanoseconds; absent while it runs.
    #[schema(format = DateTime)]
    end_time: Option<String>,
    /// reconciliation, planning, eligibility, execution, action, external or another; external under a trace token
    /// unless said otherwise.
    phase: Option<String>,
    /// phase, evaluation, check, decision, action or another.
    node_type: Option<String>,
    /// running, completed, failed, skipped, unset, aborted or another.
    status: Option<String>,
    /// Why it ended as it did.
    message: Option<String>,
    /// Its place among the starts of its trace, from 0.
    sequence: Option<i32>,
    /// Levels above it in its own trace.
    depth: Option<i32>,
    /// What is deployed where.
    release_target_key: Option<String>,
    /// The release.
    release_id: Option<String>,
    /// The job.
    job_id: Option<String>,
    /// The deployment.
    deployment_id: Option<String>,
    /// What set the reconciliation off.
    trigger: Option<String>,
    /// unset, ok or error; what the status says when not given.
    status_code: Option<String>,
    /// More about it.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Map<String, Value>>,
    /// What happened while it ran.
    events: Option<Vec<EventFields>>,
    /// Orders versions of a span that runs, or of one that ended at the same time: the larger stays.
    changes: Option<u32>,
}

/// Something that happened while a span ran.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeploymentEventInput)]
struct EventFields {
    /// What.
    name: String,
    /// RFC 3339, with nanoseconds.
    #[schema(format = DateTime)]
    timestamp: String,
    /// More about it.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Map<String, Value>>,
}

/// The spans of a body, all or none.
///
/// # Errors
///
/// The first thing that is no span, by its place.
pub(super) fn read(text: &str, prefix: &str, bounds: &Bounds) -> Result<Vec<SentSpan>, String> {
    let document: SpansFields<'_> = object(text)?;
    let spans = document.spans.into_iter().enumerate();
    spans
        .map(|(i, raw)| {
            let fields: Result<SpanFields, String> = object(raw.get());
            let span = fields.and_then(|fields| fields.into_span(prefix, bounds));
            span.map_err(|why| format!("spans[{i}] cannot be read: {why}"))
        })
        .collect()
}

/// An object. From an array the fields would be taken in the order in which they happen to be written here.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    if !text.trim_ascii_start().starts_with('{') {
        return Err("it is no JSON object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

impl SpanFields {
    fn into_span(self, prefix: &str, bounds: &Bounds) -> Result<SentSpan, String> {
        let start = time("start_time", &self.start_time)?;
        let told = |error: FieldError| error.to_string();
        bounds.check_time(start, "start_time").map_err(told)?;
        let mut attributes = self.attributes.unwrap_or_default();
        bounds.check_members(&attributes).map_err(told)?;
        let mut span = OtelSpan::new(self.trace_id, self.span_id, self.name, start);
        span.parent_span_id = self.parent_span_id;
        let end = self.end_time.as_deref();
        span.end_time = end.map(|text| time("end_time", text)).transpose()?;
        span.status_code = match self.status_code.as_deref() {
            Some(text) => StatusCode::from_text(text).ok_or_else(|| {
                format!(
                    "status_code is {text:?}, but must be one of {}",
                    StatusCode::EXPECTED
                )
            })?,
            // Then it is what the status says.
            None => StatusCode::Unset,
        };
        let columns: [(&str, Option<Value>); 11] = [
            ("phase", self.phase.map(Value::from)),
            ("node_type", self.node_type.map(Value::from)),
            ("status", self.status.map(Value::from)),
            ("message", self.message.map(Value::from)),
            ("sequence", self.sequence.map(Value::from)),
            ("depth", self.depth.map(Value::from)),
            (
                "release_target_key",
                self.release_target_key.map(Value::from),
            ),
            ("release_id", self.release_id.map(Value::from)),
            ("job_id", self.job_id.map(Value::from)),
            ("deployment_id", self.deployment_id.map(Value::from)),
            ("trigger", self.trigger.map(Value::from)),
        ];
        for (name, value) in columns {
            put(&mut attributes, prefix, name, value)?;
        }
        span.attributes = attributes;
        let events = self.events.unwrap_or_default().into_iter().enumerate();
        let events = events.map(|(i, event)| {
            let event = event.into_event(bounds);
            event.map_err(|why| format!("events[{i}].{why}"))
        });
        span.events = events.collect::<Result<_, _>>()?;
        Ok(SentSpan::new(span, prefix, self.changes.unwrap_or(0)))
    }
}

/// A field that is an attribute too. Of two that differ, whichever gave way would be lost.
fn put(
    attributes: &mut Attributes,
    prefix: &str,
    name: &str,
    value: Option<Value>,
) -> Result<(), String> {
    let Some(value) = value else { return Ok(()) };
    let key = format!("{prefix}{name}");
    match attributes.get(&key) {
        Some(other) if *other != value => Err(format!(
            "{name} and the attribute {key:?} say different things; leave one out"
        )),
        _ => {
            attributes.insert(key, value);
            Ok(())
        }
    }
}

impl EventFields {
    fn into_event(self, bounds: &Bounds) -> Result<SpanEvent, String> {
        let attributes = self.attributes.unwrap_or_default();
        bounds
            .check_members(&attributes)
            .map_err(|error| error.to_string())?;
        Ok(SpanEvent {
            name: self.name,
            timestamp: time("timestamp", &self.timestamp)?,
            attributes,
        })
    }
}

fn time(field: &str, text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        format!(
            "{field} is {shown:?}, but must be a time from 1677 to 2262 as RFC 3339 has it, such as \
             2026-01-31T09:30:00.000000001Z"
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_all(spans: &Value) -> Result<Vec<SentSpan>, String> {
        let body = json!({ "spans": spans }).to_string();
        read(&body, "ctrlplane.", &Bounds::default())
    }

    fn minimal() -> Value {
        json!({"trace_id": "t", "span_id": "s", "name": "Planning", "start_time": "2026-01-31T09:30:00.000000001Z"})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut span = minimal();
        span[name] = value;
        span
    }

    #[test]
    fn the_fields_with_a_column_become_attributes_with_the_prefix() {
        let mut sent = minimal();
        let fields = json!({
            "phase": "planning", "node_type": "evaluation", "status": "failed", "message": "not approved",
            "sequence": 2, "depth": 1, "release_target_key": "k", "release_id": "r", "job_id": "j",
            "deployment_id": "d", "trigger": "manual",
        });
        for (name, value) in fields.as_object().unwrap() {
            sent[name] = value.clone();
        }
        sent["attributes"] = json!({"own": {"a": [1.5]}});
        sent["events"] = json!([{"name": "e", "timestamp": "2026-01-31T09:30:00.000000003Z", "attributes": {"n": 1}}]);
        sent["end_time"] = json!("2026-01-31T10:30:01+01:00");
        let read = read_all(&json!([sent])).unwrap().remove(0).span;
        let mut expected = json!({"own": {"a": [1.5]}});
        for (name, value) in fields.as_object().unwrap() {
            expected[format!("ctrlplane.{name}")] = value.clone();
        }
        assert_eq!(Value::from(read.attributes), expected);
        assert_eq!(read.start_time.subsec_micro_nanos(), 1);
        assert_eq!(read.end_time.unwrap().to_string(), "2026-01-31T09:30:01Z");
        assert_eq!(read.events[0].timestamp.subsec_micro_nanos(), 3);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (span, told) in [
            (with("phaze", json!("x")), "phaze"),
            (with("workspace_id", json!("x")), "workspace_id"),
            (with("start_time", json!("yesterday")), "start_time"),
            (
                with("start_time", json!("9999-01-31T09:30:00Z")),
                "start_time",
            ),
            (with("end_time", json!(7)), "integer"),
            (with("status_code", json!("fine")), "unset, ok, error"),
            (with("changes", json!(-1)), "-1"),
            (with("sequence", json!(1.5)), "1.5"),
            (with("name", Value::Null), "null"),
            (with("attributes", json!([])), "map"),
            (with("events", json!([{"name": "e"}])), "timestamp"),
            (
                with("events", json!([{"name": "e", "timestamp": "x"}])),
                "events[0].timestamp",
            ),
            (
                with(
                    "events",
                    json!([{"name": "e", "timestamp": "x", "time": 1}]),
                ),
                "time",
            ),
            (json!(["t", "s"]), "no JSON object"),
            (json!({}), "trace_id"),
        ] {
            let why = read_all(&json!([minimal(), span])).err().unwrap();
            assert!(why.starts_with("spans[1] cannot be read: "), "{why}");
            assert!(why.contains(told), "{told}: {why}");
        }
        let mut differs = with("phase", json!("planning"));
        differs["attributes"] = json!({"ctrlplane.phase": "execution"});
        let why = read_all(&json!([differs])).err().unwrap();
        assert!(why.contains("ctrlplane.phase"), "{why}");
        differs["attributes"] = json!({"ctrlplane.phase": "planning"});
        assert!(read_all(&json!([differs])).is_ok());
    }

    #[test]
    fn a_body_that_is_none_of_spans_is_refused() {
        for body in [
            "",
            "[]",
            "{}",
            "{\"spans\": {}}",
            "{\"spans\": [], \"more\": 1}",
            "{\"spans\": []} x",
        ] {
            assert!(read(body, "", &Bounds::default()).is_err(), "{body}");
        }
        assert_eq!(
            read("{\"spans\": []}", "", &Bounds::default())
                .unwrap()
                .len(),
            0
        );
    }

    #[test]
    fn of_two_versions_of_a_span_the_more_complete_one_is_larger() {
        let revision = |span: &Value| read_all(&json!([span])).unwrap().remove(0).revision;
        let mut aborted = with("end_time", json!("2026-01-31T09:30:09Z"));
        aborted["status"] = json!("aborted");
        let ended = with("end_time", json!("2026-01-31T09:30:01Z"));
        let mut ended_again = ended.clone();
        ended_again["changes"] = json!(1);
        let versions = [
            minimal(),
            with("changes", json!(1)),
            aborted,
            ended,
            ended_again,
            with("end_time", json!("2026-01-31T09:30:02Z")),
        ];
        let revisions: Vec<_> = versions.iter().map(revision).collect();
        assert!(revisions.is_sorted_by(|a, b| a < b), "{revisions:?}");
    }
}
