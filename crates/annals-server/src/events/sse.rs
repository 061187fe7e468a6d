//! `GET /subscribe`: news as they come, as server-sent events.
//!
//! Clients' parsers are simple, so nothing is sent that the contract does not know but comments: no
//! leading and no doubled blank line, and each event in one piece of the body.

use std::{convert::Infallible, sync::Arc, time::Duration};

use annals_events::{Error, Poke, Selection, Subscription};
use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior},
};

use super::{EventRoads, access::Caller, follow};
use crate::{metrics, server::Stop};

/// What is sent first, so that the reader knows that nothing will be missed from now on.
const READY: &[u8] = b": ready\n\n";

/// What is sent when there was nothing else for a while, so that a reader that is gone without a word is
/// noticed, and whoever stands in between does not end the silence.
const ALIVE: &[u8] = b": alive\n\n";

/// How long that while is.
const SILENCE: Duration = Duration::from_secs(30);

/// How long is waited before a database that failed is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows what the address names.
pub(crate) async fn subscribe(State(roads): State<Arc<EventRoads>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let caller = match roads.access.admit(&head.uri, &head.headers).await {
        Ok(caller) => caller,
        Err(fault) => return fault.into_response(),
    };
    let selection = match follow::selection(&head.uri) {
        Ok(selection) => selection,
        Err(why) => return refused(why),
    };
    match Following::start(roads, caller, selection) {
        Ok(following) => stream_of(Body::from_stream(stream::unfold(following, next))),
        Err(fault) => fault.into_response(),
    }
}

/// A sentence; the contract has it as plain text here.
fn refused(why: String) -> Response {
    let mut response = Response::new(Body::from(why + "\n"));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let media_type = HeaderValue::from_static("text/plain; charset=utf-8");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::SERVER, super::SERVER);
    response
}

/// The answer whose body is events.
pub(crate) fn stream_of(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONNECTION, "keep-alive"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::SERVER, super::SERVER);
    response
}

/// A reader and what it follows. Dropped with the connection, and so is the subscription.
struct Following {
    roads: Arc<EventRoads>,
    caller: Caller,
    subscription: Subscription,
    pokes: std::vec::IntoIter<Poke>,
    is_greeted: bool,
    silence: Interval,
    stop: watch::Receiver<Stop>,
    _counted: metrics::Subscribed,
}

impl Following {
    fn start(
        roads: Arc<EventRoads>,
        caller: Caller,
        selection: Selection,
    ) -> Result<Self, super::fault::Fault> {
        let subscription = caller.namespace()?.subscribe(selection);
        let mut silence = tokio::time::interval_at(Instant::now() + SILENCE, SILENCE);
        silence.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            stop: roads.stop.clone(),
            roads,
            caller,
            subscription,
            pokes: Vec::new().into_iter(),
            is_greeted: false,
            silence,
            _counted: metrics::Subscribed::new(),
        })
    }

    /// The next piece of the body; nothing at its end.
    async fn piece(&mut self) -> Option<Bytes> {
        if !self.is_greeted {
            // From here on what other servers write is heard as well.
            while let Err(error) = self.joined().await? {
                self.wait_out(error).await?;
            }
            self.is_greeted = true;
            return Some(Bytes::from_static(READY));
        }
        loop {
            if *self.stop.borrow() != Stop::No {
                return None;
            }
            if let Some(poke) = self.pokes.next() {
                return Some(event(&poke));
            }
            let came = tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return None,
                pokes = self.subscription.pokes() => Some(pokes),
                _ = self.silence.tick() => None,
            };
            match came {
                Some(Ok(pokes)) => {
                    self.silence.reset();
                    self.pokes = pokes.into_iter();
                }
                None => return self.is_admitted().await.then(|| Bytes::from_static(ALIVE)),
                Some(Err(error)) => self.wait_out(error).await?,
            }
        }
    }

    /// Begins to hear what comes; nothing when the server stops first.
    async fn joined(&mut self) -> Option<Result<(), Error>> {
        tokio::select! {
            () = stopped(&mut self.stop) => None,
            joined = self.subscription.ready() => Some(joined),
        }
    }

    /// Waits before the database is asked again; nothing when there is no sense in that.
    async fn wait_out(&mut self, error: Error) -> Option<()> {
        // What the reader has seen is of another time; it finds out by coming again.
        let is_over = matches!(
            error,
            Error::Closed | Error::NamespaceNotFound { .. } | Error::PlacesBeganAnew { .. }
        );
        if is_over || !self.is_admitted().await {
            return None;
        }
        tracing::warn!(%error, "a subscription waits for the database");
        tokio::select! {
            () = stopped(&mut self.stop) => None,
            () = tokio::time::sleep(PAUSE) => Some(()),
        }
    }

    async fn is_admitted(&self) -> bool {
        self.roads.access.still_admits(&self.caller).await
    }
}

/// Waits until the server stops. Whoever could tell is gone: that is as good as being told.
async fn stopped(stop: &mut watch::Receiver<Stop>) {
    let _ = stop.wait_for(|stop| *stop != Stop::No).await;
}

async fn next(mut following: Following) -> Option<(Result<Bytes, Infallible>, Following)> {
    let piece = following.piece().await?;
    Some((Ok(piece), following))
}

/// An event as it is sent.
fn event(poke: &Poke) -> Bytes {
    // A text always becomes one.
    let stream = serde_json::to_string(&*poke.stream).unwrap_or_default();
    let place = poke.place;
    Bytes::from(format!(
        "event: poke\ndata: {{\"stream\":{stream},\"position\":{},\"globalPosition\":{}}}\n\n",
        place.position, place.global_position
    ))
}

#[cfg(test)]
mod tests {
    use annals_events::Place;

    use super::*;

    #[test]
    fn an_event_is_two_lines_and_a_blank_one() {
        let poke = Poke {
            stream: "account-\"1\"\n".into(),
            place: Place {
                position: 5,
                global_position: 1_234,
            },
        };
        assert_eq!(
            event(&poke),
            "event: poke\ndata: {\"stream\":\"account-\\\"1\\\"\\n\",\"position\":5,\
             \"globalPosition\":1234}\n\n"
        );
    }
}
