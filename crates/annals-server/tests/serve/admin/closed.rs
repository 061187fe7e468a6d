//! Who is let in, and what is refused before anything is done.

use annals_testkit::{TestDatabase, on_every_server};
use http::Method;
use serde_json::json;

use super::{BEARER, TOKEN, asked, get, in_memory, post, put};
use crate::{
    client::{request, send, whole},
    exports::Packing,
    serving::{self, eventually},
};

on_every_server!(a_database_that_is_away_is_told_as_elsewhere);

const ROADS: [(Method, &str); 15] = [
    (Method::GET, "/admin/tables"),
    (Method::GET, "/admin/tables/spans"),
    (Method::GET, "/admin/tables/nothing"),
    (Method::GET, "/admin/tables/spans/chunks"),
    (Method::GET, "/admin/tables/spans/chunks/x/export"),
    (Method::POST, "/admin/tables/spans/compress"),
    (Method::POST, "/admin/tables/spans/decompress"),
    (Method::POST, "/admin/tables/spans/drop"),
    (Method::POST, "/admin/tables/spans/expire"),
    (Method::POST, "/admin/tables/spans/delete"),
    (Method::PUT, "/admin/tables/spans/chunk-interval"),
    (Method::GET, "/admin/policies"),
    (Method::GET, "/admin/tables/spans/policies"),
    (Method::PUT, "/admin/tables/spans/policies/retention"),
    (Method::DELETE, "/admin/tables/spans/policies/retention"),
];

const BODY: &str = "{\"older_than\": \"1 day\"}";

#[tokio::test]
async fn a_server_without_a_token_has_no_such_roads_open() {
    for settings in [&[][..], &[("INSECURE", "true")]] {
        let served = serving::in_memory(settings).await;
        for (method, path) in ROADS {
            for authorization in ["Bearer x", BEARER] {
                let headers = [
                    ("authorization", authorization),
                    ("content-type", "application/json"),
                ];
                let asked = request(method.clone(), path, &headers, whole(BODY));
                let refused = send(served.http, asked).await.refusal(403);
                assert!(refused.contains("API_TOKEN"), "{method} {path}: {refused}");
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_token_opens_nothing_and_is_told_nothing() {
    let served = in_memory().await;
    for (method, path) in ROADS {
        for wrong in ["", "Bearer", "Bearer correct-horse-batter", TOKEN] {
            let headers = [
                ("authorization", wrong),
                ("content-type", "application/json"),
            ];
            let asked = request(method.clone(), path, &headers, whole(BODY));
            let answer = send(served.http, asked).await;
            let refused = answer.refusal(401);
            assert!(!refused.contains(TOKEN));
            assert!(!refused.contains("nothing"), "{method} {path}: {refused}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        let body = if method == Method::GET { "" } else { BODY };
        let answer = asked(&served, method.clone(), path, body.to_owned()).await;
        assert!(!matches!(answer.status, 401 | 403), "{method} {path}");
    }
}

/// What each road that changes something must not take for anything.
#[tokio::test]
async fn what_is_not_said_exactly_changes_nothing() {
    let served = in_memory().await;
    let base = "/admin/tables/bars_1m";
    super::old_and_new(&served).await;
    for (road, body, told) in [
        ("compress", "{}", "older_than"),
        ("drop", "{}", "older_than"),
        ("drop", "{\"dry_run\": true}", "older_than"),
        ("expire", "{}", "older_than"),
        ("expire", "{\"older_than\": null}", "older_than"),
        (
            "expire",
            "{\"older_than\": \"1 day\", \"dryrun\": true}",
            "dryrun",
        ),
        (
            "expire",
            "{\"older_than\": \"1 day\", \"dry_run\": \"yes\"}",
            "boolean",
        ),
        ("expire", "{\"older_than\": 1}", "integer"),
        ("expire", "{\"older_than\": \"1\"}", "unit"),
        ("expire", "{\"older_than\": \"-1 day\"}", "above zero"),
        ("expire", "{\"older_than\": \"tomorrow\"}", "tomorrow"),
        ("expire", "[\"1 day\", false]", "object"),
        ("expire", "1 day", "object"),
        ("expire", "{", "EOF"),
        ("decompress", "{}", "all"),
        ("decompress", "{\"all\": false}", "all"),
        (
            "decompress",
            "{\"all\": true, \"from\": \"2026-01-01T00:00:00Z\"}",
            "either",
        ),
        ("decompress", "{\"from\": \"yesterday\"}", "from"),
        (
            "decompress",
            "{\"from\": \"2026-01-02T00:00:00Z\", \"until\": \"2026-01-01T00:00:00Z\"}",
            "before until",
        ),
        ("delete", "{}", "only"),
        ("delete", "{\"older_than\": \"1 day\"}", "only"),
        ("delete", "{\"only\": \"A\"}", "older_than"),
        (
            "delete",
            "{\"only\": \"A\", \"older_than\": \"1 day\", \"all\": true}",
            "either",
        ),
        ("delete", "{\"only\": \"A\\u0000\", \"all\": true}", "only"),
    ] {
        let path = format!("{base}/{road}");
        let refused = asked(&served, Method::POST, &path, body.to_owned()).await;
        let refused = refused.refusal(400);
        assert!(refused.contains(told), "{road} {body}: {refused}");
    }
    for (kind, body, told) in [
        ("retention", "{}", "after"),
        ("retention", "{\"every\": \"10s\"}", "after"),
        (
            "retention",
            "{\"after\": \"10s\", \"every\": \"10s\"}",
            "after",
        ),
        ("retention", "{\"after\": \"soon\"}", "soon"),
        ("retention", "{\"after\": \"1 day\", \"for\": \"A\"}", "for"),
        ("refresh", "{\"after\": \"10s\"}", "every"),
        (
            "compaction",
            "{\"after\": \"10s\"}",
            "compression, retention",
        ),
    ] {
        let path = format!("{base}/policies/{kind}");
        let refused = asked(&served, Method::PUT, &path, body.to_owned()).await;
        let refused = refused.refusal(400);
        assert!(refused.contains(told), "{kind} {body}: {refused}");
    }
    let path = format!("{base}/chunk-interval");
    let refused = put(&served, &path, &json!({})).await.refusal(400);
    assert!(refused.contains("interval"), "{refused}");
    let path = format!("{base}/chunks?count=maybe");
    assert!(get(&served, &path).await.refusal(400).contains("maybe"));
    let path = format!("{base}/chunks?counted=true");
    assert!(get(&served, &path).await.refusal(400).contains("counted"));
    let all = get(&served, "/admin/tables/bars_1m").await.found();
    assert_eq!(all["rows"], 30);
}

#[tokio::test]
async fn bodies_are_bounded_and_say_what_they_are() {
    let settings = [("API_TOKEN", TOKEN), ("MAX_REQUEST_BYTES", "4KiB")];
    let served = serving::in_memory(&settings).await;
    let path = "/admin/tables/spans/expire";
    for media in ["", "text/plain", "application/x-www-form-urlencoded"] {
        let headers = [("authorization", BEARER), ("content-type", media)];
        let asked = request(Method::POST, path, &headers, whole(BODY));
        let refused = send(served.http, asked).await.refusal(415);
        assert!(refused.contains("application/json"), "{refused}");
    }
    let large = json!({ "older_than": " ".repeat(5_000) });
    let refused = post(&served, path, &large).await.refusal(413);
    assert!(refused.contains("MAX_REQUEST_BYTES"), "{refused}");
    for packing in Packing::ALL {
        let packed = packing.pack(b"{\"older_than\": \"1 day\", \"dry_run\": true}");
        let headers = [
            ("authorization", BEARER),
            ("content-type", "application/json; charset=utf-8"),
            ("content-encoding", packing.name()),
        ];
        let asked = request(Method::POST, path, &headers, whole(packed));
        super::done(&send(served.http, asked).await);
    }
}

#[tokio::test]
async fn another_method_is_told_the_right_one() {
    let served = in_memory().await;
    for (method, path, right) in [
        (Method::POST, "/admin/tables", "GET"),
        (Method::GET, "/admin/tables/spans/drop", "POST"),
        (Method::PUT, "/admin/tables/spans/expire", "POST"),
        (Method::POST, "/admin/tables/spans/chunk-interval", "PUT"),
        (
            Method::POST,
            "/admin/tables/spans/policies/retention",
            "PUT or DELETE",
        ),
        (Method::POST, "/admin/tables/spans/policies", "GET"),
    ] {
        let answer = asked(&served, method, path, String::new()).await;
        let refused = answer.refusal(405);
        assert!(refused.ends_with(&format!("send {right}")), "{refused}");
    }
    let told = get(&served, "/admin/chunks").await.not_served();
    assert!(told.contains("/admin/tables"), "{told}");
}

async fn a_database_that_is_away_is_told_as_elsewhere(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let settings = [
        ("API_TOKEN", TOKEN),
        ("QUERY_TIMEOUT", "3s"),
        ("LIFECYCLE_INTERVAL", "100ms"),
    ];
    let served = serving::on(&behind, &settings).await;
    proxy.refuse();
    proxy.cut();
    for path in [
        "/admin/tables",
        "/admin/tables/spans",
        "/admin/tables/spans/policies",
        "/admin/policies",
    ] {
        let answer = get(&served, path).await;
        assert!(answer.refusal(503).contains("database"), "{path}");
        assert_ne!(answer.header("retry-after"), "", "{path}");
    }
    let body = json!({ "older_than": "1 day" });
    let answer = post(&served, "/admin/tables/spans/expire", &body).await;
    answer.refusal(503);
    proxy.heal();
    eventually("it is there again", async || {
        get(&served, "/admin/tables").await.status == 200
    })
    .await;
}
