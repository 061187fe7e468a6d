//! What one recorder keeps at most, and how it tells of the rest.

use annals_deploy::{Decision, Limits, OtelSpan, ReconcileTarget, Status, StepResult};
use serde_json::json;

use super::{KEY, attribute, doubles::Counted, row, rows, span, status, workspace};

fn limited(limits: Limits) -> ReconcileTarget {
    ReconcileTarget::options(workspace(), KEY)
        .limits(limits)
        .start()
}

// Fault 19
#[test]
fn events_and_attributes_beyond_the_limits_are_counted() {
    let recorder = limited(Limits::default().with_events(3).with_attributes(2));
    let execution = recorder.start_execution();
    let job = execution.trigger_job("ci", [("a", "1"), ("b", "2"), ("c", "3")]);
    for n in 0..5 {
        job.add_metadata("n", n);
    }
    // One that is there is replaced, full or not.
    job.set_attribute("ctrlplane.job_config.a", "4");
    job.set_attribute("d", "5");
    let job = span(&recorder, "Job: ci");
    assert_eq!(job.events.len(), 3);
    assert_eq!(attribute(&job, "dropped_events"), 2);
    assert_eq!(attribute(&job, "dropped_attributes"), 2);
    assert_eq!(attribute(&job, "job_config.a"), "4");
    assert_eq!(attribute(&job, "job_config.c"), json!(null));
    let other = span(&recorder, "Execution");
    assert!(!other.attributes.keys().any(|key| key.contains("dropped")));
}

#[test]
fn what_is_dropped_is_counted_by_a_metric_of_each_kind() {
    let counted = Counted::default();
    metrics::with_local_recorder(&counted, || {
        let limits = Limits::default()
            .with_spans(2)
            .with_events(1)
            .with_attributes(1);
        let recorder = limited(limits);
        let action = recorder.start_action("action");
        for n in 0..3 {
            action.add_metadata("n", n).set_attribute(&n.to_string(), n);
            action.add_step("dropped", StepResult::Pass, "");
        }
    });
    for (kind, count) in [
        ("spans", 3),
        ("events", 2),
        ("attributes", 2),
        ("changes", 0),
    ] {
        assert_eq!(counted.of(kind), count, "{kind}");
    }
}

#[tokio::test]
async fn spans_beyond_the_limit_are_counted_and_what_fails_is_heard() {
    let recorder = limited(Limits::default().with_spans(3));
    let planning = recorder.start_planning();
    let action = planning.start_evaluation("the last one");
    let dropped = planning.start_evaluation("dropped");
    dropped
        .add_metadata("a", 1)
        .set_attribute("b", 2)
        .set_result(annals_deploy::EvaluationResult::Blocked, "no");
    dropped.end();
    planning.make_decision("dropped as well", Decision::Rejected);
    let verification = recorder.start_action("dropped too");
    verification.add_step("and its step", StepResult::Fail, "");
    verification.end();
    action.end();
    planning.end();
    recorder.complete(Status::Running);
    let rows = rows(&recorder).await;
    let sequences: Vec<_> = rows.iter().map(|row| row.sequence).collect();
    assert_eq!(sequences, [Some(0), Some(1), Some(2)]);
    let root = row(&rows, "Reconciliation").attributes.to_value();
    assert_eq!(root["ctrlplane.dropped_spans"], 4);
    assert_eq!(status(&recorder, "Planning"), "failed");
    assert_eq!(status(&recorder, "Reconciliation"), "failed");
}

#[test]
fn a_job_that_was_not_kept_still_has_a_token_for_what_stands_above_it() {
    let recorder = ReconcileTarget::options(workspace(), KEY)
        .limits(Limits::default().with_spans(2))
        .tokens(super::keys())
        .start();
    let execution = recorder.start_execution();
    let job = execution.trigger_job("ci", []);
    let token = job.token().unwrap();
    let now = annals_record::Timestamp::now();
    let claims = super::keys().verify(token.as_str(), now).unwrap();
    assert_eq!(claims.span_id, execution.span_id());
}

#[tokio::test]
async fn long_texts_are_cut_and_say_so() {
    let recorder = limited(Limits::default().with_text_bytes(32));
    let long = "ü".repeat(1_000);
    let action = recorder.start_action(&long);
    action
        .add_metadata(&long, long.as_str())
        .set_attribute(&long, vec![long.clone(); 2])
        .set_status(Status::Failed, &long);
    action.end();
    recorder.set_job_id(&long);
    let cut = |text: &str| text.len() <= 32 && text.ends_with('…');
    let rows = rows(&recorder).await;
    let row = rows.iter().find(|row| row.depth == Some(1)).unwrap();
    assert!(
        cut(&row.name) && cut(row.message.as_deref().unwrap()),
        "{row:?}"
    );
    let attributes = row.attributes.to_value();
    let free = |key: &String| key.starts_with('ü');
    let (key, value) = attributes
        .as_object()
        .unwrap()
        .iter()
        .find(|(key, _)| free(key))
        .unwrap();
    assert!(cut(key) && cut(value[1].as_str().unwrap()));
    let event = &row.events.to_value()[0];
    assert!(cut(event["name"].as_str().unwrap()));
}

#[tokio::test]
async fn ids_are_short_enough_for_an_index_whatever_was_given() {
    let long = "x".repeat(10_000);
    let recorder = ReconcileTarget::options(workspace(), &long)
        .deployment(&long)
        .limits(Limits::default().with_text_bytes(usize::MAX))
        .start();
    recorder.set_release_id(&long);
    recorder.set_job_id(&long);
    let execution = recorder.start_execution();
    let job = execution.trigger_job(&long, []);
    job.set_attribute("ctrlplane.trigger", long.as_str());
    let huge = "y".repeat(200_000);
    let action = execution.start_action(&huge);
    action.set_status(Status::Failed, &huge);
    let rows = rows(&recorder).await;
    assert_eq!(rows.len(), 4);
    for row in &rows {
        for id in [
            &row.release_target_key,
            &row.release_id,
            &row.job_id,
            &row.deployment_id,
        ] {
            assert_eq!(id.as_ref().unwrap().len(), 512);
        }
    }
}

/// Whatever a span is filled with, its row is one that every store takes.
#[tokio::test]
async fn a_span_filled_to_the_brim_keeps_its_row() {
    let recorder = limited(Limits::default().with_text_bytes(1 << 20));
    let planning = recorder.start_planning();
    let evaluation = planning.start_evaluation(&"\u{1}".repeat(1 << 17));
    let control = "\u{1}".repeat(10_000);
    for n in 0..400 {
        evaluation.add_metadata(&format!("{n}{control}"), control.as_str());
        evaluation.set_attribute(&format!("{n}{control}"), vec![control.as_str(); 2]);
        evaluation.set_attribute(&format!("{n}"), f64::MAX);
    }
    evaluation.set_result(
        annals_deploy::EvaluationResult::Blocked,
        &"\u{1}".repeat(1 << 17),
    );
    let noted = recorder
        .spans()
        .into_iter()
        .find(|span| !span.events.is_empty());
    let noted: OtelSpan = noted.unwrap();
    assert!(!noted.attributes.is_empty());
    let rows = rows(&recorder).await;
    assert_eq!(rows.len(), 3);
    let row = rows.iter().find(|row| row.depth == Some(2)).unwrap();
    // Not the bare span that is the last way out.
    assert_eq!(
        row.events.to_value().as_array().unwrap().len(),
        noted.events.len()
    );
    let attributes = row.attributes.to_value();
    assert!(attributes["ctrlplane.dropped_events"].as_u64().unwrap() > 0);
    assert!(attributes["ctrlplane.dropped_attributes"].as_u64().unwrap() > 0);
}
