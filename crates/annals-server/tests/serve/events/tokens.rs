//! Who may come in, and what a token reaches.

use annals_events::Token;
use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::{Value, json};

use super::{TOKEN, call, call_as, in_memory, refused, result};
use crate::{
    client::{Answer, get, post},
    serving::{self, Served},
};

on_every_backend!(test_mode_asks_nobody_and_makes_what_is_missing);

const API_TOKEN: &str = "correct-horse-battery";

async fn ask(served: &Served, path: &str, authorization: &str) -> Answer {
    let headers = [("authorization", authorization)];
    let headers = if authorization.is_empty() {
        &headers[..0]
    } else {
        &headers[..]
    };
    post(served.http, path, headers, "[\"sys.version\"]").await
}

#[tokio::test]
async fn who_has_no_right_token_is_told_so_and_the_token_is_not_repeated() {
    let served = in_memory().await;
    let unknown = Token::random("nobody").reveal().to_owned();
    let wrong = Token::random("default").reveal().to_owned();
    let zeros = "0".repeat(64);
    for (token, status, code) in [
        (String::new(), 401, "AUTH_REQUIRED"),
        ("Bearer".to_owned(), 401, "AUTH_REQUIRED"),
        ("Bearer ".to_owned(), 401, "AUTH_REQUIRED"),
        (format!("Basic {TOKEN}"), 401, "AUTH_REQUIRED"),
        (TOKEN.to_owned(), 401, "AUTH_REQUIRED"),
        (
            "Bearer secret-nonsense".to_owned(),
            401,
            "AUTH_INVALID_TOKEN",
        ),
        (format!("Bearer ns__{zeros}"), 401, "AUTH_INVALID_TOKEN"),
        (format!("Bearer {TOKEN}0"), 401, "AUTH_INVALID_TOKEN"),
        (format!("Bearer {unknown}"), 403, "AUTH_UNAUTHORIZED"),
        (format!("Bearer {wrong}"), 403, "AUTH_UNAUTHORIZED"),
    ] {
        for path in ["/rpc", "/subscribe?all=true", "/import"] {
            let answer = ask(&served, path, &token).await;
            let told = refused(&answer, status);
            assert_eq!(told.0, code, "{path} {token}");
            let details = &answer.json()["error"]["details"];
            assert_eq!(
                details["error"].is_string(),
                code == "AUTH_INVALID_TOKEN",
                "{token}"
            );
            assert_eq!(details["namespace"].is_string(), status == 403, "{token}");
            assert_eq!(answer.header("www-authenticate").is_empty(), status == 403);
            for secret in [
                "secret-nonsense",
                zeros.as_str(),
                unknown.as_str(),
                wrong.as_str(),
            ] {
                assert!(!answer.text().contains(secret), "{path} {token}");
            }
        }
    }
    let metrics = get(served.http, "/metrics").await;
    for secret in [
        "secret-nonsense",
        zeros.as_str(),
        unknown.as_str(),
        wrong.as_str(),
    ] {
        assert!(!metrics.text().contains(secret));
    }
}

#[tokio::test]
async fn the_token_of_the_address_wins() {
    let served = in_memory().await;
    let wrong = Token::random("default").reveal().to_owned();
    for (path, authorization, status) in [
        (format!("/rpc?token={TOKEN}"), String::new(), 200),
        (
            format!("/rpc?token={TOKEN}"),
            format!("Bearer {wrong}"),
            200,
        ),
        (
            format!("/rpc?token={wrong}"),
            format!("Bearer {TOKEN}"),
            403,
        ),
        ("/rpc?token=".to_owned(), format!("Bearer {TOKEN}"), 200),
        ("/rpc".to_owned(), format!("bearer {TOKEN}"), 200),
    ] {
        let answer = ask(&served, &path, &authorization).await;
        assert_eq!(answer.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_token_reaches_its_own_namespace_only() {
    let served = in_memory().await;
    let made = result(&served, r#"["ns.create", "own"]"#).await;
    let own = made["token"].as_str().unwrap();
    result(&served, r#"["ns.create", "foreign"]"#).await;
    for (body, status) in [
        (r#"["ns.create", "new"]"#, 403),
        (r#"["ns.list"]"#, 403),
        (r#"["ns.info", "foreign"]"#, 403),
        (r#"["ns.info", "default"]"#, 403),
        (r#"["ns.info", "not there"]"#, 403),
        (r#"["ns.delete", "foreign"]"#, 403),
        (r#"["ns.info", "own"]"#, 200),
        (r#"["ns.streams"]"#, 200),
        (r#"["ns.categories"]"#, 200),
        (r#"["stream.write", "a-1", {"type":"T","data":{}}]"#, 200),
        (r#"["ns.delete", "own"]"#, 200),
    ] {
        let answer = call_as(served.http, own, body).await;
        if status == 200 {
            answer.found();
            continue;
        }
        let (code, message) = refused(&answer, 403);
        assert_eq!(code, "AUTH_UNAUTHORIZED", "{body}");
        assert!(
            message.contains("default") && message.contains("API token"),
            "{message}"
        );
    }
    let foreign = result(&served, r#"["ns.info", "foreign"]"#).await;
    assert_eq!(foreign["messageCount"], 0);
}

#[tokio::test]
async fn the_server_s_own_token_is_an_administrator_s() {
    let settings = [("EVENTODB_TOKEN", TOKEN), ("API_TOKEN", API_TOKEN)];
    let served = serving::in_memory(&settings).await;
    // The event store has tokens of its own.
    result(&served, "[\"sys.version\"]").await;
    for (body, expected) in [
        (r#"["ns.create", "n"]"#, "createdAt"),
        (r#"["ns.info", "n"]"#, "messageCount"),
        (
            r#"["stream.write", "a-1", {"type":"T","data":{}}]"#,
            "globalPosition",
        ),
        (r#"["ns.delete", "n"]"#, "deletedAt"),
        (r#"["ns.delete", "default"]"#, "deletedAt"),
        // With `default` gone, it still administers.
        (r#"["ns.create", "default"]"#, "createdAt"),
    ] {
        let answer = call_as(served.http, API_TOKEN, body).await.found();
        assert!(!answer[expected].is_null(), "{body}: {answer}");
    }
    let (code, _) = refused(
        &call_as(served.http, "correct-horse-batterx", "[\"ns.list\"]").await,
        401,
    );
    assert_eq!(code, "AUTH_INVALID_TOKEN");
}

#[tokio::test]
async fn without_default_its_administrator_hears_what_is_missing() {
    let settings = [("EVENTODB_TOKEN", TOKEN), ("API_TOKEN", API_TOKEN)];
    let served = serving::in_memory(&settings).await;
    result(&served, r#"["ns.delete", "default"]"#).await;
    let (code, _) = refused(&call(&served, "[\"sys.version\"]").await, 403);
    assert_eq!(code, "AUTH_UNAUTHORIZED");
    let answer = call_as(served.http, API_TOKEN, r#"["stream.version", "a"]"#).await;
    assert_eq!(refused(&answer, 404).0, "NAMESPACE_NOT_FOUND");
}

async fn test_mode_asks_nobody_and_makes_what_is_missing(database: TestDatabase) {
    let served = serving::on(&database, &[("EVENTODB_TEST_MODE", "true")]).await;
    let write = r#"["stream.write", "a-1", {"type":"T","data":{}}]"#;
    let place = async |authorization: &str| -> Value {
        let headers = [("authorization", authorization)];
        let headers = if authorization.is_empty() {
            &headers[..0]
        } else {
            &headers[..]
        };
        post(served.http, "/rpc", headers, write).await.found()["position"].clone()
    };
    // All of these are `default`.
    let any = format!("Bearer {}", Token::random("default").reveal());
    for (index, authorization) in ["", "Bearer ", "Bearer nonsense", "Basic x", &any]
        .iter()
        .enumerate()
    {
        assert_eq!(place(authorization).await, json!(index), "{authorization}");
    }
    // One that is not there is made, by whoever is first.
    let token = format!("Bearer {}", Token::random("new").reveal());
    let places = futures_util::future::join_all((0..8).map(|_| place(&token))).await;
    let mut places: Vec<i64> = places.iter().map(|place| place.as_i64().unwrap()).collect();
    places.sort_unstable();
    assert_eq!(places, Vec::from_iter(0..8));
    // Another token of it opens it too.
    let other = format!("Bearer {}", Token::random("new").reveal());
    assert_eq!(place(&other).await, json!(8));
    let list = post(
        served.http,
        "/rpc",
        &[("authorization", other.as_str())],
        "[\"ns.list\"]",
    )
    .await;
    assert_eq!(list.found().as_array().unwrap().len(), 2);
}
