//! Which entries a refresh works off, and with which minutes.

use std::collections::{BTreeMap, BTreeSet};

use annals_record::{Record, TimestampMicros};

use super::{
    Refreshed,
    fold::{Fold, Folded, hour_key},
    rest,
    script::WriteTx,
};
use crate::{
    Bar, Result, Timeframe,
    changed::{Change, Entry, joined},
    level::{STORED, hour_of, in_time, of_level},
    timeframe::HOUR,
    tx::{Param, Tx},
};

/// Minutes that a refresh of every symbol reads, unless one hour has more.
const MINUTES: i64 = 100_000;

/// Hours of symbols that a refresh of named symbols reads, at most: 100,000 minutes are about as many.
const SYMBOL_HOURS: i64 = 1_667;

/// Entries that name symbols and are worked off at once.
const ENTRIES: i64 = 1_000;

/// Stretches of hours of a symbol that are read at once, each by statements of its own.
const STRETCHES: usize = 500;

/// One refresh.
#[derive(Debug)]
pub(super) struct Refresh {
    /// When the running hour began: an entry with a minute behind that is not due.
    pub(super) hour: i64,
    /// The name of the lock.
    pub(super) lock: String,
    /// Whether chunks may be compressed, and rows of them limited.
    pub(super) decompresses: bool,
}

/// What is to be rolled up.
#[derive(Debug)]
enum Scope {
    /// All symbols, in a range of hours.
    All(i64, i64),
    /// Each of these symbols, in its ranges of hours.
    Named(BTreeMap<String, Vec<(i64, i64)>>),
}

#[derive(Debug)]
struct Task {
    scope: Scope,
    /// Entries that are done then.
    done: BTreeSet<i64>,
    /// What is left of them.
    rest: Vec<Change>,
}

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "bars_changed")]
struct Time {
    timestamp: TimestampMicros,
}

impl Refresh {
    pub(super) async fn script<T: WriteTx>(self, tx: &mut T) -> Result<Refreshed> {
        if !tx.lock(&self.lock).await? {
            return Ok(Refreshed {
                is_busy: true,
                ..Refreshed::default()
            });
        }
        let sql = "SELECT id, first_minute, last_minute, NULL FROM {bars_changed}
                    WHERE last_minute < $1 AND held IS NULL AND symbols IS NULL ORDER BY id LIMIT 1";
        let for_all: Vec<Entry> = tx.fetch(sql, &[Param::Time(self.hour)]).await?;
        let named = named(tx, self.hour).await?;
        let task = match (for_all.into_iter().next(), named.first()) {
            (None, None) => return Ok(Refreshed::default()),
            (Some(entry), None) => all(tx, entry).await?,
            (Some(entry), Some(other)) if entry.id < other.id => all(tx, entry).await?,
            (_, Some(_)) => some(named),
        };
        roll_up(tx, self.decompresses, task).await
    }
}

/// The oldest entries with names that are due.
async fn named<T: Tx>(tx: &mut T, hour: i64) -> Result<Vec<Entry>> {
    let sql = match tx.dialect() {
        annals_store::Dialect::Sqlite => {
            "SELECT id, first_minute, last_minute, symbols FROM {bars_changed}
              WHERE last_minute < $1 AND held IS NULL AND symbols IS NOT NULL ORDER BY id LIMIT $2"
        }
        _ => {
            "SELECT id, first_minute, last_minute, to_jsonb(symbols) FROM {bars_changed}
              WHERE last_minute < $1 AND held IS NULL AND symbols IS NOT NULL ORDER BY id LIMIT $2"
        }
    };
    let params = [Param::Time(hour), Param::Count(ENTRIES)];
    tx.fetch(sql, &params).await
}

/// What an entry for all symbols asks for, as far as it can be done at once.
async fn all<T: Tx>(tx: &mut T, entry: Entry) -> Result<Task> {
    let (start, end) = entry.hours();
    // Where the minutes stop that can be read at once; hours without any cost nothing.
    let sql = "SELECT timestamp FROM {bars_1m} WHERE timestamp >= $1 AND timestamp < $2
                ORDER BY timestamp LIMIT 1 OFFSET $3";
    let params = [
        Param::Time(in_time(start)),
        Param::Time(in_time(end)),
        Param::Count(MINUTES),
    ];
    let beyond: Vec<Time> = tx.fetch(sql, &params).await?;
    let until = beyond.first().map_or(end, |time| {
        let (hour, _) = hour_of(time.timestamp.unix_micros());
        hour.max(start.saturating_add(HOUR))
    });
    // Whatever else is about these hours alone is done with them, held or not.
    let sql = "SELECT id, first_minute, last_minute, NULL FROM {bars_changed}
                WHERE first_minute >= $1 AND last_minute < $2";
    let params = [Param::Time(in_time(start)), Param::Time(in_time(until))];
    let within: Vec<Entry> = tx.fetch(sql, &params).await?;
    let mut done: BTreeSet<i64> = within.iter().map(|entry| entry.id).collect();
    done.insert(entry.id);
    let left = rest(&change_of(&entry, None), until);
    Ok(Task {
        scope: Scope::All(start, until),
        done,
        rest: left.into_iter().collect(),
    })
}

async fn roll_up<T: WriteTx>(tx: &mut T, decompresses: bool, task: Task) -> Result<Refreshed> {
    if decompresses {
        tx.allow_decompression().await?;
    }
    let Task {
        scope,
        mut done,
        mut rest,
    } = task;
    // Before the minutes are read, so that those of each entry are among them.
    done.extend(scope.held(tx).await?);
    let folded = scope.minutes(tx).await?;
    let mut refreshed = Refreshed {
        entries: done.len() as u64,
        minutes: folded.minutes,
        held: folded.held.len() as u64,
        ..Refreshed::default()
    };
    for (level, made) in STORED.into_iter().zip(folded.made) {
        let stored = scope.stored(tx, level).await?;
        let Differences { gone, new } = differences(stored, made, &folded.held);
        refreshed.removed += gone.len() as u64;
        refreshed.made += new.len() as u64;
        tx.remove(level, gone).await?;
        tx.upsert(level, new).await?;
    }
    for ((symbol, hour), reason) in folded.held {
        tracing::warn!(symbol, hour, reason, "longer bars cannot be stored");
        rest.push(Change {
            first: hour,
            last: hour,
            symbols: Some(vec![symbol]),
            held: Some(reason),
        });
    }
    tx.enter(&rest).await?;
    tx.forget(&done.into_iter().collect::<Vec<_>>()).await?;
    Ok(refreshed)
}

fn change_of(entry: &Entry, symbols: Option<Vec<String>>) -> Change {
    Change {
        first: entry.first_minute.unix_micros(),
        last: entry.last_minute.unix_micros(),
        symbols,
        held: None,
    }
}

/// What entries with names ask for, as far as it can be done at once.
fn some(entries: Vec<Entry>) -> Task {
    let mut ranges: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    let mut task = Task {
        scope: Scope::Named(BTreeMap::new()),
        done: BTreeSet::new(),
        rest: Vec::new(),
    };
    let (mut hours, mut stretches) = (0_i64, 0_usize);
    for entry in entries {
        let names = entry.names().unwrap_or_default();
        let count = i64::try_from(names.len().max(1)).unwrap_or(i64::MAX);
        let (start, mut end) = entry.hours();
        let fits = (SYMBOL_HOURS.saturating_sub(hours) / count).max(0);
        if !task.done.is_empty() && (fits == 0 || stretches > STRETCHES) {
            break;
        }
        let length = end.saturating_sub(start) / HOUR;
        if length > fits.max(1) {
            // Its first hours now, the others when its turn comes again.
            end = start.saturating_add(fits.max(1).saturating_mul(HOUR));
            task.rest
                .extend(rest(&change_of(&entry, Some(names.clone())), end));
        }
        hours = hours.saturating_add(length.min(fits.max(1)).saturating_mul(count));
        for name in names {
            let ranges = ranges.entry(name).or_default();
            // Most entries are about the hour of the one before.
            if ranges.last() != Some(&(start, end)) {
                ranges.push((start, end));
                stretches += 1;
            }
        }
        task.done.insert(entry.id);
    }
    let ranges = ranges
        .into_iter()
        .map(|(name, ranges)| (name, joined(ranges)));
    task.scope = Scope::Named(ranges.collect());
    task
}

impl Scope {
    /// Entries that are held and are about these hours alone: they get another try with them.
    async fn held<T: Tx>(&self, tx: &mut T) -> Result<Vec<i64>> {
        let Self::Named(ranges) = self else {
            return Ok(Vec::new());
        };
        let sql = match tx.dialect() {
            annals_store::Dialect::Sqlite => {
                "SELECT id, first_minute, last_minute, symbols FROM {bars_changed} WHERE held IS NOT NULL"
            }
            _ => {
                "SELECT id, first_minute, last_minute, to_jsonb(symbols) FROM {bars_changed} WHERE held IS NOT NULL"
            }
        };
        let held: Vec<Entry> = tx.fetch(sql, &[]).await?;
        let is_within = |entry: &Entry| {
            let (start, end) = entry.hours();
            let names = entry.names().unwrap_or_default();
            let covers = |name: &String| {
                let ranges = ranges.get(name).map(Vec::as_slice).unwrap_or_default();
                ranges
                    .iter()
                    .any(|range| range.0 <= start && end <= range.1)
            };
            !names.is_empty() && names.iter().all(covers)
        };
        Ok(held
            .iter()
            .filter(|entry| is_within(entry))
            .map(|entry| entry.id)
            .collect())
    }

    async fn minutes<T: Tx>(&self, tx: &mut T) -> Result<Folded> {
        let mut fold = Fold::default();
        self.each(tx, Timeframe::M1, &mut |minute| fold.push(&minute))
            .await?;
        Ok(fold.finish())
    }

    /// Stored bars of a level, by symbol and time.
    async fn stored<T: Tx>(&self, tx: &mut T, level: Timeframe) -> Result<Vec<Bar>> {
        let mut bars = Vec::new();
        self.each(tx, level, &mut |bar| {
            bars.push(bar);
            Ok(())
        })
        .await?;
        bars.sort_unstable_by(|a: &Bar, b: &Bar| {
            (&a.symbol, a.timestamp).cmp(&(&b.symbol, b.timestamp))
        });
        Ok(bars)
    }

    /// Reads bars of a level, each symbol's in order of time.
    async fn each<T: Tx>(
        &self,
        tx: &mut T,
        level: Timeframe,
        each: &mut (dyn FnMut(Bar) -> Result<()> + Send),
    ) -> Result<()> {
        match self {
            // By time alone, as the table grew: to sort by symbol costs the server more than all else.
            Self::All(start, end) => {
                let sql = of_level!(
                    level,
                    "SELECT symbol, timestamp, open, high, low, close, volume, vwap, opened_at, closed_at FROM ",
                    " WHERE timestamp >= $1 AND timestamp < $2 ORDER BY timestamp"
                );
                let params = [Param::Time(in_time(*start)), Param::Time(in_time(*end))];
                tx.each(sql, &params, each).await
            }
            Self::Named(ranges) => {
                let sql = of_level!(
                    level,
                    "SELECT symbol, timestamp, open, high, low, close, volume, vwap, opened_at, closed_at FROM ",
                    " WHERE symbol = $1 AND timestamp >= $2 AND timestamp < $3 ORDER BY timestamp"
                );
                for (name, ranges) in ranges {
                    for (start, end) in ranges {
                        let params = [
                            Param::Text(name),
                            Param::Time(in_time(*start)),
                            Param::Time(in_time(*end)),
                        ];
                        tx.each(sql, &params, &mut *each).await?;
                    }
                }
                Ok(())
            }
        }
    }
}

#[derive(Default)]
struct Differences {
    /// Stored bars that no minute is there for.
    gone: Vec<Bar>,
    /// Bars that are not stored, or otherwise.
    new: Vec<Bar>,
}

/// How what is stored differs from what was made, both by symbol and time. Of hours that are held nothing
/// was made, and nothing is gone: their minutes are read.
fn differences(
    stored: Vec<Bar>,
    made: Vec<Bar>,
    held: &BTreeMap<(String, i64), String>,
) -> Differences {
    fn key(bar: &Bar) -> (&str, TimestampMicros) {
        (bar.symbol.as_str(), bar.timestamp)
    }
    let mut differences = Differences::default();
    let mut stored = stored.into_iter().peekable();
    for bar in made {
        while let Some(old) = stored.next_if(|old| key(old) < key(&bar)) {
            differences.gone.push(old);
        }
        let old = stored.next_if(|old| key(old) == key(&bar));
        if !old.is_some_and(|old| is_same(&old, &bar)) {
            differences.new.push(bar);
        }
    }
    differences.gone.extend(stored);
    if !held.is_empty() {
        differences
            .gone
            .retain(|bar| !held.contains_key(&hour_key(bar)));
    }
    differences
}

/// Whether two bars of one time are the same to the last bit.
fn is_same(a: &Bar, b: &Bar) -> bool {
    let prices = |bar: &Bar| [bar.open, bar.high, bar.low, bar.close, bar.vwap].map(f64::to_bits);
    let others = |bar: &Bar| (bar.volume, bar.opened_at, bar.closed_at);
    prices(a) == prices(b) && others(a) == others(b)
}

/// Enters a range that others have changed.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) symbol: Option<String>,
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
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
        // The last hour by itself: it may be running, and the others need not wait for its end.
        let (hour, _) = hour_of(last);
        let ranges = [
            (first, last.min(hour.saturating_sub(1))),
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
