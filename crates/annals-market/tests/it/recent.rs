//! Latest bars that are remembered for a while.

use std::time::Duration;

use annals_cache::{Cache, CacheOptions};
use annals_market::{BarStore, Bars, BarsOptions, LatestBars, Timeframe, Zone};
use annals_testkit::{TestDatabase, on_every_backend};

use crate::{bar, open, open_with};

on_every_backend!(
    latest_bars_are_read_once_in_their_time_and_own_writes_are_in_the_next_answer,
    bars_of_others_are_there_once_the_time_is_over,
    many_symbols_are_answered_as_they_were_asked_for,
);

const LONG: Duration = Duration::from_secs(3600);

async fn remembering(database: &TestDatabase, age: Duration) -> Bars {
    let mut options = BarsOptions::default();
    let cache = Cache::new(CacheOptions::default());
    options.latest = Some(LatestBars::new(cache, age));
    open_with(database, options).await
}

async fn latest_bars_are_read_once_in_their_time_and_own_writes_are_in_the_next_answer(
    database: TestDatabase,
) {
    let bars = remembering(&database, LONG).await;
    let write = async |n: i64| {
        let written = bars.write_bars(vec![bar("A", n)]).await.unwrap();
        assert_eq!(written.committed, 1);
    };
    write(0).await;
    write(1).await;
    let hourly = async || {
        bars.get_latest("A", Timeframe::H1, &Zone::utc(), 1)
            .await
            .unwrap()
    };
    for n in 1..5 {
        let latest = bars.get_latest_bars("A", 2).await.unwrap();
        assert_eq!(latest, [bar("A", n - 1), bar("A", n)]);
        assert_eq!(hourly().await[0].close, bar("A", n).close);
        write(n + 1).await;
    }
    // A correction of one that is not the newest.
    let mut corrected = bar("A", 4);
    corrected.volume += 7;
    let _ = bars.write_bars(vec![corrected.clone()]).await.unwrap();
    assert_eq!(bars.get_latest_bars("A", 2).await.unwrap()[0], corrected);
    // What nobody can see but who remembers.
    database.execute("DELETE FROM bars_1m").await;
    assert_eq!(bars.get_latest_bars("A", 2).await.unwrap()[0], corrected);
    assert_eq!(bars.get_latest_bars("A", 1).await.unwrap(), []);
}

async fn bars_of_others_are_there_once_the_time_is_over(database: TestDatabase) {
    let bars = remembering(&database, Duration::from_millis(50)).await;
    let other = open(&database).await;
    for n in 0..3 {
        let _ = other.write_bars(vec![bar("A", n)]).await.unwrap();
        let found = async {
            while bars.get_latest_bars("A", 1).await.unwrap() != [bar("A", n)] {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(30), found);
        found.await.unwrap();
    }
}

async fn many_symbols_are_answered_as_they_were_asked_for(database: TestDatabase) {
    let bars = remembering(&database, LONG).await;
    let plain = open(&database).await;
    let written = ["A", "B", "C"].map(|symbol| (0..3).map(move |n| bar(symbol, n)));
    let written = written.into_iter().flatten().collect();
    assert_eq!(bars.write_bars(written).await.unwrap().committed, 9);
    for asked in [&["B"][..], &["A", "none", "B", "A"], &["C", "B", "A"], &[]] {
        let asked: Vec<String> = asked.iter().map(|&symbol| symbol.to_owned()).collect();
        let expected = plain.get_latest_bars_of(&asked, 2).await.unwrap();
        assert_eq!(bars.get_latest_bars_of(&asked, 2).await.unwrap(), expected);
        assert_eq!(bars.get_latest_bars_of(&asked, 2).await.unwrap(), expected);
    }
    let _ = bars.write_bars(vec![bar("B", 9)]).await.unwrap();
    let asked = ["A".to_owned(), "B".to_owned()];
    let expected = plain.get_latest_bars_of(&asked, 2).await.unwrap();
    assert_eq!(bars.get_latest_bars_of(&asked, 2).await.unwrap(), expected);
}
