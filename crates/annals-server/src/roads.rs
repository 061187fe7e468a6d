//! What the roads in share: their gate, their intakes, their limits.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use annals_cache::Cache;
use annals_market::{FeedOptions, LatestBars, TickFeed};
use annals_record::Timestamp;
use annals_store::Store;
use annals_telemetry::TraceCache;
use axum::{body::Body, extract::Request};
use bytes::Bytes;
use http::{HeaderMap, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Result, ServerConfig,
    auth::ApiToken,
    bar_intake::BarIntake,
    body,
    deployments::DeploymentIntake,
    intake::{Intake, LogSink, MetricSink, SpanSink},
    otlp::{Bounds, Limits},
    packed::{Coding, Packed},
    prices::Prices,
    refusal::Refusal,
};

/// Everything that a request with data meets.
#[derive(Debug)]
pub(crate) struct Roads {
    pub(crate) token: Option<ApiToken>,
    pub(crate) gate: Gate,
    /// By gRPC and by HTTP.
    pub(crate) otlp: Intake<SpanSink>,
    pub(crate) infertrace: Intake<SpanSink>,
    /// Spans that InferTrace may hold, in flight included.
    pub(crate) infertrace_room: Semaphore,
    pub(crate) metrics: Intake<MetricSink>,
    pub(crate) logs: Intake<LogSink>,
    pub(crate) bars: BarIntake,
    pub(crate) ticks: Arc<TickFeed>,
    pub(crate) deployments: DeploymentIntake,
    /// What is remembered, for all of them.
    pub(crate) cache: Cache,
    pub(crate) prices: Prices,
    limits: Limits,
}

/// What every request with data must pass.
#[derive(Debug)]
pub(crate) struct Gate {
    requests: Arc<Semaphore>,
    /// Large requests that are decoded at once: more would not be done sooner, and each is in memory twice
    /// meanwhile.
    decoding: Arc<Semaphore>,
    pub(crate) max_bytes: usize,
    pub(crate) read_timeout: Duration,
}

impl Gate {
    /// Leave to be in progress, until it is dropped; `None` when too many are.
    pub(crate) fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.requests).try_acquire_owned().ok()
    }

    /// The body of a request by HTTP, with the leave that it has to keep until it is answered.
    pub(crate) async fn receive(
        &self,
        request: Request,
    ) -> Result<(OwnedSemaphorePermit, Packed), Refusal> {
        let permit = self.permit().ok_or_else(Refusal::crowded)?;
        let (head, body) = request.into_parts();
        let message = self.collect(&head.headers, body).await?;
        Ok((permit, message))
    }

    /// A body, for whoever has leave already.
    pub(crate) async fn collect(&self, headers: &HeaderMap, body: Body) -> Result<Packed, Refusal> {
        let coding = coding(headers)?;
        let body = body::hurried(body, self.read_timeout);
        Ok(Packed {
            bytes: body::collect(body, self.max_bytes).await?,
            coding,
            most: self.max_bytes,
        })
    }

    /// Unpacks and decodes a request, where it takes long on a thread that nobody waits for.
    pub(crate) async fn decode<T: Send + 'static>(
        &self,
        message: Packed,
        decode: impl FnOnce(Bytes) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        if message.is_small() {
            return decode(message.unpack()?);
        }
        let turn = Arc::clone(&self.decoding).acquire_owned().await;
        let decoded = tokio::task::spawn_blocking(move || {
            // Until the end, though the client may have left.
            let _turn = turn;
            decode(message.unpack()?)
        });
        decoded
            .await
            .unwrap_or_else(|_| Err(Refusal::internal("the request could not be decoded")))
    }
}

impl Roads {
    pub(crate) async fn open(config: &ServerConfig, store: &Store) -> Result<Self> {
        let timeout = config.ingest_timeout;
        let mut feed = FeedOptions::default();
        feed.bars = config.bars.clone();
        feed.checkpoint = config.checkpoint;
        let prices = Prices::open(config.prices.clone())?;
        let cache = Cache::new(config.cache.options.clone());
        // Without traces summaries are remembered still.
        let after = config.cache.traces_after.unwrap_or(Duration::MAX);
        let traces = Some(TraceCache::new(cache.clone()).finished_after(after));
        let mut bars = config.bars.clone();
        bars.latest = config
            .cache
            .latest_bars
            .map(|age| LatestBars::new(cache.clone(), age));
        Ok(Self {
            token: config.token.clone(),
            gate: Gate {
                requests: Arc::new(Semaphore::new(
                    config
                        .max_concurrent_requests
                        .get()
                        .min(Semaphore::MAX_PERMITS),
                )),
                decoding: Arc::new(Semaphore::new(
                    std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
                )),
                max_bytes: config.max_request_bytes.get(),
                read_timeout: config.read_timeout,
            },
            otlp: Intake::<SpanSink>::start(
                store.clone(),
                &config.ingest,
                timeout,
                traces,
                Arc::clone(&prices.list),
            )
            .await?,
            infertrace: Intake::<SpanSink>::start(
                store.clone(),
                &config.infertrace,
                timeout,
                None,
                Arc::clone(&prices.list),
            )
            .await?,
            infertrace_room: Semaphore::new(
                config.infertrace.rows.get().min(Semaphore::MAX_PERMITS),
            ),
            metrics: Intake::<MetricSink>::start(store.clone(), &config.metrics, timeout).await?,
            logs: Intake::<LogSink>::start(store.clone(), &config.logs, timeout).await?,
            bars: BarIntake::start(store.clone(), &bars, timeout).await?,
            ticks: TickFeed::new(store.clone(), feed).await?,
            deployments: DeploymentIntake::start(store.clone(), &config.deployments, timeout)
                .await?,
            cache,
            prices,
            limits: config.limits,
        })
    }

    /// The limits as of now.
    pub(crate) fn bounds(&self) -> Bounds {
        self.limits.at(Timestamp::now())
    }
}

/// Whether a body is not packed.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    matches!(coding(headers), Ok(Coding::Identity))
}

/// How a body is packed; of several codings in a row none is spoken.
fn coding(headers: &HeaderMap) -> Result<Coding, Refusal> {
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let listed = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut coding = Coding::Identity;
    for name in listed {
        let name = String::from_utf8_lossy(name.trim_ascii());
        match (coding, Coding::named(&name)) {
            (_, Some(Coding::Identity)) => {}
            (Coding::Identity, Some(named)) => coding = named,
            _ => {
                return Err(Refusal::media(format!(
                    "the Content-Encoding {name:?} is not spoken here; send gzip, zstd or none"
                )));
            }
        }
    }
    Ok(coding)
}
