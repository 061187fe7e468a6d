//! A deployment that runs, and one whose process died, can be seen.

use std::{sync::Arc, time::Duration};

use annals_deploy::{MemoryStore, ReconcileTarget, Status};

use super::{
    KEY,
    doubles::{Failing, Logged, Stuck},
    row, until, with_store, workspace,
};

const OFTEN: Duration = Duration::from_millis(10);

fn status_of(store: &MemoryStore, name: &str) -> Option<String> {
    let named = |row: &annals_deploy::DeploymentSpan| row.name == name;
    store.spans().into_iter().find(named)?.status
}

// Fault 8
#[tokio::test]
async fn what_runs_can_be_seen_while_it_runs() {
    let store = MemoryStore::new();
    let recorder = with_store(&store).incremental(OFTEN).start();
    until(|| status_of(&store, "Reconciliation").as_deref() == Some("running")).await;
    let planning = recorder.start_planning();
    until(|| status_of(&store, "Planning").as_deref() == Some("running")).await;
    assert_eq!(row(&store.spans(), "Planning").end_time, None);
    planning.end();
    until(|| status_of(&store, "Planning").as_deref() == Some("completed")).await;
    recorder.complete(Status::Completed);
    until(|| status_of(&store, "Reconciliation").as_deref() == Some("completed")).await;
}

#[tokio::test]
async fn a_crash_between_start_and_complete_leaves_a_trace_that_runs() {
    let store = MemoryStore::new();
    let recorder = with_store(&store).incremental(OFTEN).start();
    let planning = recorder.start_planning();
    let evaluation = planning.start_evaluation("policy");
    evaluation.end();
    until(|| status_of(&store, "policy").as_deref() == Some("unset")).await;
    // The process is gone: nobody drops anything any more.
    std::mem::forget((recorder, planning, evaluation));
    tokio::time::sleep(5 * OFTEN).await;
    for name in ["Reconciliation", "Planning"] {
        let rows = store.spans();
        assert_eq!(row(&rows, name).status.as_deref(), Some("running"));
        assert_eq!(row(&rows, name).end_time, None);
    }
}

#[tokio::test]
async fn a_failure_is_tried_again_and_nobody_waits_for_it() {
    let failing = Failing::times(3);
    let recorder = ReconcileTarget::options(workspace(), KEY)
        .store(failing.clone())
        .incremental(OFTEN)
        .start();
    recorder.start_planning().end();
    until(|| failing.store.spans().len() == 2).await;
    recorder.complete(Status::Completed);

    let recorder = ReconcileTarget::options(workspace(), KEY)
        .store(Arc::new(Stuck))
        .incremental(OFTEN)
        .start();
    for _ in 0..100 {
        recorder.start_planning().end();
    }
    assert_eq!(recorder.spans().len(), 101);
}

#[test]
fn without_a_runtime_there_is_a_warning_and_persisting_by_hand() {
    let store = MemoryStore::new();
    let mut recorder = None;
    let logged = Logged::during(|| {
        recorder = Some(with_store(&store).incremental(OFTEN).start());
    });
    let recorder = recorder.unwrap();
    assert!(logged.starts_with("WARN"), "{logged}");
    assert!(
        logged.contains("Tokio runtime") && logged.contains(recorder.root_trace_id()),
        "{logged}"
    );
    recorder.complete(Status::Completed);
    futures_util::FutureExt::now_or_never(recorder.persist())
        .unwrap()
        .unwrap();
    assert_eq!(store.spans().len(), 1);
}

#[tokio::test]
async fn without_a_store_there_is_a_warning() {
    let options = ReconcileTarget::options(workspace(), KEY).incremental(OFTEN);
    let mut recorder = None;
    let logged = Logged::during(|| recorder = Some(options.start()));
    assert!(
        logged.starts_with("WARN") && logged.contains("no store"),
        "{logged}"
    );
}
