//! Early returns, panics, and recorders that nobody completed.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
};

use annals_deploy::{
    Decision, EvaluationResult, MemoryStore, ReconcileTarget, RecorderOptions, Status, StepResult,
};

use super::{
    KEY,
    doubles::{Failing, Logged},
    row, status, until, with_store, workspace,
};

fn deploy(recorder: &ReconcileTarget) -> Result<(), String> {
    let planning = recorder.start_planning();
    let evaluation = planning.start_evaluation("policy");
    evaluation.set_result(EvaluationResult::Allowed, "fine");
    let execution = recorder.start_execution();
    let action = execution.start_action("dispatch");
    action.add_step("reach the agent", StepResult::Fail, "connection refused");
    Err("no agent".to_owned())?;
    execution.trigger_job("ci", []).end();
    Ok(())
}

// Fault 7: the peer's executor returned without ending what it had begun.
#[test]
fn an_early_return_leaves_a_whole_trace() {
    let recorder = super::recorder();
    deploy(&recorder).unwrap_err();
    recorder.complete(Status::Running);
    for (name, expected) in [
        ("policy", "completed"),
        ("Planning", "completed"),
        ("dispatch", "failed"),
        ("Execution", "failed"),
        ("Reconciliation", "failed"),
    ] {
        assert_eq!(status(&recorder, name), expected, "{name}");
        assert!(super::span(&recorder, name).end_time.is_some());
    }
}

#[tokio::test]
async fn a_recorder_that_nobody_completed_is_persisted_with_the_status_of_its_parts() {
    for (decision, expected) in [
        (Decision::Approved, "completed"),
        (Decision::Rejected, "failed"),
    ] {
        let store = MemoryStore::new();
        let recorder = with_store(&store).start();
        recorder.start_planning().make_decision("decided", decision);
        drop(recorder);
        until(|| store.spans().len() == 3).await;
        let rows = store.spans();
        let root = row(&rows, "Reconciliation");
        assert_eq!(root.status.as_deref(), Some(expected));
        assert!(root.end_time.is_some());
    }
}

fn panicking(options: RecorderOptions) {
    let recorder = options.start();
    let planning = recorder.start_planning();
    planning
        .start_evaluation("policy")
        .set_result(EvaluationResult::Allowed, "fine");
    let execution = recorder.start_execution();
    let _job = execution.trigger_job("ci", []);
    let said = execution.start_action("said");
    said.set_status(Status::Completed, "this much was done");
    panic!("on purpose");
}

#[tokio::test]
async fn a_panic_aborts_what_was_open_and_is_persisted() {
    let store = MemoryStore::new();
    let options = with_store(&store);
    let caught = tokio::spawn(async move { panicking(options) }).await;
    assert!(caught.unwrap_err().is_panic());
    until(|| store.spans().len() == 6).await;
    let rows = store.spans();
    for (name, expected) in [
        ("Reconciliation", "aborted"),
        ("Planning", "aborted"),
        ("policy", "completed"),
        ("Execution", "aborted"),
        ("Job: ci", "aborted"),
        ("said", "completed"),
    ] {
        assert_eq!(row(&rows, name).status.as_deref(), Some(expected), "{name}");
        assert!(row(&rows, name).end_time.is_some(), "{name}");
    }
}

#[test]
fn without_a_runtime_a_warning_tells_how_many_spans_are_lost() {
    let failing = Failing::times(0);
    let recorder = ReconcileTarget::with_store(workspace(), KEY, failing.clone());
    recorder.start_planning().end();
    let trace_id = recorder.root_trace_id().to_owned();
    let logged = Logged::during(|| drop(recorder));
    assert!(logged.starts_with("WARN"), "{logged}");
    assert!(
        logged.contains("spans=2") && logged.contains(&trace_id),
        "{logged}"
    );
    assert_eq!(failing.tries.load(Ordering::SeqCst), 0);
}

#[test]
fn a_panic_without_a_runtime_is_the_only_panic() {
    let store = MemoryStore::new();
    let options = with_store(&store);
    let caught = catch_unwind(AssertUnwindSafe(|| panicking(options)));
    assert_eq!(
        *caught.unwrap_err().downcast::<&str>().unwrap(),
        "on purpose"
    );
    assert!(store.spans().is_empty());
}

/// Dropped on a thread of its own, long after the runtime in which it began is busy with other things.
#[tokio::test]
async fn the_runtime_of_the_start_persists_what_is_dropped_elsewhere() {
    let store = MemoryStore::new();
    let recorder = with_store(&store).start();
    std::thread::spawn(move || drop(recorder)).join().unwrap();
    until(|| store.spans().len() == 1).await;
}

#[test]
fn a_runtime_that_is_gone_is_told_of() {
    let store = MemoryStore::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let recorder = runtime.block_on(async { with_store(&store).start() });
    drop(runtime);
    let logged = Logged::during(|| drop(recorder));
    assert!(logged.contains("spans=1"), "{logged}");
}

#[tokio::test]
async fn a_recorder_that_was_persisted_does_nothing_when_it_is_dropped() {
    let counting = Failing::times(0);
    let recorder = ReconcileTarget::with_store(workspace(), KEY, counting.clone());
    recorder.complete(Status::Completed);
    recorder.persist().await.unwrap();
    let logged = Logged::during(|| drop(recorder));
    tokio::task::yield_now().await;
    assert_eq!(counting.tries.load(Ordering::SeqCst), 1);
    assert_eq!(logged, "");
}

#[tokio::test(start_paused = true)]
async fn what_the_background_cannot_persist_at_once_it_tries_again() {
    let failing = Failing::times(2);
    drop(ReconcileTarget::with_store(
        workspace(),
        KEY,
        failing.clone(),
    ));
    until(|| failing.store.spans().len() == 1).await;
    assert_eq!(failing.tries.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn what_outlives_its_recorder_is_persisted_when_the_last_of_it_ends() {
    let store = MemoryStore::new();
    let recorder = with_store(&store).start();
    let execution = recorder.start_execution();
    let job = Arc::new(execution.trigger_job("ci", []));
    drop(recorder);
    until(|| store.spans().len() == 3).await;
    assert_eq!(
        row(&store.spans(), "Reconciliation").status.as_deref(),
        Some("aborted")
    );
    assert_eq!(
        row(&store.spans(), "Job: ci").status.as_deref(),
        Some("aborted")
    );
    job.set_status(Status::Failed, "exit code 1");
    drop(execution);
    drop(job);
    until(|| row(&store.spans(), "Job: ci").status.as_deref() == Some("failed")).await;
    for name in ["Reconciliation", "Execution"] {
        assert_eq!(
            row(&store.spans(), name).status.as_deref(),
            Some("failed"),
            "{name}"
        );
    }
}
