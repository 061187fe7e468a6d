//! Spans and traces.

use annals_telemetry::{Error, Span, SpanFilter, SpanOrder, SpanStore as _};
use axum::{Json, extract::State, response::Response};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    page::page,
    parameters::{Parameters, PathText, count, time},
    problem::Problem,
    span::{SpanJson, SpanSummaryJson},
    traces::TraceRowJson,
};

/// Spans of a listing at most.
const MAX_LIMIT: u64 = 10_000;

/// A trace.
#[derive(Serialize, ToSchema)]
pub(super) struct TraceJson {
    trace_id: String,
    /// What is known of the trace as a whole; absent for one whose spans came past the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<TraceRowJson>,
    /// By start to the nanosecond, then by id.
    spans: Vec<SpanJson>,
}

/// Every span of a trace.
#[utoipa::path(
    get,
    path = "/traces/{id}",
    tag = "traces",
    params(("id" = String, Path, description = "The trace's id")),
    responses((status = 200, body = TraceJson), (status = 404, body = Problem))
)]
pub(super) async fn get_trace(
    State(api): State<Api>,
    PathText(id): PathText,
) -> Result<Json<TraceJson>, Problem> {
    let mut found = api.spans().get_trace(&id).await;
    for other in other_forms(&id) {
        if !matches!(found, Err(Error::TraceNotFound { .. })) {
            break;
        }
        match api.spans().get_trace(&other).await {
            // Whoever asked knows the id that was asked for.
            Err(Error::TraceNotFound { .. }) => {}
            other => found = other,
        }
    }
    let spans: Vec<Span> = found?;
    let trace_id = spans.first().map_or(id, |span| span.trace_id.clone());
    let summary = api.spans().trace(&trace_id).await?;
    Ok(Json(TraceJson {
        trace_id,
        summary: summary.map(TraceRowJson::from),
        spans: spans.into_iter().map(SpanJson::from).collect(),
    }))
}

/// What else an id may be stored as: hexadecimal is lower case, and so are InferTrace's ids of 16 bytes,
/// which may be readable text.
fn other_forms(id: &str) -> Vec<String> {
    let mut forms = Vec::new();
    if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let lower = id.to_ascii_lowercase();
        if lower != id {
            forms.push(lower);
        }
    }
    if id.len() == 16 {
        forms.push(hex::encode(id));
    }
    forms
}

/// Which spans to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// Only spans of this service
    service: Option<String>,
    /// Only spans of this model
    model: Option<String>,
    /// Only spans that began then or later (RFC 3339)
    since: Option<String>,
    /// Only spans that began then or earlier (RFC 3339)
    until: Option<String>,
    /// At most so many, 1 to 10000; 100 when not given
    limit: Option<String>,
    /// newest (first, the default) or oldest
    order: Option<String>,
    /// all (the default), or summary: without tags, events, links, resource and scope, which may be large and are then not read
    fields: Option<String>,
    /// Go on behind the page whose header Annals-Next-Cursor said this
    cursor: Option<String>,
}

/// Spans that match, newest first. The header Annals-Next-Cursor, and Link with rel="next", tell where
/// the next page begins; the last page has neither.
#[utoipa::path(
    get,
    path = "/spans",
    tag = "traces",
    params(Listing),
    responses((status = 200, body = Vec<SpanJson>), (status = 400, body = Problem))
)]
pub(super) async fn list_spans(
    State(api): State<Api>,
    asked: Uri,
    Parameters(listing): Parameters<Listing>,
) -> Result<Response, Problem> {
    let limit = count("limit", listing.limit.as_deref(), 100, (1, MAX_LIMIT))?;
    let order = match listing.order.as_deref() {
        None | Some("newest") => SpanOrder::NewestFirst,
        Some("oldest") => SpanOrder::OldestFirst,
        Some(other) => return Err(Problem::parameter("order", other, "newest or oldest")),
    };
    let filter = SpanFilter {
        since: time("since", listing.since.as_deref())?,
        until: time("until", listing.until.as_deref())?,
        service_name: listing.service,
        model_name: listing.model,
        limit: u32::try_from(limit).ok(),
        order,
        after: listing.cursor,
    };
    let is_summary = match listing.fields.as_deref() {
        None | Some("all") => false,
        Some("summary") => true,
        Some(other) => return Err(Problem::parameter("fields", other, "all or summary")),
    };
    if is_summary {
        let found = api.spans().list_summaries(filter).await?;
        let spans: Vec<SpanSummaryJson> =
            found.rows.into_iter().map(SpanSummaryJson::from).collect();
        return Ok(page(&spans, &asked, found.next));
    }
    let found = api.spans().list_spans(filter).await?;
    let spans: Vec<SpanJson> = found.rows.into_iter().map(SpanJson::from).collect();
    Ok(page(&spans, &asked, found.next))
}
