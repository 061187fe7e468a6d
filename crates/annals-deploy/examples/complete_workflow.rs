//! A deployment from its planning to its verification, one that is blocked, and a job that continues the first from outside.
//!
//! ```text
//! cargo run -p annals-deploy --example complete_workflow
//! ```
//!
//! Against `DATABASE_URL`, or else a file of SQLite in the current directory.

use std::{env, sync::Arc};

use annals_deploy::{
    CheckResult, Decision, Deployments, Error, EvaluationResult, ReconcileTarget, SpanSink, Status,
    StepResult, TokenKeys, TraceToken, Trigger, WorkspaceId,
};
use annals_record::Uuid;

const DATABASE: &str = "sqlite:./annals-deployments.db";

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = env::var("DATABASE_URL");
    let deployments = Deployments::open(url.as_deref().unwrap_or(DATABASE)).await?;
    // One store for all recorders.
    let store: Arc<dyn SpanSink> = Arc::new(deployments);
    let workspace = WorkspaceId::from(Uuid::new_v4());
    // A service has its secret from its settings, and others who verify have the same.
    let keys = TokenKeys::new(&Uuid::new_v4().to_string())?;

    let (deployed, token) = deploy(workspace, &store, &keys).await?;
    let blocked = be_blocked(workspace, &store).await;
    let continued = run_the_job(workspace, &store, &keys, &token).await?;

    println!("workspace {workspace}");
    println!("deployed  {deployed}");
    println!("blocked   {blocked}");
    println!("continued {continued}, under the job of the first\n");
    let place = url.map_or(format!("DATABASE_URL={DATABASE} "), |_| String::new());
    for trace in [deployed, blocked] {
        println!("{place}annals deployments show {trace} --workspace {workspace}");
    }
    Ok(())
}

/// All goes well.
async fn deploy(
    workspace: WorkspaceId,
    store: &Arc<dyn SpanSink>,
    keys: &TokenKeys,
) -> Result<(String, TraceToken), Error> {
    let recorder = ReconcileTarget::options(workspace, "api-service-production")
        .trigger(Trigger::VersionCreated)
        .store(Arc::clone(store))
        .tokens(keys.clone())
        .start();
    recorder.set_release_id("release-1.2.3");

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
    job.set_job_id("job-8765432109");
    job.add_metadata("github_run_id", "8765432109");
    // For the external system, and for nobody else.
    let token = job.token()?;
    job.end();
    execution.end();

    let verification = recorder.start_action("Verification");
    verification.add_step("Check pods", StepResult::Pass, "3/3 ready");
    verification.add_step("Check endpoints", StepResult::Pass, "200 OK");
    verification.end();

    recorder.complete(Status::Completed);
    persist(&recorder).await;
    Ok((recorder.root_trace_id().to_owned(), token))
}

/// A policy says no. Whatever began ends when it is dropped, also on an early return.
async fn be_blocked(workspace: WorkspaceId, store: &Arc<dyn SpanSink>) -> String {
    let recorder = ReconcileTarget::with_store(workspace, "api-service-staging", Arc::clone(store));
    {
        let planning = recorder.start_planning();
        planning
            .start_evaluation("Approval Policy")
            .add_metadata("required_approvals", 2)
            .set_result(EvaluationResult::Blocked, "needs 2 approvals, has 1");
        planning.make_decision("Blocked by Approval Policy", Decision::Rejected);
    }
    recorder.complete(Status::Failed);
    persist(&recorder).await;
    recorder.root_trace_id().to_owned()
}

/// What the job does where it runs: with the token alone, it continues the trace under its span there.
async fn run_the_job(
    workspace: WorkspaceId,
    store: &Arc<dyn SpanSink>,
    keys: &TokenKeys,
    token: &TraceToken,
) -> Result<String, Error> {
    let recorder = ReconcileTarget::from_job(workspace, token.as_str(), keys)?
        .trigger(Trigger::JobSuccess)
        .store(Arc::clone(store))
        .start();
    let rollout = recorder.start_action("Roll out");
    rollout.add_step("Build image", StepResult::Pass, "api:1.2.3");
    rollout.add_step("Apply manifests", StepResult::Pass, "4 changed");
    rollout.end();
    recorder.complete(Status::Completed);
    persist(&recorder).await;
    Ok(recorder.root_trace_id().to_owned())
}

/// A trace that cannot be persisted is no reason for a deployment to fail.
async fn persist(recorder: &ReconcileTarget) {
    if let Err(error) = recorder.persist().await {
        let trace = recorder.root_trace_id();
        eprintln!("trace {trace} could not be persisted: {error}");
    }
}
