//! Longer bars are those of the minutes that are there, whatever of them is stored.

use std::sync::Arc;

use annals_market::{
    Bar, BarRange, BarStore, Bars, BarsOptions, Conflict, MIGRATIONS, Timeframe, Zone, refresh,
    roll_up,
};
use annals_record::Timestamp;
use annals_store::WriterOptions;
use annals_testkit::{TestDatabase, on_every_backend};

use crate::{bar, minute, open, open_with, time};

on_every_backend!(
    a_late_correction_reaches_every_level,
    any_order_of_writes_refreshes_and_reads_is_as_if_nothing_were_stored,
    two_refreshers_and_writers_at_once_end_with_the_bars_of_the_minutes,
    bars_from_before_are_rolled_up,
    bars_that_others_wrote_are_rolled_up_once_they_are_marked,
    a_volume_that_no_bar_holds_harms_its_own_hour_only,
);

/// Zones with days of 23, 24, 24.5 and 25 hours, one of which begins at a quarter to.
const ZONES: [&str; 4] = [
    "UTC",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
];

/// Long after every minute of these tests.
pub(crate) fn later() -> Timestamp {
    time(10_000_000)
}

pub(crate) async fn waiting(bars: &Bars) -> u64 {
    refresh::waiting(bars.store()).await.unwrap()
}

/// Refreshes until nothing is due; gives how many transactions did something.
pub(crate) async fn refresh_all(bars: &Bars, now: Timestamp) -> usize {
    let mut steps = 0;
    loop {
        let done = bars.refresh(now).await.unwrap();
        if done.is_busy {
            tokio::task::yield_now().await;
        } else if done.entries == 0 {
            return steps;
        } else {
            steps += 1;
        }
    }
}

async fn minutes_of(bars: &Bars, symbol: &str) -> Vec<Bar> {
    let range = BarRange::new(symbol, time(-1_000_000), time(1_000_000));
    bars.get_bars(range).await.unwrap().bars
}

/// Every read of longer bars is what a plain computation over all minutes says.
pub(crate) async fn assert_true(bars: &Bars, symbols: &[&str], zones: &[&str], paged: bool) {
    for symbol in symbols {
        let minutes = minutes_of(bars, symbol).await;
        for zone in zones {
            let zone = Zone::named(zone).unwrap();
            for timeframe in &Timeframe::ALL[1..] {
                if *timeframe != Timeframe::D1 && zone != Zone::named(zones[0]).unwrap() {
                    continue;
                }
                let expected = roll_up(minutes.clone(), *timeframe, &zone).unwrap();
                let whole = BarRange::new(*symbol, time(-1_000_000), time(1_000_000))
                    .with_timeframe(*timeframe, zone.clone());
                let page = bars.get_bars(whole.clone()).await.unwrap();
                assert_eq!(page.bars, expected, "{symbol} {timeframe} {zone}");
                for limit in [1, 3] {
                    let newest = bars
                        .get_latest(symbol, *timeframe, &zone, limit)
                        .await
                        .unwrap();
                    let skip = expected.len().saturating_sub(limit as usize);
                    assert_eq!(
                        newest,
                        expected[skip..],
                        "{symbol} {timeframe} {zone} {limit}"
                    );
                }
                if !paged {
                    continue;
                }
                let mut range = whole.with_limit(7);
                let mut seen = Vec::new();
                loop {
                    let page = bars.get_bars(range.clone()).await.unwrap();
                    assert!(page.bars.len() <= 7);
                    seen.extend(page.bars);
                    match page.next {
                        Some(cursor) => range = range.after(cursor),
                        None => break,
                    }
                }
                assert_eq!(seen, expected, "{symbol} {timeframe} {zone}, paged");
            }
        }
    }
}

pub(crate) async fn write(bars: &Bars, batch: Vec<Bar>) {
    let count = batch.len();
    let written = bars.write_bars(batch).await.unwrap();
    assert_eq!((written.committed, written.parked), (count, 0));
}

/// Numbers that look like chance and are the same each time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % sides
    }

    /// A bar whose vwap is no round number.
    pub(crate) fn bar(&mut self, symbol: &str, n: i64) -> Bar {
        let price = 50.0 + self.roll(10_000) as f64 / 97.0;
        let ohlc = [price, price + 1.7, price - 1.3, price + 0.9];
        let volume = self.roll(1_000) as i64;
        Bar::new(
            symbol,
            minute(n),
            ohlc,
            volume,
            price + self.roll(100) as f64 / 211.0,
        )
        .unwrap()
    }
}

async fn a_late_correction_reaches_every_level(database: TestDatabase) {
    let bars = open(&database).await;
    let mut dice = Dice(1);
    // From 2026-04-03 on: Lord Howe's clocks go back by half an hour on the 5th.
    let first = 1_440 * 88;
    let batch = (0..500).flat_map(|n| ["A", "B"].map(|symbol| (symbol, first + n * 11)));
    let batch: Vec<Bar> = batch.map(|(symbol, n)| dice.bar(symbol, n)).collect();
    write(&bars, batch).await;
    assert_true(&bars, &["A", "B"], &ZONES, true).await;
    assert!(refresh_all(&bars, later()).await > 0);
    assert_eq!(waiting(&bars).await, 0);
    assert_true(&bars, &["A", "B"], &ZONES, true).await;
    let before = bars
        .get_latest("A", Timeframe::D1, &Zone::utc(), 9)
        .await
        .unwrap();
    let correction = Bar {
        volume: 1_000_000,
        high: 900.0,
        ..dice.bar("A", first + 220 * 11)
    };
    write(&bars, vec![correction]).await;
    assert_true(&bars, &["A", "B"], &ZONES, true).await;
    let after = bars
        .get_latest("A", Timeframe::D1, &Zone::utc(), 9)
        .await
        .unwrap();
    let highs = |bars: &[Bar]| bars.iter().filter(|bar| bar.high == 900.0).count();
    assert_eq!((highs(&before), highs(&after)), (0, 1));
    let done = bars.refresh(later()).await.unwrap();
    // One hour of one symbol: what did not change is not written again.
    assert_eq!((done.entries, done.made, done.removed), (1, 3, 0));
    assert_true(&bars, &["A", "B"], &ZONES, true).await;
}

async fn any_order_of_writes_refreshes_and_reads_is_as_if_nothing_were_stored(
    database: TestDatabase,
) {
    let symbols = ["A", "b\"'", "C"];
    let mut stores = Vec::new();
    for conflict in [Conflict::Replace, Conflict::Merge, Conflict::Ignore] {
        stores.push(open_with(&database, BarsOptions::default().with_conflict(conflict)).await);
    }
    let mut dice = Dice(7);
    for round in 0..60 {
        let bars = &stores[dice.roll(3) as usize];
        match dice.roll(5) {
            0 => {
                // Perhaps in the middle of an hour, which is due in part then.
                let now = time(dice.roll(3_000) as i64);
                let _ = bars.refresh(now).await.unwrap();
            }
            1 => {
                refresh_all(bars, later()).await;
            }
            _ => {
                let start = dice.roll(2_800) as i64;
                let step = [1, 1, 7, 90][dice.roll(4) as usize];
                let count = 1 + dice.roll(40) as i64;
                let batch = (0..count).map(|n| {
                    let symbol = symbols[dice.roll(3) as usize];
                    dice.bar(symbol, start + n * step)
                });
                let batch = batch.collect();
                write(bars, batch).await;
            }
        }
        if round % 4 == 0 {
            assert_true(bars, &symbols, &ZONES[..2], round % 20 == 0).await;
        }
    }
    refresh_all(&stores[0], later()).await;
    assert_eq!(waiting(&stores[0]).await, 0);
    assert_true(&stores[0], &symbols, &ZONES, true).await;
}

async fn two_refreshers_and_writers_at_once_end_with_the_bars_of_the_minutes(
    database: TestDatabase,
) {
    let bars = Arc::new(open(&database).await);
    let other = Arc::new(open(&database).await);
    let symbols = ["A", "B"];
    let writing = |seed: u64, bars: Arc<Bars>| async move {
        let mut dice = Dice(seed);
        for _ in 0..40 {
            let start = dice.roll(300) as i64;
            let batch = (0..20).map(|n| dice.bar(symbols[n % 2], start + n as i64 * 5));
            let batch = batch.collect();
            write(&bars, batch).await;
        }
    };
    let refreshing = |bars: Arc<Bars>| async move {
        for _ in 0..120 {
            let _ = bars.refresh(later()).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let reading = async {
        for n in 0..30 {
            // A snapshot in the middle of it all: an hour is the sum of its quarters at any time.
            let range = |timeframe| {
                let range = BarRange::new("A", time(-30), time(500));
                other.get_bars(range.with_timeframe(timeframe, Zone::utc()))
            };
            assert!(range(Timeframe::H1).await.unwrap().bars.len() <= 10, "{n}");
        }
    };
    let tasks = [
        tokio::spawn(writing(3, Arc::clone(&bars))),
        tokio::spawn(writing(5, Arc::clone(&other))),
        tokio::spawn(refreshing(Arc::clone(&bars))),
        tokio::spawn(refreshing(Arc::clone(&other))),
    ];
    reading.await;
    for task in tasks {
        task.await.unwrap();
    }
    assert_true(&bars, &symbols, &ZONES[..1], false).await;
    refresh_all(&bars, later()).await;
    assert_eq!(waiting(&bars).await, 0);
    assert_true(&bars, &symbols, &ZONES, false).await;
}

async fn bars_from_before_are_rolled_up(database: TestDatabase) {
    let store = database.store().await;
    store.migrator(&[&MIGRATIONS]).up().await.unwrap();
    store.migrator(&[&MIGRATIONS]).down(2).await.unwrap();
    // As a program wrote that knew of minutes alone.
    let writer = store
        .writer_with::<Bar>(WriterOptions::default(), None)
        .await
        .unwrap();
    let batch = (0..2_000)
        .map(|n| bar(["A", "B"][n as usize % 2], n * 3))
        .collect();
    assert_eq!(writer.write(batch).await.unwrap().committed, 2_000);
    let bars = open(&database).await;
    assert_eq!(waiting(&bars).await, 1);
    assert_true(&bars, &["A", "B"], &ZONES, false).await;
    refresh_all(&bars, later()).await;
    assert_eq!(waiting(&bars).await, 0);
    assert!(database.number("SELECT count(*) FROM bars_1h").await > 190);
    assert_true(&bars, &["A", "B"], &ZONES, false).await;
}

async fn bars_that_others_wrote_are_rolled_up_once_they_are_marked(database: TestDatabase) {
    let bars = open(&database).await;
    write(&bars, (0..600).map(|n| bar("A", n)).collect()).await;
    write(&bars, (0..90).map(|n| bar("B", n)).collect()).await;
    refresh_all(&bars, later()).await;
    let micros = |n: i64| match database.backend {
        annals_testkit::Backend::Sqlite => minute(n).unix_micros().to_string(),
        _ => format!("'{}'", minute(n)),
    };
    database
        .execute(&format!(
            "UPDATE bars_1m SET volume = volume + 1000 WHERE timestamp = {};
             DELETE FROM bars_1m WHERE symbol = 'A' AND timestamp >= {} AND timestamp < {}",
            micros(7),
            micros(100),
            micros(350),
        ))
        .await;
    let hours = async || {
        let hours = bars
            .get_latest("A", Timeframe::H1, &Zone::utc(), 50)
            .await
            .unwrap();
        hours.len()
    };
    assert_eq!(hours().await, 11);
    let marked = refresh::mark_changed(bars.store(), Some("A"), None, None)
        .await
        .unwrap();
    assert_eq!(marked, Some((minute(0), minute(599))));
    assert_true(&bars, &["A"], &ZONES, false).await;
    let before: i64 = database.number("SELECT count(*) FROM bars_5m").await;
    refresh_all(&bars, later()).await;
    assert_eq!(
        database.number("SELECT count(*) FROM bars_5m").await,
        before - 50
    );
    assert_true(&bars, &["A"], &ZONES, false).await;
    assert_eq!(hours().await, 8);
    let all = refresh::mark_changed(bars.store(), None, Some(time(5)), Some(time(9))).await;
    assert_eq!(all.unwrap(), Some((minute(5), minute(9))));
    refresh_all(&bars, later()).await;
    assert_true(&bars, &["A", "B"], &ZONES, false).await;
    let nothing = refresh::mark_changed(bars.store(), Some("nobody"), None, None).await;
    assert_eq!(nothing.unwrap(), None);
}

async fn a_volume_that_no_bar_holds_harms_its_own_hour_only(database: TestDatabase) {
    let bars = open(&database).await;
    let huge = |n| Bar {
        volume: i64::MAX,
        ..bar("A", n)
    };
    let mut batch = vec![huge(0), huge(20)];
    batch.extend((60..70).map(|n| bar("A", n)));
    batch.extend((0..70).map(|n| bar("B", n)));
    write(&bars, batch).await;
    let mut held = 0;
    loop {
        let done = bars.refresh(later()).await.unwrap();
        held += done.held;
        if done.entries == 0 {
            break;
        }
    }
    assert_eq!((held, waiting(&bars).await), (1, 1));
    assert_true(&bars, &["B"], &ZONES, false).await;
    let read = |timeframe, from| {
        let range = BarRange::new("A", time(from), time(90));
        bars.get_bars(range.with_timeframe(timeframe, Zone::utc()))
    };
    assert_eq!(read(Timeframe::M5, 0).await.unwrap().bars.len(), 4);
    assert!(read(Timeframe::H1, -30).await.is_err());
    assert_eq!(read(Timeframe::H1, 30).await.unwrap().bars.len(), 1);
    // Once it is right, it is stored like the others.
    write(&bars, vec![bar("A", 0), bar("A", 20)]).await;
    refresh_all(&bars, later()).await;
    assert_eq!(waiting(&bars).await, 0);
    assert_true(&bars, &["A", "B"], &ZONES, false).await;
}
