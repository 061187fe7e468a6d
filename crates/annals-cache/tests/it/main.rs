//! The cache by itself, with a real Redis that is killed, paused and lied in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod alone;
mod redis;

use std::{sync::Arc, time::Duration};

use annals_cache::{Cache, CacheOptions, Kept, RedisOptions, Space, Version};
use annals_testkit::RedisServer;

/// A value for tests.
#[derive(Clone, Debug, PartialEq)]
struct Text(String);

impl Kept for Text {
    const KIND: &'static str = "text";
    const FORMAT: u16 = 1;

    fn to_bytes(&self) -> Vec<u8> {
        self.0.clone().into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok().map(Self)
    }

    fn weight(&self) -> usize {
        self.0.len()
    }
}

fn text(text: &str) -> Arc<Text> {
    Arc::new(Text(text.to_owned()))
}

fn version(number: u8) -> Version {
    Version::of([&[number][..]])
}

fn space() -> Space {
    Space::new(b"a secret", [&b"public"[..]])
}

/// A cache in Redis alone, so that nothing is answered from memory, impatient and quick to try again.
fn only_redis(server: &RedisServer) -> Cache {
    cache_at(&server.url(), |options| options.memory = None)
}

fn cache_at(url: &str, change: impl FnOnce(&mut CacheOptions)) -> Cache {
    let mut redis = RedisOptions::at(url).unwrap();
    // Far above what a busy machine needs, as nothing here may depend on it, and far below what anybody waits for.
    redis.read_timeout = Duration::from_millis(300);
    redis.pause = Duration::from_millis(20);
    let mut options = CacheOptions::default();
    options.redis = Some(redis);
    change(&mut options);
    Cache::new(options)
}

/// Puts a value until it can be got: what is put while Redis is away is not kept, and need not be.
async fn until_kept(cache: &Cache, key: &[u8], version: &Version, value: &Arc<Text>) {
    let patience = Duration::from_secs(30);
    let kept = async {
        loop {
            cache.put(&space(), key, version, Arc::clone(value));
            cache.settled().await;
            if cache.get::<Text>(&space(), key, version).await.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(patience, kept).await.unwrap();
}
