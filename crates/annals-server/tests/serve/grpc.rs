//! gRPC as a client speaks it, with frames made by hand, so that bad ones can be sent too.

use std::{net::SocketAddr, time::Duration};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tonic::Code;
use tonic_types::pb;

use crate::client::{Body, PATIENCE, whole};

pub(crate) const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
pub(crate) const SEND: &str = "/infertrace.CollectorService/SendSpan";
pub(crate) const SEND_BATCH: &str = "/infertrace.CollectorService/SendSpanBatch";
pub(crate) const SEND_BATCH_V1: &str = "/infertrace.v1.CollectorService/SendSpanBatch";

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// What `grpc-status-details-bin` holds.
    pub(crate) details: Option<pb::Status>,
    /// Headers and trailers together.
    pub(crate) metadata: HeaderMap,
    /// Frames, as they came.
    body: Bytes,
}

impl Reply {
    /// The message of a call that must have succeeded.
    pub(crate) fn ok<M: Message + Default>(&self) -> M {
        assert_eq!(self.code, Code::Ok, "{self:?}");
        let length = u32::from_be_bytes(self.body[1..5].try_into().unwrap()) as usize;
        assert_eq!((self.body[0], self.body.len()), (0, 5 + length));
        M::decode(&self.body[5..]).unwrap()
    }

    /// When to come again, by the details.
    pub(crate) fn retry_delay(&self) -> Option<Duration> {
        let details = self.details.as_ref()?;
        assert_eq!(
            (details.code, &details.message),
            (self.code as i32, &self.message)
        );
        let info = details
            .details
            .iter()
            .find(|detail| detail.type_url == "type.googleapis.com/google.rpc.RetryInfo")?;
        let delay = pb::RetryInfo::decode(&*info.value).unwrap().retry_delay?;
        Some(delay.try_into().unwrap())
    }
}

/// A frame around a message.
pub(crate) fn frame(compressed: bool, message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let mut frame = vec![u8::from(compressed)];
    frame.extend(length);
    frame.extend(message);
    frame.into()
}

/// A call with a good frame around a message.
pub(crate) async fn call(address: SocketAddr, path: &str, message: &impl Message) -> Reply {
    call_with(address, path, &[], frame(false, &message.encode_to_vec())).await
}

/// A call with whatever for a body.
pub(crate) async fn call_with(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Reply {
    let stream = TcpStream::connect(address).await.unwrap();
    let request = request("http", address, path, headers, whole(body));
    call_over(stream, request).await
}

/// A call's request.
pub(crate) fn request(
    scheme: &str,
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> Request<Body> {
    let mut request = Request::post(format!("{scheme}://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

/// A call over a connection that is there.
pub(crate) async fn call_over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> Reply {
    let exchange = async {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        let connection = tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        assert_eq!(head.status, 200, "gRPC says no in its own words");
        let collected = body.collect().await.unwrap();
        connection.abort();
        let mut metadata = head.headers;
        metadata.extend(collected.trailers().cloned().unwrap_or_default());
        reply(metadata, collected.to_bytes())
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("an answer")
}

fn reply(metadata: HeaderMap, body: Bytes) -> Reply {
    let text = |name: &str| metadata.get(name).map(|value| value.to_str().unwrap());
    let details = text("grpc-status-details-bin").map(|details| {
        let config =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let base64 = GeneralPurpose::new(&alphabet::STANDARD, config);
        pb::Status::decode(&*base64.decode(details).unwrap()).unwrap()
    });
    Reply {
        code: Code::from_bytes(text("grpc-status").expect("a status").as_bytes()),
        message: percent_decoded(text("grpc-message").unwrap_or_default()),
        details,
        metadata,
        body,
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.extend(hex::decode(digits).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}
