//! The queue of changed minutes, and those who work it off.

use std::time::Duration;

use annals_market::{
    Bar, BarStore, FeedOptions, MIGRATIONS, Tick, TickFeed, TickKind, Timeframe, Zone, refresh,
};
use annals_testkit::{Backend, TestDatabase, on_every_backend};

use crate::{
    bar, minute, open,
    rollups::{assert_true, later, refresh_all, waiting, write},
    time,
};

on_every_backend!(
    every_road_of_bars_leaves_an_entry,
    what_is_not_written_leaves_no_entry,
    a_running_hour_waits_for_its_end,
    a_refresh_that_fails_in_the_middle_loses_nothing,
    a_refresh_that_is_given_up_in_the_middle_loses_nothing,
    a_wide_entry_is_worked_off_in_steps,
    an_entry_for_every_symbol_is_worked_off_in_steps,
    more_symbols_than_an_entry_names_are_all_of_them,
    a_keeper_keeps_up_until_it_is_dropped,
);

const LONG: Duration = Duration::from_secs(60);

async fn every_road_of_bars_leaves_an_entry(database: TestDatabase) {
    let bars = open(&database).await;
    write(&bars, vec![bar("A", 0)]).await;
    assert_eq!(waiting(&bars).await, 1);
    let enqueued = bars.enqueue_bars(vec![bar("A", 1)]).await.unwrap();
    assert_eq!(enqueued.ticket.await.unwrap().committed, 1);
    assert_eq!(waiting(&bars).await, 2);
    // The same again changes nothing, but nobody has to know that.
    write(&bars, vec![bar("A", 0), bar("A", 1)]).await;
    assert_eq!(waiting(&bars).await, 3);

    let feed = TickFeed::new(database.store().await, FeedOptions::default())
        .await
        .unwrap();
    let tick = Tick {
        symbol: "A".to_owned(),
        price: 7.0,
        size: 1,
        timestamp: time(5),
        kind: TickKind::Trade,
    };
    assert_eq!(feed.feed(&[tick]).unwrap().taken, 1);
    assert_eq!(feed.close(LONG).await.written.committed, 1);
    assert_eq!(waiting(&bars).await, 4);

    refuse(&database, "bars_1m", "bars_1m.volume = 17", "volume <> 17").await;
    let parked = bars.write_bars(vec![bar("A", 7)]).await.unwrap();
    assert_eq!(parked.parked, 1);
    assert_eq!(waiting(&bars).await, 4);
    allow(&database, "bars_1m").await;
    let letters = bars
        .store()
        .dead_letters()
        .list()
        .fetch()
        .await
        .unwrap()
        .rows;
    assert_eq!(bars.writer().replay(letters).await.unwrap().committed, 1);
    assert_eq!(waiting(&bars).await, 5);

    refresh_all(&bars, later()).await;
    assert_eq!(waiting(&bars).await, 0);
    assert_true(&bars, &["A"], &["UTC"], false).await;
}

/// Refuses rows of a table from now on.
async fn refuse(database: &TestDatabase, table: &str, sqlite: &str, check: &str) {
    let sql = match database.backend {
        Backend::Sqlite => {
            let condition = sqlite.replace(&format!("{table}."), "NEW.");
            format!(
                "CREATE TRIGGER refused BEFORE INSERT ON {table} WHEN {condition}
                 BEGIN SELECT RAISE(ABORT, 'refused'); END"
            )
        }
        _ => format!("ALTER TABLE {table} ADD CONSTRAINT refused CHECK ({check})"),
    };
    database.execute(&sql).await;
}

async fn allow(database: &TestDatabase, table: &str) {
    let sql = match database.backend {
        Backend::Sqlite => "DROP TRIGGER refused".to_owned(),
        _ => format!("ALTER TABLE {table} DROP CONSTRAINT refused"),
    };
    database.execute(&sql).await;
}

async fn what_is_not_written_leaves_no_entry(database: TestDatabase) {
    let bars = open(&database).await;
    refuse(&database, "bars_1m", "bars_1m.volume = 17", "volume <> 17").await;
    let written = bars.write_bars(vec![bar("A", 7)]).await.unwrap();
    assert_eq!((written.committed, written.parked), (0, 1));
    assert_eq!(waiting(&bars).await, 0);
    // Nor are minutes written whose entry cannot be.
    database
        .execute("ALTER TABLE bars_changed RENAME TO elsewhere")
        .await;
    assert!(
        bars.write_bars(vec![bar("A", 1), bar("A", 2)])
            .await
            .is_err()
    );
    assert_eq!(bars.get_latest_bars("A", 9).await.unwrap(), []);
    database
        .execute("ALTER TABLE elsewhere RENAME TO bars_changed")
        .await;
    write(&bars, vec![bar("A", 1), bar("A", 2)]).await;
    assert_eq!(waiting(&bars).await, 1);
}

async fn a_running_hour_waits_for_its_end(database: TestDatabase) {
    let bars = open(&database).await;
    // T0 is half past: these are the hour that ends at minute 30.
    write(&bars, (0..20).map(|n| bar("A", n)).collect()).await;
    for now in [time(-30), time(19), time(30) - Duration::from_nanos(1)] {
        assert_eq!(bars.refresh(now).await.unwrap().entries, 0);
    }
    assert_true(&bars, &["A"], &["UTC"], false).await;
    assert_eq!(bars.refresh(time(30)).await.unwrap().entries, 1);
    assert_eq!(waiting(&bars).await, 0);
    // Of a range that was marked the running hour alone waits.
    let marked = refresh::mark_changed(bars.store(), None, Some(time(-600)), Some(time(5))).await;
    assert!(marked.unwrap().is_some());
    assert_eq!(bars.refresh(time(10)).await.unwrap().entries, 1);
    assert_eq!(waiting(&bars).await, 1);
    refresh_all(&bars, time(30)).await;
    // The next hour runs, and a correction of the one before is due at once.
    write(&bars, vec![bar("A", 31)]).await;
    let correction = Bar {
        volume: 5_000,
        ..bar("A", 3)
    };
    write(&bars, vec![correction]).await;
    let done = bars.refresh(time(40)).await.unwrap();
    assert_eq!((done.entries, done.minutes, done.made), (1, 20, 3));
    assert_eq!(bars.refresh(time(40)).await.unwrap().entries, 0);
    assert_eq!(waiting(&bars).await, 1);
    assert_true(&bars, &["A"], &["UTC"], true).await;
}

async fn stored(database: &TestDatabase) -> [i64; 3] {
    let count = async |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        database.number(&sql).await
    };
    [
        count("bars_5m").await,
        count("bars_15m").await,
        count("bars_1h").await,
    ]
}

async fn a_refresh_that_fails_in_the_middle_loses_nothing(database: TestDatabase) {
    let bars = open(&database).await;
    write(&bars, (0..300).map(|n| bar("A", n)).collect()).await;
    // The last of the tables is the first that refuses.
    refuse(&database, "bars_1h", "bars_1h.volume > 0", "volume < 0").await;
    for _ in 0..2 {
        assert!(bars.refresh(later()).await.is_err());
        assert_eq!((stored(&database).await, waiting(&bars).await), ([0; 3], 1));
        assert_true(&bars, &["A"], &["UTC"], false).await;
    }
    allow(&database, "bars_1h").await;
    refresh_all(&bars, later()).await;
    assert_eq!(
        (stored(&database).await, waiting(&bars).await),
        ([60, 20, 6], 0)
    );
    assert_true(&bars, &["A"], &["UTC"], false).await;
}

async fn a_refresh_that_is_given_up_in_the_middle_loses_nothing(database: TestDatabase) {
    let bars = open(&database).await;
    write(&bars, (0..300).map(|n| bar("A", n)).collect()).await;
    let lock = database.lock_table("bars_1h").await;
    let given_up = tokio::time::timeout(Duration::from_millis(300), bars.refresh(later())).await;
    assert!(given_up.is_err());
    if database.backend != Backend::Sqlite {
        // Its connection is not back yet; the server ends it like any that is gone.
        database
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .await;
    }
    lock.release().await;
    assert_true(&bars, &["A"], &["UTC"], false).await;
    refresh_all(&bars, later()).await;
    assert_eq!(
        (stored(&database).await, waiting(&bars).await),
        ([60, 20, 6], 0)
    );
    assert_true(&bars, &["A"], &["UTC"], false).await;
}

async fn a_wide_entry_is_worked_off_in_steps(database: TestDatabase) {
    let bars = open(&database).await;
    // Once in ten hours of 250 days.
    write(&bars, (0..600).map(|n| bar("A", n * 600)).collect()).await;
    refresh_all(&bars, later()).await;
    database.execute("DELETE FROM bars_1h").await;
    refresh::mark_changed(bars.store(), Some("A"), None, None)
        .await
        .unwrap();
    let mut steps = 0;
    while bars.refresh(later()).await.unwrap().entries > 0 {
        steps += 1;
        assert_true(&bars, &["A"], &["UTC"], false).await;
    }
    assert_eq!((steps, waiting(&bars).await), (4, 0));
    assert_eq!(stored(&database).await, [600; 3]);
}

async fn an_entry_for_every_symbol_is_worked_off_in_steps(database: TestDatabase) {
    let bars = open(&database).await;
    let symbols: Vec<String> = (0..100).map(|n| format!("S{n}")).collect();
    for n in 0..21 {
        let of_hour = |m: i64| symbols.iter().map(move |symbol| bar(symbol, n * 60 + m));
        write(&bars, (0..60).flat_map(of_hour).collect()).await;
    }
    let mut steps = 0;
    loop {
        let done = bars.refresh(later()).await.unwrap();
        if done.entries == 0 {
            break;
        }
        steps += 1;
        assert!(done.minutes <= 100_000, "{done:?}");
    }
    assert_eq!(waiting(&bars).await, 0);
    assert!(steps > 1);
    database.execute("DELETE FROM bars_5m").await;
    refresh::mark_changed(bars.store(), None, None, None)
        .await
        .unwrap();
    // 126,000 minutes, of which the last hour is by itself.
    assert_eq!(refresh_all(&bars, later()).await, 3);
    assert_eq!(stored(&database).await, [25_200, 8_400, 2_200]);
    assert_true(&bars, &["S0", "S99"], &["UTC"], false).await;
}

async fn more_symbols_than_an_entry_names_are_all_of_them(database: TestDatabase) {
    let bars = open(&database).await;
    let all = |n| {
        (0..90)
            .map(move |symbol| bar(&format!("S{symbol:02}"), n))
            .collect()
    };
    write(&bars, all(0)).await;
    write(&bars, all(1)).await;
    let unnamed = "SELECT count(*) FROM bars_changed WHERE symbols IS NULL";
    assert_eq!(database.number(unnamed).await, 2);
    write(&bars, vec![bar("S00", 2)]).await;
    assert_eq!(database.number(unnamed).await, 2);
    assert_true(&bars, &["S00", "S89"], &["UTC"], false).await;
    let done = bars.refresh(later()).await.unwrap();
    // What is about the same hour is done with it.
    assert_eq!((done.entries, done.minutes, done.made), (3, 181, 270));
    assert_true(&bars, &["S00", "S89"], &["UTC"], false).await;
    assert_eq!(waiting(&bars).await, 0);
}

async fn a_keeper_keeps_up_until_it_is_dropped(database: TestDatabase) {
    let bars = open(&database).await;
    let store = bars.store().clone();
    let keeper = tokio::spawn(refresh::keep(store.clone(), Duration::from_millis(20)));
    let second = tokio::spawn(refresh::keep(store, Duration::from_millis(20)));
    for n in 0..5 {
        let past = |m| Bar {
            timestamp: minute(-100_000 + n * 60 + m),
            ..bar("A", m)
        };
        write(&bars, (0..60).map(past).collect()).await;
    }
    let kept_up = async {
        while waiting(&bars).await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, kept_up).await.unwrap();
    assert_true(&bars, &["A"], &["UTC"], false).await;
    let hours = bars
        .get_latest("A", Timeframe::H1, &Zone::utc(), 99)
        .await
        .unwrap();
    assert_eq!(stored(&database).await[2], hours.len() as i64);
    keeper.abort();
    second.abort();
    assert!(keeper.await.unwrap_err().is_cancelled());
    database
        .store()
        .await
        .migrator(&[&MIGRATIONS])
        .status()
        .await
        .unwrap();
}
