//! Removing what is stored of a symbol whose minutes were deleted as a whole.

use std::time::Duration;

use annals_record::{Record, TimestampMicros};
use annals_store::{Access, Edition, Store};

use super::script::WriteTx;
use crate::{
    Result,
    changed::Change,
    level::{STORED, hour_of, in_time, of_level},
    timeframe::HOUR,
    tx::{Param, Tx, scripted},
};

/// Hours of longer bars that are removed in one transaction.
const HOURS: i64 = 10_000;

/// How long to wait for another one who refreshes.
const BUSY: Duration = Duration::from_millis(100);

/// Removes the longer bars of a symbol that begin before a time, in bounded transactions; gives their number.
/// Final hours lose theirs too: who deletes a symbol wants nothing of it to stay. Minutes that come for it
/// meanwhile or later are rolled up as those of any new symbol.
pub(crate) async fn erase(store: &Store, symbol: &str, before: i64) -> Result<u64> {
    let mut removed = 0;
    let mut from = i64::MIN;
    loop {
        let step = Erase {
            symbol: symbol.to_owned(),
            from,
            until: hour_of(in_time(before)).0,
            lock: super::lock_of(store),
            decompresses: store.capabilities().edition() == Edition::TimescaleCommunity,
        };
        match store.run(Access::Write, step).await? {
            Erased::Busy => tokio::time::sleep(BUSY).await,
            Erased::Nothing => return Ok(removed),
            Erased::Before(until, bars) => {
                removed += bars;
                from = until;
            }
        }
    }
}

struct Erase {
    symbol: String,
    from: i64,
    until: i64,
    lock: String,
    decompresses: bool,
}

enum Erased {
    Busy,
    /// So many bars before a time.
    Before(i64, u64),
    Nothing,
}

scripted!(Erase => Erased);

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "bars_5m")]
struct Stored {
    count: i64,
    first: Option<TimestampMicros>,
    last: Option<TimestampMicros>,
}

impl Erase {
    async fn script<T: WriteTx>(self, tx: &mut T) -> Result<Erased> {
        // Nobody stores bars of this symbol between here and the entry below.
        if !tx.lock(&self.lock).await? {
            return Ok(Erased::Busy);
        }
        if self.decompresses {
            tx.allow_decompression().await?;
        }
        let Some((first, _)) = self.stored(tx, self.until).await?.1 else {
            return Ok(Erased::Nothing);
        };
        let (hour, _) = hour_of(first);
        let until = hour.saturating_add(HOURS * HOUR).min(self.until);
        let (bars, ends) = self.stored(tx, until).await?;
        let until = ends.map_or(until, |(_, last)| hour_of(last).1);
        for level in STORED {
            tx.remove_before(level, &self.symbol, until).await?;
        }
        // Minutes that came meanwhile may have been rolled up already.
        let change = Change {
            first: hour,
            last: until.saturating_sub(1),
            symbols: Some(vec![self.symbol]),
            held: None,
        };
        tx.enter(&[change]).await?;
        Ok(Erased::Before(until, bars))
    }

    /// How many bars are stored before a time, and when the first and the last of them begin.
    async fn stored<T: Tx>(&self, tx: &mut T, until: i64) -> Result<(u64, Option<(i64, i64)>)> {
        let mut bars = 0;
        let mut ends: Option<(i64, i64)> = None;
        for level in STORED {
            let sql = of_level!(
                level,
                "SELECT count(*), min(timestamp), max(timestamp) FROM ",
                " WHERE symbol = $1 AND timestamp >= $2 AND timestamp < $3"
            );
            let params = [
                Param::Text(&self.symbol),
                Param::Time(in_time(self.from)),
                Param::Time(in_time(until)),
            ];
            let found: Vec<Stored> = tx.fetch(sql, &params).await?;
            for found in found {
                bars += found.count.unsigned_abs();
                let found = found.first.zip(found.last);
                let found = found.map(|(first, last)| (first.unix_micros(), last.unix_micros()));
                let ranges = ends.into_iter().chain(found);
                ends = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
            }
        }
        Ok((bars, ends))
    }
}
