//! Making tokens.

use annals_deploy::TokenKeys;
use annals_record::Timestamp;
use serde_json::{Value, json};

use super::{JSON, SECRET, WORKSPACE, in_memory};
use crate::{
    client::{Answer, post},
    serving::{self, Served},
};

async fn asked(served: &Served, body: &Value) -> Answer {
    let path = format!("/workspaces/{WORKSPACE}/tokens");
    post(served.http, &path, &[JSON], body.to_string()).await
}

#[tokio::test]
async fn a_token_says_what_was_asked_for_and_lives_as_long_as_was_asked() {
    let served = in_memory().await;
    let keys = TokenKeys::new(SECRET).unwrap();
    for (asked_for, hours) in [(None, 24), (Some("1h"), 1), (Some("7d"), 168)] {
        let mut body = json!({"trace_id": "a:b.c/d", "span_id": "s%", "job_id": "j:1"});
        if let Some(text) = asked_for {
            body["expires_in"] = json!(text);
        }
        let now = Timestamp::now();
        let made = asked(&served, &body).await.found();
        let claims = keys.verify(made["token"].as_str().unwrap(), now).unwrap();
        assert_eq!(
            (claims.trace_id.as_str(), claims.span_id.as_str()),
            ("a:b.c/d", "s%")
        );
        assert_eq!(claims.job_id, "j:1");
        assert_eq!(claims.workspace.to_string(), WORKSPACE);
        assert_eq!(claims.expires_at.to_string(), made["expires_at"]);
        let life = claims.expires_at.duration_since(now).as_secs();
        assert!(
            (hours * 3_600..hours * 3_600 + 60).contains(&life),
            "{life}"
        );
    }
}

#[tokio::test]
async fn what_no_token_can_say_is_refused_by_name() {
    let served = in_memory().await;
    let long = "x".repeat(1_000);
    for (body, told) in [
        (json!({"span_id": "s"}), "trace_id"),
        (json!({"trace_id": "t"}), "span_id"),
        (json!({"trace_id": "", "span_id": "s"}), "trace_id"),
        (json!({"trace_id": "t", "span_id": long}), "span_id"),
        (
            json!({"trace_id": "t", "span_id": "s", "job_id": long}),
            "job_id",
        ),
        (
            json!({"trace_id": "t", "span_id": "s", "expires_in": "0s"}),
            "expires_in",
        ),
        (
            json!({"trace_id": "t", "span_id": "s", "expires_in": "soon"}),
            "expires_in",
        ),
        (
            json!({"trace_id": "t", "span_id": "s", "expires_in": "1000d"}),
            "expires_in",
        ),
        (
            json!({"trace_id": "t", "span_id": "s", "life": "1h"}),
            "life",
        ),
        (json!([]), "no JSON object"),
    ] {
        let error = asked(&served, &body).await.refusal(400);
        assert!(error.contains(told), "{body}: {error}");
    }
    let body = json!({"trace_id": "t", "span_id": "s"}).to_string();
    let error = post(served.http, "/workspaces/x/tokens", &[JSON], body)
        .await
        .refusal(400);
    assert!(error.contains("is no UUID"), "{error}");
}

#[tokio::test]
async fn of_a_workspace_that_must_exist_there_is_no_token_before() {
    let settings = [
        ("TRACE_TOKEN_SECRET", SECRET),
        ("DEPLOY_WORKSPACES", "must-exist"),
    ];
    let served = serving::in_memory(&settings).await;
    let body = json!({"trace_id": "t", "span_id": "s"});
    let error = asked(&served, &body).await.refusal(404);
    assert!(error.contains(WORKSPACE), "{error}");
    let workspace = json!({"id": WORKSPACE}).to_string();
    assert_eq!(
        post(served.http, "/workspaces", &[JSON], workspace)
            .await
            .status,
        201
    );
    asked(&served, &body).await.found();
}
