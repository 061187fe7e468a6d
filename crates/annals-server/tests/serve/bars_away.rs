//! Bars while there is no room, no database, or no time left: clients are told in time, and what they send
//! again is there once.

use std::time::{Duration, Instant};

use annals_server::Stop;
use annals_testkit::{TestDatabase, on_every_backend, on_every_server, proxy::FaultProxy};
use futures_util::future::{BoxFuture, FutureExt as _};
use serde_json::Value;

use crate::{
    bars::{bars, day, write, written},
    client::{Answer, get},
    serving::{self, Served, eventually, within},
};

on_every_backend!(
    too_many_requests_at_once_are_told_to_come_again,
    a_full_queue_that_rejects_tells_clients_to_come_again,
    what_is_not_committed_in_time_is_there_once_when_it_comes_again,
    a_stop_waits_for_bars_that_are_on_their_way,
    a_stop_that_does_not_wait_counts_bars_that_are_lost,
);

/// What needs a server.
mod servers {
    use super::*;

    on_every_server!(
        a_database_that_is_away_is_told_and_back_it_takes_all,
        an_absence_that_is_known_is_told_at_once,
    );
}

/// Room for a machine that is busy.
const SLACK: Duration = Duration::from_secs(3);

fn assert_comes_again(answer: &Answer, status: u16) -> String {
    let retry: u64 = answer.header("retry-after").parse().unwrap();
    assert!(retry > 0);
    answer.refusal(status)
}

fn take_away(proxy: &FaultProxy) {
    proxy.refuse();
    proxy.cut();
}

/// Two requests of which only one fits, sent while nothing can be written: what the other one heard, which
/// it was, and the one that is held.
async fn crowd<'a>(
    served: &'a Served,
    requests: &'a [Value; 2],
) -> (Answer, usize, BoxFuture<'a, Answer>) {
    let [first, second] = requests;
    let mut first = write(served, "/bars", first).boxed();
    let mut second = write(served, "/bars", second).boxed();
    within(async {
        tokio::select! {
            first = &mut first => (first, 0, second),
            second = &mut second => (second, 1, first),
        }
    })
    .await
}

async fn crowd_out(served: &Served, database: &TestDatabase) -> Answer {
    let lock = database.lock_table("bars_1m").await;
    let requests = [bars("A", 0..3), bars("B", 0..3)];
    let (refused, which, waiting) = crowd(served, &requests).await;
    lock.release().await;
    assert_eq!(within(waiting).await.found()["committed"], 3);
    written(served, &requests[which]).await;
    for (symbol, sent) in ["A", "B"].into_iter().zip(&requests) {
        assert_eq!(day(served, symbol).await, *sent);
    }
    refused
}

/// A queue with room for one of the requests above.
const SMALL: [(&str, &str); 3] = [
    ("BARS_DB_WRITE_QUEUE_SIZE", "3"),
    ("BARS_DB_OVERFLOW", "reject"),
    ("INGEST_TIMEOUT", "60s"),
];

async fn too_many_requests_at_once_are_told_to_come_again(database: TestDatabase) {
    let settings = [("MAX_CONCURRENT_REQUESTS", "1"), ("INGEST_TIMEOUT", "60s")];
    let served = serving::on(&database, &settings).await;
    let refused = crowd_out(&served, &database).await;
    assert!(assert_comes_again(&refused, 429).contains("MAX_CONCURRENT_REQUESTS"));
}

async fn a_full_queue_that_rejects_tells_clients_to_come_again(database: TestDatabase) {
    let served = serving::on(&database, &SMALL).await;
    let refused = crowd_out(&served, &database).await;
    assert_comes_again(&refused, 429);
    let never = write(&served, "/bars", &bars("C", 0..4)).await;
    assert!(never.refusal(413).contains("in parts"));
    assert_eq!(never.header("retry-after"), "");
}

async fn what_is_not_committed_in_time_is_there_once_when_it_comes_again(database: TestDatabase) {
    let served = serving::on(&database, &[("INGEST_TIMEOUT", "1s")]).await;
    let lock = database.lock_table("bars_1m").await;
    let sent = bars("A", 0..3);
    let refused = write(&served, "/bars", &sent).await;
    assert!(assert_comes_again(&refused, 503).contains("nothing is written twice"));
    // Merging is not done twice without a difference, and this says so.
    let refused = write(&served, "/bars?conflict=merge", &bars("B", 0..3)).await;
    let error = assert_comes_again(&refused, 503);
    assert!(error.contains("merge"), "{error}");
    lock.release().await;
    eventually("it is taken", async || {
        write(&served, "/bars", &sent).await.status == 200
    })
    .await;
    assert_eq!(day(&served, "A").await, sent);
}

async fn a_stop_waits_for_bars_that_are_on_their_way(database: TestDatabase) {
    let served = serving::on(&database, &SMALL).await;
    let lock = database.lock_table("bars_1m").await;
    let requests = [bars("A", 0..3), bars("B", 0..3)];
    let (_, _, held) = crowd(&served, &requests).await;
    served.tell(Stop::Drain);
    lock.release().await;
    assert_eq!(within(held).await.found()["committed"], 3);
    let report = served.end().await;
    assert_eq!((report.bars.accepted, report.bars.committed), (3, 3));
    assert_eq!((report.bars.refused, report.lost()), (3, 0));
    assert_eq!(database.number("SELECT count(*) FROM bars_1m").await, 3);
}

async fn a_stop_that_does_not_wait_counts_bars_that_are_lost(database: TestDatabase) {
    let served = serving::on(&database, &SMALL).await;
    let lock = database.lock_table("bars_1m").await;
    let requests = [bars("A", 0..3), bars("B", 0..3)];
    // Its answer is not waited for: there will be none.
    let (_, _, held) = crowd(&served, &requests).await;
    served.tell(Stop::Now);
    drop(held);
    let report = served.end().await;
    assert_eq!((report.bars.accepted, report.bars.committed), (3, 0));
    assert_eq!(report.bars.returned + report.bars.lost, 3, "{report:?}");
    assert_eq!(report.lost(), report.bars.lost, "{report:?}");
    lock.release().await;
}

async fn a_database_that_is_away_is_told_and_back_it_takes_all(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let settings = [("INGEST_TIMEOUT", "1s"), ("QUERY_TIMEOUT", "3s")];
    let served = serving::on(&behind, &settings).await;
    take_away(&proxy);
    for policy in ["", "?conflict=ignore"] {
        let started = Instant::now();
        let refused = write(&served, &format!("/bars{policy}"), &bars("A", 0..3)).await;
        assert!(started.elapsed() < Duration::from_secs(1) + SLACK);
        assert_comes_again(&refused, 503);
    }
    for path in [
        "/bars/A",
        "/bars/A/latest",
        "/bars/A/gaps",
        "/bars?symbols=A",
        "/symbols",
    ] {
        assert_comes_again(&get(served.http, path).await, 503);
    }
    proxy.heal();
    for (symbol, policy) in [
        ("A", ""),
        ("B", "?conflict=ignore"),
        ("C", "?conflict=merge"),
    ] {
        let sent = bars(symbol, 0..3);
        eventually("it is taken", async || {
            write(&served, &format!("/bars{policy}"), &sent)
                .await
                .status
                == 200
        })
        .await;
        assert_eq!(day(&served, symbol).await, sent);
    }
}

async fn an_absence_that_is_known_is_told_at_once(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let served = serving::on(&behind, &[("INGEST_TIMEOUT", "300s")]).await;
    take_away(&proxy);
    let first = bars("A", 0..3);
    let waits = async {
        assert_eq!(
            write(&served, "/bars", &first).await.found()["committed"],
            3
        );
    };
    let others = async {
        eventually("it is told at once", async || {
            let sent = bars("B", 0..3);
            let told = tokio::time::timeout(SLACK, write(&served, "/bars", &sent)).await;
            told.is_ok_and(|told| !assert_comes_again(&told, 503).is_empty())
        })
        .await;
        proxy.heal();
    };
    // Who was there before it was known waits for its end, and has its answer.
    within(async { tokio::join!(waits, others) }).await;
    assert_eq!(day(&served, "A").await, first);
}
