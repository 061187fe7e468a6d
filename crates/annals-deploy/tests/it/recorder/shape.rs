//! Names, phases, kinds, sequence and depth.

use annals_deploy::{Decision, EvaluationResult, ReconcileTarget, Status, StepResult, Trigger};
use serde_json::{Value, json};

use super::{
    KEY, WORKFLOW, attribute, keys, recorded_workflow, recorder, row, rows, span, workspace,
};

// Case 1
#[tokio::test]
async fn a_new_recorder_has_its_workspace_its_key_and_a_root_with_a_trace_id() {
    let recorder = recorder();
    let trace_id = recorder.root_trace_id();
    let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    assert!(trace_id.len() == 32 && is_hex(trace_id), "{trace_id}");
    assert_ne!(trace_id, "0".repeat(32));
    assert_eq!(recorder.workspace(), workspace());
    assert_eq!(recorder.release_target_key(), Some(KEY));
    let [root] = &rows(&recorder).await[..] else {
        panic!("one span");
    };
    assert!(
        root.span_id.len() == 16 && is_hex(&root.span_id),
        "{root:?}"
    );
    assert_eq!(root.trace_id, trace_id);
    assert_eq!(root.parent_span_id, None);
    assert_eq!(root.name, "Reconciliation");
    assert_eq!(root.workspace_id, workspace().uuid());
    assert_eq!(root.release_target_key.as_deref(), Some(KEY));
    assert_eq!(root.phase.as_deref(), Some("reconciliation"));
    assert_eq!(root.node_type.as_deref(), Some("phase"));
    assert_eq!(root.status.as_deref(), Some("running"));
    assert_eq!((root.sequence, root.depth), (Some(0), Some(0)));
    assert_eq!(
        (root.start_time, root.end_time),
        (recorder.started_at(), None)
    );
}

#[tokio::test]
async fn the_trigger_is_in_the_roots_name_and_in_its_column() {
    let recorder = recorded_workflow();
    let rows = rows(&recorder).await;
    let root = row(&rows, "Reconciliation (policy.updated)");
    assert_eq!(root.trigger.as_deref(), Some("policy.updated"));
}

// Case 3
#[test]
fn each_start_gives_an_object_with_a_span_of_its_recorder() {
    let recorder = recorder();
    let planning = recorder.start_planning();
    let evaluation = planning.start_evaluation("evaluation");
    let eligibility = recorder.start_eligibility();
    let check = eligibility.start_check("check");
    let execution = recorder.start_execution();
    let job = execution.trigger_job("type", []);
    let within = execution.start_action("within");
    let beside = recorder.start_action("beside");
    for (name, id, phase, node_type) in [
        ("Planning", planning.span_id(), "planning", "phase"),
        ("evaluation", evaluation.span_id(), "planning", "evaluation"),
        ("Eligibility", eligibility.span_id(), "eligibility", "phase"),
        ("check", check.span_id(), "eligibility", "check"),
        ("Execution", execution.span_id(), "execution", "phase"),
        ("Job: type", job.span_id(), "execution", "action"),
        ("within", within.span_id(), "execution", "action"),
        ("beside", beside.span_id(), "action", "action"),
    ] {
        let span = span(&recorder, name);
        assert_eq!(span.span_id, id);
        assert_eq!(span.trace_id, recorder.root_trace_id());
        assert_eq!(attribute(&span, "phase"), phase, "{name}");
        assert_eq!(attribute(&span, "node_type"), node_type, "{name}");
        assert_eq!(attribute(&span, "status"), "running", "{name}");
    }
}

// Cases 9 and 36
#[tokio::test]
async fn the_whole_workflow_is_one_trace_with_sequences_without_gaps() {
    let recorder = recorded_workflow();
    let rows = rows(&recorder).await;
    assert_eq!(rows.len(), WORKFLOW.len());
    for (sequence, (row, (name, depth))) in rows.iter().zip(WORKFLOW).enumerate() {
        assert_eq!(row.name, name);
        assert_eq!(row.sequence, Some(sequence as i32), "{name}");
        assert_eq!(row.depth, Some(depth), "{name}");
        assert_eq!(row.trace_id, recorder.root_trace_id());
        assert_eq!(row.workspace_id, workspace().uuid());
        assert_eq!(row.release_target_key.as_deref(), Some(KEY));
        assert_eq!(row.status.as_deref(), Some("completed"), "{name}");
        let Some(parent) = &row.parent_span_id else {
            assert_eq!(depth, 0);
            continue;
        };
        let parent = rows.iter().find(|row| row.span_id == *parent).unwrap();
        assert_eq!(row.depth, parent.depth.map(|depth| depth + 1), "{name}");
        assert!(parent.start_time <= row.start_time, "{name}");
        assert!(row.start_time <= row.end_time.unwrap(), "{name}");
        assert!(row.end_time <= parent.end_time, "{name}");
    }
}

// Case 10
#[test]
fn three_phases_are_the_spans_one_to_three() {
    let recorder = recorder();
    recorder.start_planning().end();
    recorder.start_eligibility().end();
    let execution = recorder.start_execution();
    let last = span(&recorder, "Execution");
    assert_eq!(attribute(&last, "sequence"), 3);
    execution.end();
}

// Case 11
#[test]
fn depths_are_zero_one_and_two() {
    let recorder = recorded_workflow();
    for (name, depth) in WORKFLOW {
        assert_eq!(attribute(&span(&recorder, name), "depth"), depth, "{name}");
    }
}

// Case 12, and fault 5: a decision has the phase in which it is made.
#[test]
fn a_decision_is_a_span_named_by_its_message_in_its_real_phase() {
    let recorder = recorded_workflow();
    for (name, phase) in [("Deploy approved", "planning"), ("Eligible", "eligibility")] {
        let decision = span(&recorder, name);
        assert_eq!(attribute(&decision, "phase"), phase);
        assert_eq!(attribute(&decision, "node_type"), "decision");
        assert_eq!(attribute(&decision, "decision"), "approved");
        assert_eq!(decision.end_time, Some(decision.start_time));
    }
}

// Case 16
#[test]
fn three_evaluations_are_three_spans() {
    let recorder = recorder();
    let planning = recorder.start_planning();
    for name in ["a", "b", "c"] {
        planning.start_evaluation(name).end();
    }
    let evaluations = recorder.spans().into_iter();
    let evaluations = evaluations.filter(|span| attribute(span, "node_type") == "evaluation");
    assert_eq!(evaluations.count(), 3);
}

// Case 21
#[test]
fn two_jobs_are_named_by_their_types() {
    let recorder = recorder();
    let execution = recorder.start_execution();
    execution
        .trigger_job(
            "github-action",
            [("workflow", "deploy.yml"), ("ref", "main")],
        )
        .end();
    execution.trigger_job("kubernetes-job", []).end();
    let job = span(&recorder, "Job: github-action");
    assert_eq!(attribute(&job, "job_type"), "github-action");
    assert_eq!(attribute(&job, "job_config.workflow"), "deploy.yml");
    assert_eq!(attribute(&job, "job_config.ref"), "main");
    let job = span(&recorder, "Job: kubernetes-job");
    assert_eq!(attribute(&job, "job_type"), "kubernetes-job");
}

// Case 23, the part of the phases
#[test]
fn four_steps_are_four_spans_of_the_phase_action() {
    let recorder = recorder();
    let action = recorder.start_action("Verification");
    for name in ["1", "2", "3", "4"] {
        action.add_step_with(name, StepResult::Pass, "", [("attempt", 2)]);
    }
    for name in ["1", "2", "3", "4"] {
        let step = span(&recorder, name);
        assert_eq!(attribute(&step, "phase"), "action");
        assert_eq!(attribute(&step, "depth"), 2);
        assert_eq!(step.attributes.get("attempt"), Some(&json!(2)));
    }
}

// Case 24
#[tokio::test]
async fn a_complete_flow_has_all_five_phases() {
    let rows = rows(&recorded_workflow()).await;
    for phase in [
        "reconciliation",
        "planning",
        "eligibility",
        "execution",
        "action",
    ] {
        assert!(rows.iter().any(|row| row.phase.as_deref() == Some(phase)));
    }
}

// Case 35
#[test]
fn a_span_has_six_attributes_at_least_and_ten_with_everything() {
    let own = |span: annals_deploy::OtelSpan| {
        let keys = span.attributes.into_iter().map(|(key, _)| key);
        keys.collect::<Vec<_>>()
    };
    let recorder = ReconcileTarget::new(workspace(), "");
    recorder.start_planning().end();
    let least = own(span(&recorder, "Planning"));
    assert_eq!(least.len(), 6, "{least:?}");
    assert_eq!(own(span(&recorder, "Reconciliation")).len(), 6);

    let execution = recorder.start_execution();
    let job = execution.trigger_job("ci", []);
    let token = keys().sign(&annals_deploy::Claims::lasting(
        recorder.root_trace_id(),
        job.span_id(),
        "job-1",
        workspace(),
        annals_deploy::token::DEFAULT_LIFE,
        recorder.started_at(),
    ));
    let options = ReconcileTarget::from_job(workspace(), token.as_str(), &keys()).unwrap();
    let linked = options.release_target_key(KEY).start();
    linked.set_release_id("release-1");
    linked.start_planning().end();
    let most = own(span(&linked, "Planning"));
    assert_eq!(most.len(), 10, "{most:?}");
}

// Case 37
#[tokio::test]
async fn each_policy_is_an_evaluation_and_the_second_deployment_is_traced_as_well() {
    let first = recorder();
    let planning = first.start_planning();
    for name in ["Approval", "Gradual Rollout", "Concurrency"] {
        let evaluation = planning.start_evaluation(name);
        evaluation.set_result(EvaluationResult::Allowed, "fine");
    }
    planning.make_decision("Deploy v1", Decision::Approved);
    drop(planning);
    first.complete(Status::Completed);
    let first_rows = rows(&first).await;
    let of_type = |node: &str| {
        let node = Some(node.to_owned());
        first_rows
            .iter()
            .filter(|row| row.node_type == node)
            .count()
    };
    assert_eq!((of_type("evaluation"), of_type("decision")), (3, 1));

    let second = recorder();
    let eligibility = second.start_eligibility();
    eligibility
        .start_check("Already Deployed")
        .set_result(annals_deploy::CheckResult::Fail, "v1 is there");
    eligibility.make_decision("Nothing to deploy", Decision::Rejected);
    drop(eligibility);
    second.complete(Status::Skipped);
    let second_rows = rows(&second).await;
    assert_eq!(
        row(&second_rows, "Eligibility").phase.as_deref(),
        Some("eligibility")
    );
    assert_ne!(first.root_trace_id(), second.root_trace_id());
}

#[tokio::test]
async fn ids_of_releases_and_jobs_are_on_the_root_and_on_what_begins_from_then_on() {
    let recorder = recorder();
    let before = recorder.start_planning();
    recorder.set_release_id("release-1");
    recorder.set_job_id("job-1");
    let execution = recorder.start_execution();
    let one = execution.trigger_job("one", []);
    one.set_job_id("job-2");
    // Another job is not the one before it.
    let two = execution.trigger_job("two", []);
    let verification = recorder.start_action("Verification");
    let rows = rows(&recorder).await;
    for (name, release, job) in [
        ("Reconciliation", Some("release-1"), Some("job-1")),
        ("Planning", None, None),
        ("Execution", Some("release-1"), Some("job-1")),
        ("Job: one", Some("release-1"), Some("job-2")),
        ("Job: two", Some("release-1"), Some("job-1")),
        ("Verification", Some("release-1"), Some("job-2")),
    ] {
        let row = row(&rows, name);
        assert_eq!(row.release_id.as_deref(), release, "{name}");
        assert_eq!(row.job_id.as_deref(), job, "{name}");
    }
    drop((before, one, two, verification));
}

#[tokio::test]
async fn the_deployment_is_a_column_of_every_span() {
    let uuid = "0d5c8f14-6c3e-4f0a-9a43-1b2c3d4e5f60";
    let told = ReconcileTarget::options(workspace(), KEY).deployment("deployment-1");
    let from_key = ReconcileTarget::options(workspace(), format!("api-production-{uuid}"));
    for (options, deployment) in [(told, "deployment-1"), (from_key, uuid)] {
        let recorder = options.trigger(Trigger::Manual).start();
        recorder.start_planning().end();
        for row in rows(&recorder).await {
            assert_eq!(row.deployment_id.as_deref(), Some(deployment));
        }
    }
}

#[tokio::test]
async fn attributes_have_another_prefix_when_it_is_told() {
    let recorder = ReconcileTarget::options(workspace(), KEY)
        .prefix("acme.")
        .start();
    let planning = recorder.start_planning();
    // Free, since the prefix is another one.
    planning.set_attribute("ctrlplane.phase", "free");
    let rows = rows(&recorder).await;
    let attributes = row(&rows, "Planning").attributes.to_value();
    assert_eq!(attributes.get("acme.phase"), Some(&Value::from("planning")));
    assert_eq!(
        attributes.get("ctrlplane.phase"),
        Some(&Value::from("free"))
    );
    assert_eq!(row(&rows, "Planning").phase.as_deref(), Some("planning"));
}
