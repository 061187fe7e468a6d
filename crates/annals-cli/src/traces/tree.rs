//! Spans below those that caused them.

use std::collections::{HashMap, HashSet};

use annals_telemetry::Span;

/// Spans below their parents, each with its depth. Spans whose parent is not here are roots, and so
/// is one of each circle, so that every span is shown once.
pub(super) fn tree(spans: &[Span]) -> Vec<(usize, &Span)> {
    let known: HashSet<&str> = spans.iter().map(|span| span.span_id.as_str()).collect();
    let mut children: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut roots = Vec::new();
    for (position, span) in spans.iter().enumerate() {
        match span
            .parent_span_id
            .as_deref()
            .filter(|parent| known.contains(parent))
        {
            Some(parent) => children.entry(parent).or_default().push(position),
            None => roots.push(position),
        }
    }
    let mut shown = vec![false; spans.len()];
    let mut rows = Vec::with_capacity(spans.len());
    for root in roots.into_iter().chain(0..spans.len()) {
        let mut stack = vec![(0, root)];
        while let Some((depth, position)) = stack.pop() {
            let (Some(span), Some(seen)) = (spans.get(position), shown.get_mut(position)) else {
                continue;
            };
            if std::mem::replace(seen, true) {
                continue;
            }
            rows.push((depth, span));
            let below = children
                .get(span.span_id.as_str())
                .into_iter()
                .flatten()
                .rev();
            stack.extend(below.map(|child| (depth + 1, *child)));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use annals_record::Timestamp;

    use super::*;

    fn span(id: &str, parent: Option<&str>) -> Span {
        let mut span = Span::new("t", id, "s", id, Timestamp::default(), 1);
        span.parent_span_id = parent.map(str::to_owned);
        span
    }

    #[test]
    fn every_span_is_shown_once_orphans_and_circles_included() {
        let spans = [
            span("root", None),
            span("child", Some("root")),
            span("grandchild", Some("child")),
            span("second", Some("root")),
            span("orphan", Some("elsewhere")),
            span("a", Some("b")),
            span("b", Some("a")),
        ];
        let shown: Vec<(usize, &str)> = tree(&spans)
            .into_iter()
            .map(|(depth, span)| (depth, span.span_id.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                (0, "root"),
                (1, "child"),
                (2, "grandchild"),
                (1, "second"),
                (0, "orphan"),
                (0, "a"),
                (1, "b")
            ]
        );
    }
}
