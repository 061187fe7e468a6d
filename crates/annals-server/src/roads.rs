//! What the roads in share: their gate, their intakes, their limits.

use std::{sync::Arc, time::Duration};

use annals_record::Timestamp;
use annals_store::Store;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Result, ServerConfig,
    auth::ApiToken,
    intake::Intake,
    otlp::{Bounds, Limits},
    packed::Packed,
    refusal::Refusal,
};

/// Everything that a request with data meets.
#[derive(Debug)]
pub(crate) struct Roads {
    pub(crate) token: Option<ApiToken>,
    pub(crate) gate: Gate,
    /// By gRPC and by HTTP.
    pub(crate) otlp: Intake,
    pub(crate) infertrace: Intake,
    /// Spans that InferTrace may hold, in flight included.
    pub(crate) infertrace_room: Semaphore,
    limits: Limits,
}

/// What every request with data must pass.
#[derive(Debug)]
pub(crate) struct Gate {
    requests: Arc<Semaphore>,
    pub(crate) max_bytes: usize,
    pub(crate) read_timeout: Duration,
}

impl Gate {
    /// Leave to be in progress, until it is dropped; `None` when too many are.
    pub(crate) fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.requests).try_acquire_owned().ok()
    }
}

impl Roads {
    pub(crate) async fn open(config: &ServerConfig, store: &Store) -> Result<Self> {
        let timeout = config.ingest_timeout;
        Ok(Self {
            token: config.token.clone(),
            gate: Gate {
                requests: Arc::new(Semaphore::new(
                    config
                        .max_concurrent_requests
                        .get()
                        .min(Semaphore::MAX_PERMITS),
                )),
                max_bytes: config.max_request_bytes.get(),
                read_timeout: config.read_timeout,
            },
            otlp: Intake::start(store.clone(), &config.ingest, timeout).await?,
            infertrace: Intake::start(store.clone(), &config.infertrace, timeout).await?,
            infertrace_room: Semaphore::new(
                config.infertrace.rows.get().min(Semaphore::MAX_PERMITS),
            ),
            limits: config.limits,
        })
    }

    /// The limits as of now.
    pub(crate) fn bounds(&self) -> Bounds {
        self.limits.at(Timestamp::now())
    }
}

/// Unpacks and decodes a request, where it takes long on a thread that nobody waits for.
pub(crate) async fn decode<T: Send + 'static>(
    message: Packed,
    decode: impl FnOnce(Bytes) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    if message.is_small() {
        return decode(message.unpack()?);
    }
    tokio::task::spawn_blocking(move || decode(message.unpack()?))
        .await
        .unwrap_or_else(|_| Err(Refusal::internal("the request could not be decoded")))
}
