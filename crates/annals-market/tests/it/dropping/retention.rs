//! Retention through the store: by age, beside backfills, and of one symbol.

use annals_market::{Bar, Bars, Timeframe, refresh};
use annals_store::lifecycle::{Expiry, Interval};
use annals_testkit::{TestDatabase, on_every_backend};

use super::{longer, minutes, read, with_volume};
use crate::{
    bar, open,
    rollups::{Dice, assert_true, later, refresh_all, waiting, write},
    time,
};

on_every_backend!(
    retention_leaves_longer_bars_as_they_were_to_the_last_bit,
    retention_and_backfills_take_turns,
    a_symbol_that_is_deleted_loses_its_longer_bars_too,
);

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
