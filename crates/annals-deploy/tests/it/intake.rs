//! What becomes of a span on its way to a row. Cases are those of the reference.

use std::time::Duration;

use annals_deploy::{
    Claims, DeploymentSpan, Deployments, Intake, NodeType, OtelSpan, Phase, SpanError, SpanEvent,
    Status, StatusCode, TokenKeys, WorkspaceId,
    intake::{MAX_ATTRIBUTES_BYTES, MAX_EVENTS_BYTES, MAX_ID_BYTES, MAX_TEXT_BYTES, Revision},
};
use annals_record::{Json, TextEnum as _, Timestamp};
use annals_testkit::{TestDatabase, on_every_backend};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

on_every_backend!(
    a_batch_with_one_bad_span_stores_nothing,
    whatever_is_taken_every_backend_stores,
);

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

fn token() -> String {
    let keys = TokenKeys::new("correct horse battery staple").unwrap();
    let life = Duration::from_secs(3_600);
    let claims = Claims::lasting("trace:1", "span", "job", workspace(), life, at(0));
    keys.sign(&claims).as_str().to_owned()
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

#[test]
fn what_does_not_fit_a_column_is_refused_by_name() {
    let long = "x".repeat(MAX_ID_BYTES + 1);
    for column in [
        "phase",
        "node_type",
        "status",
        "release_target_key",
        "release_id",
        "job_id",
        "parent_trace_id",
        "deployment_id",
        "trigger",
        "workspace_id",
    ] {
        let key = format!("ctrlplane.{column}");
        for value in [json!(long), json!(["a"]), json!({"a": 1})] {
            let words = refused(with(json!({ key.clone(): value })));
            assert!(words.contains(&format!("{key:?}")), "{words}");
            assert!(words.len() < 400, "{words}");
        }
    }
    for column in ["depth", "sequence"] {
        let key = format!("ctrlplane.{column}");
        for value in [
            json!(3_000_000_000_i64),
            json!(0.5),
            json!("many"),
            json!(true),
            json!([]),
        ] {
            let words = refused(with(json!({ key.clone(): value })));
            assert!(words.contains(&format!("{key:?}")), "{words}");
        }
    }
    let message = "x".repeat(MAX_TEXT_BYTES + 1);
    let words = refused(with(json!({"ctrlplane.message": message})));
    assert!(words.contains("\"ctrlplane.message\""), "{words}");
    let row = row(with(
        json!({"ctrlplane.job_id": 42, "ctrlplane.release_id": true}),
    ));
    assert_eq!(
        (row.job_id.as_deref(), row.release_id.as_deref()),
        (Some("42"), Some("true"))
    );
}

#[test]
fn what_is_too_large_is_refused_by_name() {
    let long = || "x".repeat(MAX_ID_BYTES + 1);
    type Change = Box<dyn Fn(&mut OtelSpan)>;
    let changes: [(&str, Change); 8] = [
        ("trace_id", Box::new(move |span| span.trace_id = long())),
        ("span_id", Box::new(move |span| span.span_id = long())),
        (
            "parent_span_id",
            Box::new(move |span| span.parent_span_id = Some(long())),
        ),
        (
            "name",
            Box::new(|span| span.name = "x".repeat(MAX_TEXT_BYTES + 1)),
        ),
        (
            "status message",
            Box::new(|span| span.status_message = Some("x".repeat(MAX_TEXT_BYTES + 1))),
        ),
        (
            "attributes",
            Box::new(|span| {
                span.attributes
                    .insert("a".to_owned(), "x".repeat(MAX_ATTRIBUTES_BYTES).into());
            }),
        ),
        (
            "events",
            Box::new(|span| span.events = vec![event("e", json!({})); MAX_EVENTS_BYTES / 64]),
        ),
        (
            "attributes",
            Box::new(|span| {
                let deep = (0..1_000).fold(Value::Null, |value, _| json!([value]));
                span.attributes.insert("a".to_owned(), deep);
            }),
        ),
    ];
    for (field, change) in changes {
        let mut span = span("a");
        change(&mut span);
        let words = refused(span);
        assert!(words.contains(field), "{field}: {words}");
        assert!(words.len() < 400, "{words}");
    }
    for change in [
        (|span| span.trace_id.clear()) as fn(&mut OtelSpan),
        |span| span.span_id.clear(),
    ] {
        let mut span = span("a");
        change(&mut span);
        assert!(refused(span).contains("has no "));
    }
}

#[test]
fn a_zero_byte_is_refused_by_name_wherever_it_is() {
    let zero = || "a\0b".to_owned();
    type Change = Box<dyn Fn(&mut OtelSpan)>;
    let changes: [(&str, Change); 9] = [
        ("its trace_id", Box::new(move |span| span.trace_id = zero())),
        ("its span_id", Box::new(move |span| span.span_id = zero())),
        (
            "its parent_span_id",
            Box::new(move |span| span.parent_span_id = Some(zero())),
        ),
        ("its name", Box::new(move |span| span.name = zero())),
        (
            "its status message",
            Box::new(move |span| span.status_message = Some(zero())),
        ),
        (
            "its attribute \"ctrlplane.job_id\"",
            Box::new(move |span| {
                span.attributes
                    .insert("ctrlplane.job_id".to_owned(), zero().into());
            }),
        ),
        (
            "its attribute \"deep\"",
            Box::new(move |span| {
                span.attributes
                    .insert("deep".to_owned(), json!([{zero(): 1}]));
            }),
        ),
        (
            "its event \"e\"",
            Box::new(move |span| span.events = vec![event("e", json!({"k": zero()}))]),
        ),
        (
            "its event \"a\\0b\"",
            Box::new(move |span| span.events = vec![event(&zero(), json!({}))]),
        ),
    ];
    for (place, change) in changes {
        let mut span = span("a");
        change(&mut span);
        let words = refused(span);
        assert!(words.contains("U+0000") && words.contains(place), "{words}");
        assert!(!words.contains('\0'), "{words}");
    }
}

#[test]
fn a_trace_token_is_stored_nowhere() {
    let token = token();
    let mut span = with(json!({
        "ctrlplane.message": format!("export TOKEN={token}"),
        "ctrlplane.job_id": token,
        "ctrlplane.depth": 1,
        "nested": {"list": [1, {token.clone(): "as a key"}, token]},
        "untouched": 1.0,
    }));
    span.name = format!("curl -H 'Authorization: Bearer {token}'");
    span.events = vec![
        event("token", json!({"token": token})),
        event(&token, json!({})),
    ];
    let row = row(span.clone());
    let stored = format!("{row:?}");
    assert!(
        !stored.contains(&token) && !stored.contains("YW5uYWxzOjE6"),
        "{stored}"
    );
    assert!(
        !stored.contains(token.split_once('.').unwrap().1),
        "{stored}"
    );
    assert_eq!(row.name, "curl -H 'Authorization: Bearer [trace token]'");
    assert_eq!(row.message.as_deref(), Some("export TOKEN=[trace token]"));
    assert_eq!(row.job_id.as_deref(), Some("[trace token]"));
    assert_eq!(row.depth, Some(1));
    assert_eq!(
        row.attributes.to_value()["nested"],
        json!({"list": [1, {"[trace token]": "as a key"}, "[trace token]"]})
    );
    assert!(row.attributes.as_str().contains(r#""untouched":1.0"#));
    assert_eq!(row.events.to_value()[1]["name"], "[trace token]");

    span.attributes.remove("ctrlplane.message");
    span.status_message = Some(format!("used {token}."));
    assert_eq!(
        taken(span).unwrap().message.as_deref(),
        Some("used [trace token].")
    );
}

#[test]
fn an_id_that_is_a_token_is_refused_and_no_error_shows_one() {
    let token = token();
    for change in [
        (|span, token| span.trace_id = token) as fn(&mut OtelSpan, String),
        |span, token| span.span_id = token,
        |span, token| span.parent_span_id = Some(token),
        |span, token| span.attributes = object(json!({"ctrlplane.workspace_id": token})),
        |span, token| span.attributes = object(json!({"ctrlplane.depth": token})),
        |span, token| {
            span.name = token;
            span.span_id.clear();
        },
        |span, token| span.attributes = object(json!({token: "a\0b"})),
        |span, token| span.events = vec![event(&token, json!({"a": "\0"}))],
    ] {
        let mut span = span("a");
        change(&mut span, token.clone());
        let words = refused(span);
        assert!(!words.contains("YW5uYWxzOjE6"), "{words}");
    }
}

#[test]
fn an_error_is_one_line_whatever_the_span_is_called() {
    let mut span = span("a\nb");
    span.name = format!("first\nsecond {}", "x".repeat(10_000));
    span.attributes = object(json!({"ctrlplane.depth": "\n"}));
    let words = refused(span);
    assert!(!words.contains('\n') && words.len() < 400, "{words}");
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

fn json_value() -> impl Strategy<Value = Value> {
    let text = "[^\\x00]{0,12}".prop_map(Value::from);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 4.0)),
        text,
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[^\\x00]{0,6}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Map<String, Value>> {
    let key = prop_oneof![
        "[^\\x00]{0,12}",
        "ctrlplane\\.[a-z_]{0,6}[0-9]",
        Just("ctrlplane.version_id".to_owned()),
    ];
    prop::collection::btree_map(key, json_value(), 0..12)
        .prop_map(|members| members.into_iter().collect())
}

proptest! {
    #[test]
    fn every_attribute_comes_back(attributes in attributes(), event_attributes in attributes()) {
        let mut span = span("a");
        span.attributes = attributes.clone();
        span.events = vec![event("e", Value::Object(event_attributes.clone()))];
        let row = row(span);
        prop_assert_eq!(row.attributes.to_value(), Value::Object(attributes));
        prop_assert_eq!(&row.events.to_value()[0]["attributes"], &Value::Object(event_attributes));
    }

    /// Whatever comes, it is taken as it is or refused in a sentence.
    #[test]
    fn nothing_makes_intake_fall_over(
        ids in any::<[String; 3]>(),
        name in any::<String>(),
        column in prop::sample::select(vec![
            "workspace_id", "phase", "depth", "sequence", "message", "release_target_key", "status",
        ]),
        value in json_value(),
        start in any::<i64>(),
        end in any::<Option<i64>>(),
    ) {
        let [trace_id, span_id, parent] = ids;
        let mut span = OtelSpan::new(trace_id, span_id, name, Timestamp::from_unix_nanos(start));
        span.parent_span_id = Some(parent);
        span.end_time = end.map(Timestamp::from_unix_nanos);
        span.attributes.insert(format!("ctrlplane.{column}"), value);
        span.events = vec![SpanEvent {
            name: String::new(),
            timestamp: Timestamp::from_unix_nanos(start),
            attributes: Map::new(),
        }];
        let kept = (span.trace_id.clone(), span.span_id.clone(), span.name.clone());
        match taken(span) {
            Ok(row) => prop_assert_eq!((row.trace_id, row.span_id, row.name), kept),
            Err(error) => prop_assert!(!error.problem.is_empty() && !error.problem.contains('\n')),
        }
    }
}

/// The largest, deepest and oddest that intake takes; a refusal by one database alone would lose the batch there.
async fn whatever_is_taken_every_backend_stores(database: TestDatabase) {
    let deployments = Deployments::open(&database.url).await.unwrap();
    let id = |n: char| n.to_string().repeat(MAX_ID_BYTES);
    let mut largest = OtelSpan::new(id('t'), id('s'), "n".repeat(MAX_TEXT_BYTES), at(1));
    largest.parent_span_id = Some(id('p'));
    largest.end_time = Some(at(-1));
    largest.status_message = Some("é".repeat(MAX_TEXT_BYTES / 2));
    largest.events = vec![event(
        "",
        json!({"deep": (0..120).fold(json!(1), |v, _| json!([v]))}),
    )];
    for column in [
        "phase",
        "node_type",
        "status",
        "release_target_key",
        "release_id",
        "job_id",
        "parent_trace_id",
        "deployment_id",
        "trigger",
    ] {
        // Not compressible, as an index entry would otherwise hold far more.
        let noise: String = (0_u64..)
            .map(|n| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .take(32)
            .collect();
        largest
            .attributes
            .insert(format!("ctrlplane.{column}"), noise.into());
    }
    let deep = (0..Json::MAX_DEPTH - 1).fold(json!("\u{1}\u{7f}\u{ffff}\u{10ffff}\"\\"), |v, _| {
        json!([v])
    });
    largest.attributes.insert("deep".to_owned(), deep);
    largest.attributes.insert(
        "numbers".to_owned(),
        json!([f64::MAX, f64::MIN_POSITIVE, u64::MAX, i64::MIN, -0.0]),
    );
    largest.attributes.insert(
        String::new(),
        "x".repeat(MAX_ATTRIBUTES_BYTES - 32_768).into(),
    );
    let smallest = OtelSpan::new("t", "s", "", at(2));

    let rows = Intake::default()
        .rows(vec![largest, smallest], Some(workspace()))
        .unwrap();
    for row in rows.clone() {
        deployments.write(vec![row]).await.unwrap();
    }
    let query = deployments.store().query::<DeploymentSpan>();
    let stored = query
        .order(DeploymentSpan::START_TIME.asc())
        .fetch()
        .await
        .unwrap();
    assert_eq!(stored.rows.len(), 2);
    for (stored, row) in stored.rows.iter().zip(&rows) {
        assert!(stored == row, "{} differs", row.span_id);
    }
    let nulls = "SELECT COUNT(*) FROM deployment_trace_span WHERE span_id = 's' AND phase IS NULL AND node_type IS NULL
        AND release_target_key IS NULL AND release_id IS NULL AND job_id IS NULL AND parent_trace_id IS NULL
        AND depth IS NULL AND sequence IS NULL AND deployment_id IS NULL AND trigger IS NULL AND message IS NULL
        AND parent_span_id IS NULL AND end_time IS NULL";
    assert_eq!(database.number(nulls).await, 1);
}
