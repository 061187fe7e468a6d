//! How things ended: said, or following from what they contain.

use annals_deploy::{
    CheckResult, Decision, EvaluationResult, OtelSpan, ReconcileTarget, Status, StatusCode,
    StepResult,
};

use super::{attribute, recorder, row, rows, span, status};

fn code(recorder: &ReconcileTarget, name: &str) -> StatusCode {
    span(recorder, name).status_code
}

// Cases 4 and 13
#[tokio::test]
async fn completing_never_fails_and_its_status_has_a_code() {
    for (status, code) in [
        (Status::Completed, StatusCode::Ok),
        (Status::Failed, StatusCode::Error),
        (Status::Skipped, StatusCode::Unset),
    ] {
        let recorder = recorder();
        recorder.complete(status);
        let root = &rows(&recorder).await[0];
        assert_eq!(root.status.as_deref(), Some(status.to_string().as_str()));
        assert_eq!(root.status_code, code);
        assert!(root.end_time.is_some());
    }
    let recorder = recorder();
    let root = &rows(&recorder).await[0];
    assert_eq!(root.status.as_deref(), Some("running"));
    assert_eq!(root.status_code, StatusCode::Unset);
}

#[test]
fn completing_twice_changes_nothing() {
    let recorder = recorder();
    recorder.complete(Status::Failed);
    let before = recorder.spans();
    recorder.complete(Status::Completed);
    assert_eq!(recorder.spans(), before);
}

#[test]
fn completing_as_running_leaves_it_to_the_parts() {
    let recorder = recorder();
    recorder
        .start_planning()
        .make_decision("no", Decision::Rejected);
    recorder.complete(Status::Running);
    assert_eq!(status(&recorder, "Reconciliation"), "failed");
}

// Cases 14, 18 and 20, and fault 4: messages are kept.
#[tokio::test]
async fn results_are_statuses_and_messages_have_a_column() {
    let recorder = recorder();
    let planning = recorder.start_planning();
    planning
        .start_evaluation("allowed")
        .set_result(EvaluationResult::Allowed, "Approved by alice")
        .end();
    planning
        .start_evaluation("blocked")
        .set_result(EvaluationResult::Blocked, "needs 2 approvals, has 1")
        .end();
    let eligibility = recorder.start_eligibility();
    eligibility
        .start_check("pass")
        .set_result(CheckResult::Pass, "Not deployed")
        .end();
    eligibility
        .start_check("fail")
        .set_result(CheckResult::Fail, "3/5 ready")
        .end();
    let rows = rows(&recorder).await;
    for (name, status, code, message) in [
        ("allowed", "completed", StatusCode::Ok, "Approved by alice"),
        (
            "blocked",
            "failed",
            StatusCode::Error,
            "needs 2 approvals, has 1",
        ),
        ("pass", "completed", StatusCode::Ok, "Not deployed"),
        ("fail", "failed", StatusCode::Error, "3/5 ready"),
    ] {
        let row = row(&rows, name);
        assert_eq!(row.status.as_deref(), Some(status), "{name}");
        assert_eq!(row.status_code, code, "{name}");
        assert_eq!(row.message.as_deref(), Some(message), "{name}");
        let recorded = span(&recorder, name);
        assert_eq!(attribute(&recorded, "result"), name);
        assert_eq!(attribute(&recorded, "message"), message);
        assert_eq!(recorded.status_message.as_deref(), Some(message));
    }
}

// Case 19
#[test]
fn a_decision_against_it_is_an_error() {
    let recorder = recorder();
    let planning = recorder.start_planning();
    planning.make_decision("yes", Decision::Approved);
    planning.make_decision("no", Decision::Rejected);
    let eligibility = recorder.start_eligibility();
    eligibility.make_decision("not now", Decision::Rejected);
    for (name, status, code, decision) in [
        ("yes", "completed", StatusCode::Ok, "approved"),
        ("no", "failed", StatusCode::Error, "rejected"),
        ("not now", "failed", StatusCode::Error, "rejected"),
    ] {
        let span = span(&recorder, name);
        assert_eq!(span.status_code, code, "{name}");
        assert_eq!(attribute(&span, "status"), status);
        assert_eq!(attribute(&span, "decision"), decision);
    }
}

// Case 23, and fault 4: "3/3 ready" is kept.
#[tokio::test]
async fn steps_pass_or_fail_with_their_messages() {
    let recorder = recorder();
    let action = recorder.start_action("Verification");
    action.add_step("pods", StepResult::Pass, "3/3 ready");
    action.add_step("endpoints", StepResult::Fail, "502");
    let rows = rows(&recorder).await;
    let step = row(&rows, "pods");
    assert_eq!(step.status_code, StatusCode::Ok);
    assert_eq!(step.message.as_deref(), Some("3/3 ready"));
    assert!(step.end_time.is_some());
    let step = row(&rows, "endpoints");
    assert_eq!(step.status_code, StatusCode::Error);
    assert_eq!(step.message.as_deref(), Some("502"));
    assert_eq!(attribute(&span(&recorder, "endpoints"), "result"), "fail");
}

// Case 25
#[test]
fn ending_three_times_is_harmless() {
    let recorder = recorder();
    let planning = recorder.start_planning();
    let evaluation = planning.start_evaluation("policy");
    let action = recorder.start_action("Verification");
    evaluation.end();
    planning.end();
    action.end();
    let before = recorder.spans();
    for _ in 0..2 {
        evaluation.end();
        planning.end();
        action.end();
    }
    drop((evaluation, planning, action));
    assert_eq!(recorder.spans(), before);
}

// Fault 6: a phase does not end well when something in it did not.
#[tokio::test]
async fn a_blocked_deployment_is_failed_all_the_way_up() {
    let recorder = recorder();
    let planning = recorder.start_planning();
    planning
        .start_evaluation("Version Selector")
        .set_result(EvaluationResult::Allowed, "v2 fits");
    planning
        .start_evaluation("Approval Policy")
        .set_result(EvaluationResult::Blocked, "needs 2 approvals, has 1");
    planning.make_decision("Blocked by Approval Policy", Decision::Rejected);
    planning.end();
    recorder.complete(Status::Running);
    let rows = rows(&recorder).await;
    for name in ["Reconciliation", "Planning", "Blocked by Approval Policy"] {
        assert_eq!(row(&rows, name).status.as_deref(), Some("failed"), "{name}");
        assert_eq!(row(&rows, name).status_code, StatusCode::Error, "{name}");
    }
    assert_eq!(
        row(&rows, "Version Selector").status.as_deref(),
        Some("completed")
    );
}

#[test]
fn what_was_said_counts_more_than_what_follows() {
    let recorder = recorder();
    let execution = recorder.start_execution();
    let job = execution.trigger_job("ci", []);
    job.set_status(Status::Failed, "exit code 1");
    job.end();
    let action = execution.start_action("retry");
    action.add_step("try", StepResult::Fail, "");
    action.set_status(Status::Completed, "it does not matter");
    action.end();
    execution.end();
    recorder.complete(Status::Completed);
    assert_eq!(status(&recorder, "Job: ci"), "failed");
    assert_eq!(
        span(&recorder, "Job: ci").status_message.as_deref(),
        Some("exit code 1")
    );
    assert_eq!(status(&recorder, "retry"), "completed");
    assert_eq!(status(&recorder, "Execution"), "failed");
    assert_eq!(status(&recorder, "Reconciliation"), "completed");
    assert_eq!(code(&recorder, "Reconciliation"), StatusCode::Ok);
}

// Fault 18
#[test]
fn what_ends_without_a_result_says_so_and_what_has_no_children_ends_well() {
    let recorder = recorder();
    let planning = recorder.start_planning();
    planning.start_evaluation("forgotten").end();
    planning.end();
    let eligibility = recorder.start_eligibility();
    eligibility.start_check("forgotten too").end();
    recorder.start_execution().trigger_job("ci", []).end();
    recorder.start_action("nothing to verify").end();
    for (name, expected) in [
        ("forgotten", "unset"),
        ("Planning", "unset"),
        ("forgotten too", "unset"),
        ("Eligibility", "running"),
        ("Job: ci", "completed"),
        ("Execution", "completed"),
        ("nothing to verify", "completed"),
    ] {
        assert_eq!(status(&recorder, name), expected, "{name}");
    }
    assert_eq!(code(&recorder, "forgotten"), StatusCode::Unset);
}

#[tokio::test]
async fn a_child_that_ends_after_its_parent_still_worsens_it() {
    let store = annals_deploy::MemoryStore::new();
    let recorder = super::with_store(&store).start();
    let planning = recorder.start_planning();
    let evaluation = planning.start_evaluation("slow");
    planning.end();
    assert_eq!(status(&recorder, "Planning"), "completed");
    recorder.persist().await.unwrap();
    evaluation.set_result(EvaluationResult::Blocked, "no");
    // What has not ended has not failed.
    assert_eq!(status(&recorder, "slow"), "running");
    evaluation.end();
    assert_eq!(status(&recorder, "slow"), "failed");
    assert_eq!(status(&recorder, "Planning"), "failed");
    recorder.persist().await.unwrap();
    let rows = store.spans();
    assert_eq!(row(&rows, "Planning").status.as_deref(), Some("failed"));
    assert_eq!(row(&rows, "slow").message.as_deref(), Some("no"));
    // And when it began after its parent's end.
    let late = planning.start_evaluation("late");
    late.set_result(EvaluationResult::Allowed, "yes").end();
    assert_eq!(status(&recorder, "Planning"), "failed");
}

#[tokio::test]
async fn a_job_whose_fate_is_known_after_its_end_is_told_again() {
    let store = annals_deploy::MemoryStore::new();
    let recorder = super::with_store(&store).start();
    let execution = recorder.start_execution();
    let job = execution.trigger_job("ci", []);
    job.end();
    execution.end();
    recorder.complete(Status::Running);
    recorder.persist().await.unwrap();
    assert_eq!(
        row(&store.spans(), "Job: ci").status.as_deref(),
        Some("completed")
    );
    job.set_status(Status::Failed, "timed out");
    recorder.persist().await.unwrap();
    for name in ["Job: ci", "Execution", "Reconciliation"] {
        assert_eq!(
            row(&store.spans(), name).status.as_deref(),
            Some("failed"),
            "{name}"
        );
    }
    // For ever is too long: a row has versions to spare, and not without end.
    for _ in 0..1_000 {
        job.set_status(Status::Failed, "timed out");
        job.set_status(Status::Completed, "it went well after all");
    }
    recorder.persist().await.unwrap();
    let stored = store.spans();
    let of = |name: &str| row(&stored, name).status.clone();
    assert_eq!(of("Job: ci"), Some(status(&recorder, "Job: ci")));
    assert_eq!(
        of("Reconciliation"),
        Some(status(&recorder, "Reconciliation"))
    );
}

fn ended_as(span: &OtelSpan) -> (&str, bool) {
    let status = span.attributes.get("ctrlplane.status");
    (status.unwrap().as_str().unwrap(), span.end_time.is_some())
}

// Fault 7
#[tokio::test]
async fn what_is_open_at_the_end_is_aborted_until_it_ends() {
    let store = annals_deploy::MemoryStore::new();
    let recorder = super::with_store(&store).start();
    let execution = recorder.start_execution();
    let action = execution.start_action("open");
    action.add_step("done", StepResult::Pass, "");
    recorder.complete(Status::Completed);
    for name in ["Execution", "open"] {
        assert_eq!(
            ended_as(&span(&recorder, name)),
            ("aborted", true),
            "{name}"
        );
    }
    let root = span(&recorder, "Reconciliation");
    assert_eq!(ended_as(&root), ("completed", true));
    assert_eq!(span(&recorder, "open").end_time, root.end_time);
    recorder.persist().await.unwrap();
    assert_eq!(
        row(&store.spans(), "open").status.as_deref(),
        Some("aborted")
    );
    // What begins only now is aborted as well, at its start.
    let late = execution.start_action("late");
    assert_eq!(ended_as(&span(&recorder, "late")), ("aborted", true));

    late.end();
    action.end();
    execution.end();
    recorder.persist().await.unwrap();
    let rows = store.spans();
    for name in ["Execution", "open", "late"] {
        assert_eq!(
            row(&rows, name).status.as_deref(),
            Some("completed"),
            "{name}"
        );
        assert!(row(&rows, name).end_time > row(&rows, "Reconciliation").end_time);
    }
}
