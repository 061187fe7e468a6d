//! Spans for an exporter of one's own.

use std::thread;

use super::{WORKFLOW, recorded_workflow, recorder};

// Case 31
#[test]
fn spans_have_names_in_the_order_of_their_ends_then_those_that_run() {
    let recorder = recorder();
    let planning = recorder.start_planning();
    let first = planning.start_evaluation("first");
    let second = planning.start_evaluation("second");
    second.end();
    first.end();
    let names = |recorder: &annals_deploy::ReconcileTarget| {
        let spans = recorder.spans().into_iter();
        spans.map(|span| span.name).collect::<Vec<_>>()
    };
    assert_eq!(
        names(&recorder),
        ["second", "first", "Reconciliation", "Planning"]
    );
    planning.end();
    assert_eq!(
        names(&recorder),
        ["second", "first", "Planning", "Reconciliation"]
    );
}

// Case 31
#[test]
fn every_span_but_the_root_names_its_parent() {
    let recorder = recorded_workflow();
    let spans = recorder.spans();
    assert_eq!(spans.len(), WORKFLOW.len());
    let id_of = |name: &str| {
        let named = spans.iter().find(|span| span.name == name);
        named.map(|span| span.span_id.clone())
    };
    for (child, parent) in [
        ("Planning", "Reconciliation (policy.updated)"),
        ("Approval Policy", "Planning"),
        ("Eligible", "Eligibility"),
        ("Job: github-action", "Execution"),
        ("Check pods", "Verification"),
    ] {
        let child = spans.iter().find(|span| span.name == child).unwrap();
        assert_eq!(child.parent_span_id, id_of(parent));
    }
    let roots = spans.iter().filter(|span| span.parent_span_id.is_none());
    assert_eq!(roots.count(), 1);
    // The last to end.
    assert_eq!(spans.last().unwrap().parent_span_id, None);
}

// Case 31
#[test]
fn ten_threads_with_ten_spans_each_are_a_hundred_spans_readable_after_the_end() {
    let recorder = recorder();
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                for n in 0..10 {
                    recorder.start_action(&n.to_string()).end();
                }
            });
        }
    });
    recorder.complete(annals_deploy::Status::Completed);
    let spans = recorder.spans();
    assert_eq!(spans.len(), 101);
    assert!(spans.iter().all(|span| span.end_time.is_some()));
    assert!(spans.is_sorted_by_key(|span| span.end_time));
}
