//! Deployments that an engine recorded, for tests of what reads and continues them.

use std::{path::Path, sync::Arc};

use annals_deploy::{
    CheckResult, Decision, DeploymentSpan, Deployments, DeploymentsOptions, EvaluationResult,
    ReconcileTarget, Status, Trigger, WorkspaceId,
};
use annals_testkit::TestDatabase;

use crate::program::{Run, annals_with};

pub(crate) const WORKSPACE: &str = "7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e";
pub(crate) const OTHER: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const TARGET: &str = "web-production-api";
pub(crate) const SECRET: &str = "a secret of at least 16 bytes";

/// A deployment whose job runs somewhere else.
pub(crate) struct Deployed {
    pub(crate) trace_id: String,
    pub(crate) job_span: String,
}

pub(crate) fn workspace(id: &str) -> WorkspaceId {
    id.parse().unwrap()
}

pub(crate) async fn deployments(database: &TestDatabase) -> Arc<Deployments> {
    let store = database.store().await;
    store
        .migrator(&annals_server::MIGRATIONS)
        .up()
        .await
        .unwrap();
    let deployments = Deployments::new(store, DeploymentsOptions::default()).await;
    Arc::new(deployments.unwrap())
}

fn recorder(deployments: &Arc<Deployments>, id: &str) -> ReconcileTarget {
    let store = Arc::clone(deployments);
    ReconcileTarget::options(workspace(id), TARGET)
        .trigger(Trigger::VersionCreated)
        .deployment("api")
        .store(store)
        .start()
}

/// Approved, eligible, and its job triggered.
pub(crate) async fn deployed(deployments: &Arc<Deployments>, id: &str) -> Deployed {
    let recorder = recorder(deployments, id);
    let planning = recorder.start_planning();
    let evaluation = planning.start_evaluation("Approval Policy");
    evaluation.add_metadata("approver", "alice");
    evaluation.add_metadata("required_approvals", 1);
    evaluation.set_result(EvaluationResult::Allowed, "Approved by alice");
    evaluation.end();
    planning.make_decision("Deploy approved", Decision::Approved);
    planning.end();
    let eligibility = recorder.start_eligibility();
    let check = eligibility.start_check("Already Deployed");
    check.set_result(CheckResult::Pass, "Not deployed");
    check.end();
    eligibility.end();
    let execution = recorder.start_execution();
    let job = execution.trigger_job("github-action", [("workflow", "deploy.yml")]);
    job.set_job_id("job-42");
    let deployed = Deployed {
        trace_id: recorder.root_trace_id().to_owned(),
        job_span: job.span_id(),
    };
    job.end();
    execution.end();
    recorder.complete(Status::Completed);
    recorder.persist().await.unwrap();
    deployed
}

/// Decided against: one policy and one check say no, and one policy says yes.
pub(crate) async fn blocked(deployments: &Arc<Deployments>, id: &str) -> String {
    let recorder = recorder(deployments, id);
    let planning = recorder.start_planning();
    for (name, result, message) in [
        (
            "Environment Policy",
            EvaluationResult::Allowed,
            "staging is well",
        ),
        (
            "Approval Policy",
            EvaluationResult::Blocked,
            "waits for two approvals",
        ),
        (
            "Release Window",
            EvaluationResult::Blocked,
            "closed until\nMonday\u{1b}[2J",
        ),
    ] {
        let evaluation = planning.start_evaluation(name);
        evaluation.set_result(result, message);
        evaluation.end();
    }
    planning.make_decision("Deployment blocked by 2 policies", Decision::Rejected);
    planning.end();
    recorder.complete(Status::Failed);
    recorder.persist().await.unwrap();
    recorder.root_trace_id().to_owned()
}

/// What was done outside, in its order, as many as they are on whatever database.
pub(crate) async fn external(database: &TestDatabase) -> Vec<DeploymentSpan> {
    let store = database.store().await;
    let query = store.query::<DeploymentSpan>();
    let page = query
        .filter(DeploymentSpan::PHASE.eq("external"))
        .order(DeploymentSpan::START_TIME.asc())
        .limit(1_000)
        .fetch()
        .await
        .unwrap();
    page.rows
}

/// The same with these texts of each.
pub(crate) async fn externally(
    database: &TestDatabase,
    told: impl Fn(&DeploymentSpan) -> String,
) -> Vec<String> {
    external(database).await.iter().map(told).collect()
}

/// A token, as `annals trace token` prints it.
pub(crate) fn token(directory: &Path, secret: &str, id: &str, deployed: &Deployed) -> String {
    let arguments = [
        "trace",
        "token",
        "--workspace",
        id,
        "--trace",
        &deployed.trace_id,
        "--span",
        &deployed.job_span,
        "--job",
        "job-42",
    ];
    let made: Run = annals_with(directory, &[("TRACE_TOKEN_SECRET", secret)], &arguments);
    assert_eq!((made.code, made.err.as_str()), (0, ""), "{made:?}");
    assert!(!made.out.contains(secret), "{made:?}");
    made.out.trim().to_owned()
}
