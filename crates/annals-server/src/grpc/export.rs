//! The services that OTLP's signals have: `Export` of each.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::post,
};

use super::unary;
use crate::{
    metrics::Road,
    otlp_export::{self, Signal},
    refusal::Form,
    roads::Roads,
};

pub(super) fn router<S: Signal>(roads: &Arc<Roads>) -> Router {
    Router::new()
        .route(&format!("/{}/Export", S::SERVICE), post(export::<S>))
        .with_state(Arc::clone(roads))
}

async fn export<S: Signal>(State(roads): State<Arc<Roads>>, request: Request) -> Response {
    unary(&roads.gate, request, |call| {
        let roads = &roads;
        async move {
            let form = Form::Protobuf;
            let (message, patience) = (call.message, call.patience);
            otlp_export::export::<S>(roads, Road::OtlpGrpc, form, message, patience)
                .await
                .map(tonic::Response::new)
        }
    })
    .await
}
