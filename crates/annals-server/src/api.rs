//! The HTTP API: how the server is, what it keeps, and the road in of bars and ticks.

mod bar;
mod bars;
mod costs;
mod logs;
mod metrics_data;
mod models;
pub(crate) mod object;
pub(crate) mod page;
pub(crate) mod parameters;
pub(crate) mod problem;
mod span;
mod spans;
mod status;
mod traces;
mod write;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, Method, StatusCode};
use tokio::sync::watch;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ServerConfig,
    admin::{self, Admin},
    deployments,
    events::{self, EventRoads, Fault},
    roads::Roads,
    server::Stop,
};
use problem::Problem;

/// What every handler needs.
#[derive(Clone)]
struct Api {
    roads: Arc<Roads>,
    max_window: Duration,
    stop: watch::Receiver<Stop>,
}

impl Api {
    fn spans(&self) -> &annals_telemetry::Spans {
        self.roads.otlp.spans()
    }

    fn metrics(&self) -> &annals_telemetry::metrics::MetricRepository {
        self.roads.metrics.metrics().repository()
    }

    fn logs(&self) -> &annals_telemetry::Logs {
        self.roads.logs.logs()
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Annals",
        description = "Durable storage for everything that happens over time. Times are RFC 3339 with nanoseconds, durations of parameters are texts such as 5m or 1h."
    ),
    tags(
        (name = "server", description = "How the server is"),
        (name = "traces", description = "Spans and traces"),
        (name = "metrics", description = "What was measured: metrics, their points, and values over time"),
        (name = "logs", description = "What services said, by search and as it comes"),
        (name = "models", description = "Latency of models, and what was unusual"),
        (name = "costs", description = "What models were used for, and what it cost"),
        (name = "bars", description = "Bars of market data, and the ticks that they are made of"),
        (name = "deployments", description = "Deployment traces by workspace: what was decided, done and reported, and why something is not deployed"),
        (name = "admin", description = "The life of data: chunks, compression, retention and policies. Asks for the API token, and without one in the settings is closed. Ages are texts such as 90 days.")
    )
)]
struct Description;

/// What the HTTP port serves.
pub(crate) fn router(
    roads: &Arc<Roads>,
    events: &Arc<EventRoads>,
    admin: &Arc<Admin>,
    config: &ServerConfig,
) -> Router {
    let api = Api {
        roads: Arc::clone(roads),
        max_window: config.max_query_window,
        stop: events.stop(),
    };
    let data = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(traces::search_traces))
        .routes(routes!(spans::get_trace))
        .routes(routes!(spans::list_spans))
        .routes(routes!(metrics_data::list_metrics))
        .routes(routes!(metrics_data::read_metric))
        .routes(routes!(logs::list_logs))
        .routes(routes!(logs::count_logs))
        .routes(routes!(logs::follow_logs))
        .routes(routes!(costs::costs))
        .routes(routes!(costs::prices))
        .routes(routes!(models::list_models))
        .routes(routes!(models::latency))
        .routes(routes!(models::regression))
        .routes(routes!(models::analysis))
        .routes(routes!(bars::list_bars))
        .routes(routes!(bars::latest))
        .routes(routes!(bars::gaps))
        .routes(routes!(bars::latest_of_many))
        .routes(routes!(bars::symbols))
        .routes(routes!(status::metrics))
        .layer(axum::middleware::from_fn_with_state(
            config.query_timeout,
            in_time,
        ))
        // Not questions: how long they may take, INGEST_TIMEOUT and READ_TIMEOUT say.
        .routes(routes!(write::write_bars))
        .routes(routes!(write::feed_ticks))
        .routes(routes!(costs::recompute))
        .layer(axum::middleware::from_fn_with_state(
            (roads.token.clone(), refuse as crate::auth::Refuse),
            crate::auth::guard,
        ))
        // They have guards of their own.
        .merge(deployments::router(roads, config))
        .merge(admin::router(admin, config));
    let (router, description) = data
        .routes(routes!(status::index))
        .routes(routes!(status::health))
        .routes(routes!(status::ready))
        .routes(routes!(status::version))
        .split_for_parts();
    let description = Arc::new(description);
    router
        .route(
            "/openapi.json",
            axum::routing::get(async move || Json(Arc::unwrap_or_clone(description))),
        )
        .method_not_allowed_fallback(wrong_method)
        .fallback(unknown)
        .with_state(api)
        // They have tokens of their own.
        .merge(events::router(events))
}

/// Says no as every road of this API does.
pub(crate) fn refuse(status: StatusCode, message: &str, _: &HeaderMap) -> Response {
    Problem::new(status, message).into()
}

/// Answers for a database that does not.
pub(crate) async fn in_time(
    State(within): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    match tokio::time::timeout(within, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "the database did not answer within {} s (QUERY_TIMEOUT); ask for less, or again later",
                within.as_secs_f64()
            ),
        )
        .into(),
    }
}

async fn wrong_method(State(api): State<Api>, method: Method, request: Request) -> Response {
    let path = request.uri().path();
    // The event store's clients may ask for these by any method.
    match path {
        "/health" => return status::health().await.into_response(),
        "/version" => return status::version(State(api)).await.into_response(),
        _ => {}
    }
    let served = match path {
        "/bars" => "GET or POST",
        "/ticks" | "/costs/recompute" => "POST",
        _ if deployments::is_path(path) => deployments::methods(path),
        _ if path.starts_with("/admin/") => admin::methods(path),
        _ => "GET",
    };
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} is not served at {path}; send {served}"),
    )
    .into()
}

async fn unknown(request: Request) -> Response {
    let path = request.uri().path();
    let hint = if path.starts_with("/models/") {
        "; in a model's name write / as %2F"
    } else if path.starts_with("/metrics-data/") {
        "; in a metric's name write / as %2F"
    } else if path.starts_with("/bars/") {
        "; in a symbol write / as %2F"
    } else if path.starts_with("/workspaces/") {
        "; in the key of a release target write / as %2F"
    } else if path.starts_with("/admin") {
        "; GET /admin/tables lists tables, and GET /openapi.json what can be done to them"
    } else {
        "; GET / lists what is"
    };
    Fault::no_endpoint(&format!("nothing is served at {path}{hint}")).into_response()
}
