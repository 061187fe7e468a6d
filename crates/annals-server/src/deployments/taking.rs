//! Spans by HTTP: by an engine, and by an external system under a trace token.

use std::{sync::Arc, time::Instant};

use annals_deploy::{Claims, WorkspaceId};
use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Shared,
    body::{self, Language},
    fields::SpansFields,
    token,
};
use crate::{
    api::{
        parameters::{Nothing, Parameters, PathText},
        problem::Problem,
    },
    metrics::{self, Outcome, Road},
    otlp_export::Traces,
    otlp_http,
    refusal::{Form, Refusal},
    roads::Roads,
};

/// What became of spans.
#[derive(Serialize, ToSchema)]
pub(super) struct SpansTaken {
    /// Spans that are committed: all that were sent.
    accepted: usize,
}

/// Takes spans of a workspace, all or none, and answers once they are committed. A version of a span that is
/// newer than what is there takes its place; the same once more changes nothing, so that after 429 and 503 the same can be
/// sent again.
///
/// As application/json an object with spans, or OTLP/JSON, which is an object with resourceSpans; as application/x-protobuf
/// an ExportTraceServiceRequest; packed with gzip or zstd or not. OTLP is answered in OTLP's words. Attributes that begin
/// with ctrlplane. (DEPLOY_ATTRIBUTE_PREFIX) become columns.
#[utoipa::path(
    post,
    path = "/workspaces/{id}/spans",
    tag = "deployments",
    params(("id" = String, Path, description = "The workspace, a UUID")),
    request_body(content((SpansFields = "application/json"), (Vec<u8> = "application/x-protobuf"))),
    responses(
        (status = 200, body = SpansTaken),
        (status = 400, body = Problem, description = "A span cannot be taken; nothing was stored"),
        (status = 403, body = Problem, description = "A trace is of another workspace"),
        (status = 404, body = Problem, description = "There is no such workspace"),
        (status = 413, body = Problem, description = "Send it in parts"),
        (status = 415, body = Problem),
        (status = 429, body = Problem, description = "Send the same again after Retry-After"),
        (status = 503, body = Problem, description = "Send the same again after Retry-After")
    )
)]
pub(super) async fn write_spans(
    State(roads): Shared,
    PathText(id): PathText,
    Parameters(Nothing {}): Parameters<Nothing>,
    request: Request,
) -> Response {
    let Some(form) = otlp_http::form(request.headers()) else {
        return media().into_problem();
    };
    let workspace: WorkspaceId = match id.parse() {
        Ok(workspace) => workspace,
        Err(error) => {
            let refusal = Refusal::invalid(annals_deploy::Error::to_string(&error));
            return refuse(refusal, language_of(form));
        }
    };
    take(&roads, Whose::Workspace(workspace), form, request).await
}

/// Takes spans of an external system under a trace token, all or none, and answers once they are committed. They are of traces
/// of their own, which hang under the token's span, or of the token's trace; their workspace is the token's, and their phase
/// is external unless they say otherwise. Bodies and answers are those of POST /workspaces/{id}/spans.
///
/// The token of POST /workspaces/{id}/tokens comes as Authorization: Bearer TOKEN, and no API token is asked for.
#[utoipa::path(
    post,
    path = "/api/traces/spans",
    tag = "deployments",
    request_body(content((SpansFields = "application/json"), (Vec<u8> = "application/x-protobuf"))),
    responses(
        (status = 200, body = SpansTaken),
        (status = 400, body = Problem, description = "A span cannot be taken; nothing was stored"),
        (status = 401, body = Problem, description = "The token is refused, and why"),
        (status = 403, body = Problem, description = "A span, its trace or its workspace is not the token's"),
        (status = 413, body = Problem, description = "Send it in parts"),
        (status = 415, body = Problem),
        (status = 429, body = Problem, description = "Send the same again after Retry-After"),
        (status = 503, body = Problem, description = "Send the same again after Retry-After")
    )
)]
pub(super) async fn write_external_spans(
    State(roads): Shared,
    Parameters(Nothing {}): Parameters<Nothing>,
    request: Request,
) -> Response {
    let form = otlp_http::form(request.headers());
    // Before anything is read: who has no token is to cost nothing.
    let claims = match token::claims(&roads.deployments, request.headers()) {
        Ok(claims) => claims,
        Err(refusal) => return refuse(refusal, form.map_or(Language::Plain, language_of)),
    };
    let Some(form) = form else {
        return media().into_problem();
    };
    take(&roads, Whose::Token(claims), form, request).await
}

/// Whose the spans are.
#[derive(Clone, Debug)]
enum Whose {
    Workspace(WorkspaceId),
    Token(Claims),
}

impl Whose {
    fn token(&self) -> Option<&Claims> {
        match self {
            Self::Workspace(_) => None,
            Self::Token(claims) => Some(claims),
        }
    }
}

fn media() -> Refusal {
    Refusal::media("the Content-Type must be application/json or application/x-protobuf")
}

/// The language of a request of which only the media type is known.
fn language_of(form: Form) -> Language {
    match form {
        Form::Protobuf => Language::Otlp(form),
        Form::Json => Language::Plain,
    }
}

async fn take(roads: &Arc<Roads>, whose: Whose, form: Form, request: Request) -> Response {
    let (_permit, message) = match roads.gate.receive(request).await {
        Ok(received) => received,
        Err(refusal) => return refuse(refusal, language_of(form)),
    };
    let started = Instant::now();
    let road = match whose {
        Whose::Workspace(_) => Road::Deployments,
        Whose::Token(_) => Road::TraceToken,
    };
    let bounds = roads.bounds();
    let (shared, owner) = (Arc::clone(roads), whose.clone());
    let decoded = roads.gate.decode(message, move |bytes| {
        let intake = &shared.deployments;
        let body = body::read(form, &bytes, intake.prefix(), &bounds);
        let rows = body.spans.and_then(|spans| match &owner {
            Whose::Workspace(workspace) => intake.rows(spans, *workspace),
            Whose::Token(claims) => intake.rows_under(spans, claims),
        });
        Ok((body.language, rows))
    });
    let (language, written) = match decoded.await {
        Err(refusal) => (language_of(form), Err(refusal)),
        Ok((language, Err(refusal))) => (language, Err(refusal)),
        Ok((language, Ok(rows))) => {
            let count = rows.len();
            let written = roads.deployments.write(rows, whose.token()).await;
            (language, written.map(|()| count))
        }
    };
    let outcome = match &written {
        Ok(_) => Outcome::Ok,
        Err(refusal) => refusal.outcome(),
    };
    metrics::answered(road, outcome, started.elapsed());
    match (written, language) {
        (Ok(accepted), Language::Plain) => Json(SpansTaken { accepted }).into_response(),
        (Ok(_), Language::Otlp(form)) => {
            otlp_http::success::<Traces>(form, &ExportTraceServiceResponse::default())
        }
        (Err(refusal), language) => refuse(refusal, language),
    }
}

fn refuse(refusal: Refusal, language: Language) -> Response {
    match language {
        Language::Plain => refusal.into_problem(),
        Language::Otlp(form) => refusal.into_response(form),
    }
}
