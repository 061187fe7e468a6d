//! A trace and those linked to it, as one tree.
//!
//! Nothing here recurses: spans come from outside, and 100,000 of them may be one chain.

use std::{collections::HashMap, fmt};

use crate::DeploymentSpan;

/// Spans as a tree.
#[derive(Clone, Default, PartialEq)]
pub struct Tree {
    /// Spans that have nothing above them, or whose parent is not among the spans; in the order of starts.
    pub roots: Vec<Node>,
    /// Whether there was more than could be read; see [`WorkspaceReads::tree`](crate::WorkspaceReads::tree).
    pub is_cut: bool,
}

/// A span and what is below it.
pub struct Node {
    /// The span.
    pub span: DeploymentSpan,
    /// Levels above it in this tree.
    pub depth: usize,
    /// What is below it, in the order of starts, then of sequence.
    pub children: Vec<Node>,
}

impl Tree {
    /// Makes a tree of spans of one trace or of several that are linked. A span hangs under its parent in its own trace,
    /// or else under the one in the trace that its own continues; a circle is cut at its earliest span.
    #[must_use]
    pub fn of(mut spans: Vec<DeploymentSpan>) -> Self {
        spans.sort_by(|a, b| in_order(a).cmp(&in_order(b)));
        let mut parents = parents(&spans);
        cut_circles(&mut parents);
        let order = pre_order(&parents);
        let mut spans: Vec<Option<DeploymentSpan>> = spans.into_iter().map(Some).collect();
        let rows = order.into_iter().filter_map(|(at, depth)| {
            let span = spans.get_mut(at).and_then(Option::take)?;
            Some(Row {
                span,
                depth,
                level: depth,
            })
        });
        Self {
            roots: nested(rows.collect()),
            is_cut: false,
        }
    }

    /// Every span with its depth, parents before children, siblings in their order.
    pub fn walk(&self) -> impl Iterator<Item = &Node> {
        Walk::over(&self.roots).map(|(node, _)| node)
    }
}

/// Parents before children where both began at once and say so; then by ids, so that the order never depends on how the
/// spans came.
fn in_order(span: &DeploymentSpan) -> impl Ord + '_ {
    (
        span.start_time,
        span.sequence.unwrap_or(i32::MAX),
        &span.trace_id,
        &span.span_id,
    )
}

/// The place of each span's parent among the spans.
fn parents(spans: &[DeploymentSpan]) -> Vec<Option<usize>> {
    let mut places: HashMap<(&str, &str), usize> = HashMap::with_capacity(spans.len());
    for (at, span) in spans.iter().enumerate() {
        // Of two spans of one id, the earlier is the parent.
        places.entry((&span.trace_id, &span.span_id)).or_insert(at);
    }
    let parent = |(at, span): (usize, &DeploymentSpan)| {
        let above = span.parent_span_id.as_deref()?;
        let within = |trace: &str| places.get(&(trace, above)).copied();
        let own = within(&span.trace_id).filter(|parent| *parent != at);
        let linked = || within(span.parent_trace_id.as_deref()?).filter(|parent| *parent != at);
        own.or_else(linked)
    };
    spans.iter().enumerate().map(parent).collect()
}

/// Takes the parent away from the earliest span of each circle.
fn cut_circles(parents: &mut [Option<usize>]) {
    const NOBODY: usize = usize::MAX;
    // From which span each was first reached.
    let mut reached = vec![NOBODY; parents.len()];
    for start in 0..parents.len() {
        let mut next = Some(start);
        while let Some(at) = next {
            match reached.get_mut(at) {
                Some(by) if *by == NOBODY => *by = start,
                Some(by) if *by == start => {
                    cut_circle(parents, at);
                    break;
                }
                _ => break,
            }
            next = parents.get(at).copied().flatten();
        }
    }
}

fn cut_circle(parents: &mut [Option<usize>], on_it: usize) {
    let mut earliest = on_it;
    let mut at = on_it;
    while let Some(parent) = parents.get(at).copied().flatten().filter(|at| *at != on_it) {
        earliest = earliest.min(parent);
        at = parent;
    }
    if let Some(parent) = parents.get_mut(earliest) {
        *parent = None;
    }
}

/// Every place with its depth, parents before children, siblings by place.
fn pre_order(parents: &[Option<usize>]) -> Vec<(usize, usize)> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); parents.len()];
    let mut waiting: Vec<(usize, usize)> = Vec::new();
    // Backwards, since what waits last is taken first.
    for (at, parent) in parents.iter().enumerate().rev() {
        match parent.and_then(|parent| children.get_mut(parent)) {
            Some(siblings) => siblings.push(at),
            None => waiting.push((at, 0)),
        }
    }
    let mut order = Vec::with_capacity(parents.len());
    while let Some((at, depth)) = waiting.pop() {
        order.push((at, depth));
        let below = children.get_mut(at).map(std::mem::take);
        waiting.extend(below.into_iter().flatten().map(|child| (child, depth + 1)));
    }
    order
}

/// A node without its children, which are those behind it that are one level lower.
struct Row {
    span: DeploymentSpan,
    depth: usize,
    level: usize,
}

/// Makes nodes of rows of which parents come before children.
fn nested(rows: Vec<Row>) -> Vec<Node> {
    // Nodes whose parents are still to come, the nearest sibling on top.
    let mut waiting: Vec<(usize, Node)> = Vec::new();
    for row in rows.into_iter().rev() {
        let mut children = Vec::new();
        while let Some((_, child)) = waiting.pop_if(|(level, _)| *level > row.level) {
            children.push(child);
        }
        let node = Node {
            span: row.span,
            depth: row.depth,
            children,
        };
        waiting.push((row.level, node));
    }
    waiting.into_iter().rev().map(|(_, node)| node).collect()
}

/// Goes through nodes, parents before children, and counts levels.
struct Walk<'a> {
    open: Vec<std::slice::Iter<'a, Node>>,
}

impl<'a> Walk<'a> {
    fn over(nodes: &'a [Node]) -> Self {
        Self {
            open: vec![nodes.iter()],
        }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (&'a Node, usize);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let level = self.open.len().checked_sub(1)?;
            match self.open.last_mut().and_then(Iterator::next) {
                Some(node) => {
                    self.open.push(node.children.iter());
                    return Some((node, level));
                }
                None => self.open.pop(),
            };
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut below = std::mem::take(&mut self.children);
        while let Some(mut node) = below.pop() {
            below.append(&mut node.children);
        }
    }
}

impl Clone for Node {
    fn clone(&self) -> Self {
        let rows = Walk::over(&self.children).map(|(node, level)| Row {
            span: node.span.clone(),
            depth: node.depth,
            level,
        });
        Self {
            span: self.span.clone(),
            depth: self.depth,
            children: nested(rows.collect()),
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        fn all(node: &Node) -> Walk<'_> {
            Walk::over(std::slice::from_ref(node))
        }
        let same = |((a, one), (b, two)): ((&Node, usize), (&Node, usize))| {
            one == two
                && a.depth == b.depth
                && a.children.len() == b.children.len()
                && a.span == b.span
        };
        // Equal numbers of children at each node leave neither longer than the other.
        all(self).zip(all(other)).all(same)
    }
}

/// Of a node's children only their number: below each of them there may be as many levels as there are spans.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("span", &self.span)
            .field("depth", &self.depth)
            .field("children", &self.children.len())
            .finish()
    }
}

/// Nodes in the order of [`Tree::walk`].
impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<&Node> = self.walk().collect();
        f.debug_struct("Tree")
            .field("is_cut", &self.is_cut)
            .field("nodes", &nodes)
            .finish()
    }
}
