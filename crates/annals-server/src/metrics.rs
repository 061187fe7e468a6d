//! The server's own metrics, and how all of them are shown. Those of the store are listed in
//! `annals_store::metrics`, those of longer bars in `annals_market::refresh`, those of
//! what is remembered in `annals_cache::counts`.
//!
//! | Name | Kind | Labels |
//! |---|---|---|
//! | `annals_spans_total` | counter, spans | `road`: otlp_grpc, otlp_http, infertrace, deployments (spans of deployment traces, by their own roads), trace_token (the same under a trace token); `outcome`: committed, parked, refused, turned_away |
//! | `annals_log_records_total`, `annals_data_points_total` | the same of log records and of metrics' points | `road`: otlp_grpc, otlp_http; `outcome` as above |
//! | `annals_bars_total` | counter, bars of POST /bars | `outcome`: committed, parked, refused, turned_away |
//! | `annals_ticks_total` | counter, ticks of POST /ticks | `kind`: trade, quote, unknown for what could not be read; `outcome`: taken, ignored, refused, turned_away |
//! | `annals_late_ticks_total` | counter, trades taken of a minute that was closed, or earlier than their symbol's running one | |
//! | `annals_feed_waiting` | gauge, parts of bars from ticks that wait for their commit | |
//! | `annals_requests_total` | counter, requests with data | `road`: as above, bars, ticks; of OTLP also `signal`: traces, metrics, logs; `outcome`: ok, partial, invalid, busy, away |
//! | `annals_request_seconds` | histogram, from the last byte of a request to its answer | `road`; of OTLP also `signal` |
//! | `infertrace_spans_ingested_total` | counter, spans kept, of every road | `service_name`; beyond 200 services, `(other)` |
//! | `infertrace_queue_depth` | gauge, spans held by InferTrace, in flight included | |
//! | `annals_rpc_requests_total` | counter, calls of the event store | `method`: its name, (other) for one that there is not or that was not known; `status`: the HTTP status |
//! | `annals_rpc_seconds` | histogram, from the head of a call to its answer | `method`: as above |
//! | `annals_event_subscriptions` | gauge, readers that follow the event store | |
//! | `annals_log_followers` | gauge, readers of GET /logs/follow | |
//! | `annals_events_imported_total` | counter, messages of POST /import | |
//! | `annals_infertrace_ids_made_total` | counter, ids made for spans that had none | |

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use annals_market::TickFeed;
use annals_telemetry::Span;
use http::StatusCode;
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::otlp::Kind;

/// Services that have a figure of their own: names come from outside, and each costs memory for ever.
const MAX_SERVICES: usize = 200;

/// The service that stands for those beyond that.
const OTHER_SERVICES: &str = "(other)";

/// By which road data came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    OtlpGrpc,
    OtlpHttp,
    InferTrace,
    Bars,
    Ticks,
    Deployments,
    TraceToken,
}

impl Road {
    const fn as_str(self) -> &'static str {
        match self {
            Self::OtlpGrpc => "otlp_grpc",
            Self::OtlpHttp => "otlp_http",
            Self::InferTrace => "infertrace",
            Self::Bars => "bars",
            Self::Ticks => "ticks",
            Self::Deployments => "deployments",
            Self::TraceToken => "trace_token",
        }
    }
}

/// How a request with data ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Partial,
    Invalid,
    Busy,
    Away,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Invalid => "invalid",
            Self::Busy => "busy",
            Self::Away => "away",
        }
    }
}

/// Where this process's metrics are read. The first call installs the recorder.
pub(crate) fn handle() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            const SECONDS: &[f64] = &[
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
            ];
            const ROWS: &[f64] = &[
                1.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 5_000.0, 10_000.0, 50_000.0,
            ];
            let builder = PrometheusBuilder::new();
            let recorder = builder
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
                .and_then(|builder| {
                    builder.set_buckets_for_metric(
                        Matcher::Full("timescale_write_batch_size".to_owned()),
                        ROWS,
                    )
                })
                // Only an empty list of buckets is refused.
                .unwrap_or_default()
                .build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another recorder of metrics is installed; /metrics stays empty");
            }
            handle
        })
        .clone()
}

/// Keeps what histograms hold small, for as long as it runs.
pub(crate) async fn upkeep() {
    let handle = handle();
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        handle.run_upkeep();
    }
}

fn records(kind: Kind, road: Road, outcome: &'static str, count: usize) {
    let name = match kind {
        Kind::Span => "annals_spans_total",
        Kind::LogRecord => "annals_log_records_total",
        Kind::DataPoint => "annals_data_points_total",
    };
    if count > 0 {
        counter!(name, "road" => road.as_str(), "outcome" => outcome).increment(count as u64);
    }
}

pub(crate) fn kept(kind: Kind, road: Road, committed: usize, parked: usize) {
    records(kind, road, "committed", committed);
    records(kind, road, "parked", parked);
}

pub(crate) fn refused(kind: Kind, road: Road, count: usize) {
    records(kind, road, "refused", count);
}

pub(crate) fn turned_away(kind: Kind, road: Road, count: usize) {
    records(kind, road, "turned_away", count);
}

pub(crate) fn bars(outcome: &'static str, count: usize) {
    if count > 0 {
        counter!("annals_bars_total", "outcome" => outcome).increment(count as u64);
    }
}

pub(crate) fn ticks(kind: &'static str, outcome: &'static str, count: usize) {
    if count > 0 {
        counter!("annals_ticks_total", "kind" => kind, "outcome" => outcome)
            .increment(count as u64);
    }
}

/// Sets what is read off a feed.
pub(crate) fn feed(feed: &TickFeed) {
    gauge!("annals_feed_waiting").set(feed.held() as f64);
    counter!("annals_late_ticks_total").absolute(feed.counts().late_trades);
}

pub(crate) fn answered(road: Road, outcome: Outcome, elapsed: Duration) {
    counter!("annals_requests_total", "road" => road.as_str(), "outcome" => outcome.as_str())
        .increment(1);
    histogram!("annals_request_seconds", "road" => road.as_str()).record(elapsed.as_secs_f64());
}

/// The same of a request by OTLP, which brings one signal.
pub(crate) fn exported(kind: Kind, road: Road, outcome: Outcome, elapsed: Duration) {
    let signal = match kind {
        Kind::Span => "traces",
        Kind::LogRecord => "logs",
        Kind::DataPoint => "metrics",
    };
    let (road, outcome) = (road.as_str(), outcome.as_str());
    counter!("annals_requests_total", "road" => road, "signal" => signal, "outcome" => outcome)
        .increment(1);
    histogram!("annals_request_seconds", "road" => road, "signal" => signal)
        .record(elapsed.as_secs_f64());
}

pub(crate) fn infertrace_queue(spans: usize) {
    gauge!("infertrace_queue_depth").set(spans as f64);
}

pub(crate) fn ids_made(count: usize) {
    if count > 0 {
        counter!("annals_infertrace_ids_made_total").increment(count as u64);
    }
}

/// The method of calls that name none that there is.
pub(crate) const OTHER_METHODS: &str = "(other)";

/// Counts a call of the event store.
pub(crate) fn called(method: &'static str, status: StatusCode, elapsed: Duration) {
    let status = match status {
        StatusCode::OK => "200".to_owned(),
        other => other.as_u16().to_string(),
    };
    counter!("annals_rpc_requests_total", "method" => method, "status" => status).increment(1);
    histogram!("annals_rpc_seconds", "method" => method).record(elapsed.as_secs_f64());
}

/// Counts messages of an import.
pub(crate) fn imported(count: u64) {
    counter!("annals_events_imported_total").increment(count);
}

/// A reader that follows the event store, for as long as it is there.
#[derive(Debug)]
pub(crate) struct Subscribed(());

impl Subscribed {
    pub(crate) fn new() -> Self {
        gauge!("annals_event_subscriptions").increment(1.0);
        Self(())
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        gauge!("annals_event_subscriptions").decrement(1.0);
    }
}

/// A reader that follows logs, for as long as it is there.
#[derive(Debug)]
pub(crate) struct Following(());

impl Following {
    pub(crate) fn new() -> Self {
        gauge!("annals_log_followers").increment(1.0);
        Self(())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        gauge!("annals_log_followers").decrement(1.0);
    }
}

/// How many spans there are of each service.
pub(crate) fn count_services(spans: &[Span]) -> BTreeMap<String, u64> {
    let mut services: BTreeMap<String, u64> = BTreeMap::new();
    for span in spans {
        match services.get_mut(span.service_name.as_str()) {
            Some(count) => *count += 1,
            None => {
                services.insert(span.service_name.clone(), 1);
            }
        }
    }
    services
}

/// Counts spans that were kept.
pub(crate) fn ingested(services: BTreeMap<String, u64>) {
    static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    for (service, spans) in services {
        let shown = {
            let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
            if known.contains(&service) || known.len() < MAX_SERVICES {
                known.insert(service.clone());
                service
            } else {
                OTHER_SERVICES.to_owned()
            }
        };
        counter!("infertrace_spans_ingested_total", "service_name" => shown).increment(spans);
    }
}
