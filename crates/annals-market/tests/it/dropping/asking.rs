//! Which minutes may go, how it is kept which went, and what a refresh says of them.

use annals_market::{DroppedMinutes, RollUp, Timeframe, refresh};
use annals_record::Timestamp;
use annals_store::lifecycle::{Derived, Refresh};
use annals_testkit::{TestDatabase, on_every_backend};

use super::{drop_before, drop_without_asking, hours, longer, read, with_volume};
use crate::{
    bar, minute, open,
    rollups::{later, refresh_all, waiting, write},
    time,
};

on_every_backend!(
    no_minute_goes_before_longer_bars_have_it,
    what_nothing_can_be_made_of_holds_nothing_back,
    an_hour_is_never_cut,
    ranges_that_touch_are_one,
    a_roll_up_says_what_it_did,
);

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
