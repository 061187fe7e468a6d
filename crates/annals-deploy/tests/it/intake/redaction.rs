//! Trace tokens in spans.

use std::time::Duration;

use annals_deploy::{Claims, OtelSpan, TokenKeys};
use serde_json::json;

use super::{at, event, object, refused, row, span, taken, with, workspace};

fn token() -> String {
    let keys = TokenKeys::new("correct horse battery staple").unwrap();
    let life = Duration::from_secs(3_600);
    let claims = Claims::lasting("trace:1", "span", "job", workspace(), life, at(0));
    keys.sign(&claims).as_str().to_owned()
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
