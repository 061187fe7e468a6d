//! OTLP's export of traces, for gRPC and HTTP alike: from a message's bytes to an answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;

use crate::{
    metrics::{self, Outcome, Road},
    otlp::{Bounds, Decoded, RefusedSpan, json, traces},
    packed::Packed,
    refusal::{Form, Refusal},
    roads::Roads,
};

/// Reasons for refused spans that an answer repeats.
const REASONS: usize = 3;

/// Takes a request over, and answers once its spans are committed.
pub(crate) async fn export(
    roads: &Arc<Roads>,
    road: Road,
    form: Form,
    message: Packed,
    patience: Option<Duration>,
) -> Result<ExportTraceServiceResponse, Refusal> {
    let started = Instant::now();
    let answer = write(roads, road, form, message, patience).await;
    let outcome = match &answer {
        Ok(answer) if answer.partial_success.is_none() => Outcome::Ok,
        Ok(_) => Outcome::Partial,
        Err(refusal) => refusal.outcome(),
    };
    metrics::answered(road, outcome, started.elapsed());
    answer
}

async fn write(
    roads: &Arc<Roads>,
    road: Road,
    form: Form,
    message: Packed,
    patience: Option<Duration>,
) -> Result<ExportTraceServiceResponse, Refusal> {
    let bounds = roads.bounds();
    let decoded = roads
        .gate
        .decode(message, move |message| read(form, message, &bounds))
        .await?;
    let taken = roads.otlp.write(road, decoded, patience).await?;
    Ok(ExportTraceServiceResponse {
        partial_success: partial_success(&taken.refused),
    })
}

fn read(form: Form, message: Bytes, bounds: &Bounds) -> Result<Decoded, Refusal> {
    match form {
        Form::Json => {
            let text = std::str::from_utf8(&message)
                .map_err(|error| Refusal::invalid(format!("the request is not UTF-8: {error}")))?;
            Ok(json::read(text, bounds)?)
        }
        Form::Protobuf => {
            let is_empty = message.is_empty();
            let request = ExportTraceServiceRequest::decode(message)?;
            if request.resource_spans.is_empty() && !is_empty {
                // What protobuf does not know it passes over, and everything in it would be lost.
                return Err(Refusal::invalid(
                    "the request has bytes and no resource_spans: it is not an \
                     ExportTraceServiceRequest",
                ));
            }
            Ok(traces::from_proto(request.resource_spans, bounds))
        }
    }
}

/// What an answer says of spans that were refused; `None` without any.
pub(crate) fn partial_success(refused: &[RefusedSpan]) -> Option<ExportTracePartialSuccess> {
    if refused.is_empty() {
        return None;
    }
    Some(ExportTracePartialSuccess {
        rejected_spans: i64::try_from(refused.len()).unwrap_or(i64::MAX),
        error_message: reasons(refused),
    })
}

/// The first reasons, and how many more there are.
pub(crate) fn reasons(refused: &[RefusedSpan]) -> String {
    let shown = refused.iter().take(REASONS).map(ToString::to_string);
    let mut text = shown.collect::<Vec<_>>().join("; ");
    if let Some(more) = refused.len().checked_sub(REASONS).filter(|more| *more > 0) {
        text += &format!("; and {more} more");
    }
    text
}
