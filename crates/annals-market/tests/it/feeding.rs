//! From trades to bars in the database.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use annals_market::{Bar, BarRange, BarStore, FeedOptions, MIGRATIONS, Tick, TickFeed, TickKind};
use annals_record::Timestamp;
use annals_testkit::{TestDatabase, on_every_backend};

use crate::{minute, open, time};

on_every_backend!(
    trades_of_many_feeders_become_their_bars,
    a_restart_in_the_middle_of_a_minute_loses_nothing,
    a_late_trade_goes_to_its_own_minute,
    a_minute_closes_by_the_clock,
    a_checkpoint_writes_running_minutes,
);

/// What needs a server.
mod away {
    use super::a_feed_does_not_wait_for_a_database_that_is_away;

    annals_testkit::on_every_server!(a_feed_does_not_wait_for_a_database_that_is_away);
}

const LONG: Duration = Duration::from_secs(60);

async fn feed(database: &TestDatabase, change: impl FnOnce(&mut FeedOptions)) -> Arc<TickFeed> {
    let store = database.store().await;
    store.migrator(&[&MIGRATIONS]).up().await.unwrap();
    let mut options = FeedOptions::default();
    options.bars.interval = Duration::from_millis(5);
    change(&mut options);
    TickFeed::new(store, options).await.unwrap()
}

fn trade(symbol: &str, millis: i64, price: f64, size: i64) -> Tick {
    Tick {
        symbol: symbol.to_owned(),
        price,
        size,
        timestamp: time(0) + Duration::from_millis(millis.unsigned_abs()),
        kind: TickKind::Trade,
    }
}

/// Ten minutes of trades of one symbol, about one a second, whole dollars.
fn trades(symbol: usize) -> Vec<Tick> {
    let name = format!("S{symbol}");
    (0..600)
        .map(|n| {
            let price = 100 + (n * 7 + symbol * 13) % 50;
            trade(&name, n as i64 * 1_000 + 17, price as f64, (n % 9) as i64)
        })
        .collect()
}

/// Open, high, low, close, volume and value of each minute, by definition.
fn expected(trades: &[Tick]) -> BTreeMap<i64, ([f64; 4], i64, f64)> {
    let mut bars: BTreeMap<i64, ([f64; 4], i64, f64)> = BTreeMap::new();
    let mut sorted: Vec<&Tick> = trades.iter().collect();
    sorted.sort_by_key(|tick| tick.timestamp);
    for tick in sorted {
        let minute = tick.timestamp.unix_micros().div_euclid(60_000_000);
        let value = tick.price * tick.size as f64;
        bars.entry(minute)
            .and_modify(|([_, high, low, close], volume, sum)| {
                *high = high.max(tick.price);
                *low = low.min(tick.price);
                *close = tick.price;
                *volume += tick.size;
                *sum += value;
            })
            .or_insert(([tick.price; 4], tick.size, value));
    }
    bars
}

fn assert_are(bars: &[Bar], expected: &BTreeMap<i64, ([f64; 4], i64, f64)>) {
    assert_eq!(bars.len(), expected.len());
    for (bar, (minute, (ohlc, volume, value))) in bars.iter().zip(expected) {
        assert_eq!(bar.timestamp.unix_micros(), minute * 60_000_000);
        assert_eq!([bar.open, bar.high, bar.low, bar.close], *ohlc, "{bar:?}");
        assert_eq!(bar.volume, *volume, "{bar:?}");
        let vwap = value / *volume as f64;
        assert!((bar.vwap / vwap - 1.0).abs() < 1e-12, "{bar:?} {vwap}");
    }
}

async fn stored(database: &TestDatabase, symbol: &str) -> Vec<Bar> {
    let bars = open(database).await;
    let range = BarRange::new(symbol, time(-10), time(100));
    bars.get_bars(range).await.unwrap().bars
}

/// Feeders take turns within each symbol, so that ticks of a minute come by several at once.
async fn trades_of_many_feeders_become_their_bars(database: TestDatabase) {
    const SYMBOLS: usize = 20;
    const FEEDERS: usize = 8;
    let feed = feed(&database, |_| {}).await;
    let running = tokio::spawn(Arc::clone(&feed).run());
    let feeders = (0..FEEDERS).map(|feeder| {
        let feed = Arc::clone(&feed);
        tokio::spawn(async move {
            let all: Vec<Vec<Tick>> = (0..SYMBOLS).map(trades).collect();
            for n in (feeder..600).step_by(FEEDERS) {
                let ticks: Vec<Tick> = all.iter().map(|ticks| ticks[n].clone()).collect();
                let fed = feed.feed(&ticks).unwrap();
                assert_eq!((fed.taken, fed.refused), (SYMBOLS, vec![]));
                tokio::task::yield_now().await;
            }
        })
    });
    for feeder in futures_util::future::join_all(feeders).await {
        feeder.unwrap();
    }
    running.abort();
    let _ = running.await;
    let report = feed.close(LONG).await;
    assert_eq!(
        (report.lost, report.written.lost, report.written.parked),
        (0, 0, 0)
    );
    assert_eq!(report.ticks.trades, 600 * SYMBOLS as u64);
    for symbol in 0..SYMBOLS {
        let bars = stored(&database, &format!("S{symbol}")).await;
        assert_are(&bars, &expected(&trades(symbol)));
    }
}

async fn a_restart_in_the_middle_of_a_minute_loses_nothing(database: TestDatabase) {
    let all = trades(1);
    for part in [&all[..90], &all[90..95], &all[95..]] {
        let feed = feed(&database, |_| {}).await;
        let fed = feed.feed(part).unwrap();
        assert_eq!(fed.taken, part.len());
        let report = feed.close(LONG).await;
        assert_eq!((report.lost, report.written.lost), (0, 0));
    }
    assert_are(&stored(&database, "S1").await, &expected(&all));
}

async fn a_late_trade_goes_to_its_own_minute(database: TestDatabase) {
    let feed = feed(&database, |_| {}).await;
    let mut all = trades(2);
    // Half a minute's worth comes when everything else is long written.
    let late: Vec<Tick> = all.drain(130..160).collect();
    let fed = feed.feed(&all).unwrap();
    assert_eq!(fed.taken, 570);
    let fed = feed.feed(&late).unwrap();
    assert_eq!(fed.taken, 30);
    let report = feed.close(LONG).await;
    assert_eq!(report.ticks.late_trades, 30);
    assert_are(&stored(&database, "S2").await, &expected(&trades(2)));
}

async fn a_minute_closes_by_the_clock(database: TestDatabase) {
    let feed = feed(&database, |_| {}).await;
    let running = tokio::spawn(Arc::clone(&feed).run());
    // Long ago, and no tick comes after it; a quote does and is no trade.
    let quote = Tick {
        kind: TickKind::Quote,
        ..trade("A", 90_000, 99.0, 5)
    };
    let fed = feed.feed(&[trade("A", 0, 100.0, 1), quote]).unwrap();
    assert_eq!((fed.taken, fed.quotes), (1, 1));
    let deadline = tokio::time::Instant::now() + LONG;
    loop {
        let bars = stored(&database, "A").await;
        if let [bar] = bars.as_slice() {
            assert_eq!(
                (bar.timestamp, bar.close, bar.volume),
                (minute(0), 100.0, 1)
            );
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{bars:?}");
    }
    running.abort();
}

async fn a_checkpoint_writes_running_minutes(database: TestDatabase) {
    let feed = feed(&database, |options| {
        options.checkpoint = Some(Duration::from_millis(1));
    })
    .await;
    let running = tokio::spawn(Arc::clone(&feed).run());
    // The same trade twice is two trades, in whichever checkpoint.
    let now = Tick {
        timestamp: Timestamp::now() + Duration::from_secs(3_600),
        ..trade("A", 0, 100.0, 1)
    };
    for volume in [1, 2] {
        let fed = feed.feed(std::slice::from_ref(&now)).unwrap();
        assert_eq!(fed.taken, 1);
        let deadline = tokio::time::Instant::now() + LONG;
        let bars = open(&database).await;
        loop {
            let latest = bars.get_latest_bars("A", 1).await.unwrap();
            if latest.first().is_some_and(|bar| bar.volume == volume) {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "{latest:?}");
        }
    }
    running.abort();
}

async fn a_feed_does_not_wait_for_a_database_that_is_away(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let feed = feed(&behind, |options| {
        options.bars.writer.queue_rows = 10.try_into().unwrap();
        options.bars.writer.batch_rows = 10.try_into().unwrap();
        // Nothing stays in the aggregator for being late.
        options.aggregator.late_minutes = 0;
    })
    .await;
    let running = tokio::spawn(Arc::clone(&feed).run());
    proxy.refuse();
    proxy.cut();
    let all: Vec<Vec<Tick>> = (0..20).map(trades).collect();
    let began = tokio::time::Instant::now();
    for n in 0..600 {
        let ticks: Vec<Tick> = all.iter().map(|ticks| ticks[n].clone()).collect();
        let fed = feed.feed(&ticks).unwrap();
        assert_eq!(fed.taken, 20);
    }
    assert!(began.elapsed() < LONG);
    assert!(feed.held() > 10, "more waits than the writer holds");
    proxy.admit();
    proxy.heal();
    running.abort();
    let _ = running.await;
    let report = feed.close(LONG).await;
    assert_eq!((report.lost, report.written.lost), (0, 0));
    for symbol in 0..20 {
        let bars = stored(&database, &format!("S{symbol}")).await;
        assert_are(&bars, &expected(&trades(symbol)));
    }
}
