//! One point of a metric in protobuf's shape, and back.

use annals_telemetry::{
    Metric, MetricDataPoint,
    metric::{Exponential, ExponentialBuckets, Histogram, Number, Summary},
};
use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    metrics::v1::{
        Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint,
        SummaryDataPoint, exponential_histogram_data_point::Buckets, metric::Data,
        number_data_point, summary_data_point::ValueAtQuantile,
    },
};

use super::{exemplars, optional_time, refused, time_number};
use crate::otlp::{
    Bounds, FieldError, Problem, attributes,
    span::{attributes_of, object_column},
};

/// A point of any kind of metric.
#[derive(Clone, Debug, PartialEq)]
pub enum Point {
    /// Of a gauge or sum.
    Number(NumberDataPoint),
    /// Of a histogram.
    Histogram(HistogramDataPoint),
    /// Of an exponential histogram.
    Exponential(ExponentialHistogramDataPoint),
    /// Of a summary.
    Summary(SummaryDataPoint),
}

/// What every kind of point has.
struct Common {
    attributes: Vec<KeyValue>,
    start_time_unix_nano: u64,
    time_unix_nano: u64,
    exemplars: Vec<Exemplar>,
    flags: u32,
}

/// The record of a point of a metric.
///
/// # Errors
///
/// A field cannot be taken over; the error names it.
pub fn from_proto(
    mut point: Point,
    metric: &Metric,
    bounds: &Bounds,
) -> Result<MetricDataPoint, FieldError> {
    let common = point.take_common();
    bounds.check(&common.attributes)?;
    let start_time = optional_time(common.start_time_unix_nano, "start_time_unix_nano")?;
    let timestamp = optional_time(common.time_unix_nano, "time_unix_nano")?
        .ok_or_else(|| FieldError::new("time_unix_nano", Problem::Missing))?;
    bounds.check_time(timestamp, "time_unix_nano")?;
    let of_series = object_column("attributes", attributes::encode(common.attributes)?)?;
    let record = match point {
        Point::Number(point) => match point.value {
            Some(value) => {
                let number = match value {
                    number_data_point::Value::AsInt(int) => Number::Int(int),
                    number_data_point::Value::AsDouble(double) => Number::Double(double),
                };
                MetricDataPoint::number(metric, of_series, timestamp, number)
            }
            None => MetricDataPoint::nothing(metric, of_series, timestamp),
        },
        Point::Histogram(point) => {
            let histogram = Histogram {
                count: point.count,
                sum: point.sum,
                min: point.min,
                max: point.max,
                bounds: point.explicit_bounds,
                counts: point.bucket_counts,
            };
            MetricDataPoint::histogram(metric, of_series, timestamp, &histogram)
        }
        Point::Exponential(point) => {
            let buckets = |buckets: Buckets| ExponentialBuckets {
                offset: buckets.offset,
                counts: buckets.bucket_counts,
            };
            let histogram = Exponential {
                count: point.count,
                sum: point.sum,
                min: point.min,
                max: point.max,
                scale: point.scale,
                zero_count: point.zero_count,
                zero_threshold: point.zero_threshold,
                positive: point.positive.map(buckets),
                negative: point.negative.map(buckets),
            };
            MetricDataPoint::exponential(metric, of_series, timestamp, &histogram)
        }
        Point::Summary(point) => {
            let quantiles = point.quantile_values.iter();
            let summary = Summary {
                count: point.count,
                sum: point.sum,
                quantiles: quantiles.map(|at| (at.quantile, at.value)).collect(),
            };
            MetricDataPoint::summary(metric, of_series, timestamp, &summary)
        }
    };
    let mut record = record.map_err(refused)?;
    record.start_time = start_time;
    record.flags = common.flags;
    record.exemplars = exemplars::to_json(common.exemplars, bounds)?;
    Ok(record)
}

impl Point {
    /// Takes out what every kind has.
    fn take_common(&mut self) -> Common {
        macro_rules! common {
            ($point:ident, $exemplars:expr) => {
                Common {
                    attributes: std::mem::take(&mut $point.attributes),
                    start_time_unix_nano: $point.start_time_unix_nano,
                    time_unix_nano: $point.time_unix_nano,
                    exemplars: $exemplars,
                    flags: $point.flags,
                }
            };
        }
        match self {
            Self::Number(point) => common!(point, std::mem::take(&mut point.exemplars)),
            Self::Histogram(point) => common!(point, std::mem::take(&mut point.exemplars)),
            Self::Exponential(point) => common!(point, std::mem::take(&mut point.exemplars)),
            Self::Summary(point) => common!(point, Vec::new()),
        }
    }
}

/// Adds a point to the message of its metric.
///
/// # Errors
///
/// OTLP cannot express a column; the error names it.
pub(super) fn add_to_proto(point: &MetricDataPoint, data: &mut Data) -> Result<(), FieldError> {
    let attributes = attributes_of("attributes", Some(&point.attributes))?;
    let start_time_unix_nano = time_number(point.start_time, "start_time")?;
    let time_unix_nano = time_number(Some(point.timestamp), "timestamp")?;
    let flags = point.flags;
    let exemplars = exemplars::from_json(point.exemplars.as_ref())?;
    match data {
        Data::Gauge(_) | Data::Sum(_) => {
            let value = point.as_number().map(|number| match number {
                Number::Int(int) => number_data_point::Value::AsInt(int),
                Number::Double(double) => number_data_point::Value::AsDouble(double),
            });
            let message = NumberDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                exemplars,
                flags,
                value,
            };
            match data {
                Data::Gauge(gauge) => gauge.data_points.push(message),
                Data::Sum(sum) => sum.data_points.push(message),
                _ => {}
            }
        }
        Data::Histogram(histogram) => {
            let of = point.as_histogram().map_err(stored)?;
            histogram.data_points.push(HistogramDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                count: of.count,
                sum: of.sum,
                bucket_counts: of.counts,
                explicit_bounds: of.bounds,
                exemplars,
                flags,
                min: of.min,
                max: of.max,
            });
        }
        Data::ExponentialHistogram(histogram) => {
            let of = point.as_exponential().map_err(stored)?;
            let buckets = |buckets: ExponentialBuckets| Buckets {
                offset: buckets.offset,
                bucket_counts: buckets.counts,
            };
            histogram.data_points.push(ExponentialHistogramDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                count: of.count,
                sum: of.sum,
                scale: of.scale,
                zero_count: of.zero_count,
                positive: of.positive.map(buckets),
                negative: of.negative.map(buckets),
                flags,
                exemplars,
                min: of.min,
                max: of.max,
                zero_threshold: of.zero_threshold,
            });
        }
        Data::Summary(summary) => {
            let of = point.as_summary().map_err(stored)?;
            let quantiles = of.quantiles.into_iter();
            summary.data_points.push(SummaryDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                count: of.count,
                sum: of.sum,
                quantile_values: quantiles
                    .map(|(quantile, value)| ValueAtQuantile { quantile, value })
                    .collect(),
                flags,
            });
        }
    }
    Ok(())
}

/// A column that somebody else has written.
fn stored(error: annals_telemetry::metric::MetricError) -> FieldError {
    FieldError::new(
        error.field,
        Problem::Table {
            reason: error.problem,
        },
    )
}
