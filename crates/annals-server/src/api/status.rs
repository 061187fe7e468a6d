//! How the server is.

use std::time::Duration;

use axum::{Json, extract::State, response::IntoResponse};
use http::header;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Api,
    problem::{self, Problem},
};

/// How long the database has to say that it is there.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// How long the pool is waited for when metrics are shown.
const POOL_WITHIN: Duration = Duration::from_millis(500);

/// Where to look.
#[derive(Serialize, ToSchema)]
pub(super) struct Index {
    /// Name and version.
    server: &'static str,
    /// What can be asked for.
    see: Vec<&'static str>,
}

/// What is served here.
#[utoipa::path(get, path = "/", tag = "server", responses((status = 200, body = Index)))]
pub(super) async fn index() -> Json<Index> {
    Json(Index {
        server: concat!("annals ", env!("CARGO_PKG_VERSION")),
        see: vec![
            "/spans?limit=10",
            "/traces",
            "/traces/{id}",
            "/logs?severity=error",
            "/logs/counts?bucket=1m",
            "/logs/follow",
            "/models",
            "/costs?by=model&since=30d",
            "/costs/prices",
            "/models/{name}/latency?window=5m",
            "/models/{name}/regression",
            "/models/{name}/analysis",
            "/bars/{symbol}?timeframe=5m",
            "/bars/{symbol}/latest?limit=200",
            "/bars/{symbol}/gaps",
            "/bars?symbols=A,B&limit=1",
            "/symbols",
            "POST /bars",
            "POST /ticks",
            "/workspaces",
            "/workspaces/{id}/traces",
            "/workspaces/{id}/traces/{trace}/tree",
            "/workspaces/{id}/release-targets/{key}/why",
            "POST /workspaces/{id}/spans",
            "POST /api/traces/spans",
            "POST /rpc",
            "/subscribe?category={category}",
            "POST /import",
            "/admin/tables",
            "/admin/policies",
            "/health",
            "/ready",
            "/version",
            "/metrics",
            "/openapi.json",
        ],
    })
}

/// That the process lives.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`.
    status: &'static str,
}

/// Says that the process lives; the database is not asked.
#[utoipa::path(get, path = "/health", tag = "server", responses((status = 200, body = Health)))]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// That the database answers.
#[derive(Serialize, ToSchema)]
pub(super) struct Ready {
    /// `ready`.
    status: &'static str,
    /// How long the database took to answer, in milliseconds.
    database_ms: f64,
}

/// Asks the database for an answer.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "server",
    responses((status = 200, body = Ready), (status = 503, body = Problem))
)]
pub(super) async fn ready(State(api): State<Api>) -> Result<Json<Ready>, Problem> {
    match tokio::time::timeout(READY_WITHIN, api.spans().store().health()).await {
        Ok(Ok(health)) => Ok(Json(Ready {
            status: "ready",
            database_ms: health.latency.as_secs_f64() * 1e3,
        })),
        Ok(Err(error)) => {
            tracing::warn!(error = error.report(), "not ready");
            Err(problem::away())
        }
        Err(_) => Err(problem::away()),
    }
}

/// Which program this is.
#[derive(Serialize, ToSchema)]
pub(super) struct Version {
    /// The program's version.
    version: &'static str,
    /// Which kind of database is behind it.
    database: String,
}

/// Says which program and which kind of database this is.
#[utoipa::path(get, path = "/version", tag = "server", responses((status = 200, body = Version)))]
pub(super) async fn version(State(api): State<Api>) -> Json<Version> {
    Json(Version {
        version: env!("CARGO_PKG_VERSION"),
        database: api.spans().store().capabilities().edition().to_string(),
    })
}

/// Figures of the server and its store, as Prometheus reads them.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    responses((status = 200, body = String, content_type = "text/plain; version=0.0.4"))
)]
pub(super) async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    // Sets the pool's gauges. A database that is away is no reason to hide the other figures.
    let _ = tokio::time::timeout(POOL_WITHIN, api.spans().store().health()).await;
    crate::metrics::infertrace_queue(api.roads.infertrace.held());
    crate::metrics::feed(&api.roads.ticks);
    api.roads.cache.report();
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        crate::metrics::handle().render(),
    )
}
