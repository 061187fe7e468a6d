//! Points of metrics, as an intake has them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use annals_record::Uuid;
use annals_store::{Refusal, Store, WriterReport, Written};
use annals_telemetry::{Metric, MetricDataPoint, Metrics, MetricsOptions};

use super::{Intake, Sink, writer};
use crate::{Result, config::QueueConfig, not_taken::is_away, otlp::metrics::MetricPoint};

/// Where points go, and their metrics before them.
#[derive(Debug)]
pub(crate) struct MetricSink(Metrics);

impl Intake<MetricSink> {
    pub(crate) async fn start(
        store: Store,
        queue: &QueueConfig,
        timeout: Duration,
    ) -> Result<Self> {
        let options = MetricsOptions::default().with_writer(writer(queue));
        let metrics = Metrics::new(store, options).await?;
        Ok(Self::new(MetricSink(metrics), timeout))
    }

    /// The store behind it, for reading.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.sink().0
    }
}

impl Sink for MetricSink {
    type Record = MetricPoint;

    fn check(&self, record: &MetricPoint) -> Result<(), Refusal> {
        let store = self.0.store();
        store.check(&*record.metric)?;
        store.check(&record.point)
    }

    fn is_away(&self) -> bool {
        is_away(self.0.writer()) || is_away(self.0.metrics_writer())
    }

    async fn write(&self, records: Vec<MetricPoint>) -> annals_telemetry::Result<Written> {
        self.0.write(by_metric(records)).await
    }

    fn held(&self) -> usize {
        self.0.writer().held()
    }

    fn report(&self) -> WriterReport {
        let mut report = self.0.writer().report();
        // Nobody has to know how many metrics there were, but what is lost of them is lost.
        report.lost += self.0.metrics_writer().report().held;
        report
    }

    async fn shutdown(&self, deadline: Duration) -> WriterReport {
        self.0.shutdown(deadline).await
    }
}

/// Points by their metric, in the order of a request. Of a metric that is told twice the last description stays.
fn by_metric(records: Vec<MetricPoint>) -> Vec<(Metric, Vec<MetricDataPoint>)> {
    let mut places: HashMap<Uuid, usize> = HashMap::new();
    let mut batch: Vec<(Arc<Metric>, Vec<MetricDataPoint>)> = Vec::new();
    for MetricPoint { metric, point } in records {
        let place = *places.entry(metric.id).or_insert(batch.len());
        match batch.get_mut(place) {
            Some((known, points)) => {
                *known = metric;
                points.push(point);
            }
            None => batch.push((metric, vec![point])),
        }
    }
    let batch = batch.into_iter();
    batch
        .map(|(metric, points)| (Arc::unwrap_or_clone(metric), points))
        .collect()
}
