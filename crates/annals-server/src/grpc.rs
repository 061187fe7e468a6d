//! gRPC: unary calls whose bytes are bounded and whose errors say what clients should do.
//!
//! tonic frames and unpacks; messages are decoded here, since what it says of bytes that cannot be read
//! (INTERNAL, OUT_OF_RANGE) makes clients send the same again for ever.

mod health;
mod infertrace;
mod trace;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use bytes::{Buf as _, Bytes};
use http::{HeaderMap, StatusCode};
use tonic::{
    Code, Status,
    codec::{BufferSettings, Codec, CompressionEncoding, DecodeBuf, Decoder},
    server::Grpc,
};
use tonic_prost::ProstEncoder;

use crate::{
    body,
    refusal::Refusal,
    roads::{Gate, Roads},
};

/// The services of the gRPC port.
pub(crate) fn router(roads: &Arc<Roads>) -> Router {
    let guarded = Router::new()
        .merge(trace::router(roads))
        .merge(infertrace::router(roads))
        .layer(axum::middleware::from_fn_with_state(
            (roads.token.clone(), refuse as crate::auth::Refuse),
            crate::auth::guard,
        ));
    guarded.merge(health::router(roads)).fallback(unknown)
}

async fn unknown(request: Request) -> Response {
    Refusal::not_found(format!(
        "{} is no method of this server; it has opentelemetry.proto.collector.trace.v1.TraceService, \
         infertrace.CollectorService, infertrace.v1.CollectorService and grpc.health.v1.Health",
        request.uri().path()
    ))
    .into_status()
    .into_http()
}

fn refuse(_: StatusCode, _: &str, _: &HeaderMap) -> Response {
    Refusal::unauthorized().into_status().into_http()
}

/// A call's message as it came, and how long its client waits.
pub(crate) struct Call {
    pub(crate) message: Bytes,
    pub(crate) patience: Option<Duration>,
}

/// Reads a unary call, has it handled, and answers.
pub(crate) async fn unary<M, F>(
    gate: &Gate,
    request: Request,
    handle: impl Fn(Call) -> F + Send,
) -> Response
where
    M: prost::Message + 'static,
    F: Future<Output = Result<tonic::Response<M>, Refusal>> + Send,
{
    let Some(_permit) = gate.permit() else {
        return Refusal::crowded().into_status().into_http();
    };
    let patience = request
        .headers()
        .get("grpc-timeout")
        .and_then(|value| timeout(value.to_str().ok()?));
    let request = request.map(|body| body::hurried(body, gate.read_timeout));
    let was_read = Arc::new(AtomicBool::new(false));
    let service = tower::service_fn(|request: tonic::Request<Bytes>| {
        was_read.store(true, Ordering::Relaxed);
        let handled = handle(Call {
            message: request.into_inner(),
            patience,
        });
        async move { handled.await.map_err(Refusal::into_status) }
    });
    let mut grpc = Grpc::new(RawCodec::<M>::default())
        .max_decoding_message_size(gate.max_bytes)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd);
    let response = grpc.unary(service, request).await;
    if was_read.load(Ordering::Relaxed) {
        return response.map(Body::new);
    }
    match Status::from_header_map(response.headers()) {
        Some(status) if status.code() != Code::Unimplemented => {
            unreadable(&status, gate).into_status().into_http()
        }
        _ => response.map(Body::new),
    }
}

/// What tonic says before a call is handled, as a client should hear it.
fn unreadable(status: &Status, gate: &Gate) -> Refusal {
    match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => body::BodyError::TooLarge {
            most: gate.max_bytes,
        }
        .into(),
        _ if std::error::Error::source(status).is_some_and(body::is_late)
            || status.message().contains(LATE) =>
        {
            body::BodyError::TooSlow {
                within: gate.read_timeout,
            }
            .into()
        }
        _ => Refusal::invalid(format!("the call cannot be read: {}", status.message())),
    }
}

/// How a body that came too late shows in a status that has lost its cause on the way.
const LATE: &str = "did not end in time";

/// Reads `grpc-timeout`: at most eight digits and a unit (source: gRPC over HTTP/2, "Timeout").
fn timeout(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Messages out by protobuf, messages in as bytes.
struct RawCodec<M>(std::marker::PhantomData<M>);

impl<M> Default for RawCodec<M> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<M: prost::Message + 'static> Codec for RawCodec<M> {
    type Encode = M;
    type Decode = Bytes;
    type Encoder = ProstEncoder<M>;
    type Decoder = RawDecoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        RawDecoder
    }
}

struct RawDecoder;

impl Decoder for RawDecoder {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_a_number_and_a_unit() {
        assert_eq!(timeout("10S"), Some(Duration::from_secs(10)));
        assert_eq!(timeout("9999m"), Some(Duration::from_millis(9_999)));
        assert_eq!(
            timeout("99999999H").map(|time| time.as_secs()),
            Some(359_999_996_400)
        );
        for wrong in ["", "S", "10", "1.5S", "123456789n", "-1S", "10X", "é"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
    }
}
