//! Stores that fail, are stuck, or count; and what was logged and counted.

use std::{
    collections::HashMap,
    fmt,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use annals_deploy::{DeploymentSpan, Error, MemoryStore, Result, SpanSink};
use futures_util::future::BoxFuture;
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata as MetricMetadata, SharedString, Unit,
};
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

/// Keeps what is counted on this thread, by the label `kind`.
#[derive(Default)]
pub(super) struct Counted(Mutex<HashMap<String, Arc<AtomicU64>>>);

impl Counted {
    pub(super) fn of(&self, kind: &str) -> u64 {
        let counters = self.0.lock().unwrap();
        let count = counters.get(kind).map(|count| count.load(Ordering::SeqCst));
        count.unwrap_or_default()
    }
}

impl metrics::Recorder for Counted {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &MetricMetadata<'_>) -> Counter {
        assert_eq!(key.name(), "annals_deploy_dropped_total");
        let kind = key.labels().next().unwrap().value().to_owned();
        let count = Arc::clone(self.0.lock().unwrap().entry(kind).or_default());
        Counter::from_arc(count)
    }

    fn register_gauge(&self, _: &Key, _: &MetricMetadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &MetricMetadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
