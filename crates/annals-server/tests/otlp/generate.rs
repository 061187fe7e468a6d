//! Any span that OTLP can send.

use annals_server::otlp::{attributes::MAX_NESTING, origin::Around};
use opentelemetry_proto::tonic::{
    common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value as Any,
    },
    resource::v1::Resource,
    trace::v1::{
        Span, Status,
        span::{Event, Link},
    },
};
use proptest::{collection::vec, prelude::*};

/// Names that matter somewhere, and any others.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "",
            "$map",
            "$bytes",
            "$double",
            "service.name",
            "gen_ai.usage.input_tokens",
            "gen_ai.response.model",
            "gen_ai.response.time_to_first_chunk",
            "annals.cost",
            "batch_size",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

pub(crate) fn double() -> impl Strategy<Value = f64> {
    let special = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        0.0,
        1.0,
        1e16,
        f64::MIN,
        5e-324,
    ];
    // There is one NaN in JSON.
    let any =
        prop::num::f64::ANY.prop_map(|double| if double.is_nan() { f64::NAN } else { double });
    prop_oneof![prop::sample::select(special.to_vec()), any]
}

fn scalar() -> impl Strategy<Value = Option<Any>> {
    prop_oneof![
        Just(None),
        any::<String>().prop_map(|text| Some(Any::StringValue(text))),
        any::<bool>().prop_map(|bool| Some(Any::BoolValue(bool))),
        any::<i64>().prop_map(|int| Some(Any::IntValue(int))),
        double().prop_map(|double| Some(Any::DoubleValue(double))),
        vec(any::<u8>(), 0..6).prop_map(|bytes| Some(Any::BytesValue(bytes))),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = scalar().prop_map(|value| AnyValue { value });
    leaf.prop_recursive(4, 24, 4, |inner| {
        let array =
            vec(inner.clone(), 0..4).prop_map(|values| Any::ArrayValue(ArrayValue { values }));
        let map = vec((key(), inner), 0..4).prop_map(|members| {
            Any::KvlistValue(KeyValueList {
                values: key_values(members),
            })
        });
        prop_oneof![array, map].prop_map(|value| AnyValue { value: Some(value) })
    })
}

fn key_values(members: Vec<(String, AnyValue)>) -> Vec<KeyValue> {
    members
        .into_iter()
        .map(|(key, value)| KeyValue {
            key,
            value: Some(value),
            ..KeyValue::default()
        })
        .collect()
}

pub(crate) fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec((key(), value()), 0..4).prop_map(key_values)
}

fn time() -> impl Strategy<Value = u64> {
    prop_oneof![0..=i64::MAX as u64, Just(0), Just(i64::MAX as u64)]
}

fn id<const N: usize>() -> impl Strategy<Value = Vec<u8>> {
    any::<[u8; N]>()
        .prop_filter("zeros are no id", |id| id.iter().any(|byte| *byte != 0))
        .prop_map(|id| id.to_vec())
}

fn maybe_id<const N: usize>() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(Vec::new()), id::<N>()]
}

fn event() -> impl Strategy<Value = Event> {
    (any::<u64>(), any::<String>(), attributes(), any::<u32>()).prop_map(
        |(time_unix_nano, name, attributes, dropped_attributes_count)| Event {
            time_unix_nano,
            name,
            attributes,
            dropped_attributes_count,
        },
    )
}

fn link() -> impl Strategy<Value = Link> {
    let link_ids = prop_oneof![
        (maybe_id::<16>(), maybe_id::<8>()),
        // A link that points nowhere has to be recorded too.
        Just((vec![0; 16], vec![0; 8])),
    ];
    (
        link_ids,
        any::<String>(),
        attributes(),
        any::<u32>(),
        any::<u32>(),
    )
        .prop_map(
            |((trace_id, span_id), trace_state, attributes, dropped_attributes_count, flags)| {
                Link {
                    trace_id,
                    span_id,
                    trace_state,
                    attributes,
                    dropped_attributes_count,
                    flags,
                }
            },
        )
}

fn status() -> impl Strategy<Value = Option<Status>> {
    prop::option::of((any::<String>(), 0..3).prop_map(|(message, code)| Status { message, code }))
}

prop_compose! {
    pub(crate) fn span()(
        (trace_id, span_id, parent_span_id) in (id::<16>(), id::<8>(), maybe_id::<8>()),
        (name, trace_state) in any::<(String, String)>(),
        (kind, flags) in (0..6_i32, any::<u32>()),
        (start_time_unix_nano, end_time_unix_nano) in (time(), time()),
        attributes in attributes(),
        events in vec(event(), 0..3),
        links in vec(link(), 0..3),
        status in status(),
        dropped in any::<[u32; 3]>(),
    ) -> Span {
        let [dropped_attributes_count, dropped_events_count, dropped_links_count] = dropped;
        Span {
            trace_id, span_id, trace_state, parent_span_id, flags, name, kind,
            start_time_unix_nano, end_time_unix_nano, attributes, dropped_attributes_count,
            events, dropped_events_count, links, dropped_links_count, status,
        }
    }
}

prop_compose! {
    pub(crate) fn around()(
        resource in prop::option::of((attributes(), any::<u32>())),
        scope in prop::option::of((any::<(String, String)>(), attributes(), any::<u32>())),
        (resource_schema_url, scope_schema_url) in any::<(String, String)>(),
    ) -> Around {
        Around {
            resource: resource.map(|(attributes, dropped_attributes_count)| Resource {
                attributes, dropped_attributes_count, ..Resource::default()
            }),
            resource_schema_url,
            scope: scope.map(|((name, version), attributes, dropped_attributes_count)| {
                InstrumentationScope { name, version, attributes, dropped_attributes_count }
            }),
            scope_schema_url,
        }
    }
}

/// A map in a map and so on, as deep as it is allowed and `more` beyond.
pub(crate) fn nested_map(more: usize) -> AnyValue {
    let innermost = AnyValue {
        value: Some(Any::StringValue("deep".to_owned())),
    };
    (0..MAX_NESTING + more).fold(innermost, |inner, _| {
        let values = key_values(vec![("$k".to_owned(), inner)]);
        AnyValue {
            value: Some(Any::KvlistValue(KeyValueList { values })),
        }
    })
}

/// An attribute.
pub(crate) fn attribute(key: &str, value: AnyValue) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }
}

/// The least that is a span.
pub(crate) fn plain_span() -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        ..Span::default()
    }
}
