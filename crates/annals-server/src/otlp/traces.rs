//! Whole requests in protobuf's shape, and back.

use std::collections::HashSet;

use annals_telemetry::Span;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

use super::{Bounds, FieldError, Origin, RefusedSpan, origin::Around, span};

/// What a request held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// Spans that were taken over, in the request's order.
    pub spans: Vec<Span>,
    /// Spans that were not, in the request's order.
    pub refused: Vec<RefusedSpan>,
}

impl Decoded {
    /// Adds a span or its refusal; the ids are asked for only then.
    pub(crate) fn push(
        &mut self,
        span: Result<Span, FieldError>,
        ids: impl FnOnce() -> (Option<String>, Option<String>),
    ) {
        match span {
            Ok(span) => self.spans.push(span),
            Err(reason) => {
                let (trace_id, span_id) = ids();
                let index = self.spans.len() + self.refused.len();
                self.refused
                    .push(RefusedSpan::new(index, trace_id, span_id, reason));
            }
        }
    }

    /// The same without the spans that a check refuses, which then stand among the refused at their
    /// place in the request.
    #[must_use]
    pub fn checked(self, check: impl Fn(&Span) -> Result<(), FieldError>) -> Self {
        let mut refused = self.refused;
        let places: HashSet<usize> = refused.iter().map(|refused| refused.index).collect();
        let mut free = (0..).filter(|place| !places.contains(place));
        let mut spans = self.spans;
        spans.retain(|span| {
            let place = free.next().unwrap_or_default();
            let Err(reason) = check(span) else {
                return true;
            };
            let ids = (span.trace_id.clone(), span.span_id.clone());
            refused.push(RefusedSpan::new(place, Some(ids.0), Some(ids.1), reason));
            false
        });
        refused.sort_by_key(|refused| refused.index);
        Self { spans, refused }
    }
}

/// The spans of `TracesData` or `ExportTraceServiceRequest`, which differ in name only.
///
/// A span that is bad or beyond the bounds refuses itself; such a resource or scope refuses the spans
/// in it.
#[must_use]
pub fn from_proto(request: Vec<ResourceSpans>, bounds: &Bounds) -> Decoded {
    let mut decoded = Decoded::default();
    for of_resource in request {
        let resource = bounds
            .check_resource(of_resource.resource.as_ref())
            .and_then(|()| Origin::of_resource(of_resource.resource, of_resource.schema_url));
        for of_scope in of_resource.scope_spans {
            let origin = resource.clone().and_then(|origin| {
                bounds.check_scope(of_scope.scope.as_ref())?;
                origin.with_scope(of_scope.scope, of_scope.schema_url)
            });
            for message in of_scope.spans {
                let ids = (message.trace_id.clone(), message.span_id.clone());
                let record = match &origin {
                    Ok(origin) => span::from_proto(message, origin, bounds),
                    Err(error) => Err(error.clone()),
                };
                decoded.push(record, || {
                    (Some(hex::encode(ids.0)), Some(hex::encode(ids.1)))
                });
            }
        }
    }
    decoded
}

/// The request in which spans go out, in their order. Neighbours of one resource and one scope share
/// them.
///
/// # Errors
///
/// OTLP cannot express a span; the error names it and the field.
pub fn to_proto(spans: &[Span]) -> Result<Vec<ResourceSpans>, RefusedSpan> {
    let mut request: Vec<ResourceSpans> = Vec::new();
    for (i, record) in spans.iter().enumerate() {
        let refused = |reason| {
            RefusedSpan::new(
                i,
                Some(record.trace_id.clone()),
                Some(record.span_id.clone()),
                reason,
            )
        };
        let message = span::to_proto(record).map_err(refused)?;
        add(&mut request, Around::of(record).map_err(refused)?, message);
    }
    Ok(request)
}

fn add(
    request: &mut Vec<ResourceSpans>,
    around: Around,
    span: opentelemetry_proto::tonic::trace::v1::Span,
) {
    let mut of_scope = ScopeSpans {
        scope: around.scope,
        spans: Vec::new(),
        schema_url: around.scope_schema_url,
    };
    if let Some(last) = request.last_mut()
        && last.resource == around.resource
        && last.schema_url == around.resource_schema_url
    {
        match last.scope_spans.last_mut() {
            Some(same)
                if same.scope == of_scope.scope && same.schema_url == of_scope.schema_url =>
            {
                same.spans.push(span);
            }
            _ => {
                of_scope.spans.push(span);
                last.scope_spans.push(of_scope);
            }
        }
        return;
    }
    of_scope.spans.push(span);
    request.push(ResourceSpans {
        resource: around.resource,
        scope_spans: vec![of_scope],
        schema_url: around.resource_schema_url,
    });
}
