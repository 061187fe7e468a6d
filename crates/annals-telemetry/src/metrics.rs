//! The store of metrics.

use annals_store::{Store, Writer, WriterOptions};

use crate::{Metric, MetricDataPoint, Result};

/// How metrics are written.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MetricsOptions {
    /// The writer of points.
    pub writer: WriterOptions,
}

/// Metrics in any database.
#[derive(Debug)]
pub struct Metrics {
    store: Store,
    metrics: Writer<Metric>,
    points: Writer<MetricDataPoint>,
}

impl Metrics {
    /// Starts writers on a store whose tables are there.
    ///
    /// # Errors
    ///
    /// The database could not be asked about the table's chunks.
    pub async fn new(store: Store, options: MetricsOptions) -> Result<Self> {
        let metrics = store.writer().await?;
        let points = store.writer_with(options.writer, None).await?;
        Ok(Self {
            store,
            metrics,
            points,
        })
    }
}
