//! The store of bars: its contract, and the one implementation for every backend.

use std::{sync::Arc, time::Duration};

use annals_record::{OnConflict, Timestamp, TimestampMicros};
use annals_store::{Store, Ticket, Writer, WriterOptions, WriterReport};
use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{
    Bar, BarError, BarsOptions, Gap, MIGRATIONS, Refreshed, Result, SeenSymbol, Timeframe, Zone,
    changed::Changes, gaps, latest, range, recent::LatestBars, refresh, symbols,
};

/// Keeps bars and finds them again. A trait, so that an application can put a double in its place.
pub trait BarStore: Send + Sync {
    /// Writes bars; answers once each is committed or parked. A bar that breaks a rule refuses itself
    /// alone.
    fn write_bars(&self, bars: Vec<Bar>) -> BoxFuture<'_, Result<WrittenBars>>;

    /// Takes bars and returns at once; the ticket tells the outcome. Where a full queue blocks, it
    /// waits for room first. A bar that breaks a rule refuses itself alone.
    fn enqueue_bars(&self, bars: Vec<Bar>) -> BoxFuture<'_, Result<EnqueuedBars>>;

    /// Bars of one symbol whose time range begins at `start` or later and at `end` or earlier, the
    /// oldest first.
    fn get_bars(&self, range: BarRange) -> BoxFuture<'_, Result<BarPage>>;

    /// The newest `limit` bars of a symbol, the oldest of them first. A symbol without bars has none.
    fn get_latest_bars<'a>(
        &'a self,
        symbol: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Bar>>>;

    /// The newest `limit` bars of each symbol in one statement: symbols as they were asked for, of each
    /// the oldest bar first.
    fn get_latest_bars_of<'a>(
        &'a self,
        symbols: &'a [String],
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Bar>>>;

    /// Symbols with a bar that began at `since` or later, by name.
    fn symbols_seen_since(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<SeenSymbol>>>;

    /// The minutes from `start` to `end`, both included, that a symbol has no bar for.
    fn gaps<'a>(
        &'a self,
        symbol: &'a str,
        start: Timestamp,
        end: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Gap>>>;

    /// Takes nothing more, writes what is held, and reports. Only the first call waits; later writes
    /// are [`WriteError::Closed`](annals_store::WriteError::Closed).
    fn close(&self, deadline: Duration) -> BoxFuture<'_, WriterReport>;
}

/// What became of bars that were written.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "bars may have been refused or parked"]
pub struct WrittenBars {
    /// Bars that are in the table.
    pub committed: usize,
    /// Bars that the table refused and that are kept as dead letters.
    pub parked: usize,
    /// Bars that break a rule; nothing of them is kept.
    pub refused: Vec<RefusedBar>,
}

/// Bars that were taken.
#[derive(Debug)]
#[must_use = "bars may have been refused"]
pub struct EnqueuedBars {
    /// Tells what became of the others; may be dropped.
    pub ticket: Ticket,
    /// Bars that break a rule; nothing of them is kept.
    pub refused: Vec<RefusedBar>,
}

/// A bar that breaks a rule.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("bar {index} ({symbol:?}, {timestamp}) refused: {reason}")]
pub struct RefusedBar {
    /// Its place in the call, from 0.
    pub index: usize,
    /// Its symbol.
    pub symbol: String,
    /// Its timestamp.
    pub timestamp: TimestampMicros,
    /// The rule. Part of the message, so not its source as well.
    pub reason: BarError,
}

/// Which bars of a symbol.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BarRange {
    /// The symbol.
    pub symbol: String,
    /// Bars that begin then or later.
    pub start: Timestamp,
    /// Bars that begin then or earlier.
    pub end: Timestamp,
    /// How long a bar is.
    pub timeframe: Timeframe,
    /// Whose days; of no meaning to shorter bars.
    pub zone: Zone,
    /// At most so many; all when not set.
    pub limit: Option<u32>,
    /// The cursor of the page before.
    pub after: Option<String>,
}

impl BarRange {
    /// Bars of a minute, all of them.
    #[must_use]
    pub fn new(symbol: impl Into<String>, start: Timestamp, end: Timestamp) -> Self {
        Self {
            symbol: symbol.into(),
            start,
            end,
            timeframe: Timeframe::M1,
            zone: Zone::utc(),
            limit: None,
            after: None,
        }
    }

    /// Longer bars; days are those of `zone`.
    #[must_use]
    pub fn with_timeframe(mut self, timeframe: Timeframe, zone: Zone) -> Self {
        (self.timeframe, self.zone) = (timeframe, zone);
        self
    }

    /// At most so many.
    #[must_use]
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Behind the page before.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.after = Some(cursor.into());
        self
    }
}

/// Some bars of a range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BarPage {
    /// The bars, the oldest first.
    pub bars: Vec<Bar>,
    /// Where the next page begins; `None` when there is none.
    pub next: Option<String>,
}

/// Bars in any database.
#[derive(Debug)]
pub struct Bars {
    store: Store,
    writer: Writer<Bar>,
    latest: Option<LatestBars>,
}

impl Bars {
    /// Connects, makes or migrates the tables, and starts a writer. `url` is `sqlite::memory:`,
    /// `sqlite:PATH` or `postgres://…`; nothing else differs.
    ///
    /// # Errors
    ///
    /// The database does not answer, or is newer than this program.
    pub async fn open(url: &str) -> Result<Self> {
        let store = Store::open(url).await?;
        store.migrator(&[&MIGRATIONS]).up().await?;
        Self::new(store, BarsOptions::default()).await
    }

    /// Starts a writer on a store whose tables are there.
    ///
    /// # Errors
    ///
    /// The database could not be asked about the table's chunks.
    pub async fn new(store: Store, options: BarsOptions) -> Result<Self> {
        let mut bars = Self::under(store, options.writer, options.conflict.into()).await?;
        bars.latest = options.latest;
        Ok(bars)
    }

    /// Starts a writer with a policy that options cannot name.
    pub(crate) async fn under(
        store: Store,
        mut writer: WriterOptions,
        on_conflict: OnConflict,
    ) -> Result<Self> {
        writer.on_conflict = Some(on_conflict);
        // The only writer of bars there is: whatever writes, enqueues, feeds or replays goes through it,
        // and longer bars learn of it.
        let writer = store.writer_with(writer, Some(Arc::new(Changes))).await?;
        Ok(Self {
            store,
            writer,
            latest: None,
        })
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The writer, for replay and counts.
    #[must_use]
    pub fn writer(&self) -> &Writer<Bar> {
        &self.writer
    }

    /// The newest `limit` bars of a longer timeframe of a symbol, the oldest of them first.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn get_latest(
        &self,
        symbol: &str,
        timeframe: Timeframe,
        zone: &Zone,
        limit: u32,
    ) -> Result<Vec<Bar>> {
        match &self.latest {
            Some(latest) => {
                let store = &self.store;
                latest
                    .of_symbol(store, symbol, timeframe, zone, limit)
                    .await
            }
            None => latest::of_symbol(&self.store, symbol, timeframe, zone, limit).await,
        }
    }

    /// Rolls some of the changed minutes up into the stored longer bars, in one transaction. See
    /// [`refresh`](mod@crate::refresh); [`keep`](crate::refresh::keep) does it over and over.
    ///
    /// # Errors
    ///
    /// The database failed; nothing has changed, unless the answer to the commit was lost.
    pub async fn refresh(&self, now: Timestamp) -> Result<Refreshed> {
        refresh::refresh(&self.store, now).await
    }
}

/// Takes out bars that break a rule, and tells which.
fn checked(mut bars: Vec<Bar>) -> (Vec<Bar>, Vec<RefusedBar>) {
    let mut refused = Vec::new();
    let mut index = 0;
    bars.retain(|bar| {
        let place = index;
        index += 1;
        let Err(reason) = bar.check() else {
            return true;
        };
        refused.push(RefusedBar {
            index: place,
            symbol: bar.symbol.clone(),
            timestamp: bar.timestamp,
            reason,
        });
        false
    });
    (bars, refused)
}

impl BarStore for Bars {
    fn write_bars(&self, bars: Vec<Bar>) -> BoxFuture<'_, Result<WrittenBars>> {
        let (bars, refused) = checked(bars);
        async move {
            let writing = self.latest.as_ref().map(|latest| latest.writing(&bars));
            let written = self.writer.write(bars).await;
            drop(writing);
            let written = written?;
            Ok(WrittenBars {
                committed: written.committed,
                parked: written.parked,
                refused,
            })
        }
        .boxed()
    }

    fn enqueue_bars(&self, bars: Vec<Bar>) -> BoxFuture<'_, Result<EnqueuedBars>> {
        let (bars, refused) = checked(bars);
        async move {
            let ticket = self.writer.enqueue(bars).await?;
            Ok(EnqueuedBars { ticket, refused })
        }
        .boxed()
    }

    fn get_bars(&self, range: BarRange) -> BoxFuture<'_, Result<BarPage>> {
        range::read(&self.store, range).boxed()
    }

    fn get_latest_bars<'a>(
        &'a self,
        symbol: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Bar>>> {
        async move {
            let zone = Zone::utc();
            self.get_latest(symbol, Timeframe::M1, &zone, limit).await
        }
        .boxed()
    }

    fn get_latest_bars_of<'a>(
        &'a self,
        symbols: &'a [String],
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Bar>>> {
        match &self.latest {
            Some(latest) => latest.of_symbols(&self.store, symbols, limit).boxed(),
            None => latest::of_symbols(&self.store, symbols, limit).boxed(),
        }
    }

    fn symbols_seen_since(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<SeenSymbol>>> {
        symbols::seen_since(&self.store, since).boxed()
    }

    fn gaps<'a>(
        &'a self,
        symbol: &'a str,
        start: Timestamp,
        end: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Gap>>> {
        gaps::between(&self.store, symbol, start, end).boxed()
    }

    fn close(&self, deadline: Duration) -> BoxFuture<'_, WriterReport> {
        self.writer.shutdown(deadline).boxed()
    }
}
