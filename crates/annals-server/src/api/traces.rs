//! Traces by what they and their spans are.

mod asked;
mod row;

use axum::{extract::State, response::Response};
use http::{HeaderName, HeaderValue, Uri};

use self::asked::{Asked, TraceListing};
pub(super) use self::row::TraceRowJson;
use super::{
    Api,
    page::page,
    parameters::{Pairs, count},
    problem::Problem,
};

/// Traces of a listing when nobody says how many, and at most.
const LIMIT: (u64, u64) = (50, 1_000);

/// The window that was searched because none was given.
const WINDOW: HeaderName = HeaderName::from_static("annals-window");

/// Traces that match, the one that began last first; where something is asked of their spans, the one with the newest span
/// that matches. The header Annals-Next-Cursor, and Link with rel="next", tell where the next page begins; the last page
/// has neither, and one that had to look at much may be short. What no index has (attribute, name, root, tool, agent, tokens) is looked
/// for in the last day unless since is given, or user or conversation, and the header Annals-Window tells so.
#[utoipa::path(
    get,
    path = "/traces",
    tag = "traces",
    params(TraceListing),
    responses((status = 200, body = Vec<TraceRowJson>), (status = 400, body = Problem))
)]
pub(super) async fn search_traces(
    State(api): State<Api>,
    asked: Uri,
    Pairs(pairs): Pairs,
) -> Result<Response, Problem> {
    let mut given = Asked::of(pairs)?;
    let limit = given.take("limit");
    let limit = count("limit", limit.as_deref(), LIMIT.0, (1, LIMIT.1))?;
    let after = given.take("cursor");
    let mut search = given.search()?;
    search.limit = u32::try_from(limit).ok();
    search.after = after;
    let found = api.spans().search(search).await?;
    let rows: Vec<TraceRowJson> = found.traces.into_iter().map(TraceRowJson::from).collect();
    let mut response = page(&rows, &asked, found.next);
    if let Some(window) = found.window.filter(|window| window.is_defaulted)
        && let (Some(since), Some(until)) = (window.since, window.until)
        && let Ok(value) = HeaderValue::from_str(&format!("{since}/{until}; defaulted"))
    {
        response.headers_mut().insert(WINDOW, value);
    }
    Ok(response)
}
