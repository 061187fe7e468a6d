//! Who runs policies, and how often, when there are several servers.

use std::time::Duration;

use annals_server::Stop;
use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::json;
use tokio::time::Instant;

use super::{TOKEN, bars, count, done, get, old_and_new, post, put, spans_written, written};
use crate::{
    client::PATIENCE,
    serving::{self, Served, Settings, eventually},
};

on_every_backend!(
    a_job_runs_once_however_many_servers_there_are,
    a_job_runs_once_in_a_period,
    what_a_policy_did_is_told,
    a_server_that_leaves_policies_alone_runs_none,
);

/// What needs a server.
mod killing {
    use super::{
        a_retention_that_waits_does_not_hold_up_the_stop,
        the_job_of_a_killed_server_is_done_by_another,
    };

    annals_testkit::on_every_server!(
        the_job_of_a_killed_server_is_done_by_another,
        a_retention_that_waits_does_not_hold_up_the_stop,
    );
}

const SOON: Settings<'_> = &[("API_TOKEN", TOKEN), ("LIFECYCLE_INTERVAL", "100ms")];

const RETENTION: &str = "/admin/tables/bars_1m/policies/retention";

/// How often retention of bars ran.
const RUNS: &str = "SELECT coalesce(sum(runs), 0) FROM annals_jobs
                     WHERE table_name = 'bars_1m' AND kind = 'retention'";

const FAILURES: &str = "SELECT coalesce(sum(failures), 0) FROM annals_jobs
                         WHERE table_name = 'bars_1m' AND kind = 'retention'";

/// Turns of several servers.
async fn turns() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

async fn number(database: &TestDatabase, sql: &str) -> i64 {
    // A sum is numeric elsewhere.
    database
        .number(&format!("SELECT CAST(({sql}) AS BIGINT)"))
        .await
}

/// Waits until bars that are older than 90 days are gone; tells what policies say when they do not go.
async fn old_ones_go(database: &TestDatabase, served: &Served) {
    let gone = async {
        while count(database, "bars_1m").await != 10 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, gone).await.is_err() {
        let policies = get(served, "/admin/tables/bars_1m/policies").await;
        panic!("they are still there: {}", policies.text());
    }
}

async fn end(served: Served) {
    served.tell(Stop::Drain);
    assert_eq!(served.end().await.lost(), 0);
}

async fn a_job_runs_once_however_many_servers_there_are(database: TestDatabase) {
    let servers = [
        serving::on(&database, SOON).await,
        serving::on(&database, SOON).await,
        serving::on(&database, SOON).await,
    ];
    old_and_new(&servers[0]).await;
    put(&servers[0], RETENTION, &json!({ "after": "90 days" }))
        .await
        .found();
    old_ones_go(&database, &servers[0]).await;
    eventually("its run is noted", async || {
        number(&database, RUNS).await == 1
    })
    .await;
    turns().await;
    assert_eq!(
        number(&database, RUNS).await,
        1,
        "once an hour is often enough"
    );
    assert_eq!(number(&database, FAILURES).await, 0);
    // Setting it again makes it due again.
    written(&servers[1], &bars("A", 500, 3)).await;
    put(&servers[1], RETENTION, &json!({ "after": "91 days" }))
        .await
        .found();
    eventually("it ran again", async || number(&database, RUNS).await == 2).await;
    turns().await;
    assert_eq!(number(&database, RUNS).await, 2);
    assert_eq!(count(&database, "bars_1m").await, 10);
    for served in servers {
        end(served).await;
    }
}

async fn a_job_runs_once_in_a_period(database: TestDatabase) {
    let servers = [
        serving::on(&database, SOON).await,
        serving::on(&database, SOON).await,
    ];
    let started = Instant::now();
    put(&servers[0], RETENTION, &json!({ "after": "5 seconds" }))
        .await
        .found();
    eventually("it ran a few times", async || {
        number(&database, RUNS).await >= 4
    })
    .await;
    let runs = number(&database, RUNS).await;
    let periods = started.elapsed().as_millis() / 500;
    assert!(
        runs as u128 <= periods + 1,
        "{runs} runs in {periods} periods"
    );
    assert_eq!(number(&database, FAILURES).await, 0);
    for served in servers {
        end(served).await;
    }
}

async fn what_a_policy_did_is_told(database: TestDatabase) {
    let served = serving::on(&database, SOON).await;
    spans_written(&served, "shop", 200, 10).await;
    spans_written(&served, "other", 201, 10).await;
    spans_written(&served, "shop", 2, 10).await;
    let asked = json!({ "after": "90 days", "only": "shop" });
    let mut policy = put(&served, "/admin/tables/spans/policies/retention", &asked)
        .await
        .found();
    eventually("its rows are gone", async || {
        count(&database, "spans").await == 20
    })
    .await;
    eventually("it is told", async || {
        let all = get(&served, "/admin/tables/spans/policies").await.found();
        let mut all = all.as_array().unwrap().iter();
        let found = all.find(|policy| policy["kind"] == "retention");
        policy = found.unwrap().clone();
        policy["last_run"].is_string()
    })
    .await;
    let outcome = policy["last_outcome"].as_str().unwrap();
    assert!(outcome.contains("10"), "{policy}");
    assert!(policy["next_run"].as_str() > policy["last_run"].as_str());
    assert_eq!(policy["has_failed"], false);
    assert_eq!(policy["only"], "shop");
    end(served).await;
}

async fn a_server_that_leaves_policies_alone_runs_none(database: TestDatabase) {
    let off = [("API_TOKEN", TOKEN), ("LIFECYCLE_INTERVAL", "off")];
    let served = serving::on(&database, &off).await;
    old_and_new(&served).await;
    put(&served, RETENTION, &json!({ "after": "90 days" }))
        .await
        .found();
    turns().await;
    assert_eq!(count(&database, "bars_1m").await, 30);
    assert_eq!(
        number(&database, "SELECT count(*) FROM annals_jobs").await,
        0
    );
    // Another one does it.
    let other = serving::on(&database, SOON).await;
    old_ones_go(&database, &other).await;
    end(served).await;
    end(other).await;
}

async fn the_job_of_a_killed_server_is_done_by_another(database: TestDatabase) {
    // In a runtime of its own, whose end is as sudden for the database as that of a process.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (backend, url) = (database.backend, database.url.clone());
    let killed =
        runtime.spawn(async move { serving::on(&TestDatabase::at(backend, url), SOON).await });
    let killed = killed.await.unwrap();
    old_and_new(&killed).await;
    let lock = database.lock_table("bars_1m").await;
    put(&killed, RETENTION, &json!({ "after": "90 days" }))
        .await
        .found();
    let waits = "SELECT count(*) FROM pg_stat_activity
                  WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let held = "SELECT count(*) FROM annals_jobs WHERE kind = 'retention' AND holder IS NOT NULL";
    // The database's own jobs may wait for the table as well.
    eventually("it is in the middle", async || {
        number(&database, held).await == 1 && database.number(waits).await > 0
    })
    .await;
    runtime.shutdown_background();
    assert_eq!(
        number(&database, held).await,
        1,
        "it is still in the killed one's hands"
    );
    let other = serving::on(&database, SOON).await;
    lock.release().await;
    eventually("another one does it", async || {
        count(&database, "bars_1m").await == 10 && number(&database, RUNS).await >= 1
    })
    .await;
    end(other).await;
}

async fn a_retention_that_waits_does_not_hold_up_the_stop(database: TestDatabase) {
    let served = serving::on(&database, SOON).await;
    old_and_new(&served).await;
    let lock = database.lock_table("bars_1m").await;
    put(&served, RETENTION, &json!({ "after": "90 days" }))
        .await
        .found();
    let waits = "SELECT count(*) FROM pg_stat_activity
                  WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("it waits", async || database.number(waits).await > 0).await;
    let told = Instant::now();
    end(served).await;
    assert!(told.elapsed() < Duration::from_secs(10));
    lock.release().await;
    assert_eq!(count(&database, "bars_1m").await, 30);
    // What was left is taken up at once: nobody has it in hand.
    let other = serving::on(&database, SOON).await;
    old_ones_go(&database, &other).await;
    let body = json!({ "older_than": "90 days" });
    eventually("nobody has the table in hand", async || {
        post(&other, "/admin/tables/bars_1m/expire", &body)
            .await
            .status
            == 200
    })
    .await;
    done(&post(&other, "/admin/tables/bars_1m/expire", &body).await);
    end(other).await;
}
