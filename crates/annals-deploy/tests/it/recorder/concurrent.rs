//! Many threads record into one trace, and many traces are recorded at once.

use std::{collections::BTreeSet, sync::Arc, thread};

use annals_deploy::{
    Action, Check, CheckResult, Decision, Eligibility, Evaluation, EvaluationResult, Execution,
    Job, MemoryStore, Planning, ReconcileTarget, RecorderOptions, Status, StepResult,
};
use proptest::prelude::*;

use super::{KEY, attribute, complete_workflow, recorder, rows, with_store, workspace};

const fn is_shared<T: Send + Sync + 'static>() {}

const _: () = {
    is_shared::<ReconcileTarget>();
    is_shared::<RecorderOptions>();
    is_shared::<Planning>();
    is_shared::<Eligibility>();
    is_shared::<Execution>();
    is_shared::<Evaluation>();
    is_shared::<Check>();
    is_shared::<Job>();
    is_shared::<Action>();
};

/// No call of recording waits: each is a plain function, which no future is hidden in. What would be one does not convert.
#[test]
fn no_call_of_recording_is_a_future() {
    let _: fn(RecorderOptions) -> ReconcileTarget = RecorderOptions::start;
    let _: fn(&ReconcileTarget) -> Planning = ReconcileTarget::start_planning;
    let _: fn(&ReconcileTarget) -> Eligibility = ReconcileTarget::start_eligibility;
    let _: fn(&ReconcileTarget) -> Execution = ReconcileTarget::start_execution;
    let _: fn(&ReconcileTarget, &str) -> Action = ReconcileTarget::start_action;
    let _: fn(&ReconcileTarget, Status) = ReconcileTarget::complete;
    let _: fn(&Planning, &str) -> Evaluation = Planning::start_evaluation;
    let _: fn(&Planning, &str, Decision) = Planning::make_decision;
    let _: fn(&Eligibility, &str) -> Check = Eligibility::start_check;
    let _: fn(&Eligibility, &str, Decision) = Eligibility::make_decision;
    let _: fn(&Execution, &str) -> Action = Execution::start_action;
    let _: for<'a> fn(&'a Evaluation, EvaluationResult, &str) -> &'a Evaluation =
        Evaluation::set_result;
    let _: for<'a> fn(&'a Check, CheckResult, &str) -> &'a Check = Check::set_result;
    let _: for<'a> fn(&'a Action, &str, StepResult, &str) -> &'a Action = Action::add_step;
    let _: for<'a> fn(&'a Job, &str, i64) -> &'a Job = Job::add_metadata;
    let _: fn(&Job) = Job::end;
}

// Case 15
#[test]
fn three_phases_begun_at_once_are_three_spans() {
    let recorder = recorder();
    thread::scope(|scope| {
        scope.spawn(|| recorder.start_planning().end());
        scope.spawn(|| recorder.start_eligibility().end());
        scope.spawn(|| recorder.start_execution().end());
    });
    assert_eq!(recorder.spans().len(), 4);
}

/// One thing that a thread does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Phase,
    Evaluate,
    Decide,
    Step,
    Complete,
    Spans,
}

fn acts() -> impl Strategy<Value = Vec<Vec<Act>>> {
    let act = prop_oneof![
        Just(Act::Phase),
        Just(Act::Evaluate),
        Just(Act::Decide),
        Just(Act::Step),
        Just(Act::Complete),
        Just(Act::Spans),
    ];
    prop::collection::vec(prop::collection::vec(act, 1..40), 8)
}

fn act(recorder: &ReconcileTarget, acts: &[Act]) {
    let planning = recorder.start_planning();
    let action = recorder.start_action("action");
    let mut open = Vec::new();
    for act in acts {
        match act {
            Act::Phase => recorder.start_eligibility().end(),
            Act::Evaluate => {
                let evaluation = planning.start_evaluation("evaluation");
                evaluation
                    .set_result(EvaluationResult::Allowed, "")
                    .add_metadata("a", 1);
                open.push(evaluation);
            }
            Act::Decide => planning.make_decision("decision", Decision::Approved),
            Act::Step => {
                action.add_step("step", StepResult::Pass, "");
            }
            Act::Complete => recorder.complete(Status::Completed),
            Act::Spans => drop(recorder.spans()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Also when others complete, read and persist meanwhile.
    #[test]
    fn sequences_have_no_gap_whoever_records(acts in acts()) {
        let store = MemoryStore::new();
        let recorder = with_store(&store).start();
        thread::scope(|scope| {
            for acts in &acts {
                scope.spawn(|| act(&recorder, acts));
            }
            scope.spawn(|| {
                for _ in 0..5 {
                    let persisted = recorder.persist();
                    futures_util::FutureExt::now_or_never(persisted).unwrap().unwrap();
                }
            });
        });
        recorder.complete(Status::Completed);
        futures_util::FutureExt::now_or_never(recorder.persist()).unwrap().unwrap();
        let mut rows = store.spans();
        rows.sort_by_key(|row| row.sequence);
        let starts: Vec<_> = rows.iter().map(|row| row.start_time).collect();
        prop_assert!(starts.is_sorted());
        let ids: BTreeSet<_> = rows.iter().map(|row| row.span_id.as_str()).collect();
        prop_assert_eq!(ids.len(), rows.len());
        for (sequence, row) in rows.iter().enumerate() {
            prop_assert_eq!(row.sequence, Some(sequence as i32));
            // What was persisted last is what is known now.
            prop_assert_eq!(row.status.as_deref(), Some("completed"), "{}", row.name);
            let parent = rows.iter().find(|one| Some(&one.span_id) == row.parent_span_id.as_ref());
            prop_assert_eq!(row.depth, Some(parent.map_or(0, |parent| parent.depth.unwrap() + 1)));
        }
        let steps = acts.iter().flatten().filter(|act| !matches!(act, Act::Complete | Act::Spans));
        prop_assert_eq!(rows.len(), 1 + 2 * acts.len() + steps.count());
    }
}

// Case 38
#[tokio::test]
async fn concurrent_deployments_have_a_root_each() {
    let store = MemoryStore::new();
    let mut running = Vec::new();
    for _ in 0..20 {
        let store = Arc::new(store.clone());
        running.push(tokio::spawn(async move {
            let recorder = ReconcileTarget::with_store(workspace(), KEY, store);
            complete_workflow(&recorder);
            recorder.complete(Status::Completed);
            recorder.persist().await.unwrap();
            recorder.root_trace_id().to_owned()
        }));
    }
    let mut traces = BTreeSet::new();
    for recorder in running {
        traces.insert(recorder.await.unwrap());
    }
    assert_eq!(traces.len(), 20);
    for trace in traces {
        let spans = store
            .spans()
            .into_iter()
            .filter(|row| row.trace_id == trace);
        let (roots, others): (Vec<_>, Vec<_>) = spans.partition(|row| row.parent_span_id.is_none());
        assert_eq!((roots.len(), others.len()), (1, 11));
    }
}

#[tokio::test]
async fn whoever_persists_while_others_record_loses_nothing() {
    let store = MemoryStore::new();
    let recorder = Arc::new(with_store(&store).start());
    let recording = {
        let recorder = Arc::clone(&recorder);
        thread::spawn(move || {
            for n in 0..500 {
                let action = recorder.start_action(&n.to_string());
                action.add_metadata("n", n);
            }
        })
    };
    while !recording.is_finished() {
        recorder.persist().await.unwrap();
    }
    recorder.persist().await.unwrap();
    assert_eq!(store.spans().len(), 501);
    let persisted = rows(&recorder).await;
    assert_eq!(persisted, store.spans());
    assert!(
        recorder
            .spans()
            .iter()
            .all(|span| attribute(span, "phase") != "")
    );
}
