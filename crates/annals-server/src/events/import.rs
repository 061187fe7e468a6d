//! `POST /import`: messages with their places, ids and times, line by line; how far it is comes back as
//! events while the body still arrives.

use std::{convert::Infallible, sync::Arc, time::Instant};

use annals_events::{Error, Namespace, Record};
use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    EventRoads,
    access::parameter,
    fault::Fault,
    lines::{Line, Lines},
    record,
    sse::stream_of,
};

/// Records of one transaction.
const BATCH: usize = 1_000;

/// Takes an import.
pub(crate) async fn import(State(roads): State<Arc<EventRoads>>, request: Request) -> Response {
    match started(roads, request).await {
        Ok(response) => response,
        Err(fault) => fault.into_response(),
    }
}

async fn started(roads: Arc<EventRoads>, request: Request) -> Result<Response, Fault> {
    let (head, body) = request.into_parts();
    let caller = roads.access.admit(&head.uri, &head.headers).await?;
    let namespace = caller.namespace()?.clone();
    if !crate::roads::is_plain(&head.headers) {
        return Err(Fault::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "INVALID_REQUEST",
            "an import is sent unpacked, without a Content-Encoding",
        ));
    }
    let permit = Arc::clone(&roads.imports)
        .try_acquire_owned()
        .map_err(|_| Fault::crowded())?;
    if parameter(&head.uri, "force").is_some_and(|value| value == "true") {
        namespace.clear().await.map_err(|error| {
            let fault = Fault::from(error).called("CLEAR_FAILED");
            tracing::warn!(error = fault.message(), "a namespace was not cleared");
            fault
        })?;
    }
    // Not bounded, so that a client that reads nothing before all is sent holds nothing up; an event is
    // small and stands for a thousand records.
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let most_bytes = roads.roads.gate.max_bytes;
    let importing = Importing {
        namespace,
        most_bytes,
        read_timeout: roads.roads.gate.read_timeout,
        started: Instant::now(),
        sender,
        records: Vec::new(),
        bytes: 0,
        imported: 0,
    };
    tokio::spawn(async move {
        importing.run(body).await;
        drop(permit);
    });
    // EventoDB's server answers when an import is over: its clients may read the status and hang up, and
    // what they sent has to be there by then. What may take long, or has no end yet, is told of on the way.
    let is_short = length(&head.headers).is_some_and(|length| length <= most_bytes);
    let mut first = Vec::new();
    while let Some(event) = receiver.recv().await {
        let is_enough = event.is_last || !is_short;
        first.push(event);
        if is_enough {
            break;
        }
    }
    let rest = stream::unfold(receiver, |mut receiver| async {
        Some((receiver.recv().await?, receiver))
    });
    let events = stream::iter(first).chain(rest);
    let bytes = events.map(|event| Ok::<_, Infallible>(event.bytes));
    Ok(stream_of(Body::from_stream(bytes)))
}

/// The length of a body, when it was told.
fn length(headers: &HeaderMap) -> Option<usize> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// What is told of an import.
struct Event {
    bytes: Bytes,
    is_last: bool,
}

/// An import in progress.
struct Importing {
    namespace: Namespace,
    /// Bytes of lines that are held at most before they are written.
    most_bytes: usize,
    /// How long the next piece may take to arrive.
    read_timeout: std::time::Duration,
    started: Instant,
    sender: mpsc::UnboundedSender<Event>,
    records: Vec<Record>,
    bytes: usize,
    imported: u64,
}

/// Why an import ends before its body does.
enum End {
    /// This is told.
    Failed {
        code: &'static str,
        message: String,
        /// Where; 0 for nowhere in particular.
        line: u64,
    },
    /// Nobody listens any more.
    Alone,
}

impl End {
    fn failed(code: &'static str, message: impl Into<String>, line: u64) -> Self {
        Self::Failed {
            code,
            message: message.into(),
            line,
        }
    }
}

impl Importing {
    async fn run(mut self, body: Body) {
        let mut pieces = body.into_data_stream();
        match self.take(&mut pieces).await {
            Ok(()) => {
                let elapsed = self.started.elapsed().as_secs_f64();
                let imported = self.imported;
                let data = format!(
                    "{{\"done\":true,\"imported\":{imported},\"elapsed\":\"{elapsed:.1}s\"}}"
                );
                let _ = self.tell(&data, true);
            }
            Err(End::Alone) => {}
            Err(End::Failed {
                code,
                message,
                line,
            }) => {
                let message = json!(message);
                let line = match line {
                    0 => String::new(),
                    line => format!(",\"line\":{line}"),
                };
                let data = format!("{{\"error\":\"{code}\",\"message\":{message}{line}}}");
                let _ = self.tell(&data, true);
                // A connection that is closed while its client sends may take the answer along.
                let rest = async { while let Some(Ok(_)) = pieces.next().await {} };
                let _ = tokio::time::timeout(self.read_timeout, rest).await;
            }
        }
    }

    async fn take(&mut self, pieces: &mut axum::body::BodyDataStream) -> Result<(), End> {
        let mut lines = Lines::for_requests_of(self.most_bytes);
        loop {
            let piece = match tokio::time::timeout(self.read_timeout, pieces.next()).await {
                Ok(Some(Ok(piece))) => piece,
                Ok(None) => break,
                Ok(Some(Err(_))) => {
                    return Err(End::failed("READ_ERROR", "the body cannot be read", 0));
                }
                Err(_) => {
                    let seconds = self.read_timeout.as_secs();
                    let message = format!(
                        "nothing more of the body arrived within {seconds} s (READ_TIMEOUT)"
                    );
                    return Err(End::failed("READ_ERROR", message, 0));
                }
            };
            lines.push(&piece);
            loop {
                let line = lines
                    .next()
                    .map_err(|long| End::failed("READ_ERROR", long.to_string(), long.number))?;
                let Some(line) = line else { break };
                self.add(&line).await?;
            }
        }
        if let Some(line) = lines.rest() {
            self.add(&line).await?;
        }
        if !self.records.is_empty() {
            self.write().await?;
        }
        Ok(())
    }

    async fn add(&mut self, line: &Line) -> Result<(), End> {
        let record = record::read(&line.bytes)
            .map_err(|unread| End::failed(unread.code, unread.message, line.number))?;
        self.bytes += line.bytes.len();
        self.records.push(record);
        if self.records.len() < BATCH && self.bytes < self.most_bytes {
            return Ok(());
        }
        let last = self.write().await?;
        let imported = self.imported;
        self.tell(
            &format!("{{\"imported\":{imported},\"gpos\":{last}}}"),
            false,
        )
    }

    /// Writes what is held, in one transaction; gives the place of the last record.
    async fn write(&mut self) -> Result<i64, End> {
        let records = std::mem::take(&mut self.records);
        self.bytes = 0;
        let count = records.len() as u64;
        let last = records
            .last()
            .map_or(0, |record| record.place.global_position);
        self.namespace.import(records).await.map_err(|error| {
            let code = match error {
                Error::PlaceTaken { .. } => "POSITION_EXISTS",
                Error::Invalid { .. } | Error::Json { .. } => "INVALID_RECORD",
                _ => "IMPORT_FAILED",
            };
            End::failed(code, Fault::from(error).message(), 0)
        })?;
        self.imported += count;
        crate::metrics::imported(count);
        Ok(last)
    }

    fn tell(&self, data: &str, is_last: bool) -> Result<(), End> {
        let bytes = Bytes::from(format!("data: {data}\n\n"));
        let event = Event { bytes, is_last };
        self.sender.send(event).map_err(|_| End::Alone)
    }
}
