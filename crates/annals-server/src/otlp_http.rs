//! OTLP/HTTP: POST /v1/traces, /v1/metrics and /v1/logs, protobuf and JSON, plain or packed with gzip or zstd.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::post,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use prost::Message as _;
use serde_json::json;

use crate::{
    metrics::Road,
    otlp_export::{self, Logs, Metrics, Signal, Traces},
    refusal::{Form, Refusal},
    roads::Roads,
};

/// What the OTLP/HTTP port serves.
pub(crate) fn router(roads: &Arc<Roads>) -> Router {
    Router::new()
        .route(Traces::PATH, post(export::<Traces>).fallback(method))
        .route(Metrics::PATH, post(export::<Metrics>).fallback(method))
        .route(Logs::PATH, post(export::<Logs>).fallback(method))
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

async fn export<S: Signal>(State(roads): State<Arc<Roads>>, request: Request) -> Response {
    let Some(form) = form(request.headers()) else {
        return Refusal::media(
            "the Content-Type must be application/x-protobuf or application/json",
        )
        .into_response(Form::Json);
    };
    let answer = async {
        let (_permit, message) = roads.gate.receive(request).await?;
        otlp_export::export::<S>(&roads, Road::OtlpHttp, form, message, None).await
    };
    match answer.await {
        Ok(answer) => success::<S>(form, &answer),
        Err(refusal) => refusal.into_response(form),
    }
}

/// The answer to records that were taken.
pub(crate) fn success<S: Signal>(form: Form, answer: &S::Answer) -> Response {
    let body = match form {
        Form::Protobuf => Body::from(answer.encode_to_vec()),
        Form::Json => Body::from(match S::rejected(answer) {
            None => "{}".to_owned(),
            // Protobuf's JSON writes 64-bit integers as text.
            Some(rejected) => json!({ "partialSuccess": {
                S::REJECTED: rejected.count.to_string(),
                "errorMessage": rejected.message,
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

async fn method(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    Refusal::method(format!("{method} is not served at {path}; send POST"))
        .into_response(form(&headers).unwrap_or(Form::Json))
}

async fn unknown(request: Request) -> Response {
    Refusal::not_found(format!(
        "nothing is served at {}; traces go to POST {}, metrics to POST {}, logs to POST {}",
        request.uri().path(),
        Traces::PATH,
        Metrics::PATH,
        Logs::PATH,
    ))
    .into_response(form(request.headers()).unwrap_or(Form::Json))
}
