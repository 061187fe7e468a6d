//! The database goes away and comes back: clients are told in time, and what they send again is there
//! once.

use std::time::{Duration, Instant};

use annals_server::infertrace::messages::v1;
use annals_testkit::{TestDatabase, on_every_server, proxy::FaultProxy};
use tonic::Code;

use crate::{
    client::get,
    exports::{Packing, ROADS, Road, span, trace_id},
    grpc::{SEND_BATCH_V1, call},
    infertrace::v1_span,
    serving::{self, Served, eventually, within},
};

on_every_server!(
    clients_hear_within_the_ingest_timeout_and_may_come_again,
    a_client_hears_before_it_gives_up,
    an_absence_that_is_known_is_told_at_once,
    questions_and_readiness_say_that_the_database_is_away,
    a_database_that_does_not_answer_is_away_too,
    infertrace_s_clients_are_told_as_well,
    an_answer_of_the_database_that_is_lost_doubles_nothing,
);

/// Room for a machine that is busy.
const SLACK: Duration = Duration::from_secs(3);

async fn behind(database: &TestDatabase, settings: serving::Settings<'_>) -> (FaultProxy, Served) {
    let (proxy, behind) = database.behind_proxy().await;
    let served = serving::on(&behind, settings).await;
    (proxy, served)
}

fn take_away(proxy: &FaultProxy) {
    proxy.refuse();
    proxy.cut();
}

/// Sends the same as long as it is refused, and asserts that it is there once.
async fn assert_comes_again(served: &Served, road: Road, trace: u8) {
    let spans = [span(trace, 1)];
    eventually("it is taken", async || {
        road.export(served, &spans).await.is_ok()
    })
    .await;
    assert_eq!(served.trace(&trace_id(trace)).await.len(), 1, "{road:?}");
}

async fn clients_hear_within_the_ingest_timeout_and_may_come_again(database: TestDatabase) {
    let (proxy, served) = behind(&database, &[("INGEST_TIMEOUT", "1s")]).await;
    take_away(&proxy);
    let sent = ROADS.map(|road| [span(road as u8 + 1, 1)]);
    for (road, spans) in ROADS.into_iter().zip(&sent) {
        let started = Instant::now();
        let refused = road.export(&served, spans).await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(1) + SLACK);
        refused.assert_retriable(503, Code::Unavailable);
    }
    proxy.heal();
    for (road, spans) in ROADS.into_iter().zip(&sent) {
        eventually("it is taken", async || {
            road.export(&served, spans).await.is_ok()
        })
        .await;
    }
    assert_eq!(served.count().await, 3);
}

async fn a_client_hears_before_it_gives_up(database: TestDatabase) {
    let (proxy, served) = behind(&database, &[("INGEST_TIMEOUT", "60s")]).await;
    take_away(&proxy);
    let bytes = Road::Grpc.encode(&[span(1, 1)]);
    let patience = [("grpc-timeout", "4S")];
    let started = Instant::now();
    let heard = Road::Grpc.send(&served, Packing::Plain, &patience, bytes);
    let refused = heard.await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(4));
    refused.assert_retriable(503, Code::Unavailable);
    proxy.heal();
    assert_comes_again(&served, Road::Grpc, 2).await;
}

async fn an_absence_that_is_known_is_told_at_once(database: TestDatabase) {
    let (proxy, served) = behind(&database, &[("INGEST_TIMEOUT", "300s")]).await;
    take_away(&proxy);
    let spans = [span(1, 1)];
    let waits = async {
        let taken = Road::Grpc.export(&served, &spans).await;
        assert_eq!(taken.unwrap().rejected, 0);
    };
    let others = async {
        for (trace, road) in (2..).zip(ROADS) {
            eventually("it is told at once", async || {
                let spans = [span(trace, 1)];
                let told = road.export(&served, &spans);
                let Ok(told) = tokio::time::timeout(SLACK, told).await else {
                    return false;
                };
                told.unwrap_err().assert_retriable(503, Code::Unavailable);
                true
            })
            .await;
        }
        proxy.heal();
    };
    // Who was there before it was known waits for its end, and has its answer.
    within(async { tokio::join!(waits, others) }).await;
    for (trace, road) in (2..).zip(ROADS) {
        assert_comes_again(&served, road, trace).await;
    }
    assert_eq!(served.trace(&trace_id(1)).await.len(), 1);
}

async fn questions_and_readiness_say_that_the_database_is_away(database: TestDatabase) {
    let (proxy, served) = behind(&database, &[("QUERY_TIMEOUT", "3s")]).await;
    assert_eq!(get(served.http, "/ready").await.found()["status"], "ready");
    take_away(&proxy);
    for path in ["/ready", "/spans", "/traces/x", "/models"] {
        let answer = get(served.http, path).await;
        assert!(answer.refusal(503).contains("database"), "{path}");
        assert_ne!(answer.header("retry-after"), "", "{path}");
        assert_eq!(get(served.http, "/health").await.found()["status"], "ok");
    }
    assert_eq!(get(served.http, "/metrics").await.status, 200);
    assert_eq!(get(served.http, "/version").await.status, 200);
    proxy.heal();
    eventually("it is ready again", async || {
        get(served.http, "/ready").await.status == 200
    })
    .await;
    get(served.http, "/spans").await.found();
}

async fn a_database_that_does_not_answer_is_away_too(database: TestDatabase) {
    let settings = [("INGEST_TIMEOUT", "1s"), ("QUERY_TIMEOUT", "1s")];
    let (proxy, served) = behind(&database, &settings).await;
    proxy.stall();
    let spans = [span(1, 1)];
    for road in ROADS {
        let started = Instant::now();
        let refused = road.export(&served, &spans).await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(1) + SLACK);
        refused.assert_retriable(503, Code::Unavailable);
    }
    for path in ["/ready", "/spans"] {
        get(served.http, path).await.refusal(503);
    }
    proxy.flow();
    eventually("it is taken", async || {
        Road::Grpc.export(&served, &spans).await.is_ok()
    })
    .await;
    assert_eq!(served.trace(&trace_id(1)).await.len(), 1);
}

async fn infertrace_s_clients_are_told_as_well(database: TestDatabase) {
    let settings = [("INGEST_TIMEOUT", "1s"), ("INFERTRACE_QUEUE_SIZE", "2")];
    let (proxy, served) = behind(&database, &settings).await;
    take_away(&proxy);
    let batch = v1::SendSpanBatchRequest {
        spans: vec![v1_span("t", "a"), v1_span("t", "b")],
    };
    for _ in 0..3 {
        let reply = call(served.grpc, SEND_BATCH_V1, &batch).await;
        // Room for both is there again each time.
        assert_eq!(reply.code, Code::Unavailable, "{reply:?}");
        assert!(reply.retry_delay().is_some(), "{reply:?}");
    }
    proxy.heal();
    eventually("it is taken", async || {
        call(served.grpc, SEND_BATCH_V1, &batch).await.code == Code::Ok
    })
    .await;
    assert_eq!(served.trace("t").await.len(), 2);
}

async fn an_answer_of_the_database_that_is_lost_doubles_nothing(database: TestDatabase) {
    let (proxy, served) = behind(&database, &[("INGEST_TIMEOUT", "60s")]).await;
    for (trace, road) in (1..).zip(ROADS) {
        proxy.swallow_commit_reply(1);
        let spans = [span(trace, 1), span(trace, 2)];
        let taken = road.export(&served, &spans).await.unwrap();
        assert_eq!(taken.rejected, 0);
        assert_eq!(served.trace(&trace_id(trace)).await.len(), 2);
    }
    assert_eq!(proxy.replies_swallowed(), 3);
    assert_eq!(database.number("SELECT count(*) FROM spans").await, 6);
}
