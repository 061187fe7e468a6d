//! What the store promises when servers, networks and programs break.

mod absence;
mod chunks;
mod commits;
mod contention;
mod errors;
mod kills;
mod pool;
mod pooler;
mod shutdown;
mod sqlite;
mod stalls;

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use annals_record::{Record, Timestamp};
use annals_store::{DatabaseConfig, Store, Writer, WriterOptions, WriterReport};
use annals_testkit::{
    TestDatabase,
    server::{Cluster, Options},
};

/// Longer than anything that is going to happen takes; nothing is measured by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Records that differ in their number only, so that loss and doubling can be seen.
pub(crate) trait Numbered: Record {
    fn of(number: i64) -> Self;
    fn number(&self) -> i64;
}

/// Has no key: nothing but the ledger keeps a retry from doubling it.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "notes", time = "at", chunk = "1 day")]
pub(crate) struct Note {
    pub(crate) at: Timestamp,
    pub(crate) number: i64,
}

/// Has a key, and a second row with the same key replaces the first.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "gauges",
    time = "at",
    key("sensor", "at"),
    on_conflict = "update",
    chunk = "1 day"
)]
pub(crate) struct Gauge {
    pub(crate) sensor: String,
    pub(crate) at: Timestamp,
    pub(crate) number: i64,
}

/// A time that is `seconds` after the start of some day.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_nanos((1_700_006_400 + seconds) * 1_000_000_000)
}

impl Numbered for Note {
    fn of(number: i64) -> Self {
        Self {
            at: at(number % 60),
            number,
        }
    }
    fn number(&self) -> i64 {
        self.number
    }
}

impl Numbered for Gauge {
    fn of(number: i64) -> Self {
        Self {
            sensor: format!("s{number}"),
            at: at(number % 60),
            number,
        }
    }
    fn number(&self) -> i64 {
        self.number
    }
}

pub(crate) fn numbered<R: Numbered>(numbers: impl IntoIterator<Item = i64>) -> Vec<R> {
    numbers.into_iter().map(R::of).collect()
}

pub(crate) fn size(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

/// Settings with which failures are met and retried quickly.
pub(crate) fn hasty(config: &mut DatabaseConfig) {
    config.pool.connect_timeout = Duration::from_secs(2);
}

/// The writer to that: retries come within milliseconds.
pub(crate) async fn hasty_writer<R: Record>(
    store: &Store,
    change: impl FnOnce(&mut WriterOptions),
) -> Writer<R> {
    let mut options = WriterOptions::default();
    options.retry_delay = Duration::from_millis(20);
    options.retry_delay_max = Duration::from_millis(100);
    change(&mut options);
    store.writer_with(options, None).await.unwrap()
}

/// A store with the table of `R`.
pub(crate) async fn store_of<R: Record>(database: &TestDatabase) -> Store {
    let store = database.store_with(hasty).await;
    store.create_table::<R>().await.unwrap();
    store
}

/// A server of the test's own, for tests that harm it, and a database on it.
pub(crate) async fn own_server(like: &TestDatabase, options: Options) -> (Cluster, TestDatabase) {
    let flavor = like.backend.flavor().unwrap();
    let cluster = tokio::task::block_in_place(|| Cluster::start(flavor, options)).unwrap();
    let url = cluster.url(&cluster.create_database().await.unwrap());
    (cluster, TestDatabase::at(like.backend, url))
}

/// The numbers in the table, in order and with whatever is doubled.
pub(crate) async fn stored<R: Numbered>(store: &Store) -> Vec<i64> {
    let rows = store.query::<R>().fetch().await.unwrap().rows;
    let mut numbers: Vec<i64> = rows.iter().map(R::number).collect();
    numbers.sort_unstable();
    numbers
}

/// Nothing is lost from the books, whatever was lost on the way.
pub(crate) fn assert_balanced(report: &WriterReport) {
    let ended = report.committed + report.parked + report.returned + report.dropped;
    assert_eq!(
        report.accepted,
        ended + report.held + report.lost,
        "{report:?}"
    );
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("an end to this")
}

pub(crate) async fn eventually(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < give_up, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
