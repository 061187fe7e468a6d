//! What is measured, and what was: metrics and their points.

use annals_record::{Json, Record, TextEnum, Timestamp, TimestampMicros, Uuid};

/// A metric of one resource and scope, as a row of `metrics`.
///
/// A metric that changes its type, unit or temporality is another metric of the same name.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "metrics",
    key("id"),
    on_conflict = "update",
    index("name", "service_name"),
    index("service_name", "name")
)]
pub struct Metric {
    /// UUID of version 5 made of what tells metrics apart; see [`Metric::id_of`].
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// What it means.
    pub description: Option<String>,
    /// The unit of its values, as UCUM writes them (`ms`, `By`, `{token}`).
    pub unit: Option<String>,
    /// Which kind of points it has.
    pub metric_type: MetricType,
    /// What a point's value counts from.
    pub temporality: Temporality,
    /// Whether a sum never goes down.
    pub is_monotonic: bool,
    /// The service that measures it.
    pub service_name: String,
    /// Metadata of the metric (OTLP `Metric.metadata`).
    pub attributes: Json,
    /// Attributes of the resource.
    pub resource_attributes: Json,
    /// Resource attributes that the source left out.
    pub resource_dropped_attributes_count: u32,
    /// Schema of the resource.
    pub resource_schema_url: Option<String>,
    /// The instrumentation that measures it.
    pub scope_name: Option<String>,
    /// Its version.
    pub scope_version: Option<String>,
    /// Its attributes.
    pub scope_attributes: Option<Json>,
    /// Scope attributes that the source left out.
    pub scope_dropped_attributes_count: u32,
    /// Schema of the metrics of this scope.
    pub scope_schema_url: Option<String>,
}

/// Which kind of points a metric has (source: OTLP 1.x, `Metric.data`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum MetricType {
    /// A value at a time.
    Gauge,
    /// A sum of what happened. A monotonic one is what others call a counter.
    Sum,
    /// A distribution over buckets with given bounds.
    Histogram,
    /// A distribution over buckets that grow exponentially.
    ExponentialHistogram,
    /// Quantiles that the source worked out.
    Summary,
}

/// What a point's value counts from (source: OTLP 1.x, `AggregationTemporality`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum Temporality {
    /// Not said, or of no meaning.
    #[default]
    Unspecified,
    /// From the point before.
    Delta,
    /// From the point's start time, which stays.
    Cumulative,
}

/// What one series of a metric was at a time, as a row of `metric_data_points`.
///
/// A series is a metric with one set of attributes. It has one point at a time, to the microsecond.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "metric_data_points",
    time = "timestamp",
    key("series_id", "timestamp"),
    on_conflict = "ignore",
    chunk = "1 day",
    segment_by = "series_id",
    order_by = "timestamp desc",
    index("metric_id", "timestamp desc")
)]
pub struct MetricDataPoint {
    /// The metric.
    pub metric_id: Uuid,
    /// UUID of version 5 made of the metric and the attributes; see [`MetricDataPoint::series_of`].
    pub series_id: Uuid,
    /// When it was so.
    pub timestamp: Timestamp,
    /// Since when a sum or distribution counts.
    pub start_time: Option<Timestamp>,
    /// The value of a gauge or sum; of an integer beyond 2^53 the nearest double.
    pub value: Option<f64>,
    /// The value of a gauge or sum that is an integer.
    pub value_int: Option<i64>,
    /// How many values a distribution has.
    pub count: Option<u64>,
    /// Their sum.
    pub sum: Option<f64>,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// The scale of an exponential histogram: its base is 2^(2^-scale).
    pub scale: Option<i32>,
    /// How many values an exponential histogram has that are zero.
    pub zero_count: Option<u64>,
    /// Up to which size values count as zero.
    pub zero_threshold: Option<f64>,
    /// Buckets. Of a histogram `{"bounds": […], "counts": […]}`, with one count more than bounds; of an exponential one
    /// `{"positive": {"offset": N, "counts": […]}, "negative": {…}}`.
    pub buckets: Option<Json>,
    /// Quantiles of a summary: `[{"quantile": 0.5, "value": 1.5}, …]`.
    pub quantiles: Option<Json>,
    /// Examples of what was measured, with their traces.
    pub exemplars: Option<Json>,
    /// OTLP's `DataPointFlags`; 1 says that nothing was recorded.
    pub flags: u32,
    /// Attributes of the series.
    pub attributes: Json,
}

/// When a row of `metrics` was made and changed last; read beside it.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "metrics", key("id"))]
pub struct MetricTimes {
    /// The metric.
    pub id: Uuid,
    /// When it was first heard of.
    pub created_at: TimestampMicros,
}
