//! Tokens that are refused, each in its own words, with nothing stored.

use std::time::Duration;

use annals_deploy::{Claims, TokenKeys};
use annals_record::Timestamp;
use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::json;

use super::{JSON, OTHER, SECRET, WORKSPACE, on, span, stored, token, with, write_under, written};
use crate::{
    client::{Answer, post, request, send, whole},
    exports::{self, Road},
    serving::{self, Served},
};

on_every_backend!(
    every_kind_of_bad_token_is_refused_in_its_own_words,
    a_token_of_one_workspace_reaches_no_other,
    without_a_secret_there_are_no_tokens,
    an_old_secret_still_verifies_and_signs_nothing_new,
);

fn claims(life: Duration, now: Timestamp) -> Claims {
    let workspace = WORKSPACE.parse().unwrap();
    Claims::lasting("deploy", "job", "j-1", workspace, life, now)
}

fn signed(secret: &str, claims: &Claims) -> String {
    let keys = TokenKeys::new(secret).unwrap();
    keys.sign(claims).as_str().to_owned()
}

const HOUR: Duration = Duration::from_secs(3_600);

/// A refusal as 401 that repeats nothing of the token.
fn refused(answer: &Answer, token: &str) -> String {
    let error = answer.refusal(401);
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    for part in token.split('.').filter(|part| part.len() > 8) {
        assert!(!format!("{answer:?}").contains(part), "{answer:?}");
    }
    error
}

async fn every_kind_of_bad_token_is_refused_in_its_own_words(database: TestDatabase) {
    let served = on(&database).await;
    let good = token(&served, WORKSPACE, "deploy", "job", "j-1").await;
    let now = Timestamp::now();
    let expired = signed(SECRET, &claims(HOUR, now - HOUR - HOUR));
    let foreign_key = signed("the secret of somebody else", &claims(HOUR, now));
    let (payload, signature) = good.split_once('.').unwrap();
    let (other_payload, _) = expired.split_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let tampered = format!("{payload}.{flipped}{}", &signature[1..]);
    let stolen = format!("{other_payload}.{signature}");
    for (token, told) in [
        (expired.as_str(), "token expired"),
        (&tampered, "invalid signature"),
        (&stolen, "invalid signature"),
        (&foreign_key, "invalid signature: no key"),
        ("nonsense", "invalid token format"),
        (&format!("{good}.more"), "invalid token format"),
        ("ÄÖ.x", "brings no trace token"),
        ("!!.!!", "invalid payload encoding"),
    ] {
        let spans = [span("ci", "a", 10)];
        let error = refused(&write_under(&served, token, &spans).await, token);
        assert!(
            error.starts_with(told) || error.contains(told),
            "{told}: {error}"
        );
        assert_eq!(stored(&database).await, 0);
    }
    assert_eq!(database.number("SELECT count(*) FROM workspace").await, 0);
    let answer = write_under(&served, &good, &[span("ci", "a", 10)]).await;
    assert_eq!(answer.found()["accepted"], 1);
    assert_eq!(stored(&database).await, 1);
}

async fn a_token_of_one_workspace_reaches_no_other(database: TestDatabase) {
    let served = on(&database).await;
    written(&served, OTHER, &[span("theirs", "a", 10)]).await;
    let mine = token(&served, WORKSPACE, "deploy", "job", "j-1").await;
    let named = with(
        span("ci", "a", 10),
        json!({"attributes": {"ctrlplane.workspace_id": OTHER}}),
    );
    for (sent, told) in [(named, OTHER), (span("theirs", "b", 10), "theirs")] {
        let error = write_under(&served, &mine, &[span("ci", "z", 10), sent]).await;
        let error = error.refusal(403);
        assert!(error.contains(told), "{error}");
    }
    // A token of my workspace for their trace: it is theirs still.
    let crossed = token(&served, WORKSPACE, "theirs", "a", "").await;
    let answer = write_under(&served, &crossed, &[span("theirs", "c", 10)]).await;
    answer.refusal(403);
    assert_eq!(stored(&database).await, 1);
}

async fn without_a_secret_there_are_no_tokens(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let told = "there are no trace tokens without a secret: set TRACE_TOKEN_SECRET";
    let stray = signed(SECRET, &claims(HOUR, Timestamp::now()));
    let answer = write_under(&served, &stray, &[span("ci", "a", 10)]).await;
    assert_eq!(refused(&answer, &stray), told);
    let path = format!("/workspaces/{WORKSPACE}/tokens");
    let body = json!({"trace_id": "t", "span_id": "s"}).to_string();
    let answer = post(served.http, &path, &[JSON], body).await;
    assert_eq!(answer.refusal(401), told);
    assert_eq!(stored(&database).await, 0);
}

async fn an_old_secret_still_verifies_and_signs_nothing_new(database: TestDatabase) {
    let settings = [
        ("TRACE_TOKEN_SECRET", "the new secret of this server"),
        ("TRACE_TOKEN_OLD_SECRETS", SECRET),
    ];
    let served = serving::on(&database, &settings).await;
    let old = signed(SECRET, &claims(HOUR, Timestamp::now()));
    let answer = write_under(&served, &old, &[span("ci", "a", 10)]).await;
    assert_eq!(answer.found()["accepted"], 1);
    let new = token(&served, WORKSPACE, "deploy", "job", "j-1").await;
    let now = Timestamp::now();
    assert!(TokenKeys::new(SECRET).unwrap().verify(&new, now).is_err());
    let keys = TokenKeys::new(settings[0].1).unwrap();
    assert_eq!(keys.verify(&new, now).unwrap().job_id, "j-1");
}

async fn with_headers(served: &Served, headers: &[(&str, &str)]) -> Answer {
    let body = json!({"spans": [span("ci", "a", 10)]}).to_string();
    let sent = request(
        http::Method::POST,
        "/api/traces/spans",
        headers,
        whole(body),
    );
    send(served.http, sent).await
}

#[tokio::test]
async fn a_header_that_brings_no_token_is_refused_with_the_way_out() {
    let served = super::in_memory().await;
    let good = token(&served, WORKSPACE, "deploy", "job", "j-1").await;
    let bearer = format!("Bearer {good}");
    let basic = format!("Basic {good}");
    for (headers, told) in [
        (&[][..], "no trace token"),
        (
            &[
                ("authorization", bearer.as_str()),
                ("authorization", &bearer),
            ],
            "more than one",
        ),
        (&[("authorization", basic.as_str())], "Bearer TOKEN"),
        (&[("authorization", good.as_str())], "Bearer TOKEN"),
        (&[("authorization", "Bearer")], "Bearer TOKEN"),
        (&[("authorization", "")], "Bearer TOKEN"),
    ] {
        // What is wrong with the token is said before what is wrong with the rest.
        for media in [Some(JSON), Some(("content-type", "text/plain")), None] {
            let headers: Vec<_> = headers.iter().copied().chain(media).collect();
            let error = refused(&with_headers(&served, &headers).await, &good);
            assert!(error.contains(told), "{told}: {error}");
        }
    }
    let odd = [
        ("authorization", bearer.as_str()),
        ("content-type", "text/plain"),
    ];
    let odd = with_headers(&served, &odd).await;
    assert!(odd.refusal(415).contains("Content-Type"));
    assert_eq!(
        with_headers(&served, &[("authorization", &bearer), JSON])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn otlp_in_protobuf_hears_of_its_token_in_protobuf() {
    let served = super::in_memory().await;
    let bytes = Road::Protobuf.encode(&[exports::span(1, 1)]);
    let headers = [
        ("authorization", "Bearer a.b"),
        ("content-type", Road::Protobuf.media()),
    ];
    let answer = post(served.http, "/api/traces/spans", &headers, bytes).await;
    let refused = Road::Protobuf.of_http(&answer).unwrap_err();
    assert_eq!(
        (refused.http, refused.code),
        (Some(401), tonic::Code::Unauthenticated)
    );
    assert!(refused.message.contains("invalid payload"), "{refused:?}");
}
