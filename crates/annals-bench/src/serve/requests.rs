//! Spans as bytes of requests, made before the clock.

use annals_server::otlp::{Bounds, traces};
use annals_telemetry::Span;
use bytes::{BufMut as _, Bytes, BytesMut};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

/// One request: its bytes, and the rows that the server makes of them.
#[derive(Debug)]
pub(crate) struct Export {
    /// The protobuf message.
    pub(crate) message: Bytes,
    /// What is in the table afterwards.
    pub(crate) rows: Vec<Span>,
}

impl Export {
    /// A request of some spans, those of one service and one library together, as SDKs and collectors
    /// send them.
    pub(crate) fn of(spans: &[Span]) -> Self {
        let mut spans = spans.to_vec();
        spans.sort_by(|a, b| {
            let origin = |span: &Span| (span.service_name.clone(), span.scope_name.clone());
            origin(a).cmp(&origin(b))
        });
        let request = ExportTraceServiceRequest {
            resource_spans: traces::to_proto(&spans).expect("spans that OTLP can express"),
        };
        let message = request.encode_to_vec().into();
        let bounds = Bounds::default();
        let decoded = traces::from_proto(request.resource_spans, &bounds);
        assert_eq!(decoded.refused, [], "spans that a server takes");
        Self {
            message,
            rows: decoded.records,
        }
    }
}

/// A message as gRPC frames it: not packed, its length, itself.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).expect("a message below 4 GiB"));
    framed.put_slice(message);
    framed.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Plan;

    #[test]
    fn a_request_has_every_span() {
        let spans: Vec<Span> = Plan::one_day(20).spans().collect();
        let export = Export::of(&spans);
        let request = ExportTraceServiceRequest::decode(export.message).expect("a message");
        assert!(
            request.resource_spans.len() <= 4,
            "a resource for a service"
        );
        let ids = |spans: &[Span]| {
            let mut ids: Vec<String> = spans.iter().map(|span| span.span_id.clone()).collect();
            ids.sort();
            ids
        };
        assert_eq!(ids(&export.rows), ids(&spans));
    }

    #[test]
    fn a_frame_has_a_flag_and_a_length() {
        assert_eq!(framed(b"ab"), [0, 0, 0, 0, 2, b'a', b'b'][..]);
    }
}
