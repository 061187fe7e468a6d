//! Get, put, and read once for all who ask at once.

use std::{sync::Arc, time::SystemTime};

use crate::{
    CacheOptions, Kept, Space, Version,
    counts::{self, Layer, Outcome},
    flight::Flights,
    key::Key,
    memory::Memory,
    remote::{Found, Remote},
    sealed,
};

/// Answers that are remembered. Clones are the same cache.
#[derive(Clone)]
pub struct Cache(Option<Arc<Inner>>);

struct Inner {
    options: CacheOptions,
    memory: Option<Memory>,
    remote: Option<Arc<Remote>>,
    flights: Flights,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Fresh<T> {
    /// The value.
    pub value: T,
    /// Whether it is one that can be remembered.
    pub keep: bool,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(inner) => f.debug_tuple("Cache").field(&inner.options).finish(),
            None => f.write_str("Cache(off)"),
        }
    }
}

impl Cache {
    /// A cache that remembers nothing.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// A cache. Redis is connected to when it is asked first: one that is away at the start is no error.
    #[must_use]
    pub fn new(options: CacheOptions) -> Self {
        if options.memory.is_none() && options.redis.is_none() {
            return Self::off();
        }
        let ttl = options.ttl;
        let memory = options.memory.map(|bytes| Memory::new(bytes.get(), ttl));
        let most = options.largest.saturating_add(sealed::OVERHEAD);
        let redis = options.redis.clone();
        Self(Some(Arc::new(Inner {
            memory,
            remote: redis.map(|redis| Arc::new(Remote::new(redis, ttl, most))),
            options,
            flights: Flights::default(),
        })))
    }

    /// Whether it remembers nothing.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// The value under a key, if it is remembered and of this version.
    pub async fn get<T: Kept>(
        &self,
        space: &Space,
        key: &[u8],
        version: &Version,
    ) -> Option<Arc<T>> {
        let inner = self.0.as_deref()?;
        let key = space.key::<T>(key);
        if let Some(value) = inner.in_memory(&key, version) {
            return Some(value);
        }
        inner.in_redis(space, &key, version).await
    }

    /// Remembers a value. Returns at once; Redis has it a little later.
    ///
    /// `version` was read from the database before the value was: what changed in between makes the value newer than its
    /// version, and then nobody asks for that version any more. The other way round would be wrong.
    pub fn put<T: Kept>(&self, space: &Space, key: &[u8], version: &Version, value: Arc<T>) {
        if let Some(inner) = &self.0 {
            let key = space.key::<T>(key);
            inner.put(space, key, *version, value);
        }
    }

    /// Forgets what this process has under a key. Redis keeps it, as it does what it has for other servers: it is
    /// the version that says whether a value is used.
    pub fn forget<T: Kept>(&self, space: &Space, key: &[u8]) {
        if let Some(memory) = self.0.as_ref().and_then(|inner| inner.memory.as_ref()) {
            memory.remove(&space.key::<T>(key));
        }
    }

    /// The value under a key: remembered, or read now and remembered. Who misses the same value while it is being read
    /// waits for it instead of reading it too.
    ///
    /// # Errors
    ///
    /// Those of `read`, each caller's own.
    pub async fn remember<T: Kept, E>(
        &self,
        space: &Space,
        key: &[u8],
        version: &Version,
        read: impl Future<Output = Result<Fresh<T>, E>>,
    ) -> Result<Arc<T>, E> {
        let Some(inner) = self.0.as_deref() else {
            return Ok(Arc::new(read.await?.value));
        };
        let key = space.key::<T>(key);
        if let Some(value) = inner.in_memory(&key, version) {
            return Ok(value);
        }
        let turn = inner.flights.turn(key, *version).await;
        let found = match (&turn, &inner.memory) {
            (None, Some(memory)) => memory.get(&key, version).ok(),
            _ => inner.in_redis(space, &key, version).await,
        };
        if let Some(value) = found {
            return Ok(value);
        }
        let fresh = read.await?;
        let value = Arc::new(fresh.value);
        if fresh.keep {
            inner.put(space, key, *version, Arc::clone(&value));
        }
        // Not before: who waits finds it there.
        drop(turn);
        Ok(value)
    }

    /// Sets the gauges.
    pub fn report(&self) {
        let Some(inner) = &self.0 else {
            return;
        };
        if let Some(memory) = &inner.memory {
            counts::held(memory.bytes(), memory.entries());
        }
        if let Some(remote) = &inner.remote {
            counts::redis_up(remote.is_up());
        }
    }

    /// Whether Redis is asked: there is one, and it is not left alone.
    #[must_use]
    pub fn asks_redis(&self) -> bool {
        let remote = self.0.as_ref().and_then(|inner| inner.remote.as_ref());
        remote.is_some_and(|remote| remote.is_up())
    }

    /// Waits until nothing is on its way to Redis any more.
    pub async fn settled(&self) {
        if let Some(remote) = self.0.as_ref().and_then(|inner| inner.remote.as_ref()) {
            remote.settled().await;
        }
    }
}

impl Inner {
    fn in_memory<T: Kept>(&self, key: &Key, version: &Version) -> Option<Arc<T>> {
        let found = self.memory.as_ref()?.get(key, version);
        let outcome = found.as_ref().err().copied().unwrap_or(Outcome::Hit);
        counts::asked(T::KIND, Layer::Memory, outcome);
        found.ok()
    }

    async fn in_redis<T: Kept>(
        &self,
        space: &Space,
        key: &Key,
        version: &Version,
    ) -> Option<Arc<T>> {
        let remote = self.remote.as_ref().filter(|_| T::SHARED)?;
        let found = match remote.get(&key.name::<T>()).await {
            Found::Away => return None,
            Found::Failed => Err(Outcome::Error),
            Found::Nothing => Err(Outcome::Miss),
            Found::Bytes(bytes) => {
                let CacheOptions { ttl, largest, .. } = self.options;
                sealed::open(space, key, version, ttl, largest, &bytes)
            }
        };
        let found = found.and_then(|opened| {
            let value = T::from_bytes(&opened.bytes).ok_or(Outcome::Error)?;
            Ok((Arc::new(value), opened.since))
        });
        let outcome = found.as_ref().err().copied().unwrap_or(Outcome::Hit);
        counts::asked(T::KIND, Layer::Redis, outcome);
        let (value, since) = found.ok()?;
        if let Some(memory) = &self.memory {
            memory.put(*key, *version, since, Arc::clone(&value));
        }
        Some(value)
    }

    fn put<T: Kept>(&self, space: &Space, key: Key, version: Version, value: Arc<T>) {
        let weight = value.weight();
        if weight > self.options.largest {
            return;
        }
        let since = SystemTime::now();
        if let Some(memory) = &self.memory {
            memory.put(key, version, since, Arc::clone(&value));
        }
        if let Some(remote) = self.remote.as_ref().filter(|_| T::SHARED) {
            let space = space.clone();
            let largest = self.options.largest;
            remote.put(key.name::<T>(), weight, move || {
                let bytes = value.to_bytes();
                (bytes.len() <= largest)
                    .then(|| sealed::seal(&space, &key, &version, since, &bytes))
                    .flatten()
            });
        }
    }
}
