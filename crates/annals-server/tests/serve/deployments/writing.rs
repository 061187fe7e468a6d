//! What engines send is there as they sent it, once, or not at all.

use annals_testkit::{TestDatabase, on_every_backend};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use serde_json::json;

use super::{JSON, OTHER, WORKSPACE, ago, each, found, on, span, stored, with, write, written};
use crate::{
    client::{get, post},
    exports::{self, Packing, Road, attribute},
    serving,
};

on_every_backend!(
    a_span_comes_back_as_it_was_sent,
    otlp_in_either_form_and_packing_is_kept_whole,
    one_bad_span_stores_nothing_of_its_batch,
    the_same_again_changes_nothing_and_a_newer_version_takes_its_place,
    a_trace_of_another_workspace_is_refused,
    a_workspace_that_must_exist_and_does_not_takes_nothing,
    another_prefix_of_attributes_becomes_columns,
);

/// Both forms of OTLP/HTTP.
const FORMS: [Road; 2] = [Road::Protobuf, Road::Json];

async fn a_span_comes_back_as_it_was_sent(database: TestDatabase) {
    let served = on(&database).await;
    let deployment = "1c0b2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e";
    let sent = with(
        span("t", "s", 5_000),
        json!({
            "parent_span_id": "p", "phase": "planning", "node_type": "evaluation", "status": "failed",
            "message": "not approved by 2 of 3", "sequence": 4, "depth": 2, "release_target_key": "api/eu",
            "release_id": "r-1", "job_id": "j-1", "deployment_id": deployment, "trigger": "manual",
            "attributes": {"own": {"list": [1, 2.5, null, "x"]}, "big": 9_007_199_254_740_993_i64},
            "events": [{"name": "approver", "timestamp": ago(4_999), "attributes": {"approver": "alice"}}],
        }),
    );
    written(&served, WORKSPACE, std::slice::from_ref(&sent)).await;
    let read = found(&served, WORKSPACE, "/traces/t").await;
    let read = &read.as_array().unwrap()[..];
    let [read] = read else { panic!("{read:?}") };
    for name in [
        "trace_id",
        "span_id",
        "parent_span_id",
        "name",
        "start_time",
        "end_time",
        "phase",
        "node_type",
        "status",
        "message",
        "sequence",
        "depth",
        "release_target_key",
        "release_id",
        "job_id",
        "deployment_id",
        "trigger",
        "events",
    ] {
        assert_eq!(read[name], sent[name], "{name}");
    }
    assert_eq!(read["workspace_id"], WORKSPACE);
    assert_eq!(read["status_code"], "error");
    assert_eq!(read["duration_ms"], 1.0);
    assert_eq!(read["attributes"]["own"], sent["attributes"]["own"]);
    assert_eq!(read["attributes"]["big"], 9_007_199_254_740_993_i64);
    assert_eq!(read["attributes"]["ctrlplane.phase"], "planning");
    assert!(read["id"].is_string() && read["created_at"].is_string());
    for absent in ["revision", "parent_trace_id", "start_time_nanos"] {
        assert!(read.get(absent).is_none(), "{read}");
    }
}

async fn otlp_in_either_form_and_packing_is_kept_whole(database: TestDatabase) {
    let served = on(&database).await;
    let path = format!("/workspaces/{WORKSPACE}/spans");
    let mut trace = 0;
    for form in FORMS {
        for packing in Packing::ALL {
            trace += 1;
            let mut sent = exports::span(trace, 1);
            sent.name = "Approval Policy".to_owned();
            sent.attributes = [
                ("ctrlplane.phase", "planning"),
                ("ctrlplane.result", "allowed"),
            ]
            .map(|(key, text)| attribute(key, Any::StringValue(text.to_owned())))
            .to_vec();
            let mut running = exports::span(trace, 2);
            running.end_time_unix_nano = 0;
            running.parent_span_id = sent.span_id.clone();
            let headers = [
                ("content-type", form.media()),
                ("content-encoding", packing.name()),
            ];
            // The helper for JSON leaves parents out.
            let bytes = packing.pack(&form.encode(&[sent.clone(), running]));
            let answer = post(served.http, &path, &headers, bytes).await;
            assert_eq!(form.of_http(&answer).unwrap().rejected, 0, "{answer:?}");
            let id = exports::trace_id(trace);
            let read = found(&served, WORKSPACE, &format!("/traces/{id}")).await;
            let both = [hex::encode([1; 8]), hex::encode([2; 8])];
            let mut ids = each(&read, "span_id");
            ids.sort();
            assert_eq!(ids, both);
            let ended = read.as_array().unwrap().iter();
            let ended: Vec<_> = ended.filter(|span| span["end_time"].is_string()).collect();
            let [ended] = ended[..] else { panic!("{read}") };
            assert_eq!(ended["phase"], "planning");
            assert_eq!(ended["status"], "completed");
            assert_eq!(ended["attributes"]["ctrlplane.result"], "allowed");
            assert_eq!(ended["attributes"]["otel.resource"]["service.name"], "shop");
        }
    }
    assert_eq!(stored(&database).await, 12);
}

async fn one_bad_span_stores_nothing_of_its_batch(database: TestDatabase) {
    let served = on(&database).await;
    for bad in [
        json!({"trace_id": "t", "span_id": "s", "name": "n", "start_time": "soon"}),
        with(span("t", "bad", 10), json!({"phaze": "planning"})),
        with(span("t", "bad", 10), json!({"trace_id": ""})),
        with(span("t", "bad", 10), json!({"span_id": "x".repeat(1_000)})),
        with(
            span("t", "bad", 10),
            json!({"start_time": "1905-01-01T00:00:00Z"}),
        ),
        with(
            span("t", "bad", 10),
            json!({"attributes": {"ctrlplane.depth": "deep"}}),
        ),
    ] {
        let answer = write(&served, WORKSPACE, &[span("t", "good", 10), bad.clone()]).await;
        let error = answer.refusal(400);
        assert!(error.contains("nothing of this"), "{bad}: {error}");
    }
    let path = format!("/workspaces/{WORKSPACE}/spans");
    let mut bad = exports::span(1, 2);
    bad.span_id = vec![1; 3];
    for form in FORMS {
        let bytes = form.encode(&[exports::span(1, 1), bad.clone()]);
        let headers = [("content-type", form.media())];
        let answer = post(served.http, &path, &headers, bytes).await;
        let refused = form.of_http(&answer).unwrap_err();
        assert_eq!(
            (refused.http, refused.code),
            (Some(400), tonic::Code::InvalidArgument)
        );
        assert!(refused.message.contains("pans[1].span"), "{refused:?}");
        assert_eq!(refused.retry, None);
    }
    assert_eq!(stored(&database).await, 0);
    assert_eq!(database.number("SELECT count(*) FROM workspace").await, 0);
    assert_eq!(
        database
            .number("SELECT count(*) FROM deployment_trace")
            .await,
        0
    );
}

async fn the_same_again_changes_nothing_and_a_newer_version_takes_its_place(
    database: TestDatabase,
) {
    let served = on(&database).await;
    let start = ago(60_000);
    let version = |fields| {
        with(
            json!({"trace_id": "t", "span_id": "s", "name": "n", "start_time": start}),
            fields,
        )
    };
    let running = version(json!({"changes": 0}));
    let renamed = version(json!({"changes": 1, "name": "renamed"}));
    let ended = version(json!({"name": "done", "status": "completed", "end_time": ago(1_000)}));
    for (sent, name, status) in [
        (&running, "n", "running"),
        (&renamed, "renamed", "running"),
        (&running, "renamed", "running"),
        (&ended, "done", "completed"),
        (&ended, "done", "completed"),
        (&renamed, "done", "completed"),
    ] {
        written(&served, WORKSPACE, std::slice::from_ref(sent)).await;
        let read = found(&served, WORKSPACE, "/traces/t").await;
        assert_eq!(each(&read, "name"), [name]);
        assert_eq!(each(&read, "status"), [status]);
    }
    assert_eq!(stored(&database).await, 1);
}

async fn a_trace_of_another_workspace_is_refused(database: TestDatabase) {
    let served = on(&database).await;
    written(&served, OTHER, &[span("theirs", "a", 10)]).await;
    let sent = [span("mine", "a", 10), span("theirs", "b", 10)];
    let error = write(&served, WORKSPACE, &sent).await.refusal(403);
    assert!(error.contains("theirs"), "{error}");
    let named = with(
        span("mine", "a", 10),
        json!({"attributes": {"ctrlplane.workspace_id": OTHER}}),
    );
    let error = write(&served, WORKSPACE, &[named]).await.refusal(403);
    assert!(error.contains(OTHER), "{error}");
    assert_eq!(stored(&database).await, 1);
}

async fn a_workspace_that_must_exist_and_does_not_takes_nothing(database: TestDatabase) {
    let served = serving::on(&database, &[("DEPLOY_WORKSPACES", "must-exist")]).await;
    let error = write(&served, WORKSPACE, &[span("t", "a", 10)])
        .await
        .refusal(404);
    assert!(error.contains(WORKSPACE), "{error}");
    assert_eq!(stored(&database).await, 0);
    let body = json!({ "id": WORKSPACE }).to_string();
    assert_eq!(
        post(served.http, "/workspaces", &[JSON], body).await.status,
        201
    );
    written(&served, WORKSPACE, &[span("t", "a", 10)]).await;
}

async fn another_prefix_of_attributes_becomes_columns(database: TestDatabase) {
    let served = serving::on(&database, &[("DEPLOY_ATTRIBUTE_PREFIX", "acme.")]).await;
    let sent = with(
        span("t", "a", 10),
        json!({"phase": "planning", "attributes": {"acme.job_id": "j", "ctrlplane.release_id": "r"}}),
    );
    written(&served, WORKSPACE, &[sent]).await;
    let read = found(&served, WORKSPACE, "/traces/t")
        .await
        .as_array()
        .unwrap()[0]
        .clone();
    assert_eq!(
        (&read["phase"], &read["job_id"]),
        (&json!("planning"), &json!("j"))
    );
    assert_eq!(read["attributes"]["acme.phase"], "planning");
    assert!(read.get("release_id").is_none(), "{read}");
}

#[tokio::test]
async fn a_workspace_that_is_no_uuid_is_refused_by_name() {
    let served = super::in_memory().await;
    for id in ["production", "7f0c2a9e8d1b4b529d3f1f2a3b4c5d6e", "%7B%7D"] {
        let error = write(&served, id, &[]).await.refusal(400);
        assert!(error.contains("is no UUID"), "{error}");
        let path = format!("/workspaces/{id}/spans");
        let error = get(served.http, &path).await.refusal(400);
        assert!(error.contains("is no UUID"), "{error}");
    }
}

#[tokio::test]
async fn nothing_at_all_is_taken_too() {
    let served = super::in_memory().await;
    written(&served, WORKSPACE, &[]).await;
    let path = format!("/workspaces/{WORKSPACE}/spans");
    let headers = [("content-type", "application/x-protobuf")];
    let answer = post(served.http, &path, &headers, "").await;
    assert_eq!(Road::Protobuf.of_http(&answer).unwrap().rejected, 0);
}
