//! A tree of spans as JSON.

use annals_deploy::{DeploymentSpan, Tree};
use serde::Serialize;
use serde_json::{Error, value::RawValue};
use utoipa::ToSchema;

use super::span::SpanJson;

/// A trace and those that are linked to it, as one tree.
#[derive(Serialize, ToSchema)]
pub(super) struct TreeJson {
    trace_id: String,
    /// Whether there was more than is read: 1,000 traces, or 100,000 spans.
    is_cut: bool,
    /// Spans with nothing above them. Each has, besides what a span has, `depth_in_tree` and `children`, which are such
    /// spans again, in the order of their starts.
    #[schema(value_type = Vec<Object>)]
    roots: Box<RawValue>,
}

impl TreeJson {
    pub(super) fn of(trace_id: String, tree: &Tree) -> Result<Self, Error> {
        let nodes = tree.walk().map(|node| (node.depth, &node.span));
        Ok(Self {
            trace_id,
            is_cut: tree.is_cut,
            roots: RawValue::from_string(nested(nodes)?)?,
        })
    }
}

/// Spans inside each other, from those that are told with their depth, parents first. Written as text and without
/// recursion, since a chain of spans may be longer than a stack.
fn nested<'a>(nodes: impl Iterator<Item = (usize, &'a DeploymentSpan)>) -> Result<String, Error> {
    let mut text = String::from("[");
    // The depths of those whose children are not complete.
    let mut open: Vec<usize> = Vec::new();
    let mut is_first = true;
    for (depth, span) in nodes {
        while open.last().is_some_and(|last| *last >= depth) {
            open.pop();
            text.push_str("]}");
            is_first = false;
        }
        if !is_first {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(&SpanJson::from(span.clone()))?);
        // In place of the brace that closes it.
        text.pop();
        text.push_str(&format!(",\"depth_in_tree\":{depth},\"children\":["));
        open.push(depth);
        is_first = true;
    }
    for _ in open {
        text.push_str("]}");
    }
    text.push(']');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{super::span::tests::span, *};

    fn outline(nodes: &Value) -> String {
        let shown = nodes.as_array().unwrap().iter().map(|node| {
            let below = outline(&node["children"]);
            format!(
                "{}{}({below})",
                node["span_id"].as_str().unwrap(),
                node["depth_in_tree"]
            )
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn spans_stand_inside_those_above_them() {
        let told = [(0, "a"), (1, "b"), (2, "c"), (1, "d"), (0, "e"), (1, "f")];
        let spans = told.map(|(depth, id)| (depth, span(id)));
        let text = nested(spans.iter().map(|(depth, span)| (*depth, span))).unwrap();
        let shown = outline(&serde_json::from_str(&text).unwrap());
        assert_eq!(shown, "a0(b1(c2()) d1()) e0(f1())");
        assert_eq!(nested(std::iter::empty()).unwrap(), "[]");
    }

    #[test]
    fn a_chain_longer_than_any_stack_is_written() {
        let one = span("a");
        let chain = (0..20_000).map(|depth| (depth, &one));
        let text = nested(chain).unwrap();
        assert!(RawValue::from_string(text).is_ok());
    }
}
