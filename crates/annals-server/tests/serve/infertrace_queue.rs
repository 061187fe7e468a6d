//! InferTrace's queue is bounded in spans: what fits is taken, the rest is counted, and a stop drains.

use std::time::Duration;

use annals_server::{Stop, infertrace::messages::v1};
use annals_testkit::{TestDatabase, on_every_backend};
use tokio::net::TcpStream;
use tonic::Code;

use crate::{
    grpc::{Reply, SEND_BATCH_V1, call},
    infertrace::{planned_span, send_planned, send_v1, v1_span},
    serving::{self, Served, eventually, within},
};

on_every_backend!(
    what_does_not_fit_is_rejected_span_by_span,
    without_any_room_clients_are_told_to_come_again,
    a_stop_drains_what_is_in_flight_and_takes_nothing_more,
);

async fn send(served: &Served, spans: Vec<v1::Span>) -> Reply {
    call(
        served.grpc,
        SEND_BATCH_V1,
        &v1::SendSpanBatchRequest { spans },
    )
    .await
}

/// Sends a span, and comes again as long as there is no room for the request.
async fn send_patiently(served: &Served, span: v1::Span) -> (i32, i32) {
    loop {
        let reply = send(served, vec![span.clone()]).await;
        if reply.code != Code::ResourceExhausted {
            return counts(&reply);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn counts(reply: &Reply) -> (i32, i32) {
    let answer: v1::SendSpanBatchResponse = reply.ok();
    (answer.accepted_count, answer.rejected_count)
}

async fn what_does_not_fit_is_rejected_span_by_span(database: TestDatabase) {
    let served = serving::on(&database, &[("INFERTRACE_QUEUE_SIZE", "1")]).await;
    let reply = send(&served, vec![v1_span("t", "a"), v1_span("t", "b")]).await;
    assert_eq!(counts(&reply), (1, 1));
    let reasons = reply.metadata["infertrace-rejected"].to_str().unwrap();
    assert!(reasons.contains("INFERTRACE_QUEUE_SIZE"), "{reasons}");
    // What was malformed needs no room.
    let mut malformed = v1_span("t", "x");
    malformed.model_name.clear();
    let spans = vec![malformed, v1_span("t", "c"), v1_span("t", "d")];
    assert_eq!(send_v1(&served, spans).await, (1, 2));
    assert_eq!(served.trace("t").await.len(), 2);
    let spans = vec![planned_span(b"p", b"1"), planned_span(b"p", b"2")];
    let reply = send_planned(&served, spans).await;
    let answer: annals_server::infertrace::messages::planned::SendSpanResponse = reply.ok();
    assert!(!answer.accepted);
    assert_eq!(served.trace("p").await.len(), 1);
}

async fn without_any_room_clients_are_told_to_come_again(database: TestDatabase) {
    let settings = [("INFERTRACE_QUEUE_SIZE", "1"), ("INGEST_TIMEOUT", "60s")];
    let served = serving::on(&database, &settings).await;
    let lock = database.lock_table("spans").await;
    let mut first = Box::pin(send(&served, vec![v1_span("1", "a")]));
    let mut second = Box::pin(send(&served, vec![v1_span("2", "a")]));
    let (refused, which, waiting) = within(async {
        tokio::select! {
            first = &mut first => (first, "1", second),
            second = &mut second => (second, "2", first),
        }
    })
    .await;
    assert_eq!(refused.code, Code::ResourceExhausted, "{refused:?}");
    assert!(refused.retry_delay().is_some(), "{refused:?}");
    assert!(refused.message.contains("INFERTRACE_QUEUE_SIZE"));
    lock.release().await;
    assert_eq!(counts(&within(waiting).await), (1, 0));
    // Room is given back, and what is sent again is there once.
    assert_eq!(send_v1(&served, vec![v1_span(which, "a")]).await, (1, 0));
    for trace in ["1", "2"] {
        assert_eq!(served.trace(trace).await.len(), 1);
    }
}

async fn a_stop_drains_what_is_in_flight_and_takes_nothing_more(database: TestDatabase) {
    let settings = [("MAX_CONCURRENT_REQUESTS", "4"), ("INGEST_TIMEOUT", "60s")];
    let served = serving::on(&database, &settings).await;
    let lock = database.lock_table("spans").await;
    let in_flight = async {
        let replies = tokio::join!(
            send_patiently(&served, v1_span("t", "a")),
            send_patiently(&served, v1_span("t", "b")),
            send_patiently(&served, v1_span("t", "c")),
            send_patiently(&served, v1_span("t", "d")),
        );
        let one = (1, 0);
        assert_eq!(replies, (one, one, one, one));
    };
    let stop = async {
        eventually("four are in flight", async || {
            send(&served, vec![]).await.code == Code::ResourceExhausted
        })
        .await;
        served.tell(Stop::Drain);
        eventually("it refuses", async || {
            TcpStream::connect(served.grpc).await.is_err()
        })
        .await;
        lock.release().await;
    };
    within(async { tokio::join!(in_flight, stop) }).await;
    let report = served.end().await.infertrace;
    assert_eq!((report.accepted, report.committed, report.lost), (4, 4, 0));
    assert_eq!(database.number("SELECT count(*) FROM spans").await, 4);
}
