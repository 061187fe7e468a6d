//! What is remembered, and where.

use std::{num::NonZeroU64, time::Duration};

use annals_cache::{CacheOptions, RedisOptions};
use annals_store::{ConfigError, config::Sources};

use super::values::{COUNT, unless_off};

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

impl CacheConfig {
    pub(super) fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
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
