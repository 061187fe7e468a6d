//! What a reader of OTLP/JSON has to take, from documents as senders write them.

use annals_record::Json;
use annals_server::otlp::{Bounds, json};
use annals_telemetry::{Span, SpanKind, StatusCode};
use serde_json::{Value, json};

use crate::refusals::{document, span};

fn read(text: &str) -> Vec<Span> {
    let decoded = json::read(text, &Bounds::default()).unwrap();
    assert_eq!(decoded.refused, []);
    decoded.records
}

fn read_span(members: &Value) -> Span {
    read(&document(&[span(members)])).remove(0)
}

fn tags(attributes: &Value) -> String {
    let span = read_span(&json!({ "attributes": attributes }));
    span.tags
        .as_ref()
        .map(Json::as_str)
        .unwrap_or_default()
        .to_owned()
}

// The example of the protocol's own documentation.
#[test]
fn every_field_has_its_column() {
    let text = r#"{"resourceSpans":[{
        "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"my.service"}}],
            "droppedAttributesCount":1},
        "scopeSpans":[{
            "scope":{"name":"my.library","version":"1.0.0",
                "attributes":[{"key":"my.scope.attribute","value":{"stringValue":"some"}}],
                "droppedAttributesCount":2},
            "spans":[{
                "traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174",
                "parentSpanId":"EEE19B7EC3C1B173","traceState":"a=1","flags":257,
                "name":"I'm a server span",
                "startTimeUnixNano":"1544712660000000001","endTimeUnixNano":"1544712661000000003",
                "kind":2,
                "attributes":[{"key":"my.span.attr","value":{"intValue":"9007199254740993"}}],
                "droppedAttributesCount":3,
                "events":[{"timeUnixNano":"1544712660000000002","name":"e",
                    "attributes":[{"key":"k","value":{"boolValue":true}}],
                    "droppedAttributesCount":4}],
                "droppedEventsCount":5,
                "links":[{"traceId":"5B8EFFF798038103D269B633813FC60D",
                    "spanId":"EEE19B7EC3C1B175","traceState":"b=2","flags":1,
                    "attributes":[{"key":"k","value":{"doubleValue":1}}],
                    "droppedAttributesCount":6}],
                "droppedLinksCount":7,
                "status":{"code":2,"message":"no"}
            }],
            "schemaUrl":"https://scope.example"
        }],
        "schemaUrl":"https://resource.example"
    }]}"#;
    let span = read(text).remove(0);
    let json = |column: &Option<Json>| column.as_ref().unwrap().as_str().to_owned();

    assert_eq!(span.trace_id, "5b8efff798038103d269b633813fc60c");
    assert_eq!(span.span_id, "eee19b7ec3c1b174");
    assert_eq!(span.parent_span_id.as_deref(), Some("eee19b7ec3c1b173"));
    assert_eq!(span.service_name, "my.service");
    assert_eq!(span.operation_name, "I'm a server span");
    assert_eq!(span.start_time.unix_nanos(), 1_544_712_660_000_000_001);
    assert_eq!(span.duration_nanos, 1_000_000_002);
    assert_eq!(span.status.as_deref(), Some("error"));
    assert_eq!(span.status_code, StatusCode::Error);
    assert_eq!(span.status_message.as_deref(), Some("no"));
    assert_eq!(span.kind, SpanKind::Server);
    assert_eq!(
        (span.trace_state.as_deref(), span.flags),
        (Some("a=1"), 257)
    );
    assert_eq!(json(&span.tags), r#"{"my.span.attr":9007199254740993}"#);
    assert_eq!(
        json(&span.events),
        r#"[{"name":"e","attributes":{"k":true},"time_unix_nano":"1544712660000000002","dropped_attributes_count":4}]"#
    );
    assert_eq!(
        json(&span.links),
        r#"[{"flags":1,"span_id":"eee19b7ec3c1b175","trace_id":"5b8efff798038103d269b633813fc60d","attributes":{"k":1.0},"trace_state":"b=2","dropped_attributes_count":6}]"#
    );
    assert_eq!(json(&span.resource), r#"{"service.name":"my.service"}"#);
    assert_eq!(
        json(&span.scope_attributes),
        r#"{"my.scope.attribute":"some"}"#
    );
    assert_eq!(span.scope_name.as_deref(), Some("my.library"));
    assert_eq!(span.scope_version.as_deref(), Some("1.0.0"));
    assert_eq!(
        span.scope_schema_url.as_deref(),
        Some("https://scope.example")
    );
    assert_eq!(
        span.resource_schema_url.as_deref(),
        Some("https://resource.example")
    );
    assert_eq!(span.resource_dropped_attributes_count, 1);
    assert_eq!(span.scope_dropped_attributes_count, 2);
    let dropped = [
        span.dropped_attributes_count,
        span.dropped_events_count,
        span.dropped_links_count,
    ];
    assert_eq!(dropped, [3, 5, 7]);
}

#[test]
fn what_is_empty_is_absent() {
    let span = read_span(&json!({
        "parentSpanId": "", "traceState": "", "attributes": [], "events": [], "links": [],
        "status": { "message": "" },
    }));
    assert_eq!((span.parent_span_id, span.trace_state), (None, None));
    assert_eq!((span.tags, span.events, span.links), (None, None, None));
    assert_eq!(
        (span.status.as_deref(), span.status_message),
        (Some("unset"), None)
    );
    assert_eq!(
        (span.scope_name, span.scope_attributes, span.resource),
        (None, None, None)
    );
    assert_eq!(span.service_name, "unknown_service");
}

#[test]
fn an_empty_resource_is_not_an_absent_one() {
    let text = r#"{"resourceSpans":[{"resource":{},"scopeSpans":[{"spans":[
        {"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"}]}]}]}"#;
    assert_eq!(read(text)[0].resource, Some(Json::empty_object()));
}

#[test]
fn numbers_may_be_texts_and_texts_of_numbers_numbers() {
    let span = read_span(&json!({
        "startTimeUnixNano": 1_700_000_000_123_456_789_u64, "endTimeUnixNano": "1700000000123456790",
        "flags": "1", "droppedEventsCount": "4294967295",
    }));
    assert_eq!(span.start_time.unix_nanos(), 1_700_000_000_123_456_789);
    assert_eq!((span.duration_nanos, span.flags), (1, 1));
    assert_eq!(span.dropped_events_count, u32::MAX);

    let attributes = json!([
        { "key": "a", "value": { "intValue": 5 } },
        { "key": "b", "value": { "intValue": "-9223372036854775808" } },
        { "key": "c", "value": { "doubleValue": "1.5" } },
        { "key": "d", "value": { "doubleValue": "NaN" } },
        { "key": "e", "value": { "doubleValue": "-Infinity" } },
        { "key": "f", "value": { "doubleValue": -0.0 } },
    ]);
    assert_eq!(
        tags(&attributes),
        r#"{"a":5,"b":-9223372036854775808,"c":1.5,"d":{"$double":"NaN"},"e":{"$double":"-Infinity"},"f":{"$double":"-0"}}"#
    );
}

#[test]
fn enumerations_may_be_names() {
    let span = read_span(&json!({
        "kind": "SPAN_KIND_CONSUMER", "status": { "code": "STATUS_CODE_OK" },
    }));
    assert_eq!(
        (span.kind, span.status_code),
        (SpanKind::Consumer, StatusCode::Ok)
    );
    assert_eq!(span.status.as_deref(), Some("ok"));
}

#[test]
fn null_is_absent_and_unknown_fields_are_ignored() {
    let text = r#"{"resourceSpans":[{"resource":null,"schemaUrl":null,"new":1,"scopeSpans":[
        {"scope":null,"schemaUrl":null,"new":{},"spans":[{"traceId":"5b8efff798038103d269b633813fc60c",
        "spanId":"eee19b7ec3c1b174","parentSpanId":null,"kind":null,"attributes":null,"status":null,
        "startTimeUnixNano":null,"new":[[[]]],"brand_new":1}]}]},{"scopeSpans":null}],"new":true}"#;
    assert_eq!(read(text).len(), 1);
    assert_eq!(read("{}"), []);
    assert_eq!(read(r#"{"resourceSpans":null}"#), []);
    assert_eq!(read(r#" {"resourceSpans":[]} "#), []);
}

#[test]
fn every_kind_of_attribute_is_kept() {
    let attributes = json!([
        { "key": "array", "value": { "arrayValue": { "values": [
            { "stringValue": "x" }, {}, { "doubleValue": 2 } ] } } },
        { "key": "empty array", "value": { "arrayValue": {} } },
        { "key": "map", "value": { "kvlistValue": { "values": [
            { "key": "k", "value": { "bytesValue": "AP8=" } } ] } } },
        { "key": "empty map", "value": { "kvlistValue": {} } },
        { "key": "nothing", "value": {} },
        { "key": "no value" },
        { "key": "unknown type", "value": { "dateValue": "2026" } },
    ]);
    assert_eq!(
        tags(&attributes),
        r#"{"map":{"k":{"$bytes":"AP8="}},"array":["x",null,2.0],"nothing":null,"no value":null,"empty map":{},"empty array":[],"unknown type":null}"#
    );
}

#[test]
fn a_parent_of_zeros_is_none() {
    let span = read_span(&json!({ "parentSpanId": "0000000000000000" }));
    assert_eq!(span.parent_span_id, None);
}

#[test]
fn a_span_that_ends_before_it_begins_has_a_negative_duration() {
    let span = read_span(&json!({ "startTimeUnixNano": "9223372036854775807" }));
    assert_eq!(span.duration_nanos, -i64::MAX);
}

#[test]
fn genai_attributes_are_promoted_and_stay() {
    let attributes = json!([
        { "key": "gen_ai.response.model", "value": { "stringValue": "gpt-4o" } },
        { "key": "gen_ai.usage.input_tokens", "value": { "intValue": "12" } },
    ]);
    let span = read_span(&json!({ "attributes": attributes }));
    assert_eq!(
        (span.model_name.as_deref(), span.input_tokens),
        (Some("gpt-4o"), Some(12))
    );
    assert_eq!(
        span.tags.unwrap().as_str(),
        r#"{"gen_ai.response.model":"gpt-4o","gen_ai.usage.input_tokens":12}"#
    );
}
