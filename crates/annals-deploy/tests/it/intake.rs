//! What becomes of a span on its way to a row. Cases are those of the reference.

mod redaction;
mod refusals;
mod whatever;

use annals_deploy::{
    DeploymentSpan, Deployments, Intake, NodeType, OtelSpan, Phase, SpanError, SpanEvent, Status,
    StatusCode, WorkspaceId, intake::Revision,
};
use annals_record::{TextEnum as _, Timestamp};
use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::{Map, Value, json};

on_every_backend!(a_batch_with_one_bad_span_stores_nothing);

const WORKSPACE: &str = "7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e";
const OTHER: &str = "00000000-0000-4000-8000-000000000001";
const DEPLOYMENT: &str = "3c5e1f0a-0b1c-4d2e-8f3a-4b5c6d7e8f90";

fn at(nanos: i64) -> Timestamp {
    Timestamp::from_unix_nanos(1_735_689_600_000_000_000 + nanos)
}

fn workspace() -> WorkspaceId {
    WORKSPACE.parse().unwrap()
}

fn span(id: &str) -> OtelSpan {
    OtelSpan::new("4bf92f3577b34da6a3ce929d0e0e4736", id, "Planning", at(0))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("{other} is no object"),
    }
}

fn with(attributes: Value) -> OtelSpan {
    let mut span = span("00f067aa0ba902b7");
    span.attributes = object(attributes);
    span
}

/// The row of a span of this workspace.
fn taken(span: OtelSpan) -> Result<DeploymentSpan, SpanError> {
    let version = Revision::of(span.end_time);
    Intake::default().row(span, Some(workspace()), version)
}

fn row(span: OtelSpan) -> DeploymentSpan {
    taken(span).unwrap()
}

fn refused(span: OtelSpan) -> String {
    taken(span).unwrap_err().to_string()
}

fn event(name: &str, attributes: Value) -> SpanEvent {
    SpanEvent {
        name: name.to_owned(),
        timestamp: at(7),
        attributes: object(attributes),
    }
}

/// Case 26.
#[test]
fn a_span_without_a_workspace_is_refused_and_the_message_names_the_attribute() {
    for attributes in [
        json!({}),
        json!({"ctrlplane.workspace_id": ""}),
        json!({"ctrlplane.workspace_id": null}),
        json!({"workspace_id": WORKSPACE}),
    ] {
        let error = Intake::default().rows(vec![with(attributes)], None);
        assert_eq!(
            error.unwrap_err().to_string(),
            "span \"Planning\" (trace_id=4bf92f3577b34da6a3ce929d0e0e4736, span_id=00f067aa0ba902b7) \
             is missing required attribute \"ctrlplane.workspace_id\""
        );
    }
    let error = Intake::with_prefix("acme/").rows(vec![span("a")], None);
    let words = error.unwrap_err().to_string();
    assert!(words.ends_with("is missing required attribute \"acme/workspace_id\""));
}

#[test]
fn a_workspace_that_is_no_uuid_is_refused_by_name() {
    for text in [
        json!("ws-123"),
        json!("7f0c2a9e8d1b4b529d3f1f2a3b4c5d6e"),
        json!(7),
    ] {
        let words = refused(with(json!({"ctrlplane.workspace_id": text})));
        assert!(words.contains("\"ctrlplane.workspace_id\" = "), "{words}");
        assert!(words.contains("no UUID"), "{words}");
    }
}

#[test]
fn a_span_of_another_workspace_is_refused_and_can_be_told_from_a_wrong_one() {
    let error = taken(with(json!({"ctrlplane.workspace_id": OTHER}))).unwrap_err();
    assert!(error.is_foreign);
    let words = error.to_string();
    assert!(
        words.contains(OTHER) && words.contains(WORKSPACE),
        "{words}"
    );
    assert!(
        !taken(with(json!({"ctrlplane.depth": "x"})))
            .unwrap_err()
            .is_foreign
    );

    let upper = WORKSPACE.to_uppercase();
    let row = row(with(json!({"ctrlplane.workspace_id": upper})));
    assert_eq!(row.workspace_id, workspace().uuid());
}

#[test]
fn a_workspace_that_the_span_did_not_name_is_a_column_and_no_attribute() {
    let row = row(with(json!({"a": 1})));
    assert_eq!(row.workspace_id, workspace().uuid());
    assert_eq!(row.attributes.as_str(), r#"{"a":1}"#);
}

/// Case 28.
#[test]
fn no_spans_are_no_rows() {
    assert_eq!(Intake::default().rows(Vec::new(), None), Ok(Vec::new()));
}

/// Case 29.
#[test]
fn one_bad_span_refuses_the_batch_unless_asked_otherwise() {
    let batch = || {
        let mut bad = span("bad");
        bad.attributes
            .insert("ctrlplane.sequence".to_owned(), json!(1.5));
        vec![span("a"), bad, span("c"), span("")]
    };
    let error = Intake::default()
        .rows(batch(), Some(workspace()))
        .unwrap_err();
    assert_eq!(error.span_id, "bad");
    assert!(
        error.problem.contains("\"ctrlplane.sequence\" = 1.5"),
        "{error}"
    );

    let (rows, refused) = Intake::default().rows_that_fit(batch(), Some(workspace()));
    let ids: Vec<&str> = rows.iter().map(|row| row.span_id.as_str()).collect();
    assert_eq!(ids, ["a", "c"]);
    assert_eq!(refused.len(), 2);
    assert!(
        refused[1].problem.contains("no span_id"),
        "{:?}",
        refused[1]
    );
}

/// Case 29, with the database.
async fn a_batch_with_one_bad_span_stores_nothing(database: TestDatabase) {
    let deployments = Deployments::open(&database.url).await.unwrap();
    let batch = vec![span("a"), with(json!({"ctrlplane.workspace_id": "ws-1"}))];
    if let Ok(rows) = Intake::default().rows(batch, Some(workspace())) {
        deployments.write(rows).await.unwrap();
    }
    // Case 28.
    deployments.write(Vec::new()).await.unwrap();
    assert_eq!(
        database
            .number("SELECT COUNT(*) FROM deployment_trace_span")
            .await,
        0
    );
}

#[test]
fn every_column_is_extracted_and_every_attribute_kept() {
    let attributes = json!({
        "ctrlplane.phase": "planning",
        "ctrlplane.node_type": "evaluation",
        "ctrlplane.status": "failed",
        "ctrlplane.workspace_id": WORKSPACE,
        "ctrlplane.release_target_key": format!("api-production-{DEPLOYMENT}"),
        "ctrlplane.release_id": "release-1",
        "ctrlplane.job_id": "job-1",
        "ctrlplane.parent_trace_id": "parent",
        "ctrlplane.depth": 2,
        "ctrlplane.sequence": 5,
        "ctrlplane.deployment_id": "another",
        "ctrlplane.trigger": "policy.updated",
        "ctrlplane.message": "blocked by \"freeze\"",
        "ctrlplane.result": "blocked",
        "custom_attribute": "custom_value",
    });
    let mut span = with(attributes.clone());
    span.parent_span_id = Some("parent span".to_owned());
    span.end_time = Some(at(1_500));
    let version = Revision::ended(at(1_500), 3);
    let row = Intake::default().row(span, None, version).unwrap();

    let text = |text: &str| Some(text.to_owned());
    assert_eq!(row.phase.as_deref(), Some(Phase::Planning.as_text()));
    assert_eq!(
        row.node_type.as_deref(),
        Some(NodeType::Evaluation.as_text())
    );
    assert_eq!(row.status.as_deref(), Some(Status::Failed.as_text()));
    assert_eq!(row.workspace_id, workspace().uuid());
    assert_eq!(
        row.release_target_key,
        Some(format!("api-production-{DEPLOYMENT}"))
    );
    assert_eq!(row.release_id, text("release-1"));
    assert_eq!(row.job_id, text("job-1"));
    assert_eq!(row.parent_trace_id, text("parent"));
    assert_eq!((row.depth, row.sequence), (Some(2), Some(5)));
    assert_eq!(row.deployment_id, text("another"));
    assert_eq!(row.trigger, text("policy.updated"));
    assert_eq!(row.message, text("blocked by \"freeze\""));
    assert_eq!(row.parent_span_id, text("parent span"));
    assert_eq!((row.start_time, row.end_time), (at(0), Some(at(1_500))));
    assert_eq!(row.revision, version.number());
    assert_eq!(
        row.id,
        DeploymentSpan::id_of(&row.trace_id, &row.span_id, at(0))
    );
    assert_eq!(row.attributes.to_value(), attributes);
}

/// Case 35, as far as it is about spans that come from elsewhere.
#[test]
fn as_many_attributes_are_kept_as_came_and_texts_stay_texts() {
    let minimal = json!({
        "ctrlplane.phase": "planning", "ctrlplane.node_type": "phase", "ctrlplane.status": "running",
        "ctrlplane.workspace_id": WORKSPACE, "ctrlplane.depth": 1, "ctrlplane.sequence": 1,
    });
    let mut full = object(minimal.clone());
    for column in [
        "release_target_key",
        "release_id",
        "job_id",
        "parent_trace_id",
    ] {
        full.insert(format!("ctrlplane.{column}"), json!("x"));
    }
    for (attributes, count) in [(minimal, 6), (Value::Object(full), 10)] {
        let kept = row(with(attributes.clone())).attributes.to_value();
        assert_eq!(kept.as_object().unwrap().len(), count);
        assert_eq!(kept, attributes);
    }
    let typed = json!({
        "text": "x", "whole": 1, "float": 1.0, "truth": true, "list": ["a", "b"],
        "time": "2024-01-01T12:00:00Z", "struct": "{Name:x Count:2}", "not a number": "NaN",
    });
    let row = row(with(typed));
    assert!(
        row.attributes.as_str().contains(r#""float":1.0"#),
        "{}",
        row.attributes
    );
    assert!(
        row.attributes.as_str().contains(r#""whole":1,"#),
        "{}",
        row.attributes
    );
    assert!(
        row.attributes
            .as_str()
            .contains(r#""time":"2024-01-01T12:00:00Z""#)
    );
}

#[test]
fn another_prefix_makes_other_attributes_columns() {
    let attributes = json!({"acme.phase": "planning", "ctrlplane.job_id": "job", "phase": "no"});
    let row = Intake::with_prefix("acme.")
        .row(
            with(attributes.clone()),
            Some(workspace()),
            Revision::of(None),
        )
        .unwrap();
    assert_eq!(row.phase.as_deref(), Some("planning"));
    assert_eq!(row.job_id, None);
    assert_eq!(row.attributes.to_value(), attributes);
}

#[test]
fn what_is_empty_is_null() {
    let mut span = with(json!({
        "ctrlplane.phase": "", "ctrlplane.node_type": "", "ctrlplane.release_target_key": "",
        "ctrlplane.job_id": null, "ctrlplane.depth": null, "ctrlplane.sequence": "",
        "ctrlplane.message": "", "ctrlplane.deployment_id": "", "ctrlplane.trigger": "",
    }));
    span.parent_span_id = Some(String::new());
    span.status_message = Some(String::new());
    let row = row(span);
    assert_eq!(
        (row.phase, row.node_type, row.release_target_key),
        (None, None, None)
    );
    assert_eq!((row.job_id, row.depth, row.sequence), (None, None, None));
    assert_eq!(
        (row.message, row.deployment_id, row.trigger),
        (None, None, None)
    );
    assert_eq!(row.parent_span_id, None);
    assert_eq!((row.end_time, row.events.as_str()), (None, "[]"));
}

#[test]
fn the_deployment_is_the_attribute_or_the_end_of_the_key() {
    let of = |attributes| row(with(attributes)).deployment_id;
    let key = format!("api-service-production-{DEPLOYMENT}");
    assert_eq!(
        of(json!({"ctrlplane.release_target_key": key})).as_deref(),
        Some(DEPLOYMENT)
    );
    let both = json!({"ctrlplane.release_target_key": key, "ctrlplane.deployment_id": "d"});
    assert_eq!(of(both).as_deref(), Some("d"));
    assert_eq!(
        of(json!({"ctrlplane.release_target_key": "api-service-production"})),
        None
    );
    let row = row(with(json!({"ctrlplane.release_target_key": key})));
    assert!(
        !row.attributes.as_str().contains("deployment_id"),
        "none is invented"
    );
}

#[test]
fn the_message_is_the_attribute_or_that_of_the_status() {
    let mut span = span("a");
    span.status_message = Some("3/3 ready".to_owned());
    assert_eq!(row(span.clone()).message.as_deref(), Some("3/3 ready"));
    span.attributes = object(json!({"ctrlplane.message": "said"}));
    assert_eq!(row(span).message.as_deref(), Some("said"));
}

#[test]
fn status_and_code_are_known_from_each_other() {
    use StatusCode::{Error, Ok, Unset};
    for (named, code, ended, status, stored) in [
        (None, Unset, false, "running", Unset),
        (None, Ok, false, "running", Ok),
        (None, Unset, true, "completed", Unset),
        (None, Ok, true, "completed", Ok),
        (None, Error, true, "failed", Error),
        (Some(""), Error, true, "failed", Error),
        (Some("completed"), Unset, true, "completed", Ok),
        (Some("failed"), Unset, true, "failed", Error),
        (Some("aborted"), Unset, true, "aborted", Error),
        (Some("skipped"), Unset, true, "skipped", Unset),
        (Some("running"), Unset, false, "running", Unset),
        (Some("completed"), Error, true, "completed", Error),
        (Some("allowed"), Unset, true, "allowed", Unset),
    ] {
        let mut span = span("a");
        if let Some(named) = named {
            span.attributes
                .insert("ctrlplane.status".to_owned(), named.into());
        }
        span.status_code = code;
        span.end_time = ended.then(|| at(9));
        let row = row(span);
        assert_eq!(row.status.as_deref(), Some(status), "{named:?} {code}");
        assert_eq!(row.status_code, stored, "{named:?} {code}");
    }
}

#[test]
fn events_have_names_times_to_the_nanosecond_and_typed_attributes() {
    let mut span = span("a");
    assert_eq!(row(span.clone()).events.as_str(), "[]");
    span.events = vec![
        event("approver", json!({"approver": "alice@company.com"})),
        event("approver", json!({"required": 1, "share": 1.0})),
    ];
    span.events[1].timestamp = at(120_000_000);
    assert_eq!(
        row(span).events.to_value(),
        json!([
            {"name": "approver", "timestamp": "2025-01-01T00:00:00.000000007Z",
             "attributes": {"approver": "alice@company.com"}},
            {"name": "approver", "timestamp": "2025-01-01T00:00:00.120000000Z",
             "attributes": {"required": 1, "share": 1.0}},
        ])
    );
}

#[test]
fn clocks_that_go_backwards_are_nobody_s_fault() {
    let mut span = span("a");
    span.end_time = Some(at(-5));
    assert_eq!(row(span).end_time, Some(at(-5)));
}

/// A span that has ended is more than one that was aborted, and that more than one that runs; then the later end, then
/// more changes.
#[test]
fn versions_are_ordered_by_how_complete_they_are() {
    let ascending = [
        Revision::running(0),
        Revision::running(1),
        Revision::running(u32::MAX),
        Revision::aborted(Timestamp::MIN, 0),
        Revision::aborted(at(0), 0),
        Revision::aborted(at(0), 1),
        Revision::aborted(at(1_000), 0),
        Revision::aborted(Timestamp::MAX, u32::MAX),
        Revision::ended(Timestamp::MIN, 0),
        Revision::ended(at(-1_000), 5),
        Revision::ended(at(0), 0),
        Revision::ended(at(0), 1),
        Revision::ended(at(0), 255),
        Revision::ended(at(1_000), 0),
        Revision::ended(Timestamp::MAX, 0),
    ];
    for pair in ascending.windows(2) {
        assert!(pair[0] < pair[1], "{pair:?}");
        assert!(pair[0].number() < pair[1].number() && pair[0].number() >= 0);
    }
    assert_eq!(Revision::of(None), Revision::running(0));
    assert_eq!(Revision::of(Some(at(3))), Revision::ended(at(3), 0));
}
