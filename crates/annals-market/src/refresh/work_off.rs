//! Which entries a refresh works off, and with which minutes.

use std::collections::{BTreeMap, BTreeSet};

use annals_record::{Record, TimestampMicros};

use super::{
    Refreshed,
    fold::{Fold, Folded, hour_key},
    late::Late,
    rest,
    script::WriteTx,
};
use crate::{
    Bar, Result, Timeframe,
    changed::{Change, Entry, joined},
    dropped::{self, Dropped, hours_of},
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
pub(super) enum Scope {
    /// All symbols, in a range of hours.
    All(i64, i64),
    /// Each of these symbols, in its ranges of hours.
    Named(BTreeMap<String, Vec<(i64, i64)>>),
}

#[derive(Debug)]
struct Task {
    scope: Scope,
    /// The one that is about all symbols.
    entry: Option<Entry>,
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
            (Some(entry), None) => all(tx, entry, &[]).await?,
            (Some(entry), Some(other)) if entry.id < other.id => all(tx, entry, &[]).await?,
            (_, Some(_)) => some(named),
        };
        if self.decompresses {
            tx.allow_decompression().await?;
        }
        roll_up(tx, task).await
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
async fn all<T: Tx>(tx: &mut T, entry: Entry, dropped: &[Dropped]) -> Result<Task> {
    let (start, end) = entry.hours();
    let start = next_with_minutes(tx, (start, end), dropped).await?;
    // Where the minutes stop that can be read at once; hours without any cost nothing, unless longer bars
    // are stored of them that have lost their minutes.
    let mut until = stop(tx, Timeframe::M1, (start, end)).await?;
    if !dropped.is_empty() {
        for level in STORED {
            until = until.min(stop(tx, level, (start, end)).await?);
        }
    }
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
        entry: Some(entry),
        done,
        rest: left.into_iter().collect(),
    })
}

/// The hour at which bars of a level are too many to be read at once; the end when they are not.
async fn stop<T: Tx>(tx: &mut T, level: Timeframe, (start, end): (i64, i64)) -> Result<i64> {
    let sql = of_level!(
        level,
        "SELECT timestamp FROM ",
        " WHERE timestamp >= $1 AND timestamp < $2 ORDER BY timestamp LIMIT 1 OFFSET $3"
    );
    let params = [
        Param::Time(in_time(start)),
        Param::Time(in_time(end)),
        Param::Count(MINUTES),
    ];
    let beyond: Vec<Time> = tx.fetch(sql, &params).await?;
    Ok(beyond.first().map_or(end, |time| {
        let (hour, _) = hour_of(time.timestamp.unix_micros());
        hour.max(start.saturating_add(HOUR))
    }))
}

/// From where on there is something to do: in a dropped range there may be years of longer bars before the
/// next minute.
async fn next_with_minutes<T: Tx>(
    tx: &mut T,
    (start, end): (i64, i64),
    dropped: &[Dropped],
) -> Result<i64> {
    let dropped = hours_of(dropped);
    let Some((_, until)) = dropped
        .iter()
        .find(|(from, until)| *from <= start && start < *until)
    else {
        return Ok(start);
    };
    let until = end.min(*until);
    let params = [Param::Time(in_time(start)), Param::Time(in_time(until))];
    let sql = "SELECT timestamp FROM {bars_1m} WHERE timestamp >= $1 AND timestamp < $2
                ORDER BY timestamp LIMIT 1";
    let minute: Vec<Time> = tx.fetch(sql, &params).await?;
    // Of a reopened hour stored bars are removed when it has no minutes any more.
    let sql =
        "SELECT hour FROM {bars_reopened} WHERE hour >= $1 AND hour < $2 ORDER BY hour LIMIT 1";
    let reopened: Vec<Time> = tx.fetch(sql, &params).await?;
    let next = minute.iter().chain(&reopened);
    let next = next.map(|time| hour_of(time.timestamp.unix_micros()).0);
    Ok(next.min().unwrap_or(until).max(start))
}

async fn roll_up<T: WriteTx>(tx: &mut T, mut task: Task) -> Result<Refreshed> {
    let mut folded = task.read(tx).await?;
    // After the minutes: where nothing was dropped now, nothing was when they were read.
    let extent = task.scope.extent();
    let dropped = dropped::within(tx, extent.0, extent.1).await?;
    let mut late = None;
    if !dropped.is_empty() {
        // What was read may lie on both sides of a drop: once more, behind the ranges.
        if let Some(entry) = task.entry {
            task = all(tx, entry, &dropped).await?;
        }
        late = Some(Late::read(tx, &task.scope, dropped).await?);
        folded = task.read(tx).await?;
    }
    let mut stored: [Vec<Bar>; 3] = Default::default();
    for (level, stored) in STORED.into_iter().zip(&mut stored) {
        *stored = task.scope.stored(tx, level).await?;
    }
    let mut refreshed = Refreshed {
        entries: task.done.len() as u64,
        minutes: folded.minutes,
        ..Refreshed::default()
    };
    if let Some(late) = late {
        if !late.lasts(tx, extent).await? {
            return Ok(Refreshed {
                is_busy: true,
                ..Refreshed::default()
            });
        }
        let settled = late.settle(&mut folded, &mut stored);
        refreshed.kept = settled.kept;
        tx.reopen(settled.opened).await?;
    }
    refreshed.held = folded.held.len() as u64;
    for ((level, made), stored) in STORED.into_iter().zip(folded.made).zip(stored) {
        let Differences { gone, new } = differences(stored, made, &folded.held);
        refreshed.removed += gone.len() as u64;
        refreshed.made += new.len() as u64;
        tx.remove(level, gone).await?;
        tx.upsert(level, new).await?;
    }
    let Task { mut rest, done, .. } = task;
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

impl Task {
    /// Reads the minutes. The entries that are done with them are known before, so that the minutes of each
    /// are among them.
    async fn read<T: Tx>(&mut self, tx: &mut T) -> Result<Folded> {
        self.done.extend(self.scope.held(tx).await?);
        self.scope.minutes(tx).await
    }
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
        entry: None,
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
    /// From the first of its hours to the end of the last.
    fn extent(&self) -> (i64, i64) {
        match self {
            Self::All(start, until) => (*start, *until),
            Self::Named(ranges) => {
                let ranges = ranges.values().flatten();
                let start = ranges.clone().map(|(start, _)| *start).min();
                let until = ranges.map(|(_, until)| *until).max();
                start.zip(until).unwrap_or_default()
            }
        }
    }

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
