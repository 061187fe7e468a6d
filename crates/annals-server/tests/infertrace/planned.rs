//! Spans of the first plan.

use annals_record::Timestamp;
use annals_server::infertrace::{
    from_planned,
    messages::planned::{InferenceContext, ResourceMetrics, Span},
};
use annals_telemetry::{Span as Record, SpanKind, StatusCode};
use serde_json::{Value, json};

/// A span with nothing but what it needs.
pub(crate) fn plain() -> Span {
    Span {
        trace_id: vec![0xAB; 16],
        span_id: vec![0xCD; 8],
        service_name: "gateway".to_owned(),
        operation_name: "chat".to_owned(),
        start_time_unix_nano: 1_700_000_000_123_456_789,
        duration_nanos: 80_000_000,
        ..Span::default()
    }
}

fn with_inference(inference: InferenceContext) -> Record {
    from_planned(Span {
        inference: Some(inference),
        ..plain()
    })
    .unwrap()
}

fn with_resources(resources: ResourceMetrics) -> Record {
    from_planned(Span {
        resources: Some(resources),
        ..plain()
    })
    .unwrap()
}

fn tags(record: &Record) -> Value {
    record.tags.as_ref().unwrap().to_value()
}

fn refusal(span: Span) -> String {
    from_planned(span).unwrap_err().to_string()
}

#[test]
fn every_field_of_a_full_span_is_kept() {
    let record = from_planned(Span {
        parent_span_id: vec![0xEF; 8],
        status: "ok".to_owned(),
        tags: [("region".to_owned(), "eu".to_owned())].into(),
        inference: Some(InferenceContext {
            model_name: "llama-70b".to_owned(),
            model_version: "2024-11".to_owned(),
            batch_size: 8,
            input_tokens: 900,
            output_tokens: 150,
            framework: "pytorch".to_owned(),
            sequence_length: 1050.0,
            cache_hit_rate: 0.7,
            pipeline_stage: "inference".to_owned(),
            queue_depth: 5,
            queue_wait_time_ms: 1.5,
            batch_fill_ratio: 0.3,
        }),
        resources: Some(ResourceMetrics {
            gpu_utilization_percent: 22.5,
            gpu_memory_used_bytes: 60_000_000_000,
            gpu_memory_total_bytes: 80_000_000_000,
            gpu_device_id: "0".to_owned(),
            cpu_utilization_percent: 40.25,
            memory_heap_bytes: 1_000_000,
        }),
        ..plain()
    })
    .unwrap();
    let mut expected = Record::new(
        "ab".repeat(16),
        "cd".repeat(8),
        "gateway",
        "chat",
        Timestamp::from_unix_nanos(1_700_000_000_123_456_789),
        80_000_000,
    );
    expected.parent_span_id = Some("ef".repeat(8));
    expected.status = Some("ok".to_owned());
    expected.status_code = StatusCode::Ok;
    expected.model_name = Some("llama-70b".to_owned());
    expected.model_version = Some("2024-11".to_owned());
    expected.batch_size = Some(8);
    expected.input_tokens = Some(900);
    expected.output_tokens = Some(150);
    expected.gpu_utilization = Some(22.5);
    expected.tags.clone_from(&record.tags);
    assert_eq!(record, expected);
    assert_eq!(
        tags(&record),
        json!({
            "region": "eu",
            "infertrace.framework": "pytorch",
            "infertrace.sequence_length": 1050.0,
            "infertrace.cache_hit_rate": 0.7,
            "infertrace.pipeline_stage": "inference",
            "infertrace.queue_depth": 5,
            "infertrace.queue_wait_time_ms": 1.5,
            "infertrace.batch_fill_ratio": 0.3,
            "infertrace.gpu_memory_used_bytes": 60_000_000_000_i64,
            "infertrace.gpu_memory_total_bytes": 80_000_000_000_i64,
            "infertrace.gpu_device_id": "0",
            "infertrace.cpu_utilization_percent": 40.25,
            "infertrace.memory_heap_bytes": 1_000_000,
        })
    );
}

#[test]
fn what_was_not_sent_is_absent() {
    let record = from_planned(plain()).unwrap();
    let expected = Record::new(
        "ab".repeat(16),
        "cd".repeat(8),
        "gateway",
        "chat",
        Timestamp::from_unix_nanos(1_700_000_000_123_456_789),
        80_000_000,
    );
    assert_eq!(record, expected);
    assert_eq!(record.kind, SpanKind::Unspecified);
}

#[test]
fn an_empty_inference_counts_tokens_and_queue_and_nothing_else() {
    let record = with_inference(InferenceContext::default());
    assert_eq!(
        (record.input_tokens, record.output_tokens),
        (Some(0), Some(0))
    );
    assert_eq!(record.batch_size, None);
    assert_eq!((&record.model_name, &record.model_version), (&None, &None));
    assert_eq!(record.gpu_utilization, None);
    assert_eq!(tags(&record), json!({ "infertrace.queue_depth": 0 }));
}

#[test]
fn an_idle_gpu_is_a_measurement_and_other_zeros_are_none() {
    let record = with_resources(ResourceMetrics::default());
    assert_eq!(record.gpu_utilization, Some(0.0));
    assert_eq!(record.tags, None);
    assert_eq!((record.input_tokens, record.output_tokens), (None, None));
}

#[test]
fn a_gpu_use_that_is_no_number_goes_to_the_tags() {
    for (percent, word) in [
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        let record = with_resources(ResourceMetrics {
            gpu_utilization_percent: percent,
            ..ResourceMetrics::default()
        });
        assert_eq!(record.gpu_utilization, None);
        assert_eq!(
            tags(&record),
            json!({ "infertrace.gpu_utilization_percent": { "$double": word } })
        );
    }
}

#[test]
fn other_numbers_that_json_lacks_have_words() {
    let record = with_inference(InferenceContext {
        cache_hit_rate: f32::NAN,
        queue_wait_time_ms: f32::INFINITY,
        ..InferenceContext::default()
    });
    let tags = tags(&record);
    assert_eq!(
        tags["infertrace.cache_hit_rate"],
        json!({ "$double": "NaN" })
    );
    assert_eq!(
        tags["infertrace.queue_wait_time_ms"],
        json!({ "$double": "Infinity" })
    );
}

#[test]
fn the_messages_field_wins_over_a_tag_of_its_name() {
    let taken = [
        ("infertrace.queue_depth", "12"),
        ("infertrace.framework", "onnx"),
        ("queue_depth", "13"),
    ];
    let record = from_planned(Span {
        tags: taken
            .map(|(key, text)| (key.to_owned(), text.to_owned()))
            .into(),
        inference: Some(InferenceContext {
            queue_depth: 5,
            ..InferenceContext::default()
        }),
        ..plain()
    })
    .unwrap();
    assert_eq!(
        tags(&record),
        json!({
            "infertrace.queue_depth": 5,
            "infertrace.framework": "onnx",
            "queue_depth": "13",
        })
    );
}

#[test]
fn a_span_without_a_service_is_of_an_unknown_one_and_its_operation_stays_empty() {
    let record = from_planned(Span {
        service_name: String::new(),
        operation_name: String::new(),
        ..plain()
    })
    .unwrap();
    assert_eq!(record.service_name, "unknown_service");
    assert_eq!(record.operation_name, "");
}

#[test]
fn a_start_has_to_be_there_and_a_duration_may_be_zero() {
    let started = |start_time_unix_nano| Span {
        start_time_unix_nano,
        ..plain()
    };
    let lasted = |duration_nanos| Span {
        duration_nanos,
        ..plain()
    };
    for (span, expected) in [
        (
            started(0),
            "start_time_unix_nano is 0 where a number of nanoseconds above 0 is due",
        ),
        (
            started(-1),
            "start_time_unix_nano is -1 where a number of nanoseconds above 0 is due",
        ),
        (
            lasted(-1),
            "duration_nanos is -1 where a number of nanoseconds from 0 is due",
        ),
    ] {
        assert_eq!(refusal(span), expected);
    }
    assert_eq!(from_planned(lasted(0)).unwrap().duration_nanos, 0);
    assert_eq!(from_planned(started(1)).unwrap().start_time.unix_nanos(), 1);
}

#[test]
fn an_id_that_is_too_long_is_refused_by_its_name() {
    let long = vec![b'x'; 257];
    let with = |field: fn(&mut Span) -> &mut Vec<u8>| {
        let mut span = plain();
        long.clone_into(field(&mut span));
        refusal(span)
    };
    let problem = "is an id of 257 bytes where one of at most 256 is due";
    assert_eq!(
        with(|span| &mut span.trace_id),
        format!("trace_id {problem}")
    );
    assert_eq!(with(|span| &mut span.span_id), format!("span_id {problem}"));
    assert_eq!(
        with(|span| &mut span.parent_span_id),
        format!("parent_span_id {problem}")
    );
}

#[test]
fn a_parent_of_zeros_is_none() {
    let record = from_planned(Span {
        parent_span_id: vec![0; 8],
        ..plain()
    })
    .unwrap();
    assert_eq!(record.parent_span_id, None);
}

#[test]
fn a_status_stays_in_its_words_and_is_understood() {
    let with = |status: &str| {
        let span = Span {
            status: status.to_owned(),
            ..plain()
        };
        let record = from_planned(span).unwrap();
        (record.status, record.status_code)
    };
    for word in ["ok", "OK", "Ok"] {
        assert_eq!(with(word), (Some(word.to_owned()), StatusCode::Ok));
    }
    for word in [
        "error",
        "ERROR",
        "err",
        "exception",
        "fail",
        "Failed",
        "failure",
        "timeout",
        "timed out",
        "timed-out",
        "DEADLINE_EXCEEDED",
    ] {
        assert_eq!(with(word), (Some(word.to_owned()), StatusCode::Error));
    }
    for word in ["unset", "200", "okay", "no error", "cancelled"] {
        assert_eq!(with(word), (Some(word.to_owned()), StatusCode::Unset));
    }
    assert_eq!(with(""), (None, StatusCode::Unset));
}
