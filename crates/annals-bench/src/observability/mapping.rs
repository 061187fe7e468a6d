//! From OTLP's protobuf to spans: what the server's road has beside the library's.

use std::hint::black_box;

use annals_server::otlp::{Bounds, traces};
use annals_telemetry::Span;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use rustix::time::{ClockId, clock_gettime};

use super::{agents::Agents, plan::Plan};

/// Spans of a request.
const REQUEST: usize = 512;

/// Requests, each of other spans.
const REQUESTS: usize = 200;

/// Microseconds of a processor for a span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mapping {
    /// From bytes to protobuf's messages.
    pub(super) decoding: f64,
    /// From those to spans: ids, attributes, the dialects of GenAI.
    pub(super) mapping: f64,
    /// Prices.
    pub(super) pricing: f64,
    /// Of a request on the wire.
    pub(super) bytes: f64,
}

/// On one thread.
pub(super) fn measure(plan: Plan) -> Mapping {
    let requests: Vec<Vec<u8>> = Agents::new(plan)
        .calls(REQUEST)
        .take(REQUESTS)
        .map(|spans| {
            let request = ExportTraceServiceRequest {
                resource_spans: traces::to_proto(&spans).expect("spans that OTLP can tell"),
            };
            request.encode_to_vec()
        })
        .collect();
    let bounds = Bounds::default();
    let prices = annals_telemetry::PriceList::shipped();
    let [mut decoding, mut mapping, mut pricing] = [0.0; 3];
    let mut spans = 0;
    for request in &requests {
        let before = now();
        let request = ExportTraceServiceRequest::decode(request.as_slice()).expect("a request");
        let decoded = now();
        let mut mapped: Vec<Span> = traces::from_proto(request.resource_spans, &bounds).records;
        let after = now();
        mapped.iter_mut().for_each(|span| prices.apply(span));
        pricing += now() - after;
        decoding += decoded - before;
        mapping += after - decoded;
        spans += black_box(mapped).len();
    }
    assert!(spans > 0, "spans come out of it");
    let micros = |seconds: f64| seconds * 1e6 / spans as f64;
    Mapping {
        decoding: micros(decoding),
        mapping: micros(mapping),
        pricing: micros(pricing),
        bytes: requests.iter().map(Vec::len).sum::<usize>() as f64 / spans as f64,
    }
}

/// Seconds of a processor that this thread has used.
fn now() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
