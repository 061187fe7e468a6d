//! HTTP/1.1 as a client speaks it, one connection for each request.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// Longer than anything that is going to happen takes; nothing is measured by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What is sent as a body.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A header's text; empty without it.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The JSON of an answer that must be 200.
    pub(crate) fn found(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// The sentence of an answer of the HTTP API that must be a refusal.
    pub(crate) fn refusal(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()["error"].as_str().unwrap().to_owned()
    }

    /// What is told of a path where nothing is served.
    pub(crate) fn not_served(&self) -> String {
        assert_eq!(self.status, 404, "{}", self.text());
        let error = &self.json()["error"];
        assert_eq!(error["code"], "NOT_FOUND", "{error}");
        error["details"]["hint"].as_str().unwrap().to_owned()
    }
}

/// A body that is there at once.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// A body of pieces, whose length nobody knows before; it ends, or stays open for ever.
pub(crate) fn pieces(pieces: Vec<Bytes>, ends: bool) -> Body {
    use futures_util::stream::{self, StreamExt as _};
    let pieces = stream::iter(pieces)
        .map(|piece| Ok::<_, Infallible>(hyper::body::Frame::data(piece)))
        .boxed();
    let stream = if ends {
        pieces
    } else {
        pieces.chain(stream::pending()).boxed()
    };
    StreamBody::new(stream).boxed_unsync()
}

pub(crate) fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.header("host", "localhost").body(body).unwrap()
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, request(Method::GET, path, &[], whole(""))).await
}

pub(crate) async fn post(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    send(address, request(Method::POST, path, headers, whole(body))).await
}

pub(crate) async fn send(address: SocketAddr, request: Request<Body>) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    send_over(stream, request).await.unwrap()
}

/// The same by HTTP/2.
pub(crate) async fn send_over_http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> Answer {
    let exchange = async {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        let connection = tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        connection.abort();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("an answer")
}

/// The same over a connection that is there.
pub(crate) async fn send_over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> hyper::Result<Answer> {
    let exchange = async {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        connection.abort();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("an answer")
}
