//! Metrics: which there are, their points, and what these come to.

mod asked;
mod shown;

use std::time::Duration;

use annals_record::Timestamp;
use annals_telemetry::{
    MetricType,
    metrics::{Aggregation, MetricFilter, Selection},
};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderName, HeaderValue, Uri};
use serde::Deserialize;
use utoipa::IntoParams;

use self::{
    asked::{Asked, MetricReading},
    shown::{MetricJson, SeriesJson},
};
use super::{
    Api,
    page::page,
    parameters::{Pairs, Parameters, PathText, count},
    problem::Problem,
};

/// Rows of a listing when nobody says how many, and at most.
const LIMIT: (u64, u64) = (100, 10_000);

/// How far back is looked when nobody says: for values over time, and for the newest ones.
const WINDOW: Duration = Duration::from_secs(3_600);
const LATEST_WINDOW: Duration = Duration::from_secs(24 * 3_600);

/// The window that was taken because none was given.
const DEFAULTED: HeaderName = HeaderName::from_static("annals-window");

/// Which metrics to list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MetricListing {
    /// Only those of this name
    name: Option<String>,
    /// Only those whose name begins so
    prefix: Option<String>,
    /// Only those whose name contains this, whatever its case
    contains: Option<String>,
    /// Only those of this service
    service: Option<String>,
    /// Only those of this type: gauge, sum, histogram, exponential_histogram or summary
    #[serde(rename = "type")]
    #[param(rename = "type")]
    metric_type: Option<String>,
    /// At most so many, 1 to 10000; 100 when not given
    limit: Option<String>,
    /// Go on behind the page whose header Annals-Next-Cursor said this
    cursor: Option<String>,
}

/// Metrics by name, then service: one for each resource and scope that measures it. The header Annals-Next-Cursor, and Link
/// with rel="next", tell where the next page begins; the last page has neither.
#[utoipa::path(
    get,
    path = "/metrics-data",
    tag = "metrics",
    params(MetricListing),
    responses((status = 200, body = Vec<MetricJson>), (status = 400, body = Problem))
)]
pub(super) async fn list_metrics(
    State(api): State<Api>,
    asked: Uri,
    Parameters(listing): Parameters<MetricListing>,
) -> Result<Response, Problem> {
    let limit = count("limit", listing.limit.as_deref(), LIMIT.0, (1, LIMIT.1))?;
    let filter = MetricFilter {
        name: listing.name,
        prefix: listing.prefix,
        contains: listing.contains,
        service_name: listing.service,
        metric_type: asked::metric_type(listing.metric_type.as_deref())?,
        limit: u32::try_from(limit).ok(),
        after: listing.cursor,
    };
    let found = api.metrics().list(filter).await?;
    let metrics: Vec<MetricJson> = found.rows.into_iter().map(MetricJson::from).collect();
    Ok(page(&metrics, &asked, found.next))
}

/// A metric's points, series after series, the oldest of each first; with `latest=true` the newest point of each series;
/// with `aggregate` values over buckets of time. A name that several metrics have, of different types or units, asks for
/// `type` or `unit`.
///
/// Of a counter, `sum` is what it has grown by and `rate` the same in a second, wherever counting began anew; of a histogram
/// or summary, `count`, `sum`, `avg`, `rate` and percentiles are of the values that it has counted in a bucket. Percentiles
/// are of the sum of all histograms of a group, never means of percentiles. Buckets begin at multiples of their length since
/// 1970, and those with nothing in them are left out. Without `since` values go back an hour and newest points
/// a day, and the header Annals-Window tells so.
#[utoipa::path(
    get,
    path = "/metrics-data/{name}",
    tag = "metrics",
    params(("name" = String, Path, description = "The metric's name; / as %2F"), MetricReading),
    responses(
        (status = 200, body = Vec<SeriesJson>),
        (status = 400, body = Problem),
        (status = 404, body = Problem)
    )
)]
pub(super) async fn read_metric(
    State(api): State<Api>,
    asked: Uri,
    PathText(name): PathText,
    Pairs(pairs): Pairs,
) -> Result<Response, Problem> {
    let mut given = Asked::of(pairs)?;
    let limit = given.take("limit");
    let limit = count("limit", limit.as_deref(), LIMIT.0, (1, LIMIT.1))?;
    let limit = u32::try_from(limit).ok();
    let is_latest = given.is_latest()?;
    let aggregation = given.aggregation()?;
    let after = given.take("cursor");
    let mut selection = given.selection(name)?;
    match aggregation {
        Some(_) if is_latest => Err(both("latest", "aggregate")),
        Some(_) if after.is_some() => Err(both("cursor", "aggregate")),
        None if is_latest && after.is_some() => Err(both("cursor", "latest")),
        Some(aggregation) => {
            let defaulted = ending_now(&mut selection, WINDOW);
            let response = aggregated(&api, &selection, &aggregation).await?;
            Ok(telling(response, defaulted))
        }
        None if is_latest => {
            let defaulted = selection.since.is_none();
            if defaulted {
                selection.since = Some(Timestamp::now() - LATEST_WINDOW);
            }
            let since = selection.since;
            let found = api.metrics().latest(&selection, limit).await?;
            let response = Json(SeriesJson::of_points(&found.metrics, &found.points));
            let defaulted = since.filter(|_| defaulted).map(|since| (since, None));
            Ok(telling(response.into_response(), defaulted))
        }
        None => {
            let found = api.metrics().points(&selection, limit, after).await?;
            let series = SeriesJson::of_points(&found.metrics, &found.points);
            Ok(page(&series, &asked, found.next))
        }
    }
}

async fn aggregated(
    api: &Api,
    selection: &Selection,
    aggregation: &Aggregation,
) -> Result<Response, Problem> {
    let found = api.metrics().aggregate(selection, aggregation).await?;
    Ok(Json(SeriesJson::of_groups(found, aggregation.aggregate)).into_response())
}

/// Sets the ends of a window that nobody has told; gives it when its beginning is one of them.
fn ending_now(selection: &mut Selection, back: Duration) -> Option<(Timestamp, Option<Timestamp>)> {
    let until = *selection.until.get_or_insert_with(Timestamp::now);
    if selection.since.is_some() {
        return None;
    }
    let since = until - back;
    selection.since = Some(since);
    Some((since, Some(until)))
}

/// The same answer with the window that was taken because none was given.
fn telling(mut response: Response, window: Option<(Timestamp, Option<Timestamp>)>) -> Response {
    if let Some((since, until)) = window {
        let until = until.map_or_else(String::new, |until| until.to_string());
        if let Ok(value) = HeaderValue::from_str(&format!("{since}/{until}; defaulted")) {
            response.headers_mut().insert(DEFAULTED, value);
        }
    }
    response
}

fn both(one: &str, other: &str) -> Problem {
    Problem::unreadable(&format!("{one} has no meaning together with {other}"))
}

/// Whether a word is that of a type of metrics.
fn type_named(word: &str) -> Option<MetricType> {
    MetricType::ALL
        .into_iter()
        .find(|known| known.as_str() == word)
}
