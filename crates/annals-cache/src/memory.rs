//! Values in process.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, SystemTime},
};

use quick_cache::{Weighter, sync::Cache};

use crate::{Kept, Version, counts::Outcome, key::Key};

/// What a value takes beside itself: its key, its entry, its place.
const OVERHEAD: usize = 160;

/// About what a value takes, for the number of places to begin with.
const TYPICAL: u64 = 32 << 10;

/// A value as it was put.
#[derive(Clone)]
struct Entry {
    version: Version,
    /// By the wall clock, as the one in Redis may be another server's.
    since: SystemTime,
    weight: u64,
    value: Arc<dyn Any + Send + Sync>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Entry> for ByBytes {
    fn weight(&self, _key: &Key, entry: &Entry) -> u64 {
        entry.weight
    }
}

/// Values in process, bounded in bytes.
pub(crate) struct Memory {
    cache: Cache<Key, Entry, ByBytes>,
    ttl: Duration,
    /// A value that is heavier would push out too many others.
    heaviest: u64,
}

impl Memory {
    pub(crate) fn new(bytes: u64, ttl: Duration) -> Self {
        let places = usize::try_from(bytes / TYPICAL)
            .unwrap_or(usize::MAX)
            .clamp(32, 1 << 20);
        Self {
            cache: Cache::with_weighter(places, bytes, ByBytes),
            ttl,
            heaviest: bytes / 8,
        }
    }

    pub(crate) fn get<T: Kept>(&self, key: &Key, version: &Version) -> Result<Arc<T>, Outcome> {
        let entry = self.cache.get(key).ok_or(Outcome::Miss)?;
        if entry.version != *version {
            return Err(Outcome::Stale);
        }
        if !is_young(entry.since, self.ttl) {
            self.cache.remove(key);
            return Err(Outcome::Miss);
        }
        entry.value.downcast().map_err(|_| Outcome::Error)
    }

    pub(crate) fn put<T: Kept>(
        &self,
        key: Key,
        version: Version,
        since: SystemTime,
        value: Arc<T>,
    ) {
        let weight = value.weight().saturating_add(OVERHEAD) as u64;
        if weight > self.heaviest {
            // The older one is of no use to anybody.
            self.cache.remove(&key);
            return;
        }
        let entry = Entry {
            version,
            since,
            weight,
            value,
        };
        self.cache.insert(key, entry);
    }

    pub(crate) fn remove(&self, key: &Key) {
        self.cache.remove(key);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.cache.weight()
    }

    pub(crate) fn entries(&self) -> usize {
        self.cache.len()
    }
}

/// Whether something that began then is no older than that. What lies far in the future comes from a clock that is wrong.
pub(crate) fn is_young(since: SystemTime, most: Duration) -> bool {
    match SystemTime::now().duration_since(since) {
        Ok(age) => age < most,
        Err(ahead) => ahead.duration() < most,
    }
}
