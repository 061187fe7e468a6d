//! gRPC: unary calls whose bytes are bounded and whose errors say what clients should do.
//!
//! A call is one message in a frame (source: gRPC over HTTP/2, "Length-Prefixed-Message"). It is taken
//! out here and not by tonic's server, which passes over what follows the first message or the first
//! member of gzip, and says of bytes that it cannot read what makes clients send them again for ever
//! (INTERNAL, OUT_OF_RANGE).

mod export;
mod health;
mod infertrace;

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, response::Response};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Full};

use crate::{
    body::{self, BodyError},
    otlp_export::{Logs, Metrics, Signal as _, Traces},
    packed::{Coding, Packed},
    refusal::Refusal,
    roads::{Gate, Roads},
};

/// Bytes before a message: whether it is packed, and its length.
const FRAME: usize = 5;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// The services of the gRPC port.
pub(crate) fn router(roads: &Arc<Roads>) -> Router {
    let guarded = Router::new()
        .merge(export::router::<Traces>(roads))
        .merge(export::router::<Metrics>(roads))
        .merge(export::router::<Logs>(roads))
        .merge(infertrace::router(roads))
        .layer(axum::middleware::from_fn_with_state(
            (roads.token.clone(), refuse as crate::auth::Refuse),
            crate::auth::guard,
        ));
    guarded.merge(health::router(roads)).fallback(unknown)
}

async fn unknown(request: Request) -> Response {
    Refusal::not_found(format!(
        "{} is no method of this server; it has {}, {}, {}, \
         infertrace.CollectorService, infertrace.v1.CollectorService and grpc.health.v1.Health",
        request.uri().path(),
        Traces::SERVICE,
        Metrics::SERVICE,
        Logs::SERVICE,
    ))
    .into_status()
    .into_http()
}

fn refuse(_: StatusCode, _: &str, _: &HeaderMap) -> Response {
    Refusal::unauthorized().into_status().into_http()
}

/// A call's message as it came, and how long its client waits.
pub(crate) struct Call {
    pub(crate) message: Packed,
    pub(crate) patience: Option<Duration>,
}

/// Reads a unary call, has it handled, and answers.
pub(crate) async fn unary<M, F>(
    gate: &Gate,
    request: Request,
    handle: impl FnOnce(Call) -> F,
) -> Response
where
    M: prost::Message,
    F: Future<Output = Result<tonic::Response<M>, Refusal>>,
{
    let answer = async {
        let _permit = gate.permit().ok_or_else(Refusal::crowded)?;
        handle(read(gate, request).await?).await
    };
    let mut response = match answer.await {
        Ok(answer) => answered(answer),
        Err(refusal) => refusal.into_status().into_http(),
    };
    response.headers_mut().insert(
        "grpc-accept-encoding",
        HeaderValue::from_static(Coding::SPOKEN),
    );
    response
}

async fn read(gate: &Gate, request: Request) -> Result<Call, Refusal> {
    let (head, body) = request.into_parts();
    let header = |name| head.headers.get(name);
    let patience = header("grpc-timeout").and_then(|value| timeout(value.to_str().ok()?));
    let coding = match header("grpc-encoding") {
        None => None,
        Some(name) => Some(name.to_str().ok().and_then(Coding::named).ok_or_else(|| {
            Refusal::coding(format!(
                "the grpc-encoding {name:?} is not spoken here; send {}",
                Coding::SPOKEN
            ))
        })?),
    };
    let body = body::hurried(body, gate.read_timeout);
    let most = gate.max_bytes;
    let framed = body::collect(body, most.saturating_add(FRAME))
        .await
        .map_err(|error| match error {
            BodyError::TooLarge { .. } => BodyError::TooLarge { most },
            error => error,
        })?;
    let (bytes, coding) = message(framed, coding)?;
    let message = Packed {
        bytes,
        coding,
        most,
    };
    Ok(Call { message, patience })
}

/// Takes the one message of a unary call out of its frame.
fn message(mut framed: Bytes, coding: Option<Coding>) -> Result<(Bytes, Coding), Refusal> {
    let unreadable =
        |problem: &str| Refusal::invalid(format!("the call cannot be read: {problem}"));
    if framed.is_empty() {
        return Err(unreadable("it has no message"));
    }
    let cut_short = || unreadable("its message is cut short");
    let flag = framed.try_get_u8().map_err(|_| cut_short())?;
    let length = framed.try_get_u32().map_err(|_| cut_short())?;
    let coding = match (flag, coding) {
        (0, _) => Coding::Identity,
        (1, Some(coding)) => coding,
        (1, None) => {
            return Err(unreadable(
                "its message is packed, and no grpc-encoding says how",
            ));
        }
        _ => return Err(unreadable("its frame begins with neither 0 nor 1")),
    };
    match framed
        .len()
        .cmp(&usize::try_from(length).unwrap_or(usize::MAX))
    {
        std::cmp::Ordering::Less => Err(cut_short()),
        std::cmp::Ordering::Equal => Ok((framed, coding)),
        std::cmp::Ordering::Greater => Err(unreadable(
            "it has more than one message; send each in a call of its own",
        )),
    }
}

fn answered<M: prost::Message>(answer: tonic::Response<M>) -> Response {
    let (metadata, message, _) = answer.into_parts();
    let mut framed = BytesMut::with_capacity(FRAME + message.encoded_len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.encoded_len()).unwrap_or(u32::MAX));
    framed.extend_from_slice(&message.encode_to_vec());
    let trailers = async {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        Some(Ok(trailers))
    };
    let body = Full::new(framed.freeze()).with_trailers(trailers);
    let mut response = Response::new(Body::new(body));
    *response.headers_mut() = metadata.into_headers();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, CONTENT_TYPE);
    response
}

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
