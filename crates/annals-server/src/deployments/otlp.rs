//! Spans of OTLP, as deployment traces have them.
//!
//! Attributes keep their types; bytes are their base64, and doubles that JSON has no number for are their word: `NaN`,
//! `Infinity`, `-Infinity`. An end of zero means that the span runs. What OpenTelemetry has and a deployment trace has no
//! place for is kept among the attributes:
//!
//! | Attribute | What it is |
//! |---|---|
//! | `otel.kind` | `internal`, `server`, `client`, `producer`, `consumer`; absent when unspecified |
//! | `otel.trace_state`, `otel.flags` | as they came |
//! | `otel.links` | an array of objects with `trace_id`, `span_id` and, where there are any, `trace_state`, `flags`, `attributes` |
//! | `otel.resource` | the resource's attributes |
//! | `otel.scope` | an object with `name`, `version` and `attributes`, where there are any |
//! | `otel.resource_schema_url`, `otel.scope_schema_url` | as they came |
//! | `otel.dropped_attributes_count`, `otel.dropped_events_count`, `otel.dropped_links_count` | as they came; of an event among its attributes, of a link, the resource and the scope in their object |
//!
//! An attribute of one of these names that the span itself brings stays. Attributes of the resource become no columns.

use annals_deploy::{OtelSpan, SpanEvent, StatusCode, span::Attributes};
use annals_record::Timestamp;
use annals_telemetry::SpanKind;
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value as Any},
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span,
        span::{Event, Link},
    },
};
use serde_json::{Map, Value};

use crate::otlp::{
    Bounds, FieldError, attributes, ids,
    span::{kind, nanos, status_code},
};

const DROPPED: &str = "dropped_attributes_count";

/// The spans of a request, all or none.
///
/// # Errors
///
/// The first field that cannot be taken over or is beyond the bounds, with the way to it.
pub(super) fn from_proto(
    request: Vec<ResourceSpans>,
    bounds: &Bounds,
) -> Result<Vec<OtelSpan>, FieldError> {
    let mut spans = Vec::new();
    for (i, of_resource) in request.into_iter().enumerate() {
        of_a_resource(of_resource, bounds, &mut spans)
            .map_err(|error| error.within_item("resource_spans", i))?;
    }
    Ok(spans)
}

fn of_a_resource(
    of_resource: ResourceSpans,
    bounds: &Bounds,
    spans: &mut Vec<OtelSpan>,
) -> Result<(), FieldError> {
    bounds.check_resource(of_resource.resource.as_ref())?;
    let mut around = Attributes::new();
    put(
        &mut around,
        "otel.resource",
        of_resource.resource.map(resource),
    );
    put(
        &mut around,
        "otel.resource_schema_url",
        text(of_resource.schema_url),
    );
    for (i, of_scope) in of_resource.scope_spans.into_iter().enumerate() {
        of_a_scope(of_scope, &around, bounds, spans)
            .map_err(|error| error.within_item("scope_spans", i))?;
    }
    Ok(())
}

fn of_a_scope(
    of_scope: ScopeSpans,
    around: &Attributes,
    bounds: &Bounds,
    spans: &mut Vec<OtelSpan>,
) -> Result<(), FieldError> {
    bounds.check_scope(of_scope.scope.as_ref())?;
    let mut around = around.clone();
    let scope = of_scope.scope.map(scope).filter(|scope| !is_empty(scope));
    put(&mut around, "otel.scope", scope);
    put(
        &mut around,
        "otel.scope_schema_url",
        text(of_scope.schema_url),
    );
    for (i, message) in of_scope.spans.into_iter().enumerate() {
        let span = span(message, &around, bounds);
        spans.push(span.map_err(|error| error.within_item("spans", i))?);
    }
    Ok(())
}

fn span(message: Span, around: &Attributes, bounds: &Bounds) -> Result<OtelSpan, FieldError> {
    bounds.check_span(&message)?;
    let trace_id = ids::required(&message.trace_id, ids::TRACE, "trace_id")?;
    let span_id = ids::required(&message.span_id, ids::SPAN, "span_id")?;
    let start = time(message.start_time_unix_nano, "start_time_unix_nano")?;
    bounds.check_time(start, "start_time_unix_nano")?;
    let mut span = OtelSpan::new(trace_id, span_id, message.name, start);
    span.parent_span_id = ids::optional(&message.parent_span_id, ids::SPAN, "parent_span_id")?;
    span.end_time = match message.end_time_unix_nano {
        0 => None,
        end => Some(time(end, "end_time_unix_nano")?),
    };
    let status = message.status.unwrap_or_default();
    span.status_code = code(status_code(status.code)?);
    span.status_message = (!status.message.is_empty()).then_some(status.message);

    let mut attributes = around.clone();
    put(&mut attributes, "otel.kind", kind_word(kind(message.kind)?));
    put(
        &mut attributes,
        "otel.trace_state",
        text(message.trace_state),
    );
    put(&mut attributes, "otel.flags", number(message.flags));
    let links = message
        .links
        .into_iter()
        .enumerate()
        .map(|(i, message)| link(message).map_err(|error| error.within_item("links", i)));
    let links = links.collect::<Result<Vec<_>, _>>()?;
    put(
        &mut attributes,
        "otel.links",
        (!links.is_empty()).then_some(links),
    );
    for (name, count) in [
        (
            "otel.dropped_attributes_count",
            message.dropped_attributes_count,
        ),
        ("otel.dropped_events_count", message.dropped_events_count),
        ("otel.dropped_links_count", message.dropped_links_count),
    ] {
        put(&mut attributes, name, number(count));
    }
    // Last, so that what the span says of itself stays.
    attributes.extend(members(message.attributes));
    span.attributes = attributes;
    let events = message
        .events
        .into_iter()
        .enumerate()
        .map(|(i, message)| event(message).map_err(|error| error.within_item("events", i)));
    span.events = events.collect::<Result<_, _>>()?;
    Ok(span)
}

fn event(message: Event) -> Result<SpanEvent, FieldError> {
    let mut attributes = Attributes::new();
    let dropped = number(message.dropped_attributes_count);
    put(&mut attributes, "otel.dropped_attributes_count", dropped);
    attributes.extend(members(message.attributes));
    Ok(SpanEvent {
        name: message.name,
        timestamp: time(message.time_unix_nano, "time_unix_nano")?,
        attributes,
    })
}

fn link(message: Link) -> Result<Value, FieldError> {
    let mut link = Map::new();
    let trace_id = ids::of_link(&message.trace_id, ids::TRACE, "trace_id")?;
    let span_id = ids::of_link(&message.span_id, ids::SPAN, "span_id")?;
    put(&mut link, "trace_id", Some(trace_id));
    put(&mut link, "span_id", Some(span_id));
    put(&mut link, "trace_state", text(message.trace_state));
    put(&mut link, "flags", number(message.flags));
    put(&mut link, "attributes", some_members(message.attributes));
    put(&mut link, DROPPED, number(message.dropped_attributes_count));
    Ok(link.into())
}

fn resource(resource: Resource) -> Value {
    let mut object = members(resource.attributes);
    let dropped = number(resource.dropped_attributes_count);
    if let (Some(count), None) = (dropped, object.get(DROPPED)) {
        object.insert(DROPPED.to_owned(), count.into());
    }
    object.into()
}

fn scope(scope: InstrumentationScope) -> Value {
    let mut object = Map::new();
    put(&mut object, "name", text(scope.name));
    put(&mut object, "version", text(scope.version));
    put(&mut object, "attributes", some_members(scope.attributes));
    put(&mut object, DROPPED, number(scope.dropped_attributes_count));
    object.into()
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

fn put(object: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

/// proto3 knows no difference between an absent text and an empty one.
fn text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn number(number: u32) -> Option<u32> {
    (number > 0).then_some(number)
}

fn time(unix_nanos: u64, field: &'static str) -> Result<Timestamp, FieldError> {
    nanos(unix_nanos, field).map(Timestamp::from_unix_nanos)
}

fn code(code: annals_telemetry::StatusCode) -> StatusCode {
    use annals_telemetry::StatusCode as Code;
    match code {
        Code::Unset => StatusCode::Unset,
        Code::Ok => StatusCode::Ok,
        Code::Error => StatusCode::Error,
    }
}

fn kind_word(kind: SpanKind) -> Option<&'static str> {
    match kind {
        SpanKind::Unspecified => None,
        SpanKind::Internal => Some("internal"),
        SpanKind::Server => Some("server"),
        SpanKind::Client => Some("client"),
        SpanKind::Producer => Some("producer"),
        SpanKind::Consumer => Some("consumer"),
    }
}

fn some_members(attributes: Vec<KeyValue>) -> Option<Map<String, Value>> {
    (!attributes.is_empty()).then(|| members(attributes))
}

/// Of a key that is there twice the last value stays.
fn members(attributes: Vec<KeyValue>) -> Map<String, Value> {
    let members = attributes.into_iter();
    members
        .map(|attribute| (attribute.key, plain(attribute.value.unwrap_or_default())))
        .collect()
}

/// A value, which the bounds keep from being deep.
fn plain(value: AnyValue) -> Value {
    match value.value {
        // The index belongs to profiles alone, and the protocol wants it read as no value.
        None | Some(Any::StringValueStrindex(_)) => Value::Null,
        Some(Any::StringValue(text)) => text.into(),
        Some(Any::BoolValue(bool)) => bool.into(),
        Some(Any::IntValue(int)) => int.into(),
        Some(Any::DoubleValue(double)) => match attributes::special_word(double) {
            Some(word) => word.into(),
            None => double.into(),
        },
        Some(Any::BytesValue(bytes)) => attributes::to_base64(&bytes).into(),
        Some(Any::ArrayValue(array)) => array.values.into_iter().map(plain).collect(),
        Some(Any::KvlistValue(list)) => members(list.values).into(),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::{common::v1::ArrayValue, trace::v1::Status};
    use serde_json::json;

    use super::*;

    fn attribute(key: &str, value: Any) -> KeyValue {
        KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        }
    }

    fn message() -> Span {
        Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            name: "Planning".to_owned(),
            start_time_unix_nano: 1_700_000_000_123_456_789,
            end_time_unix_nano: 1_700_000_001_000_000_001,
            ..Span::default()
        }
    }

    fn request(spans: Vec<Span>) -> Vec<ResourceSpans> {
        vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }]
    }

    fn one(request: Vec<ResourceSpans>) -> OtelSpan {
        from_proto(request, &Bounds::default()).unwrap().remove(0)
    }

    #[test]
    fn what_a_span_has_is_taken_over_to_the_nanosecond() {
        let mut sent = message();
        sent.parent_span_id = vec![3; 8];
        sent.status = Some(Status {
            message: "blocked".to_owned(),
            code: 2,
        });
        sent.events = vec![Event {
            time_unix_nano: 1_700_000_000_500_000_001,
            name: "approver".to_owned(),
            attributes: vec![attribute("approver", Any::StringValue("alice".to_owned()))],
            dropped_attributes_count: 0,
        }];
        let span = one(request(vec![sent]));
        assert_eq!(span.trace_id, "01".repeat(16));
        assert_eq!(span.span_id, "02".repeat(8));
        assert_eq!(span.parent_span_id, Some("03".repeat(8)));
        assert_eq!(span.name, "Planning");
        assert_eq!(span.start_time.unix_nanos(), 1_700_000_000_123_456_789);
        let end = span.end_time.unwrap().unix_nanos();
        assert_eq!(end, 1_700_000_001_000_000_001);
        assert_eq!(span.status_code, StatusCode::Error);
        assert_eq!(span.status_message.as_deref(), Some("blocked"));
        let event = &span.events[0];
        assert_eq!(event.name, "approver");
        assert_eq!(event.timestamp.unix_nanos(), 1_700_000_000_500_000_001);
        assert_eq!(
            Value::from(event.attributes.clone()),
            json!({"approver": "alice"})
        );
        assert_eq!(span.attributes, Map::new());
    }

    #[test]
    fn a_span_without_an_end_runs_and_a_parent_of_zeros_is_none() {
        let mut sent = message();
        sent.end_time_unix_nano = 0;
        sent.parent_span_id = vec![0; 8];
        let span = one(request(vec![sent]));
        assert_eq!((span.end_time, span.parent_span_id), (None, None));
    }

    #[test]
    fn attributes_keep_their_types() {
        let list = vec![AnyValue {
            value: Some(Any::IntValue(1)),
        }];
        let mut sent = message();
        sent.attributes = vec![
            attribute("text", Any::StringValue("a".to_owned())),
            attribute("int", Any::IntValue(i64::MAX)),
            attribute("double", Any::DoubleValue(1.0)),
            attribute("nan", Any::DoubleValue(f64::NAN)),
            attribute("less", Any::DoubleValue(f64::NEG_INFINITY)),
            attribute("bytes", Any::BytesValue(vec![0, 255])),
            attribute("list", Any::ArrayValue(ArrayValue { values: list })),
            attribute("twice", Any::BoolValue(false)),
            attribute("twice", Any::BoolValue(true)),
        ];
        let span = one(request(vec![sent]));
        let expected = json!({
            "text": "a", "int": i64::MAX, "double": 1.0, "nan": "NaN", "less": "-Infinity",
            "bytes": "AP8=", "list": [1], "twice": true,
        });
        assert_eq!(Value::from(span.attributes), expected);
    }

    #[test]
    fn what_has_no_place_of_its_own_is_kept_among_the_attributes() {
        let name = |name: &str| vec![attribute("k", Any::StringValue(name.to_owned()))];
        let mut sent = message();
        sent.kind = 3;
        sent.trace_state = "a=b".to_owned();
        sent.flags = 1;
        sent.dropped_events_count = 4;
        sent.links = vec![Link {
            trace_id: vec![9; 16],
            span_id: vec![8; 8],
            attributes: name("link"),
            ..Link::default()
        }];
        let mut request = request(vec![sent]);
        request[0].resource = Some(Resource {
            attributes: name("resource"),
            dropped_attributes_count: 2,
            ..Resource::default()
        });
        request[0].schema_url = "r".to_owned();
        request[0].scope_spans[0].scope = Some(InstrumentationScope {
            name: "engine".to_owned(),
            attributes: name("scope"),
            ..InstrumentationScope::default()
        });
        request[0].scope_spans[0].schema_url = "s".to_owned();
        let expected = json!({
            "otel.kind": "client", "otel.trace_state": "a=b", "otel.flags": 1,
            "otel.dropped_events_count": 4,
            "otel.links": [{
                "trace_id": "09".repeat(16), "span_id": "08".repeat(8), "attributes": {"k": "link"},
            }],
            "otel.resource": {"k": "resource", "dropped_attributes_count": 2},
            "otel.resource_schema_url": "r",
            "otel.scope": {"name": "engine", "attributes": {"k": "scope"}},
            "otel.scope_schema_url": "s",
        });
        assert_eq!(Value::from(one(request).attributes), expected);
    }

    #[test]
    fn what_a_span_says_of_itself_stays() {
        let mut sent = message();
        sent.kind = 3;
        sent.attributes = vec![attribute("otel.kind", Any::StringValue("mine".to_owned()))];
        let span = one(request(vec![sent]));
        assert_eq!(span.attributes["otel.kind"], "mine");
    }

    #[test]
    fn one_bad_span_refuses_all_by_the_way_to_it() {
        let mut bad = message();
        bad.links = vec![Link {
            trace_id: vec![1; 3],
            ..Link::default()
        }];
        let mut early = message();
        early.trace_id = Vec::new();
        for (bad, told) in [
            (
                bad,
                "resource_spans[0].scope_spans[0].spans[1].links[0].trace_id has 3 bytes",
            ),
            (
                early,
                "resource_spans[0].scope_spans[0].spans[1].trace_id is missing",
            ),
        ] {
            let request = request(vec![message(), bad]);
            let error = from_proto(request, &Bounds::default()).unwrap_err();
            assert!(error.to_string().starts_with(told), "{error}");
        }
    }
}
