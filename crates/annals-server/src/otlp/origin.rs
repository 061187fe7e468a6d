//! What a record inherits from the resource and the scope around it.

use annals_record::Json;
use annals_telemetry::Span;
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value as Any},
    resource::v1::Resource,
};
use serde_json::{Map, Value};

use super::{
    FieldError, attributes,
    span::{absent_if_empty, attributes_of, object_column},
};

const SERVICE_NAME: &str = "service.name";

/// The service of a resource that does not say which it is.
pub const UNKNOWN_SERVICE: &str = "unknown_service";

/// The columns that all records of one resource and one scope share, made once for all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    pub(super) service_name: String,
    pub(super) resource: Option<Json>,
    pub(super) resource_dropped_attributes_count: u32,
    pub(super) resource_schema_url: Option<String>,
    pub(super) scope_name: Option<String>,
    pub(super) scope_version: Option<String>,
    pub(super) scope_attributes: Option<Json>,
    pub(super) scope_dropped_attributes_count: u32,
    pub(super) scope_schema_url: Option<String>,
}

/// The messages around a record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Around {
    /// The resource; absent when nothing is known of it.
    pub resource: Option<Resource>,
    /// Schema of the resource.
    pub resource_schema_url: String,
    /// The scope; absent when nothing is known of it.
    pub scope: Option<InstrumentationScope>,
    /// Schema of the scope and its spans.
    pub scope_schema_url: String,
}

impl Origin {
    /// What records inherit from a resource, with no scope.
    ///
    /// # Errors
    ///
    /// A field of the resource cannot be kept.
    pub fn of_resource(resource: Option<Resource>, schema_url: String) -> Result<Self, FieldError> {
        let dropped = resource
            .as_ref()
            .map_or(0, |resource| resource.dropped_attributes_count);
        let object = resource
            .map(|resource| attributes::encode(resource.attributes))
            .transpose();
        let object = object.map_err(|error| error.within("resource"))?;
        Ok(Self {
            service_name: service_name(object.as_ref()).to_owned(),
            resource: object
                .map(|object| object_column("resource.attributes", object))
                .transpose()?,
            resource_dropped_attributes_count: dropped,
            resource_schema_url: absent_if_empty(schema_url),
            scope_name: None,
            scope_version: None,
            scope_attributes: None,
            scope_dropped_attributes_count: 0,
            scope_schema_url: None,
        })
    }

    /// The same with a scope. An empty scope is as good as none, says the protocol.
    ///
    /// # Errors
    ///
    /// A field of the scope cannot be kept.
    pub fn with_scope(
        &self,
        scope: Option<InstrumentationScope>,
        schema_url: String,
    ) -> Result<Self, FieldError> {
        let scope = scope.unwrap_or_default();
        let attributes =
            attributes::encode(scope.attributes).map_err(|error| error.within("scope"))?;
        Ok(Self {
            scope_name: absent_if_empty(scope.name),
            scope_version: absent_if_empty(scope.version),
            scope_attributes: if attributes.is_empty() {
                None
            } else {
                Some(object_column("scope.attributes", attributes)?)
            },
            scope_dropped_attributes_count: scope.dropped_attributes_count,
            scope_schema_url: absent_if_empty(schema_url),
            ..self.clone()
        })
    }

    /// The service of its records.
    #[must_use]
    pub fn service_name(&self) -> &str {
        &self.service_name
    }

    /// What a span has inherited.
    #[must_use]
    pub fn of_span(span: &Span) -> Self {
        Self {
            service_name: span.service_name.clone(),
            resource: span.resource.clone(),
            resource_dropped_attributes_count: span.resource_dropped_attributes_count,
            resource_schema_url: span.resource_schema_url.clone(),
            scope_name: span.scope_name.clone(),
            scope_version: span.scope_version.clone(),
            scope_attributes: span.scope_attributes.clone(),
            scope_dropped_attributes_count: span.scope_dropped_attributes_count,
            scope_schema_url: span.scope_schema_url.clone(),
        }
    }

    /// Fills in the columns of a span.
    pub(super) fn give_to(&self, span: &mut Span) {
        // Taken apart, so that a column added here cannot be forgotten.
        let Self {
            service_name,
            resource,
            resource_dropped_attributes_count,
            resource_schema_url,
            scope_name,
            scope_version,
            scope_attributes,
            scope_dropped_attributes_count,
            scope_schema_url,
        } = self.clone();
        span.service_name = service_name;
        span.resource = resource;
        span.resource_dropped_attributes_count = resource_dropped_attributes_count;
        span.resource_schema_url = resource_schema_url;
        span.scope_name = scope_name;
        span.scope_version = scope_version;
        span.scope_attributes = scope_attributes;
        span.scope_dropped_attributes_count = scope_dropped_attributes_count;
        span.scope_schema_url = scope_schema_url;
    }
}

impl Around {
    /// The messages in which a record goes out. A service name that the resource does not tell, as of
    /// records that came by another protocol, is added to it.
    ///
    /// # Errors
    ///
    /// A column is not an object of attributes.
    pub fn of(origin: &Origin) -> Result<Self, FieldError> {
        let object = origin.resource.as_ref().map(Json::to_value);
        let tells = service_name(object.as_ref().and_then(Value::as_object)) == origin.service_name;
        let dropped_attributes_count = origin.resource_dropped_attributes_count;
        let resource = if origin.resource.is_some() || !tells || dropped_attributes_count > 0 {
            let mut attributes = attributes_of("resource", origin.resource.as_ref())?;
            if !tells {
                attributes.retain(|attribute| attribute.key != SERVICE_NAME);
                attributes.push(text(SERVICE_NAME, &origin.service_name));
            }
            Some(Resource {
                attributes,
                dropped_attributes_count,
                ..Resource::default()
            })
        } else {
            None
        };
        let scope = InstrumentationScope {
            name: origin.scope_name.clone().unwrap_or_default(),
            version: origin.scope_version.clone().unwrap_or_default(),
            attributes: attributes_of("scope_attributes", origin.scope_attributes.as_ref())?,
            dropped_attributes_count: origin.scope_dropped_attributes_count,
        };
        Ok(Self {
            resource,
            resource_schema_url: origin.resource_schema_url.clone().unwrap_or_default(),
            scope: (scope != InstrumentationScope::default()).then_some(scope),
            scope_schema_url: origin.scope_schema_url.clone().unwrap_or_default(),
        })
    }
}

/// The service that a resource tells.
fn service_name(resource: Option<&Map<String, Value>>) -> &str {
    resource
        .and_then(|resource| resource.get(SERVICE_NAME))
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty())
        .unwrap_or(UNKNOWN_SERVICE)
}

/// An attribute with a text.
fn text(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Any::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}
