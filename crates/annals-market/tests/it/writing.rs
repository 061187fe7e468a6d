//! What becomes of bars that are written.

use annals_market::{
    Bar, Bar1h, Bar5m, Bar15m, BarError, BarRange, BarStore, Bars, BarsOptions, MIGRATIONS,
    WrittenBars,
};
use annals_store::{Error as StoreError, Overflow, WriteError};
use annals_testkit::{Backend, TestDatabase, on_every_backend};

use crate::{bar, minute, open, open_with, time};

on_every_backend!(
    the_table_fits_its_record_and_goes_back,
    what_is_written_is_read_as_it_was,
    an_enqueued_bar_is_there_when_its_ticket_says_so,
    one_bad_bar_among_a_thousand_loses_one_bar,
    one_bar_that_the_table_refuses_is_parked_and_the_others_commit,
    a_long_symbol_is_a_symbol,
    many_writers_at_once_lose_nothing,
    a_full_queue_refuses_where_it_is_told_to,
);

async fn the_table_fits_its_record_and_goes_back(database: TestDatabase) {
    let store = database.store_in("tenant").await;
    for _ in 0..2 {
        store.migrator(&[&MIGRATIONS]).up().await.unwrap();
        store.check_table::<Bar>().await.unwrap();
        store.check_table::<Bar5m>().await.unwrap();
        store.check_table::<Bar15m>().await.unwrap();
        store.check_table::<Bar1h>().await.unwrap();
        let bars = Bars::new(store.clone(), BarsOptions::default())
            .await
            .unwrap();
        let written = bars.write_bars(vec![bar("A", 0)]).await.unwrap();
        assert_eq!(written.committed, 1);
        let undone = store.migrator(&[&MIGRATIONS]).down(3).await.unwrap();
        assert!(undone.iter().all(|one| one.set == "market"));
        assert!(store.check_table::<Bar1h>().await.is_err());
        assert!(store.check_table::<Bar>().await.is_err());
    }
}

async fn what_is_written_is_read_as_it_was(database: TestDatabase) {
    let bars = open(&database).await;
    let mut written = vec![bar("A", 0), bar("A", 1), bar("B", 0)];
    written[1].opened_at = Some(minute(1));
    written[1].closed_at = Some(minute(2));
    written[2].volume = i64::MAX;
    written[2].vwap = 1e-300;
    let store: &dyn BarStore = &bars;
    let answer = store.write_bars(written.clone()).await.unwrap();
    assert_eq!(
        answer,
        WrittenBars {
            committed: 3,
            parked: 0,
            refused: vec![]
        }
    );
    let page = store
        .get_bars(BarRange::new("A", time(0), time(9)))
        .await
        .unwrap();
    assert_eq!(page.bars, written[..2]);
    assert_eq!(store.get_latest_bars("B", 5).await.unwrap(), written[2..]);
}

async fn an_enqueued_bar_is_there_when_its_ticket_says_so(database: TestDatabase) {
    let bars = open(&database).await;
    let enqueued = bars.enqueue_bars(vec![bar("A", 0)]).await.unwrap();
    assert_eq!(enqueued.refused, []);
    assert_eq!(enqueued.ticket.await.unwrap().committed, 1);
    assert_eq!(bars.get_latest_bars("A", 1).await.unwrap(), [bar("A", 0)]);
}

async fn one_bad_bar_among_a_thousand_loses_one_bar(database: TestDatabase) {
    let bars = open(&database).await;
    let mut batch: Vec<_> = (0..1_000).map(|n| bar("A", n)).collect();
    batch[500].high = 0.0;
    let written = bars.write_bars(batch).await.unwrap();
    assert_eq!((written.committed, written.parked), (999, 0));
    let refused = &written.refused[0];
    assert_eq!((refused.index, refused.timestamp), (500, minute(500)));
    assert!(matches!(refused.reason, BarError::HighBelowLow { .. }));
    assert_eq!(
        refused.to_string(),
        "bar 500 (\"A\", 2026-01-05T22:50:00Z) refused: high 0 is below low 598"
    );
    assert_eq!(bars.get_latest_bars("A", 2_000).await.unwrap().len(), 999);
}

async fn one_bar_that_the_table_refuses_is_parked_and_the_others_commit(database: TestDatabase) {
    let bars = open(&database).await;
    database
        .execute(match database.backend {
            Backend::Sqlite => {
                "CREATE TRIGGER ten BEFORE INSERT ON bars_1m WHEN length(NEW.symbol) > 10
                 BEGIN SELECT RAISE(ABORT, 'symbol too long'); END"
            }
            _ => "ALTER TABLE bars_1m ADD CONSTRAINT ten CHECK (length(symbol) <= 10)",
        })
        .await;
    let mut batch: Vec<_> = (0..1_000).map(|n| bar("A", n)).collect();
    batch[10].symbol = "SYMBOL10000".to_owned();
    let written = bars.write_bars(batch).await.unwrap();
    assert_eq!((written.committed, written.parked), (999, 1));
    let letters = bars.store().dead_letters().list().fetch().await.unwrap();
    assert_eq!(letters.rows[0].table_name, "bars_1m");
}

async fn a_long_symbol_is_a_symbol(database: TestDatabase) {
    let bars = open(&database).await;
    let symbol = "O:SPX261218C06000000 茅台 ".repeat(20);
    let written = bars.write_bars(vec![bar(&symbol, 0)]).await.unwrap();
    assert_eq!(written.committed, 1);
    assert_eq!(bars.get_latest_bars(&symbol, 1).await.unwrap().len(), 1);
}

async fn many_writers_at_once_lose_nothing(database: TestDatabase) {
    let bars = open(&database).await;
    let writers = (0..8).map(|writer| {
        let bars = &bars;
        async move {
            for n in 0..20 {
                let batch = (0..50)
                    .map(|symbol| bar(&format!("S{writer}-{symbol}"), n))
                    .collect();
                let written = bars.write_bars(batch).await.unwrap();
                assert_eq!(written.committed, 50);
            }
        }
    });
    futures_util::future::join_all(writers).await;
    let symbols = bars.symbols_seen_since(time(0)).await.unwrap();
    assert_eq!(symbols.len(), 400);
    assert!(symbols.iter().all(|symbol| symbol.bar_count == 20));
}

async fn a_full_queue_refuses_where_it_is_told_to(database: TestDatabase) {
    let mut options = BarsOptions::default();
    options.writer.overflow = Overflow::Reject;
    let bars = open_with(&database, options).await;
    let many = (0..10_001).map(|n| bar("A", n)).collect();
    let error = bars.write_bars(many).await.unwrap_err();
    assert!(
        matches!(
            error,
            annals_market::Error::Store(StoreError::Write(WriteError::TooLarge {
                rows: 10_001,
                ..
            }))
        ),
        "{error}"
    );
}
