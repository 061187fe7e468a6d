//! InferTrace's `CollectorService`, in both its contracts.
//!
//! Its queue is bounded in spans, and what does not fit is rejected span by span, as its clients know
//! it. Unlike its ancestor it says "accepted" after the commit.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::post,
};
use prost::Message;
use tonic::metadata::MetadataValue;

use super::{Call, unary};
use crate::{
    infertrace::{
        Batch,
        messages::{planned, v1},
        planned_batch, v1_batch,
    },
    metrics::{self, Outcome, Road},
    otlp::{Kind, RefusedRecord},
    otlp_export::reasons,
    refusal::Refusal,
    roads::Roads,
};

/// The metadata that tells why spans of a batch were rejected, where the contract has no field for it.
const REJECTED: &str = "infertrace-rejected";

/// What both contracts call the start.
const START: &str = "start_time_unix_nano";

pub(super) fn router(roads: &Arc<Roads>) -> Router {
    Router::new()
        .route("/infertrace.CollectorService/SendSpan", post(send_span))
        .route(
            "/infertrace.CollectorService/SendSpanBatch",
            post(send_span_batch),
        )
        .route(
            "/infertrace.v1.CollectorService/SendSpanBatch",
            post(send_span_batch_v1),
        )
        .with_state(Arc::clone(roads))
}

async fn send_span(State(roads): State<Arc<Roads>>, request: Request) -> Response {
    unary(&roads.gate, request, |call| {
        let roads = &roads;
        async move {
            let read = |request: planned::SendSpanRequest| {
                planned_batch(request.span.into_iter().collect())
            };
            let taken = take(roads, call, read).await?;
            match taken.refused.first() {
                Some(refused) => Err(Refusal::invalid(refused.to_string())),
                None if taken.kept == 0 => Err(Refusal::invalid("the request has no span")),
                None => Ok(tonic::Response::new(planned::SendSpanResponse {
                    accepted: true,
                })),
            }
        }
    })
    .await
}

async fn send_span_batch(State(roads): State<Arc<Roads>>, request: Request) -> Response {
    unary(&roads.gate, request, |call| {
        let roads = &roads;
        async move {
            let read = |request: planned::SendSpanBatchRequest| planned_batch(request.spans);
            let taken = take(roads, call, read).await?;
            let accepted = taken.rejected() == 0;
            Ok(taken.answer(planned::SendSpanResponse { accepted }))
        }
    })
    .await
}

async fn send_span_batch_v1(State(roads): State<Arc<Roads>>, request: Request) -> Response {
    unary(&roads.gate, request, |call| {
        let roads = &roads;
        async move {
            let read = |request: v1::SendSpanBatchRequest| v1_batch(request.spans);
            let taken = take(roads, call, read).await?;
            let count = |spans: usize| i32::try_from(spans).unwrap_or(i32::MAX);
            let answer = v1::SendSpanBatchResponse {
                accepted_count: count(taken.kept),
                rejected_count: count(taken.rejected()),
            };
            Ok(taken.answer(answer))
        }
    })
    .await
}

/// What became of a request's spans.
struct Taken {
    kept: usize,
    refused: Vec<RefusedRecord>,
    without_room: usize,
}

impl Taken {
    fn rejected(&self) -> usize {
        self.refused.len() + self.without_room
    }

    /// An answer, with the reasons beside it.
    fn answer<M>(&self, message: M) -> tonic::Response<M> {
        let mut response = tonic::Response::new(message);
        let mut reasons = reasons(&self.refused);
        if self.without_room > 0 {
            let separator = if reasons.is_empty() { "" } else { "; " };
            reasons += &format!(
                "{separator}{} without room (INFERTRACE_QUEUE_SIZE)",
                self.without_room
            );
        }
        // Metadata takes visible ASCII only, and reasons may quote what was sent.
        let shown: String = reasons
            .chars()
            .map(|c| {
                if c == ' ' || c.is_ascii_graphic() {
                    c
                } else {
                    '?'
                }
            })
            .collect();
        if let (false, Ok(value)) = (shown.is_empty(), MetadataValue::try_from(shown)) {
            response.metadata_mut().insert(REJECTED, value);
        }
        response
    }
}

async fn take<M: Message + Default + 'static>(
    roads: &Arc<Roads>,
    call: Call,
    read: impl FnOnce(M) -> Batch + Send + 'static,
) -> Result<Taken, Refusal> {
    let started = Instant::now();
    let taken = write(roads, call, read).await;
    let outcome = match &taken {
        Ok(taken) if taken.rejected() == 0 => Outcome::Ok,
        Ok(_) => Outcome::Partial,
        Err(refusal) => refusal.outcome(),
    };
    metrics::answered(Road::InferTrace, outcome, started.elapsed());
    metrics::infertrace_queue(roads.infertrace.held());
    taken
}

async fn write<M: Message + Default + 'static>(
    roads: &Arc<Roads>,
    call: Call,
    read: impl FnOnce(M) -> Batch + Send + 'static,
) -> Result<Taken, Refusal> {
    let Call { message, patience } = call;
    let bounds = roads.bounds();
    let batch = roads
        .gate
        .decode(message, move |message| {
            let request = M::decode(message)?;
            Ok(read(request).checked(|span| bounds.check_foreign(span, START)))
        })
        .await?;
    metrics::ids_made(batch.made_ids.trace_ids + batch.made_ids.span_ids);

    let mut decoded = batch.decoded;
    let wanted = decoded.records.len();
    let room = roads.infertrace_room.available_permits().min(wanted);
    // Somebody else may take it in between; then there is none.
    let room = u32::try_from(room)
        .ok()
        .and_then(|room| roads.infertrace_room.try_acquire_many(room).ok());
    let fitting = room.as_ref().map_or(0, |room| room.num_permits());
    if wanted > 0 && fitting == 0 {
        metrics::turned_away(Kind::Span, Road::InferTrace, wanted);
        return Err(Refusal::no_room());
    }
    decoded.records.truncate(fitting);
    metrics::turned_away(Kind::Span, Road::InferTrace, wanted - fitting);
    let written = roads
        .infertrace
        .write(Road::InferTrace, decoded, patience)
        .await?;
    Ok(Taken {
        kept: written.kept,
        refused: written.refused,
        without_room: wanted - fitting,
    })
}
