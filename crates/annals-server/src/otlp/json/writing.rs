//! From protobuf's messages to JSON. What has its default value is left out, as protobuf's JSON does.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value as Any},
    logs::v1::LogRecord,
    resource::v1::Resource,
    trace::v1::{
        Span, Status,
        span::{Event, Link},
    },
};
use serde_json::{Map, Value};

use super::{
    super::{
        attributes,
        layers::{ItemOf, OfScope as _},
    },
    layers::Document,
};

pub(super) fn document<S: Document>(request: Vec<S>, item: fn(ItemOf<S>) -> Value) -> Value {
    let mut document = Object::default();
    let of_resources = request.into_iter();
    let of_resources = of_resources.map(|of_resource| of_one_resource(of_resource, item));
    // Written even when empty: a reader sees of what this is.
    document.set(S::RESOURCES.camel, of_resources.collect::<Value>());
    document.into()
}

fn of_one_resource<S: Document>(of_resource: S, item: fn(ItemOf<S>) -> Value) -> Value {
    let (around, of_scopes, schema_url) = of_resource.open();
    let mut object = Object::default();
    object.set_some("resource", around.map(resource));
    let of_scopes = of_scopes.into_iter();
    let of_scopes: Vec<_> = of_scopes
        .map(|of_scope| of_one_scope::<S>(of_scope, item))
        .collect();
    object.list(S::SCOPES.camel, of_scopes, std::convert::identity);
    object.text("schemaUrl", schema_url);
    object.into()
}

fn of_one_scope<S: Document>(of_scope: S::Scope, item: fn(ItemOf<S>) -> Value) -> Value {
    let (around, items, schema_url) = of_scope.open();
    let mut object = Object::default();
    object.set_some("scope", around.map(scope));
    object.list(S::ITEMS.camel, items, item);
    object.text("schemaUrl", schema_url);
    object.into()
}

pub(super) fn resource(resource: Resource) -> Value {
    let mut object = Object::default();
    object.list("attributes", resource.attributes, attribute);
    object.number("droppedAttributesCount", resource.dropped_attributes_count);
    object.into()
}

pub(super) fn scope(scope: InstrumentationScope) -> Value {
    let mut object = Object::default();
    object.text("name", scope.name);
    object.text("version", scope.version);
    object.list("attributes", scope.attributes, attribute);
    object.number("droppedAttributesCount", scope.dropped_attributes_count);
    object.into()
}

pub(super) fn span(span: Span) -> Value {
    let mut object = Object::default();
    object.text("traceId", hex::encode(span.trace_id));
    object.text("spanId", hex::encode(span.span_id));
    object.text("traceState", span.trace_state);
    object.text("parentSpanId", hex::encode(span.parent_span_id));
    object.number("flags", span.flags);
    object.text("name", span.name);
    object.number("kind", span.kind.unsigned_abs());
    object.set("startTimeUnixNano", span.start_time_unix_nano.to_string());
    object.set("endTimeUnixNano", span.end_time_unix_nano.to_string());
    object.list("attributes", span.attributes, attribute);
    object.number("droppedAttributesCount", span.dropped_attributes_count);
    object.list("events", span.events, event);
    object.number("droppedEventsCount", span.dropped_events_count);
    object.list("links", span.links, link);
    object.number("droppedLinksCount", span.dropped_links_count);
    object.set_some("status", span.status.map(status));
    object.into()
}

pub(super) fn log(record: LogRecord) -> Value {
    let mut object = Object::default();
    object.set("timeUnixNano", record.time_unix_nano.to_string());
    object.set(
        "observedTimeUnixNano",
        record.observed_time_unix_nano.to_string(),
    );
    object.number("severityNumber", record.severity_number.unsigned_abs());
    object.text("severityText", record.severity_text);
    object.set_some("body", record.body.map(any));
    object.list("attributes", record.attributes, attribute);
    object.number("droppedAttributesCount", record.dropped_attributes_count);
    object.number("flags", record.flags);
    object.text("traceId", hex::encode(record.trace_id));
    object.text("spanId", hex::encode(record.span_id));
    object.text("eventName", record.event_name);
    object.into()
}

fn status(status: Status) -> Value {
    let mut object = Object::default();
    object.text("message", status.message);
    object.number("code", status.code.unsigned_abs());
    object.into()
}

fn event(event: Event) -> Value {
    let mut object = Object::default();
    object.set("timeUnixNano", event.time_unix_nano.to_string());
    object.text("name", event.name);
    object.list("attributes", event.attributes, attribute);
    object.number("droppedAttributesCount", event.dropped_attributes_count);
    object.into()
}

fn link(link: Link) -> Value {
    let mut object = Object::default();
    object.text("traceId", hex::encode(link.trace_id));
    object.text("spanId", hex::encode(link.span_id));
    object.text("traceState", link.trace_state);
    object.list("attributes", link.attributes, attribute);
    object.number("droppedAttributesCount", link.dropped_attributes_count);
    object.number("flags", link.flags);
    object.into()
}

pub(super) fn attribute(attribute: KeyValue) -> Value {
    let mut object = Object::default();
    object.set("key", attribute.key);
    object.set("value", any(attribute.value.unwrap_or_default()));
    object.into()
}

fn any(value: AnyValue) -> Value {
    let mut object = Object::default();
    match value.value {
        None | Some(Any::StringValueStrindex(_)) => {}
        Some(Any::StringValue(text)) => object.set("stringValue", text),
        Some(Any::BoolValue(bool)) => object.set("boolValue", bool),
        // As text: JSON readers round numbers beyond 53 bits.
        Some(Any::IntValue(int)) => object.set("intValue", int.to_string()),
        Some(Any::DoubleValue(double)) => match attributes::special_word(double) {
            Some(word) => object.set("doubleValue", word),
            None => object.set("doubleValue", double),
        },
        Some(Any::BytesValue(bytes)) => object.set("bytesValue", attributes::to_base64(&bytes)),
        Some(Any::ArrayValue(list)) => {
            let mut value = Object::default();
            value.list("values", list.values, any);
            object.set("arrayValue", value);
        }
        Some(Any::KvlistValue(list)) => {
            let mut value = Object::default();
            value.list("values", list.values, attribute);
            object.set("kvlistValue", value);
        }
    }
    object.into()
}

pub(super) fn array<T>(messages: Vec<T>, write: fn(T) -> Value) -> Value {
    messages.into_iter().map(write).collect()
}

/// A JSON object in the making.
#[derive(Default)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(super) fn set_some(&mut self, name: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    pub(super) fn text(&mut self, name: &str, text: String) {
        if !text.is_empty() {
            self.set(name, text);
        }
    }

    pub(super) fn number(&mut self, name: &str, number: u32) {
        if number != 0 {
            self.set(name, number);
        }
    }

    pub(super) fn list<T>(&mut self, name: &str, messages: Vec<T>, write: fn(T) -> Value) {
        if !messages.is_empty() {
            self.set(name, array(messages, write));
        }
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}
