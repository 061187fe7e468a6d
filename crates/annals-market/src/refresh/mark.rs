//! Making minutes count as changed, and counting what does.

use annals_record::{Record, TimestampMicros};

use super::script::WriteTx;
use crate::{
    Result,
    changed::Change,
    level::hour_of,
    tx::{Param, Tx},
};

/// Enters a range that others have changed.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) symbol: Option<String>,
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
    /// When the running hour began.
    pub(super) running: i64,
}

/// The first and the last minute, where there are any.
#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "bars_1m")]
struct Ends {
    first: Option<TimestampMicros>,
    last: Option<TimestampMicros>,
}

impl Mark {
    pub(super) async fn script<T: WriteTx>(
        self,
        tx: &mut T,
    ) -> Result<Option<(TimestampMicros, TimestampMicros)>> {
        let ends: Vec<Ends> = match &self.symbol {
            Some(symbol) => {
                let sql = "SELECT min(timestamp), max(timestamp) FROM {bars_1m} WHERE symbol = $1";
                tx.fetch(sql, &[Param::Text(symbol)]).await?
            }
            None => {
                let sql = "SELECT min(timestamp), max(timestamp) FROM {bars_1m}";
                tx.fetch(sql, &[]).await?
            }
        };
        let ends = ends.first();
        let there = |end: Option<TimestampMicros>| end.map(TimestampMicros::unix_micros);
        let first = self.start.or_else(|| there(ends?.first));
        let last = self.end.or_else(|| there(ends?.last));
        let Some((first, last)) = first.zip(last).filter(|(first, last)| first <= last) else {
            return Ok(None);
        };
        let symbols = self.symbol.map(|symbol| vec![symbol]);
        // The last hour and the running one by themselves: what is before need not wait for their end.
        let (hour, _) = hour_of(last);
        let middle = hour.min(self.running);
        let ranges = [
            (first, last.min(middle.saturating_sub(1))),
            (first.max(middle), last.min(hour.saturating_sub(1))),
            (first.max(hour), last),
        ];
        let ranges = ranges.into_iter().filter(|(first, last)| first <= last);
        let changes = ranges.map(|(first, last)| Change {
            first,
            last,
            symbols: symbols.clone(),
            held: None,
        });
        tx.enter(&changes.collect::<Vec<_>>()).await?;
        let time = |micros| TimestampMicros::from_unix_micros(micros).ok();
        Ok(time(first).zip(time(last)))
    }
}

/// Counts entries.
#[derive(Debug)]
pub(super) struct Waiting;

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "bars_changed")]
struct Count {
    count: i64,
}

impl Waiting {
    pub(super) async fn script<T: Tx>(self, tx: &mut T) -> Result<u64> {
        let count: Vec<Count> = tx.fetch("SELECT count(*) FROM {bars_changed}", &[]).await?;
        Ok(count.first().map_or(0, |count| count.count.unsigned_abs()))
    }
}
