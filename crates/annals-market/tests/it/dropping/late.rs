//! What comes late for hours whose minutes are gone: their longer bars stay as they were.

use annals_market::{Timeframe, refresh};
use annals_testkit::{TestDatabase, on_every_backend};

use super::{drop_before, drop_without_asking, hours, longer, minutes, read, with_volume};
use crate::{
    bar, open,
    rollups::{assert_true, later, refresh_all, waiting, write},
    time,
};

on_every_backend!(
    a_late_minute_of_a_dropped_hour_changes_no_longer_bar,
    an_hour_that_lost_some_of_its_minutes_is_final,
    marking_everything_changed_leaves_dropped_hours_alone,
    a_volume_that_no_bar_holds_does_not_harm_a_dropped_hour,
    an_entry_for_every_symbol_passes_over_years_of_dropped_hours,
);

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
