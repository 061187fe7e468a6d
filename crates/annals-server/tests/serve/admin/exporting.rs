//! A chunk as CSV.

use annals_testkit::{Backend, TestDatabase, on_every_backend};
use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;

use super::{BEARER, bars, get, on, written};
use crate::{
    client::{PATIENCE, request, whole},
    serving::{Served, within},
};

on_every_backend!(
    a_chunk_is_taken_along_with_its_rows_and_hash,
    who_hangs_up_leaves_nothing_behind,
);

struct Exported {
    headers: HeaderMap,
    body: Bytes,
    trailers: Option<HeaderMap>,
}

async fn export(served: &Served, path: &str, is_http2: bool, te: &str) -> Exported {
    let headers = [("authorization", BEARER), ("te", te)];
    let asked = request(Method::GET, path, &headers, whole(""));
    let stream = TokioIo::new(TcpStream::connect(served.http).await.unwrap());
    let response = if is_http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
                .await
                .unwrap();
        tokio::spawn(connection);
        sender.send_request(asked).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(asked).await.unwrap()
    };
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    let collected = within(response.into_body().collect()).await.unwrap();
    Exported {
        headers,
        trailers: collected.trailers().cloned(),
        body: collected.to_bytes(),
    }
}

/// The path of the export of the oldest chunk; none where there are no chunks.
async fn oldest(database: &TestDatabase, served: &Served) -> Option<String> {
    let chunks = get(served, "/admin/tables/bars_1m/chunks").await;
    if database.backend != Backend::Timescale {
        chunks.refusal(501);
        let answer = get(served, "/admin/tables/bars_1m/chunks/x/export").await;
        let refused = answer.refusal(501);
        assert!(refused.contains("TimescaleDB"), "{refused}");
        return None;
    }
    let chunks = chunks.found();
    let name = chunks[0]["name"].as_str().unwrap();
    Some(format!("/admin/tables/bars_1m/chunks/{name}/export"))
}

async fn a_chunk_is_taken_along_with_its_rows_and_hash(database: TestDatabase) {
    let served = on(&database).await;
    for symbol in ["A", "comma,\"quote\"\nline", "ä"] {
        written(&served, &bars(symbol, 400, 1)).await;
    }
    written(&served, &bars("A", 0, 1)).await;
    let Some(path) = oldest(&database, &served).await else {
        return;
    };
    let mut bodies = Vec::new();
    for (is_http2, te) in [(false, "trailers"), (true, "trailers"), (false, "")] {
        let exported = export(&served, &path, is_http2, te).await;
        let media = exported.headers["content-type"].to_str().unwrap();
        assert!(media.starts_with("text/csv"), "{media}");
        let name = exported.headers["content-disposition"].to_str().unwrap();
        assert!(name.contains("_chunk.csv"), "{name}");
        if te.is_empty() {
            assert!(exported.trailers.is_none());
        } else {
            let trailers = exported.trailers.unwrap();
            assert_eq!(trailers["annals-rows"], "3");
            let hash = hex::encode(Sha256::digest(&exported.body));
            assert_eq!(trailers["annals-sha256"], hash.as_str());
        }
        bodies.push(exported.body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
    let mut reader = csv::Reader::from_reader(&*bodies[0]);
    let head = reader.headers().unwrap().clone();
    assert!(head.iter().any(|name| name == "symbol"), "{head:?}");
    let symbol = head.iter().position(|name| name == "symbol").unwrap();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let mut symbols: Vec<&str> = rows.iter().map(|row| &row[symbol]).collect();
    symbols.sort_unstable();
    assert_eq!(symbols, ["A", "comma,\"quote\"\nline", "ä"]);
}

async fn who_hangs_up_leaves_nothing_behind(database: TestDatabase) {
    let served = on(&database).await;
    // More than lies between the writer and a reader that takes nothing.
    for symbol in 0..20 {
        let name = format!("{symbol}{}", "x".repeat(200));
        let all: Vec<_> = (0..1_440)
            .map(|minute| {
                let mut bar = bars(&name, 400, 1)[0].clone();
                let day = bar["timestamp"].as_str().unwrap()[..10].to_owned();
                let time = format!("{day}T{:02}:{:02}:00Z", minute / 60, minute % 60);
                bar["timestamp"] = time.into();
                bar
            })
            .collect();
        written(&served, &all.into()).await;
    }
    let Some(path) = oldest(&database, &served).await else {
        return;
    };
    for _ in 0..5 {
        let stream = TokioIo::new(TcpStream::connect(served.http).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let response = loop {
            let asked = request(Method::GET, &path, &[("authorization", BEARER)], whole(""));
            let response = sender.send_request(asked).await.unwrap();
            if response.status() == 200 {
                break response;
            }
            // Those that hung up are still being ended.
            assert_eq!(response.status(), 429, "{response:?}");
            response.into_body().collect().await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        let mut body = response.into_body();
        tokio::time::timeout(PATIENCE, body.frame()).await.unwrap();
        drop(body);
        connection.abort();
    }
    let open = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    crate::serving::eventually("no snapshot is kept", async || {
        database.number(open).await == 0
    })
    .await;
    let whole = export(&served, &path, false, "trailers").await;
    let trailers = whole.trailers.unwrap();
    assert_eq!(trailers["annals-rows"], (20 * 1_440).to_string().as_str());
}
