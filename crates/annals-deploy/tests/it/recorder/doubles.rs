//! Stores that fail, are stuck, or count; and what was logged.

use std::{
    fmt,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use annals_deploy::{DeploymentSpan, Error, MemoryStore, Result, SpanSink};
use futures_util::future::BoxFuture;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Fails so many times, then keeps.
#[derive(Debug)]
pub(super) struct Failing {
    left: AtomicUsize,
    pub(super) tries: AtomicUsize,
    pub(super) store: MemoryStore,
}

impl Failing {
    pub(super) fn times(times: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(times),
            tries: AtomicUsize::new(0),
            store: MemoryStore::new(),
        })
    }
}

/// What a failing store says.
pub(super) fn failure() -> Error {
    Error::Question {
        field: "the store",
        needs: "needs a rest",
    }
}

impl SpanSink for Failing {
    fn write_spans(&self, spans: Vec<DeploymentSpan>) -> BoxFuture<'_, Result<()>> {
        self.tries.fetch_add(1, Ordering::SeqCst);
        let less = |left: usize| left.checked_sub(1);
        match self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
        {
            Ok(_) => Box::pin(async { Err(failure()) }),
            Err(_) => self.store.write_spans(spans),
        }
    }
}

/// Never answers.
#[derive(Debug)]
pub(super) struct Stuck;

impl SpanSink for Stuck {
    fn write_spans(&self, _: Vec<DeploymentSpan>) -> BoxFuture<'_, Result<()>> {
        Box::pin(pending())
    }
}

/// Keeps the names of what came with each write; takes so many at once.
#[derive(Debug)]
pub(super) struct Batches {
    pub(super) names: Mutex<Vec<Vec<String>>>,
    most: usize,
}

impl Batches {
    pub(super) fn of(most: usize) -> Arc<Self> {
        Arc::new(Self {
            names: Mutex::default(),
            most,
        })
    }

    pub(super) fn take(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut self.names.lock().unwrap())
    }
}

impl SpanSink for Batches {
    fn write_spans(&self, spans: Vec<DeploymentSpan>) -> BoxFuture<'_, Result<()>> {
        if spans.len() > self.most {
            let error = Error::TooManySpans {
                spans: spans.len(),
                bytes: 0,
            };
            return Box::pin(async { Err(error) });
        }
        let names = spans.into_iter().map(|span| span.name).collect();
        self.names.lock().unwrap().push(names);
        Box::pin(async { Ok(()) })
    }
}

/// Keeps what is logged on this thread.
#[derive(Clone, Default)]
pub(super) struct Logged(Arc<Mutex<String>>);

impl Logged {
    /// What is logged meanwhile.
    pub(super) fn during(act: impl FnOnce()) -> String {
        let logged = Self::default();
        tracing::subscriber::with_default(logged.clone(), act);
        std::mem::take(&mut *logged.0.lock().unwrap())
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

impl Subscriber for Logged {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("annals_deploy")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push_str(&format!("{}\n", line.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
