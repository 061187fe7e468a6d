//! Requests that are too large, too slow or too many, a database that is away, and what is counted.

use std::time::{Duration, Instant};

use annals_testkit::{TestDatabase, on_every_server};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{TOKEN, call, refused, result};
use crate::{
    client::get,
    serving::{self, within},
};

on_every_server!(a_database_that_is_away_is_said_to_be_away);

#[tokio::test]
async fn a_call_that_is_too_large_is_refused() {
    let settings = [("EVENTODB_TOKEN", TOKEN), ("MAX_REQUEST_BYTES", "64KiB")];
    let served = serving::in_memory(&settings).await;
    let write = |size: usize| {
        format!(
            r#"["stream.write", "a-1", {{"type":"T","data":{{"x":"{}"}}}}]"#,
            "x".repeat(size)
        )
    };
    result(&served, &write(60 << 10)).await;
    let (code, message) = refused(&call(&served, &write(64 << 10)).await, 413);
    assert_eq!(code, "INVALID_REQUEST");
    assert!(message.contains("MAX_REQUEST_BYTES"), "{message}");
}

#[tokio::test]
async fn a_call_that_does_not_end_is_ended() {
    let settings = [("EVENTODB_TOKEN", TOKEN), ("READ_TIMEOUT", "1s")];
    let served = serving::in_memory(&settings).await;
    let mut stream = TcpStream::connect(served.http).await.unwrap();
    let head = format!(
        "POST /rpc?token={TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n[\"sys."
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let begun = Instant::now();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn calls_beyond_their_number_wait_for_their_turn() {
    let settings = [("EVENTODB_TOKEN", TOKEN), ("MAX_CONCURRENT_REQUESTS", "1")];
    let served = serving::in_memory(&settings).await;
    let write = r#"["stream.write", "a-1", {"type":"T","data":{}}]"#;
    futures_util::future::join_all((0..50).map(|_| result(&served, write))).await;
    assert_eq!(result(&served, r#"["stream.version", "a-1"]"#).await, 49);
}

#[tokio::test]
async fn calls_are_counted_by_methods_that_there_are() {
    let served = super::in_memory().await;
    result(&served, "[\"sys.version\"]").await;
    call(&served, "[\"not.there\"]").await;
    call(&served, "[\"stream.get\"]").await;
    let metrics = get(served.http, "/metrics").await;
    let metrics = metrics.text();
    for line in [
        "annals_rpc_requests_total{method=\"sys.version\",status=\"200\"}",
        "annals_rpc_requests_total{method=\"(other)\",status=\"404\"}",
        "annals_rpc_requests_total{method=\"stream.get\",status=\"400\"}",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    assert!(!metrics.contains("not.there"));
}

async fn a_database_that_is_away_is_said_to_be_away(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let settings = [
        ("EVENTODB_TOKEN", TOKEN),
        ("INGEST_TIMEOUT", "2s"),
        ("QUERY_TIMEOUT", "5s"),
    ];
    let served = serving::on(&behind, &settings).await;
    let write = r#"["stream.write", "a-1", {"type":"T","data":{}}]"#;
    result(&served, write).await;
    proxy.refuse();
    proxy.cut();
    // As long as the namespace is believed, the write finds out by itself.
    let answer = call(&served, write).await;
    let (code, message) = refused(&answer, answer.status);
    assert!([500, 503].contains(&answer.status), "{message}");
    assert_eq!(code, "BACKEND_ERROR");
    assert!(!answer.header("retry-after").is_empty());
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for body in [r#"["stream.get", "a-1"]"#, "[\"sys.health\"]"] {
        let answer = call(&served, body).await;
        let (code, message) = refused(&answer, answer.status);
        assert!([500, 503].contains(&answer.status), "{body}: {message}");
        assert_eq!(code, "BACKEND_ERROR", "{message}");
        assert!(!message.contains("postgres"), "{message}");
    }
}
