//! Where a recorder's spans go.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{DeploymentSpan, Result};

/// Takes spans and answers once they are kept. A trait, so that an application can put a double in its place.
pub trait SpanSink: std::fmt::Debug + Send + Sync + 'static {
    /// Keeps all of the spans, or none. A version of a span that is not newer than what is there changes nothing.
    fn write_spans(&self, spans: Vec<DeploymentSpan>) -> BoxFuture<'_, Result<()>>;
}

impl<S: SpanSink + ?Sized> SpanSink for Arc<S> {
    fn write_spans(&self, spans: Vec<DeploymentSpan>) -> BoxFuture<'_, Result<()>> {
        (**self).write_spans(spans)
    }
}

/// Spans in memory, for tests and programs without a database. Cheap to clone; clones share their spans.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {}

impl MemoryStore {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of the spans, in the order in which they were first written; of each its newest version.
    #[must_use]
    pub fn spans(&self) -> Vec<DeploymentSpan> {
        todo!()
    }

    /// Forgets everything; it can be used again.
    pub fn clear(&self) {
        todo!()
    }
}

impl SpanSink for MemoryStore {
    fn write_spans(&self, spans: Vec<DeploymentSpan>) -> BoxFuture<'_, Result<()>> {
        let _ = spans;
        todo!()
    }
}

/// Two places at once: written to the first, then to the second. What fails at one is still written to the other, and
/// the first error is told.
#[derive(Clone, Debug)]
pub struct Both<A, B>(pub A, pub B);

impl<A: SpanSink, B: SpanSink> SpanSink for Both<A, B> {
    fn write_spans(&self, spans: Vec<DeploymentSpan>) -> BoxFuture<'_, Result<()>> {
        let _ = spans;
        todo!()
    }
}
