//! `grpc.health.v1.Health`, its unary half: orchestrators ask it.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::post,
};
use prost::Message as _;

use super::unary;
use crate::{
    otlp_export::{Logs, Metrics, Signal as _, Traces},
    refusal::Refusal,
    roads::Roads,
};

/// `HealthCheckRequest` (source: grpc/health/v1/health.proto).
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct CheckRequest {
    /// The service asked about; empty for the server as a whole.
    #[prost(string, tag = "1")]
    service: String,
}

/// `HealthCheckResponse`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct CheckResponse {
    /// 1 for serving.
    #[prost(int32, tag = "1")]
    status: i32,
}

const SERVING: i32 = 1;

const SERVICES: [&str; 6] = [
    "",
    Traces::SERVICE,
    Metrics::SERVICE,
    Logs::SERVICE,
    "infertrace.CollectorService",
    "infertrace.v1.CollectorService",
];

pub(super) fn router(roads: &Arc<Roads>) -> Router {
    Router::new()
        .route("/grpc.health.v1.Health/Check", post(check))
        .with_state(Arc::clone(roads))
}

async fn check(State(roads): State<Arc<Roads>>, request: Request) -> Response {
    unary(&roads.gate, request, |call| async move {
        let asked = CheckRequest::decode(call.message.unpack()?)?;
        if SERVICES.contains(&asked.service.as_str()) {
            Ok(tonic::Response::new(CheckResponse { status: SERVING }))
        } else {
            Err(Refusal::absent(format!(
                "there is no service {:?} here",
                asked.service
            )))
        }
    })
    .await
}
