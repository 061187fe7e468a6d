//! Metrics, as an export of OTLP.

use opentelemetry_proto::tonic::{
    collector::metrics::v1::{
        ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
    },
    metrics::v1::ResourceMetrics,
};

use super::{Arrived, Rejected, Signal};
use crate::{
    intake::{Intake, MetricSink},
    otlp::{
        Decoded,
        json::{self, ReadError},
        metrics::{self, MetricPoint},
    },
    roads::Roads,
};

/// Points of metrics.
#[derive(Debug)]
pub(crate) struct Metrics;

impl Signal for Metrics {
    type Sink = MetricSink;
    type Request = ExportMetricsServiceRequest;
    type OfResource = ResourceMetrics;
    type Answer = ExportMetricsServiceResponse;

    const PATH: &'static str = "/v1/metrics";
    const SERVICE: &'static str = "opentelemetry.proto.collector.metrics.v1.MetricsService";
    const REQUEST: &'static str = "ExportMetricsServiceRequest";
    const RESOURCES: &'static str = "resource_metrics";
    const REJECTED: &'static str = "rejectedDataPoints";

    fn intake(roads: &Roads) -> &Intake<MetricSink> {
        &roads.metrics
    }

    fn resources(request: Self::Request) -> Vec<ResourceMetrics> {
        request.resource_metrics
    }

    fn from_proto(request: Vec<ResourceMetrics>, arrived: &Arrived<'_>) -> Decoded<MetricPoint> {
        metrics::from_proto(request, arrived.bounds)
    }

    fn from_json(text: &str, arrived: &Arrived<'_>) -> Result<Decoded<MetricPoint>, ReadError> {
        json::metrics::read(text, arrived.bounds)
    }

    fn answer(rejected: Option<Rejected>) -> ExportMetricsServiceResponse {
        ExportMetricsServiceResponse {
            partial_success: rejected.map(|rejected| ExportMetricsPartialSuccess {
                rejected_data_points: rejected.count,
                error_message: rejected.message,
            }),
        }
    }

    fn rejected(answer: &ExportMetricsServiceResponse) -> Option<Rejected> {
        answer.partial_success.as_ref().map(|partial| Rejected {
            count: partial.rejected_data_points,
            message: partial.error_message.clone(),
        })
    }
}
