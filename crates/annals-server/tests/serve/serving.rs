//! A server in this process, on ports of the system's choice.

use std::{net::SocketAddr, time::Duration};

use annals_server::{ServeReport, Server, ServerConfig, Stop};
use annals_store::{DatabaseConfig, Store, config::Sources};
use annals_testkit::TestDatabase;
use serde_json::Value;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::client::{PATIENCE, get};

pub(crate) type Settings<'a> = &'a [(&'static str, &'a str)];

/// A server that serves.
pub(crate) struct Served {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) otlp: SocketAddr,
    stop: watch::Sender<Stop>,
    serving: JoinHandle<annals_server::Result<ServeReport>>,
}

/// Defaults but for the ports, which the system chooses, and the given settings.
pub(crate) fn sources(settings: Settings<'_>) -> Sources {
    let mut sources = Sources::of(&[
        annals_store::config::SETTINGS,
        annals_server::SETTINGS,
        annals_market::config::SETTINGS,
    ]);
    for port in ["HTTP_ADDR", "OTLP_GRPC_ADDR", "OTLP_HTTP_ADDR"] {
        sources = sources.with_flag(port, "127.0.0.1:0");
    }
    for (name, value) in settings {
        sources = sources.with_flag(name, *value);
    }
    sources
}

pub(crate) fn config(settings: Settings<'_>) -> ServerConfig {
    ServerConfig::from_sources(&sources(settings)).unwrap()
}

/// Serves from a database in memory.
pub(crate) async fn in_memory(settings: Settings<'_>) -> Served {
    let config = DatabaseConfig::at("sqlite::memory:").unwrap();
    serve(Store::connect(&config).await.unwrap(), settings).await
}

/// Serves from a test's database.
pub(crate) async fn on(database: &TestDatabase, settings: Settings<'_>) -> Served {
    let store = database
        .store_with(|config| config.pool.connect_timeout = Duration::from_secs(2))
        .await;
    serve(store, settings).await
}

async fn serve(store: Store, settings: Settings<'_>) -> Served {
    let server = Server::bind(config(settings)).await.unwrap();
    let addresses = server.addresses();
    let (stop, told) = watch::channel(Stop::No);
    let (ready, is_ready) = oneshot::channel();
    let serving = tokio::spawn(server.serve(store, told, || ready.send(()).unwrap()));
    within(is_ready).await.unwrap();
    Served {
        http: addresses.http.unwrap(),
        grpc: addresses.otlp_grpc.unwrap(),
        otlp: addresses.otlp_http.unwrap(),
        stop,
        serving,
    }
}

impl Served {
    /// Tells the server about its end.
    pub(crate) fn tell(&self, stop: Stop) {
        self.stop.send(stop).unwrap();
    }

    /// Waits for the end that it was told of.
    pub(crate) async fn end(self) -> ServeReport {
        within(self.serving).await.unwrap().unwrap()
    }

    /// The spans of a trace, by `GET /traces/{id}`; none for one that is not there.
    pub(crate) async fn trace(&self, id: &str) -> Vec<Value> {
        let answer = get(self.http, &format!("/traces/{id}")).await;
        if answer.status == 404 {
            return Vec::new();
        }
        answer.found()["spans"].as_array().unwrap().clone()
    }

    /// How many spans there are.
    pub(crate) async fn count(&self) -> usize {
        let spans = get(self.http, "/spans?limit=10000").await.found();
        spans.as_array().unwrap().len()
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("an end to this")
}

pub(crate) async fn eventually(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < give_up, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
