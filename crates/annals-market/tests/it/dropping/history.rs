//! History of symbols of which nothing was stored, older than what was dropped: it reopens its hours,
//! until it is dropped in turn.

use annals_market::{Bar, Timeframe, Zone, refresh, roll_up};
use annals_testkit::{TestDatabase, on_every_backend};

use super::{drop_before, drop_without_asking, hours, longer, minutes, read, with_volume};
use crate::{
    bar, minute, open,
    rollups::{assert_true, later, refresh_all, write},
    time,
};

on_every_backend!(
    history_older_than_what_was_dropped_makes_its_bars,
    an_hour_that_is_written_in_parts_after_a_drop_is_whole,
    a_second_drop_ends_what_was_reopened,
    minutes_deleted_by_hand_from_a_reopened_hour_take_its_bars_along,
);

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
