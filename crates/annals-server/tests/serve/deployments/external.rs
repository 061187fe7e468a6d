//! What an external system sends under a token hangs where the job is.

use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::{Value, json};

use super::{WORKSPACE, each, found, on, span, stored, token, with, write_under, written};
use crate::{
    client::post,
    exports::{self, Packing, Road},
    serving::Served,
};

on_every_backend!(
    spans_under_a_token_hang_under_the_job,
    spans_of_the_token_s_own_trace_stand_in_it,
    otlp_under_a_token_is_answered_in_its_words,
    the_trace_that_is_continued_cannot_be_changed,
    a_token_that_is_sent_along_is_not_stored,
);

/// A deployment with a job, and the job's token.
async fn deployed(served: &Served) -> String {
    let spans = [
        with(
            span("deploy", "root", 9_000),
            json!({"phase": "reconciliation", "node_type": "phase"}),
        ),
        with(
            span("deploy", "job", 8_000),
            json!({"parent_span_id": "root", "phase": "execution", "node_type": "action", "job_id": "j-1"}),
        ),
    ];
    written(served, WORKSPACE, &spans).await;
    token(served, WORKSPACE, "deploy", "job", "j-1").await
}

fn outline(nodes: &Value) -> String {
    let shown = nodes.as_array().unwrap().iter().map(|node| {
        let below = outline(&node["children"]);
        format!("{}({below})", node["span_id"].as_str().unwrap())
    });
    shown.collect::<Vec<_>>().join(" ")
}

async fn spans_under_a_token_hang_under_the_job(database: TestDatabase) {
    let served = on(&database).await;
    let token = deployed(&served).await;
    let steps = [
        span("ci", "workflow", 7_000),
        with(
            span("ci", "apply", 6_000),
            json!({"parent_span_id": "workflow"}),
        ),
        with(
            span("ci", "verify", 5_000),
            json!({"parent_span_id": "workflow", "phase": "action"}),
        ),
    ];
    for _ in 0..2 {
        let answer = write_under(&served, &token, &steps).await.found();
        assert_eq!(answer, json!({"accepted": 3}));
    }
    assert_eq!(stored(&database).await, 5);
    for trace in ["deploy", "ci"] {
        let tree = found(&served, WORKSPACE, &format!("/traces/{trace}/tree")).await;
        let shown = outline(&tree["roots"]);
        assert_eq!(shown, "root(job(workflow(apply() verify())))", "{trace}");
    }
    let read = found(&served, WORKSPACE, "/traces/ci").await;
    assert_eq!(each(&read, "phase"), ["external", "external", "action"]);
    assert_eq!(each(&read, "parent_trace_id"), ["deploy"; 3]);
    assert_eq!(each(&read, "job_id"), ["j-1"; 3]);
    assert_eq!(each(&read, "workspace_id"), [WORKSPACE; 3]);
}

async fn spans_of_the_token_s_own_trace_stand_in_it(database: TestDatabase) {
    let served = on(&database).await;
    let token = deployed(&served).await;
    let step = span("deploy", "step", 5_000);
    let answer = write_under(&served, &token, &[step]).await.found();
    assert_eq!(answer["accepted"], 1);
    let tree = found(&served, WORKSPACE, "/traces/deploy/tree").await;
    assert_eq!(outline(&tree["roots"]), "root(job(step()))");
    assert_eq!(stored(&database).await, 3);
}

async fn otlp_under_a_token_is_answered_in_its_words(database: TestDatabase) {
    let served = on(&database).await;
    let token = deployed(&served).await;
    let bearer = format!("Bearer {token}");
    let mut trace = 0;
    for form in [Road::Protobuf, Road::Json] {
        for packing in Packing::ALL {
            trace += 1;
            let headers = [
                ("authorization", bearer.as_str()),
                ("content-type", form.media()),
                ("content-encoding", packing.name()),
            ];
            let bytes = packing.pack(&form.encode(&[exports::span(trace, 1)]));
            let answer = post(served.http, "/api/traces/spans", &headers, bytes).await;
            assert_eq!(form.of_http(&answer).unwrap().rejected, 0, "{answer:?}");
        }
    }
    let tree = found(&served, WORKSPACE, "/traces/deploy/tree").await;
    let below = &tree["roots"][0]["children"][0]["children"];
    assert_eq!(each(below, "phase"), ["external"; 6]);
}

async fn the_trace_that_is_continued_cannot_be_changed(database: TestDatabase) {
    let served = on(&database).await;
    let token = deployed(&served).await;
    written(&served, WORKSPACE, &[span("unrelated", "a", 9_000)]).await;
    let before = found(&served, WORKSPACE, "/traces/deploy").await;
    for (sent, told) in [
        (span("deploy", "job", 1_000), "job"),
        (span("deploy", "root", 1_000), "root"),
        (span("unrelated", "b", 1_000), "unrelated"),
        (
            with(
                span("ci", "x", 1_000),
                json!({"attributes": {"ctrlplane.parent_trace_id": "unrelated"}}),
            ),
            "unrelated",
        ),
    ] {
        let fine = span("ci", "fine", 1_000);
        let error = write_under(&served, &token, &[fine, sent])
            .await
            .refusal(403);
        assert!(error.contains(told), "{error}");
        assert!(
            error.contains("nothing of this batch was stored"),
            "{error}"
        );
    }
    assert_eq!(stored(&database).await, 3);
    assert_eq!(found(&served, WORKSPACE, "/traces/deploy").await, before);
}

async fn a_token_that_is_sent_along_is_not_stored(database: TestDatabase) {
    let served = on(&database).await;
    let token = deployed(&served).await;
    let leaky = with(
        span("ci", "a", 1_000),
        json!({
            "name": format!("curl {token}"), "message": token, "job_id": token,
            "attributes": {"env": {"TOKENS": [token]}, (token.as_str()): 1},
            "events": [{"name": token, "timestamp": "2026-01-31T09:30:00Z", "attributes": {"t": token}}],
        }),
    );
    let answer = write_under(&served, &token, &[leaky]).await;
    assert_eq!(answer.found()["accepted"], 1);
    let read = found(&served, WORKSPACE, "/traces/ci").await.to_string();
    for part in token.split('.') {
        assert!(!read.contains(part), "{read}");
    }
    // As an id it could not be taken out without making it another's.
    let id = with(span("ci", "b", 1_000), json!({"parent_span_id": token}));
    let refused = write_under(&served, &token, &[id]).await;
    let error = refused.refusal(400);
    assert!(!error.contains(&token), "{error}");
    assert_eq!(stored(&database).await, 3);
}
