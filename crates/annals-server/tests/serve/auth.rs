//! With a token every road to data asks for it, and no answer shows it.

use http::Method;
use tonic::Code;

use crate::{
    client::{Answer, request, send, whole},
    exports::{Packing, ROADS, Road, span},
    grpc::{Reply, SEND, SEND_BATCH, SEND_BATCH_V1, call_with, frame},
    serving::{self, Served},
};

const TOKEN: &str = "correct-horse-battery";
const RIGHT: &str = "Bearer correct-horse-battery";
const WRONG: [&str; 6] = [
    "",
    "Bearer",
    "Bearer correct-horse-batter",
    "Bearer correct-horse-battery-staple",
    "Basic correct-horse-battery",
    "correct-horse-battery",
];

const DATA: [&str; 12] = [
    "/spans",
    "/traces/x",
    "/models",
    "/models/m/latency",
    "/models/m/regression",
    "/models/m/analysis",
    "/bars?symbols=A",
    "/bars/A",
    "/bars/A/latest",
    "/bars/A/gaps",
    "/symbols",
    "/metrics",
];

const OPEN: [&str; 5] = ["/", "/health", "/ready", "/version", "/openapi.json"];

async fn guarded() -> Served {
    serving::in_memory(&[("API_TOKEN", TOKEN)]).await
}

fn headers(authorization: &str) -> Vec<(&str, &str)> {
    if authorization.is_empty() {
        Vec::new()
    } else {
        vec![("authorization", authorization)]
    }
}

async fn ask(served: &Served, path: &str, authorization: &str) -> Answer {
    let asked = request(Method::GET, path, &headers(authorization), whole(""));
    let answer = send(served.http, asked).await;
    assert!(!format!("{answer:?}").contains(TOKEN), "{answer:?}");
    answer
}

async fn send_to(served: &Served, path: &str, authorization: &str) -> Reply {
    let headers = headers(authorization);
    let reply = call_with(served.grpc, path, &headers, frame(false, b"")).await;
    assert!(!format!("{reply:?}").contains(TOKEN), "{reply:?}");
    reply
}

#[tokio::test]
async fn questions_about_data_need_the_token() {
    let served = guarded().await;
    for path in DATA {
        for wrong in WRONG {
            let answer = ask(&served, path, wrong).await;
            assert!(answer.refusal(401).contains("token"), "{path} {wrong}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        let expected = if path == "/traces/x" { 404 } else { 200 };
        assert_eq!(ask(&served, path, RIGHT).await.status, expected, "{path}");
    }
}

#[tokio::test]
async fn bars_and_ticks_need_the_token() {
    let served = guarded().await;
    for (path, taken) in [("/bars", 200), ("/ticks", 202)] {
        for (authorization, expected) in WRONG
            .map(|wrong| (wrong, 401))
            .into_iter()
            .chain([(RIGHT, taken)])
        {
            let mut headers = headers(authorization);
            headers.push(("content-type", "application/json"));
            let sent = request(Method::POST, path, &headers, whole("[]"));
            let answer = send(served.http, sent).await;
            assert_eq!(answer.status, expected, "{path} {authorization:?}");
            assert!(!format!("{answer:?}").contains(TOKEN), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn how_the_server_is_needs_no_token() {
    let served = guarded().await;
    for path in OPEN {
        for authorization in ["", "Bearer wrong", RIGHT] {
            assert_eq!(
                ask(&served, path, authorization).await.status,
                200,
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn spans_by_otlp_need_the_token() {
    let served = guarded().await;
    for (id, road) in (1..).zip(ROADS) {
        let bytes = road.encode(&[span(1, id)]);
        for wrong in WRONG {
            let headers = headers(wrong);
            let told = road.send(&served, Packing::Plain, &headers, &bytes).await;
            let refused = told.unwrap_err();
            assert!(refused.http.is_none_or(|http| http == 401), "{refused:?}");
            assert_eq!(refused.code, Code::Unauthenticated, "{road:?} {wrong}");
            assert_eq!(refused.retry, None);
            assert!(!refused.message.contains(TOKEN));
        }
        let headers = headers(RIGHT);
        let taken = road.send(&served, Packing::Gzip, &headers, &bytes).await;
        assert_eq!(taken.unwrap().rejected, 0, "{road:?}");
    }
    let stored = ask(&served, "/spans", RIGHT).await.found();
    assert_eq!(stored.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn spans_by_infertrace_need_the_token() {
    let served = guarded().await;
    for path in [SEND_BATCH, SEND_BATCH_V1, SEND] {
        for wrong in WRONG {
            let reply = send_to(&served, path, wrong).await;
            assert_eq!(reply.code, Code::Unauthenticated, "{path} {wrong}");
        }
    }
    for path in [SEND_BATCH, SEND_BATCH_V1] {
        assert_eq!(send_to(&served, path, RIGHT).await.code, Code::Ok, "{path}");
    }
}

#[tokio::test]
async fn who_has_no_token_does_not_learn_what_is_there() {
    let served = guarded().await;
    let (there, not_there) = (
        ask(&served, "/traces/x", "").await,
        ask(&served, "/traces/y", "").await,
    );
    assert_eq!(
        (there.status, there.body),
        (not_there.status, not_there.body)
    );
    // A body is not read for nothing.
    let told = Road::Protobuf.send(&served, Packing::Plain, &[], vec![0xFF; 1_000]);
    assert_eq!(told.await.unwrap_err().http, Some(401));
}
