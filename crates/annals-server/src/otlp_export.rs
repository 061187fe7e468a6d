//! OTLP's exports, of every signal and for gRPC and HTTP alike: from a message's bytes to an answer.

mod logs;
mod points;
mod traces;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use prost::Message;

pub(crate) use logs::Logs;
pub(crate) use points::Metrics;
pub(crate) use traces::Traces;

use crate::{
    intake::{Intake, Sink},
    metrics::{self, Outcome, Road},
    otlp::{
        Bounds, Decoded, RefusedRecord, Told as _,
        divided::{self, Divided},
        json::ReadError,
        layers::{OfResource, OfScope},
    },
    packed::Packed,
    refusal::{Form, Refusal},
    roads::Roads,
};

/// Reasons for refused records that an answer repeats.
const REASONS: usize = 3;

/// A signal of OTLP: how its requests are read, where its records go, and how it is answered.
pub(crate) trait Signal: 'static {
    /// Where its records go.
    type Sink: Sink<Record: Send + 'static>;
    /// The message of a request.
    type Request: Message + Default;
    /// What a request has of one resource.
    type OfResource: OfResource<Scope: OfScope<Item: Message + Default>>;
    /// The message of an answer.
    type Answer: Message + Default + 'static;

    /// Its path by HTTP.
    const PATH: &'static str;
    /// Its service by gRPC.
    const SERVICE: &'static str;
    /// The name of its request's message.
    const REQUEST: &'static str;
    /// The name of the list that a request has, as protobuf has it.
    const RESOURCES: &'static str;
    /// What OTLP/JSON calls the count of refused records.
    const REJECTED: &'static str;

    fn intake(roads: &Roads) -> &Intake<Self::Sink>;

    /// What a request is made of.
    fn resources(request: Self::Request) -> Vec<Self::OfResource>;

    fn from_proto(request: Vec<Self::OfResource>, arrived: &Arrived<'_>) -> DecodedBy<Self>;

    fn from_json(text: &str, arrived: &Arrived<'_>) -> Result<DecodedBy<Self>, ReadError>;

    fn answer(rejected: Option<Rejected>) -> Self::Answer;

    fn rejected(answer: &Self::Answer) -> Option<Rejected>;
}

/// What a request of a signal held.
pub(crate) type DecodedBy<S> = Decoded<<<S as Signal>::Sink as Sink>::Record>;

/// A request as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived<'a> {
    /// Its bytes, unpacked.
    pub(crate) bytes: &'a [u8],
    /// What its records may have.
    pub(crate) bounds: &'a Bounds,
    /// Where it came to.
    pub(crate) roads: &'a Roads,
}

/// What an answer says of records that were refused.
#[derive(Clone, Debug)]
pub(crate) struct Rejected {
    pub(crate) count: i64,
    pub(crate) message: String,
}

/// Takes a request over, and answers once its records are committed.
pub(crate) async fn export<S: Signal>(
    roads: &Arc<Roads>,
    road: Road,
    form: Form,
    message: Packed,
    patience: Option<Duration>,
) -> Result<S::Answer, Refusal> {
    let started = Instant::now();
    let refused = write::<S>(roads, road, form, message, patience).await;
    let outcome = match &refused {
        Ok(refused) if refused.is_empty() => Outcome::Ok,
        Ok(_) => Outcome::Partial,
        Err(refusal) => refusal.outcome(),
    };
    let kind = <S::Sink as Sink>::Record::KIND;
    metrics::exported(kind, road, outcome, started.elapsed());
    refused.map(|refused| S::answer(rejected(&refused)))
}

async fn write<S: Signal>(
    roads: &Arc<Roads>,
    road: Road,
    form: Form,
    message: Packed,
    patience: Option<Duration>,
) -> Result<Vec<RefusedRecord>, Refusal> {
    let (bounds, shared) = (roads.bounds(), Arc::clone(roads));
    let decoded = roads
        .gate
        .decode(message, move |message| {
            read::<S>(form, message, &bounds, &shared)
        })
        .await?;
    let taken = S::intake(roads).write(road, decoded, patience).await?;
    Ok(taken.refused)
}

fn read<S: Signal>(
    form: Form,
    message: Bytes,
    bounds: &Bounds,
    roads: &Roads,
) -> Result<DecodedBy<S>, Refusal> {
    // Shares the bytes, and copies none.
    let bytes = message.clone();
    let arrived = Arrived {
        bytes: &bytes,
        bounds,
        roads,
    };
    match form {
        Form::Json => {
            let text = std::str::from_utf8(&bytes)
                .map_err(|error| Refusal::invalid(format!("the request is not UTF-8: {error}")))?;
            Ok(S::from_json(text, &arrived)?)
        }
        Form::Protobuf => {
            let request = match S::Request::decode(message) {
                Ok(request) => S::resources(request),
                Err(error) if divided::is_too_deep(&error) => {
                    let divided = Divided::of(&bytes).ok_or(error)?;
                    let (request, too_deep) = divided.into_parts();
                    let decoded = S::from_proto(request, &arrived);
                    return Ok(divided::with_too_deep(decoded, &too_deep));
                }
                Err(error) => return Err(error.into()),
            };
            if request.is_empty() && !bytes.is_empty() {
                // What protobuf does not know it passes over, and everything in it would be lost.
                return Err(Refusal::invalid(format!(
                    "the request has bytes and no {}: it is not an {}",
                    S::RESOURCES,
                    S::REQUEST
                )));
            }
            Ok(S::from_proto(request, &arrived))
        }
    }
}

/// What an answer says of records that were refused; `None` without any.
fn rejected(refused: &[RefusedRecord]) -> Option<Rejected> {
    (!refused.is_empty()).then(|| Rejected {
        count: i64::try_from(refused.len()).unwrap_or(i64::MAX),
        message: reasons(refused),
    })
}

/// The first reasons, and how many more there are.
pub(crate) fn reasons(refused: &[RefusedRecord]) -> String {
    let shown = refused.iter().take(REASONS).map(ToString::to_string);
    let mut text = shown.collect::<Vec<_>>().join("; ");
    if let Some(more) = refused.len().checked_sub(REASONS).filter(|more| *more > 0) {
        text += &format!("; and {more} more");
    }
    text
}
