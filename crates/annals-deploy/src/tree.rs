//! A trace and those linked to it, as one tree.

use crate::DeploymentSpan;

/// Spans as a tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// Spans that have nothing above them, or whose parent is not among the spans.
    pub roots: Vec<Node>,
    /// Whether there was more than could be read; see [`WorkspaceReads::tree`](crate::WorkspaceReads::tree).
    pub is_cut: bool,
}

/// A span and what is below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The span.
    pub span: DeploymentSpan,
    /// Levels above it in this tree.
    pub depth: usize,
    /// What is below it, in the order of starts.
    pub children: Vec<Node>,
}

impl Tree {
    /// Makes a tree of spans of one trace or of several that are linked. A span hangs under its parent in its own trace,
    /// or else under the one in the trace that its own continues; a circle is cut at its earliest span.
    #[must_use]
    pub fn of(spans: Vec<DeploymentSpan>) -> Self {
        let _ = spans;
        todo!()
    }

    /// Every span with its depth, parents before children.
    pub fn walk(&self) -> impl Iterator<Item = &Node> {
        std::iter::empty()
    }
}
