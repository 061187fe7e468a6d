//! OTLP/HTTP: POST /v1/traces, protobuf and JSON, plain or packed with gzip or zstd.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::post,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use serde_json::json;

use crate::{
    metrics::Road,
    otlp_export,
    refusal::{Form, Refusal},
    roads::Roads,
};

/// What the OTLP/HTTP port serves.
pub(crate) fn router(roads: &Arc<Roads>) -> Router {
    Router::new()
        .route("/v1/traces", post(traces).fallback(method))
        .fallback(unknown)
        .layer(axum::middleware::from_fn_with_state(
            (roads.token.clone(), refuse as crate::auth::Refuse),
            crate::auth::guard,
        ))
        .with_state(Arc::clone(roads))
}

/// The form in which the client speaks, and so is answered.
pub(crate) fn form(headers: &HeaderMap) -> Option<Form> {
    let media = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    match media
        .split(';')
        .next()?
        .trim()
        .to_ascii_lowercase()
        .as_str()
    {
        "application/x-protobuf" => Some(Form::Protobuf),
        "application/json" => Some(Form::Json),
        _ => None,
    }
}

fn refuse(_: StatusCode, _: &str, headers: &HeaderMap) -> Response {
    Refusal::unauthorized().into_response(form(headers).unwrap_or(Form::Json))
}

async fn traces(State(roads): State<Arc<Roads>>, request: Request) -> Response {
    let Some(form) = form(request.headers()) else {
        return Refusal::media(
            "the Content-Type must be application/x-protobuf or application/json",
        )
        .into_response(Form::Json);
    };
    let answer = async {
        let (_permit, message) = roads.gate.receive(request).await?;
        otlp_export::export(&roads, Road::OtlpHttp, form, message, None).await
    };
    match answer.await {
        Ok(answer) => success(form, &answer),
        Err(refusal) => refusal.into_response(form),
    }
}

/// The answer to spans that were taken.
pub(crate) fn success(form: Form, answer: &ExportTraceServiceResponse) -> Response {
    let body = match form {
        Form::Protobuf => Body::from(answer.encode_to_vec()),
        Form::Json => Body::from(match &answer.partial_success {
            None => "{}".to_owned(),
            // Protobuf's JSON writes 64-bit integers as text.
            Some(partial) => json!({ "partialSuccess": {
                "rejectedSpans": partial.rejected_spans.to_string(),
                "errorMessage": partial.error_message,
            }})
            .to_string(),
        }),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(form.media_type()),
    );
    response
}

async fn method(method: Method, headers: HeaderMap) -> Response {
    Refusal::method(format!("{method} is not served at /v1/traces; send POST"))
        .into_response(form(&headers).unwrap_or(Form::Json))
}

async fn unknown(request: Request) -> Response {
    Refusal::not_found(format!(
        "nothing is served at {}; traces go to POST /v1/traces",
        request.uri().path()
    ))
    .into_response(form(request.headers()).unwrap_or(Form::Json))
}
