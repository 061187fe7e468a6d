//! The whole of it in a database.

use std::{sync::Arc, time::Duration};

use annals_deploy::{
    Decision, DeploymentSpan, EvaluationResult, ReconcileTarget, Status, StatusCode, Trigger,
};
use annals_testkit::{TestDatabase, on_every_backend};

use super::{KEY, WORKFLOW, complete_workflow, keys, row, workspace};
use crate::support::{deployments, stored};

on_every_backend!(
    the_complete_workflow_is_stored_as_it_was_recorded,
    what_nobody_completed_is_stored_by_the_background,
    a_running_deployment_is_stored_and_its_end_replaces_it,
    a_blocked_deployment_and_a_continued_job_are_stored,
    the_strangest_trace_is_stored,
    concurrent_deployments_are_all_stored,
);

// Cases 5, 9 and 36 in a database
async fn the_complete_workflow_is_stored_as_it_was_recorded(database: TestDatabase) {
    let store = Arc::new(deployments(&database).await);
    let recorder = ReconcileTarget::options(workspace(), KEY)
        .trigger(Trigger::PolicyUpdated)
        .store(store.clone())
        .start();
    complete_workflow(&recorder);
    recorder.complete(Status::Completed);
    for _ in 0..2 {
        recorder.persist().await.unwrap();
        recorder.persist_to(&*store).await.unwrap();
    }
    let rows = in_order(stored(&store).await);
    let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, WORKFLOW.map(|(name, _)| name));
    let recorded = super::rows(&recorder).await;
    assert_eq!(rows, recorded);
}

async fn what_nobody_completed_is_stored_by_the_background(database: TestDatabase) {
    let store = Arc::new(deployments(&database).await);
    let recorder = ReconcileTarget::with_store(workspace(), KEY, store.clone());
    complete_workflow(&recorder);
    drop(recorder);
    let rows = until_stored(&store, |rows| rows.len() == WORKFLOW.len()).await;
    assert_eq!(
        row(&rows, "Reconciliation").status.as_deref(),
        Some("completed")
    );
}

// Faults 8 and 9
async fn a_running_deployment_is_stored_and_its_end_replaces_it(database: TestDatabase) {
    let store = Arc::new(deployments(&database).await);
    let recorder = ReconcileTarget::options(workspace(), KEY)
        .store(store.clone())
        .incremental(Duration::from_millis(20))
        .start();
    let execution = recorder.start_execution();
    let job = execution.trigger_job("ci", []);
    let rows = until_stored(&store, |rows| rows.len() == 3).await;
    for row in &rows {
        assert_eq!(
            (row.status.as_deref(), row.end_time),
            (Some("running"), None)
        );
    }
    job.set_status(Status::Failed, "exit code 1");
    drop((job, execution));
    recorder.complete(Status::Failed);
    recorder.persist().await.unwrap();
    let ended = in_order(stored(&store).await);
    for (ended, running) in ended.iter().zip(in_order(rows)) {
        assert_eq!(ended.status.as_deref(), Some("failed"));
        assert_eq!(ended.status_code, StatusCode::Error);
        assert_eq!(
            (ended.id, ended.created_at),
            (running.id, running.created_at)
        );
    }
    assert_eq!(
        row(&ended, "Job: ci").message.as_deref(),
        Some("exit code 1")
    );
}

async fn a_blocked_deployment_and_a_continued_job_are_stored(database: TestDatabase) {
    let store = Arc::new(deployments(&database).await);
    let blocked = ReconcileTarget::with_store(workspace(), KEY, store.clone());
    let planning = blocked.start_planning();
    planning
        .start_evaluation("Approval Policy")
        .set_result(EvaluationResult::Blocked, "needs 2 approvals, has 1");
    planning.make_decision("Blocked by Approval Policy", Decision::Rejected);
    drop(planning);
    blocked.complete(Status::Failed);
    blocked.persist().await.unwrap();

    let engine = ReconcileTarget::options(workspace(), KEY)
        .store(store.clone())
        .tokens(keys())
        .start();
    let execution = engine.start_execution();
    let job = execution.trigger_job("ci", []);
    job.set_job_id("job-1");
    let token = job.token().unwrap();
    let outside = ReconcileTarget::from_job(workspace(), token.as_str(), &keys()).unwrap();
    let outside = outside.store(store.clone()).start();
    complete_workflow(&outside);
    outside.complete(Status::Completed);
    // The child is there before what it hangs under.
    outside.persist().await.unwrap();
    engine.persist().await.unwrap();
    let rows = stored(&store).await;
    let linked = rows.iter().filter(|row| row.parent_trace_id.is_some());
    assert_eq!(linked.count(), WORKFLOW.len());
    let failed = "SELECT count(*) FROM deployment_trace_span
                   WHERE status = 'failed' AND node_type = 'decision' AND phase = 'planning'";
    assert_eq!(database.number(failed).await, 1);
}

// Fault 15
async fn the_strangest_trace_is_stored(database: TestDatabase) {
    let store = Arc::new(deployments(&database).await);
    let recorder = ReconcileTarget::with_store(workspace(), "k\0", store.clone());
    let long = "\u{1}ü\"\\\0".repeat(20_000);
    recorder.set_job_id(&long);
    recorder.set_release_id(&long);
    let planning = recorder.start_planning();
    let evaluation = planning.start_evaluation(&long);
    for n in 0..300 {
        evaluation.add_metadata(&format!("{n}{long}"), long.as_str());
        evaluation.set_attribute(
            &format!("{n}"),
            if n % 2 == 0 { f64::MAX } else { f64::NAN },
        );
    }
    evaluation.set_result(EvaluationResult::Blocked, &long);
    evaluation
        .set_attribute("", u64::MAX)
        .add_metadata("", f64::MIN_POSITIVE);
    evaluation.end();
    planning.make_decision("", Decision::Rejected);
    planning.end();
    recorder.complete(Status::Failed);
    recorder.persist().await.unwrap();
    let rows = in_order(stored(&store).await);
    assert_eq!(rows, super::rows(&recorder).await);
    assert!(!rows[2].events.to_value().as_array().unwrap().is_empty());
}

// Case 38 in a database
async fn concurrent_deployments_are_all_stored(database: TestDatabase) {
    let store = Arc::new(deployments(&database).await);
    let mut running = Vec::new();
    for _ in 0..10 {
        let store = store.clone();
        running.push(tokio::spawn(async move {
            let recorder = ReconcileTarget::with_store(workspace(), KEY, store);
            complete_workflow(&recorder);
            recorder.complete(Status::Completed);
            recorder.persist().await.unwrap();
        }));
    }
    for recorder in running {
        recorder.await.unwrap();
    }
    let rows = stored(&store).await;
    assert_eq!(rows.len(), 10 * WORKFLOW.len());
    let roots = rows.iter().filter(|row| row.parent_span_id.is_none());
    assert_eq!(roots.count(), 10);
}

fn in_order(mut rows: Vec<DeploymentSpan>) -> Vec<DeploymentSpan> {
    rows.sort_by_key(|row| row.sequence);
    rows
}

async fn until_stored(
    store: &annals_deploy::Deployments,
    is_enough: impl Fn(&[DeploymentSpan]) -> bool,
) -> Vec<DeploymentSpan> {
    for _ in 0..2_000 {
        let rows = stored(store).await;
        if is_enough(&rows) {
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it was never stored");
}
