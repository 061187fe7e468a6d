//! Where a trace goes, and what happens when it cannot go there.

use std::{sync::Arc, time::Duration};

use annals_deploy::{Both, Error, MemoryStore, ReconcileTarget, Status};

use super::{
    KEY, WORKFLOW, complete_workflow,
    doubles::{Batches, Failing, Stuck},
    recorder, row, with_store, workspace,
};

// Cases 2 and 5
#[tokio::test]
async fn a_recorder_persists_to_the_store_that_it_was_given() {
    let store = MemoryStore::new();
    let recorder = ReconcileTarget::with_store(workspace(), KEY, Arc::new(store.clone()));
    assert!(recorder.store().is_some());
    complete_workflow(&recorder);
    recorder.complete(Status::Completed);
    recorder.persist().await.unwrap();
    assert_eq!(store.spans().len(), WORKFLOW.len());
}

// Case 6
#[tokio::test]
async fn a_store_may_be_given_when_persisting_and_wins() {
    let given = MemoryStore::new();
    let without = recorder();
    without.complete(Status::Completed);
    without.persist_to(&given).await.unwrap();
    assert_eq!(given.spans().len(), 1);

    let configured = MemoryStore::new();
    let with = with_store(&configured).start();
    with.complete(Status::Completed);
    with.persist_to(&given).await.unwrap();
    assert_eq!((given.spans().len(), configured.spans().len()), (2, 0));
    // It is kept, so nothing is left for the background.
    drop(with);
    tokio::task::yield_now().await;
    assert_eq!(configured.spans().len(), 0);
}

// Case 7
#[tokio::test]
async fn persisting_without_a_store_is_an_error_that_names_the_way_out() {
    let recorder = recorder();
    assert!(recorder.store().is_none());
    recorder.complete(Status::Completed);
    let error = recorder.persist().await.unwrap_err();
    assert!(matches!(error, Error::NoStore));
    let text = error.to_string();
    assert!(
        text.starts_with("no persistence store configured"),
        "{text}"
    );
}

// Case 8
#[tokio::test]
async fn an_error_of_the_store_comes_back_and_the_next_try_has_everything() {
    let failing = Failing::times(1);
    let recorder = ReconcileTarget::with_store(workspace(), KEY, failing.clone());
    complete_workflow(&recorder);
    recorder.complete(Status::Completed);
    let error = recorder.persist().await.unwrap_err();
    assert_eq!(error.to_string(), super::doubles::failure().to_string());
    assert!(failing.store.spans().is_empty());
    recorder.persist().await.unwrap();
    assert_eq!(failing.store.spans().len(), WORKFLOW.len());
}

// Case 27
#[tokio::test]
async fn every_span_of_a_recorder_has_its_workspace() {
    let store = MemoryStore::new();
    let recorder = with_store(&store).start();
    complete_workflow(&recorder);
    recorder.persist().await.unwrap();
    let uuid = workspace().uuid();
    assert!(store.spans().iter().all(|row| row.workspace_id == uuid));
    for span in recorder.spans() {
        let workspace = span.attributes.get("ctrlplane.workspace_id");
        assert_eq!(
            workspace.and_then(|id| id.as_str()),
            Some(uuid.to_string().as_str())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_holds_nobody_up_for_ever() {
    let recorder = ReconcileTarget::options(workspace(), KEY)
        .store(Arc::new(Stuck))
        .persist_timeout(Duration::from_millis(1_500))
        .start();
    recorder.complete(Status::Completed);
    let error = recorder.persist().await.unwrap_err();
    assert!(
        matches!(error, Error::PersistTimedOut { seconds: 2 }),
        "{error}"
    );
    // And can be persisted elsewhere.
    let store = MemoryStore::new();
    recorder.persist_to(&store).await.unwrap();
    assert_eq!(store.spans().len(), 1);
}

#[tokio::test]
async fn only_what_has_changed_is_written_again() {
    let batches = Batches::of(usize::MAX);
    let recorder = ReconcileTarget::with_store(workspace(), KEY, batches.clone());
    let planning = recorder.start_planning();
    recorder.persist().await.unwrap();
    assert_eq!(batches.take(), [["Reconciliation", "Planning"]]);
    recorder.persist().await.unwrap();
    recorder.persist_to(&*batches).await.unwrap();
    assert!(batches.take().is_empty());
    let evaluation = planning.start_evaluation("policy");
    recorder.persist().await.unwrap();
    assert_eq!(batches.take(), [["policy"]]);
    evaluation.add_metadata("a", 1);
    recorder.persist().await.unwrap();
    assert_eq!(batches.take(), [["policy"]]);
    drop(evaluation);
    planning.end();
    recorder.persist().await.unwrap();
    assert_eq!(batches.take(), [["Planning", "policy"]]);
    recorder.complete(Status::Completed);
    recorder.persist().await.unwrap();
    assert_eq!(batches.take(), [["Reconciliation"]]);
    // Another store has nothing yet, however often one like it had everything.
    for _ in 0..2 {
        let store = MemoryStore::new();
        recorder.persist_to(&store).await.unwrap();
        assert_eq!(store.spans().len(), 3);
    }
}

#[tokio::test]
async fn what_a_store_cannot_take_at_once_goes_in_parts() {
    let batches = Batches::of(5);
    let recorder = ReconcileTarget::with_store(workspace(), KEY, batches.clone());
    complete_workflow(&recorder);
    recorder.complete(Status::Completed);
    recorder.persist().await.unwrap();
    let written: Vec<_> = batches.take().concat();
    let names = WORKFLOW.map(|(name, _)| name);
    assert_eq!(written[1..], names[1..]);
}

// Fault 9
#[tokio::test]
async fn a_more_complete_version_takes_the_place_of_one_that_runs() {
    let store = MemoryStore::new();
    let recorder = with_store(&store).start();
    let planning = recorder.start_planning();
    recorder.persist().await.unwrap();
    let running = row(&store.spans(), "Planning").clone();
    assert_eq!(running.status.as_deref(), Some("running"));
    assert_eq!(running.end_time, None);
    planning.set_attribute("a", 1);
    recorder.persist().await.unwrap();
    let changed = row(&store.spans(), "Planning").clone();
    assert!(changed.attributes.to_value()["a"] == 1 && changed.end_time.is_none());
    recorder.complete(Status::Completed);
    recorder.persist().await.unwrap();
    let aborted = row(&store.spans(), "Planning").clone();
    assert_eq!(aborted.status.as_deref(), Some("aborted"));
    planning.end();
    recorder.persist().await.unwrap();
    let ended = row(&store.spans(), "Planning").clone();
    assert_eq!(ended.status.as_deref(), Some("completed"));
    let revisions = [&running, &changed, &aborted, &ended].map(|row| row.revision);
    assert!(revisions.is_sorted_by(|a, b| a < b), "{revisions:?}");
    for row in [changed, aborted, ended] {
        assert_eq!((row.created_at, row.id), (running.created_at, running.id));
    }
}

#[tokio::test]
async fn spans_go_to_two_stores_and_one_that_fails_keeps_nothing_from_the_other() {
    let (a, b) = (MemoryStore::new(), MemoryStore::new());
    let recorder = recorder();
    recorder.complete(Status::Completed);
    recorder
        .persist_to(&Both(a.clone(), b.clone()))
        .await
        .unwrap();
    assert_eq!((a.spans(), b.spans().len()), (b.spans(), 1));

    let failing = Failing::times(2);
    for both in [1, 2] {
        b.clear();
        let result = match both {
            1 => {
                recorder
                    .persist_to(&Both(Arc::clone(&failing), b.clone()))
                    .await
            }
            _ => {
                recorder
                    .persist_to(&Both(b.clone(), Arc::clone(&failing)))
                    .await
            }
        };
        assert!(result.is_err());
        assert_eq!(b.spans().len(), 1);
    }
}

#[test]
fn a_store_in_memory_needs_no_runtime() {
    let store = MemoryStore::new();
    let recorder = with_store(&store).start();
    recorder.complete(Status::Completed);
    futures_util::FutureExt::now_or_never(recorder.persist())
        .unwrap()
        .unwrap();
    assert_eq!(store.spans().len(), 1);
}
