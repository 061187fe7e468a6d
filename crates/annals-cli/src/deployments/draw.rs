//! A trace and those linked to it, as a tree of lines.

use annals_deploy::{DeploymentSpan, NodeType, Status, Tree};
use annals_record::TextEnum as _;
use serde_json::Value;

use super::{
    look::{Look, Tone},
    words::Words,
};
use crate::output::duration;

/// Levels that are drawn; what is deeper stands there, with its level.
const DEEPEST: usize = 40;

/// The lines of a tree. Whatever the tree is, nothing here goes deeper with it.
pub(super) fn lines(tree: &Tree, look: Look) -> Vec<String> {
    let nodes: Vec<(usize, &DeploymentSpan)> =
        tree.walk().map(|node| (node.depth, &node.span)).collect();
    let lasts = lasts(&nodes);
    let mut lines = Vec::new();
    // What leads to the children of each level.
    let mut below: Vec<&'static str> = Vec::new();
    let mut traces: Vec<&str> = Vec::new();
    for (at, (depth, span)) in nodes.iter().enumerate() {
        let (depth, is_last) = (*depth, lasts.get(at).copied().unwrap_or(true));
        below.truncate(depth.saturating_sub(1).min(DEEPEST));
        traces.truncate(depth);
        let (beside, then) = look.guides(is_last);
        let lead = below.concat();
        let (first, mut lead_on) = if depth == 0 {
            (String::new(), String::new())
        } else {
            (format!("{lead}{beside}"), format!("{lead}{then}"))
        };
        if depth > 0 && below.len() < DEEPEST {
            below.push(then);
        }
        let has_children = nodes.get(at + 1).is_some_and(|(next, _)| *next > depth);
        lead_on += match (has_children && depth < DEEPEST, look.ascii) {
            (true, false) => "│   ",
            (true, true) => "|   ",
            (false, _) => "    ",
        };
        let mut words = words(span, look);
        if depth > DEEPEST {
            words.field(Tone::Dim, &format!("(level {depth})"));
        }
        if depth > 0 && traces.last().is_some_and(|above| *above != span.trace_id) {
            words.field(Tone::Dim, &format!("(trace {})", span.trace_id));
        }
        traces.push(&span.trace_id);
        tell_why(&mut words, span);
        lines.extend(words.lines(look, &first, &lead_on));
        if look.metadata {
            for told in metadata(span) {
                let mut words = Words::default();
                words.text(Tone::Dim, &told, 1);
                lines.extend(words.lines(look, &lead_on, &format!("{lead_on}  ")));
            }
        }
    }
    lines
}

/// Of each node of a walk, whether it is the last one below its parent.
fn lasts(nodes: &[(usize, &DeploymentSpan)]) -> Vec<bool> {
    // Levels on which a node follows, looking back from the end.
    let mut follows: Vec<bool> = Vec::new();
    let mut lasts: Vec<bool> = nodes
        .iter()
        .rev()
        .map(|(depth, _)| {
            // Those below a node are its own children, and none of the nodes before it.
            follows.resize(depth + 1, false);
            let followed = follows.last_mut().map(|last| std::mem::replace(last, true));
            !followed.unwrap_or(false)
        })
        .collect();
    lasts.reverse();
    lasts
}

/// What a span is, and how it went.
fn words(span: &DeploymentSpan, look: Look) -> Words {
    let mut words = Words::default();
    let (sign, tone) = look.sign(span.status.as_deref());
    words.say(tone, sign);
    let is_decision = is_decision(span);
    let name = if is_decision {
        Tone::Decided
    } else {
        Tone::Plain
    };
    words.say(name, &span.name);
    let kind: Vec<&str> = [&span.phase, &span.node_type]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    words.field(Tone::Dim, &kind.join("/"));
    match &span.end_time {
        // Decisions are made, and steps told, at one moment.
        Some(end) if is_decision || *end == span.start_time => {}
        Some(end) => {
            let nanos = end.duration_since(span.start_time).as_nanos();
            let took = duration(i64::try_from(nanos).unwrap_or(i64::MAX));
            let took = if look.ascii {
                took.replace('µ', "u")
            } else {
                took
            };
            words.whole_field(Tone::Dim, &took);
        }
        None => words.field(Tone::Open, "in progress"),
    }
    words
}

/// The result, and the message.
fn tell_why(words: &mut Words, span: &DeploymentSpan) {
    let status = span.status.as_deref();
    let known = status.and_then(Status::from_text);
    let tone = match known {
        Some(Status::Completed) => Tone::Good,
        Some(Status::Failed | Status::Aborted) => Tone::Bad,
        _ => Tone::Dim,
    };
    let result = match result(span) {
        Some(decision) if is_decision(span) => {
            let tone = match tone {
                Tone::Good => Tone::DecidedWell,
                _ => Tone::DecidedBadly,
            };
            Some((tone, decision.to_uppercase()))
        }
        Some(result) => Some((tone, result)),
        // Its sign, or what stands for its end, says so already.
        None if matches!(known, Some(Status::Completed | Status::Running)) => None,
        None => status.map(|status| (tone, status.to_owned())),
    };
    let message = span.message.as_deref().map(str::trim);
    let message = message.filter(|message| !message.is_empty() && *message != span.name);
    let gap = if result.is_some() { 1 } else { 2 };
    if let Some((tone, result)) = result {
        let colon = if message.is_some() { ":" } else { "" };
        words.field(tone, &format!("{result}{colon}"));
    }
    if let Some(message) = message {
        let tone = if tone == Tone::Bad {
            Tone::Bad
        } else {
            Tone::Plain
        };
        words.text(tone, message, gap);
    }
}

fn is_decision(span: &DeploymentSpan) -> bool {
    span.node_type.as_deref() == Some(NodeType::Decision.as_text())
}

/// What an evaluation, a check, a step or a decision said. Its attribute has the prefix with which it was recorded.
fn result(span: &DeploymentSpan) -> Option<String> {
    let attributes = span.attributes.to_value();
    let attributes = attributes.as_object()?;
    let is_of = |key: &str, word: &str| key.rsplit('.').next() == Some(word);
    ["decision", "result"].iter().find_map(|word| {
        let found = attributes.iter().find(|(key, _)| is_of(key, word));
        found?.1.as_str().map(str::to_owned)
    })
}

/// What was told of a span besides, a line each.
fn metadata(span: &DeploymentSpan) -> Vec<String> {
    let events = span.events.to_value();
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    let told = events.iter().map(|event| {
        let name = event
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let attributes = event.get("attributes").and_then(Value::as_object);
        let attributes = attributes.into_iter().flatten();
        let values: Vec<String> = attributes
            .map(|(key, value)| match key == name {
                true => shown(value),
                false => format!("{key} {}", shown(value)),
            })
            .collect();
        format!("{name}: {}", values.join(", "))
    });
    told.collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
