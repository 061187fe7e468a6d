//! Nothing of another workspace can be reached, by whatever question.

use annals_deploy::{
    Asked, DeploymentSpan, Deployments, Error, SpanFilter, TraceFilter, WorkspaceReads,
};
use annals_record::Timestamp;
use annals_testkit::{TestDatabase, on_every_backend};

use super::model::{SECOND, before, began, written};
use crate::support::{deployments, end, id, row};

on_every_backend!(
    every_question_in_one_workspace_tells_nothing_of_another,
    a_trace_of_another_workspace_that_claims_ours_as_its_parent_is_no_part_of_our_tree,
    a_parent_in_another_workspace_is_not_climbed_to,
    a_link_by_way_of_another_workspace_leads_nowhere,
);

/// A failed deployment of a workspace, under keys that every workspace has.
fn failure(workspace: i64) -> Vec<DeploymentSpan> {
    let now = Timestamp::now();
    let trace = format!("trace-{workspace}");
    let kinds = [
        ("phase", "root"),
        ("evaluation", "rule"),
        ("decision", "no"),
    ];
    let spans = kinds.into_iter().enumerate().map(|(n, (kind, name))| {
        let mut span = end(row(workspace, &trace, name, 0), 1);
        span = began(span, before(now, SECOND * (10 - n as i64)));
        span.end_time = Some(before(now, SECOND));
        span.name = format!("{name} of {workspace}");
        span.parent_span_id = (n > 0).then(|| "root".to_owned());
        span.node_type = Some(kind.to_owned());
        span.status = Some("failed".to_owned());
        span.release_target_key = Some("key".to_owned());
        span.release_id = Some("release".to_owned());
        span.job_id = Some("job".to_owned());
        span.deployment_id = Some("deployment".to_owned());
        span
    });
    spans.collect()
}

/// Everything that a workspace answers, as text.
async fn told(reads: WorkspaceReads<'_>) -> String {
    let asked = Asked::default;
    let spans = SpanFilter::default();
    let traces = TraceFilter {
        deployment_id: Some("deployment".to_owned()),
        ..TraceFilter::default()
    };
    format!(
        "{:?}",
        (
            reads.of_release("release", asked()).await.unwrap().rows,
            reads.of_release_target("key", asked()).await.unwrap().rows,
            reads.of_job("job", asked()).await.unwrap().rows,
            reads.spans(spans, asked()).await.unwrap().rows,
            reads.roots(asked()).await.unwrap().rows,
            reads.traces(traces, asked()).await.unwrap().rows,
            reads.failed(asked()).await.unwrap().rows,
            reads.why_not_deployed("key").await.unwrap(),
            reads.phases(Some("deployment"), asked()).await.unwrap(),
        )
    )
}

async fn every_question_in_one_workspace_tells_nothing_of_another(database: TestDatabase) {
    let deployments = deployments(&database).await;
    written(&deployments, &failure(1)).await;
    let alone = told(deployments.workspace(id(1))).await;
    assert!(alone.contains("no of 1"));
    let nothing = told(deployments.workspace(id(2))).await;
    assert!(!nothing.contains("trace-"), "{nothing}");

    written(&deployments, &failure(2)).await;
    assert_eq!(told(deployments.workspace(id(1))).await, alone);
    let two = told(deployments.workspace(id(2))).await;
    assert!(two.contains("trace-2") && !two.contains("trace-1"), "{two}");
    for (workspace, trace) in [(1, "trace-2"), (2, "trace-1"), (3, "trace-1")] {
        let reads = deployments.workspace(id(workspace));
        assert!(matches!(
            reads.trace(trace).await,
            Err(Error::NoSuchTrace { .. })
        ));
        assert!(matches!(
            reads.tree(trace).await,
            Err(Error::NoSuchTrace { .. })
        ));
        assert!(reads.children(trace, "root").await.unwrap().is_empty());
    }
}

fn linked(workspace: i64, trace: &str, parent: &str, millis: i64) -> DeploymentSpan {
    let mut span = row(workspace, trace, "s", millis);
    span.parent_span_id = Some("s".to_owned());
    span.parent_trace_id = Some(parent.to_owned());
    span
}

async fn tree(deployments: &Deployments, workspace: i64, trace: &str) -> Vec<String> {
    let tree = deployments
        .workspace(id(workspace))
        .tree(trace)
        .await
        .unwrap();
    tree.walk().map(|node| node.span.trace_id.clone()).collect()
}

async fn a_trace_of_another_workspace_that_claims_ours_as_its_parent_is_no_part_of_our_tree(
    database: TestDatabase,
) {
    let deployments = deployments(&database).await;
    written(&deployments, &[row(1, "ours", "s", 0)]).await;
    written(&deployments, &[linked(2, "theirs", "ours", 1)]).await;
    assert_eq!(tree(&deployments, 1, "ours").await, ["ours"]);
    let children = deployments.workspace(id(1)).children("ours", "s").await;
    assert!(children.unwrap().is_empty());
}

async fn a_parent_in_another_workspace_is_not_climbed_to(database: TestDatabase) {
    let deployments = deployments(&database).await;
    written(&deployments, &[row(1, "ours", "s", 0)]).await;
    written(&deployments, &[linked(2, "theirs", "ours", 1)]).await;
    assert_eq!(tree(&deployments, 2, "theirs").await, ["theirs"]);
}

async fn a_link_by_way_of_another_workspace_leads_nowhere(database: TestDatabase) {
    let deployments = deployments(&database).await;
    written(&deployments, &[row(1, "ours", "s", 0)]).await;
    written(&deployments, &[linked(2, "theirs", "ours", 1)]).await;
    written(&deployments, &[linked(1, "below", "theirs", 2)]).await;
    assert_eq!(tree(&deployments, 1, "ours").await, ["ours"]);
    assert_eq!(tree(&deployments, 1, "below").await, ["below"]);
}
