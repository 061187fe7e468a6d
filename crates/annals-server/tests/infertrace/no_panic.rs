//! No message panics, whatever is in it, and every message has one reading.

use annals_server::{
    infertrace::{
        from_planned,
        messages::{planned, v1},
        planned_batch, v1_batch,
    },
    otlp::span::to_proto,
};
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
};
use prost::Message as _;

fn id() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        vec(any::<u8>(), 8),
        vec(any::<u8>(), 16),
        Just(vec![0; 16]),
        vec(any::<u8>(), 0..300),
        "[0-9a-fA-F]{32}".prop_map(String::into_bytes),
        any::<String>().prop_map(String::into_bytes),
    ]
}

fn nanos() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        prop::sample::select(vec![i64::MIN, -1, 0, 1, i64::MAX]),
        1_i64..2_000_000_000_000_000_000,
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        prop::sample::select(vec!["infertrace.queue_depth", "$double", ""]).prop_map(str::to_owned),
    ]
}

fn inference() -> impl Strategy<Value = planned::InferenceContext> {
    let floats = [(); 4].map(|()| prop::num::f32::ANY);
    (any::<[String; 4]>(), any::<[i32; 4]>(), floats).prop_map(|(texts, ints, floats)| {
        let [model_name, model_version, framework, pipeline_stage] = texts;
        planned::InferenceContext {
            model_name,
            model_version,
            batch_size: ints[0],
            input_tokens: ints[1],
            output_tokens: ints[2],
            framework,
            sequence_length: floats[0],
            cache_hit_rate: floats[1],
            pipeline_stage,
            queue_depth: ints[3],
            queue_wait_time_ms: floats[2],
            batch_fill_ratio: floats[3],
        }
    })
}

fn resources() -> impl Strategy<Value = planned::ResourceMetrics> {
    let doubles = [(); 2].map(|()| prop::num::f64::ANY);
    (doubles, any::<[i64; 3]>(), any::<String>()).prop_map(|(doubles, ints, gpu_device_id)| {
        planned::ResourceMetrics {
            gpu_utilization_percent: doubles[0],
            gpu_memory_used_bytes: ints[0],
            gpu_memory_total_bytes: ints[1],
            gpu_device_id,
            cpu_utilization_percent: doubles[1],
            memory_heap_bytes: ints[2],
        }
    })
}

fn planned_span() -> impl Strategy<Value = planned::Span> {
    (
        [id(), id(), id()],
        any::<[String; 3]>(),
        (nanos(), nanos()),
        btree_map(key(), any::<String>(), 0..3),
        option::of(inference()),
        option::of(resources()),
    )
        .prop_map(
            |(ids, texts, (start, duration), tags, inference, resources)| {
                let [trace_id, span_id, parent_span_id] = ids;
                let [service_name, operation_name, status] = texts;
                planned::Span {
                    trace_id,
                    span_id,
                    parent_span_id,
                    service_name,
                    operation_name,
                    start_time_unix_nano: start,
                    duration_nanos: duration,
                    status,
                    tags,
                    inference,
                    resources,
                }
            },
        )
}

fn v1_span() -> impl Strategy<Value = v1::Span> {
    let text = || prop_oneof![any::<String>(), Just(String::new()), "[0-9A-F]{32}"];
    ([(); 6].map(|()| text()), nanos(), nanos()).prop_map(|(texts, start, duration)| {
        let [
            trace_id,
            span_id,
            service_name,
            operation_name,
            model_name,
            status,
        ] = texts;
        v1::Span {
            trace_id,
            span_id,
            service_name,
            operation_name,
            model_name,
            start_time_unix_nano: start,
            duration_nanos: duration,
            status,
        }
    })
}

proptest! {
    #[test]
    fn of_the_first_plan(span in planned_span()) {
        let decoded = planned_batch(vec![span.clone(), span.clone()]).decoded;
        prop_assert_eq!(decoded.records.len() + decoded.refused.len(), 2);
        for record in &decoded.records {
            prop_assert!(!record.trace_id.is_empty() && !record.span_id.is_empty());
            prop_assert_ne!(record.parent_span_id.as_deref(), Some(""));
            // Whether OTLP can express it depends on its ids; it must only not panic.
            let _ = to_proto(record);
        }
        let again = planned::Span::decode(span.encode_to_vec().as_slice()).unwrap();
        let alone = from_planned(span).ok();
        prop_assert_eq!(alone.as_ref(), decoded.records.first());
        prop_assert_eq!(planned_batch(vec![again.clone(), again]).decoded, decoded);
    }

    #[test]
    fn of_v1(span in v1_span()) {
        let batch = v1_batch(vec![span.clone(), span.clone()]);
        let again = v1::Span::decode(span.encode_to_vec().as_slice()).unwrap();
        prop_assert_eq!(v1_batch(vec![again.clone(), again]), batch.clone());
        for record in &batch.decoded.records {
            prop_assert!(!record.trace_id.is_empty() && !record.span_id.is_empty());
        }
    }

    #[test]
    fn of_any_bytes(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(span) = planned::Span::decode(bytes.as_slice()) {
            let _ = planned_batch(vec![span]);
        }
        if let Ok(span) = v1::Span::decode(bytes.as_slice()) {
            let _ = v1_batch(vec![span]);
        }
    }
}
