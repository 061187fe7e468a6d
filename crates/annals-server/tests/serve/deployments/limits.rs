//! What is too much, too large or of another kind, and what is too slow.

use annals_server::Stop;
use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::{Value, json};

use super::{
    JSON, SECRET, WORKSPACE, ago, found, in_memory, on, span, stored, token, with, write,
    write_under, written,
};
use crate::{
    client::{get, post, request, send, whole},
    exports::{self, Packing, Road},
    serving,
};

on_every_backend!(
    ten_thousand_spans_are_taken_and_one_more_is_not,
    a_chain_of_many_spans_is_a_tree_that_can_be_read,
    what_is_not_committed_in_time_is_taken_back,
    a_stop_reports_what_became_of_spans,
);

fn many(number: u64) -> Vec<Value> {
    (0..number)
        .map(|n| span("t", &n.to_string(), 20_000 - n))
        .collect()
}

async fn ten_thousand_spans_are_taken_and_one_more_is_not(database: TestDatabase) {
    let served = on(&database).await;
    let error = write(&served, WORKSPACE, &many(10_001)).await.refusal(413);
    assert!(error.contains("10,000"), "{error}");
    let under = token(&served, WORKSPACE, "deploy", "job", "").await;
    write_under(&served, &under, &many(10_001))
        .await
        .refusal(413);
    assert_eq!(stored(&database).await, 0);
    written(&served, WORKSPACE, &many(10_000)).await;
    assert_eq!(stored(&database).await, 10_000);
}

async fn a_chain_of_many_spans_is_a_tree_that_can_be_read(database: TestDatabase) {
    let served = on(&database).await;
    let mut chain = many(5_000);
    for (n, link) in chain.iter_mut().enumerate().skip(1) {
        link["parent_span_id"] = json!((n - 1).to_string());
    }
    written(&served, WORKSPACE, &chain).await;
    let answer = get(
        served.http,
        &format!("/workspaces/{WORKSPACE}/traces/t/tree"),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    // No reader of JSON goes as deep.
    let text = answer.text();
    assert_eq!(text.matches("\"depth_in_tree\":").count(), 5_000);
    assert!(text.contains("\"depth_in_tree\":4999,"));
    assert_eq!(text.matches('{').count(), text.matches('}').count());
}

async fn what_is_not_committed_in_time_is_taken_back(database: TestDatabase) {
    let settings = [("INGEST_TIMEOUT", "1s"), ("TRACE_TOKEN_SECRET", SECRET)];
    let served = serving::on(&database, &settings).await;
    let under = token(&served, WORKSPACE, "deploy", "job", "").await;
    let sent = [span("t", "a", 10), span("t", "b", 10)];
    let external = [span("ci", "a", 10)];
    let lock = database.lock_table("deployment_trace_span").await;
    for answer in [
        write(&served, WORKSPACE, &sent).await,
        write_under(&served, &under, &external).await,
    ] {
        let error = answer.refusal(503);
        assert!(error.contains("send the same again"), "{error}");
        assert_ne!(answer.header("retry-after"), "");
    }
    let path = format!("/workspaces/{WORKSPACE}/spans");
    let headers = [("content-type", Road::Protobuf.media())];
    let bytes = Road::Protobuf.encode(&[exports::span(1, 1)]);
    let answer = post(served.http, &path, &headers, bytes).await;
    let refused = Road::Protobuf.of_http(&answer).unwrap_err();
    refused.assert_retriable(503, tonic::Code::Unavailable);
    lock.release().await;
    serving::eventually("they are taken", async || {
        let taken = write(&served, WORKSPACE, &sent).await.status == 200;
        taken && write_under(&served, &under, &external).await.status == 200
    })
    .await;
    let read = found(&served, WORKSPACE, "/traces/t").await;
    assert_eq!(read.as_array().unwrap().len(), 2);
}

async fn a_stop_reports_what_became_of_spans(database: TestDatabase) {
    let served = on(&database).await;
    written(&served, WORKSPACE, &many(3)).await;
    served.tell(Stop::Drain);
    let report = served.end().await;
    assert_eq!(
        (report.deployments.committed, report.deployments.held),
        (3, 0)
    );
    assert_eq!(report.lost(), 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_packed_or_not() {
    let settings = [
        ("MAX_REQUEST_BYTES", "64KiB"),
        ("TRACE_TOKEN_SECRET", SECRET),
    ];
    let served = serving::in_memory(&settings).await;
    let under = token(&served, WORKSPACE, "deploy", "job", "").await;
    let bearer = format!("Bearer {under}");
    let large = vec![b' '; (64 << 10) + 1];
    for packing in Packing::ALL {
        for path in [
            format!("/workspaces/{WORKSPACE}/spans"),
            "/api/traces/spans".to_owned(),
        ] {
            let headers = [
                JSON,
                ("content-encoding", packing.name()),
                ("authorization", &bearer),
            ];
            let answer = post(served.http, &path, &headers, packing.pack(&large)).await;
            assert!(answer.refusal(413).contains("MAX_REQUEST_BYTES"));
        }
    }
}

#[tokio::test]
async fn what_is_not_spoken_is_refused() {
    let served = in_memory().await;
    let path = format!("/workspaces/{WORKSPACE}/spans");
    for headers in [
        &[][..],
        &[("content-type", "text/csv")],
        &[("content-type", "application/x-ndjson")],
        &[JSON, ("content-encoding", "br")],
    ] {
        let answer = post(served.http, &path, headers, "{\"spans\": []}").await;
        assert!(answer.refusal(415).contains("Content-"), "{headers:?}");
    }
    for (method, path, told) in [
        ("PUT", "/workspaces", "GET or POST"),
        ("POST", "/workspaces/x", "GET or DELETE"),
        ("DELETE", "/workspaces/x/spans", "GET or POST"),
        ("GET", "/workspaces/x/tokens", "send POST"),
        ("POST", "/workspaces/x/traces", "send GET"),
        ("GET", "/api/traces/spans", "send POST"),
    ] {
        let sent = request(method.parse().unwrap(), path, &[], whole(""));
        let answer = send(served.http, sent).await;
        assert!(answer.refusal(405).contains(told), "{method} {path}");
        assert_ne!(answer.header("allow"), "", "{method} {path}");
    }
    let answer = post(
        served.http,
        &format!("{path}?force=1"),
        &[JSON],
        "{\"spans\": []}",
    )
    .await;
    assert!(answer.refusal(400).contains("force"));
}

#[tokio::test]
async fn more_attributes_than_are_allowed_or_deeper_ones_are_refused() {
    let settings = [("MAX_ATTRIBUTES", "3"), ("MAX_ATTRIBUTE_DEPTH", "2")];
    let served = serving::in_memory(&settings).await;
    let sent = |attributes: Value| [with(span("t", "a", 10), json!({"attributes": attributes}))];
    for (attributes, told) in [
        (json!({"a": [1, 2, 3]}), "MAX_ATTRIBUTES"),
        (json!({"a": [[[]]]}), "deeper than 2"),
    ] {
        let error = write(&served, WORKSPACE, &sent(attributes))
            .await
            .refusal(400);
        assert!(error.contains(told), "{error}");
    }
    let event =
        json!({"name": "e", "timestamp": ago(5), "attributes": {"a": 1, "b": 2, "c": 3, "d": 4}});
    let many = with(span("t", "a", 10), json!({"events": [event]}));
    let error = write(&served, WORKSPACE, &[many]).await.refusal(400);
    assert!(error.contains("events[0]"), "{error}");
    written(&served, WORKSPACE, &sent(json!({"a": [[]]}))).await;
}
