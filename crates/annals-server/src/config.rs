//! The server's settings: names, defaults and what they become.

use std::{
    net::SocketAddr,
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use annals_cache::{CacheOptions, RedisOptions};
use annals_deploy::{TokenKeys, WorkspacePolicy};
use annals_events::{EventsOptions, Token};
use annals_market::BarsOptions;
use annals_store::{
    ConfigError,
    config::{Setting, Sources},
};

use crate::{auth::ApiToken, otlp::Limits};

/// Every setting of the server, with its default.
pub const SETTINGS: &[Setting] = &[
    Setting::new(
        "HTTP_ADDR",
        &[],
        "127.0.0.1:8080",
        "address for queries, bars and ticks, the event store, health and metrics; off for none",
    ),
    Setting::new(
        "OTLP_GRPC_ADDR",
        &[],
        "127.0.0.1:4317",
        "address for OTLP/gRPC and InferTrace; off for none",
    ),
    Setting::new(
        "OTLP_HTTP_ADDR",
        &[],
        "127.0.0.1:4318",
        "address for OTLP/HTTP; off for none",
    ),
    Setting::secret(
        "API_TOKEN",
        &["ANNALS_API_TOKEN"],
        "token that every request to data must bring as Authorization: Bearer TOKEN; none asks for nothing",
    ),
    Setting::new(
        "INSECURE",
        &[],
        "false",
        "true allows addresses beyond loopback without API_TOKEN",
    ),
    Setting::new(
        "TLS_CERT",
        &[],
        "",
        "file with the server's certificate chain (PEM); with TLS_KEY every port speaks TLS",
    ),
    Setting::new("TLS_KEY", &[], "", "file with the certificate's key (PEM)"),
    Setting::new(
        "MIGRATE_ON_START",
        &[],
        "true",
        "false leaves tables to `annals migrate up`, and refuses to start without them",
    ),
    Setting::new(
        "LIFECYCLE_INTERVAL",
        &[],
        "5s",
        "how often the server looks for policies that are due, each of which one server at a time runs; as often as BARS_ROLLUP_INTERVAL where that is shorter; off leaves them, rolling up bars among them, to other servers or to `annals policy run`",
    ),
    Setting::new(
        "MAX_CONNECTIONS",
        &[],
        "1024",
        "connections open on each port at most; further ones wait",
    ),
    Setting::new(
        "MAX_CONCURRENT_REQUESTS",
        &[],
        "64",
        "requests with data in progress at once; further ones are told to come again",
    ),
    Setting::new(
        "MAX_REQUEST_BYTES",
        &[],
        "16MiB",
        "size of one request at most, as sent and as unpacked",
    ),
    Setting::new(
        "READ_TIMEOUT",
        &[],
        "20s",
        "how long a request may take to arrive",
    ),
    Setting::new(
        "INGEST_TIMEOUT",
        &[],
        "8s",
        "how long a request with data waits for its commit before it is told to come again; clients give up after 10s",
    ),
    Setting::new("QUERY_TIMEOUT", &[], "30s", "how long a query may take"),
    Setting::new(
        "MAX_QUERY_WINDOW",
        &[],
        "31d",
        "longest window of latency, regression, analysis and gaps",
    ),
    Setting::new(
        "MAX_ATTRIBUTES",
        &[],
        "1024",
        "attributes of one span, event, link, log record, scope or resource at most, those inside maps included; values in a log's body as well",
    ),
    Setting::new(
        "MAX_ATTRIBUTE_DEPTH",
        &[],
        "30",
        "levels of arrays and maps in an attribute at most, up to 30",
    ),
    Setting::new(
        "MAX_SPAN_AGE",
        &[],
        "7300d",
        "how long ago a span may have begun, and a log record or a data point may be of; each day of old ones is a chunk",
    ),
    Setting::new(
        "MAX_SPAN_LEAD",
        &[],
        "1d",
        "how far in the future a span may begin, and a log record or a data point may be",
    ),
    Setting::new(
        "INGEST_QUEUE_SIZE",
        &[],
        "100000",
        "spans held by OTLP at most, in flight included",
    ),
    Setting::new(
        "INGEST_QUEUE_BYTES",
        &[],
        "64MiB",
        "estimated bytes of spans held by OTLP at most",
    ),
    Setting::new(
        "INGEST_BATCH_SIZE",
        &[],
        "10000",
        "spans in one transaction at most",
    ),
    Setting::new(
        "INGEST_CONNECTIONS",
        &[],
        "2",
        "transactions of spans in flight at once",
    ),
    Setting::new(
        "INFERTRACE_QUEUE_SIZE",
        &[],
        "10000",
        "spans held by InferTrace at most, in flight included; further ones are rejected",
    ),
    Setting::new(
        "INFERTRACE_BATCH_SIZE",
        &[],
        "256",
        "spans of InferTrace in one transaction at most; a batch leaves as soon as a connection is free",
    ),
    Setting::new(
        "METRICS_QUEUE_SIZE",
        &[],
        "100000",
        "points of metrics held at most, in flight included",
    ),
    Setting::new(
        "METRICS_QUEUE_BYTES",
        &[],
        "64MiB",
        "estimated bytes of points of metrics held at most",
    ),
    Setting::new(
        "METRICS_BATCH_SIZE",
        &[],
        "10000",
        "points of metrics in one transaction at most",
    ),
    Setting::new(
        "METRICS_CONNECTIONS",
        &[],
        "1",
        "transactions of points of metrics in flight at once",
    ),
    Setting::new(
        "LOGS_QUEUE_SIZE",
        &[],
        "100000",
        "log records held at most, in flight included",
    ),
    Setting::new(
        "LOGS_QUEUE_BYTES",
        &[],
        "64MiB",
        "estimated bytes of log records held at most",
    ),
    Setting::new(
        "LOGS_BATCH_SIZE",
        &[],
        "10000",
        "log records in one transaction at most",
    ),
    Setting::new(
        "LOGS_CONNECTIONS",
        &[],
        "1",
        "transactions of log records in flight at once",
    ),
    Setting::secret(
        "EVENTODB_TOKEN",
        &["EVENTS_TOKEN"],
        "token of the event store's namespace default; without one a random one is made and told once",
    ),
    Setting::new(
        "EVENTODB_TEST_MODE",
        &["EVENTS_TEST_MODE"],
        "false",
        "true asks event store requests for no token and makes namespaces on first use; for tests only",
    ),
    Setting::new(
        "EVENTS_CHUNK_INTERVAL",
        &[],
        "7d",
        "time range of a chunk of a new namespace, on TimescaleDB",
    ),
    Setting::new(
        "EVENTS_COMPRESS_AFTER",
        &[],
        "7d",
        "age at which chunks of a new namespace are compressed, where policies are; off for never",
    ),
    Setting::new(
        "EVENTS_ID_WINDOW",
        &[],
        "off",
        "how long a message id is remembered, so that a retry is known; off for ever",
    ),
    Setting::secret(
        "TRACE_TOKEN_SECRET",
        &[],
        "secret with which trace tokens are signed, of at least 16 bytes; without one there are none, and POST /api/traces/spans takes nothing",
    ),
    Setting::secret(
        "TRACE_TOKEN_OLD_SECRETS",
        &[],
        "secrets that were TRACE_TOKEN_SECRET before, separated by commas: tokens of theirs are still valid, and no new ones are made",
    ),
    Setting::new(
        "DEPLOY_WORKSPACES",
        &[],
        "on-first-use",
        "what becomes of deployment traces of a workspace that is not there: on-first-use makes it, must-exist refuses them",
    ),
    Setting::new(
        "DEPLOY_ATTRIBUTE_PREFIX",
        &[],
        "ctrlplane.",
        "what the attributes begin with that become columns of deployment traces",
    ),
    Setting::new(
        "PRICES_FILE",
        &[],
        "",
        "file with prices of models (TOML), which go before those that the program was made with; read at the start and by POST /costs/recompute",
    ),
    Setting::new(
        "CACHE_BYTES",
        &[],
        "64MiB",
        "bytes of answers remembered in process at most; 0 or off for none there",
    ),
    Setting::new(
        "CACHE_TTL",
        &[],
        "1h",
        "how long an answer is remembered at most, in process and in Redis; what changed meanwhile is read anew at once",
    ),
    Setting::new(
        "CACHE_TRACES_AFTER",
        &[],
        "10s",
        "how long ago the last span of a trace must have ended and been stored for the trace to be remembered; off remembers none",
    ),
    Setting::new(
        "CACHE_LATEST_BARS",
        &[],
        "off",
        "how old the latest bars of GET /bars/SYMBOL/latest may be where another server, a tick or SQL wrote newer ones, 1s for example; bars posted to this server are in the next answer; off reads them anew each time",
    ),
    Setting::secret(
        "REDIS_URL",
        &[],
        "Redis in which servers of one database share what they remember: redis://[:PASSWORD@]HOST[:PORT][/DATABASE], rediss://… for TLS, unix:///PATH; none for none",
    ),
    Setting::new("REDIS_POOL_SIZE", &[], "10", "connections to Redis at most"),
    Setting::new(
        "REDIS_TIMEOUT",
        &["REDIS_TIMEOUT_SECS"],
        "5s",
        "how long connecting to Redis and writing to it may take; no request waits for either",
    ),
    Setting::new(
        "REDIS_READ_TIMEOUT",
        &[],
        "50ms",
        "how long a request waits for Redis before it reads the database",
    ),
    Setting::new(
        "SHUTDOWN_TIMEOUT",
        &[],
        "30s",
        "how long a stop waits for requests and for what is held",
    ),
];

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

/// How the event store serves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EventsConfig {
    /// The token of `default`.
    pub token: Option<Token>,
    /// Nobody is asked for a token.
    pub test_mode: bool,
    /// How it keeps messages; its patience is the server's [`ServerConfig::ingest_timeout`].
    pub options: EventsOptions,
}

/// How deployment traces are taken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeploymentsConfig {
    /// The keys of trace tokens; `None` for no tokens.
    pub tokens: Option<TokenKeys>,
    /// What becomes of traces of a workspace that is not there.
    pub workspaces: WorkspacePolicy,
    /// What the attributes begin with that become columns.
    pub prefix: String,
}

/// What is remembered, and where.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CacheConfig {
    /// How much, how long, and in which Redis.
    pub options: CacheOptions,
    /// How long ago a trace must have ended; `None` remembers none.
    pub traces_after: Option<Duration>,
    /// How old latest bars may be; `None` remembers none.
    pub latest_bars: Option<Duration>,
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

const COUNT: &str = "a whole number above zero";

/// Bytes of a prefix of attributes at most.
const LONGEST_PREFIX: usize = 64;

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

impl EventsConfig {
    fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
        let token = sources.get("EVENTODB_TOKEN").map(|(text, origin)| {
            let token = Token::parse(text).ok();
            let token = token.filter(|token| token.namespace() == "default");
            token.ok_or(ConfigError::Invalid {
                name: "EVENTODB_TOKEN",
                origin,
                shown: "set".to_owned(),
                expected: "a token of namespace default: ns_ZGVmYXVsdA_ and 64 hexadecimal digits",
            })
        });
        let mut options = EventsOptions::default();
        options.chunk_interval = sources.duration("EVENTS_CHUNK_INTERVAL")?;
        options.compress_after = unless_off(sources, "EVENTS_COMPRESS_AFTER")?;
        options.id_window = unless_off(sources, "EVENTS_ID_WINDOW")?;
        Ok(Self {
            token: token.transpose()?,
            test_mode: sources.choice(
                "EVENTODB_TEST_MODE",
                // As Go reads truths: the environments of its predecessor are honoured.
                &[
                    ("true", true),
                    ("1", true),
                    ("t", true),
                    ("T", true),
                    ("TRUE", true),
                    ("True", true),
                    ("false", false),
                    ("0", false),
                    ("f", false),
                    ("F", false),
                    ("FALSE", false),
                    ("False", false),
                ],
                "true or false",
            )?,
            options,
        })
    }
}

impl DeploymentsConfig {
    /// Reads given sources, which must have [`SETTINGS`] among their tables.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be used, by name and origin.
    pub fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
        let prefix = sources.checked(
            "DEPLOY_ATTRIBUTE_PREFIX",
            |prefix| prefix.len() <= LONGEST_PREFIX && prefix.bytes().all(|b| b.is_ascii_graphic()),
            "at most 64 printable ASCII characters without spaces, such as ctrlplane.",
        )?;
        Ok(Self {
            tokens: token_keys(sources)?,
            workspaces: sources.choice(
                "DEPLOY_WORKSPACES",
                &[
                    ("on-first-use", WorkspacePolicy::OnFirstUse),
                    ("must-exist", WorkspacePolicy::MustExist),
                ],
                "on-first-use or must-exist",
            )?,
            prefix,
        })
    }
}

impl CacheConfig {
    fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
        let mut options = CacheOptions::default();
        let is_off = sources
            .get("CACHE_BYTES")
            .is_none_or(|(value, _)| matches!(value.trim(), "0" | "off"));
        options.memory = if is_off {
            None
        } else {
            NonZeroU64::new(sources.bytes("CACHE_BYTES")?.get() as u64)
        };
        options.ttl = sources.duration("CACHE_TTL")?;
        let connections = sources.parse("REDIS_POOL_SIZE", COUNT)?;
        let timeout = sources.duration("REDIS_TIMEOUT")?;
        let read_timeout = sources.duration("REDIS_READ_TIMEOUT")?;
        options.redis = sources
            .get("REDIS_URL")
            .map(|(url, origin)| {
                let mut redis = RedisOptions::at(url.trim()).map_err(|_| ConfigError::Invalid {
                    name: "REDIS_URL",
                    origin,
                    // It may hold a password.
                    shown: "set".to_owned(),
                    expected: "a URL such as redis://:PASSWORD@HOST:6379/0, rediss://HOST or unix:///PATH",
                })?;
                redis.connections = connections;
                redis.timeout = timeout;
                redis.read_timeout = read_timeout.min(timeout);
                Ok(redis)
            })
            .transpose()?;
        Ok(Self {
            options,
            traces_after: unless_off(sources, "CACHE_TRACES_AFTER")?,
            latest_bars: unless_off(sources, "CACHE_LATEST_BARS")?,
        })
    }
}

/// The keys of trace tokens. No error shows a secret.
fn token_keys(sources: &Sources) -> Result<Option<TokenKeys>, ConfigError> {
    const OLD: &str = "TRACE_TOKEN_OLD_SECRETS";
    let invalid = |name, origin, expected| ConfigError::Invalid {
        name,
        origin,
        shown: "set".to_owned(),
        expected,
    };
    let Some((secret, origin)) = sources.get("TRACE_TOKEN_SECRET") else {
        return match sources.get(OLD) {
            Some(_) => Err(missing(
                "TRACE_TOKEN_SECRET",
                "set, since TRACE_TOKEN_OLD_SECRETS is",
            )),
            None => Ok(None),
        };
    };
    let mut keys = TokenKeys::new(secret).map_err(|_| {
        let expected = "a secret of at least 16 bytes, and no shorter text over and over";
        invalid("TRACE_TOKEN_SECRET", origin, expected)
    })?;
    if let Some((listed, origin)) = sources.get(OLD) {
        let listed = listed.split(',').map(str::trim);
        for old in listed.filter(|old| !old.is_empty()) {
            keys = keys.with_old(old).map_err(|_| {
                let expected = "secrets of at least 16 bytes each, no shorter text over and over, with commas between them";
                invalid(OLD, origin.clone(), expected)
            })?;
        }
    }
    Ok(Some(keys))
}

fn unless_off(sources: &Sources, name: &'static str) -> Result<Option<Duration>, ConfigError> {
    match sources.get(name) {
        Some(("off", _)) | None => Ok(None),
        Some(_) => sources.duration(name).map(Some),
    }
}

fn missing(name: &'static str, expected: &'static str) -> ConfigError {
    ConfigError::Invalid {
        name,
        origin: annals_store::config::Origin::Default,
        shown: "not set".to_owned(),
        expected,
    }
}

fn address(sources: &Sources, name: &'static str) -> Result<Option<SocketAddr>, ConfigError> {
    let expected = "an address with a port such as 127.0.0.1:8080 or [::1]:8080, or off";
    let value = sources.checked(
        name,
        |value| value == "off" || value.parse::<SocketAddr>().is_ok(),
        expected,
    )?;
    Ok(value.parse().ok())
}

fn truth(sources: &Sources, name: &'static str) -> Result<bool, ConfigError> {
    sources.choice(
        name,
        &[("true", true), ("1", true), ("false", false), ("0", false)],
        "true or false",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(environment: &[(&str, &str)]) -> Result<ServerConfig, ConfigError> {
        let lookup = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let tables = [SETTINGS, annals_market::config::SETTINGS];
        ServerConfig::from_sources(&Sources::of(&tables).with_environment(lookup))
    }

    #[test]
    fn every_default_is_valid_and_every_address_is_loopback() {
        let Addresses {
            http,
            otlp_grpc,
            otlp_http,
        } = config(&[]).unwrap().addresses;
        for address in [http, otlp_grpc, otlp_http] {
            assert!(address.unwrap().ip().is_loopback());
        }
    }

    #[test]
    fn zero_and_nonsense_are_refused_by_name() {
        for (name, value) in [
            ("HTTP_ADDR", "8080"),
            ("MAX_REQUEST_BYTES", "0"),
            ("MAX_REQUEST_BYTES", "16 megs"),
            ("INGEST_QUEUE_SIZE", "0"),
            ("MAX_ATTRIBUTE_DEPTH", "31"),
            ("INSECURE", "maybe"),
            ("READ_TIMEOUT", "0s"),
            ("API_TOKEN", "short"),
            ("BARS_DB_CONFLICT", "add"),
            ("BARS_CHECKPOINT_INTERVAL", "0s"),
            ("BARS_ROLLUP_INTERVAL", "0s"),
            ("LIFECYCLE_INTERVAL", "0s"),
            ("LIFECYCLE_INTERVAL", "sometimes"),
            ("TLS_CERT", "/nowhere/at/all.pem"),
            ("EVENTODB_TOKEN", "hunter2"),
            ("EVENTODB_TEST_MODE", "maybe"),
            ("EVENTS_CHUNK_INTERVAL", "off"),
            ("EVENTS_ID_WINDOW", "0s"),
            ("TRACE_TOKEN_SECRET", "secret"),
            ("TRACE_TOKEN_OLD_SECRETS", "0123456789abcdef"),
            ("DEPLOY_WORKSPACES", "sometimes"),
            ("DEPLOY_ATTRIBUTE_PREFIX", "with spaces"),
            ("CACHE_BYTES", "many"),
            ("CACHE_TTL", "0s"),
            ("CACHE_TRACES_AFTER", "later"),
            ("CACHE_LATEST_BARS", "0s"),
            ("REDIS_URL", "http://localhost:6379"),
            ("REDIS_URL", "localhost"),
            ("REDIS_POOL_SIZE", "0"),
            ("REDIS_TIMEOUT", "soon"),
            ("REDIS_READ_TIMEOUT", "0"),
        ] {
            let message = config(&[(name, value)]).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
        let message = config(&[("API_TOKEN", "hunter2 hunter2 hunter2")])
            .unwrap_err()
            .to_string();
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn what_is_remembered_is_told_and_no_password_of_redis() {
        let cache = config(&[]).unwrap().cache;
        assert!(cache.options.memory.is_some() && cache.options.redis.is_none());
        for off in ["0", "off"] {
            let cache = config(&[("CACHE_BYTES", off), ("CACHE_TRACES_AFTER", "off")])
                .unwrap()
                .cache;
            assert!(cache.options.memory.is_none() && cache.traces_after.is_none());
        }
        let redis = [
            ("REDIS_URL", "rediss://ann:hunter2@cache.example:6380/1"),
            ("REDIS_POOL_SIZE", "3"),
            ("REDIS_TIMEOUT_SECS", "7"),
        ];
        let config = config(&redis).unwrap();
        let redis = config.cache.options.redis.as_ref().unwrap();
        assert_eq!(redis.connections.get(), 3);
        assert_eq!(redis.timeout, Duration::from_secs(7));
        let shown = format!("{config:?}");
        assert!(shown.contains("cache.example"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
        let message = super::tests::config(&[("REDIS_URL", "redis:/hunter2@x")]).unwrap_err();
        assert!(
            !format!("{message} {message:?}").contains("hunter2"),
            "{message}"
        );
    }

    #[test]
    fn a_secret_of_trace_tokens_is_never_shown() {
        let secret = "hunter2 and a horse";
        for old in ["hunter2", "hunter2 and a cow 1,hunter2"] {
            let settings = [
                ("TRACE_TOKEN_SECRET", secret),
                ("TRACE_TOKEN_OLD_SECRETS", old),
            ];
            let message = config(&settings).unwrap_err().to_string();
            assert!(message.contains("TRACE_TOKEN_OLD_SECRETS"), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
        let message = config(&[("TRACE_TOKEN_SECRET", "hunter2")]).unwrap_err();
        assert!(!message.to_string().contains("hunter2"), "{message}");
        let old = "hunter2 and a cow 1, hunter2 and a cow 2,";
        let settings = [
            ("TRACE_TOKEN_SECRET", secret),
            ("TRACE_TOKEN_OLD_SECRETS", old),
        ];
        let config = config(&settings).unwrap();
        assert!(config.deployments.tokens.is_some());
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn a_service_can_be_off() {
        assert_eq!(
            config(&[("OTLP_HTTP_ADDR", "off")])
                .unwrap()
                .addresses
                .otlp_http,
            None
        );
    }
}
