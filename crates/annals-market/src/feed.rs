//! From trades to bars in the database, without ever keeping the feed waiting.
//!
//! ```text
//! feed ──► aggregator ──► waiting parts ──► writer (merging) ──► bars_1m
//!  never waits             bounded, merged      waits for the database
//! ```

mod waiting;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use annals_record::{OnConflict, Timestamp};
use annals_store::{Overflow, Store, WriterReport};
use tokio::time::Instant;

use crate::{
    Aggregator, AggregatorOptions, Bar, Bars, BarsOptions, Result, Tick, TickCounts, TickError,
    bars::BarStore as _,
};
use waiting::Waiting;

/// How a [`TickFeed`] works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FeedOptions {
    /// How parts are written. They are merged and wait for room, whatever it says of conflicts and overflow.
    pub bars: BarsOptions,
    /// How minutes are closed.
    pub aggregator: AggregatorOptions,
    /// How often the parts of running minutes are given to the writer too, which bounds what a crash
    /// loses; `None` for never.
    pub checkpoint: Option<Duration>,
    /// Parts that may wait for the writer, about. Beyond, ticks are refused.
    pub waiting: usize,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self {
            bars: BarsOptions::default(),
            aggregator: AggregatorOptions::default(),
            checkpoint: None,
            waiting: 1_000_000,
        }
    }
}

/// What became of ticks.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "ticks may have been refused"]
pub struct Fed {
    /// Trades that are in memory now, and in the database once their minute is closed.
    pub taken: usize,
    /// Quotes, which are ignored.
    pub quotes: usize,
    /// Trades that break a rule.
    pub refused: Vec<RefusedTick>,
}

/// A tick that breaks a rule.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("tick {index} ({symbol:?}) refused: {reason}")]
pub struct RefusedTick {
    /// Its place in the call, from 0.
    pub index: usize,
    /// Its symbol.
    pub symbol: String,
    /// The rule. Part of the message, so not its source as well.
    pub reason: TickError,
}

/// More parts wait for the database than may; nothing of the call was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{waiting} parts of bars wait for the database; feed the same again later")]
pub struct FeedFull {
    /// How many.
    pub waiting: usize,
}

/// Where the parts of a feed's life ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeedReport {
    /// What was fed.
    pub ticks: TickCounts,
    /// Where parts ended that the writer was given.
    pub written: WriterReport,
    /// Parts that it was not given any more, or did not take.
    pub lost: u64,
}

/// Makes bars of trades and keeps them.
#[derive(Debug)]
pub struct TickFeed {
    aggregator: Aggregator,
    bars: Bars,
    waiting: Mutex<Waiting>,
    /// Parts that the store called none.
    refused: AtomicU64,
    options: FeedOptions,
}

impl TickFeed {
    /// A feed into a store whose tables are there. [`run`](Self::run) has to run beside it.
    ///
    /// # Errors
    ///
    /// The database could not be asked about the table's chunks.
    pub async fn new(store: Store, options: FeedOptions) -> Result<Arc<Self>> {
        let mut writer = options.bars.writer.clone();
        // What has no room waits here, and is neither dropped nor in the feed's way.
        writer.overflow = Overflow::Block;
        // Two parts that are equal are two parts: nobody sends one again.
        let bars = Bars::under(store, writer, OnConflict::MergeEach).await?;
        Ok(Arc::new(Self {
            aggregator: Aggregator::new(options.aggregator),
            bars,
            waiting: Mutex::default(),
            refused: AtomicU64::new(0),
            options,
        }))
    }

    /// Takes ticks; never waits. A tick that breaks a rule refuses itself alone.
    ///
    /// What is taken is in memory: it is in the database once its minute is closed, or at the next
    /// checkpoint.
    ///
    /// # Errors
    ///
    /// Too many parts wait for the database.
    pub fn feed(&self, ticks: &[Tick]) -> Result<Fed, FeedFull> {
        let waiting = self.waiting().len();
        if waiting >= self.options.waiting {
            return Err(FeedFull { waiting });
        }
        let mut fed = Fed::default();
        let mut parts = Vec::new();
        for (index, tick) in ticks.iter().enumerate() {
            match self.aggregator.feed(tick, &mut parts) {
                Ok(()) if tick.kind == crate::TickKind::Quote => fed.quotes += 1,
                Ok(()) => fed.taken += 1,
                Err(reason) => fed.refused.push(RefusedTick {
                    index,
                    symbol: tick.symbol.clone(),
                    reason,
                }),
            }
        }
        if !parts.is_empty() {
            self.waiting().add(parts);
        }
        Ok(fed)
    }

    /// Closes minutes by the clock and gives what is closed to the writer, until it is dropped.
    pub async fn run(self: Arc<Self>) {
        let mut clock = tokio::time::interval(self.options.bars.interval);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut checkpoint = Instant::now();
        loop {
            clock.tick().await;
            let mut parts = Vec::new();
            self.aggregator.close_due(Timestamp::now(), &mut parts);
            if let Some(every) = self.options.checkpoint
                && checkpoint.elapsed() >= every
            {
                checkpoint = Instant::now();
                self.aggregator.checkpoint(&mut parts);
            }
            self.waiting().add(parts);
            self.hand_over().await;
        }
    }

    /// Gives what waits to the writer; waits for room there. Dropped while it waits, it puts back what it
    /// has in its hands.
    async fn hand_over(&self) {
        // Each part of a bar would be a transaction after the other's.
        self.waiting().merge();
        loop {
            let most = self.options.bars.writer.batch_rows.get();
            let parts = InHand {
                parts: self.waiting().take(most),
                feed: self,
            };
            if parts.parts.is_empty() {
                return;
            }
            match self.bars.enqueue_bars(parts.parts.clone()).await {
                Ok(enqueued) => {
                    parts.let_go();
                    // A part follows every rule; one that does not is not dropped in silence.
                    for refused in &enqueued.refused {
                        tracing::error!(%refused, "a part of a bar was not written");
                    }
                    let refused = enqueued.refused.len() as u64;
                    self.refused.fetch_add(refused, Ordering::Relaxed);
                    // What is parked is kept as a dead letter, and the writer's report counts it all.
                    drop(enqueued.ticket);
                }
                Err(error) => {
                    let rows = parts.parts.len();
                    tracing::warn!(rows, %error, "parts of bars wait longer");
                    return;
                }
            }
        }
    }

    /// What was fed so far.
    #[must_use]
    pub fn counts(&self) -> TickCounts {
        self.aggregator.counts()
    }

    /// Parts that wait for the writer.
    #[must_use]
    pub fn held(&self) -> usize {
        self.waiting().len() + self.bars.writer().held()
    }

    /// Gives running minutes out as far as they got, writes everything, and reports. Whoever feeds has
    /// to have ended before, and [`run`](Self::run) too.
    pub async fn close(&self, deadline: Duration) -> FeedReport {
        let end = Instant::now() + deadline;
        let mut parts = Vec::new();
        self.aggregator.flush(&mut parts);
        self.waiting().add(parts);
        let _ = tokio::time::timeout_at(end, self.hand_over()).await;
        let rest = end.saturating_duration_since(Instant::now());
        FeedReport {
            ticks: self.aggregator.counts(),
            written: self.bars.close(rest).await,
            lost: self.waiting().len() as u64 + self.refused.load(Ordering::Relaxed),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parts on their way from those that wait to the writer.
struct InHand<'a> {
    parts: Vec<Bar>,
    feed: &'a TickFeed,
}

impl InHand<'_> {
    /// The writer has them.
    fn let_go(mut self) {
        self.parts.clear();
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        if !self.parts.is_empty() {
            self.feed
                .waiting()
                .put_back(std::mem::take(&mut self.parts));
        }
    }
}
