//! The store in memory.

use std::sync::Arc;

use annals_deploy::{MemoryStore, ReconcileTarget, SpanSink, Status, StatusCode};
use annals_record::{Timestamp, TimestampMicros};

use super::{KEY, recorded_workflow, rows, workspace};
use crate::support::{at, end, row};

// Case 30
#[tokio::test]
async fn spans_come_back_in_the_order_in_which_they_were_written() {
    let store = MemoryStore::new();
    store
        .write_spans(vec![row(1, "t", "b", 2), row(1, "t", "a", 1)])
        .await
        .unwrap();
    store.write_spans(vec![row(1, "t", "c", 0)]).await.unwrap();
    let ids = |store: &MemoryStore| {
        let spans = store.spans().into_iter();
        spans.map(|span| span.span_id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&store), ["b", "a", "c"]);
    // A copy: what is done to it is not done to the store.
    let mut copy = store.spans();
    copy.clear();
    assert_eq!(ids(&store), ["b", "a", "c"]);
    // Clones are the same store, and it is of use after it was cleared.
    let clone = store.clone();
    clone.clear();
    assert!(store.spans().is_empty());
    store.write_spans(vec![row(1, "t", "a", 1)]).await.unwrap();
    assert_eq!(ids(&clone), ["a"]);
    store.write_spans(Vec::new()).await.unwrap();
    assert_eq!(ids(&clone), ["a"]);
}

// Case 30
#[tokio::test]
async fn ten_writers_keep_everything_while_others_read() {
    let store = MemoryStore::new();
    let mut writers = Vec::new();
    for writer in 0..10 {
        let store = store.clone();
        writers.push(tokio::spawn(async move {
            for n in 0..10 {
                let span = row(1, &format!("t{writer}"), &n.to_string(), n);
                store.write_spans(vec![span]).await.unwrap();
                assert!(!store.spans().is_empty());
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.spans().len(), 100);
}

// Case 30
#[tokio::test]
async fn a_trace_of_102_spans_is_kept_with_events_statuses_and_messages() {
    let store = Arc::new(MemoryStore::new());
    let recorder = ReconcileTarget::with_store(workspace(), KEY, store.clone());
    let planning = recorder.start_planning();
    for n in 0..100 {
        let evaluation = planning.start_evaluation(&format!("policy {n}"));
        evaluation
            .add_metadata("n", n)
            .set_result(annals_deploy::EvaluationResult::Blocked, "no");
    }
    drop(planning);
    recorder.complete(Status::Failed);
    recorder.persist().await.unwrap();
    let rows = store.spans();
    assert_eq!(rows.len(), 102);
    for (n, row) in rows[2..].iter().enumerate() {
        assert_eq!(row.name, format!("policy {n}"));
        assert_eq!(row.events.to_value()[0]["attributes"]["n"], n);
        assert_eq!(row.status_code, StatusCode::Error);
        assert_eq!(row.message.as_deref(), Some("no"));
    }
}

#[tokio::test]
async fn the_newest_version_stays_whatever_the_order() {
    let running = row(1, "t", "a", 1);
    let mut ended = end(running.clone(), 5);
    ended.created_at = TimestampMicros::floor(at(9));
    for versions in [[&running, &ended], [&ended, &running]] {
        let store = MemoryStore::new();
        for version in versions {
            store.write_spans(vec![version.clone()]).await.unwrap();
        }
        let [span] = &store.spans()[..] else {
            panic!("one span");
        };
        assert_eq!(span.end_time, ended.end_time);
        assert_eq!(span.created_at, versions[0].created_at);
    }
    // The same id at another time is another span.
    let store = MemoryStore::new();
    store
        .write_spans(vec![running.clone(), row(1, "t", "a", 2)])
        .await
        .unwrap();
    assert_eq!(store.spans().len(), 2);
    assert_eq!(format!("{store:?}"), "MemoryStore { spans: 2 }");
}

#[tokio::test]
async fn what_is_persisted_twice_is_there_once() {
    let recorder = recorded_workflow();
    let store = MemoryStore::new();
    recorder.persist_to(&store).await.unwrap();
    let once = store.spans();
    recorder.persist_to(&store).await.unwrap();
    assert_eq!(store.spans(), once);
    assert_eq!(rows(&recorder).await, once);
    assert!(once.iter().all(|row| Timestamp::from(row.created_at)
        >= recorder.started_at() - std::time::Duration::from_micros(1)));
}
