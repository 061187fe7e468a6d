//! How many connections stay, and what is told of them.

use std::num::NonZeroU32;

use annals_store::sqlx::{Connection as _, PgConnection, raw_sql};
use annals_testkit::{TestDatabase, on_every_server};

use super::*;

on_every_server!(
    a_burst_leaves_no_more_idle_connections_than_allowed,
    a_pool_never_outgrows_itself
);

const OPEN: &str = "
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'annals'";
const WAITING: &str = "
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'annals' AND wait_event_type = 'Lock'";

/// Queries that are all at work at the same moment, on as many connections as they get, while no more than
/// `open` are there.
async fn burst(
    database: &TestDatabase,
    store: &Store,
    queries: usize,
    (connections, open): (i64, i64),
) {
    let mut lock = PgConnection::connect(&database.url).await.unwrap();
    raw_sql("BEGIN; LOCK TABLE notes IN ACCESS EXCLUSIVE MODE")
        .execute(&mut lock)
        .await
        .unwrap();
    let tasks: Vec<_> = (0..queries)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.query::<Note>().count().await })
        })
        .collect();
    eventually("all at work", async || {
        database.number(WAITING).await == connections
    })
    .await;
    // A connection that was closed a moment ago may still be leaving; one that was given back a moment ago may
    // have come too late for these, and stays among the idle ones.
    eventually("no others", async || database.number(OPEN).await <= open).await;
    raw_sql("ROLLBACK").execute(&mut lock).await.unwrap();
    for task in tasks {
        assert_eq!(within(task).await.unwrap().unwrap(), 0);
    }
}

async fn a_burst_leaves_no_more_idle_connections_than_allowed(database: TestDatabase) {
    store_of::<Note>(&database).await.close().await;
    let store = database.store_with(|config| config.pool.max_idle = 3).await;
    for _ in 0..3 {
        burst(&database, &store, 12, (12, 12 + 3)).await;
        eventually("few connections", async || database.number(OPEN).await <= 3).await;
        eventually("told so", async || {
            let health = store.health().await.unwrap();
            assert_eq!(health.max, 20);
            health.open <= 3 && health.idle <= health.open as usize
        })
        .await;
        // Some stay for the next who asks.
        assert!(database.number(OPEN).await > 0);
    }
}

async fn a_pool_never_outgrows_itself(database: TestDatabase) {
    store_of::<Note>(&database).await.close().await;
    let store = database
        .store_with(|config| {
            config.pool.max_connections = NonZeroU32::new(3).unwrap();
            config.pool.max_idle = 10;
        })
        .await;
    burst(&database, &store, 12, (3, 3)).await;
    eventually("all idle", async || {
        let health = store.health().await.unwrap();
        (health.open, health.idle, health.max) == (3, 3, 3)
    })
    .await;
}
