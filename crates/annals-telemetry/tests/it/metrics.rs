//! What a store of metrics promises.

mod ageing;
mod aggregates;
mod histograms;
mod reading;
mod writing;

use annals_record::{Json, Timestamp};
use annals_store::{Store, Written};
use annals_telemetry::{
    MIGRATIONS, Metric, MetricDataPoint, MetricType, Metrics, MetricsOptions, Temporality,
    metric::Number,
};
use annals_testkit::TestDatabase;

pub(crate) async fn open(database: &TestDatabase) -> Metrics {
    let store = Store::open(&database.url).await.unwrap();
    store.migrator(&[&MIGRATIONS]).up().await.unwrap();
    Metrics::new(store, MetricsOptions::default())
        .await
        .unwrap()
}

/// 2025-01-01, and so many seconds.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_735_689_600 + seconds).unwrap()
}

pub(crate) fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

pub(crate) fn gauge(name: &str) -> Metric {
    Metric::new("api", name, MetricType::Gauge).unwrap()
}

pub(crate) fn counter(name: &str, temporality: Temporality) -> Metric {
    let mut metric = Metric::new("api", name, MetricType::Sum).unwrap();
    metric.temporality = temporality;
    metric.is_monotonic = true;
    metric.identified()
}

pub(crate) fn number(
    metric: &Metric,
    attributes: &str,
    seconds: i64,
    number: Number,
) -> MetricDataPoint {
    MetricDataPoint::number(metric, json(attributes), at(seconds), number).unwrap()
}

/// Points of a gauge or counter: their seconds and values.
pub(crate) fn numbers(
    metric: &Metric,
    attributes: &str,
    values: &[(i64, f64)],
) -> Vec<MetricDataPoint> {
    let points = values.iter();
    points
        .map(|(seconds, value)| number(metric, attributes, *seconds, Number::Double(*value)))
        .collect()
}

/// Compared by what they show, for which NaN equals itself.
pub(crate) fn shown<T: std::fmt::Debug>(values: &[T]) -> Vec<String> {
    values.iter().map(|value| format!("{value:?}")).collect()
}

/// Rows of which none may have been parked.
pub(crate) trait Kept {
    fn kept(self);
}

impl Kept for Written {
    fn kept(self) {
        assert_eq!(self.parked, 0);
    }
}
