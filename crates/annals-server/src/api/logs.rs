//! Logs: records that match, counts of them, and records as they come.

mod asked;
mod follow;
mod record;

use std::time::Duration;

use annals_record::Timestamp;
use annals_telemetry::LogCounts;
use axum::{Json, extract::State, response::Response};
use http::{HeaderName, HeaderValue, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

pub(super) use follow::{__path_follow_logs, follow_logs};

use self::{
    asked::{Asked, LogListing},
    record::LogJson,
};
use super::{
    Api,
    page::page,
    parameters::{Pairs, Parameters, count, time, window},
    problem::Problem,
};

/// Records of a listing when nobody says how many, and at most.
const LIMIT: (u64, u64) = (100, 10_000);

/// The window that was searched because none was given.
const WINDOW: HeaderName = HeaderName::from_static("annals-window");

/// How far back is counted, and by which slices, when nobody says.
const COUNTED: (Duration, Duration) = (Duration::from_secs(3_600), Duration::from_secs(60));

/// Log records that match, newest first. The header Annals-Next-Cursor, and Link with rel="next", tell where the next page
/// begins; the last page has neither. What no index has (text, attribute, event, scope, a span without its trace) is
/// looked for in the last day unless since or until is given, and the header Annals-Window tells so.
#[utoipa::path(
    get,
    path = "/logs",
    tag = "logs",
    params(LogListing),
    responses((status = 200, body = Vec<LogJson>), (status = 400, body = Problem))
)]
pub(super) async fn list_logs(
    State(api): State<Api>,
    asked: Uri,
    Pairs(pairs): Pairs,
) -> Result<Response, Problem> {
    let mut given = Asked::of(pairs)?;
    let limit = count(
        "limit",
        given.take("limit").as_deref(),
        LIMIT.0,
        (1, LIMIT.1),
    )?;
    let order = given.order()?;
    let after = given.take("cursor");
    let mut filter = given.filter()?;
    filter.limit = u32::try_from(limit).ok();
    filter.order = order;
    filter.after = after;
    let found = api.logs().search(filter).await?;
    let records: Vec<LogJson> = found.rows.into_iter().map(LogJson::from).collect();
    let mut response = page(&records, &asked, found.next);
    if let Some((since, until)) = found.defaulted
        && let Ok(value) = HeaderValue::from_str(&format!("{since}/{until}; defaulted"))
    {
        response.headers_mut().insert(WINDOW, value);
    }
    Ok(response)
}

/// What to count.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Counting {
    /// Only records of this service
    service: Option<String>,
    /// Only records at least so grave: trace, debug, info, warn, error, fatal, or 1 to 24
    severity: Option<String>,
    /// Only records whose body contains this, whatever its case
    text: Option<String>,
    /// Records of then or later (RFC 3339); an hour before until when not given
    since: Option<String>,
    /// Records before then (RFC 3339); now when not given
    until: Option<String>,
    /// How long a slice is, such as 1m or 1h; slices begin at multiples of it since 1970, and there are at most 2000
    bucket: Option<String>,
}

/// Records of one service and severity in a slice of time.
#[derive(Serialize, ToSchema)]
pub(super) struct LogCountJson {
    /// When the slice begins, RFC 3339.
    #[schema(format = DateTime)]
    start: String,
    service_name: String,
    /// trace, debug, info, warn, error or fatal; absent where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    count: u64,
}

/// How many records there were by service and severity, in slices of time: what a histogram shows. Slices without records
/// are left out.
#[utoipa::path(
    get,
    path = "/logs/counts",
    tag = "logs",
    params(Counting),
    responses((status = 200, body = Vec<LogCountJson>), (status = 400, body = Problem))
)]
pub(super) async fn count_logs(
    State(api): State<Api>,
    Parameters(given): Parameters<Counting>,
) -> Result<Json<Vec<LogCountJson>>, Problem> {
    let to = time("until", given.until.as_deref())?.unwrap_or_else(Timestamp::now);
    let from = time("since", given.since.as_deref())?.unwrap_or_else(|| {
        let nanos = i64::try_from(COUNTED.0.as_nanos()).unwrap_or(i64::MAX);
        Timestamp::from_unix_nanos(to.unix_nanos().saturating_sub(nanos))
    });
    let bucket = window("bucket", given.bucket.as_deref(), COUNTED.1, api.max_window)?;
    let counted = api.logs().counts(LogCounts {
        from,
        to,
        bucket,
        service_name: given.service,
        severity: asked::severity(given.severity.as_deref())?,
        text: given.text,
    });
    let counted = counted.await?.into_iter();
    let shown = counted.map(|count| LogCountJson {
        start: count.start.to_string(),
        service_name: count.service_name,
        severity: count.level.map(annals_telemetry::LogLevel::as_str),
        count: count.count,
    });
    Ok(Json(shown.collect()))
}
