//! How much, how long, and which Redis.

use std::{
    fmt,
    num::{NonZeroU64, NonZeroUsize},
    time::Duration,
};

/// How values are remembered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CacheOptions {
    /// Bytes of values in process at most; `None` for none there.
    pub memory: Option<NonZeroU64>,
    /// How long a value is kept at most, wherever it is.
    pub ttl: Duration,
    /// Bytes of a value at most, unpacked: a larger one is not remembered.
    pub largest: usize,
    /// Redis beside it; `None` for none.
    pub redis: Option<RedisOptions>,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            memory: NonZeroU64::new(64 << 20),
            ttl: Duration::from_secs(3600),
            largest: 8 << 20,
            redis: None,
        }
    }
}

/// Which Redis, and how much patience it gets.
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisOptions {
    pub(crate) client: redis::Client,
    /// Connections at most.
    pub connections: NonZeroUsize,
    /// How long connecting and writing may take; nobody waits for either.
    pub timeout: Duration,
    /// How long a reader waits at most.
    pub read_timeout: Duration,
    /// Failures after each other after which it is left alone.
    pub failures: u32,
    /// For how long, the first time; longer each time that it fails again soon.
    pub pause: Duration,
}

/// Shows where it is, and no secret.
impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("address", &self.address())
            .field("connections", &self.connections)
            .field("timeout", &self.timeout)
            .field("read_timeout", &self.read_timeout)
            .finish_non_exhaustive()
    }
}

impl RedisOptions {
    /// The Redis at `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss://…` for TLS, or
    /// `unix:///PATH`. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// It is no such URL; the error does not show it.
    pub fn at(url: &str) -> Result<Self, CacheError> {
        let client = redis::Client::open(url).map_err(|_| CacheError::Url)?;
        Ok(Self {
            client,
            connections: NonZeroUsize::MIN.saturating_add(9),
            timeout: Duration::from_secs(5),
            read_timeout: Duration::from_millis(50),
            failures: 3,
            pause: Duration::from_millis(500),
        })
    }

    /// Where it is, without user and password.
    #[must_use]
    pub fn address(&self) -> String {
        match self.client.get_connection_info().addr() {
            redis::ConnectionAddr::Tcp(host, port) => format!("{host}:{port}"),
            redis::ConnectionAddr::TcpTls { host, port, .. } => format!("{host}:{port} by TLS"),
            redis::ConnectionAddr::Unix(path) => path.display().to_string(),
            _ => "an address of another kind".to_owned(),
        }
    }

    pub(crate) fn is_tls(&self) -> bool {
        let address = self.client.get_connection_info().addr();
        matches!(address, redis::ConnectionAddr::TcpTls { .. })
    }
}

/// Why there is no such cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The URL of Redis cannot be understood. It may hold a password, so it is not shown.
    #[error(
        "no URL of a Redis; write redis://[:PASSWORD@]HOST[:PORT][/DATABASE], rediss://… for TLS, or unix:///PATH"
    )]
    Url,
}
