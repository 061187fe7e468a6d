//! Bars and ticks by HTTP: POST /bars and POST /ticks.

use std::{sync::Arc, time::Instant};

use annals_market::{Bar, Conflict, FeedFull, Tick, TickFeed, TickKind};
use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    parameters::{Nothing, Parameters},
    problem::Problem,
};
use crate::{
    bars::{
        bar::{self, BarFields},
        csv::{CsvFormat, CsvReader},
        rows::{Place, RefusedRow, Rows},
        tick::{self, TickFields},
    },
    metrics::{self, Outcome, Road},
    packed::Packed,
    refusal::Refusal,
    roads::Roads,
};

/// How rows are written one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Array,
    Lines,
    Csv,
}

impl Format {
    /// What a request says that it is.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let media = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let media = media.split(';').next()?.trim().to_ascii_lowercase();
        match media.as_str() {
            "application/json" => Some(Self::Array),
            "application/x-ndjson" | "application/jsonl" => Some(Self::Lines),
            "text/csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

fn unreadable(why: &str) -> Refusal {
    Refusal::invalid(format!("nothing of the request can be read: {why}"))
}

/// How bars are written.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WriteQuestion {
    /// What a bar does whose symbol and minute are there already: replace, merge or ignore; what the
    /// setting BARS_DB_CONFLICT says when not given
    conflict: Option<String>,
}

/// What became of bars.
#[derive(Serialize, ToSchema)]
pub(super) struct BarsTaken {
    /// Bars that are in the table.
    committed: usize,
    /// Bars that the table refused and that are kept as dead letters.
    parked: usize,
    /// Bars of which nothing is kept: the first 100 of them.
    refused: Vec<RefusedRow>,
    /// How many there are of these.
    refused_count: usize,
}

/// Writes bars of a minute, and answers once they are committed. A bar that cannot be read or breaks a rule
/// refuses itself alone, and is told of among the refused. Bodies may be packed with gzip or zstd.
///
/// As application/json an array of bars, as application/x-ndjson a bar in each line, as text/csv a bar in
/// each line below the names of the columns. Times are RFC 3339, or in JSON integers: milliseconds since
/// 1970. After 429 and 503 send the same again.
#[utoipa::path(
    post,
    path = "/bars",
    tag = "bars",
    params(WriteQuestion),
    request_body(content(
        (Vec<BarFields> = "application/json"),
        (String = "application/x-ndjson"),
        (String = "text/csv")
    )),
    responses(
        (status = 200, body = BarsTaken),
        (status = 400, body = Problem, description = "Nothing of the request can be read"),
        (status = 413, body = Problem, description = "Send it in parts"),
        (status = 415, body = Problem),
        (status = 429, body = Problem, description = "Send the same again after Retry-After"),
        (status = 503, body = Problem, description = "Send the same again after Retry-After")
    )
)]
pub(super) async fn write_bars(
    State(api): State<Api>,
    Parameters(question): Parameters<WriteQuestion>,
    request: Request,
) -> Result<Response, Problem> {
    let asked = question.conflict.as_deref();
    let conflict = asked.map(|name| {
        let refuse = || Problem::parameter("conflict", name, Conflict::EXPECTED);
        Conflict::named(name).ok_or_else(refuse)
    });
    let conflict = conflict.transpose()?;
    let answer = taken(&api.roads, Road::Bars, request, async |format, message| {
        let gate = &api.roads.gate;
        let rows = gate
            .decode(message, move |body| bars(format, &body))
            .await?;
        let taken = api.roads.bars.write(rows, conflict).await?;
        let refused_count = taken.refused.count;
        let answer = BarsTaken {
            committed: taken.committed,
            parked: taken.parked,
            refused: taken.refused.into_told(),
            refused_count,
        };
        Ok(Taken {
            status: StatusCode::OK,
            is_whole: refused_count == 0,
            answer,
        })
    });
    Ok(answer.await)
}

fn bars(format: Format, body: &Bytes) -> Result<Rows<Bar>, Refusal> {
    let rows = match format {
        Format::Array => Rows::of_array(body, bar::read),
        Format::Lines => Rows::of_lines(body, bar::read),
        Format::Csv => of_csv(body),
    };
    rows.map_err(|why| unreadable(&why))
}

fn of_csv(body: &[u8]) -> Result<Rows<Bar>, String> {
    let reader = CsvReader::new(body, &CsvFormat::default()).map_err(|error| error.to_string())?;
    let mut rows = Rows::default();
    for row in reader {
        match row {
            Ok((line, bar)) => rows.add(Place::Line(line), bar::with_fitting_symbol(bar)),
            Err(row) => rows.refused.add(Place::Line(row.line), row.reason),
        }
    }
    Ok(rows)
}

/// What became of ticks.
#[derive(Serialize, ToSchema)]
pub(super) struct TicksTaken {
    /// Trades that are in memory now, and in the database once their minute is closed.
    taken: usize,
    /// Quotes, which are ignored.
    quotes: usize,
    /// Ticks of which nothing is kept: the first 100 of them.
    refused: Vec<RefusedRow>,
    /// How many there are of these.
    refused_count: usize,
}

/// Takes ticks, which become bars of a minute.
///
/// 202 says that the trades are in memory, and no more: a bar is written once its minute is closed, two
/// seconds after its end or by a trade of a later minute, or at the next checkpoint
/// (BARS_CHECKPOINT_INTERVAL). A server that is killed forgets what is not written; one that is stopped
/// writes it. Bars are merged with what the table has of their minute, so a tick that is sent twice counts
/// twice.
///
/// As application/json an array of ticks, as application/x-ndjson a tick in each line; packed with gzip or
/// zstd or not. A tick that cannot be read or breaks a rule refuses itself alone. After 429 nothing was
/// taken: send the same again.
#[utoipa::path(
    post,
    path = "/ticks",
    tag = "bars",
    request_body(content(
        (Vec<TickFields> = "application/json"),
        (String = "application/x-ndjson")
    )),
    responses(
        (status = 202, body = TicksTaken),
        (status = 400, body = Problem, description = "Nothing of the request can be read"),
        (status = 413, body = Problem, description = "Send it in parts"),
        (status = 415, body = Problem),
        (status = 429, body = Problem, description = "Send the same again after Retry-After")
    )
)]
pub(super) async fn feed_ticks(
    State(api): State<Api>,
    Parameters(Nothing {}): Parameters<Nothing>,
    request: Request,
) -> Response {
    taken(&api.roads, Road::Ticks, request, async |format, message| {
        let roads = Arc::clone(&api.roads);
        // Fed where it was decoded: many ticks take a while, which nobody else should wait for.
        let answer = api.roads.gate.decode(message, move |body| {
            let rows = ticks(format, &body)?;
            feed(&roads.ticks, rows).map_err(Refusal::feed_full)
        });
        let answer = answer.await?;
        Ok(Taken {
            status: StatusCode::ACCEPTED,
            is_whole: answer.refused_count == 0,
            answer,
        })
    })
    .await
}

fn ticks(format: Format, body: &Bytes) -> Result<Rows<Tick>, Refusal> {
    let rows = match format {
        Format::Array => Rows::of_array(body, tick::read),
        Format::Lines => Rows::of_lines(body, tick::read),
        Format::Csv => {
            return Err(Refusal::media(
                "ticks are application/json or application/x-ndjson",
            ));
        }
    };
    rows.map_err(|why| unreadable(&why))
}

fn feed(feed: &TickFeed, mut rows: Rows<Tick>) -> Result<TicksTaken, FeedFull> {
    let ticks = std::mem::take(&mut rows.rows);
    metrics::ticks("unknown", "refused", rows.refused.count);
    let fed = feed.feed(&ticks).inspect_err(|_| {
        let quotes = ticks.iter().filter(|tick| tick.kind == TickKind::Quote);
        let quotes = quotes.count();
        metrics::ticks("quote", "turned_away", quotes);
        metrics::ticks("trade", "turned_away", ticks.len() - quotes);
    })?;
    metrics::ticks("trade", "taken", fed.taken);
    metrics::ticks("trade", "refused", fed.refused.len());
    metrics::ticks("quote", "ignored", fed.quotes);
    for tick in &fed.refused {
        rows.refuse(tick.index, tick.reason);
    }
    Ok(TicksTaken {
        taken: fed.taken,
        quotes: fed.quotes,
        refused_count: rows.refused.count,
        refused: rows.refused.into_told(),
    })
}

/// A request that was taken.
struct Taken<T> {
    status: StatusCode,
    /// Whether nothing of it was refused.
    is_whole: bool,
    answer: T,
}

/// Lets a request in, has it taken, and answers.
async fn taken<T: Serialize>(
    roads: &Roads,
    road: Road,
    request: Request,
    take: impl AsyncFnOnce(Format, Packed) -> Result<Taken<T>, Refusal>,
) -> Response {
    let Some(format) = Format::of(request.headers()) else {
        let spoken = match road {
            Road::Ticks => "application/json or application/x-ndjson",
            _ => "application/json, application/x-ndjson or text/csv",
        };
        return Refusal::media(format!("the Content-Type must be {spoken}")).into_problem();
    };
    let (_permit, message) = match roads.gate.receive(request).await {
        Ok(received) => received,
        Err(refusal) => return refusal.into_problem(),
    };
    let started = Instant::now();
    let answer = take(format, message).await;
    let outcome = match &answer {
        Ok(taken) if taken.is_whole => Outcome::Ok,
        Ok(_) => Outcome::Partial,
        Err(refusal) => refusal.outcome(),
    };
    metrics::answered(road, outcome, started.elapsed());
    match answer {
        Ok(taken) => (taken.status, Json(taken.answer)).into_response(),
        Err(refusal) => refusal.into_problem(),
    }
}

#[cfg(test)]
mod tests {
    use annals_market::FeedOptions;
    use annals_store::Store;

    use super::*;

    #[tokio::test]
    async fn a_feed_that_is_full_tells_its_clients_to_come_again() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        store.migrator(&crate::MIGRATIONS).up().await.unwrap();
        let mut options = FeedOptions::default();
        options.waiting = 0;
        let full = TickFeed::new(store, options).await.unwrap();
        let refused = feed(&full, Rows::default()).map_err(Refusal::feed_full);
        let refused = refused.err().unwrap().into_problem();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    }
}
