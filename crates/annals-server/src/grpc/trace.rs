//! `opentelemetry.proto.collector.trace.v1.TraceService`.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::post,
};

use super::unary;
use crate::{metrics::Road, otlp_export, refusal::Form, roads::Roads};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

pub(super) fn router(roads: &Arc<Roads>) -> Router {
    Router::new()
        .route(EXPORT, post(export))
        .with_state(Arc::clone(roads))
}

async fn export(State(roads): State<Arc<Roads>>, request: Request) -> Response {
    unary(&roads.gate, request, |call| {
        let roads = &roads;
        async move {
            let form = Form::Protobuf;
            otlp_export::export(roads, Road::OtlpGrpc, form, call.message, call.patience)
                .await
                .map(tonic::Response::new)
        }
    })
    .await
}
