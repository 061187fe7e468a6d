//! Metrics and series as this API shows them.

use std::collections::BTreeMap;

use annals_record::{Json, Timestamp, Uuid};
use annals_telemetry::{
    Metric, MetricDataPoint,
    metric::{Number, value::double_to_json},
    metrics::{Aggregate, Aggregated},
};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use utoipa::ToSchema;

/// A metric of one resource and scope.
#[derive(Serialize, ToSchema)]
pub(super) struct MetricJson {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// gauge, sum, histogram, exponential_histogram or summary.
    metric_type: &'static str,
    /// delta, cumulative or unspecified.
    temporality: &'static str,
    is_monotonic: bool,
    service_name: String,
    #[schema(value_type = Object)]
    attributes: Option<Box<RawValue>>,
    #[schema(value_type = Object)]
    resource_attributes: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "is_zero")]
    resource_dropped_attributes_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_schema_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    scope_attributes: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "is_zero")]
    scope_dropped_attributes_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope_schema_url: Option<String>,
    /// When points of it came last, to the hour, towards the past.
    #[schema(format = DateTime)]
    last_seen: String,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A JSON column as it is stored, so that numbers keep every digit.
fn raw(column: Option<&Json>) -> Option<Box<RawValue>> {
    // What is stored is JSON, so this never fails.
    RawValue::from_string(column?.as_str().to_owned()).ok()
}

impl From<Metric> for MetricJson {
    fn from(metric: Metric) -> Self {
        // Taken apart, so that a column added there cannot be forgotten here.
        let Metric {
            id,
            name,
            description,
            unit,
            metric_type,
            temporality,
            is_monotonic,
            service_name,
            attributes,
            resource_attributes,
            resource_dropped_attributes_count,
            resource_schema_url,
            scope_name,
            scope_version,
            scope_attributes,
            scope_dropped_attributes_count,
            scope_schema_url,
            last_seen,
        } = metric;
        Self {
            id: id.to_string(),
            name,
            description,
            unit,
            metric_type: metric_type.as_str(),
            temporality: temporality.as_str(),
            is_monotonic,
            service_name,
            attributes: raw(Some(&attributes)),
            resource_attributes: raw(Some(&resource_attributes)),
            resource_dropped_attributes_count,
            resource_schema_url,
            scope_name,
            scope_version,
            scope_attributes: raw(scope_attributes.as_ref()),
            scope_dropped_attributes_count,
            scope_schema_url,
            last_seen: Timestamp::from(last_seen).to_string(),
        }
    }
}

/// A series, or several that were put together, with its points or with buckets of time.
#[derive(Serialize, ToSchema)]
pub(super) struct SeriesJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    series_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_name: Option<String>,
    /// gauge, sum, histogram, exponential_histogram or summary.
    metric_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    temporality: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_monotonic: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// Attributes of the series; of several the one by which they were put together.
    #[schema(value_type = Object)]
    attributes: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    resource_attributes: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<Vec<PointJson>>,
    /// What the buckets hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregate: Option<String>,
    /// Buckets with something in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    buckets: Option<Vec<BucketJson>>,
}

/// A point. What is absent is left out; numbers that JSON lacks are texts: "NaN", "Infinity", "-Infinity", "-0".
#[derive(Serialize, ToSchema)]
pub(super) struct PointJson {
    /// RFC 3339, with nanoseconds.
    #[schema(format = DateTime)]
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    start_time: Option<String>,
    /// Of a gauge or sum; whole numbers are exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    sum: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    min: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    max: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zero_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    zero_threshold: Option<Value>,
    /// Of a histogram `{"bounds", "counts"}`, of an exponential one `{"positive": {"offset", "counts"}, "negative"}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    buckets: Option<Box<RawValue>>,
    /// `[{"quantile", "value"}]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    quantiles: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    exemplars: Option<Box<RawValue>>,
    /// 1: nothing was recorded.
    #[serde(skip_serializing_if = "is_zero")]
    flags: u32,
}

/// A bucket of time.
#[derive(Serialize, ToSchema)]
pub(super) struct BucketJson {
    /// When it begins.
    #[schema(format = DateTime)]
    start: String,
    /// null where it is not known, such as a percentile of histograms without common bounds.
    #[schema(value_type = Option<f64>)]
    value: Value,
    /// Points in it; of histograms and summaries, values that these have counted.
    count: u64,
}

impl From<&MetricDataPoint> for PointJson {
    fn from(point: &MetricDataPoint) -> Self {
        let double = |value: Option<f64>| value.map(double_to_json);
        Self {
            timestamp: point.timestamp.to_string(),
            start_time: point.start_time.map(|time| time.to_string()),
            value: point.as_number().map(|number| match number {
                Number::Int(int) => int.into(),
                Number::Double(value) => double_to_json(value),
            }),
            count: point.count,
            sum: double(point.sum),
            min: double(point.min),
            max: double(point.max),
            scale: point.scale,
            zero_count: point.zero_count,
            zero_threshold: double(point.zero_threshold),
            buckets: raw(point.buckets.as_ref()),
            quantiles: raw(point.quantiles.as_ref()),
            exemplars: raw(point.exemplars.as_ref()),
            flags: point.flags,
        }
    }
}

impl SeriesJson {
    fn of(metric: &Metric, series_id: Uuid, attributes: &Json) -> Self {
        Self {
            series_id: Some(series_id.to_string()),
            metric_id: Some(metric.id.to_string()),
            service_name: Some(metric.service_name.clone()),
            metric_type: metric.metric_type.as_str(),
            temporality: Some(metric.temporality.as_str()),
            is_monotonic: Some(metric.is_monotonic),
            unit: metric.unit.clone(),
            attributes: raw(Some(attributes)),
            resource_attributes: raw(Some(&metric.resource_attributes)),
            points: None,
            aggregate: None,
            buckets: None,
        }
    }

    /// Points that come series after series.
    pub(super) fn of_points(
        metrics: &BTreeMap<Uuid, Metric>,
        points: &[MetricDataPoint],
    ) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for points in points.chunk_by(|a, b| a.series_id == b.series_id) {
            let Some(first) = points.first() else {
                continue;
            };
            let Some(metric) = metrics.get(&first.metric_id) else {
                continue;
            };
            let mut series = Self::of(metric, first.series_id, &first.attributes);
            series.points = Some(points.iter().map(PointJson::from).collect());
            all.push(series);
        }
        all
    }

    /// Values over buckets of time.
    pub(super) fn of_groups(found: Aggregated, aggregate: Aggregate) -> Vec<Self> {
        let (metric_type, unit) = (found.metric_type.as_str(), found.unit);
        let groups = found.groups.into_iter().map(|group| {
            let mut series = match (&group.metric, group.series_id) {
                (Some(metric), Some(series_id)) => Self::of(metric, series_id, &group.attributes),
                _ => Self {
                    series_id: None,
                    metric_id: None,
                    service_name: None,
                    metric_type,
                    temporality: None,
                    is_monotonic: None,
                    unit: unit.clone(),
                    attributes: raw(Some(&group.attributes)),
                    resource_attributes: None,
                    points: None,
                    aggregate: None,
                    buckets: None,
                },
            };
            series.aggregate = Some(aggregate.to_string());
            let buckets = group.buckets.iter().map(|bucket| BucketJson {
                start: bucket.start.to_string(),
                value: bucket.value.map_or(Value::Null, double_to_json),
                count: bucket.count,
            });
            series.buckets = Some(buckets.collect());
            series
        });
        groups.collect()
    }
}
