//! Bars: of a time range, the newest ones, and where there are none.

use std::time::Duration;

use annals_market::{BarRange, BarStore as _, Timeframe, Zone};
use annals_record::Timestamp;
use axum::{Json, extract::State, response::Response};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    bar::{BarJson, shown},
    page::page,
    parameters::{Pairs, Parameters, PathText, count, time},
    problem::Problem,
};

/// Bars of a listing when nobody says how many, and at most.
const LIMIT: (u64, u64) = (1_000, 10_000);

/// The newest bars when nobody says how many.
const LATEST: u64 = 200;

/// Symbols of one question at most, and the bars of its answer.
const MANY: (u64, u64) = (1_000, 100_000);

/// How far back a range reaches of which only the end is known, in bars: a day of minutes.
const REACH: u32 = 24 * 60;

/// How far back symbols are looked for.
const SEEN: Duration = Duration::from_secs(24 * 3_600);

fn timeframe(text: Option<&str>) -> Result<Timeframe, Problem> {
    text.map_or(Ok(Timeframe::M1), |text| {
        text.parse().map_err(|_| {
            let words = Timeframe::ALL.map(Timeframe::as_str).join(", ");
            Problem::parameter("timeframe", text, &format!("one of {words}"))
        })
    })
}

fn zone(text: Option<&str>) -> Result<Zone, Problem> {
    text.map_or_else(
        || Ok(Zone::utc()),
        |name| {
            Zone::named(name).map_err(|_| {
                Problem::parameter(
                    "zone",
                    name,
                    "a name of the IANA database such as America/New_York",
                )
            })
        },
    )
}

/// A symbol that bars can have; a database would choke on another.
fn symbol(name: &str, text: String) -> Result<String, Problem> {
    if text.is_empty() || text.contains('\0') {
        return Err(Problem::parameter(
            name,
            &text,
            "a text without U+0000 that is not empty",
        ));
    }
    Ok(text)
}

/// How long so many bars are, of 24 hours a day.
fn reach(timeframe: Timeframe) -> Duration {
    let minutes = match timeframe {
        Timeframe::M1 => 1,
        Timeframe::M5 => 5,
        Timeframe::M15 => 15,
        Timeframe::H1 => 60,
        Timeframe::D1 => 24 * 60,
    };
    Duration::from_secs(minutes * 60) * REACH
}

/// Which bars of a symbol.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RangeQuestion {
    /// 1m (the default), 5m, 15m, 1h or 1d; longer bars are those of the minutes that are there at the
    /// moment, with every correction
    timeframe: Option<String>,
    /// Only bars that begin then or later (RFC 3339); when not given, as much before `end` as 1440 bars
    /// are long: a day of 1m, 60 days of 1h
    start: Option<String>,
    /// Only bars that begin then or earlier (RFC 3339); now when not given
    end: Option<String>,
    /// At most so many, 1 to 10000; 1000 when not given
    limit: Option<String>,
    /// Go on behind the page whose header Annals-Next-Cursor said this
    cursor: Option<String>,
    /// Whose days bars of 1d are, by a name of the IANA database such as America/New_York; UTC when not
    /// given. Of no meaning to shorter bars
    zone: Option<String>,
}

/// Bars of a symbol in a time range, the oldest first. The header Annals-Next-Cursor, and Link with
/// rel="next", tell where the next page begins; the last page has neither.
#[utoipa::path(
    get,
    path = "/bars/{symbol}",
    tag = "bars",
    params(("symbol" = String, Path, description = "The symbol, with / as %2F"), RangeQuestion),
    responses((status = 200, body = Vec<BarJson>), (status = 400, body = Problem))
)]
pub(super) async fn list_bars(
    State(api): State<Api>,
    asked: Uri,
    PathText(text): PathText,
    Parameters(question): Parameters<RangeQuestion>,
) -> Result<Response, Problem> {
    let timeframe = timeframe(question.timeframe.as_deref())?;
    let limit = count("limit", question.limit.as_deref(), LIMIT.0, (1, LIMIT.1))?;
    let end = time("end", question.end.as_deref())?.unwrap_or_else(Timestamp::now);
    let start = time("start", question.start.as_deref())?.unwrap_or(end - reach(timeframe));
    let mut range = BarRange::new(symbol("symbol", text)?, start, end)
        .with_timeframe(timeframe, zone(question.zone.as_deref())?);
    range.limit = u32::try_from(limit).ok();
    range.after = question.cursor;
    let found = api.roads.bars.bars().get_bars(range).await?;
    Ok(page(&shown(found.bars), &asked, found.next))
}

/// Which newest bars of a symbol.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LatestQuestion {
    /// 1m (the default), 5m, 15m, 1h or 1d
    timeframe: Option<String>,
    /// At most so many, 1 to 10000; 200 when not given
    limit: Option<String>,
    /// Whose days bars of 1d are, by a name of the IANA database; UTC when not given
    zone: Option<String>,
}

/// The newest bars of a symbol, the oldest of them first. A symbol that is not known has none.
#[utoipa::path(
    get,
    path = "/bars/{symbol}/latest",
    tag = "bars",
    params(("symbol" = String, Path, description = "The symbol, with / as %2F"), LatestQuestion),
    responses((status = 200, body = Vec<BarJson>), (status = 400, body = Problem))
)]
pub(super) async fn latest(
    State(api): State<Api>,
    PathText(text): PathText,
    Parameters(question): Parameters<LatestQuestion>,
) -> Result<Json<Vec<BarJson>>, Problem> {
    let timeframe = timeframe(question.timeframe.as_deref())?;
    let limit = limit(count(
        "limit",
        question.limit.as_deref(),
        LATEST,
        (1, LIMIT.1),
    )?);
    let zone = zone(question.zone.as_deref())?;
    let symbol = symbol("symbol", text)?;
    let bars = api.roads.bars.bars();
    let found = bars.get_latest(&symbol, timeframe, &zone, limit).await?;
    Ok(Json(shown(found)))
}

/// What was bounded before.
fn limit(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Which newest bars of which symbols.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes what is read pair by pair, since one parameter repeats"
)]
pub(super) struct ManyQuestion {
    /// Symbols with commas between; at most 1000 with those of `symbol`
    symbols: Option<String>,
    /// One symbol, commas and all; may be repeated
    symbol: Option<Vec<String>>,
    /// At most so many of each symbol, 1 to 10000 and at most 100000 of all together; 200 when not given
    limit: Option<String>,
}

/// The newest bars of a minute of many symbols: symbols in the order in which they are asked for, of each
/// the oldest bar first. Symbols that are not known have none.
#[utoipa::path(
    get,
    path = "/bars",
    tag = "bars",
    params(ManyQuestion),
    responses((status = 200, body = Vec<BarJson>), (status = 400, body = Problem))
)]
pub(super) async fn latest_of_many(
    State(api): State<Api>,
    Pairs(pairs): Pairs,
) -> Result<Json<Vec<BarJson>>, Problem> {
    let (symbols, limit) = many(pairs)?;
    let found = api
        .roads
        .bars
        .bars()
        .get_latest_bars_of(&symbols, limit)
        .await?;
    Ok(Json(shown(found)))
}

fn many(pairs: Vec<(String, String)>) -> Result<(Vec<String>, u32), Problem> {
    let mut symbols: Vec<String> = Vec::new();
    let mut known = std::collections::HashSet::new();
    let mut asked = None;
    for (name, value) in pairs {
        let given = match name.as_str() {
            "symbols" => value.split(',').map(str::to_owned).collect(),
            "symbol" => vec![value],
            "limit" if asked.is_none() => {
                asked = Some(value);
                continue;
            }
            "limit" => return Err(Problem::unreadable("duplicate field `limit`")),
            other => {
                return Err(Problem::unreadable(&format!(
                    "unknown field `{other}`, expected one of `symbols`, `symbol`, `limit`"
                )));
            }
        };
        for text in given {
            let symbol = symbol(&name, text)?;
            if known.insert(symbol.clone()) {
                symbols.push(symbol);
            }
        }
    }
    let number = symbols.len() as u64;
    if number == 0 || number > MANY.0 {
        return Err(Problem::parameter(
            "symbols",
            &format!("{number} symbols"),
            &format!(
                "1 to {} of them, as symbols=A,B or symbol=A&symbol=B; GET /symbols lists those there are",
                MANY.0
            ),
        ));
    }
    let most = LIMIT.1.min(MANY.1 / number);
    let default = LATEST.min(most);
    let limit = limit(count("limit", asked.as_deref(), default, (1, most))?);
    Ok((symbols, limit))
}

/// Which minutes of a symbol.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GapsQuestion {
    /// The first minute (RFC 3339); a day before `end` when not given
    start: Option<String>,
    /// The last minute (RFC 3339); now when not given
    end: Option<String>,
}

/// Minutes in a row that a symbol has no bar for.
#[derive(Serialize, ToSchema)]
pub(super) struct GapJson {
    /// The first of them.
    #[schema(format = DateTime)]
    from: String,
    /// The last of them.
    #[schema(format = DateTime)]
    to: String,
    /// How many there are.
    minutes: u64,
}

/// The minutes of a time range, both ends included, that a symbol has no bar for. What hours its exchange
/// is open is not known here: nights are gaps too.
#[utoipa::path(
    get,
    path = "/bars/{symbol}/gaps",
    tag = "bars",
    params(("symbol" = String, Path, description = "The symbol, with / as %2F"), GapsQuestion),
    responses((status = 200, body = Vec<GapJson>), (status = 400, body = Problem))
)]
pub(super) async fn gaps(
    State(api): State<Api>,
    PathText(text): PathText,
    Parameters(question): Parameters<GapsQuestion>,
) -> Result<Json<Vec<GapJson>>, Problem> {
    let end = time("end", question.end.as_deref())?.unwrap_or_else(Timestamp::now);
    let start = time("start", question.start.as_deref())?.unwrap_or(end - reach(Timeframe::M1));
    if start < end && end.duration_since(start) > api.max_window {
        let expected = format!(
            "at most {} s (MAX_QUERY_WINDOW) before end",
            api.max_window.as_secs()
        );
        return Err(Problem::parameter("start", &start.to_string(), &expected));
    }
    let symbol = symbol("symbol", text)?;
    let found = api.roads.bars.bars().gaps(&symbol, start, end).await?;
    let found = found.into_iter().map(|gap| GapJson {
        from: gap.from.to_string(),
        to: gap.to.to_string(),
        minutes: gap.minutes,
    });
    Ok(Json(found.collect()))
}

/// Since when.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SymbolsQuestion {
    /// Only symbols with a bar that began then or later (RFC 3339); 24 hours ago when not given
    since: Option<String>,
}

/// A symbol that was traded.
#[derive(Serialize, ToSchema)]
pub(super) struct SymbolJson {
    symbol: String,
    /// Its bars of a minute since then.
    bar_count: u64,
    /// When its last bar began.
    #[schema(format = DateTime)]
    last_seen: String,
}

/// Symbols that were traded, by name.
#[utoipa::path(
    get,
    path = "/symbols",
    tag = "bars",
    params(SymbolsQuestion),
    responses((status = 200, body = Vec<SymbolJson>), (status = 400, body = Problem))
)]
pub(super) async fn symbols(
    State(api): State<Api>,
    Parameters(question): Parameters<SymbolsQuestion>,
) -> Result<Json<Vec<SymbolJson>>, Problem> {
    let since = time("since", question.since.as_deref())?;
    let since = since.unwrap_or_else(|| Timestamp::now() - SEEN);
    let found = api.roads.bars.bars().symbols_seen_since(since).await?;
    let found = found.into_iter().map(|seen| SymbolJson {
        symbol: seen.symbol,
        bar_count: seen.bar_count,
        last_seen: seen.last_seen.to_string(),
    });
    Ok(Json(found.collect()))
}
