//! Where a recorder's spans go.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::BoxFuture;

use crate::{DeploymentSpan, Result};

/// Takes spans and answers once they are kept. A trait, so that an application can put a double in its place.
pub trait SpanSink: fmt::Debug + Send + Sync + 'static {
    /// Keeps all of the spans, or none. A version of a span that is not newer than what is there changes nothing.
    fn write_spans(&self, spans: Vec<DeploymentSpan>) -> BoxFuture<'_, Result<()>>;
}

impl<S: SpanSink + ?Sized> SpanSink for Arc<S> {
    fn write_spans(&self, spans: Vec<DeploymentSpan>) -> BoxFuture<'_, Result<()>> {
        (**self).write_spans(spans)
    }
}

/// Spans in memory, for tests and programs without a database. Cheap to clone; clones share their spans.
#[derive(Clone, Default)]
pub struct MemoryStore {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    spans: Vec<DeploymentSpan>,
    /// By trace, span and start, as in the table.
    places: HashMap<(String, String, i64), usize>,
}

impl MemoryStore {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of the spans, in the order in which they were first written; of each its newest version.
    #[must_use]
    pub fn spans(&self) -> Vec<DeploymentSpan> {
        self.kept().spans.clone()
    }

    /// Forgets everything; it can be used again.
    pub fn clear(&self) {
        *self.kept() = Kept::default();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, span: DeploymentSpan) {
        let start = span.start_time.unix_micros();
        let key = (span.trace_id.clone(), span.span_id.clone(), start);
        let place = *self.places.entry(key).or_insert(self.spans.len());
        match self.spans.get_mut(place) {
            Some(there) if there.revision < span.revision => {
                let created_at = there.created_at;
                *there = DeploymentSpan { created_at, ..span };
            }
            Some(_) => {}
            None => self.spans.push(span),
        }
    }
}

impl SpanSink for MemoryStore {
    fn write_spans(&self, spans: Vec<DeploymentSpan>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let mut kept = self.kept();
            for span in spans {
                kept.keep(span);
            }
            Ok(())
        })
    }
}

/// How many there are, since there may be many.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("spans", &self.kept().spans.len())
            .finish()
    }
}

/// Two places at once: written to the first, then to the second. What fails at one is still written to the other, and
/// the first error is told.
#[derive(Clone, Debug)]
pub struct Both<A, B>(pub A, pub B);

impl<A: SpanSink, B: SpanSink> SpanSink for Both<A, B> {
    fn write_spans(&self, spans: Vec<DeploymentSpan>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let first = self.0.write_spans(spans.clone()).await;
            first.and(self.1.write_spans(spans).await)
        })
    }
}
