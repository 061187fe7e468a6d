//! A stop in order: what is in progress is answered and committed, and nothing more is taken.

use std::time::Duration;

use annals_server::Stop;
use annals_testkit::{TestDatabase, on_every_backend};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::Code;

use crate::{
    client::{get, post},
    exports::{Packing, ROADS, Road, span},
    grpc::{EXPORT, call_with, frame},
    serving::{self, Served, eventually, within},
};

on_every_backend!(
    what_is_in_progress_is_answered_and_committed,
    a_stop_that_does_not_wait_counts_what_is_lost,
    a_request_that_is_still_arriving_is_taken,
    a_stop_has_its_end_though_the_database_does_not_write,
);

/// In which a request that is in progress gets to the database, even where the machine is busy.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// Waits until the server has as many requests in progress as it may.
async fn crowded(served: &Served) {
    eventually("it has no room for more", async || {
        let told = Road::Grpc.send(served, Packing::Plain, &[], "").await;
        told.is_err_and(|refused| refused.code == Code::ResourceExhausted)
    })
    .await;
}

async fn assert_refuses(served: &Served) {
    for port in [served.http, served.grpc, served.otlp] {
        eventually("the port is closed", async || {
            TcpStream::connect(port).await.is_err()
        })
        .await;
    }
}

async fn what_is_in_progress_is_answered_and_committed(database: TestDatabase) {
    let settings = [("MAX_CONCURRENT_REQUESTS", "3"), ("INGEST_TIMEOUT", "60s")];
    let served = serving::on(&database, &settings).await;
    let lock = database.lock_table("spans").await;
    let sent = ROADS.map(|road| [span(road as u8 + 1, 1), span(road as u8 + 1, 2)]);
    let requests = async {
        let [a, b, c] = &sent;
        let answers = tokio::join!(
            ROADS[0].export_patiently(&served, a),
            ROADS[1].export_patiently(&served, b),
            ROADS[2].export_patiently(&served, c),
        );
        for answer in [answers.0, answers.1, answers.2] {
            assert_eq!(answer.rejected, 0);
        }
    };
    let stop = async {
        crowded(&served).await;
        served.tell(Stop::Drain);
        // Though requests are still in progress.
        assert_refuses(&served).await;
        lock.release().await;
    };
    within(async { tokio::join!(requests, stop) }).await;
    let report = served.end().await;
    assert_eq!((report.otlp.accepted, report.otlp.committed), (6, 6));
    assert_eq!(report.lost(), 0);
    assert_eq!(database.number("SELECT count(*) FROM spans").await, 6);
}

async fn a_stop_that_does_not_wait_counts_what_is_lost(database: TestDatabase) {
    let settings = [("MAX_CONCURRENT_REQUESTS", "1"), ("INGEST_TIMEOUT", "60s")];
    let served = serving::on(&database, &settings).await;
    let lock = database.lock_table("spans").await;
    let (grpc, spans) = (served.grpc, [span(1, 1), span(1, 2), span(1, 3)]);
    let body = frame(false, &Road::Grpc.encode(&spans));
    let request = tokio::spawn(async move {
        // The question below may be in the way of it.
        while call_with(grpc, EXPORT, &[], body.clone()).await.code == Code::ResourceExhausted {}
    });
    crowded(&served).await;
    // In progress, and by now on its way to the database.
    tokio::time::sleep(ON_ITS_WAY).await;
    served.tell(Stop::Now);
    let report = served.end().await;
    assert_eq!(report.lost(), 3, "{report:?}");
    assert_eq!((report.otlp.accepted, report.otlp.committed), (3, 0));
    assert!(request.await.is_err(), "the call has no answer");
    lock.release().await;
}

async fn a_stop_has_its_end_though_the_database_does_not_write(database: TestDatabase) {
    let settings = [("INGEST_TIMEOUT", "300s"), ("SHUTDOWN_TIMEOUT", "2s")];
    let served = serving::on(&database, &settings).await;
    let lock = database.lock_table("spans").await;
    let (otlp, body) = (served.otlp, Road::Protobuf.encode(&[span(1, 1)]));
    let headers = [("content-type", "application/x-protobuf")];
    let request =
        tokio::spawn(async move { post(otlp, "/v1/traces", &headers, body).await.status });
    tokio::time::sleep(ON_ITS_WAY).await;
    served.tell(Stop::Drain);
    let report = served.end().await;
    assert_eq!(report.otlp.accepted, 1, "{report:?}");
    assert_eq!(report.otlp.committed, 0, "{report:?}");
    let ended = report.otlp.returned + report.otlp.lost;
    assert_eq!(ended, 1, "{report:?}");
    assert_ne!(request.await.ok(), Some(200));
    lock.release().await;
}

async fn a_request_that_is_still_arriving_is_taken(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let body = Road::Protobuf.encode(&[span(1, 1)]);
    let (first, second) = body.split_at(body.len() / 2);
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(served.otlp).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(first).await.unwrap();
    tokio::time::sleep(ON_ITS_WAY).await;
    served.tell(Stop::Drain);
    assert_refuses(&served).await;
    stream.write_all(second).await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{answer:?}");
    assert_eq!(served.end().await.otlp.committed, 1);
}

#[tokio::test]
async fn an_idle_server_stops_and_reports_nothing() {
    let served = serving::in_memory(&[]).await;
    // A connection that is kept open holds nothing up.
    let idle = TcpStream::connect(served.http).await.unwrap();
    get(served.http, "/health").await.found();
    served.tell(Stop::Drain);
    let report = served.end().await;
    assert_eq!((report.otlp.accepted, report.infertrace.accepted), (0, 0));
    drop(idle);
}
