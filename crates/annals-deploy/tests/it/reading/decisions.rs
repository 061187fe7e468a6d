//! What was decided against, and why a target is not deployed.

use annals_deploy::{Asked, DeploymentSpan, FailedDeployment, WorkspaceReads};
use annals_record::Timestamp;
use annals_testkit::{TestDatabase, on_every_backend};

use super::model::{DAY, SECOND, before, began, drawn, listed, paged, written};
use crate::support::{deployments, id, row};

on_every_backend!(
    failed_deployments_are_those_of_a_model_each_trace_once,
    a_trace_that_fails_anew_while_pages_are_turned_is_not_told_twice,
    a_decision_is_told_in_its_message_or_else_its_name,
    a_target_is_blocked_by_its_latest_decision_and_what_failed_before_it,
    the_latest_decision_decides_whatever_the_one_before_said,
    of_two_decisions_at_once_the_later_in_the_trace_decides,
    what_is_older_than_90_days_blocks_nothing,
    a_reconciliation_without_a_decision_blocks_nothing,
    a_decision_without_a_phase_has_the_reasons_without_one,
);

fn is_against(span: &DeploymentSpan) -> bool {
    span.status.as_deref() == Some("failed") && span.node_type.as_deref() == Some("decision")
}

fn told(span: &DeploymentSpan) -> (String, Timestamp, Option<String>) {
    let key = span.release_target_key.clone();
    (span.trace_id.clone(), span.start_time, key)
}

fn heard(failed: &FailedDeployment) -> (String, Timestamp, Option<String>) {
    let key = failed.release_target_key.clone();
    (failed.trace_id.clone(), failed.decided_at, key)
}

async fn failed_deployments_are_those_of_a_model_each_trace_once(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let spans = drawn(Timestamp::now(), 900);
    written(&deployments, &spans).await;
    for workspace in [1, 2, 3] {
        let reads = deployments.workspace(id(workspace));
        let weeks = Asked {
            since: Some(before(Timestamp::now(), 200 * DAY)),
            ..Asked::default()
        };
        for asked in [Asked::default(), weeks] {
            let whole = Asked {
                limit: Some(1_000),
                ..asked.clone()
            };
            let page = reads.failed(whole).await.unwrap();
            let mut expected = listed(&spans, workspace, &page, is_against);
            let all = expected.len();
            let mut traces = std::collections::HashSet::new();
            expected.retain(|span| traces.insert(span.trace_id.clone()));
            assert!(expected.len() > 5 && expected.len() < all);
            let expected: Vec<_> = expected.iter().map(told).collect();
            let found: Vec<_> = page.rows.iter().map(heard).collect();
            assert_eq!(found, expected);
            for limit in [1, 4] {
                // The window of the page before, so that the model's is this one.
                let asked = Asked {
                    since: Some(page.since),
                    until: Some(page.until),
                    ..Asked::default()
                };
                let rows = paged(asked, limit, |asked| reads.failed(asked), async || {}).await;
                let found: Vec<_> = rows.iter().map(heard).collect();
                assert_eq!(found, expected, "by {limit}");
            }
        }
    }
}

/// A decision about a target, so many seconds ago.
fn decision(trace: &str, status: &str, seconds: i64) -> DeploymentSpan {
    let mut span = row(1, trace, &format!("d{seconds}"), 0);
    span = began(span, before(Timestamp::now(), seconds * SECOND));
    span.node_type = Some("decision".to_owned());
    span.status = Some(status.to_owned());
    span.release_target_key = Some("k".to_owned());
    span
}

async fn a_trace_that_fails_anew_while_pages_are_turned_is_not_told_twice(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let first: Vec<_> = (0..10)
        .map(|n| decision(&format!("t{n}"), "failed", 1_000 + n))
        .collect();
    written(&deployments, &first).await;
    let reads = deployments.workspace(id(1));
    let anew = [decision("t1", "failed", 500)];
    let rows = paged(
        Asked::default(),
        3,
        |asked| reads.failed(asked),
        async || written(&deployments, &anew).await,
    )
    .await;
    let mut traces: Vec<&str> = rows.iter().map(|row| &*row.trace_id).collect();
    assert_eq!(traces.len(), 10);
    traces.dedup();
    assert_eq!(traces.len(), 10);
    let newest = reads.failed(Asked::default()).await.unwrap();
    assert_eq!(newest.rows[0].trace_id, "t1");
    assert_eq!(newest.rows.len(), 10);
}

async fn a_decision_is_told_in_its_message_or_else_its_name(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let mut with = decision("a", "failed", 1);
    with.message = Some("no approval".to_owned());
    with.deployment_id = Some("dep".to_owned());
    let mut without = decision("b", "failed", 2);
    without.name = "Rejected".to_owned();
    let mut empty = decision("c", "failed", 3);
    empty.name = "Rejected too".to_owned();
    empty.message = Some(String::new());
    written(&deployments, &[with, without, empty]).await;
    let page = deployments.workspace(id(1)).failed(Asked::default()).await;
    let rows = page.unwrap().rows;
    let words: Vec<&str> = rows.iter().map(|row| &*row.message).collect();
    assert_eq!(words, ["no approval", "Rejected", "Rejected too"]);
    assert_eq!(rows[0].deployment_id.as_deref(), Some("dep"));
    assert_eq!(rows[0].phase.as_deref(), Some("planning"));
}

/// An evaluation or a check, so many seconds ago.
fn reason(trace: &str, kind: &str, status: &str, seconds: i64) -> DeploymentSpan {
    let mut span = decision(trace, status, seconds);
    span.span_id = format!("{kind}-{seconds}");
    span.node_type = Some(kind.to_owned());
    span.message = Some(format!("{kind} {seconds}"));
    // Only the decision has to name its target.
    span.release_target_key = None;
    began(span.clone(), span.start_time)
}

async fn reasons(reads: WorkspaceReads<'_>) -> Option<String> {
    let blocked = reads.why_not_deployed("k").await.unwrap()?;
    assert_eq!(blocked.trace_id, blocked.decision.trace_id);
    let mut words = vec![blocked.decision.span_id.clone()];
    let messages = blocked
        .blocked_by
        .iter()
        .filter_map(|span| span.message.clone());
    words.extend(messages);
    Some(words.join(", "))
}

async fn a_target_is_blocked_by_its_latest_decision_and_what_failed_before_it(
    database: TestDatabase,
) {
    let deployments = deployments(&database).await;
    let mut other_phase = reason("t", "evaluation", "failed", 14);
    other_phase.phase = Some("eligibility".to_owned());
    let mut other_target = decision("u", "failed", 1);
    other_target.release_target_key = Some("another".to_owned());
    let spans = [
        reason("t", "check", "failed", 12),
        reason("t", "evaluation", "failed", 20),
        reason("t", "evaluation", "completed", 19),
        reason("t", "action", "failed", 18),
        reason("before", "evaluation", "failed", 17),
        other_phase,
        decision("t", "failed", 10),
        decision("before", "failed", 15),
        other_target,
    ];
    written(&deployments, &spans).await;
    let reads = deployments.workspace(id(1));
    let told = reasons(reads).await;
    assert_eq!(told.as_deref(), Some("d10, evaluation 20, check 12"));
    let blocked = reads.why_not_deployed("k").await.unwrap().unwrap();
    assert_eq!(blocked.decision, spans[6]);
    assert_eq!(reads.why_not_deployed("nothing").await.unwrap(), None);
}

async fn the_latest_decision_decides_whatever_the_one_before_said(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let reads = deployments.workspace(id(1));
    // Planning says yes, eligibility no.
    let mut no = decision("t", "failed", 50);
    no.phase = Some("eligibility".to_owned());
    let mut check = reason("t", "check", "failed", 51);
    check.phase = Some("eligibility".to_owned());
    let spans = [
        reason("t", "evaluation", "failed", 99),
        decision("t", "completed", 90),
        check,
        no,
    ];
    written(&deployments, &spans).await;
    assert_eq!(reasons(reads).await.as_deref(), Some("d50, check 51"));
    written(&deployments, &[decision("u", "completed", 40)]).await;
    assert_eq!(reasons(reads).await, None);
    written(&deployments, &[decision("v", "failed", 30)]).await;
    assert_eq!(reasons(reads).await.as_deref(), Some("d30"));
    // What is no decision yet is none for it.
    written(&deployments, &[decision("w", "running", 20)]).await;
    assert_eq!(reasons(reads).await.as_deref(), Some("d20"));
}

async fn of_two_decisions_at_once_the_later_in_the_trace_decides(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let start = before(Timestamp::now(), SECOND);
    let at_once = |span: &str, status: &str, sequence: i32| {
        let mut decision = decision("t", status, 1);
        decision.span_id = span.to_owned();
        decision.sequence = Some(sequence);
        began(decision, start)
    };
    let spans = [at_once("b", "completed", 1), at_once("a", "failed", 2)];
    written(&deployments, &spans).await;
    let reads = deployments.workspace(id(1));
    assert_eq!(reasons(reads).await.as_deref(), Some("a"));
}

async fn what_is_older_than_90_days_blocks_nothing(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let reads = deployments.workspace(id(1));
    written(&deployments, &[decision("t", "failed", 91 * 86_400)]).await;
    assert_eq!(reasons(reads).await, None);
    written(&deployments, &[decision("u", "failed", 89 * 86_400)]).await;
    assert!(reasons(reads).await.is_some());
}

async fn a_reconciliation_without_a_decision_blocks_nothing(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let mut root = decision("t", "failed", 5);
    root.node_type = Some("phase".to_owned());
    let evaluation = reason("t", "evaluation", "failed", 4);
    written(&deployments, &[root, evaluation]).await;
    assert_eq!(reasons(deployments.workspace(id(1))).await, None);
}

async fn a_decision_without_a_phase_has_the_reasons_without_one(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let mut no = decision("t", "failed", 5);
    let mut check = reason("t", "check", "failed", 6);
    (no.phase, check.phase) = (None, None);
    let spans = [no, check, reason("t", "check", "failed", 7)];
    written(&deployments, &spans).await;
    let told = reasons(deployments.workspace(id(1))).await;
    assert_eq!(told.as_deref(), Some("d5, check 6"));
}
