//! Of which time minutes were dropped by age, and what then becomes of an hour that is written again.
//!
//! Minutes go, and the longer bars that were made of them stay. What comes for such an hour later is not all
//! of it, so bars made of that alone would be wrong, and so would be to remove those that are stored. An hour
//! of a symbol that has lost minutes (`bars_dropped`) is one of these:
//!
//! | An hour | What is stored of it |
//! |---|---|
//! | with longer bars | is **final**: late minutes are kept as minutes until they are dropped too |
//! | without any, when minutes come | is **reopened** (`bars_reopened`): longer bars are made of its minutes from then on, since all of them came after the drop |
//!
//! Readers and refreshes decide by the same rule, each in one state of the database: `read_of_minutes` for
//! the ones, `refresh/late.rs` for the others. Hours that were never in a dropped range are as if there
//! were none, and asking whether there is one is a statement on a table of mostly one row.
//!
//! When minutes of a reopened hour are dropped in their turn, it is final. So who writes history that is
//! older than minutes are kept should let retention rest meanwhile: what it takes in the middle of an hour
//! that is written in two parts, longer bars will never have.

use std::time::Duration;

use annals_record::{Record, Timestamp, TimestampMicros};
use annals_store::{
    Access, Names, Store,
    lifecycle::{Derived, Emptied},
    rusqlite::{self, params},
    sql::{Dialect, PgTimestamp},
    sqlx::{self, PgConnection, Row as _},
};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::{
    Result,
    changed::{few, joined},
    level::{hour_of, in_time},
    refresh::{erase, into_store_error, refresh},
    timeframe::{HOUR, MINUTE},
    tx::{Param, Tx, scripted},
};

/// A range of time in which minutes were dropped.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "bars_dropped")]
pub(crate) struct Dropped {
    pub(crate) id: i64,
    first_minute: TimestampMicros,
    last_minute: TimestampMicros,
}

impl Dropped {
    /// The hours that have lost minutes.
    pub(crate) fn hours(&self) -> (i64, i64) {
        let (start, _) = hour_of(self.first_minute.unix_micros());
        (start, hour_of(self.last_minute.unix_micros()).1)
    }
}

/// The ranges that touch the hours from `from` to `until`, in order.
pub(crate) async fn within<T: Tx>(tx: &mut T, from: i64, until: i64) -> Result<Vec<Dropped>> {
    let sql = "SELECT id, first_minute, last_minute FROM {bars_dropped}
                WHERE last_minute >= $1 AND first_minute < $2 ORDER BY first_minute, id";
    let params = [Param::Time(in_time(from)), Param::Time(in_time(until))];
    tx.fetch(sql, &params).await
}

/// The hours of dropped ranges, in order and apart from each other.
pub(crate) fn hours_of(dropped: &[Dropped]) -> Vec<(i64, i64)> {
    joined(dropped.iter().map(Dropped::hours).collect())
}

/// An hour that is read from minutes.
#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "bars_reopened")]
struct Hour {
    hour: TimestampMicros,
}

/// Where a symbol's minutes are read in place of stored bars, of the hours where those may be behind: all of
/// them but those that are final. In order and apart from each other.
pub(crate) async fn read_of_minutes<T: Tx>(
    tx: &mut T,
    symbol: &str,
    behind: Vec<(i64, i64)>,
) -> Result<Vec<(i64, i64)>> {
    let Some(((from, _), (_, until))) = behind.first().zip(behind.last()) else {
        return Ok(behind);
    };
    let dropped = within(tx, *from, *until).await?;
    let closed = hours_of(&dropped);
    // What is read among others, to have fewer ranges, must not be final: dropped ranges are cut out after.
    let mut minutes = without(&few(behind.clone()), &closed);
    for (from, until) in few(common(&behind, &closed)) {
        let (_, until) = hour_of(until.saturating_sub(1));
        let hours = open_hours(tx, symbol, from, until).await?;
        let hours = hours.iter().map(|row| hour_of(row.hour.unix_micros()));
        minutes.extend(hours.filter(|(hour, _)| contains(&behind, *hour)));
    }
    Ok(joined(minutes))
}

/// Hours of a symbol in a dropped range that are not final: reopened, or with minutes and no stored bar, so
/// that they will be.
async fn open_hours<T: Tx>(tx: &mut T, symbol: &str, from: i64, until: i64) -> Result<Vec<Hour>> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => include_str!("dropped/open_hours.sqlite.sql"),
        _ => include_str!("dropped/open_hours.postgres.sql"),
    };
    let params = [
        Param::Text(symbol),
        Param::Time(in_time(from)),
        Param::Time(in_time(until)),
    ];
    tx.fetch(sql, &params).await
}

/// Whether a time is in one of `ranges`, which are in order and apart.
pub(crate) fn contains(ranges: &[(i64, i64)], time: i64) -> bool {
    let place = ranges.partition_point(|(_, end)| *end <= time);
    ranges.get(place).is_some_and(|(start, _)| *start <= time)
}

/// What of `ranges` is in `others` too, both in order and apart.
pub(crate) fn common(ranges: &[(i64, i64)], others: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut common = Vec::new();
    for (start, end) in ranges {
        let place = others.partition_point(|(_, end)| end <= start);
        let others = others.iter().skip(place);
        let overlapping = others.take_while(|(other, _)| other < end);
        common.extend(overlapping.map(|(from, until)| (*start.max(from), *end.min(until))));
    }
    common
}

/// What of `ranges` is in none of `others`, both in order and apart.
fn without(ranges: &[(i64, i64)], others: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut left = Vec::new();
    for (start, end) in ranges {
        let mut next = *start;
        for (from, until) in common(&[(*start, *end)], others) {
            if next < from {
                left.push((next, from));
            }
            next = until;
        }
        if next < *end {
            left.push((next, *end));
        }
    }
    left
}

/// What follows when minutes go: nothing, since longer bars are what stays of them; but that they went is
/// remembered, in the transaction in which they do.
#[derive(Clone, Copy, Debug, Default)]
pub struct DroppedMinutes;

/// How long is worked for minutes that are to go.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long to wait for another one who refreshes.
const BUSY: Duration = Duration::from_millis(100);

impl Derived for DroppedMinutes {
    /// Rolls up what is due, so that no minute goes before longer bars have it. What still waits then holds
    /// back the minutes from its first hour on. What is held (see [`Refreshed::held`](crate::Refreshed))
    /// does not: nothing can be made of it, and nobody would ever be able to drop it. Hours are never cut.
    fn prepare<'a>(
        &'a self,
        store: &'a Store,
        _names: &'a Names,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<Timestamp, annals_store::Error>> {
        Box::pin(async move { prepared(store, until).await.map_err(into_store_error) })
    }

    fn emptied_postgres<'a>(
        &'a self,
        connection: &'a mut PgConnection,
        names: &'a Names,
        emptied: Emptied,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            match minutes_of(emptied) {
                Some(gone) => enter_postgres(connection, names, gone).await,
                None => Ok(()),
            }
        })
    }

    fn emptied_sqlite(
        &self,
        connection: &rusqlite::Connection,
        names: &Names,
        emptied: Emptied,
    ) -> Result<(), rusqlite::Error> {
        match minutes_of(emptied) {
            Some(gone) => enter_sqlite(connection, names, gone),
            None => Ok(()),
        }
    }

    /// Longer bars go with a symbol that is deleted: that is no matter of age.
    fn owner_deleted<'a>(
        &'a self,
        store: &'a Store,
        _names: &'a Names,
        owner: &'a str,
        before: Timestamp,
    ) -> BoxFuture<'a, Result<u64, annals_store::Error>> {
        Box::pin(async move {
            let before = TimestampMicros::floor(before).unix_micros();
            erase(store, owner, before).await.map_err(into_store_error)
        })
    }
}

/// The first time before which minutes cannot go yet.
#[derive(Debug)]
struct Unsettled {
    until: i64,
}

scripted!(Unsettled => Option<TimestampMicros>);

#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "bars_changed")]
struct First {
    first_minute: Option<TimestampMicros>,
}

impl Unsettled {
    async fn script<T: Tx>(self, tx: &mut T) -> Result<Option<TimestampMicros>> {
        let sql =
            "SELECT min(first_minute) FROM {bars_changed} WHERE held IS NULL AND first_minute < $1";
        let first: Vec<First> = tx.fetch(sql, &[Param::Time(self.until)]).await?;
        Ok(first.first().and_then(|first| first.first_minute))
    }
}

async fn prepared(store: &Store, until: Timestamp) -> Result<Timestamp> {
    let until_micros = TimestampMicros::floor(until).unix_micros();
    let (hour, _) = hour_of(until_micros);
    let whole = in_time(hour);
    // Whatever told `until` took it for the past.
    let now = Timestamp::now().max(until);
    let deadline = Instant::now() + PATIENCE;
    let mut was_idle = false;
    loop {
        let unsettled = store.run(Access::Read, Unsettled { until: whole });
        let Some(first) = unsettled.await? else {
            return Ok(time(whole).map_or(until, Timestamp::from));
        };
        let done = refresh(store, now).await?;
        let is_idle = !done.is_busy && done.entries == 0;
        // Once, somebody else may have done it since we asked.
        let is_stuck = is_idle && std::mem::replace(&mut was_idle, is_idle);
        if is_stuck || Instant::now() >= deadline {
            let (hour, _) = hour_of(first.unix_micros());
            return Ok(time(in_time(hour)).map_or(until, Timestamp::from));
        }
        if done.is_busy {
            tokio::time::sleep(BUSY).await;
        }
    }
}

fn time(micros: i64) -> Option<TimestampMicros> {
    TimestampMicros::from_unix_micros(micros).ok()
}

/// The first and the last minute that are gone, where any can be.
fn minutes_of(emptied: Emptied) -> Option<(i64, i64)> {
    let minute = |micros: i64| micros.saturating_sub(micros.rem_euclid(MINUTE));
    // The first that a table can hold.
    let earliest = minute(in_time(i64::MIN).saturating_add(MINUTE));
    let from = emptied.from.map(TimestampMicros::floor);
    let first = from.map_or(earliest, |from| minute(from.unix_micros()).max(earliest));
    let until = TimestampMicros::floor(emptied.until).unix_micros();
    let last = minute(until.saturating_sub(1));
    (first <= last).then_some((first, last))
}

/// Hours that have lost minutes just now, and those of them that have none left.
struct Lost {
    touched: (i64, i64),
    whole: (i64, i64),
}

impl Lost {
    fn of((first, last): (i64, i64), merged: (i64, i64)) -> Self {
        let touched = (hour_of(first).0, hour_of(last).1);
        let (first_whole, _) = hour_of(merged.0.saturating_add(HOUR - 1));
        let (whole_until, _) = hour_of(merged.1.saturating_add(MINUTE));
        Self {
            touched,
            whole: (touched.0.max(first_whole), touched.1.min(whole_until)),
        }
    }
}

/// Ranges next to each other are one, by a row that is new even when nothing else is: who decides by these
/// rows sees that something was dropped meanwhile. Rows of this table are taken before any others, as
/// refreshes do.
async fn enter_postgres(
    connection: &mut PgConnection,
    names: &Names,
    (first, last): (i64, i64),
) -> Result<(), sqlx::Error> {
    let sql = "WITH gone AS (
                   DELETE FROM {bars_dropped} WHERE last_minute >= $3 AND first_minute <= $4
                   RETURNING first_minute, last_minute)
               INSERT INTO {bars_dropped} (first_minute, last_minute)
               SELECT least($1, min(first_minute)), greatest($2, max(last_minute)) FROM gone
               RETURNING (extract(epoch FROM first_minute) * 1000000)::bigint,
                         (extract(epoch FROM last_minute) * 1000000)::bigint";
    let merged = sqlx::query(names.statement(sql))
        .bind(PgTimestamp(first))
        .bind(PgTimestamp(last))
        .bind(PgTimestamp(in_time(first.saturating_sub(MINUTE))))
        .bind(PgTimestamp(in_time(last.saturating_add(MINUTE))))
        .fetch_one(&mut *connection)
        .await?;
    let lost = Lost::of((first, last), (merged.try_get(0)?, merged.try_get(1)?));
    let time = |micros| PgTimestamp(in_time(micros));
    sqlx::query(names.statement("DELETE FROM {bars_reopened} WHERE hour >= $1 AND hour < $2"))
        .bind(time(lost.touched.0))
        .bind(time(lost.touched.1))
        .execute(&mut *connection)
        .await?;
    // Nothing will ever be made of minutes that nothing could be made of while they were there.
    let sql = "DELETE FROM {bars_changed} WHERE held IS NOT NULL AND first_minute >= $1 AND last_minute < $2";
    sqlx::query(names.statement(sql))
        .bind(time(lost.whole.0))
        .bind(time(lost.whole.1))
        .execute(&mut *connection)
        .await?;
    Ok(())
}

fn enter_sqlite(
    connection: &rusqlite::Connection,
    names: &Names,
    (first, last): (i64, i64),
) -> Result<(), rusqlite::Error> {
    let sql = names.statement(
        "SELECT coalesce(min(first_minute), $3), coalesce(max(last_minute), $4) FROM {bars_dropped}
          WHERE last_minute >= $1 AND first_minute <= $2",
    );
    let beside = (first.saturating_sub(MINUTE), last.saturating_add(MINUTE));
    let there: (i64, i64) = connection.query_row(
        sql.as_str(),
        params![beside.0, beside.1, first, last],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let merged = (first.min(there.0), last.max(there.1));
    let sql = names
        .statement("DELETE FROM {bars_dropped} WHERE last_minute >= $1 AND first_minute <= $2");
    connection.execute(sql.as_str(), params![beside.0, beside.1])?;
    let sql =
        names.statement("INSERT INTO {bars_dropped} (first_minute, last_minute) VALUES ($1, $2)");
    connection.execute(sql.as_str(), params![merged.0, merged.1])?;
    let lost = Lost::of((first, last), merged);
    let sql = names.statement("DELETE FROM {bars_reopened} WHERE hour >= $1 AND hour < $2");
    connection.execute(sql.as_str(), params![lost.touched.0, lost.touched.1])?;
    let sql = names.statement(
        "DELETE FROM {bars_changed} WHERE held IS NOT NULL AND first_minute >= $1 AND last_minute < $2",
    );
    connection.execute(sql.as_str(), params![lost.whole.0, lost.whole.1])?;
    Ok(())
}
