//! Nothing of one workspace is reached from another.

use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::json;

use super::{OTHER, WORKSPACE, each, found, on, span, token, with, write_under, written};
use crate::client::get;

on_every_backend!(
    no_question_reaches_another_workspace,
    a_cursor_of_one_workspace_opens_no_other,
);

async fn no_question_reaches_another_workspace(database: TestDatabase) {
    let served = on(&database).await;
    let fields = json!({
        "release_target_key": "api-eu", "release_id": "r-1", "job_id": "j-1", "deployment_id": "d-1",
        "trigger": "manual", "phase": "planning", "node_type": "decision", "status": "failed",
    });
    let theirs = [
        with(span("theirs", "root", 500), fields.clone()),
        with(
            span("theirs", "plan", 450),
            json!({"parent_span_id": "root", "phase": "planning", "node_type": "phase", "deployment_id": "d-1"}),
        ),
        with(
            span("theirs", "child", 400),
            json!({"parent_span_id": "root"}),
        ),
    ];
    written(&served, OTHER, &theirs).await;
    let linked = token(&served, OTHER, "theirs", "root", "j-1").await;
    let sent = write_under(&served, &linked, &[span("linked", "a", 100)]).await;
    assert_eq!(sent.found()["accepted"], 1);
    written(&served, WORKSPACE, &[span("mine", "a", 500)]).await;
    for path in [
        "/traces?deployment_id=d-1",
        "/traces?release_id=r-1",
        "/traces?release_target_key=api-eu",
        "/traces?job_id=j-1",
        "/traces?trigger=manual",
        "/traces/theirs/spans/root/children",
        "/spans?phase=planning",
        "/spans?deployment_id=d-1",
        "/releases/r-1/spans",
        "/release-targets/api-eu/spans",
        "/jobs/j-1/spans",
        "/failures",
        "/phases?deployment_id=d-1",
    ] {
        assert_eq!(found(&served, WORKSPACE, path).await, json!([]), "{path}");
        assert_ne!(found(&served, OTHER, path).await, json!([]), "{path}");
    }
    for path in ["/traces", "/spans", "/spans/roots"] {
        let read = found(&served, WORKSPACE, path).await;
        assert_eq!(each(&read, "trace_id"), ["mine"], "{path}");
    }
    let why = found(&served, WORKSPACE, "/release-targets/api-eu/why").await;
    assert!(why.is_null(), "{why}");
    for trace in ["theirs", "linked"] {
        for path in [format!("/traces/{trace}"), format!("/traces/{trace}/tree")] {
            get(served.http, &format!("/workspaces/{WORKSPACE}{path}"))
                .await
                .refusal(404);
            found(&served, OTHER, &path).await;
        }
    }
}

async fn a_cursor_of_one_workspace_opens_no_other(database: TestDatabase) {
    let served = on(&database).await;
    for workspace in [WORKSPACE, OTHER] {
        let trace = |n: u64| span(&format!("{workspace} {n}"), "a", 1_000 - n);
        written(&served, workspace, &[trace(1), trace(2), trace(3)]).await;
    }
    let page = get(served.http, &format!("/workspaces/{OTHER}/spans?limit=1")).await;
    let cursor = page.header("annals-next-cursor");
    assert_ne!(cursor, "");
    let path = format!("/workspaces/{WORKSPACE}/spans?limit=1&cursor={cursor}");
    let answer = get(served.http, &path).await;
    if answer.status == 200 {
        let mine = each(&answer.json(), "workspace_id");
        assert!(mine.iter().all(|id| id == WORKSPACE), "{mine:?}");
    } else {
        assert!(answer.refusal(400).contains("cursor"));
    }
}
