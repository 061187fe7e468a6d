//! What recording costs the program that is recorded: its own time, with nothing to wait for.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use annals_deploy::{
    CheckResult, Decision, EvaluationResult, MemoryStore, ReconcileTarget, RecorderOptions, Status,
    StepResult, WorkspaceId,
};
use annals_record::Uuid;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Handle;

/// Runs that count, and those before them that warm it up.
pub(super) const RUNS: usize = 1_000;
const WARM_UP: usize = 100;

/// Spans of a run.
pub(super) const SPANS: usize = 100;

/// How a recorder is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    /// Nothing takes its spans.
    Alone,
    /// When it is dropped the background persists it.
    Stored,
    /// What changes is persisted meanwhile too.
    Incremental,
}

pub(super) const SETUPS: [(&str, Setup); 3] = [
    ("recorded and completed", Setup::Alone),
    (
        "the same, and left to the background to persist",
        Setup::Stored,
    ),
    (
        "the same, persisted every millisecond meanwhile",
        Setup::Incremental,
    ),
];

/// Milliseconds of each run.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) own: Vec<f64>,
    pub(super) wall: Vec<f64>,
}

/// Records many times, on a thread of its own.
pub(super) async fn measure(setup: Setup) -> Recorded {
    let runtime = Handle::current();
    let recording = move || {
        let _entered = runtime.enter();
        let store = MemoryStore::new();
        let mut recorded = Recorded {
            own: Vec::with_capacity(RUNS),
            wall: Vec::with_capacity(RUNS),
        };
        for run in 0..WARM_UP + RUNS {
            let options = options(setup, &store);
            let (own, began) = (own_time(), Instant::now());
            record(options);
            let (wall, own) = (began.elapsed(), own_time().saturating_sub(own));
            if run >= WARM_UP {
                recorded.own.push(own.as_secs_f64() * 1e3);
                recorded.wall.push(wall.as_secs_f64() * 1e3);
            }
            store.clear();
        }
        recorded
    };
    let thread = thread::spawn(recording);
    tokio::task::spawn_blocking(|| thread.join().expect("a thread that ends"))
        .await
        .expect("a task that ends")
}

fn options(setup: Setup, store: &MemoryStore) -> RecorderOptions {
    let target = "6f1c-production-0f4d2c9e-8d1b-4b52-9d3f-1f2a3b4c5d6e";
    let options = ReconcileTarget::options(WorkspaceId::from(Uuid::from_u128(7)), target);
    match setup {
        Setup::Alone => options,
        Setup::Stored => options.store(Arc::new(store.clone())),
        Setup::Incremental => options
            .store(Arc::new(store.clone()))
            .incremental(Duration::from_millis(1)),
    }
}

/// Processor time of this thread.
fn own_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.try_into().expect("a time after the start")
}

/// A hundred spans, with results and nearly as many notes.
fn record(options: RecorderOptions) {
    let target = options.start();
    let planning = target.start_planning();
    for _ in 0..30 {
        let evaluation = planning.start_evaluation("Approval Policy");
        evaluation.add_metadata("policy_type", "approval");
        evaluation.add_metadata("required_approvals", 1);
        evaluation.set_result(EvaluationResult::Allowed, "Approved by alice");
        evaluation.end();
    }
    planning.make_decision("Deploy approved", Decision::Approved);
    planning.end();
    let eligibility = target.start_eligibility();
    for _ in 0..20 {
        let check = eligibility.start_check("Already Deployed");
        check.add_metadata("target_version", "v1.2.3");
        check.set_result(CheckResult::Pass, "Not deployed");
        check.end();
    }
    eligibility.make_decision("Eligible", Decision::Approved);
    eligibility.end();
    let execution = target.start_execution();
    let job = execution.trigger_job("github-action", [("workflow", "deploy.yml")]);
    job.set_job_id("8765432109");
    job.add_metadata("github_run_id", "8765432109");
    job.end();
    execution.end();
    let verification = target.start_action("Verification");
    for _ in 0..42 {
        verification.add_step("Check pods", StepResult::Pass, "3/3 ready");
    }
    verification.end();
    target.complete(Status::Completed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_has_a_hundred_spans() {
        let store = MemoryStore::new();
        record(options(Setup::Stored, &store));
        while store.spans().is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.spans().len(), SPANS);
    }
}
