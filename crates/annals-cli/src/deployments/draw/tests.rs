use std::time::Duration;

use annals_deploy::StatusCode;
use annals_record::{Json, Timestamp, TimestampMicros, Uuid};

use super::*;

const WIDE: Look = Look {
    ascii: false,
    colors: false,
    width: None,
    metadata: false,
};

/// A span `id` below `parent`, of this kind.
fn span(id: &str, parent: &str, name: &str, kind: &str, status: &str) -> DeploymentSpan {
    let start = Timestamp::from_unix_seconds(1_767_225_600).unwrap();
    let (phase, node_type) = kind.split_once('/').unwrap();
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    DeploymentSpan {
        id: Uuid::nil(),
        trace_id: "t1".to_owned(),
        span_id: id.to_owned(),
        parent_span_id: some(parent),
        name: name.to_owned(),
        start_time: start,
        end_time: (status != "running").then(|| start + Duration::from_millis(1_500)),
        workspace_id: Uuid::nil(),
        release_target_key: None,
        release_id: None,
        job_id: None,
        parent_trace_id: None,
        phase: some(phase),
        node_type: some(node_type),
        status: some(status),
        depth: None,
        sequence: None,
        attributes: Json::empty_object(),
        events: Json::parse("[]").unwrap(),
        created_at: TimestampMicros::floor(start),
        deployment_id: None,
        trigger: None,
        message: None,
        status_code: StatusCode::Unset,
        revision: 0,
    }
}

fn with(mut span: DeploymentSpan, attribute: &str, value: &str, message: &str) -> DeploymentSpan {
    let attributes = serde_json::json!({ attribute: value, "ctrlplane.status": "completed" });
    span.attributes = Json::parse(&attributes.to_string()).unwrap();
    span.message = Some(message.to_owned()).filter(|message| !message.is_empty());
    span
}

/// A reconciliation that CI continued.
fn workflow() -> Tree {
    let decision = |id, parent, name, decision, status| {
        let span = span(id, parent, name, "planning/decision", status);
        with(span, "ctrlplane.decision", decision, name)
    };
    let mut evaluation = with(
        span(
            "3",
            "2",
            "Approval Policy",
            "planning/evaluation",
            "completed",
        ),
        "ctrlplane.result",
        "allowed",
        "Approved by alice",
    );
    evaluation.events = Json::parse(
        r#"[{"name":"approver","timestamp":"2026-01-01T00:00:00Z","attributes":{"approver":"alice"}},
            {"name":"policy","timestamp":"2026-01-01T00:00:00Z","attributes":{"policy":"approval","required":1}}]"#,
    )
    .unwrap();
    let external = |id, parent, name, status| {
        let mut span = span(id, parent, name, "external/action", status);
        span.trace_id = "t2".to_owned();
        span.parent_trace_id = Some("t1".to_owned());
        span
    };
    Tree::of(vec![
        span(
            "1",
            "",
            "Reconciliation (manual)",
            "reconciliation/phase",
            "failed",
        ),
        span("2", "1", "Planning", "planning/phase", "completed"),
        evaluation,
        decision("4", "2", "Deploy approved", "approved", "completed"),
        span("5", "1", "Execution", "execution/phase", "failed"),
        span(
            "6",
            "5",
            "Job: github-action",
            "execution/action",
            "running",
        ),
        external("7", "6", "Deploy", "failed"),
        with(
            external("8", "7", "Apply", "failed"),
            "ctrlplane.result",
            "fail",
            "error: quota exceeded\n  in namespace web\u{1b}[2J",
        ),
        external("9", "7", "Verify", "skipped"),
    ])
}

fn drawn(look: Look) -> String {
    lines(&workflow(), look).join("\n")
}

#[test]
fn a_linked_trace_is_one_tree() {
    assert_eq!(
        drawn(WIDE),
        "\
✗ Reconciliation (manual)  reconciliation/phase  1.50 s  failed
├─ ✓ Planning  planning/phase  1.50 s
│  ├─ ✓ Approval Policy  planning/evaluation  1.50 s  allowed: Approved by alice
│  └─ ✓ Deploy approved  planning/decision  APPROVED
└─ ✗ Execution  execution/phase  1.50 s  failed
   └─ … Job: github-action  execution/action  in progress
      └─ ✗ Deploy  external/action  1.50 s  (trace t2)  failed
         ├─ ✗ Apply  external/action  1.50 s  fail:
         │      error: quota exceeded
         │        in namespace web\\u{1b}[2J
         └─ – Verify  external/action  1.50 s  skipped"
    );
}

#[test]
fn ascii_metadata_and_a_narrow_terminal() {
    let look = Look {
        ascii: true,
        metadata: true,
        width: Some(48),
        ..WIDE
    };
    let drawn = drawn(look);
    let expected = "\
|- [ok] Planning  planning/phase  1.50 s
|  |- [ok] Approval Policy  planning/evaluation
|  |      1.50 s  allowed: Approved by alice
|  |      approver: alice
|  |      policy: approval, required 1
|  `- [ok] Deploy approved  planning/decision
|         APPROVED
`- [failed] Execution  execution/phase  1.50 s
   |   failed
";
    assert!(drawn.contains(expected), "{drawn}");
    assert!(drawn.is_ascii(), "{drawn}");
    assert!(
        drawn.lines().all(|line| line.chars().count() <= 48),
        "{drawn}"
    );
}

#[test]
fn decisions_stand_out_in_colors() {
    let look = Look {
        colors: true,
        ..WIDE
    };
    let drawn = drawn(look);
    assert!(
        drawn.contains("\u{1b}[1mDeploy\u{1b}[0m \u{1b}[1mapproved\u{1b}[0m"),
        "{drawn:?}"
    );
    assert!(
        drawn.contains("\u{1b}[32m\u{1b}[1mAPPROVED\u{1b}[0m"),
        "{drawn:?}"
    );
    assert!(
        drawn.contains("\u{1b}[31m✗\u{1b}[0m Reconciliation"),
        "{drawn:?}"
    );
    // What was stored does not speak to the terminal.
    assert!(!drawn.contains("\u{1b}[2J"), "{drawn:?}");
}

#[test]
fn a_deep_tree_stays_within_bounds() {
    const DEEP: usize = 500;
    let spans = (0..DEEP).map(|n| {
        let parent = n.checked_sub(1).map(|n| n.to_string()).unwrap_or_default();
        span(
            &n.to_string(),
            &parent,
            "deep",
            "action/action",
            "completed",
        )
    });
    let tree = Tree::of(spans.collect());
    let lines = lines(&tree, WIDE);
    assert_eq!(lines.len(), DEEP);
    assert!(lines.iter().all(|line| line.chars().count() < 200));
    assert!(lines.last().unwrap().ends_with("(level 499)"), "{lines:?}");
}

#[test]
fn unknown_words_are_shown_as_they_are() {
    let mut odd = span("1", "", "odd", "/", "paused");
    odd.end_time = None;
    assert_eq!(
        lines(&Tree::of(vec![odd]), WIDE),
        ["? odd  in progress  paused"]
    );
}
