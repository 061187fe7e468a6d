//! What a refresh does to hours that have lost minutes (see [`dropped`](crate::dropped)).

use std::collections::BTreeSet;

use annals_record::{Record, TimestampMicros};

use super::{
    fold::{Folded, hour_key},
    work_off::Scope,
};
use crate::{
    Bar, Result,
    dropped::{Dropped, contains, hours_of},
    level::in_time,
    tx::{Param, Tx},
};

/// What is known of such hours, of what a refresh is about.
#[derive(Debug)]
pub(super) struct Late {
    dropped: Vec<Dropped>,
    hours: Vec<(i64, i64)>,
    reopened: BTreeSet<(String, i64)>,
}

/// What was found of them.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Hours that stay as they are, though there are minutes of them.
    pub(super) kept: u64,
    /// Hours of which nothing is stored.
    pub(super) opened: Vec<(String, i64)>,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "bars_reopened")]
struct Reopened {
    symbol: String,
    hour: TimestampMicros,
}

impl Late {
    /// Must be read behind the dropped ranges, and before [`lasts`](Self::lasts).
    pub(super) async fn read<T: Tx>(
        tx: &mut T,
        scope: &Scope,
        dropped: Vec<Dropped>,
    ) -> Result<Self> {
        let hours = hours_of(&dropped);
        let mut reopened = BTreeSet::new();
        let mut keep = |row: Reopened| {
            reopened.insert((row.symbol, row.hour.unix_micros()));
            Ok(())
        };
        match scope {
            Scope::All(from, until) => {
                let sql = "SELECT symbol, hour FROM {bars_reopened} WHERE hour >= $1 AND hour < $2";
                let params = [Param::Time(in_time(*from)), Param::Time(in_time(*until))];
                tx.each(sql, &params, &mut keep).await?;
            }
            Scope::Named(ranges) => {
                let sql = "SELECT symbol, hour FROM {bars_reopened}
                            WHERE symbol = $1 AND hour >= $2 AND hour < $3";
                for (name, ranges) in ranges {
                    for (from, until) in crate::dropped::common(ranges, &hours) {
                        let params = [
                            Param::Text(name),
                            Param::Time(in_time(from)),
                            Param::Time(in_time(until)),
                        ];
                        tx.each(sql, &params, &mut keep).await?;
                    }
                }
            }
        }
        Ok(Self {
            dropped,
            hours,
            reopened,
        })
    }

    /// Whether nothing of these ranges was dropped since they were read, nor will be before the end of the
    /// transaction. Minutes that were read in between are then all that there are, and an hour that is
    /// reopened has no others.
    pub(super) async fn lasts<T: Tx>(&self, tx: &mut T, (from, until): (i64, i64)) -> Result<bool> {
        // A row that was replaced meanwhile is not found, and one that is being replaced is waited for.
        let sql = match tx.dialect() {
            annals_store::Dialect::Sqlite => {
                "SELECT id, first_minute, last_minute FROM {bars_dropped}
                  WHERE last_minute >= $1 AND first_minute < $2 ORDER BY first_minute, id"
            }
            _ => {
                "SELECT id, first_minute, last_minute FROM {bars_dropped}
                  WHERE last_minute >= $1 AND first_minute < $2 ORDER BY first_minute, id FOR SHARE"
            }
        };
        let params = [Param::Time(in_time(from)), Param::Time(in_time(until))];
        let dropped: Vec<Dropped> = tx.fetch(sql, &params).await?;
        Ok(dropped == self.dropped)
    }

    /// Takes out what final hours have: bars that were made of their late minutes, and stored bars that these
    /// would change.
    pub(super) fn settle(&self, folded: &mut Folded, stored: &mut [Vec<Bar>; 3]) -> Settled {
        let lost_minutes =
            |key: &(String, i64)| contains(&self.hours, key.1) && !self.reopened.contains(key);
        let finals: BTreeSet<(String, i64)> = stored
            .iter()
            .flatten()
            .map(hour_key)
            .filter(lost_minutes)
            .collect();
        // An hour with minutes has a bar of an hour, unless none can be made of them.
        let [.., hours] = &folded.made;
        let with_minutes = hours.iter().map(hour_key);
        let with_minutes: BTreeSet<(String, i64)> = with_minutes
            .chain(folded.held.keys().cloned())
            .filter(lost_minutes)
            .collect();
        let (kept, opened): (Vec<_>, Vec<_>) = with_minutes
            .into_iter()
            .partition(|key| finals.contains(key));
        for bars in stored.iter_mut().chain(&mut folded.made) {
            bars.retain(|bar| !finals.contains(&hour_key(bar)));
        }
        folded.held.retain(|key, _| !finals.contains(key));
        Settled {
            kept: kept.len() as u64,
            opened,
        }
    }
}
