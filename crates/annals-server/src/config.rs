//! What the server's settings become.

mod cache;
mod deployments;
mod events;
mod settings;
#[cfg(test)]
mod tests;
mod values;

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use annals_market::BarsOptions;
use annals_store::{ConfigError, config::Sources};

pub use {
    cache::CacheConfig, deployments::DeploymentsConfig, events::EventsConfig, settings::SETTINGS,
};

use crate::{auth::ApiToken, otlp::Limits};
use values::{COUNT, address, missing, truth, unless_off};

/// What a server is told before it starts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Where each service listens; `None` for a service that is off.
    pub addresses: Addresses,
    /// The token that requests to data must bring.
    pub token: Option<ApiToken>,
    /// Whether addresses beyond loopback are allowed without a token.
    pub insecure: bool,
    /// Certificate chain and key.
    pub tls: Option<TlsFiles>,
    /// Whether tables are made and migrated at the start.
    pub migrate_on_start: bool,
    /// Connections open on each port at most.
    pub max_connections: NonZeroUsize,
    /// Requests with data in progress at once.
    pub max_concurrent_requests: NonZeroUsize,
    /// Bytes of one request, as sent and as unpacked.
    pub max_request_bytes: NonZeroUsize,
    /// How long a request may take to arrive.
    pub read_timeout: Duration,
    /// How long a request with data waits for its commit.
    pub ingest_timeout: Duration,
    /// How long a query may take.
    pub query_timeout: Duration,
    /// Longest window of a question about models or gaps.
    pub max_query_window: Duration,
    /// What a span may have.
    pub limits: Limits,
    /// The writer behind OTLP.
    pub ingest: QueueConfig,
    /// The writer behind InferTrace.
    pub infertrace: QueueConfig,
    /// The writer behind metrics.
    pub metrics: QueueConfig,
    /// The writer behind logs.
    pub logs: QueueConfig,
    /// The writers behind bars and ticks.
    pub bars: BarsOptions,
    /// How often running minutes of ticks are written too; `None` for never.
    pub checkpoint: Option<Duration>,
    /// How often policies that are due are looked for; `None` for never.
    pub lifecycle: Option<Duration>,
    /// How often longer bars are stored of hours that changed, unless a policy says otherwise; `None` for
    /// never.
    pub rollup: Option<Duration>,
    /// The event store.
    pub events: EventsConfig,
    /// Deployment traces.
    pub deployments: DeploymentsConfig,
    /// What is remembered.
    pub cache: CacheConfig,
    /// A file with prices of models.
    pub prices: Option<PathBuf>,
    /// How long a stop may take.
    pub shutdown_timeout: Duration,
}

/// Where each service listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Queries, health and metrics.
    pub http: Option<SocketAddr>,
    /// OTLP/gRPC and InferTrace.
    pub otlp_grpc: Option<SocketAddr>,
    /// OTLP/HTTP.
    pub otlp_http: Option<SocketAddr>,
}

/// The files of a certificate.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// How a road's records wait and leave.
#[derive(Clone, Copy, Debug)]
pub struct QueueConfig {
    /// Spans held at most.
    pub rows: NonZeroUsize,
    /// Estimated bytes held at most.
    pub bytes: NonZeroUsize,
    /// Spans in one transaction at most.
    pub batch_rows: NonZeroUsize,
    /// Transactions in flight at once.
    pub connections: NonZeroUsize,
}

impl ServerConfig {
    /// Reads given sources, which must have [`SETTINGS`] and [`annals_market::config::SETTINGS`] among
    /// their tables.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be used, by name and origin.
    pub fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
        let file = |name| Ok(sources.readable_file(name)?.map(PathBuf::from));
        let tls = match (file("TLS_CERT")?, file("TLS_KEY")?) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return Err(missing("TLS_KEY", "set, since TLS_CERT is")),
            (None, Some(_)) => return Err(missing("TLS_CERT", "set, since TLS_KEY is")),
        };
        let token = sources.get("API_TOKEN").map(|(token, origin)| {
            ApiToken::new(token).ok_or(ConfigError::Invalid {
                name: "API_TOKEN",
                origin,
                shown: "set".to_owned(),
                expected: "at least 16 printable ASCII characters without spaces",
            })
        });
        let ingest_bytes = sources.bytes("INGEST_QUEUE_BYTES")?;
        Ok(Self {
            addresses: Addresses {
                http: address(sources, "HTTP_ADDR")?,
                otlp_grpc: address(sources, "OTLP_GRPC_ADDR")?,
                otlp_http: address(sources, "OTLP_HTTP_ADDR")?,
            },
            token: token.transpose()?,
            insecure: truth(sources, "INSECURE")?,
            tls,
            migrate_on_start: truth(sources, "MIGRATE_ON_START")?,
            max_connections: sources.parse("MAX_CONNECTIONS", COUNT)?,
            max_concurrent_requests: sources.parse("MAX_CONCURRENT_REQUESTS", COUNT)?,
            max_request_bytes: sources.bytes("MAX_REQUEST_BYTES")?,
            read_timeout: sources.duration("READ_TIMEOUT")?,
            ingest_timeout: sources.duration("INGEST_TIMEOUT")?,
            query_timeout: sources.duration("QUERY_TIMEOUT")?,
            max_query_window: sources.duration("MAX_QUERY_WINDOW")?,
            limits: Limits {
                attributes: sources
                    .parse::<NonZeroUsize>("MAX_ATTRIBUTES", COUNT)?
                    .get(),
                depth: sources.limited_count(
                    "MAX_ATTRIBUTE_DEPTH",
                    crate::otlp::attributes::MAX_NESTING,
                    "a whole number from 1 to 30",
                )?,
                age: sources.duration("MAX_SPAN_AGE")?,
                lead: sources.duration("MAX_SPAN_LEAD")?,
            },
            ingest: QueueConfig {
                rows: sources.parse("INGEST_QUEUE_SIZE", COUNT)?,
                bytes: ingest_bytes,
                batch_rows: sources.parse("INGEST_BATCH_SIZE", COUNT)?,
                connections: sources.parse("INGEST_CONNECTIONS", COUNT)?,
            },
            infertrace: QueueConfig {
                rows: sources.parse("INFERTRACE_QUEUE_SIZE", COUNT)?,
                bytes: ingest_bytes,
                batch_rows: sources.parse("INFERTRACE_BATCH_SIZE", COUNT)?,
                connections: NonZeroUsize::MIN,
            },
            metrics: QueueConfig {
                rows: sources.parse("METRICS_QUEUE_SIZE", COUNT)?,
                bytes: sources.bytes("METRICS_QUEUE_BYTES")?,
                batch_rows: sources.parse("METRICS_BATCH_SIZE", COUNT)?,
                connections: sources.parse("METRICS_CONNECTIONS", COUNT)?,
            },
            logs: QueueConfig {
                rows: sources.parse("LOGS_QUEUE_SIZE", COUNT)?,
                bytes: sources.bytes("LOGS_QUEUE_BYTES")?,
                batch_rows: sources.parse("LOGS_BATCH_SIZE", COUNT)?,
                connections: sources.parse("LOGS_CONNECTIONS", COUNT)?,
            },
            bars: BarsOptions::from_sources(sources)?,
            checkpoint: BarsOptions::checkpoint_from_sources(sources)?,
            lifecycle: unless_off(sources, "LIFECYCLE_INTERVAL")?,
            rollup: BarsOptions::rollup_from_sources(sources)?,
            events: EventsConfig::from_sources(sources)?,
            deployments: DeploymentsConfig::from_sources(sources)?,
            cache: CacheConfig::from_sources(sources)?,
            prices: file("PRICES_FILE")?,
            shutdown_timeout: sources.duration("SHUTDOWN_TIMEOUT")?,
        })
    }

    /// How often policies that are due are looked for: bars are rolled up as often as was asked for, though
    /// other policies could wait.
    pub(crate) fn looks(&self) -> Option<Duration> {
        let every = self.lifecycle?;
        Some(self.rollup.map_or(every, |rollup| rollup.min(every)))
    }
}
