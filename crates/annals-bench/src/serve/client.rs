//! Clients of OTLP that use as little processor time as they can: requests are bytes that are ready.
//!
//! They share two cores with the server and its database, so what they use is missing there.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// What a server said to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Every span of it is committed.
    Kept,
    /// It should come again later.
    Again,
}

/// A connection that speaks gRPC. Its clones share it, each for a call of its own.
#[derive(Clone, Debug)]
pub(crate) struct Grpc {
    sender: http2::SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

/// A full answer without anything in it, hence without partial success: flag, length, no bytes.
const ALL_KEPT: [u8; 5] = [0; 5];

/// Codes with which OTLP tells a client to come again (`RESOURCE_EXHAUSTED`, `UNAVAILABLE`).
const COME_AGAIN: [&str; 2] = ["8", "14"];

impl Grpc {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream(address).await))
                .await
                .expect("HTTP/2");
        tokio::spawn(connection);
        Self { sender, address }
    }

    /// Sends a framed message of `TraceService/Export`.
    pub(crate) async fn export(&mut self, message: Bytes) -> Answer {
        let path = "opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}/{path}", self.address))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .body(Full::new(message))
            .expect("a request");
        let response = self.sender.send_request(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{response:?}");
        // Without a message the trailers are the headers.
        let headers = response.headers().clone();
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a whole answer");
        let trailers = body.trailers().cloned().unwrap_or(headers);
        match status(&trailers) {
            "0" => {
                assert_eq!(body.to_bytes(), ALL_KEPT[..], "no partial success");
                Answer::Kept
            }
            status if COME_AGAIN.contains(&status) => Answer::Again,
            _ => panic!("the server refused: {trailers:?}"),
        }
    }
}

fn status(trailers: &HeaderMap) -> &str {
    let status = trailers.get("grpc-status");
    status
        .and_then(|status| status.to_str().ok())
        .unwrap_or_else(|| panic!("no grpc-status in {trailers:?}"))
}

/// A connection that speaks HTTP/1.1, one request after the other.
#[derive(Debug)]
pub(crate) struct Http {
    sender: http1::SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

impl Http {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(stream(address).await))
            .await
            .expect("HTTP/1.1");
        tokio::spawn(connection);
        Self { sender, address }
    }

    /// Sends a message to `/v1/traces`, and fails unless every span of it is committed.
    pub(crate) async fn export(&mut self, message: Bytes) {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/v1/traces")
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .body(Full::new(message))
            .expect("a request");
        self.sender.ready().await.expect("a connection that lives");
        let response = self.sender.send_request(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{response:?}");
        let body = response
            .into_body()
            .collect()
            .await
            .expect("a whole answer");
        assert!(body.to_bytes().is_empty(), "no partial success");
    }
}

async fn stream(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket that lives");
    stream
}
