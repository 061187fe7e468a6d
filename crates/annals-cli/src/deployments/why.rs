//! `annals deployments why`: in sentences.

use annals_deploy::{BlockedTarget, DeploymentSpan, WorkspaceReads};
use serde_json::json;

use super::document;
use crate::{
    error::CliError,
    output::{print_json, print_line, printable},
};

pub(super) async fn run(
    reads: &WorkspaceReads<'_>,
    target: &str,
    json: bool,
) -> Result<(), CliError> {
    let blocked = reads.why_not_deployed(target).await?;
    if json {
        let told = match &blocked {
            Some(blocked) => json!({
                "trace_id": blocked.trace_id,
                "decision": document::span(&blocked.decision)?,
                "blocked_by": document::spans(&blocked.blocked_by)?,
            }),
            None => serde_json::Value::Null,
        };
        return print_json(&told);
    }
    print_line(&sentences(target, blocked.as_ref()).join("\n"))
}

fn sentences(target: &str, blocked: Option<&BlockedTarget>) -> Vec<String> {
    let target = printable(target);
    let Some(blocked) = blocked else {
        return vec![format!(
            "Nothing blocks {target}: the latest decision about it was for it, or there was none within 90 days."
        )];
    };
    let decision = &blocked.decision;
    let phase = decision
        .phase
        .as_deref()
        .map(|phase| format!(" in {}", printable(phase)));
    let mut lines = vec![format!(
        "{target} is not deployed: at {}{} it was decided: {}.",
        decision.start_time,
        phase.unwrap_or_default(),
        ended(&told(decision))
    )];
    match blocked.blocked_by.as_slice() {
        [] => lines.push("No evaluation or check of that phase failed.".to_owned()),
        [one] => lines.push(format!("What blocked it is {}.", ended(&reason(one)))),
        several => {
            lines.push(format!("{} things blocked it:", several.len()));
            lines.extend(several.iter().map(|one| format!("  - {}", reason(one))));
        }
    }
    lines.push(format!(
        "The whole story: annals deployments show {} --workspace {}",
        printable(&blocked.trace_id),
        decision.workspace_id
    ));
    lines
}

fn reason(span: &DeploymentSpan) -> String {
    let kind = span.node_type.as_deref().unwrap_or("span");
    let message = span
        .message
        .as_deref()
        .filter(|message| !message.is_empty());
    let message = message.map(|_| format!(": {}", told(span)));
    format!(
        "the {} {:?}{}",
        printable(kind),
        span.name,
        message.unwrap_or_default()
    )
}

/// The message, or else the name, on one line.
fn told(span: &DeploymentSpan) -> String {
    let message = span
        .message
        .as_deref()
        .filter(|message| !message.is_empty());
    let text = message.unwrap_or(&span.name);
    printable(&text.lines().map(str::trim).collect::<Vec<_>>().join(" "))
}

/// Without the stop that the sentence brings.
fn ended(text: &str) -> String {
    text.trim_end_matches('.').to_owned()
}
