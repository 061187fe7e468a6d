//! What is refused, and in which words.

use annals_deploy::{
    OtelSpan,
    intake::{MAX_ATTRIBUTES_BYTES, MAX_EVENTS_BYTES, MAX_ID_BYTES, MAX_TEXT_BYTES},
};
use serde_json::{Value, json};

use super::{event, object, refused, row, span, with};

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
fn an_error_is_one_line_whatever_the_span_is_called() {
    let mut span = span("a\nb");
    span.name = format!("first\nsecond {}", "x".repeat(10_000));
    span.attributes = object(json!({"ctrlplane.depth": "\n"}));
    let words = refused(span);
    assert!(!words.contains('\n') && words.len() < 400, "{words}");
}
