//! `GET /logs/follow`: records as they come, as server-sent events.
//!
//! An event is what came at once: an array, in the order of commits. Its id is the cursor behind it, so that a reader who
//! comes back with Last-Event-ID gets what it has not seen whole, and nothing twice. An id without data goes out first
//! and after every silence: it moves the reader's place on without an event (source: HTML, "Server-sent events",
//! "dispatch the event").

use std::{convert::Infallible, time::Duration};

use annals_store::ArrivalCursor;
use annals_telemetry::{LogFollower, LogRecord, NewLogs};
use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use tokio::{sync::watch, time::Instant};

use super::{
    asked::{Asked, LogListing},
    record::LogJson,
};
use crate::{
    api::{Api, parameters::Pairs, problem::Problem},
    metrics,
    server::Stop,
};

/// Records of an event at most.
const MOST: u64 = 100;

/// How long nothing is said at most: a reader that is gone without a word is noticed.
const SILENCE: Duration = Duration::from_secs(15);

/// How long is waited before a database that failed is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// Log records as they are committed, as server-sent events: each once and none left out, whatever times they have and
/// whoever writes them. An event's data is an array of records as GET /logs has them, its id the cursor behind them. A client
/// that sends Last-Event-ID, or cursor, goes on there; one that sends neither gets what is committed from now on. Parameters
/// are those of GET /logs but for order and limit.
#[utoipa::path(
    get,
    path = "/logs/follow",
    tag = "logs",
    params(
        LogListing,
        ("Last-Event-ID" = Option<String>, Header, description = "Go on behind the event of this id; wins over cursor")
    ),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 400, body = Problem)
    )
)]
pub(in crate::api) async fn follow_logs(
    State(api): State<Api>,
    headers: HeaderMap,
    Pairs(pairs): Pairs,
) -> Result<Response, Problem> {
    let mut given = Asked::of(pairs)?;
    let cursor = given.take("cursor");
    let filter = given.filter()?;
    let last = headers.get("last-event-id").map(HeaderValue::to_str);
    let last = last
        .transpose()
        .map_err(|_| Problem::parameter("Last-Event-ID", "", "an id that this server gave out"))?;
    let from = match last.filter(|id| !id.is_empty()).or(cursor.as_deref()) {
        None => api.logs().now().await?,
        Some(text) => text.parse::<ArrivalCursor>()?,
    };
    let mut follower = api.logs().follow(&filter, from)?.with_most(MOST);
    // A cursor of another filter or database is refused here, where there is somebody to hear it.
    let first = follower.look().await?;
    let following = Following {
        first: Some(first),
        follower,
        stop: api.stop.clone(),
        told: Instant::now(),
        _counted: metrics::Following::new(),
    };
    let mut response = Response::new(Body::from_stream(stream::unfold(following, next)));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// A reader and what it follows. Dropped with the connection.
struct Following {
    first: Option<Vec<LogRecord>>,
    follower: LogFollower,
    stop: watch::Receiver<Stop>,
    told: Instant,
    _counted: metrics::Following,
}

impl Following {
    /// The next piece of the body; nothing at its end.
    async fn piece(&mut self) -> Option<Bytes> {
        if let Some(rows) = self.first.take() {
            return Some(event(rows, self.follower.cursor()));
        }
        loop {
            if *self.stop.borrow() != Stop::No {
                return None;
            }
            let came = tokio::select! {
                biased;
                // Whoever could tell is gone: that is as good as being told.
                _ = self.stop.wait_for(|stop| *stop != Stop::No) => return None,
                came = self.follower.next() => Some(came),
                () = tokio::time::sleep_until(self.told + SILENCE) => None,
            };
            match came {
                Some(Ok(NewLogs { rows, cursor, .. })) => return Some(event(rows, &cursor)),
                None => return Some(event(Vec::new(), self.follower.cursor())),
                Some(Err(error)) => self.wait_out(&error).await?,
            }
        }
    }

    /// Waits before the database is asked again; nothing when there is no sense in that.
    async fn wait_out(&mut self, error: &annals_telemetry::Error) -> Option<()> {
        tracing::warn!(%error, "a reader of logs waits for the database");
        if let annals_telemetry::Error::Store(annals_store::Error::Cursor { .. }) = error {
            return None;
        }
        tokio::select! {
            _ = self.stop.wait_for(|stop| *stop != Stop::No) => None,
            () = tokio::time::sleep(PAUSE) => Some(()),
        }
    }
}

async fn next(mut following: Following) -> Option<(Result<Bytes, Infallible>, Following)> {
    let piece = following.piece().await?;
    following.told = Instant::now();
    Some((Ok(piece), following))
}

/// An event as it is sent; without records, only where the reader is.
fn event(rows: Vec<LogRecord>, cursor: &ArrivalCursor) -> Bytes {
    if rows.is_empty() {
        return Bytes::from(format!("id: {cursor}\n\n"));
    }
    let records: Vec<LogJson> = rows.into_iter().map(LogJson::from).collect();
    // Records always become one line.
    let data = serde_json::to_string(&records).unwrap_or_default();
    Bytes::from(format!("id: {cursor}\ndata: {data}\n\n"))
}
