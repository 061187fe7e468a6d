//! What is read beside refreshes and drops: the same before and after one, and of whole hours while all
//! run at once.

use std::sync::Arc;

use annals_market::{Bar, Bars, DroppedMinutes, Timeframe, Zone, roll_up};
use annals_store::lifecycle::Derived;
use annals_testkit::{TestDatabase, on_every_backend};

use super::{drop_without_asking, longer, read, with_volume};
use crate::{
    minute, open,
    rollups::{Dice, later, refresh_all, waiting, write},
    time,
};

on_every_backend!(
    reads_are_the_same_before_and_after_a_refresh_whatever_was_dropped,
    drops_beside_refreshes_writers_and_readers_leave_no_partial_hour,
);

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
