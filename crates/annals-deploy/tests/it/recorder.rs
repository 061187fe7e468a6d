//! The recorder: what it says, when it says it, and that it harms nothing.

#![expect(
    clippy::clone_on_ref_ptr,
    reason = "`Arc::clone` would not become an `Arc<dyn SpanSink>` by itself"
)]

mod concurrent;
mod continuing;
mod doubles;
mod exporting;
mod leaving;
mod limits;
mod live;
mod memory;
mod metadata;
mod persisting;
mod shape;
mod statuses;
mod stored;

use std::time::Duration;

use annals_deploy::{
    CheckResult, Decision, DeploymentSpan, EvaluationResult, MemoryStore, OtelSpan,
    ReconcileTarget, RecorderOptions, Status, StepResult, TokenKeys, Trigger, WorkspaceId,
};
use serde_json::Value;

use crate::support::id;

/// What is deployed where.
const KEY: &str = "api-service-production";

fn workspace() -> WorkspaceId {
    id(1)
}

fn recorder() -> ReconcileTarget {
    ReconcileTarget::new(workspace(), KEY)
}

fn with_store(store: &MemoryStore) -> RecorderOptions {
    ReconcileTarget::options(workspace(), KEY).store(std::sync::Arc::new(store.clone()))
}

fn keys() -> TokenKeys {
    TokenKeys::new("correct horse battery staple").unwrap()
}

/// The last example of the seed, with a decision in each of two phases and a verification: 12 spans.
fn complete_workflow(recorder: &ReconcileTarget) {
    let planning = recorder.start_planning();
    let evaluation = planning.start_evaluation("Approval Policy");
    evaluation.add_metadata("policy_type", "approval");
    evaluation.add_metadata("required_approvals", 1);
    evaluation.set_result(EvaluationResult::Allowed, "Approved by alice");
    evaluation.end();
    planning.make_decision("Deploy approved", Decision::Approved);
    planning.end();

    let eligibility = recorder.start_eligibility();
    let check = eligibility.start_check("Already Deployed");
    check.add_metadata("target_version", "v1.2.3");
    check.set_result(CheckResult::Pass, "Not deployed");
    check.end();
    eligibility.make_decision("Eligible", Decision::Approved);
    eligibility.end();

    let execution = recorder.start_execution();
    let job = execution.trigger_job("github-action", [("workflow", "deploy.yml")]);
    job.add_metadata("github_run_id", "8765432109");
    job.end();
    execution.end();

    let verification = recorder.start_action("Verification");
    verification.add_step("Check pods", StepResult::Pass, "3/3 ready");
    verification.add_step("Check endpoints", StepResult::Pass, "200 OK");
    verification.end();
}

/// Names and depths of what [`complete_workflow`] records, in the order of starts.
const WORKFLOW: [(&str, i32); 12] = [
    ("Reconciliation (policy.updated)", 0),
    ("Planning", 1),
    ("Approval Policy", 2),
    ("Deploy approved", 2),
    ("Eligibility", 1),
    ("Already Deployed", 2),
    ("Eligible", 2),
    ("Execution", 1),
    ("Job: github-action", 2),
    ("Verification", 1),
    ("Check pods", 2),
    ("Check endpoints", 2),
];

/// The whole of it, completed.
fn recorded_workflow() -> ReconcileTarget {
    let recorder = ReconcileTarget::options(workspace(), KEY)
        .trigger(Trigger::PolicyUpdated)
        .start();
    complete_workflow(&recorder);
    recorder.complete(Status::Completed);
    recorder
}

/// The recorded span of this name.
fn span(recorder: &ReconcileTarget, name: &str) -> OtelSpan {
    let named = |span: &OtelSpan| span.name == name;
    recorder.spans().into_iter().find(named).expect(name)
}

/// An attribute with the prefix; NULL when there is none.
fn attribute(span: &OtelSpan, name: &str) -> Value {
    let key = format!("ctrlplane.{name}");
    span.attributes.get(&key).cloned().unwrap_or_default()
}

fn status(recorder: &ReconcileTarget, name: &str) -> String {
    let status = attribute(&span(recorder, name), "status");
    status.as_str().unwrap().to_owned()
}

/// The rows that a store gets of a recorder.
async fn rows(recorder: &ReconcileTarget) -> Vec<DeploymentSpan> {
    let store = MemoryStore::new();
    recorder.persist_to(&store).await.unwrap();
    store.spans()
}

fn row<'a>(rows: &'a [DeploymentSpan], name: &str) -> &'a DeploymentSpan {
    rows.iter().find(|row| row.name == name).expect(name)
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..4_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came true");
}
