//! Which minutes were written since longer bars were made of them: `bars_changed`.
//!
//! Entries are written in the transaction that writes the minutes ([`Changes`]), read together with
//! what they are about ([`pending`]), and taken away by whoever has rolled the minutes up
//! ([`refresh`](crate::refresh)).

use std::collections::BTreeSet;

use annals_record::{Json, Record, TimestampMicros};
use annals_store::{
    Companion, Names,
    rusqlite::{self, params},
    sql::{Dialect, PgTimestamp},
    sqlx::{self, PgConnection},
};
use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{
    Bar, Result,
    level::{hour_of, in_time},
    timeframe::HOUR,
    tx::{Param, Tx},
};

/// Symbols that an entry names; where more have changed it names none, and stands for all.
const NAMED: usize = 64;

/// Ranges of minutes that are read among stored bars; beyond, those between the closest ones are read
/// with them.
const RANGES: usize = 32;

/// Minutes that were written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// When the first and the last of them began, in microseconds.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Of which symbols, by name; `None` for any.
    pub(crate) symbols: Option<Vec<String>>,
    /// Why no longer bars can be made of them.
    pub(crate) held: Option<String>,
}

/// Makes the entries of a batch: one for each run of hours that follow each other.
pub(crate) fn changes(bars: &[&Bar]) -> Vec<Change> {
    let mut bars: Vec<&Bar> = bars.to_vec();
    bars.sort_unstable_by_key(|bar| bar.timestamp);
    let mut changes = Vec::new();
    let runs = bars.chunk_by(|a, b| {
        let hour = |bar: &Bar| hour_of(bar.timestamp.unix_micros()).0;
        hour(b).saturating_sub(hour(a)) <= HOUR
    });
    for run in runs {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            continue;
        };
        let mut symbols = BTreeSet::new();
        for bar in run {
            symbols.insert(bar.symbol.as_str());
            if symbols.len() > NAMED {
                break;
            }
        }
        let named = symbols.len() <= NAMED;
        changes.push(Change {
            first: first.timestamp.unix_micros(),
            last: last.timestamp.unix_micros(),
            symbols: named.then(|| symbols.into_iter().map(str::to_owned).collect()),
            held: None,
        });
    }
    changes
}

/// Enters every minute that the table took, new or corrected, in the transaction that wrote it.
///
/// Entries have no key but their number, so that batches beside each other never wait for each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changes;

impl Companion<Bar> for Changes {
    fn wants_every_row(&self) -> bool {
        true
    }

    fn apply_postgres<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        names: &'a Names,
        rows: Vec<&'a Bar>,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        async move { enter_postgres(connection, names, &changes(&rows)).await }.boxed()
    }

    fn apply_sqlite(
        &self,
        connection: &rusqlite::Connection,
        names: &Names,
        rows: Vec<&Bar>,
    ) -> Result<(), rusqlite::Error> {
        enter_sqlite(connection, names, &changes(&rows))
    }
}

fn names_json(change: &Change) -> Option<String> {
    let symbols = change.symbols.as_ref()?;
    Some(serde_json::Value::from(symbols.as_slice()).to_string())
}

/// Enters changes.
pub(crate) async fn enter_postgres(
    connection: &mut PgConnection,
    names: &Names,
    changes: &[Change],
) -> Result<(), sqlx::Error> {
    let column = |of: fn(&Change) -> i64| -> Vec<PgTimestamp> {
        changes
            .iter()
            .map(|change| PgTimestamp(of(change)))
            .collect()
    };
    // Names go as JSON: arrays in an array would all have to be of one length.
    let sql = "INSERT INTO {bars_changed} (first_minute, last_minute, symbols, held)
               SELECT first_minute, last_minute,
                      CASE WHEN symbols IS NOT NULL
                           THEN ARRAY(SELECT jsonb_array_elements_text(symbols::jsonb)) END,
                      held
                 FROM unnest($1, $2, $3, $4) AS changes (first_minute, last_minute, symbols, held)";
    sqlx::query(names.statement(sql))
        .bind(column(|change| change.first))
        .bind(column(|change| change.last))
        .bind(changes.iter().map(names_json).collect::<Vec<_>>())
        .bind(
            changes
                .iter()
                .map(|change| change.held.clone())
                .collect::<Vec<_>>(),
        )
        .execute(connection)
        .await
        .map(|_| ())
}

/// Enters changes.
pub(crate) fn enter_sqlite(
    connection: &rusqlite::Connection,
    names: &Names,
    changes: &[Change],
) -> Result<(), rusqlite::Error> {
    let sql = names.statement(
        "INSERT INTO {bars_changed} (first_minute, last_minute, symbols, held) VALUES ($1, $2, $3, $4)",
    );
    let mut statement = connection.prepare_cached(sql.as_str())?;
    for change in changes {
        statement.execute(params![
            change.first,
            change.last,
            names_json(change),
            change.held
        ])?;
    }
    Ok(())
}

/// An entry as it is stored.
#[derive(Clone, Debug, Record)]
#[record(crate = "annals_record", table = "bars_changed")]
pub(crate) struct Entry {
    pub(crate) id: i64,
    pub(crate) first_minute: TimestampMicros,
    pub(crate) last_minute: TimestampMicros,
    pub(crate) symbols: Option<Json>,
}

impl Entry {
    /// The names, where it has any.
    pub(crate) fn names(&self) -> Option<Vec<String>> {
        serde_json::from_str(self.symbols.as_ref()?.as_str()).ok()
    }

    /// The hours that it is about: when the first begins, and when the last ends.
    pub(crate) fn hours(&self) -> (i64, i64) {
        let (start, _) = hour_of(self.first_minute.unix_micros());
        let (_, end) = hour_of(self.last_minute.unix_micros());
        (start, end)
    }
}

/// A range that an entry is about.
#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "bars_changed")]
struct Span {
    first_minute: TimestampMicros,
    last_minute: TimestampMicros,
}

/// The hours from `from` to `until` in which minutes of a symbol may be ahead of the stored bars, in
/// order and apart from each other.
pub(crate) async fn pending<T: Tx>(
    tx: &mut T,
    symbol: &str,
    from: i64,
    until: i64,
) -> Result<Vec<(i64, i64)>> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => {
            "SELECT DISTINCT first_minute, last_minute FROM {bars_changed}
              WHERE last_minute >= $2 AND first_minute < $3
                AND (symbols IS NULL OR EXISTS (SELECT 1 FROM json_each(symbols) WHERE value = $1))"
        }
        _ => {
            "SELECT DISTINCT date_trunc('hour', first_minute, 'UTC'), date_trunc('hour', last_minute, 'UTC')
               FROM {bars_changed}
              WHERE last_minute >= $2 AND first_minute < $3 AND (symbols IS NULL OR $1 = ANY (symbols))"
        }
    };
    let params = [
        Param::Text(symbol),
        Param::Time(in_time(hour_of(in_time(from)).0)),
        Param::Time(in_time(hour_of(in_time(until)).1)),
    ];
    let spans: Vec<Span> = tx.fetch(sql, &params).await?;
    let hours = spans.into_iter().map(|span| {
        let (start, _) = hour_of(span.first_minute.unix_micros());
        (start, hour_of(span.last_minute.unix_micros()).1)
    });
    Ok(joined(hours.collect()))
}

/// The same ranges in order, each apart from the next one.
pub(crate) fn joined(mut ranges: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    ranges.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (start, end) in ranges {
        match joined.last_mut() {
            Some((_, last)) if start <= *last => *last = end.max(*last),
            _ => joined.push((start, end)),
        }
    }
    joined
}

/// At most [`RANGES`], which cover all of `ranges`: each is a statement, and one that finds minutes in
/// place of stored bars is still right, where all minutes are there.
pub(crate) fn few(ranges: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    if ranges.len() <= RANGES {
        return ranges;
    }
    let mut gaps: Vec<i64> = ranges
        .iter()
        .zip(ranges.iter().skip(1))
        .map(|((_, end), (start, _))| start.saturating_sub(*end))
        .collect();
    gaps.sort_unstable_by_key(|gap| std::cmp::Reverse(*gap));
    let least = gaps.get(RANGES - 1).copied().unwrap_or_default();
    let mut few: Vec<(i64, i64)> = Vec::new();
    for (start, end) in ranges {
        match few.last_mut() {
            Some((_, last)) if start.saturating_sub(*last) <= least => *last = end,
            _ => few.push((start, end)),
        }
    }
    few
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bar(symbol: &str, minute: i64) -> Bar {
        let time = TimestampMicros::from_unix_micros(minute * 60_000_000).unwrap();
        Bar::new(symbol, time, [1.0; 4], 1, 1.0).unwrap()
    }

    fn of(bars: &[Bar]) -> Vec<Change> {
        changes(&bars.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_batch_has_an_entry_for_each_run_of_hours() {
        let minutes = [0, 61, 125, 300, 359, 60 * 24, -1];
        let bars: Vec<Bar> = minutes.map(|minute| bar("A", minute)).to_vec();
        let found: Vec<(i64, i64)> = of(&bars)
            .iter()
            .map(|change| (change.first / 60_000_000, change.last / 60_000_000))
            .collect();
        assert_eq!(found, [(-1, 125), (300, 359), (1_440, 1_440)]);
        assert_eq!(of(&[]), []);
    }

    #[test]
    fn symbols_are_named_up_to_64() {
        let bars = |count: usize| -> Vec<Bar> {
            (0..count * 2)
                .map(|n| bar(&format!("S{:03}", n % count), 7))
                .collect()
        };
        let names = |count| of(&bars(count))[0].symbols.clone();
        assert_eq!(names(64).unwrap().len(), 64);
        assert_eq!(names(2).unwrap(), ["S000", "S001"]);
        assert_eq!(names(65), None);
    }

    proptest! {
        #[test]
        fn few_ranges_cover_many(starts in prop::collection::btree_set(0..100_000_i64, 0..200)) {
            let ranges = joined(starts.into_iter().map(|start| (start, start + 3)).collect());
            let few = few(ranges.clone());
            prop_assert!(few.len() <= RANGES);
            prop_assert!(few.iter().zip(few.iter().skip(1)).all(|(a, b)| a.1 < b.0));
            for (start, end) in ranges {
                prop_assert!(few.iter().any(|(from, until)| *from <= start && end <= *until));
            }
        }
    }
}
