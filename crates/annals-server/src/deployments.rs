//! Deployment traces by HTTP, under `/workspaces`, and `/api/traces/spans` for external systems.
//!
//! | Module | What lives there |
//! |---|---|
//! | `body` | what a request with spans brings, and in which language |
//! | `fields` | a span as plain JSON |
//! | `otlp` | a span of OTLP |
//! | `taking` | the roads in: by an engine, and under a trace token |
//! | `intake` | the one road into the store |
//! | `token` | making a trace token, and reading the one that a request brings |
//! | `workspaces` | making, finding, listing and deleting them |
//! | `reads`, `findings` | questions |
//! | `listing`, `span`, `tree` | how they are asked and answered |
//!
//! `/workspaces` is behind the API token as all data is, `/api/traces/spans` behind the trace token alone: what has it
//! may be a script in somebody else's machine.

mod body;
mod fields;
mod findings;
mod intake;
mod listing;
mod otlp;
mod reads;
mod span;
mod taking;
mod token;
mod tree;
mod workspaces;

use std::sync::Arc;

use axum::{extract::State, middleware::from_fn_with_state};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use intake::DeploymentIntake;

use crate::{ServerConfig, api, auth, roads::Roads};

type Shared = State<Arc<Roads>>;

/// Where external systems send spans.
const EXTERNAL: &str = "/api/traces/spans";

/// What the HTTP port serves of it.
pub(crate) fn router<S>(roads: &Arc<Roads>, config: &ServerConfig) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::new()
        .routes(routes!(workspaces::list, workspaces::create))
        .routes(routes!(workspaces::one))
        .routes(routes!(token::make_token))
        .routes(routes!(reads::list_traces))
        .routes(routes!(reads::trace))
        .routes(routes!(reads::tree))
        .routes(routes!(reads::children))
        .routes(routes!(reads::list_spans))
        .routes(routes!(reads::roots))
        .routes(routes!(reads::of_release))
        .routes(routes!(reads::of_release_target))
        .routes(routes!(reads::of_job))
        .routes(routes!(findings::why))
        .routes(routes!(findings::failures))
        .routes(routes!(findings::phases))
        .layer(from_fn_with_state(config.query_timeout, api::in_time))
        // How long spans may take, INGEST_TIMEOUT and READ_TIMEOUT say; a deletion takes as long as it takes.
        .routes(routes!(workspaces::delete))
        .routes(routes!(taking::write_spans))
        .layer(from_fn_with_state(
            (roads.token.clone(), api::refuse as auth::Refuse),
            auth::guard,
        ))
        // It has a token of its own.
        .routes(routes!(taking::write_external_spans))
        .with_state(Arc::clone(roads))
}

/// Whether a path is one of these.
pub(crate) fn is_path(path: &str) -> bool {
    path == "/workspaces" || path.starts_with("/workspaces/") || path == EXTERNAL
}

/// The methods that are served at such a path, for those who send another.
pub(crate) fn methods(path: &str) -> &'static str {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts[..] {
        ["workspaces"] | ["workspaces", _, "spans"] => "GET or POST",
        ["workspaces", _] => "GET or DELETE",
        ["workspaces", _, "tokens"] => "POST",
        ["workspaces", ..] => "GET",
        _ => "POST",
    }
}
