//! The database goes away in the middle of a burst of a minute's bars and comes back.

use std::time::Duration;

use annals_market::{Bar, BarStore, BarsOptions, Conflict};
use annals_testkit::{
    Backend, TestDatabase, on_every_server,
    server::{Cluster, Options},
};

use crate::{bar, open_with, time};

on_every_server!(an_outage_in_the_middle_of_a_burst_loses_nothing);

const SYMBOLS: usize = 10_000;

/// How long the database is away: what the requirement says on PostgreSQL, and less on TimescaleDB, whose
/// absence is no different.
fn outage(backend: Backend) -> Duration {
    let seconds = std::env::var("ANNALS_TEST_OUTAGE_SECONDS").map_or_else(
        |_| if backend == Backend::Postgres { 30 } else { 5 },
        |seconds| seconds.parse().unwrap(),
    );
    Duration::from_secs(seconds)
}

async fn an_outage_in_the_middle_of_a_burst_loses_nothing(like: TestDatabase) {
    let flavor = like.backend.flavor().unwrap();
    let cluster = tokio::task::block_in_place(|| Cluster::start(flavor, Options::new())).unwrap();
    let url = cluster.url(&cluster.create_database().await.unwrap());
    let database = TestDatabase::at(like.backend, url);
    // A part that was written twice would count twice.
    let options = BarsOptions::default().with_conflict(Conflict::Merge);
    let bars = open_with(&database, options).await;

    let burst = |minute| -> Vec<Bar> {
        (0..SYMBOLS)
            .map(|symbol| bar(&format!("SYMBOL{symbol}"), minute))
            .collect()
    };
    let feed = async {
        for minute in 0..3 {
            for part in burst(minute).chunks(100) {
                let enqueued = bars.enqueue_bars(part.to_vec()).await.unwrap();
                drop(enqueued.ticket);
            }
        }
    };
    let cut = async {
        // Once the first are in.
        while bars.writer().report().committed == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::task::block_in_place(|| {
            cluster.kill().unwrap();
            std::thread::sleep(outage(like.backend));
            cluster.start_again().unwrap();
        });
    };
    futures_util::future::join(feed, cut).await;
    let report = bars.close(Duration::from_secs(120)).await;
    assert_eq!(
        (
            report.accepted,
            report.committed,
            report.parked,
            report.lost
        ),
        (3 * SYMBOLS as u64, 3 * SYMBOLS as u64, 0, 0)
    );
    let seen = bars.symbols_seen_since(time(0)).await.unwrap();
    assert_eq!(seen.len(), SYMBOLS);
    assert!(seen.iter().all(|symbol| symbol.bar_count == 3));
    let volume = database.query("SELECT sum(volume) FROM bars_1m").await;
    assert_eq!(volume, [(SYMBOLS * (10 + 11 + 12)).to_string()]);
}
