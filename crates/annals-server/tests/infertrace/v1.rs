//! Spans of v1.

use annals_record::Timestamp;
use annals_server::infertrace::{from_v1, messages::v1::Span};
use annals_telemetry::{Span as Record, StatusCode};

/// A span that HEAD's collector accepts.
pub(crate) fn plain() -> Span {
    Span {
        trace_id: "trace-1".to_owned(),
        span_id: "span-1".to_owned(),
        service_name: "api".to_owned(),
        operation_name: "generate".to_owned(),
        model_name: "gpt-4".to_owned(),
        start_time_unix_nano: 1_700_000_000_123_456_789,
        duration_nanos: 80_000_000,
        status: "failed".to_owned(),
    }
}

#[test]
fn every_field_is_kept() {
    let mut expected = Record::new(
        "trace-1",
        "span-1",
        "api",
        "generate",
        Timestamp::from_unix_nanos(1_700_000_000_123_456_789),
        80_000_000,
    );
    expected.model_name = Some("gpt-4".to_owned());
    expected.status = Some("failed".to_owned());
    expected.status_code = StatusCode::Error;
    assert_eq!(from_v1(plain()).unwrap(), expected);
}

#[test]
fn what_heads_collector_refuses_is_refused_by_name() {
    for (span, expected) in [
        (
            Span {
                service_name: String::new(),
                ..plain()
            },
            "service_name is missing",
        ),
        (
            Span {
                model_name: String::new(),
                ..plain()
            },
            "model_name is missing",
        ),
        (
            Span {
                start_time_unix_nano: 0,
                ..plain()
            },
            "start_time_unix_nano is 0 where a number of nanoseconds above 0 is due",
        ),
        (
            Span {
                duration_nanos: 0,
                ..plain()
            },
            "duration_nanos is 0 where a number of nanoseconds above 0 is due",
        ),
        (
            Span {
                trace_id: "x".repeat(257),
                ..plain()
            },
            "trace_id is an id of 257 characters where one of at most 256 is due",
        ),
        (
            Span {
                span_id: "x".repeat(257),
                ..plain()
            },
            "span_id is an id of 257 characters where one of at most 256 is due",
        ),
    ] {
        assert_eq!(from_v1(span).unwrap_err().to_string(), expected);
    }
}

#[test]
fn operation_and_status_may_be_empty() {
    let record = from_v1(Span {
        operation_name: String::new(),
        status: String::new(),
        ..plain()
    })
    .unwrap();
    assert_eq!(record.operation_name, "");
    assert_eq!(
        (record.status, record.status_code),
        (None, StatusCode::Unset)
    );
}

#[test]
fn hexadecimal_ids_meet_those_of_opentelemetry() {
    let record = from_v1(Span {
        trace_id: "4BF92F3577B34DA6A3CE929D0E0E4736".to_owned(),
        span_id: "00F067AA0BA902B7".to_owned(),
        ..plain()
    })
    .unwrap();
    assert_eq!(record.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(record.span_id, "00f067aa0ba902b7");
}
