//! Traces, as an export of OTLP.

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    },
    trace::v1::ResourceSpans,
};

use super::{Arrived, Rejected, Signal};
use crate::{
    intake::{Intake, SpanSink},
    otlp::{
        Decoded,
        json::{self, ReadError},
        traces,
    },
    roads::Roads,
};

/// Spans.
#[derive(Debug)]
pub(crate) struct Traces;

impl Signal for Traces {
    type Sink = SpanSink;
    type Request = ExportTraceServiceRequest;
    type OfResource = ResourceSpans;
    type Answer = ExportTraceServiceResponse;

    const PATH: &'static str = "/v1/traces";
    const SERVICE: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
    const REQUEST: &'static str = "ExportTraceServiceRequest";
    const RESOURCES: &'static str = "resource_spans";
    const REJECTED: &'static str = "rejectedSpans";

    fn intake(roads: &Roads) -> &Intake<SpanSink> {
        &roads.otlp
    }

    fn resources(request: Self::Request) -> Vec<ResourceSpans> {
        request.resource_spans
    }

    fn from_proto(request: Vec<ResourceSpans>, arrived: &Arrived<'_>) -> Decoded {
        traces::from_proto(request, arrived.bounds)
    }

    fn from_json(text: &str, arrived: &Arrived<'_>) -> Result<Decoded, ReadError> {
        json::read(text, arrived.bounds)
    }

    fn answer(rejected: Option<Rejected>) -> ExportTraceServiceResponse {
        ExportTraceServiceResponse {
            partial_success: rejected.map(|rejected| ExportTracePartialSuccess {
                rejected_spans: rejected.count,
                error_message: rejected.message,
            }),
        }
    }

    fn rejected(answer: &ExportTraceServiceResponse) -> Option<Rejected> {
        answer.partial_success.as_ref().map(|partial| Rejected {
            count: partial.rejected_spans,
            message: partial.error_message.clone(),
        })
    }
}
