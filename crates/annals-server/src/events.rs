//! The event store by HTTP, as clients of EventoDB know it: `/rpc`, `/subscribe` and `/import`.
//!
//! | Module | What lives there |
//! |---|---|
//! | `access` | tokens, and who may do what |
//! | `call`, `arguments`, `write`, `reading` | a call's text, to what is asked for |
//! | `answer`, `fault` | results and errors, as the text that is sent |
//! | `rpc` | who asks, what for, and the answer |
//! | `follow`, `sse` | what is subscribed to, and its events |
//! | `lines`, `record`, `import` | an import's lines, the messages that they were, and how they are taken |
//! | `opening` | what has to be there before the first request |
//!
//! Documents go through as text from the socket to the database and back: no number in them becomes a
//! float. They may be nested [`annals_record::Json::MAX_DEPTH`] levels deep, and exponents of numbers reach
//! [`annals_record::Json::MAX_EXPONENT`]; what is beyond is refused by name.

mod access;
mod answer;
mod arguments;
mod call;
mod fault;
mod follow;
mod import;
mod lines;
mod opening;
mod reading;
mod record;
mod rpc;
mod sse;
mod write;

use std::{sync::Arc, time::Duration};

use annals_events::Events;
use annals_store::Store;
use annals_store::capabilities::Edition;
use axum::{Router, body::Body, routing::any};
use http::{HeaderMap, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

pub(crate) use fault::Fault;
pub(crate) use opening::Tell;

use crate::{Result, ServerConfig, packed::Packed, roads::Roads, server::Stop};
use access::Access;

/// Which program answers.
const SERVER: HeaderValue = HeaderValue::from_static(concat!("Annals/", env!("CARGO_PKG_VERSION")));

/// How much longer than the sequencer a request waits for it.
const GRACE: Duration = Duration::from_secs(2);

/// How often old message ids are forgotten, where they are.
const FORGETTING: Duration = Duration::from_secs(600);

/// Everything that a request to the event store meets.
#[derive(Debug)]
pub(crate) struct EventRoads {
    access: Access,
    roads: Arc<Roads>,
    /// Leaves for requests in progress. Those beyond wait, which the clients of this contract do rather
    /// than come again.
    requests: Arc<Semaphore>,
    /// Leaves for imports, which take long.
    imports: Arc<Semaphore>,
    write_timeout: Duration,
    query_timeout: Duration,
    stop: watch::Receiver<Stop>,
}

impl EventRoads {
    /// Opens the event store in a database, with its namespace `default`.
    pub(crate) async fn open(
        config: &ServerConfig,
        store: &Store,
        roads: Arc<Roads>,
        tell: Option<Tell>,
        stop: watch::Receiver<Stop>,
    ) -> Result<Self> {
        let mut options = config.events.options.clone();
        options.patience = config.ingest_timeout;
        let events = Events::new(store.clone(), options).await?;
        opening::ensure_default(&events, &config.events, tell).await?;
        let most = config
            .max_concurrent_requests
            .get()
            .min(Semaphore::MAX_PERMITS);
        Ok(Self {
            access: Access {
                events,
                api_token: config.token.clone(),
                test_mode: config.events.test_mode,
            },
            roads,
            requests: Arc::new(Semaphore::new(most)),
            imports: Arc::new(Semaphore::new(most.div_ceil(8))),
            write_timeout: config.ingest_timeout + GRACE,
            query_timeout: config.query_timeout,
            stop,
        })
    }

    /// What tells that the server stops.
    pub(crate) fn stop(&self) -> watch::Receiver<Stop> {
        self.stop.clone()
    }

    /// The event store.
    pub(crate) fn events(&self) -> &Events {
        &self.access.events
    }

    /// Forgets message ids that are older than their window, for as long as it runs.
    pub(crate) async fn upkeep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(FORGETTING).await;
            match self.access.events.forget_ids().await {
                Ok(0) => {}
                Ok(count) => tracing::debug!(count, "message ids were forgotten"),
                Err(error) => tracing::warn!(%error, "message ids were not forgotten"),
            }
        }
    }

    /// Leave to be in progress.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let permit = Arc::clone(&self.requests).acquire_owned();
        match tokio::time::timeout(self.write_timeout, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Fault::crowded()),
        }
    }

    /// A request's body, bounded in size and time.
    async fn receive(&self, headers: &HeaderMap, body: Body) -> Result<Packed, Fault> {
        Ok(self.roads.gate.collect(headers, body).await?)
    }

    /// The kind of database, in the words of the contract.
    fn backend(&self) -> &'static str {
        match self.access.events.store().capabilities().edition() {
            Edition::Sqlite => "sqlite",
            Edition::Postgres => "postgres",
            _ => "timescale",
        }
    }
}

/// What the HTTP port serves of the event store. Methods are looked at after tokens, as the contract has it.
pub(crate) fn router(roads: &Arc<EventRoads>) -> Router {
    Router::new()
        .route("/rpc", any(rpc::rpc))
        .route("/subscribe", any(sse::subscribe))
        .route("/import", any(import::import))
        .with_state(Arc::clone(roads))
}
