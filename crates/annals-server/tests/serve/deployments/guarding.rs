//! Workspaces are behind the API token, and external spans behind theirs alone.

use annals_testkit::{TestDatabase, on_every_backend};
use http::Method;
use serde_json::json;

use super::{JSON, SECRET, WORKSPACE, span, stored, write_under};
use crate::{
    client::{Answer, request, send, whole},
    serving::{self, Served},
};

on_every_backend!(workspaces_ask_for_the_api_token_and_external_spans_for_theirs);

const TOKEN: &str = "correct-horse-battery";

async fn asked(served: &Served, method: Method, path: &str, token: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), JSON];
    send(
        served.http,
        request(method, path, &headers, whole(body.to_owned())),
    )
    .await
}

async fn workspaces_ask_for_the_api_token_and_external_spans_for_theirs(database: TestDatabase) {
    let settings = [("API_TOKEN", TOKEN), ("TRACE_TOKEN_SECRET", SECRET)];
    let served = serving::on(&database, &settings).await;
    let at = |below: &str| format!("/workspaces/{WORKSPACE}{below}");
    let spans = json!({"spans": [span("t", "a", 10)]}).to_string();
    let for_token = json!({"trace_id": "t", "span_id": "a"}).to_string();
    let workspace = json!({"id": WORKSPACE}).to_string();
    let roads = [
        (
            Method::POST,
            "/workspaces".to_owned(),
            workspace.as_str(),
            201,
        ),
        (Method::GET, "/workspaces".to_owned(), "", 200),
        (Method::POST, at("/spans"), &spans, 200),
        (Method::POST, at("/tokens"), &for_token, 200),
        (Method::GET, at(""), "", 200),
        (Method::GET, at("/traces"), "", 200),
        (Method::GET, at("/traces/t"), "", 200),
        (Method::GET, at("/traces/t/tree"), "", 200),
        (Method::GET, at("/traces/t/spans/a/children"), "", 200),
        (Method::GET, at("/spans"), "", 200),
        (Method::GET, at("/spans/roots"), "", 200),
        (Method::GET, at("/releases/r/spans"), "", 200),
        (Method::GET, at("/release-targets/k/spans"), "", 200),
        (Method::GET, at("/release-targets/k/why"), "", 200),
        (Method::GET, at("/jobs/j/spans"), "", 200),
        (Method::GET, at("/failures"), "", 200),
        (Method::GET, at("/phases"), "", 200),
    ];
    let mut made = String::new();
    for (method, path, body, expected) in &roads {
        let wrong = asked(&served, method.clone(), path, "wrong", body).await;
        assert!(wrong.refusal(401).contains("API token"), "{path}");
        let right = asked(&served, method.clone(), path, TOKEN, body).await;
        assert_eq!(right.status, *expected, "{method} {path}: {}", right.text());
        if path.ends_with("/tokens") {
            made = right.json()["token"].as_str().unwrap().to_owned();
        }
    }
    assert_eq!(stored(&database).await, 1);
    // Either token opens its own roads, and no other.
    let external = [span("ci", "a", 10)];
    let error = write_under(&served, TOKEN, &external).await.refusal(401);
    assert_eq!(error, "invalid token format");
    for (method, path, body, _) in &roads {
        let answer = asked(&served, method.clone(), path, &made, body).await;
        assert_eq!(answer.status, 401, "{path}");
    }
    let answer = asked(&served, Method::DELETE, &at(""), &made, "").await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        write_under(&served, &made, &external).await.found()["accepted"],
        1
    );
    let deleted = asked(&served, Method::DELETE, &at(""), TOKEN, "").await;
    assert_eq!(deleted.found(), json!({"deleted_spans": 2}));
}
