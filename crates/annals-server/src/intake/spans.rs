//! Spans, as an intake has them.

use std::{sync::Arc, time::Duration};

use annals_store::{Refusal, Store, WriterReport, Written};
use annals_telemetry::{PriceList, Span, SpanStore as _, Spans, SpansOptions, TraceCache};

use super::{Intake, Sink, writer};
use crate::{Result, config::QueueConfig, metrics, not_taken::is_away};

/// Where spans go.
#[derive(Debug)]
pub(crate) struct SpanSink(Spans);

impl Intake<SpanSink> {
    pub(crate) async fn start(
        store: Store,
        queue: &QueueConfig,
        timeout: Duration,
        cache: Option<TraceCache>,
        prices: Arc<PriceList>,
    ) -> Result<Self> {
        let mut options = SpansOptions::default()
            .with_writer(writer(queue))
            .with_prices(prices);
        options.cache = cache;
        let spans = Spans::new(store, options).await?;
        Ok(Self::new(SpanSink(spans), timeout))
    }

    /// The store behind it, for reading.
    pub(crate) fn spans(&self) -> &Spans {
        &self.sink().0
    }
}

impl Sink for SpanSink {
    type Record = Span;

    fn check(&self, span: &Span) -> Result<(), Refusal> {
        self.0.store().check(span)
    }

    fn is_away(&self) -> bool {
        is_away(self.0.writer())
    }

    async fn write(&self, spans: Vec<Span>) -> annals_telemetry::Result<Written> {
        let services = metrics::count_services(&spans);
        let written = self.0.write_batch(spans).await?;
        metrics::ingested(services);
        Ok(written)
    }

    fn held(&self) -> usize {
        self.0.writer().held()
    }

    fn report(&self) -> WriterReport {
        self.0.writer().report()
    }

    async fn shutdown(&self, deadline: Duration) -> WriterReport {
        self.0.shutdown(deadline).await
    }
}
