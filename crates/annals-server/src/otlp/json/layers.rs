//! Documents of any signal: what is around the records, read without reading these.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use opentelemetry_proto::tonic::{logs::v1::ResourceLogs, trace::v1::ResourceSpans};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    super::{
        Bounds, FieldError, Origin,
        layers::{ItemOf, OfResource, OfScope},
    },
    ReadError, message_of, reading, value_of,
};

/// The names that a signal has in OTLP/JSON; implemented for its messages of a resource.
pub(crate) trait Document: OfResource {
    /// What such a document is of, for whoever sent another one.
    const OF: &'static str;
    /// The list of a document.
    const RESOURCES: List;
    /// The list of a resource.
    const SCOPES: List;
    /// The list of a scope.
    const ITEMS: List;
}

/// A list of messages by its name, and names of it in other forms of the protocol.
pub(crate) struct List {
    pub(crate) camel: &'static str,
    pub(crate) snake: &'static str,
    /// The name before OTLP 1.0.
    pub(crate) of_old: Option<&'static str>,
    pub(crate) expecting: &'static str,
}

impl Document for ResourceSpans {
    const OF: &'static str = "traces";
    const RESOURCES: List = List {
        camel: "resourceSpans",
        snake: "resource_spans",
        of_old: None,
        expecting: "an object with resourceSpans",
    };
    const SCOPES: List = List {
        camel: "scopeSpans",
        snake: "scope_spans",
        of_old: Some("instrumentationLibrarySpans"),
        expecting: "an object with resource and scopeSpans",
    };
    const ITEMS: List = List {
        camel: "spans",
        snake: "spans",
        of_old: None,
        expecting: "an object with scope and spans",
    };
}

impl Document for ResourceLogs {
    const OF: &'static str = "logs";
    const RESOURCES: List = List {
        camel: "resourceLogs",
        snake: "resource_logs",
        of_old: None,
        expecting: "an object with resourceLogs",
    };
    const SCOPES: List = List {
        camel: "scopeLogs",
        snake: "scope_logs",
        of_old: Some("instrumentationLibraryLogs"),
        expecting: "an object with resource and scopeLogs",
    };
    const ITEMS: List = List {
        camel: "logRecords",
        snake: "log_records",
        of_old: Some("logs"),
        expecting: "an object with scope and logRecords",
    };
}

/// Where a list stands.
trait Place {
    const LIST: List;
    /// The message that surrounds the records.
    const AROUND: &'static str;
}

struct OfDocument<S>(PhantomData<S>);
struct OfOneResource<S>(PhantomData<S>);
struct OfOneScope<S>(PhantomData<S>);

impl<S: Document> Place for OfDocument<S> {
    const LIST: List = S::RESOURCES;
    // None that anybody sends.
    const AROUND: &'static str = "";
}

impl<S: Document> Place for OfOneResource<S> {
    const LIST: List = S::SCOPES;
    const AROUND: &'static str = "resource";
}

impl<S: Document> Place for OfOneScope<S> {
    const LIST: List = S::ITEMS;
    const AROUND: &'static str = "scope";
}

type Whole<'a, S> = Layer<'a, OfDocument<S>, OfResourceIn<'a, S>>;
type OfResourceIn<'a, S> = Layer<'a, OfOneResource<S>, OfScopeIn<'a, S>>;
/// The records as text, for one that cannot be read must not end the reading of the others.
type OfScopeIn<'a, S> = Layer<'a, OfOneScope<S>, &'a RawValue>;

/// An object with a list, what it shares, and its schema.
struct Layer<'a, P, T> {
    around: Option<&'a RawValue>,
    list: Option<Vec<T>>,
    is_in_snake_case: bool,
    is_of_old: bool,
    schema_url: Option<String>,
    has_schema_in_snake_case: bool,
    place: PhantomData<P>,
}

impl<P, T> Default for Layer<'_, P, T> {
    fn default() -> Self {
        Self {
            around: None,
            list: None,
            is_in_snake_case: false,
            is_of_old: false,
            schema_url: None,
            has_schema_in_snake_case: false,
            place: PhantomData,
        }
    }
}

impl<'de: 'a, 'a, P: Place, T: Deserialize<'de>> Deserialize<'de> for Layer<'a, P, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LayerVisitor(PhantomData))
    }
}

struct LayerVisitor<'a, P, T>(PhantomData<Layer<'a, P, T>>);

impl<'de: 'a, 'a, P: Place, T: Deserialize<'de>> Visitor<'de> for LayerVisitor<'a, P, T> {
    type Value = Layer<'a, P, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(P::LIST.expecting)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut layer = Layer::default();
        let mut seen = [false; 3];
        while let Some(name) = members.next_key::<String>()? {
            let known = [P::LIST.camel, P::AROUND, "schemaUrl"];
            if let Some(place) = known.iter().position(|known| *known == name) {
                if let Some(seen) = seen.get_mut(place)
                    && std::mem::replace(seen, true)
                {
                    return Err(de::Error::custom(format_args!("duplicate field `{name}`")));
                }
                match place {
                    0 => layer.list = members.next_value()?,
                    1 => layer.around = members.next_value()?,
                    _ => layer.schema_url = members.next_value()?,
                }
                continue;
            }
            let is_there = members.next_value::<Option<IgnoredAny>>()?.is_some();
            if name == P::LIST.snake {
                layer.is_in_snake_case = is_there;
            } else if Some(name.as_str()) == P::LIST.of_old {
                layer.is_of_old = is_there;
            } else if name == "schema_url" {
                layer.has_schema_in_snake_case = is_there;
            }
        }
        Ok(layer)
    }
}

impl<P: Place, T> Layer<'_, P, T> {
    /// Refuses what is under a name of another form of the protocol, and would be lost.
    fn check_names(&self) -> Result<(), ReadError> {
        if self.list.is_none() {
            refuse_name(self.is_in_snake_case, P::LIST.snake, P::LIST.camel)?;
            let of_old = P::LIST.of_old.unwrap_or_default();
            refuse_name(self.is_of_old, of_old, P::LIST.camel)?;
        }
        if self.schema_url.is_none() && !P::AROUND.is_empty() {
            refuse_name(self.has_schema_in_snake_case, "schema_url", "schemaUrl")?;
        }
        Ok(())
    }
}

fn refuse_name(
    is_there: bool,
    found: &'static str,
    expected: &'static str,
) -> Result<(), ReadError> {
    if is_there {
        Err(ReadError::Name { found, expected })
    } else {
        Ok(())
    }
}

/// The lists of a document's resources. An object without members is a request without records; any other
/// has something to lose.
fn open<'a, S: Document>(text: &'a str) -> Result<Vec<OfResourceIn<'a, S>>, ReadError> {
    let syntax = |error| ReadError::Syntax {
        of: S::OF,
        source: error,
    };
    let document: Whole<'a, S> = serde_json::from_str(text).map_err(syntax)?;
    document.check_names()?;
    if let Some(list) = document.list {
        return Ok(list);
    }
    let expected = S::RESOURCES.camel;
    let members: BTreeMap<String, IgnoredAny> = serde_json::from_str(text).map_err(syntax)?;
    let others = members.keys().filter(|name| *name != expected);
    let others: Vec<_> = others
        .map(|name| super::super::refusal::quote(name))
        .take(3)
        .collect();
    if others.is_empty() {
        return Ok(Vec::new());
    }
    Err(ReadError::Other {
        expected,
        found: others.join(", "),
    })
}

/// Hands out the text of each record of a document with where it comes from. A resource or scope that is bad
/// or beyond the bounds refuses what is in it.
pub(super) fn walk<S: Document>(
    text: &str,
    bounds: &Bounds,
    mut each: impl FnMut(&RawValue, Result<&Origin, &FieldError>),
) -> Result<(), ReadError> {
    for of_resource in open::<S>(text)? {
        of_resource.check_names()?;
        let resource = message_of("resource", of_resource.around, reading::resource)
            .and_then(|resource| {
                bounds.check_resource(resource.as_ref())?;
                Origin::of_resource(resource, of_resource.schema_url.unwrap_or_default())
            })
            .map_err(FieldError::with_json_names);
        for of_scope in of_resource.list.unwrap_or_default() {
            of_scope.check_names()?;
            let schema_url = of_scope.schema_url.unwrap_or_default();
            let origin = resource
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|resource| {
                    let scope = message_of("scope", of_scope.around, reading::scope)?;
                    bounds
                        .check_scope(scope.as_ref())
                        .and_then(|()| resource.with_scope(scope, schema_url))
                        .map_err(FieldError::with_json_names)
                });
            for raw in of_scope.list.unwrap_or_default() {
                each(raw, origin.as_ref());
            }
        }
    }
    Ok(())
}

/// Reads a document into protobuf's messages, all or none.
pub(super) fn messages<S: Document>(
    text: &str,
    read: impl Fn(serde_json::Value) -> Result<ItemOf<S>, FieldError>,
) -> Result<Vec<S>, ReadError> {
    let of_resources = open::<S>(text)?.into_iter().enumerate();
    of_resources
        .map(|(i, layer)| {
            layer.check_names()?;
            let around =
                |error: FieldError| ReadError::Message(error.within_item(S::RESOURCES.camel, i));
            let resource = message_of("resource", layer.around, reading::resource);
            let resource = resource.map_err(around)?;
            let of_scopes = layer.list.unwrap_or_default().into_iter().enumerate();
            let of_scopes = of_scopes.map(|(i, layer)| {
                let around = |error: FieldError| around(error.within_item(S::SCOPES.camel, i));
                messages_of_scope::<S>(layer, &read, around)
            });
            let of_scopes = of_scopes.collect::<Result<_, _>>()?;
            let schema_url = layer.schema_url.unwrap_or_default();
            Ok(S::close(resource, of_scopes, schema_url))
        })
        .collect()
}

fn messages_of_scope<S: Document>(
    layer: OfScopeIn<'_, S>,
    read: impl Fn(serde_json::Value) -> Result<ItemOf<S>, FieldError>,
    around: impl Fn(FieldError) -> ReadError,
) -> Result<S::Scope, ReadError> {
    layer.check_names()?;
    let scope = message_of("scope", layer.around, reading::scope).map_err(&around)?;
    let items = layer.list.unwrap_or_default().into_iter().enumerate();
    let items = items.map(|(i, raw)| {
        let message = value_of("", raw).and_then(&read);
        message.map_err(|error| around(error.within_item(S::ITEMS.camel, i)))
    });
    let items = items.collect::<Result<_, _>>()?;
    Ok(OfScope::close(
        scope,
        items,
        layer.schema_url.unwrap_or_default(),
    ))
}
