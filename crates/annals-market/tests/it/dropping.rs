//! Minutes go by age, and longer bars stay.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use annals_market::{
    Bar, BarRange, BarStore, Bars, DroppedMinutes, RollUp, Timeframe, Zone, refresh, roll_up,
};
use annals_record::Timestamp;
use annals_store::{
    Access, Error, Names, Work,
    lifecycle::{Derived, Emptied, Expiry, Interval, Refresh},
    rusqlite,
    sql::PgTimestamp,
    sqlx::{self, PgConnection},
};
use annals_testkit::{TestDatabase, on_every_backend};
use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{
    bar, minute, open,
    rollups::{Dice, assert_true, later, refresh_all, waiting, write},
    time,
};

on_every_backend!(
    a_late_minute_of_a_dropped_hour_changes_no_longer_bar,
    history_older_than_what_was_dropped_makes_its_bars,
    an_hour_that_is_written_in_parts_after_a_drop_is_whole,
    no_minute_goes_before_longer_bars_have_it,
    what_nothing_can_be_made_of_holds_nothing_back,
    an_hour_is_never_cut,
    a_second_drop_ends_what_was_reopened,
    an_hour_that_lost_some_of_its_minutes_is_final,
    marking_everything_changed_leaves_dropped_hours_alone,
    minutes_deleted_by_hand_from_a_reopened_hour_take_its_bars_along,
    a_volume_that_no_bar_holds_does_not_harm_a_dropped_hour,
    an_entry_for_every_symbol_passes_over_years_of_dropped_hours,
    ranges_that_touch_are_one,
    any_order_of_writes_refreshes_and_drops_keeps_every_hour_whole,
    reads_are_the_same_before_and_after_a_refresh_whatever_was_dropped,
    drops_beside_refreshes_writers_and_readers_leave_no_partial_hour,
    a_roll_up_says_what_it_did,
    retention_leaves_longer_bars_as_they_were_to_the_last_bit,
    retention_and_backfills_take_turns,
    a_symbol_that_is_deleted_loses_its_longer_bars_too,
);

/// Deletes minutes and tells of it, in one transaction, as retention does.
struct Drop {
    from: Option<i64>,
    until: i64,
}

impl Drop {
    fn emptied(&self) -> Emptied {
        Emptied {
            from: self.from.map(time),
            until: time(self.until),
        }
    }

    fn range(&self) -> (i64, i64) {
        let from = minute(self.from.unwrap_or(-5_000_000));
        (from.unix_micros(), minute(self.until).unix_micros())
    }
}

impl Work for Drop {
    type Output = ();
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let sql = "DELETE FROM {bars_1m} WHERE timestamp >= $1 AND timestamp < $2";
            let (from, until) = self.range();
            let gone = sqlx::query(names.statement(sql))
                .bind(PgTimestamp(from))
                .bind(PgTimestamp(until))
                .execute(&mut *connection)
                .await;
            gone.map_err(Error::statement("deleting minutes"))?;
            let told = DroppedMinutes.emptied_postgres(connection, names, self.emptied());
            told.await.map_err(Error::statement("telling of it"))
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, names: &Names) -> Result<(), Error> {
        let sql = names.statement("DELETE FROM {bars_1m} WHERE timestamp >= $1 AND timestamp < $2");
        let gone = connection.execute(sql.as_str(), [self.range().0, self.range().1]);
        gone.map_err(Error::statement("deleting minutes"))?;
        let told = DroppedMinutes.emptied_sqlite(connection, names, self.emptied());
        told.map_err(Error::statement("telling of it"))
    }
}

/// Drops what is older than a minute, after asking whether it may go.
async fn drop_before(bars: &Bars, until: i64) {
    let store = bars.store();
    let may = DroppedMinutes
        .prepare(store, store.names(), time(until))
        .await
        .unwrap();
    assert_eq!(may, time(until - (until + 30).rem_euclid(60)));
    drop_without_asking(bars, None, until).await;
}

async fn drop_without_asking(bars: &Bars, from: Option<i64>, until: i64) {
    let store = bars.store();
    store
        .run(Access::Write, Drop { from, until })
        .await
        .unwrap();
}

async fn read(bars: &Bars, symbol: &str, timeframe: Timeframe) -> Vec<Bar> {
    let range = BarRange::new(symbol, time(-1_000_000), time(1_000_000));
    let range = range.with_timeframe(timeframe, Zone::utc());
    bars.get_bars(range).await.unwrap().bars
}

/// Longer bars of symbols, every timeframe by every way to read it, with days of two zones.
async fn longer(bars: &Bars, symbols: &[&str]) -> Vec<Vec<Bar>> {
    let mut all = Vec::new();
    for symbol in symbols {
        for (timeframe, zone) in questions() {
            let whole = BarRange::new(*symbol, time(-1_000_000), time(1_000_000))
                .with_timeframe(timeframe, zone.clone());
            let page = bars.get_bars(whole.clone()).await.unwrap().bars;
            let newest = bars.get_latest(symbol, timeframe, &zone, 100_000).await;
            assert_eq!(newest.unwrap(), page);
            let mut range = whole.with_limit(5 + page.len() as u32 / 10);
            let mut paged = Vec::new();
            loop {
                let some = bars.get_bars(range.clone()).await.unwrap();
                paged.extend(some.bars);
                let Some(cursor) = some.next else { break };
                range = range.after(cursor);
            }
            assert_eq!(paged, page);
            all.push(page);
        }
    }
    all
}

fn questions() -> [(Timeframe, Zone); 5] {
    [
        (Timeframe::M5, Zone::utc()),
        (Timeframe::M15, Zone::utc()),
        (Timeframe::H1, Zone::utc()),
        (Timeframe::D1, Zone::utc()),
        (Timeframe::D1, Zone::named("Asia/Kathmandu").unwrap()),
    ]
}

async fn minutes(bars: &Bars, symbol: &str) -> Vec<i64> {
    let found = read(bars, symbol, Timeframe::M1).await;
    let place = |bar: &Bar| (bar.timestamp.unix_micros() - minute(0).unix_micros()) / 60_000_000;
    found.iter().map(place).collect()
}

fn with_volume(symbol: &str, n: i64, volume: i64) -> Bar {
    Bar {
        volume,
        ..bar(symbol, n)
    }
}

/// Whole hours: the first begins half an hour after T0.
fn hours(symbol: &str, hours: std::ops::Range<i64>) -> Vec<Bar> {
    let minutes = hours.start * 60 + 30..hours.end * 60 + 30;
    minutes.map(|n| bar(symbol, n)).collect()
}

async fn a_late_minute_of_a_dropped_hour_changes_no_longer_bar(database: TestDatabase) {
    let bars = open(&database).await;
    write(&bars, hours("A", 0..30)).await;
    let before = longer(&bars, &["A"]).await;
    drop_before(&bars, 20 * 60 + 30).await;
    assert_eq!(minutes(&bars, "A").await.len(), 600);
    assert_eq!(longer(&bars, &["A"]).await, before);
    // A correction, a minute that was not there, and the same of an hour that has its minutes.
    let mut late = vec![with_volume("A", 100, 7), with_volume("A", 1_229, 9)];
    write(&bars, late.clone()).await;
    assert_eq!(longer(&bars, &["A"]).await, before);
    let done = bars.refresh(later()).await.unwrap();
    assert_eq!((done.kept, done.made, done.removed), (2, 0, 0));
    assert_eq!(waiting(&bars).await, 0);
    assert_eq!(longer(&bars, &["A"]).await, before);
    let found = read(&bars, "A", Timeframe::M1).await;
    assert_eq!(found[..2], late);
    late = vec![with_volume("A", 1_231, 1_000_000)];
    write(&bars, late).await;
    refresh_all(&bars, later()).await;
    let hours = read(&bars, "A", Timeframe::H1).await;
    assert_eq!(hours[..20], before[2][..20]);
    assert!(hours[20].volume > 1_000_000);
    assert_eq!(hours[21..], before[2][21..]);
    // Nor when both come in one batch.
    let mixed = vec![
        with_volume("A", 1_228, 5),
        with_volume("A", 1_232, 5_000_000),
    ];
    write(&bars, mixed).await;
    let pending = longer(&bars, &["A"]).await;
    let done = bars.refresh(later()).await.unwrap();
    assert_eq!((done.kept, done.removed), (1, 0));
    assert_eq!(longer(&bars, &["A"]).await, pending);
    assert_eq!(pending[2][..20], before[2][..20]);
    assert!(pending[2][20].volume > 6_000_000);
}

async fn history_older_than_what_was_dropped_makes_its_bars(database: TestDatabase) {
    let bars = open(&database).await;
    write(&bars, hours("A", 100..200)).await;
    drop_before(&bars, 190 * 60 + 30).await;
    let before = longer(&bars, &["A"]).await;
    // Split in the middle of hours, and rolled up in between or not.
    let history: Vec<Bar> = hours("B", 50..195);
    for (n, batch) in history.chunks(1_130).enumerate() {
        write(&bars, batch.to_vec()).await;
        assert_true(&bars, &["B"], &["UTC", "Asia/Kathmandu"], false).await;
        if n % 2 == 0 {
            refresh_all(&bars, later()).await;
            assert_true(&bars, &["B"], &["UTC"], true).await;
        }
    }
    refresh_all(&bars, later()).await;
    assert_true(&bars, &["B"], &["UTC", "Asia/Kathmandu"], true).await;
    // And corrected, it is as any.
    write(&bars, vec![with_volume("B", 6_000, 777)]).await;
    assert_true(&bars, &["B"], &["UTC"], false).await;
    refresh_all(&bars, later()).await;
    assert_true(&bars, &["B"], &["UTC"], false).await;
    assert_eq!(longer(&bars, &["A"]).await, before);
    // Many symbols, which an entry does not name.
    let names: Vec<String> = (0..70).map(|n| format!("S{n}")).collect();
    for half in [0..30, 30..60] {
        let batch = half.flat_map(|n| names.iter().map(move |name| bar(name, 30 + n)));
        write(&bars, batch.collect()).await;
        assert_true(&bars, &["S0", "S69"], &["UTC"], false).await;
        assert!(refresh_all(&bars, later()).await > 0);
        assert_true(&bars, &["S0", "S69"], &["UTC"], false).await;
    }
    assert_eq!(longer(&bars, &["A"]).await, before);
}

async fn an_hour_that_is_written_in_parts_after_a_drop_is_whole(database: TestDatabase) {
    let bars = open(&database).await;
    drop_before(&bars, 10_000).await;
    for n in 0..60 {
        write(&bars, vec![bar("A", 30 + n * 7 % 60)]).await;
        if n % 3 == 0 {
            refresh_all(&bars, later()).await;
        }
        assert_true(&bars, &["A"], &["UTC"], false).await;
    }
    refresh_all(&bars, later()).await;
    assert_eq!(read(&bars, "A", Timeframe::H1).await.len(), 1);
    assert_true(&bars, &["A"], &["UTC"], false).await;
}

async fn no_minute_goes_before_longer_bars_have_it(database: TestDatabase) {
    let bars = open(&database).await;
    let store = bars.store();
    // More than one refresh takes.
    for symbol in ["A", "B", "C"] {
        write(&bars, hours(symbol, 0..1_000)).await;
    }
    let before = longer(&bars, &["A", "C"]).await;
    let ask = |until| DroppedMinutes.prepare(store, store.names(), time(until));
    assert_eq!(ask(600 * 60 + 30).await.unwrap(), time(600 * 60 + 30));
    drop_without_asking(&bars, None, 600 * 60 + 30).await;
    assert_eq!(longer(&bars, &["A", "C"]).await, before);
    // What cannot be rolled up yet holds back minutes from its hour on, and none before.
    let mut ahead = hours("A", 1_000..1_001);
    let future = (Timestamp::now().unix_micros() - minute(0).unix_micros()) / 60_000_000 + 600;
    refresh::mark_changed(
        store,
        Some("A"),
        Some(time(700 * 60 + 47)),
        Some(time(future)),
    )
    .await
    .unwrap();
    ahead.truncate(1);
    write(&bars, ahead).await;
    assert_eq!(ask(650 * 60 + 30).await.unwrap(), time(650 * 60 + 30));
    // All but the future is rolled up when it is asked for.
    assert_eq!(ask(800 * 60 + 30).await.unwrap(), time(800 * 60 + 30));
    assert!(waiting(&bars).await > 0);
    let last = future - (future + 30).rem_euclid(60);
    let far = DroppedMinutes.prepare(store, store.names(), time(future));
    assert_eq!(far.await.unwrap(), time(last));
}

async fn what_nothing_can_be_made_of_holds_nothing_back(database: TestDatabase) {
    let bars = open(&database).await;
    let huge = |n| with_volume("A", n, i64::MAX);
    write(&bars, hours("B", 0..2)).await;
    write(&bars, vec![huge(30), huge(31)]).await;
    refresh_all(&bars, later()).await;
    assert_eq!(waiting(&bars).await, 1);
    let before = longer(&bars, &["B"]).await;
    drop_before(&bars, 150).await;
    // And is forgotten with its minutes.
    assert_eq!(waiting(&bars).await, 0);
    assert_eq!(read(&bars, "A", Timeframe::H1).await, []);
    assert_eq!(longer(&bars, &["B"]).await, before);
}

async fn an_hour_is_never_cut(database: TestDatabase) {
    let bars = open(&database).await;
    let store = bars.store();
    write(&bars, hours("A", 0..3)).await;
    for (asked, given) in [(89, 30), (90, 90), (91, 90), (149, 90), (29, -30), (30, 30)] {
        let may = DroppedMinutes.prepare(store, store.names(), time(asked));
        assert_eq!(may.await.unwrap(), time(given), "{asked}");
    }
}

async fn a_second_drop_ends_what_was_reopened(database: TestDatabase) {
    let bars = open(&database).await;
    drop_before(&bars, 20_000).await;
    write(&bars, hours("A", 0..5)).await;
    refresh_all(&bars, later()).await;
    let before = longer(&bars, &["A"]).await;
    // The same range again, and told once more as after a crash.
    for _ in 0..2 {
        drop_before(&bars, 20_000).await;
        assert_eq!(minutes(&bars, "A").await, [] as [i64; 0]);
        assert_eq!(longer(&bars, &["A"]).await, before);
    }
    write(&bars, vec![with_volume("A", 31, 5)]).await;
    assert_eq!(longer(&bars, &["A"]).await, before);
    refresh_all(&bars, later()).await;
    assert_eq!(longer(&bars, &["A"]).await, before);
    // A part of it, beside an hour that is not dropped again.
    write(&bars, hours("B", 0..2)).await;
    refresh_all(&bars, later()).await;
    drop_without_asking(&bars, Some(30), 90).await;
    write(
        &bars,
        vec![with_volume("B", 40, 5), with_volume("B", 100, 5_000)],
    )
    .await;
    let pending = read(&bars, "B", Timeframe::H1).await;
    refresh_all(&bars, later()).await;
    let found = read(&bars, "B", Timeframe::H1).await;
    assert_eq!(found, pending);
    let whole = roll_up(hours("B", 0..2), Timeframe::H1, &Zone::utc()).unwrap();
    assert_eq!(found[0], whole[0]);
    assert_eq!(found[1].volume, whole[1].volume - 110 + 5_000);
    assert_eq!(
        database.number("SELECT count(*) FROM bars_dropped").await,
        1
    );
}

async fn an_hour_that_lost_some_of_its_minutes_is_final(database: TestDatabase) {
    let bars = open(&database).await;
    write(&bars, hours("A", 0..3)).await;
    refresh_all(&bars, later()).await;
    let before = longer(&bars, &["A"]).await;
    // As chunks do that end in the middle of an hour.
    drop_without_asking(&bars, None, 110).await;
    write(&bars, vec![with_volume("A", 120, 5_000)]).await;
    assert_eq!(longer(&bars, &["A"]).await, before);
    refresh_all(&bars, later()).await;
    assert_eq!(longer(&bars, &["A"]).await, before);
    drop_without_asking(&bars, Some(110), 130).await;
    write(&bars, vec![with_volume("A", 149, 5_000)]).await;
    refresh_all(&bars, later()).await;
    assert_eq!(longer(&bars, &["A"]).await, before);
    assert_eq!(minutes(&bars, "A").await.len(), 210 - 130);
}

async fn marking_everything_changed_leaves_dropped_hours_alone(database: TestDatabase) {
    let bars = open(&database).await;
    write(&bars, hours("A", 0..40)).await;
    write(&bars, hours("B", 10..20)).await;
    let before = longer(&bars, &["A", "B"]).await;
    drop_before(&bars, 30 * 60 + 30).await;
    let mark = async |symbol: Option<&str>, start: Option<i64>, end: Option<i64>| {
        let marked = refresh::mark_changed(bars.store(), symbol, start.map(time), end.map(time));
        marked.await.unwrap();
        assert_eq!(longer(&bars, &["A", "B"]).await, before);
        refresh_all(&bars, later()).await;
        assert_eq!(longer(&bars, &["A", "B"]).await, before);
    };
    mark(None, None, None).await;
    mark(None, Some(-100_000), Some(100_000)).await;
    mark(Some("A"), Some(-100_000), Some(100_000)).await;
    mark(Some("B"), Some(-100_000), Some(100_000)).await;
    mark(Some("A"), None, None).await;
    mark(None, Some(100), Some(300)).await;
    // With a late minute in between, too.
    write(
        &bars,
        vec![with_volume("A", 700, 9), with_volume("B", 700, 9)],
    )
    .await;
    mark(None, None, None).await;
    mark(Some("B"), None, None).await;
    assert_eq!(waiting(&bars).await, 0);
}

async fn minutes_deleted_by_hand_from_a_reopened_hour_take_its_bars_along(database: TestDatabase) {
    let bars = open(&database).await;
    drop_before(&bars, 20_000).await;
    write(&bars, hours("A", 0..3)).await;
    refresh_all(&bars, later()).await;
    let (from, until) = (minute(90), minute(150));
    let (from, until) = match database.backend {
        annals_testkit::Backend::Sqlite => (
            from.unix_micros().to_string(),
            until.unix_micros().to_string(),
        ),
        _ => (format!("'{from}'"), format!("'{until}'")),
    };
    let sql = format!("DELETE FROM bars_1m WHERE timestamp >= {from} AND timestamp < {until}");
    database.execute(&sql).await;
    for symbol in [None, Some("A")] {
        let marked = refresh::mark_changed(bars.store(), symbol, Some(time(0)), Some(time(400)));
        marked.await.unwrap();
        assert_true(&bars, &["A"], &["UTC"], false).await;
        refresh_all(&bars, later()).await;
        assert_true(&bars, &["A"], &["UTC"], false).await;
        assert_eq!(read(&bars, "A", Timeframe::H1).await.len(), 2);
    }
}

async fn a_volume_that_no_bar_holds_does_not_harm_a_dropped_hour(database: TestDatabase) {
    let bars = open(&database).await;
    write(&bars, hours("A", 0..3)).await;
    let before = longer(&bars, &["A"]).await;
    drop_before(&bars, 90).await;
    let huge = |symbol, n| with_volume(symbol, n, i64::MAX);
    write(
        &bars,
        vec![huge("A", 30), huge("A", 50), huge("B", 30), huge("B", 50)],
    )
    .await;
    assert_eq!(longer(&bars, &["A"]).await, before);
    let done = bars.refresh(later()).await.unwrap();
    assert_eq!((done.kept, done.held, done.made), (1, 1, 0));
    assert_eq!(longer(&bars, &["A"]).await, before);
    assert_eq!(waiting(&bars).await, 1);
    // Of B nothing is stored: once its minutes are right, they are its bars.
    write(&bars, vec![bar("B", 30), bar("B", 50)]).await;
    assert_true(&bars, &["B"], &["UTC"], false).await;
    refresh_all(&bars, later()).await;
    assert_true(&bars, &["B"], &["UTC"], false).await;
    assert_eq!(waiting(&bars).await, 0);
}

async fn an_entry_for_every_symbol_passes_over_years_of_dropped_hours(database: TestDatabase) {
    let bars = open(&database).await;
    // One minute in a day.
    write(&bars, (0..690).map(|n| bar("A", n * 1_440)).collect()).await;
    let before = longer(&bars, &["A"]).await;
    drop_before(&bars, 999_990).await;
    let late = [0, 300 * 1_440, 689 * 1_440];
    write(
        &bars,
        late.iter().map(|n| with_volume("A", n + 1, 7)).collect(),
    )
    .await;
    write(&bars, hours("B", 0..1)).await;
    refresh::mark_changed(bars.store(), None, None, None)
        .await
        .unwrap();
    assert_eq!(longer(&bars, &["A"]).await, before);
    let mut stored = 0;
    while let done = bars.refresh(later()).await.unwrap()
        && done.entries > 0
    {
        stored += done.made + done.removed;
        assert_eq!(longer(&bars, &["A"]).await, before);
    }
    assert_eq!((stored, waiting(&bars).await), (17, 0));
    assert_true(&bars, &["B"], &["UTC"], false).await;
}

async fn ranges_that_touch_are_one(database: TestDatabase) {
    let bars = open(&database).await;
    let ranges = async || database.number("SELECT count(*) FROM bars_dropped").await;
    for (from, until, left) in [
        (Some(1_000), 2_000, 1),
        (Some(5_000), 6_000, 2),
        (Some(2_000), 2_500, 2),
        (Some(1_500), 1_600, 2),
        (Some(4_000), 5_000, 2),
        (Some(7_000), 7_000, 2),
        (Some(2_501), 3_999, 3),
        (Some(2_500), 2_501, 2),
        (None, 900, 3),
        (None, 4_500, 1),
    ] {
        for _ in 0..2 {
            drop_without_asking(&bars, from, until).await;
            assert_eq!(ranges().await, left, "{from:?} {until}");
        }
    }
}

/// What bars there should be: of hours that have lost minutes those from before, of others those of their
/// minutes.
#[derive(Default)]
struct Model {
    minutes: BTreeMap<(String, i64), Bar>,
    /// By symbol and hour, what the three stored levels have.
    kept: BTreeMap<(String, i64), [Vec<Bar>; 3]>,
}

impl Model {
    fn hour(n: i64) -> i64 {
        (n + 30).div_euclid(60)
    }

    fn write(&mut self, batch: &[(i64, Bar)]) {
        for (n, bar) in batch {
            self.minutes.insert((bar.symbol.clone(), *n), bar.clone());
        }
    }

    fn of_hour(&self, key: &(String, i64)) -> [Vec<Bar>; 3] {
        if let Some(kept) = self.kept.get(key) {
            return kept.clone();
        }
        let minutes = |n: i64| (key.0.clone(), key.1 * 60 - 30 + n);
        let of_hour = self.minutes.range(minutes(0)..minutes(60));
        let of_hour: Vec<Bar> = of_hour.map(|(_, bar)| bar.clone()).collect();
        [Timeframe::M5, Timeframe::M15, Timeframe::H1]
            .map(|timeframe| roll_up(of_hour.clone(), timeframe, &Zone::utc()).unwrap())
    }

    fn drop(&mut self, from: i64, until: i64) {
        let touched = |hour: i64| Self::hour(from) <= hour && hour <= Self::hour(until - 1);
        let hours = self
            .minutes
            .keys()
            .map(|(symbol, n)| (symbol.clone(), Self::hour(*n)));
        let hours: BTreeSet<(String, i64)> = hours.filter(|(_, hour)| touched(*hour)).collect();
        for key in hours {
            let kept = self.of_hour(&key);
            self.kept.insert(key, kept);
        }
        self.minutes.retain(|(_, n), _| *n < from || *n >= until);
    }

    /// As [`longer`] reads it.
    fn longer(&self, symbols: &[&str]) -> Vec<Vec<Bar>> {
        let mut all = Vec::new();
        for symbol in symbols {
            let of_symbol = |key: &&(String, i64)| key.0 == *symbol;
            let hours = self.minutes.keys().filter(of_symbol);
            let mut hours: BTreeSet<i64> = hours.map(|(_, n)| Self::hour(*n)).collect();
            let kept = self.kept.keys().filter(of_symbol);
            hours.extend(kept.map(|(_, hour)| *hour));
            let mut levels: [Vec<Bar>; 3] = Default::default();
            for hour in hours {
                let of_hour = self.of_hour(&((*symbol).to_owned(), hour));
                for (level, bars) in levels.iter_mut().zip(of_hour) {
                    level.extend(bars);
                }
            }
            let quarters = levels[1].clone();
            all.extend(levels);
            for (timeframe, zone) in &questions()[3..] {
                all.push(roll_up(quarters.clone(), *timeframe, zone).unwrap());
            }
        }
        all
    }
}

async fn any_order_of_writes_refreshes_and_drops_keeps_every_hour_whole(database: TestDatabase) {
    let bars = open(&database).await;
    let symbols = ["A", "b\"'", "C"];
    let mut model = Model::default();
    let mut dice = Dice(11);
    let mut dropped = 0;
    for round in 0..120 {
        let place = |dice: &mut Dice| dice.roll(4_000) as i64;
        match dice.roll(8) {
            0 => {
                let now = time(place(&mut dice));
                let _ = bars.refresh(now).await.unwrap();
            }
            1 => {
                refresh_all(&bars, later()).await;
            }
            2 => {
                // Mostly a little further, sometimes the same or less.
                dropped = (dropped + dice.roll(500) as i64 - 100).max(0);
                drop_before(&bars, dropped).await;
                model.drop(-1_000_000, dropped);
            }
            3 => {
                // A part of what was, as chunks of a time that are told again.
                let from = place(&mut dice);
                let until = from + 1 + dice.roll(300) as i64;
                refresh_all(&bars, later()).await;
                drop_without_asking(&bars, Some(from), until).await;
                model.drop(from, until);
            }
            4 => {
                let symbol = [None, Some("A"), Some("C")][dice.roll(3) as usize];
                let start = [None, Some(time(place(&mut dice)))][dice.roll(2) as usize];
                let end = [None, Some(time(place(&mut dice)))][dice.roll(2) as usize];
                refresh::mark_changed(bars.store(), symbol, start, end)
                    .await
                    .unwrap();
            }
            _ => {
                let start = place(&mut dice);
                let step = [1, 1, 7, 90][dice.roll(4) as usize];
                let count = 1 + dice.roll(60) as i64;
                let batch = (0..count).map(|n| {
                    let n = start + n * step;
                    let symbol = symbols[dice.roll(3) as usize];
                    (n, dice.bar(symbol, n))
                });
                let batch: Vec<(i64, Bar)> = batch.collect();
                model.write(&batch);
                write(&bars, batch.into_iter().map(|(_, bar)| bar).collect()).await;
            }
        }
        if round % 3 == 0 {
            assert_eq!(
                longer(&bars, &symbols).await,
                model.longer(&symbols),
                "{round}"
            );
            for symbol in symbols {
                let expected = model.minutes.iter().filter(|((of, _), _)| of == symbol);
                let expected: Vec<Bar> = expected.map(|(_, bar)| bar.clone()).collect();
                assert_eq!(read(&bars, symbol, Timeframe::M1).await, expected);
            }
        }
    }
    refresh_all(&bars, later()).await;
    assert_eq!(waiting(&bars).await, 0);
    assert_eq!(longer(&bars, &symbols).await, model.longer(&symbols));
}

/// Nothing is prepared here, stored bars go too, and others delete what they like: what is read stays the same
/// when a refresh comes by.
async fn reads_are_the_same_before_and_after_a_refresh_whatever_was_dropped(
    database: TestDatabase,
) {
    let bars = open(&database).await;
    let symbols = ["A", "B"];
    for seed in 0..40 {
        let mut dice = Dice(seed);
        for _ in 0..6 {
            let start = dice.roll(600) as i64;
            match dice.roll(6) {
                0 => {
                    let until = start + 1 + dice.roll(200) as i64;
                    drop_without_asking(&bars, Some(start), until).await;
                }
                1 => drop_without_asking(&bars, None, start / 2).await,
                2 => {
                    // A level by its own age; what waits for a refresh comes back with it.
                    refresh_all(&bars, later()).await;
                    let table = ["bars_5m", "bars_15m", "bars_1h"][dice.roll(3) as usize];
                    let before = match database.backend {
                        annals_testkit::Backend::Sqlite => {
                            minute(start / 2).unix_micros().to_string()
                        }
                        _ => format!("'{}'", minute(start / 2)),
                    };
                    let sql = format!("DELETE FROM {table} WHERE timestamp < {before}");
                    database.execute(&sql).await;
                }
                3 => {
                    refresh_all(&bars, later()).await;
                }
                _ => {
                    let symbol = symbols[dice.roll(2) as usize];
                    let count = 1 + dice.roll(90) as i64;
                    let batch = (0..count).map(|n| dice.bar(symbol, start + n)).collect();
                    write(&bars, batch).await;
                }
            }
        }
        let before = longer(&bars, &symbols).await;
        while let done = bars.refresh(later()).await.unwrap()
            && done.entries > 0
        {
            assert_eq!(longer(&bars, &symbols).await, before, "{seed}");
        }
        assert_eq!(waiting(&bars).await, 0);
        assert_eq!(longer(&bars, &symbols).await, before, "{seed}");
    }
}

/// Every hour is written whole, by one transaction, and every minute of it has the same volume.
async fn drops_beside_refreshes_writers_and_readers_leave_no_partial_hour(database: TestDatabase) {
    const HOURS: u64 = 12;
    let open = async || Arc::new(open(&database).await);
    let hour = |dice: &mut Dice, volume: i64| -> Vec<Bar> {
        let hour = dice.roll(HOURS) as i64;
        let symbol = ["A", "B"][dice.roll(2) as usize];
        let minutes = hour * 60 + 30..hour * 60 + 90;
        minutes.map(|n| with_volume(symbol, n, volume)).collect()
    };
    let writing = |seed: u64, bars: Arc<Bars>| async move {
        let mut dice = Dice(seed);
        for n in 0..60 {
            let batch = hour(&mut dice, 1 + n);
            write(&bars, batch).await;
        }
    };
    let refreshing = |bars: Arc<Bars>| async move {
        for _ in 0..150 {
            let _ = bars.refresh(later()).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let dropping = |bars: Arc<Bars>| async move {
        let mut dice = Dice(99);
        for _ in 0..25 {
            let store = bars.store();
            let until = time((1 + dice.roll(HOURS) as i64) * 60 + 30);
            let may = DroppedMinutes.prepare(store, store.names(), until);
            let until = may.await.unwrap().unix_micros() - minute(0).unix_micros();
            drop_without_asking(&bars, None, until / 60_000_000).await;
        }
    };
    let tasks = [
        tokio::spawn(writing(3, open().await)),
        tokio::spawn(writing(5, open().await)),
        tokio::spawn(refreshing(open().await)),
        tokio::spawn(refreshing(open().await)),
        tokio::spawn(dropping(open().await)),
    ];
    let bars = open().await;
    let look = async || {
        for symbol in ["A", "B"] {
            for (timeframe, minutes) in [(Timeframe::H1, 60), (Timeframe::M15, 15)] {
                for bar in read(&bars, symbol, timeframe).await {
                    let place = bar.timestamp;
                    assert_eq!(bar.volume % minutes, 0, "{timeframe} {place}");
                }
            }
        }
    };
    while tasks.iter().any(|task| !task.is_finished()) {
        look().await;
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    look().await;
    refresh_all(&bars, later()).await;
    assert_eq!(waiting(&bars).await, 0);
    look().await;
    for symbol in ["A", "B"] {
        // Levels are of one state, each made of the others.
        let quarters = read(&bars, symbol, Timeframe::M15).await;
        let hours = read(&bars, symbol, Timeframe::H1).await;
        assert_eq!(quarters.len(), hours.len() * 4);
        assert_eq!(
            roll_up(quarters, Timeframe::H1, &Zone::utc()).unwrap(),
            hours
        );
    }
}

async fn a_roll_up_says_what_it_did(database: TestDatabase) {
    let bars = open(&database).await;
    let store = bars.store();
    assert_eq!(RollUp.refresh(store, later()).await.unwrap(), None);
    write(&bars, hours("A", 0..2)).await;
    write(&bars, hours("B", 0..2)).await;
    let words = RollUp.refresh(store, later()).await.unwrap();
    assert_eq!(words.unwrap(), "2 entries, 68 longer bars");
    drop_before(&bars, 90).await;
    write(&bars, vec![bar("A", 31), bar("A", 91)]).await;
    let words = RollUp.refresh(store, later()).await.unwrap();
    let said = "1 entry, 0 longer bars, 1 hour left as it was when its minutes were dropped";
    assert_eq!(words.unwrap(), said);
    assert_eq!(RollUp.refresh(store, later()).await.unwrap(), None);
}

fn age(text: &str) -> Interval {
    text.parse().unwrap()
}

/// Lets minutes go as retention does, when it is so many minutes after T0.
async fn expire(bars: &Bars, older_than: &str, now: i64) -> Expiry {
    let minutes = bars.lifecycle(Timeframe::M1).unwrap().at(time(now));
    let older_than = age(older_than);
    minutes
        .expire(&older_than, false, &mut |_| {})
        .await
        .unwrap()
}

async fn retention_leaves_longer_bars_as_they_were_to_the_last_bit(database: TestDatabase) {
    let bars = open(&database).await;
    let mut dice = Dice(5);
    // 60 days, of which nothing was rolled up by anybody before.
    for symbol in ["A", "B"] {
        let batch = (0..4_320).map(|n| dice.bar(symbol, n * 20)).collect();
        write(&bars, batch).await;
    }
    let before = longer(&bars, &["A", "B"]).await;
    let bits = |all: &[Vec<Bar>]| -> Vec<[u64; 5]> {
        let bits = |bar: &Bar| [bar.open, bar.high, bar.low, bar.close, bar.vwap].map(f64::to_bits);
        all.iter().flatten().map(bits).collect()
    };
    let now = 86_400;
    let mut left = minutes(&bars, "A").await.len();
    for older_than in [
        "50 days",
        "30 days",
        "30 days",
        "17 days 11 hours 13 minutes",
    ] {
        expire(&bars, older_than, now).await;
        let found = longer(&bars, &["A", "B"]).await;
        assert_eq!(found, before);
        assert_eq!(bits(&found), bits(&before));
        let now_left = minutes(&bars, "A").await.len();
        assert!(now_left <= left, "{older_than}");
        left = now_left;
        // What comes late for it, and a correction of what is there.
        write(
            &bars,
            vec![with_volume("A", 77, 1), with_volume("B", 7_777, 5)],
        )
        .await;
        refresh::mark_changed(bars.store(), None, None, None)
            .await
            .unwrap();
        assert_eq!(longer(&bars, &["A", "B"]).await, before);
        refresh_all(&bars, later()).await;
        assert_eq!(longer(&bars, &["A", "B"]).await, before);
    }
    assert!(left < 2_000);
    write(&bars, vec![with_volume("A", 86_390, 1_000_000)]).await;
    refresh_all(&bars, later()).await;
    let found = longer(&bars, &["A"]).await;
    assert_eq!(found[2].len(), before[2].len());
    assert_eq!(found[2][..1_440], before[2][..1_440]);
    assert!(found[2][1_440].volume > 1_000_000);
}

async fn retention_and_backfills_take_turns(database: TestDatabase) {
    let bars = open(&database).await;
    let now = 86_400;
    write(&bars, (0..1_440).map(|n| bar("A", n * 60)).collect()).await;
    let of_a = longer(&bars, &["A"]).await;
    expire(&bars, "10 days", now).await;
    let history: Vec<Bar> = (0..600).map(|n| bar("B", 10_000 + n * 7)).collect();
    for some in history.chunks(170) {
        write(&bars, some.to_vec()).await;
    }
    let of_b = longer(&bars, &["B"]).await;
    assert_true(&bars, &["B"], &["UTC"], false).await;
    // Nothing is rolled up yet, and nothing is lost when it goes.
    let gone = expire(&bars, "10 days", now).await;
    assert!(gone.until.is_some());
    assert!(minutes(&bars, "B").await.is_empty());
    assert_eq!(longer(&bars, &["A"]).await, of_a);
    assert_eq!(longer(&bars, &["B"]).await, of_b);
    write(&bars, vec![with_volume("B", 10_000, 99)]).await;
    refresh_all(&bars, later()).await;
    assert_eq!(longer(&bars, &["B"]).await, of_b);
    let none = expire(&bars, "59 days 23 hours", now).await;
    assert_eq!(longer(&bars, &["A"]).await, of_a);
    assert!(none.rows == 0);
}

async fn a_symbol_that_is_deleted_loses_its_longer_bars_too(database: TestDatabase) {
    let bars = open(&database).await;
    let now = 86_400;
    for symbol in ["A", "B"] {
        write(&bars, (0..1_440).map(|n| bar(symbol, n * 60)).collect()).await;
    }
    expire(&bars, "20 days", now).await;
    let of_b = longer(&bars, &["B"]).await;
    write(&bars, vec![bar("A", 1), bar("A", 90_000)]).await;
    let table = bars.lifecycle(Timeframe::M1).unwrap();
    let day = age("1 day");
    let refused = table.delete_of("A", Some(&day), false, &mut |_| {}).await;
    assert!(refused.is_err());
    table
        .delete_of("A", None, false, &mut |_| {})
        .await
        .unwrap();
    for timeframe in Timeframe::ALL {
        assert_eq!(read(&bars, "A", timeframe).await, []);
    }
    refresh_all(&bars, later()).await;
    assert_eq!(waiting(&bars).await, 0);
    for timeframe in Timeframe::ALL {
        assert_eq!(read(&bars, "A", timeframe).await, []);
    }
    assert_eq!(longer(&bars, &["B"]).await, of_b);
    // It may come back, as anything new.
    write(&bars, (0..300).map(|n| bar("A", n)).collect()).await;
    assert_true(&bars, &["A"], &["UTC"], false).await;
    refresh_all(&bars, later()).await;
    assert_true(&bars, &["A"], &["UTC"], false).await;
    assert_eq!(longer(&bars, &["B"]).await, of_b);
}
