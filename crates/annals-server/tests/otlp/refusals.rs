//! What is refused, by which name, and what stays untouched by it.

use std::error::Error as _;

use annals_server::otlp::{Bounds, Decoded, json, json::ReadError, traces};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use serde_json::{Value, json};

use crate::generate;

const TRACE: &str = "5b8efff798038103d269b633813fc60c";
const ID: &str = "eee19b7ec3c1b174";

/// A span with these members; `null` takes one away.
pub(crate) fn span(members: &Value) -> Value {
    let mut span = json!({ "traceId": TRACE, "spanId": ID });
    for (name, value) in members.as_object().into_iter().flatten() {
        span[name] = value.clone();
    }
    span
}

pub(crate) fn document(spans: &[Value]) -> String {
    json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] }).to_string()
}

fn decoded(text: &str) -> Decoded {
    json::read(text, &Bounds::default()).unwrap()
}

fn reason(members: &Value) -> String {
    let decoded = decoded(&document(&[span(members)]));
    assert_eq!(decoded.records, []);
    decoded.refused[0].reason.to_string()
}

fn attribute_reason(value: &Value) -> String {
    reason(&json!({ "attributes": [{ "key": "fine" }, { "key": "k", "value": value }] }))
}

#[test]
fn one_bad_span_of_three_refuses_only_itself() {
    let spans = [
        span(&json!({ "name": "first" })),
        span(&json!({ "name": "second", "startTimeUnixNano": "tomorrow" })),
        span(&json!({ "name": "third" })),
    ];
    let decoded = decoded(&document(&spans));
    let names: Vec<_> = decoded
        .records
        .iter()
        .map(|span| span.operation_name.as_str())
        .collect();
    assert_eq!(names, ["first", "third"]);
    assert_eq!(decoded.refused.len(), 1);
    let refused = &decoded.refused[0];
    assert_eq!(refused.index, 1);
    assert_eq!(refused.trace_id.as_deref(), Some(TRACE));
    assert_eq!(refused.span_id.as_deref(), Some(ID));
    assert_eq!(
        refused.to_string(),
        format!(
            "span 1 (trace {TRACE:?}, id {ID:?}) refused: \
             startTimeUnixNano is \"tomorrow\" where a whole number of nanoseconds is due"
        )
    );
}

#[test]
fn even_what_no_json_reader_takes_refuses_only_its_span() {
    let good = span(&json!({}));
    let deep = format!(
        r#"{{"spanId":"{ID}","x":{}1{}}}"#,
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let half_a_pair = r#"{"name":"\ud800"}"#;
    let huge = r#"{"flags":1e999}"#;
    let text = document(&[good.clone(), json!("here"), good])
        .replace("\"here\"", &format!("{deep},{half_a_pair},{huge},null,[]"));
    let decoded = decoded(&text);
    assert_eq!(decoded.records.len(), 2);
    assert_eq!(decoded.refused.len(), 5);
    assert_eq!(decoded.refused[0].span_id.as_deref(), Some(ID));
    for refused in &decoded.refused {
        assert!(
            refused.reason.to_string().starts_with("span is "),
            "{refused}"
        );
    }
}

#[test]
fn a_bad_resource_or_scope_refuses_the_spans_in_it() {
    let bad = json!({ "attributes": [{ "key": "k", "value": { "intValue": "x" } }] });
    let text = json!({ "resourceSpans": [
        { "resource": bad, "scopeSpans": [{ "spans": [span(&json!({})), span(&json!({}))] }] },
        { "scopeSpans": [{ "scope": bad, "spans": [span(&json!({}))] }, { "spans": [span(&json!({}))] }] },
    ] });
    let decoded = decoded(&text.to_string());
    assert_eq!(decoded.records.len(), 1);
    let places: Vec<_> = decoded
        .refused
        .iter()
        .map(|refused| refused.index)
        .collect();
    assert_eq!(places, [0, 1, 2]);
    let fields: Vec<_> = decoded
        .refused
        .iter()
        .map(|refused| refused.reason.field.as_str())
        .collect();
    let resource = "resource.attributes[0].value.intValue";
    assert_eq!(
        fields,
        [resource, resource, "scope.attributes[0].value.intValue"]
    );
}

#[test]
fn ids_have_their_length_and_are_not_zero() {
    for (members, expected) in [
        (json!({ "traceId": null }), "traceId is missing"),
        (json!({ "spanId": "" }), "spanId is missing"),
        (
            json!({ "traceId": "abcd" }),
            "traceId has 2 bytes where 16 are due",
        ),
        (
            json!({ "spanId": TRACE }),
            "spanId has 16 bytes where 8 are due",
        ),
        (json!({ "traceId": "0".repeat(32) }), "traceId is all zeros"),
        (json!({ "spanId": "0".repeat(16) }), "spanId is all zeros"),
        (
            json!({ "parentSpanId": "ab" }),
            "parentSpanId has 1 bytes where 8 are due",
        ),
        (
            json!({ "spanId": "7uGbfsPBsXQ=" }),
            "spanId is \"7uGbfsPBsXQ=\" where an id in hexadecimal is due",
        ),
        (json!({ "spanId": 7 }), "spanId is 7 where a text is due"),
        (
            json!({ "links": [{ "traceId": "ab" }] }),
            "links[0].traceId has 1 bytes where 16 are due",
        ),
    ] {
        assert_eq!(reason(&members), expected);
    }
}

#[test]
fn times_beyond_64_bits_with_a_sign_are_refused_by_name() {
    for name in ["startTimeUnixNano", "endTimeUnixNano"] {
        let reason = reason(&json!({ name: "9223372036854775808" }));
        assert!(
            reason.starts_with(&format!("{name} lies outside")),
            "{reason}"
        );
    }
    for bad in [
        json!("18446744073709551616"),
        json!(-1),
        json!(1.5),
        json!(true),
        json!(""),
    ] {
        let reason = reason(&json!({ "startTimeUnixNano": bad }));
        assert!(reason.starts_with("startTimeUnixNano is "), "{reason}");
    }
    let reason = reason(&json!({ "events": [{}, { "timeUnixNano": "-1" }] }));
    assert!(
        reason.starts_with("events[1].timeUnixNano is \"-1\""),
        "{reason}"
    );
}

#[test]
fn enumerations_know_their_numbers_and_names() {
    for (members, expected) in [
        (json!({ "kind": 6 }), "kind is 6, which is not a span kind"),
        (
            json!({ "kind": "SERVER" }),
            "kind is \"SERVER\" where a span kind is due",
        ),
        (
            json!({ "status": { "code": -1 } }),
            "status.code is -1, which is not a status code",
        ),
        (json!({ "status": 1 }), "status is 1 where an object is due"),
        (
            json!({ "flags": 4_294_967_296_u64 }),
            "flags is 4294967296 where a whole number of 32 bits is due",
        ),
    ] {
        assert_eq!(reason(&members), expected);
    }
}

#[test]
fn an_attribute_says_where_it_is_wrong() {
    for (value, expected) in [
        (json!("bare"), "value is \"bare\" where an object is due"),
        (
            json!({ "intValue": "1.5" }),
            "value.intValue is \"1.5\" where a whole number of 64 bits is due",
        ),
        (
            json!({ "intValue": 9_223_372_036_854_775_808_u64 }),
            "value.intValue is 9223372036854775808 where a whole number of 64 bits is due",
        ),
        (
            json!({ "doubleValue": "inf" }),
            "value.doubleValue is \"inf\" where a number is due",
        ),
        (
            json!({ "boolValue": "true" }),
            "value.boolValue is \"true\" where true or false is due",
        ),
        (
            json!({ "bytesValue": "?" }),
            "value.bytesValue is \"?\" where a text in base64 is due",
        ),
        (
            json!({ "stringValue": "a", "intValue": 1 }),
            "value has both stringValue and intValue",
        ),
        (
            json!({ "arrayValue": { "values": [{}, { "kvlistValue": { "values": [{ "value": { "boolValue": 1 } }] } }] } }),
            "value.arrayValue.values[1].kvlistValue.values[0].value.boolValue is 1 where true or false is due",
        ),
    ] {
        assert_eq!(
            attribute_reason(&value),
            format!("attributes[1].{expected}")
        );
    }
}

#[test]
fn a_long_value_is_not_repeated_in_full() {
    let reason = reason(&json!({ "traceId": "x".repeat(1_000_000) }));
    assert!(reason.len() < 200, "{reason}");
    let refused = &decoded(&document(&[json!({ "traceId": "x".repeat(65) })])).refused[0];
    assert_eq!(refused.trace_id, None);
}

#[test]
fn an_attribute_that_is_too_deep_is_refused() {
    let attributes = vec![generate::attribute("k", generate::nested_map(1))];
    let decoded = from_proto(Span {
        attributes,
        ..generate::plain_span()
    });
    assert_eq!(
        decoded.refused[0].reason.to_string(),
        "attributes[0] is nested deeper than 30 levels"
    );
}

fn from_proto(span: Span) -> Decoded {
    let scope_spans = vec![ScopeSpans {
        spans: vec![span],
        ..ScopeSpans::default()
    }];
    traces::from_proto(
        vec![ResourceSpans {
            scope_spans,
            ..ResourceSpans::default()
        }],
        &Bounds::default(),
    )
}

#[test]
fn protobuf_is_refused_by_protobufs_names() {
    let good = generate::plain_span;
    for (span, field) in [
        (
            Span {
                trace_id: vec![],
                ..good()
            },
            "trace_id",
        ),
        (
            Span {
                parent_span_id: vec![1],
                ..good()
            },
            "parent_span_id",
        ),
        (
            Span {
                end_time_unix_nano: u64::MAX,
                ..good()
            },
            "end_time_unix_nano",
        ),
        (Span { kind: -1, ..good() }, "kind"),
        (
            Span {
                status: Some(Status {
                    code: 9,
                    ..Status::default()
                }),
                ..good()
            },
            "status.code",
        ),
    ] {
        let decoded = from_proto(span);
        assert_eq!(decoded.records, []);
        assert_eq!(decoded.refused[0].reason.field, field);
        assert_eq!(
            decoded.refused[0].span_id.as_deref(),
            Some("0202020202020202")
        );
    }
}

#[test]
fn a_document_in_snake_case_says_so_instead_of_being_empty() {
    let of_spans = json!({ "spans": [span(&json!({}))] });
    for (document, found, expected) in [
        (
            json!({ "resource_spans": [{ "scopeSpans": [of_spans] }] }),
            "resource_spans",
            "resourceSpans",
        ),
        (
            json!({ "resourceSpans": [{ "scope_spans": [of_spans] }] }),
            "scope_spans",
            "scopeSpans",
        ),
        (
            json!({ "resourceSpans": [{ "instrumentationLibrarySpans": [of_spans] }] }),
            "instrumentationLibrarySpans",
            "scopeSpans",
        ),
        (
            json!({ "resourceSpans": [{ "scopeSpans": [{ "schema_url": "s" }] }] }),
            "schema_url",
            "schemaUrl",
        ),
    ] {
        let error = json::read(&document.to_string(), &Bounds::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{found:?} is not a name of OTLP/JSON, which says {expected:?}")
        );
    }
    for (span, expected) in [
        (
            json!({ "trace_id": TRACE, "span_id": ID }),
            "trace_id is not a name of OTLP/JSON, which says traceId",
        ),
        (
            span(&json!({ "events": [{ "time_unix_nano": 1 }] })),
            "events[0].time_unix_nano is not a name of OTLP/JSON, which says timeUnixNano",
        ),
    ] {
        assert_eq!(
            decoded(&document(&[span])).refused[0].reason.to_string(),
            expected
        );
    }
}

#[test]
fn a_document_of_something_else_is_refused() {
    let error = json::read(r#"{"resourceLogs":[]}"#, &Bounds::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the document has no \"resourceSpans\", only \"resourceLogs\""
    );
}

#[test]
fn what_is_not_one_json_document_is_refused_with_its_place() {
    for text in [
        "",
        "x",
        "[]",
        "{\"resourceSpans\":5}",
        "{\"resourceSpans\":[]",
        "{} {}",
        "{}x",
    ] {
        let error = json::read(text, &Bounds::default()).unwrap_err();
        assert!(
            matches!(error, ReadError::Syntax { .. }),
            "{text:?}: {error:?}"
        );
        let source = error.source().unwrap().to_string();
        assert!(source.contains("line 1 column"), "{text:?}: {source}");
    }
}
