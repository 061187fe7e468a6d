//! Metadata, free attributes, and values that no database holds.

use std::time::{Duration, UNIX_EPOCH};

use annals_deploy::{MetadataValue, Status};
use annals_record::Timestamp;
use serde_json::{Value, json};

use super::{recorder, row, rows, span};

/// Names of a span's events with their only attribute's value.
fn events(span: &annals_deploy::OtelSpan) -> Vec<(String, Value)> {
    let of = |event: &annals_deploy::SpanEvent| {
        assert_eq!(event.attributes.len(), 1);
        let value = event.attributes.get(&event.name).cloned();
        (
            event.name.clone(),
            value.expect("an attribute of the event's name"),
        )
    };
    span.events.iter().map(of).collect()
}

// Case 17
#[test]
fn each_metadata_is_an_event_with_an_attribute_of_its_name() {
    let recorder = recorder();
    let planning = recorder.start_planning();
    planning
        .start_evaluation("evaluation")
        .add_metadata("approver", "alice")
        .add_metadata("required", 2)
        .add_metadata("strict", true);
    let eligibility = recorder.start_eligibility();
    let check = eligibility.start_check("check");
    check.add_metadata("version", "v1").add_metadata("age", 3);
    let execution = recorder.start_execution();
    let job = execution.trigger_job("ci", []);
    job.add_metadata("id", 1_u64)
        .add_metadata("url", "https://ci");
    job.add_metadata("id", 2_u64);
    let action = recorder.start_action("action");
    action
        .add_metadata("a", 1)
        .add_metadata("b", 2)
        .add_metadata("c", 3);
    assert_eq!(
        events(&span(&recorder, "evaluation")),
        [
            ("approver".to_owned(), json!("alice")),
            ("required".to_owned(), json!(2)),
            ("strict".to_owned(), json!(true)),
        ]
    );
    assert_eq!(events(&span(&recorder, "check")).len(), 2);
    // The same name twice is two events.
    assert_eq!(events(&span(&recorder, "Job: ci")).len(), 3);
    assert_eq!(events(&span(&recorder, "action")).len(), 3);
}

#[derive(Debug)]
#[expect(dead_code, reason = "read by Debug")]
struct Version {
    major: u8,
}

// Case 35, the part of the types
#[test]
fn values_keep_their_types_and_anything_else_is_its_text() {
    let noon = Timestamp::from_unix_seconds(1_704_110_400).unwrap();
    let noon_of_the_system = UNIX_EPOCH + Duration::from_nanos(1_704_110_400_999_999_999);
    let address = std::net::Ipv4Addr::LOCALHOST;
    let before_1677 = UNIX_EPOCH.checked_sub(Duration::from_secs(20_000_000_000));
    let values: [(MetadataValue, Value); 20] = [
        ("text".into(), json!("text")),
        (String::from("text").into(), json!("text")),
        (true.into(), json!(true)),
        (7_i32.into(), json!(7)),
        (i64::MIN.into(), json!(i64::MIN)),
        (u64::MAX.into(), json!(u64::MAX)),
        (7_usize.into(), json!(7)),
        (1.5.into(), json!(1.5)),
        (1.5_f32.into(), json!(1.5)),
        (f64::NAN.into(), json!("NaN")),
        (f64::INFINITY.into(), json!("Infinity")),
        (f64::NEG_INFINITY.into(), json!("-Infinity")),
        (["a", "b"].into(), json!(["a", "b"])),
        (vec![String::from("a")].into(), json!(["a"])),
        (noon.into(), json!("2024-01-01T12:00:00Z")),
        (noon_of_the_system.into(), json!("2024-01-01T12:00:00Z")),
        (
            (UNIX_EPOCH - Duration::from_millis(500)).into(),
            json!("1969-12-31T23:59:59Z"),
        ),
        (MetadataValue::printed(&address), json!("127.0.0.1")),
        (
            MetadataValue::debugged(&Version { major: 2 }),
            json!("Version { major: 2 }"),
        ),
        (Vec::<String>::new().into(), json!([])),
    ];
    let recorder = recorder();
    let action = recorder.start_action("action");
    for (given, _) in &values {
        action.add_metadata("value", given.clone());
    }
    let noted = events(&span(&recorder, "action"));
    for ((_, noted), (_, expected)) in noted.iter().zip(&values) {
        assert_eq!(noted, expected);
    }
    // What no clock of ours can say is still said somehow.
    if let Some(time) = before_1677 {
        assert_ne!(MetadataValue::from(time), MetadataValue::from(""));
    }
}

// Fault 15
#[tokio::test]
async fn nothing_that_is_noted_fails_the_trace() {
    let recorder = recorder();
    recorder.set_attribute("nul\0key", "nul\0value");
    let planning = recorder.start_planning();
    let evaluation = planning.start_evaluation("nul\0name");
    evaluation
        .set_attribute("ratio", f64::NAN)
        .set_attribute("list", ["a\0", "b"])
        .set_attributes([
            ("huge", f64::MAX),
            ("tiny", f64::MIN_POSITIVE),
            ("zero", -0.0),
        ])
        .add_metadata("nul\0event", "x\0")
        .set_result(annals_deploy::EvaluationResult::Blocked, "nul\0message");
    evaluation.end();
    let execution = recorder.start_execution();
    let job = execution.trigger_job("nul\0type", [("k\0", "v\0")]);
    job.set_job_id("job\0id");
    job.end();
    let action = execution.start_action("");
    action.add_metadata("", "").set_attribute("", "");
    action.end();
    recorder.set_release_id("");
    recorder.complete(Status::Completed);
    let rows = rows(&recorder).await;
    assert_eq!(rows.len(), 6);
    let evaluation = row(&rows, "nul\u{fffd}name");
    assert_eq!(evaluation.message.as_deref(), Some("nul\u{fffd}message"));
    let attributes = evaluation.attributes.to_value();
    assert_eq!(attributes["ratio"], json!("NaN"));
    assert_eq!(attributes["list"], json!(["a\u{fffd}", "b"]));
    let job = row(&rows, "Job: nul\u{fffd}type");
    assert_eq!(job.job_id.as_deref(), Some("job\u{fffd}id"));
    for row in &rows {
        let texts = [row.attributes.as_str(), row.events.as_str(), &row.name];
        assert!(
            texts
                .iter()
                .all(|text| !text.contains("\\u0000") && !text.contains('\0'))
        );
        // What PostgreSQL refuses.
        assert!(!row.attributes.has_nul() && !row.events.has_nul());
    }
}

#[tokio::test]
async fn the_planner_sets_attributes_of_phases_and_of_the_root() {
    let recorder = recorder();
    recorder.set_attribute("ctrlplane.version_tag", "v1.2.3");
    let planning = recorder.start_planning();
    planning
        .set_attribute("ctrlplane.version_id", "one")
        .set_attribute("ctrlplane.group_by", "version")
        .set_attribute("ctrlplane.version_id", "two");
    let rows = rows(&recorder).await;
    let of = |name: &str| row(&rows, name).attributes.to_value();
    assert_eq!(of("Reconciliation")["ctrlplane.version_tag"], "v1.2.3");
    assert_eq!(of("Planning")["ctrlplane.version_id"], "two");
    assert_eq!(of("Planning")["ctrlplane.group_by"], "version");
}

#[tokio::test]
async fn nobody_takes_a_span_to_another_workspace_or_place() {
    let recorder = recorder();
    let planning = recorder.start_planning();
    for own in [
        "workspace_id",
        "phase",
        "status",
        "depth",
        "sequence",
        "parent_trace_id",
    ] {
        planning.set_attribute(&format!("ctrlplane.{own}"), "elsewhere");
    }
    // A text where a column needs one.
    planning.set_attribute("ctrlplane.job_id", 7);
    planning.set_attribute("ctrlplane.release_id", ["a", "b"]);
    let rows = rows(&recorder).await;
    let row = row(&rows, "Planning");
    assert_eq!(row.workspace_id, super::workspace().uuid());
    assert_eq!(row.phase.as_deref(), Some("planning"));
    assert_eq!((row.depth, row.sequence), (Some(1), Some(1)));
    assert_eq!(row.parent_trace_id, None);
    assert_eq!(row.job_id.as_deref(), Some("7"));
    assert_eq!(row.release_id.as_deref(), Some(r#"["a","b"]"#));
    assert_eq!(row.attributes.to_value()["ctrlplane.dropped_attributes"], 6);
}

// Fault 13: a token is the last thing that belongs into a trace.
#[tokio::test]
async fn a_token_that_somebody_notes_is_not_stored() {
    let recorder = annals_deploy::ReconcileTarget::options(super::workspace(), super::KEY)
        .tokens(super::keys())
        .start();
    let execution = recorder.start_execution();
    let job = execution.trigger_job("ci", []);
    let token = job.token().unwrap();
    job.add_metadata("token", token.as_str());
    job.set_attribute("token", token.as_str());
    job.set_status(Status::Failed, &format!("refused: {}", token.as_str()));
    let action = execution.start_action(&format!("curl {}", token.as_str()));
    let signature = token.as_str().split('.').next_back().unwrap();
    for row in rows(&recorder).await {
        assert!(!format!("{row:?}").contains(signature), "{row:?}");
    }
    assert!(!format!("{recorder:?}{job:?}{action:?}").contains(signature));
}
