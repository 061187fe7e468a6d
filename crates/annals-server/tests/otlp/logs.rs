//! Log records in and out, in protobuf and JSON.

use annals_record::Timestamp;
use annals_server::otlp::{
    Bounds, Decoded, json,
    logs::{self, Coming},
    origin::Around,
};
use annals_telemetry::LogRecord;
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value as Any},
    logs::v1::{LogRecord as Message, ResourceLogs, ScopeLogs},
};
use proptest::{collection::vec, prelude::*};
use prost::Message as _;

use crate::{
    generate::{self, around, attributes, value},
    round_trip::normal,
};

const CAME: i64 = 1_750_000_000_000_000_000;

fn came(_: &[u8; 32]) -> Timestamp {
    Timestamp::from_unix_nanos(CAME)
}

fn request(around: Around, log_records: Vec<Message>) -> Vec<ResourceLogs> {
    vec![ResourceLogs {
        resource: around.resource,
        scope_logs: vec![ScopeLogs {
            scope: around.scope,
            log_records,
            schema_url: around.scope_schema_url,
        }],
        schema_url: around.resource_schema_url,
    }]
}

fn decoded(request: Vec<ResourceLogs>) -> Decoded<LogRecord> {
    let coming = Coming::new(b"request", &came);
    logs::from_proto(request, &Bounds::default(), &coming)
}

fn records(request: Vec<ResourceLogs>) -> Vec<LogRecord> {
    let decoded = decoded(request);
    assert_eq!(decoded.refused, []);
    decoded.records
}

fn read(text: &str) -> Decoded<LogRecord> {
    let coming = Coming::new(b"request", &came);
    json::read_logs(text, &Bounds::default(), &coming).unwrap()
}

fn id(length: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(Vec::new()), vec(1..=u8::MAX, length)]
}

prop_compose! {
    fn message()(
        (time_unix_nano, observed_time_unix_nano) in (1..=i64::MAX as u64, 0..=i64::MAX as u64),
        severity_number in 0..=24_i32,
        (severity_text, event_name) in any::<(String, String)>(),
        body in prop::option::of(value()),
        attributes in attributes(),
        (dropped_attributes_count, flags) in any::<(u32, u32)>(),
        (trace_id, span_id) in (id(16), id(8)),
    ) -> Message {
        Message {
            time_unix_nano, observed_time_unix_nano, severity_number, severity_text, body,
            attributes, dropped_attributes_count, flags, trace_id, span_id, event_name,
        }
    }
}

/// What stays the same however often it is stored: attributes in one order, and no resource or scope that says nothing.
fn normal_request(request: Vec<ResourceLogs>) -> Vec<Vec<u8>> {
    let of_resources = request.into_iter().map(|mut of_resource| {
        if let Some(resource) = &mut of_resource.resource {
            resource.attributes = normal(std::mem::take(&mut resource.attributes));
        }
        of_resource.resource = of_resource
            .resource
            .filter(|resource| *resource != Default::default());
        for of_scope in &mut of_resource.scope_logs {
            if let Some(scope) = &mut of_scope.scope {
                scope.attributes = normal(std::mem::take(&mut scope.attributes));
            }
            of_scope.scope = of_scope
                .scope
                .take()
                .filter(|scope| *scope != Default::default());
            for record in &mut of_scope.log_records {
                record.attributes = normal(std::mem::take(&mut record.attributes));
                let body = record.body.take().map(|body| {
                    let mut one = normal(vec![generate::attribute("", body)]);
                    one.remove(0).value.unwrap_or_default()
                });
                record.body = body;
            }
        }
        // As bytes, for which NaN equals itself.
        of_resource.encode_to_vec()
    });
    of_resources.collect()
}

proptest! {
    #[test]
    fn a_request_survives_the_records_and_json(
        around in around(),
        messages in vec(message(), 1..4),
    ) {
        // One by one: NaN in a resource is unlike itself, and such neighbours share none.
        for message in &messages {
            let sent = request(around.clone(), vec![message.clone()]);
            let back = logs::to_proto(&records(sent.clone())).unwrap();
            prop_assert_eq!(normal_request(back), normal_request(sent));
        }
        let records = records(request(around, messages));
        let back = logs::to_proto(&records).unwrap();
        prop_assert_eq!(&self::records(back), &records);
        let by_json = read(&json::write_logs(&records).unwrap());
        prop_assert_eq!(by_json.refused, []);
        prop_assert_eq!(by_json.records, records);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\[\\]{}:,\"a-zL0-9 ]{0,60}") {
        let coming = Coming::new(b"", &came);
        let _ = json::read_logs(&text, &Bounds::default(), &coming);
    }
}

fn plain() -> Message {
    Message {
        time_unix_nano: 5,
        ..Message::default()
    }
}

fn of(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

#[test]
fn a_time_is_the_event_s_else_the_observer_s_else_that_of_coming() {
    let timeless = Message::default();
    let observed = Message {
        observed_time_unix_nano: 7,
        ..Message::default()
    };
    let both = Message {
        time_unix_nano: 6,
        ..observed.clone()
    };
    let records = records(request(Around::default(), vec![both, observed, timeless]));
    let times = records.iter().map(|record| record.timestamp.unix_nanos());
    assert_eq!(times.collect::<Vec<_>>(), [6, 7, CAME]);
    let observed = records
        .iter()
        .map(|record| record.observed_timestamp.is_some());
    assert_eq!(observed.collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn ids_are_of_the_bytes_and_the_place() {
    let two = || request(Around::default(), vec![plain(), plain()]);
    let first = records(two());
    assert_ne!(first[0].id, first[1].id);
    assert_eq!(first, records(two()));
    let coming = Coming::new(b"another", &came);
    let other = logs::from_proto(two(), &Bounds::default(), &coming).records;
    assert_ne!(first[0].id, other[0].id);
    // A refused record leaves the places of others as they are.
    let bad = Message {
        severity_number: 25,
        ..plain()
    };
    let some = decoded(request(Around::default(), vec![bad, plain()]));
    assert_eq!(some.records[0].id, first[1].id);
}

#[test]
fn a_body_is_its_text_or_the_text_of_its_json() {
    let map = Any::KvlistValue(opentelemetry_proto::tonic::common::v1::KeyValueList {
        values: vec![KeyValue {
            key: "user".to_owned(),
            value: Some(of(Any::StringValue("ann".to_owned()))),
            ..KeyValue::default()
        }],
    });
    let said = |body: Option<AnyValue>| {
        let message = Message { body, ..plain() };
        let record = records(request(Around::default(), vec![message])).remove(0);
        (
            record.body,
            record.body_json.map(|json| json.as_str().to_owned()),
        )
    };
    let text = |text: &str| Some(text.to_owned());
    for (body, expected) in [
        (None, (None, None)),
        (
            Some(of(Any::StringValue("hi".to_owned()))),
            (text("hi"), None),
        ),
        (Some(of(Any::StringValue(String::new()))), (text(""), None)),
        (
            Some(of(map)),
            (text(r#"{"user":"ann"}"#), text(r#"{"user":"ann"}"#)),
        ),
        (Some(of(Any::IntValue(7))), (text("7"), text("7"))),
        (
            Some(of(Any::BytesValue(vec![255]))),
            (text(r#"{"$bytes":"/w=="}"#), text(r#"{"$bytes":"/w=="}"#)),
        ),
        (Some(AnyValue::default()), (text("null"), text("null"))),
    ] {
        assert_eq!(said(body), expected);
    }
}

#[test]
fn what_cannot_be_is_refused_by_its_field() {
    let refusal = |message: Message| {
        let refused = decoded(request(Around::default(), vec![plain(), message])).refused;
        assert_eq!(refused.len(), 1);
        refused[0].to_string()
    };
    for (message, told) in [
        (
            Message {
                severity_number: 25,
                ..plain()
            },
            "severity_number is 25",
        ),
        (
            Message {
                severity_number: -1,
                ..plain()
            },
            "severity_number is -1",
        ),
        (
            Message {
                trace_id: vec![1; 15],
                ..plain()
            },
            "trace_id has 15 bytes",
        ),
        (
            Message {
                span_id: vec![1; 16],
                ..plain()
            },
            "span_id has 16 bytes",
        ),
        (
            Message {
                time_unix_nano: u64::MAX,
                ..plain()
            },
            "time_unix_nano lies outside",
        ),
        (
            Message {
                body: Some(generate::nested_map(1)),
                ..plain()
            },
            "body is nested deeper than 30 levels",
        ),
    ] {
        let refused = refusal(message);
        assert!(refused.starts_with("log record 1"), "{refused}");
        assert!(refused.contains(told), "{refused}");
    }
    let zeros = Message {
        trace_id: vec![0; 16],
        span_id: vec![0; 8],
        ..plain()
    };
    let record = records(request(Around::default(), vec![zeros])).remove(0);
    assert_eq!((record.trace_id, record.span_id), (None, None));
}

#[test]
fn a_document_of_something_else_is_refused_and_a_bad_record_alone() {
    let coming = Coming::new(b"", &came);
    let error = json::read_logs(r#"{"resourceSpans":[]}"#, &Bounds::default(), &coming);
    assert_eq!(
        error.unwrap_err().to_string(),
        "the document has no \"resourceLogs\", only \"resourceSpans\""
    );
    let error = json::read_logs("[]", &Bounds::default(), &coming).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the text is not an OTLP/JSON document of logs"
    );
    let decoded = read(
        r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[
            {"timeUnixNano":"5","severityNumber":"SEVERITY_NUMBER_WARN","body":{"stringValue":"a"}},
            {"timeUnixNano":"soon"},
            {"timeUnixNano":"5","spanId":"zz"}]}]}]}"#,
    );
    assert_eq!(decoded.records[0].severity_number, 13);
    let refused: Vec<_> = decoded.refused.iter().map(ToString::to_string).collect();
    assert!(
        refused[0].starts_with("log record 1 refused: timeUnixNano"),
        "{refused:?}"
    );
    assert!(refused[1].contains("spanId"), "{refused:?}");
}
