//! The store of metrics.
//!
//! | Module | What lives there |
//! |---|---|
//! | `known` | which metrics need not be written again |
//! | [`question`] | what can be asked |
//! | [`repository`] | metrics by name, points by series, the newest of each |
//! | [`aggregate`] | values over buckets of time |
//! | `distribution` | histograms added, subtracted, and their percentiles |
//! | `forget` | metrics go when their points are gone |

pub mod aggregate;
mod distribution;
pub(crate) mod forget;
mod known;
pub mod question;
pub mod repository;

use std::{collections::HashSet, time::Duration};

use annals_record::Timestamp;
use annals_store::{Store, Writer, WriterOptions, WriterReport, Written};

pub use aggregate::{Aggregated, Bucket, Group};
pub use question::{Aggregate, Aggregation, MetricFilter, Selection};
pub use repository::{MetricRepository, SeriesPage};

use crate::{Error, Metric, MetricDataPoint, Result, metric::MetricError};
use known::Known;

/// How metrics are written.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MetricsOptions {
    /// The writer of points.
    pub writer: WriterOptions,
}

impl MetricsOptions {
    /// With another writer.
    #[must_use]
    pub fn with_writer(mut self, writer: WriterOptions) -> Self {
        self.writer = writer;
        self
    }
}

/// Metrics in any database.
#[derive(Debug)]
pub struct Metrics {
    repository: MetricRepository,
    metrics: Writer<Metric>,
    points: Writer<MetricDataPoint>,
    known: Known,
}

impl Metrics {
    /// Starts writers on a store whose tables are there.
    ///
    /// # Errors
    ///
    /// The database could not be asked about the table's chunks.
    pub async fn new(store: Store, options: MetricsOptions) -> Result<Self> {
        let metrics = store.writer_with(options.writer.clone(), None).await?;
        let points = store.writer_with(options.writer, None).await?;
        Ok(Self {
            repository: MetricRepository::new(store),
            metrics,
            points,
            known: Known::default(),
        })
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.repository.store()
    }

    /// What was measured, for reading.
    #[must_use]
    pub fn repository(&self) -> &MetricRepository {
        &self.repository
    }

    /// The writer of points, for replay and counts.
    #[must_use]
    pub fn writer(&self) -> &Writer<MetricDataPoint> {
        &self.points
    }

    /// The writer of metrics, for replay and counts.
    #[must_use]
    pub fn metrics_writer(&self) -> &Writer<Metric> {
        &self.metrics
    }

    /// Writes metrics and their points, and answers once each point is committed or parked; tells how many points.
    ///
    /// Metrics are committed before their points, so that no point is there without its metric. One that is known and
    /// was written in this hour is not written again. What is there already stays and counts as committed, so that the
    /// same may be sent twice.
    ///
    /// # Errors
    ///
    /// A metric or a point cannot be ([`Error::Metric`]); nothing is written then. Or nothing was taken, or can be
    /// written until somebody changes something.
    pub async fn write(&self, batch: Vec<(Metric, Vec<MetricDataPoint>)>) -> Result<Written> {
        let now = Metric::seen_at(Timestamp::now());
        let mut fresh = Vec::new();
        let mut asked = HashSet::new();
        let mut points = Vec::new();
        for (mut metric, of_metric) in batch {
            metric.check()?;
            self.store().check(&metric)?;
            if of_metric.iter().any(|point| point.metric_id != metric.id) {
                return Err(MetricError::new("metric_id", "of a point is another metric's").into());
            }
            metric.last_seen = metric.last_seen.max(now);
            points.extend(of_metric);
            if !self.known.holds(&metric) && asked.insert((metric.id, known::fingerprint(&metric)))
            {
                fresh.push(metric);
            }
        }
        if !fresh.is_empty() {
            let written = self.metrics.write(fresh.clone()).await?;
            if written.parked > 0 {
                return Err(Error::Parked {
                    reason: "the table of metrics does not hold one".to_owned(),
                });
            }
            self.known.remember(&fresh);
        }
        Ok(self.points.write(points).await?)
    }

    /// Writes metrics alone; answers once each is committed or parked. One that is there takes over what may change.
    ///
    /// # Errors
    ///
    /// A metric cannot be, nothing was taken, or nothing can be written until somebody changes something.
    pub async fn insert_metrics(&self, metrics: Vec<Metric>) -> Result<Written> {
        for metric in &metrics {
            metric.check()?;
        }
        Ok(self.metrics.write(metrics).await?)
    }

    /// Writes points of metrics that are there; answers once each is committed or parked. One that is there stays.
    ///
    /// # Errors
    ///
    /// A metric of theirs is not there, nothing was taken, or nothing can be written until somebody changes something.
    pub async fn insert_points(&self, points: Vec<MetricDataPoint>) -> Result<Written> {
        let ids: HashSet<_> = points.iter().map(|point| point.metric_id).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        for some in ids.chunks(question::MAX_METRICS) {
            let there = self.store().query::<Metric>();
            let there = there.filter(Metric::ID.is_in(some.iter().copied()));
            if there.count().await? != some.len() as u64 {
                let problem =
                    "of a point is of no metric that is there; insert_metrics comes first";
                return Err(MetricError::new("metric_id", problem).into());
            }
        }
        Ok(self.points.write(points).await?)
    }

    /// Writes what is held, and reports on points; what is lost of metrics is among the lost. The store stays open for
    /// whoever shares it.
    pub async fn shutdown(&self, deadline: Duration) -> WriterReport {
        let started = std::time::Instant::now();
        // Whoever waits for a metric writes its points next.
        let metrics = self.metrics.shutdown(deadline).await;
        let left = deadline.saturating_sub(started.elapsed());
        let mut report = self.points.shutdown(left).await;
        report.lost += metrics.lost;
        report
    }
}
