//! Whole requests of spans in protobuf's shape, and back.

use annals_telemetry::Span;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use super::{
    Bounds, Decoded, Identity, Kind, Origin, RefusedRecord, Told as _, layers, origin::Around, span,
};

/// The spans of `TracesData` or `ExportTraceServiceRequest`, which differ in name only.
///
/// A span that is bad or beyond the bounds refuses itself; such a resource or scope refuses the spans
/// in it.
#[must_use]
pub fn from_proto(request: Vec<ResourceSpans>, bounds: &Bounds) -> Decoded {
    let mut decoded = Decoded::default();
    layers::walk(request, bounds, |message, origin| {
        let ids = (message.trace_id.clone(), message.span_id.clone());
        let record = match origin {
            Ok(origin) => span::from_proto(message, origin, bounds),
            Err(error) => Err(error.clone()),
        };
        decoded.push(record, || {
            Identity::of_span(Some(hex::encode(ids.0)), Some(hex::encode(ids.1)))
        });
    });
    decoded
}

/// The request in which spans go out, in their order. Neighbours of one resource and one scope share
/// them.
///
/// # Errors
///
/// OTLP cannot express a span; the error names it and the field.
pub fn to_proto(spans: &[Span]) -> Result<Vec<ResourceSpans>, RefusedRecord> {
    let messages = spans.iter().enumerate().map(|(i, record)| {
        let refused = |reason| RefusedRecord::new(Kind::Span, i, record.identity(), reason);
        let message = span::to_proto(record).map_err(refused)?;
        Ok((
            Around::of(&Origin::of_span(record)).map_err(refused)?,
            message,
        ))
    });
    let messages: Vec<_> = messages.collect::<Result<_, _>>()?;
    Ok(layers::assemble(messages))
}
