//! What comes in by OTLP goes out the same.

use std::collections::BTreeMap;

use annals_record::Json;
use annals_server::otlp::{Bounds, Origin, attributes, json, origin::Around, traces};
use annals_telemetry::Span;
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value as Any},
    trace::v1::{ResourceSpans, ScopeSpans, Span as Message, span::Event},
};
use proptest::prelude::*;
use prost::Message as _;

use crate::generate;

fn request(around: Around, spans: Vec<Message>) -> Vec<ResourceSpans> {
    let scope = ScopeSpans {
        scope: around.scope,
        spans,
        schema_url: around.scope_schema_url,
    };
    vec![ResourceSpans {
        resource: around.resource,
        scope_spans: vec![scope],
        schema_url: around.resource_schema_url,
    }]
}

fn records(request: Vec<ResourceSpans>) -> Vec<Span> {
    let decoded = traces::from_proto(request, &Bounds::default());
    assert_eq!(decoded.refused, []);
    decoded.records
}

/// Attributes in one order, each key once, and a missing value as one without type.
pub(crate) fn normal(attributes: Vec<KeyValue>) -> Vec<KeyValue> {
    let mut members = BTreeMap::new();
    for attribute in attributes {
        let value = attribute
            .value
            .unwrap_or_default()
            .value
            .map(|value| match value {
                Any::ArrayValue(mut array) => {
                    array.values = array.values.into_iter().map(normal_value).collect();
                    Any::ArrayValue(array)
                }
                Any::KvlistValue(mut list) => {
                    list.values = normal(list.values);
                    Any::KvlistValue(list)
                }
                scalar => scalar,
            });
        members.insert(attribute.key, AnyValue { value });
    }
    members
        .into_iter()
        .map(|(key, value)| generate::attribute(&key, value))
        .collect()
}

fn normal_value(value: AnyValue) -> AnyValue {
    let mut one = normal(vec![generate::attribute("", value)]);
    one.remove(0).value.unwrap_or_default()
}

proptest! {
    #[test]
    fn a_record_survives_otlp_json(
        around in generate::around(),
        spans in prop::collection::vec(generate::span(), 1..4),
    ) {
        let records = records(request(around, spans));
        let text = json::write(&records).unwrap();
        let back = json::read(&text, &Bounds::default()).unwrap();
        prop_assert_eq!(back.refused, []);
        prop_assert_eq!(back.records, records);
    }

    #[test]
    fn a_record_survives_protobuf(
        requests in prop::collection::vec((generate::around(), generate::span()), 1..4),
    ) {
        let records: Vec<_> = requests
            .into_iter()
            .flat_map(|(around, span)| records(request(around, vec![span])))
            .collect();
        let bytes: Vec<_> =
            traces::to_proto(&records).unwrap().iter().map(ResourceSpans::encode_to_vec).collect();
        let request =
            bytes.iter().map(|bytes| ResourceSpans::decode(bytes.as_slice()).unwrap()).collect();
        prop_assert_eq!(records, self::records(request));
    }

    // Shows that the record has everything, where the tests above show that nothing gets lost
    // between records.
    #[test]
    fn a_message_survives_the_record(around in generate::around(), span in generate::span()) {
        let record = records(request(around.clone(), vec![span.clone()])).remove(0);

        let mut back = annals_server::otlp::span::to_proto(&record).unwrap();
        let mut span = span;
        span.status = span.status.filter(|status| *status != Default::default());
        for span in [&mut span, &mut back] {
            let attributes = std::mem::take(&mut span.attributes);
            span.attributes = normal(attributes);
            for event in &mut span.events {
                event.attributes = normal(std::mem::take(&mut event.attributes));
            }
            for link in &mut span.links {
                link.attributes = normal(std::mem::take(&mut link.attributes));
            }
        }
        // Compared as bytes, for which NaN equals itself.
        prop_assert_eq!(span.encode_to_vec(), back.encode_to_vec());

        let mut around = around;
        let mut around_back = Around::of(&Origin::of_span(&record)).unwrap();
        around.scope = around.scope.filter(|scope| *scope != Default::default());
        for around in [&mut around, &mut around_back] {
            if let Some(resource) = &mut around.resource {
                resource.attributes = normal(std::mem::take(&mut resource.attributes));
            }
            if let Some(scope) = &mut around.scope {
                scope.attributes = normal(std::mem::take(&mut scope.attributes));
            }
        }
        let bytes = |around| request(around, Vec::new()).remove(0).encode_to_vec();
        prop_assert_eq!(bytes(around), bytes(around_back));
    }

    #[test]
    fn attributes_survive_stored_json(given in generate::attributes()) {
        let object = attributes::encode(given.clone()).unwrap();
        let stored = Json::try_from(&serde_json::Value::Object(object)).unwrap();
        let serde_json::Value::Object(object) = stored.to_value() else { unreachable!() };
        let bytes = |list: Vec<KeyValue>| -> Vec<_> {
            normal(list).iter().map(KeyValue::encode_to_vec).collect()
        };
        prop_assert_eq!(bytes(attributes::decode(object)), bytes(given));
    }
}

#[test]
fn the_deepest_attribute_goes_through_every_road() {
    let attributes = vec![generate::attribute("a", generate::nested_map(0))];
    let event = Event {
        attributes: attributes.clone(),
        ..Event::default()
    };
    let span = Message {
        attributes,
        events: vec![event],
        ..generate::plain_span()
    };
    let records = records(request(Around::default(), vec![span]));

    let by_json = json::read(&json::write(&records).unwrap(), &Bounds::default()).unwrap();
    assert_eq!(by_json.refused, []);
    assert_eq!(by_json.records, records);

    let bytes: Vec<_> = traces::to_proto(&records)
        .unwrap()
        .iter()
        .map(ResourceSpans::encode_to_vec)
        .collect();
    let request = bytes
        .iter()
        .map(|bytes| ResourceSpans::decode(bytes.as_slice()).unwrap());
    assert_eq!(self::records(request.collect()), records);
}

#[test]
fn neighbours_share_their_resource_and_scope() {
    let around = |service: &str| {
        let name = AnyValue {
            value: Some(Any::StringValue(service.to_owned())),
        };
        Around {
            resource: Some(opentelemetry_proto::tonic::resource::v1::Resource {
                attributes: vec![generate::attribute("service.name", name)],
                ..Default::default()
            }),
            ..Around::default()
        }
    };
    let mut records = records(request(around("a"), vec![generate::plain_span(); 2]));
    records.extend(self::records(request(
        around("b"),
        vec![generate::plain_span()],
    )));
    let request = traces::to_proto(&records).unwrap();
    let spans: Vec<_> = request
        .iter()
        .map(|of_resource| of_resource.scope_spans[0].spans.len())
        .collect();
    assert_eq!(spans, [2, 1]);
}
