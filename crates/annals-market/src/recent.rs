//! Latest bars that were read a moment ago.
//!
//! Nothing in the database tells cheaply that the newest bars of a symbol are the same as before: a correction of any of
//! them leaves the newest row as it is, and to look at all of them is to read them. So this is for whoever has said how
//! old an answer may be, and it is off for everybody else. What this process has written through [`Bars`](crate::Bars)
//! with the same options is in the next answer nevertheless: a write that has ended, well or not, makes what was read of its
//! symbols before another version. Bars of others (another server, ticks, enqueued ones, SQL) are in it once
//! the age is over. In process only: another server has an age of its own.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use annals_cache::{Cache, Fresh, Kept, Space, Version};
use annals_store::Store;

use crate::{Bar, Result, Timeframe, Zone, latest};

/// Groups of symbols whose writes are told apart.
const GROUPS: usize = 1024;

/// Latest bars, remembered for a short time. Clones are the same.
#[derive(Clone, Debug)]
pub struct LatestBars {
    cache: Cache,
    age: Duration,
    began: Instant,
    /// Of this process alone.
    space: Space,
    /// How often bars of each group of symbols were written.
    writes: Arc<[AtomicU64]>,
}

/// The latest bars of a symbol.
struct Latest(Vec<Bar>);

impl Kept for Latest {
    const KIND: &'static str = "latest_bars";
    const SHARED: bool = false;
    const FORMAT: u16 = 1;

    fn weight(&self) -> usize {
        let symbols: usize = self.0.iter().map(|bar| bar.symbol.len() + 16).sum();
        symbols + std::mem::size_of_val(self.0.as_slice())
    }
}

impl LatestBars {
    /// Remembers them in a cache for so long.
    #[must_use]
    pub fn new(cache: Cache, age: Duration) -> Self {
        let secret = annals_record::Uuid::new_v4();
        Self {
            cache,
            age: age.max(Duration::from_millis(1)),
            began: Instant::now(),
            space: Space::new(secret.as_bytes(), []),
            writes: (0..GROUPS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// What is read from now on, and nothing that was read before a write of this symbol or too long ago.
    fn version(&self, symbol: &str) -> Version {
        let span = self.began.elapsed().as_nanos() / self.age.as_nanos();
        let writes = self.writes.get(group_of(symbol));
        let writes = writes.map_or(0, |writes| writes.load(Ordering::SeqCst));
        Version::of([&span.to_be_bytes()[..], &writes.to_be_bytes()])
    }

    /// Notes when it is dropped that bars of these symbols were written: after their commit, or when nobody waits for
    /// that any more.
    pub(crate) fn writing(&self, bars: &[Bar]) -> Writing {
        Writing {
            groups: bars.iter().map(|bar| group_of(&bar.symbol)).collect(),
            writes: Arc::clone(&self.writes),
        }
    }

    pub(crate) async fn of_symbol(
        &self,
        store: &Store,
        symbol: &str,
        timeframe: Timeframe,
        zone: &Zone,
        limit: u32,
    ) -> Result<Vec<Bar>> {
        let version = self.version(symbol);
        let key = key(symbol, timeframe, zone, limit);
        let read = async {
            let bars = latest::of_symbol(store, symbol, timeframe, zone, limit).await?;
            Ok::<_, crate::Error>(Fresh {
                value: Latest(bars),
                keep: true,
            })
        };
        let found = self.cache.remember(&self.space, &key, &version, read);
        Ok(found.await?.0.clone())
    }

    pub(crate) async fn of_symbols(
        &self,
        store: &Store,
        symbols: &[String],
        limit: u32,
    ) -> Result<Vec<Bar>> {
        let zone = Zone::utc();
        let key = |symbol: &str| key(symbol, Timeframe::M1, &zone, limit);
        let mut found: HashMap<&str, Arc<Latest>> = HashMap::new();
        let mut missing = Vec::new();
        let mut asked = HashSet::new();
        for symbol in symbols
            .iter()
            .filter(|symbol| asked.insert(symbol.as_str()))
        {
            let version = self.version(symbol);
            match self.cache.get(&self.space, &key(symbol), &version).await {
                Some(latest) => {
                    found.insert(symbol, latest);
                }
                None => missing.push((symbol.clone(), version)),
            }
        }
        if !missing.is_empty() {
            let names: Vec<_> = missing.iter().map(|(symbol, _)| symbol.clone()).collect();
            let mut read: HashMap<String, Vec<Bar>> = HashMap::new();
            for bar in latest::of_symbols(store, &names, limit).await? {
                match read.get_mut(&bar.symbol) {
                    Some(bars) => bars.push(bar),
                    None => {
                        read.insert(bar.symbol.clone(), vec![bar]);
                    }
                }
            }
            let versions: HashMap<_, _> = missing.into_iter().collect();
            for symbol in symbols {
                if let Some(version) = versions.get(symbol)
                    && !found.contains_key(symbol.as_str())
                {
                    let bars = read.remove(symbol).unwrap_or_default();
                    let latest = Arc::new(Latest(bars));
                    let key = key(symbol);
                    self.cache
                        .put(&self.space, &key, version, Arc::clone(&latest));
                    found.insert(symbol, latest);
                }
            }
        }
        let bars = symbols
            .iter()
            .filter_map(|symbol| found.get(symbol.as_str()));
        Ok(bars.flat_map(|latest| latest.0.iter().cloned()).collect())
    }
}

/// Bars that are being written.
pub(crate) struct Writing {
    groups: HashSet<usize>,
    writes: Arc<[AtomicU64]>,
}

impl Drop for Writing {
    fn drop(&mut self) {
        for group in &self.groups {
            if let Some(writes) = self.writes.get(*group) {
                writes.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

fn group_of(symbol: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    symbol.hash(&mut hasher);
    (hasher.finish() % GROUPS as u64) as usize
}

fn key(symbol: &str, timeframe: Timeframe, zone: &Zone, limit: u32) -> Vec<u8> {
    let mut key = format!("{timeframe:?}/{zone:?}/{limit}/").into_bytes();
    key.extend(symbol.bytes());
    key
}
