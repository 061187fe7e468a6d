//! Spans as JSON: the columns of their table, with their duration, as the server tells them.

use std::io::IsTerminal as _;

use annals_deploy::{DeploymentSpan, Tree};
use serde_json::{Map, Value, json};

use crate::{
    error::CliError,
    output::{Shown, print_line},
};

/// A span with its duration, and without what orders its versions.
pub(super) fn span(span: &DeploymentSpan) -> Result<Map<String, Value>, CliError> {
    let mut told = match serde_json::to_value(Shown(span))? {
        Value::Object(columns) => columns,
        _ => Map::new(),
    };
    told.remove("revision");
    if let Some(end) = span.end_time {
        let nanos = end.duration_since(span.start_time).as_nanos();
        told.insert("duration_ms".to_owned(), json!(nanos as f64 / 1e6));
    }
    Ok(told)
}

pub(super) fn spans(spans: &[DeploymentSpan]) -> Result<Vec<Map<String, Value>>, CliError> {
    spans.iter().map(span).collect()
}

/// Prints a tree. Written from a walk, so that no depth of it is too much.
pub(super) fn print_tree(trace_id: &str, tree: &Tree) -> Result<(), CliError> {
    let mut text = format!(
        "{{\"trace_id\":{},\"is_cut\":{},\"roots\":[",
        Value::from(trace_id),
        tree.is_cut
    );
    // Spans whose children are being told.
    let mut open = 0;
    for node in tree.walk() {
        let is_first = open <= node.depth;
        while open > node.depth {
            text.push_str("]}");
            open -= 1;
        }
        if !is_first || (node.depth == 0 && !text.ends_with('[')) {
            text.push(',');
        }
        let mut told = span(&node.span)?;
        told.insert("depth_in_tree".to_owned(), json!(node.depth));
        let told = serde_json::to_string(&told)?;
        text.push_str(told.strip_suffix('}').unwrap_or(&told));
        text.push_str(",\"children\":[");
        open += 1;
    }
    text.push_str(&"]}".repeat(open + 1));
    // What is deeper than serde_json reads is printed as it is.
    let read = serde_json::from_str::<Value>(&text).ok();
    match read.filter(|_| std::io::stdout().is_terminal()) {
        Some(tree) => print_line(&serde_json::to_string_pretty(&tree)?),
        None => print_line(&text),
    }
}
