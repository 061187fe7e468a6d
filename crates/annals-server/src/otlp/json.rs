//! OTLP/JSON: documents of traces, read span by span and written.
//!
//! The messages' own serde support is not used. It reads a document as a whole, so that one bad span
//! takes the others with it; it takes `{"arrayValue":{}}`, protobuf's way to write an empty array,
//! for an error; and it writes NaN as `null`.
//!
//! Read generously, as protobuf's JSON does: a number may stand as text, an enumeration as name, a
//! `null` for what is absent, ids in either case; unknown fields are ignored. One thing is refused
//! though the protocol would ignore it: names in snake_case, with which a document parses and is
//! empty.

mod message;
mod reading;
mod writing;

use std::collections::BTreeMap;

use annals_telemetry::Span;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, value::RawValue};

use super::{Bounds, Decoded, FieldError, Origin, Problem, RefusedSpan, span, traces};

/// Why a document cannot be read as traces.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Not JSON, not of this shape, or more than one document.
    #[error("the text is not an OTLP/JSON document of traces")]
    Syntax(#[source] serde_json::Error),
    /// A name of another form of the protocol; read as it stands, the document would be empty.
    #[error("{found:?} is not a name of OTLP/JSON, which says {expected:?}")]
    Name {
        /// The name in the document.
        found: &'static str,
        /// The name of OTLP/JSON.
        expected: &'static str,
    },
    /// A message that cannot be read, where it takes all others with it.
    #[error("{0}")]
    Message(FieldError),
    /// Something else than traces.
    #[error("the document has no \"resourceSpans\", only {found}")]
    NotTraces {
        /// The names that it has.
        found: String,
    },
}

#[derive(Deserialize)]
#[serde(expecting = "an object with resourceSpans")]
struct Document<'a> {
    #[serde(borrow, rename = "resourceSpans")]
    resource_spans: Option<Vec<OfResource<'a>>>,
    #[serde(rename = "resource_spans")]
    in_snake_case: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with resource and scopeSpans")]
struct OfResource<'a> {
    #[serde(borrow)]
    resource: Option<&'a RawValue>,
    #[serde(borrow, rename = "scopeSpans")]
    scope_spans: Option<Vec<OfScope<'a>>>,
    #[serde(rename = "scope_spans")]
    scope_spans_in_snake_case: Option<IgnoredAny>,
    // The name before OTLP 1.0.
    #[serde(rename = "instrumentationLibrarySpans")]
    scope_spans_of_old: Option<IgnoredAny>,
    #[serde(rename = "schemaUrl")]
    schema_url: Option<String>,
    #[serde(rename = "schema_url")]
    schema_url_in_snake_case: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with scope and spans")]
struct OfScope<'a> {
    #[serde(borrow)]
    scope: Option<&'a RawValue>,
    /// As text, for a span that cannot be read must not end the reading of the others.
    #[serde(borrow)]
    spans: Option<Vec<&'a RawValue>>,
    #[serde(rename = "schemaUrl")]
    schema_url: Option<String>,
    #[serde(rename = "schema_url")]
    schema_url_in_snake_case: Option<IgnoredAny>,
}

/// Reads a document: `TracesData` or `ExportTraceServiceRequest`, which look the same.
///
/// A bad span refuses itself, whatever is wrong inside it, and a bad resource or scope refuses the
/// spans in it.
///
/// # Errors
///
/// What surrounds the spans is not OTLP/JSON of traces.
pub fn read(text: &str, bounds: &Bounds) -> Result<Decoded, ReadError> {
    let document: Document<'_> = serde_json::from_str(text).map_err(ReadError::Syntax)?;
    let Some(resource_spans) = document.resource_spans else {
        return empty_document(text, &document);
    };
    let mut decoded = Decoded::default();
    for of_resource in resource_spans {
        of_resource.read(&mut decoded, bounds)?;
    }
    Ok(decoded)
}

/// Reads a document into protobuf's messages, all or none, for whoever makes something else than records of
/// them.
///
/// # Errors
///
/// The first thing that is not OTLP/JSON of traces, by the way to it.
pub fn messages(text: &str) -> Result<Vec<ResourceSpans>, ReadError> {
    let document: Document<'_> = serde_json::from_str(text).map_err(ReadError::Syntax)?;
    let Some(resource_spans) = document.resource_spans else {
        return empty_document(text, &document).map(|_| Vec::new());
    };
    let of_resources = resource_spans.into_iter().enumerate();
    of_resources
        .map(|(i, of_resource)| of_resource.messages(|error| error.within_item("resourceSpans", i)))
        .collect()
}

/// An object without members is a request without spans. Any other has something to lose.
fn empty_document(text: &str, document: &Document<'_>) -> Result<Decoded, ReadError> {
    refuse_name(document.in_snake_case, "resource_spans", "resourceSpans")?;
    let members: BTreeMap<String, IgnoredAny> =
        serde_json::from_str(text).map_err(ReadError::Syntax)?;
    let others: Vec<_> = members
        .keys()
        .filter(|name| *name != "resourceSpans")
        .map(|name| super::refusal::quote(name))
        .take(3)
        .collect();
    if others.is_empty() {
        Ok(Decoded::default())
    } else {
        let found = others.join(", ");
        Err(ReadError::NotTraces { found })
    }
}

/// Refuses a document that has something under a name of another form of the protocol.
fn refuse_name(
    there: Option<IgnoredAny>,
    found: &'static str,
    expected: &'static str,
) -> Result<(), ReadError> {
    there.map_or(Ok(()), |_| Err(ReadError::Name { found, expected }))
}

impl OfResource<'_> {
    fn check_names(&self) -> Result<(), ReadError> {
        if self.scope_spans.is_none() {
            let of_old = "instrumentationLibrarySpans";
            refuse_name(self.scope_spans_in_snake_case, "scope_spans", "scopeSpans")?;
            refuse_name(self.scope_spans_of_old, of_old, "scopeSpans")?;
        }
        if self.schema_url.is_none() {
            refuse_name(self.schema_url_in_snake_case, "schema_url", "schemaUrl")?;
        }
        Ok(())
    }

    fn messages(
        self,
        around: impl Fn(FieldError) -> FieldError,
    ) -> Result<ResourceSpans, ReadError> {
        self.check_names()?;
        let refuse = |error| ReadError::Message(around(error));
        let resource = message_of("resource", self.resource, reading::resource).map_err(refuse)?;
        let of_scopes = self.scope_spans.unwrap_or_default();
        let of_scopes = of_scopes.into_iter().enumerate();
        let scope_spans = of_scopes
            .map(|(i, of_scope)| {
                of_scope.messages(|error| around(error.within_item("scopeSpans", i)))
            })
            .collect::<Result<_, _>>()?;
        Ok(ResourceSpans {
            resource,
            scope_spans,
            schema_url: self.schema_url.unwrap_or_default(),
        })
    }

    fn read(self, decoded: &mut Decoded, bounds: &Bounds) -> Result<(), ReadError> {
        self.check_names()?;
        let resource = message_of("resource", self.resource, reading::resource)
            .and_then(|resource| {
                bounds.check_resource(resource.as_ref())?;
                Origin::of_resource(resource, self.schema_url.unwrap_or_default())
            })
            .map_err(FieldError::with_json_names);
        for of_scope in self.scope_spans.unwrap_or_default() {
            of_scope.read(&resource, decoded, bounds)?;
        }
        Ok(())
    }
}

impl OfScope<'_> {
    fn check_names(&self) -> Result<(), ReadError> {
        if self.schema_url.is_none() {
            refuse_name(self.schema_url_in_snake_case, "schema_url", "schemaUrl")?;
        }
        Ok(())
    }

    fn messages(self, around: impl Fn(FieldError) -> FieldError) -> Result<ScopeSpans, ReadError> {
        self.check_names()?;
        let refuse = |error| ReadError::Message(around(error));
        let scope = message_of("scope", self.scope, reading::scope).map_err(refuse)?;
        let spans = self.spans.unwrap_or_default().into_iter().enumerate();
        let spans = spans.map(|(i, raw)| {
            let message = value_of("", raw).and_then(reading::span);
            message.map_err(|error| refuse(error.within_item("spans", i)))
        });
        Ok(ScopeSpans {
            scope,
            spans: spans.collect::<Result<_, _>>()?,
            schema_url: self.schema_url.unwrap_or_default(),
        })
    }

    fn read(
        self,
        resource: &Result<Origin, FieldError>,
        decoded: &mut Decoded,
        bounds: &Bounds,
    ) -> Result<(), ReadError> {
        self.check_names()?;
        let origin = resource.clone().and_then(|resource| {
            let scope = message_of("scope", self.scope, reading::scope)?;
            bounds
                .check_scope(scope.as_ref())
                .map_err(FieldError::with_json_names)?;
            resource
                .with_scope(scope, self.schema_url.unwrap_or_default())
                .map_err(FieldError::with_json_names)
        });
        for raw in self.spans.unwrap_or_default() {
            let record = match &origin {
                Ok(origin) => read_span(raw, origin, bounds),
                Err(error) => Err(error.clone()),
            };
            decoded.push(record, || ids(raw));
        }
        Ok(())
    }
}

fn read_span(raw: &RawValue, origin: &Origin, bounds: &Bounds) -> Result<Span, FieldError> {
    let message = reading::span(value_of("span", raw)?).map_err(|error| error.or_named("span"))?;
    span::from_proto(message, origin, bounds).map_err(FieldError::with_json_names)
}

fn message_of<T>(
    name: &'static str,
    raw: Option<&RawValue>,
    read: fn(Value) -> Result<T, FieldError>,
) -> Result<Option<T>, FieldError> {
    raw.map(|raw| read(value_of(name, raw)?).map_err(|error| error.within(name)))
        .transpose()
}

fn value_of(name: &'static str, raw: &RawValue) -> Result<Value, FieldError> {
    serde_json::from_str(raw.get()).map_err(|error| {
        FieldError::new(
            name,
            Problem::Syntax {
                message: error.to_string(),
            },
        )
    })
}

/// The ids of a refused span, as far as they can be told.
fn ids(raw: &RawValue) -> (Option<String>, Option<String>) {
    #[derive(Default, Deserialize)]
    struct Ids<'a> {
        #[serde(borrow, rename = "traceId")]
        trace: Option<&'a RawValue>,
        #[serde(borrow, rename = "spanId")]
        span: Option<&'a RawValue>,
    }
    let ids: Ids<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let text = |raw: Option<&RawValue>| serde_json::from_str(raw?.get()).ok();
    (text(ids.trace), text(ids.span))
}

/// Writes spans as one document, in their order.
///
/// # Errors
///
/// OTLP cannot express a span; the error names it and the field.
pub fn write(spans: &[Span]) -> Result<String, RefusedSpan> {
    Ok(writing::document(traces::to_proto(spans)?).to_string())
}
