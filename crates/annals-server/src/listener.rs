//! One port: connections are accepted, spoken to in TLS where that is wanted, and ended in order.

use std::{io, net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::{Error, Result, server::Stop};

/// How long a client may take to agree on TLS, and to send the head of a request.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How often a silent HTTP/2 connection is asked whether it lives, and how long it may take to answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// How long accepting pauses when the system has no more room for connections.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A port that is taken and not yet served.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    service: &'static str,
}

/// How a port serves.
pub(crate) struct Serving {
    pub(crate) router: Router,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) max_connections: NonZeroUsize,
    /// How long requests in progress have once the server is told to stop.
    pub(crate) grace: Duration,
    pub(crate) stop: watch::Receiver<Stop>,
}

impl Listener {
    pub(crate) async fn bind(
        service: &'static str,
        setting: &'static str,
        address: SocketAddr,
    ) -> Result<Self> {
        let failed = |source| Error::Listen {
            service,
            address,
            setting,
            source,
        };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self {
            socket,
            address,
            service,
        })
    }

    /// Where it listens, with the port that the system chose if it was to choose.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop; then the port is closed at once, and requests in progress
    /// have their grace.
    pub(crate) async fn serve(self, mut serving: Serving) {
        let room = Arc::new(Semaphore::new(
            serving.max_connections.get().min(Semaphore::MAX_PERMITS),
        ));
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let builder = builder();
        let mut stop = serving.stop.clone();
        loop {
            let accepted = tokio::select! {
                accepted = accept(&self.socket, &room) => accepted,
                _ = stop.wait_for(|stop| *stop != Stop::No) => break,
                Some(_) = connections.join_next() => continue,
            };
            let (stream, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(service = self.service, %error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            let (builder, watcher) = (builder.clone(), graceful.watcher());
            let (router, tls) = (serving.router.clone(), serving.tls.clone());
            connections.spawn(async move {
                let _permit = permit;
                match tls {
                    None => converse(&builder, watcher, router, stream).await,
                    Some(tls) => match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                        Ok(Ok(stream)) => converse(&builder, watcher, router, stream).await,
                        Ok(Err(error)) => tracing::debug!(%error, "no TLS was agreed on"),
                        Err(_) => tracing::debug!("a client was too slow to agree on TLS"),
                    },
                }
            });
        }
        drop(self.socket);
        drop(serving.router);
        let deadline = Instant::now() + serving.grace;
        tokio::select! {
            () = graceful.shutdown() => {}
            () = tokio::time::sleep_until(deadline) => {}
            _ = serving.stop.wait_for(|stop| *stop == Stop::Now) => {}
        }
        connections.shutdown().await;
    }
}

async fn accept(
    socket: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    // Beyond its number, connections wait in the system's queue.
    let permit = Arc::clone(room)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = socket.accept().await?;
    Ok((stream, permit))
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256)
        .keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1);
    builder
}

async fn converse(
    builder: &auto::Builder<TokioExecutor>,
    watcher: Watcher,
    router: Router,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    let service = router.map_request(|request: Request<Incoming>| request.map(Body::new));
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service))
        .into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(error, "a connection ended early");
    }
}
