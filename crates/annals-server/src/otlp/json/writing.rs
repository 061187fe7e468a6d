//! From protobuf's messages to JSON. What has its default value is left out, as protobuf's JSON does.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value as Any},
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span, Status,
        span::{Event, Link},
    },
};
use serde_json::{Map, Value};

use super::super::attributes;

pub(super) fn document(resource_spans: Vec<ResourceSpans>) -> Value {
    let mut document = Object::default();
    // Written even when empty: a reader sees that these are traces.
    document.set("resourceSpans", array(resource_spans, of_resource));
    document.into()
}

fn of_resource(of_resource: ResourceSpans) -> Value {
    let mut object = Object::default();
    object.set_some("resource", of_resource.resource.map(resource));
    object.list("scopeSpans", of_resource.scope_spans, of_scope);
    object.text("schemaUrl", of_resource.schema_url);
    object.into()
}

fn of_scope(of_scope: ScopeSpans) -> Value {
    let mut object = Object::default();
    object.set_some("scope", of_scope.scope.map(scope));
    object.list("spans", of_scope.spans, span);
    object.text("schemaUrl", of_scope.schema_url);
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

fn span(span: Span) -> Value {
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
