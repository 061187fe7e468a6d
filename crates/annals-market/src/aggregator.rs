//! Bars of a minute from trades.

mod part;
mod shard;
mod tick;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use annals_record::{Timestamp, TimestampMicros};

pub use tick::{Tick, TickError, TickKind};

use crate::Bar;
use shard::{Bounds, Shard};

/// How many locks the symbols share.
const SHARDS: usize = 64;

/// Makes bars of a minute from trades, for any number of feeders at once.
///
/// What comes out are *parts* of bars. Every trade is in exactly one part, so that all parts of a
/// symbol's minute, merged in a table by [`OnConflict::MergeEach`](annals_record::OnConflict::MergeEach), are
/// the bar, in whatever order they get there. That is what makes it safe to give out a part in the
/// middle of a minute, to close a minute while a trade of it is still under way, and to begin a minute
/// in one process and to end it in another.
///
/// Inside of a part, the first and the last trade are those by time, to the nanosecond; of trades at
/// the same time, those that came first and last. Two things can only be told from inside of one part:
/// the order of trades at the same microsecond, which between parts is that in which they are merged,
/// and the `vwap` of a minute without volume, which is that of the part merged last.
///
/// Parts come out through a `Vec` that the caller owns and can use again. A part that came out is the
/// caller's to write; it will not come out again.
///
/// ```
/// use annals_market::aggregator::{Aggregator, Tick, TickKind};
/// use annals_record::Timestamp;
///
/// let aggregator = Aggregator::default();
/// let mut parts = Vec::new();
/// for (price, second) in [(150.0, 0), (151.0, 59), (149.0, 60)] {
///     let tick = Tick {
///         symbol: "AAPL".to_owned(),
///         price,
///         size: 100,
///         timestamp: Timestamp::from_unix_seconds(1_700_000_040 + second)?,
///         kind: TickKind::Trade,
///     };
///     aggregator.feed(&tick, &mut parts)?;
/// }
/// // The third trade closed the first two's minute.
/// let minute = &parts[0];
/// assert_eq!((parts.len(), minute.high, minute.volume), (1, 151.0, 200));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Aggregator {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    bounds: Bounds,
    grace: Duration,
    /// Minutes that ended then or before are closed; microseconds.
    closed_until: AtomicI64,
    trades: AtomicU64,
    quotes: AtomicU64,
    late_trades: AtomicU64,
    refused: AtomicU64,
}

/// How an [`Aggregator`] waits, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AggregatorOptions {
    /// How long after its end a minute is kept open for trades that are under way.
    pub grace: Duration,
    /// Late minutes of each symbol that are open at once. One more, and the one that was opened first
    /// is given out. With 0, every late trade is a part.
    pub late_minutes: usize,
    /// Symbols with open parts, about (they are counted in 64 groups). One more, and the open parts of
    /// its whole group are given out.
    pub symbols: usize,
}

impl Default for AggregatorOptions {
    /// 2 s of grace, 16 late minutes of each of 100,000 symbols.
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(2),
            late_minutes: 16,
            symbols: 100_000,
        }
    }
}

/// What an [`Aggregator`] was fed since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TickCounts {
    /// Trades that were taken, late ones included.
    pub trades: u64,
    /// Trades of a minute that was closed, or earlier than its symbol's running one.
    pub late_trades: u64,
    /// Quotes, which are ignored.
    pub quotes: u64,
    /// Trades that were refused.
    pub refused: u64,
}

impl Aggregator {
    /// An aggregator that was fed nothing.
    #[must_use]
    pub fn new(options: AggregatorOptions) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            bounds: Bounds {
                symbols: options.symbols.div_ceil(SHARDS).max(1),
                late_minutes: options.late_minutes,
            },
            grace: options.grace,
            closed_until: AtomicI64::new(i64::MIN),
            trades: AtomicU64::new(0),
            quotes: AtomicU64::new(0),
            late_trades: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Takes a tick. A trade of a later minute than its symbol's running one closes that one, whose
    /// part comes out.
    ///
    /// A late trade never touches the running minute: its own minute is opened again, and its part
    /// comes out by [`close_due`](Self::close_due) or [`checkpoint`](Self::checkpoint), or when there
    /// are too many.
    ///
    /// # Errors
    ///
    /// The first rule that the trade breaks; it is not taken then. Quotes are not looked at.
    pub fn feed(&self, tick: &Tick, out: &mut Vec<Bar>) -> Result<(), TickError> {
        if tick.kind == TickKind::Quote {
            self.quotes.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        if let Err(error) = tick.check() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(error);
        }
        if let Some(shard) = self.shard(&tick.symbol) {
            let closed_until = self.closed_until.load(Ordering::Relaxed);
            let late = lock(shard).feed(tick, tick.minute(), closed_until, self.bounds, out);
            self.late_trades
                .fetch_add(u64::from(late), Ordering::Relaxed);
            self.trades.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Closes each minute that ended the grace period before `now` or earlier, and gives out its part.
    /// To be called every second or so: without it, the last minute of a symbol that trades no more
    /// stays open.
    pub fn close_due(&self, now: Timestamp, out: &mut Vec<Bar>) {
        let due = TimestampMicros::floor(now - self.grace).unix_micros();
        let closed_until = self.closed_until.fetch_max(due, Ordering::Relaxed).max(due);
        for shard in &self.shards {
            lock(shard).close(closed_until, out);
        }
    }

    /// Gives out what came since the last checkpoint; running minutes go on. Called every few seconds,
    /// it bounds what a crash loses.
    pub fn checkpoint(&self, out: &mut Vec<Bar>) {
        for shard in &self.shards {
            lock(shard).checkpoint(out);
        }
    }

    /// Gives out everything and forgets every symbol, at the end of a process. What is fed while this
    /// runs may stay; so the feeders end before.
    pub fn flush(&self, out: &mut Vec<Bar>) {
        for shard in &self.shards {
            lock(shard).flush(out);
        }
    }

    /// What was fed.
    #[must_use]
    pub fn counts(&self) -> TickCounts {
        TickCounts {
            trades: self.trades.load(Ordering::Relaxed),
            late_trades: self.late_trades.load(Ordering::Relaxed),
            quotes: self.quotes.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// How many parts are open.
    #[must_use]
    pub fn open_parts(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).parts()).sum()
    }

    fn shard(&self, symbol: &str) -> Option<&Mutex<Shard>> {
        let hash = self.hasher.hash_one(symbol);
        self.shards.get((hash % SHARDS as u64) as usize)
    }
}

impl Default for Aggregator {
    fn default() -> Self {
        Self::new(AggregatorOptions::default())
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
