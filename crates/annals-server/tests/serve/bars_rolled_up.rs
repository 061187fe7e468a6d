//! Longer bars are stored by a server beside everything else it does.

use std::time::Duration;

use annals_server::Stop;
use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    bars::{bar, bars, write, written},
    client::get,
    serving::{self, Settings, eventually},
};

on_every_backend!(
    hours_that_ended_are_stored_and_corrected,
    a_server_that_does_not_roll_up_answers_the_same,
);

/// What needs a server.
mod stopping {
    use super::a_refresh_that_waits_does_not_hold_up_the_stop;

    annals_testkit::on_every_server!(a_refresh_that_waits_does_not_hold_up_the_stop);
}

const SOON: Settings<'_> = &[("BARS_ROLLUP_INTERVAL", "10ms")];

async fn stored(database: &TestDatabase) -> i64 {
    database.number("SELECT count(*) FROM bars_1h").await
}

async fn hours_that_ended_are_stored_and_corrected(database: TestDatabase) {
    let served = serving::on(&database, SOON).await;
    // Another server on the same database takes turns with it.
    let other = serving::on(&database, SOON).await;
    written(&served, &bars("A", 0..180)).await;
    eventually("three hours", async || stored(&database).await == 3).await;
    let mut correction = bar("A", 70);
    correction["high"] = json!(900.0);
    let answer = write(&other, "/bars", &json!([correction])).await.found();
    assert_eq!(answer["committed"], 1);
    let high = "SELECT count(*) FROM bars_1h WHERE high = 900";
    eventually("the correction", async || database.number(high).await == 1).await;
    let path = "/bars/A/latest?limit=3&timeframe=1h";
    let latest = get(served.http, path).await.found();
    assert_eq!(latest, get(other.http, path).await.found());
    assert_eq!(latest[1]["high"], 900.0);
    eventually("nothing waits", async || {
        let metrics = get(served.http, "/metrics").await;
        String::from_utf8_lossy(&metrics.body).contains("annals_rollup_waiting 0")
    })
    .await;
    for served in [served, other] {
        served.tell(Stop::Drain);
        assert_eq!(served.end().await.lost(), 0);
    }
}

async fn a_server_that_does_not_roll_up_answers_the_same(database: TestDatabase) {
    let off = serving::on(&database, &[("BARS_ROLLUP_INTERVAL", "off")]).await;
    written(&off, &bars("A", 0..180)).await;
    let path = "/bars/A/latest?limit=50&timeframe=5m";
    let read = get(off.http, path).await.found();
    assert_eq!(read.as_array().unwrap().len(), 36);
    assert_eq!(stored(&database).await, 0);
    let on = serving::on(&database, SOON).await;
    eventually("three hours", async || stored(&database).await == 3).await;
    assert_eq!(get(off.http, path).await.found(), read);
    for served in [off, on] {
        served.tell(Stop::Drain);
        assert_eq!(served.end().await.lost(), 0);
    }
}

async fn a_refresh_that_waits_does_not_hold_up_the_stop(database: TestDatabase) {
    let served = serving::on(&database, SOON).await;
    let lock = database.lock_table("bars_1h").await;
    written(&served, &bars("A", 0..180)).await;
    let waits = "SELECT count(*) FROM pg_stat_activity
                  WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("it waits", async || database.number(waits).await > 0).await;
    let told = Instant::now();
    served.tell(Stop::Drain);
    assert_eq!(served.end().await.lost(), 0);
    assert!(told.elapsed() < Duration::from_secs(10));
    lock.release().await;
    assert_eq!(stored(&database).await, 0);
}
