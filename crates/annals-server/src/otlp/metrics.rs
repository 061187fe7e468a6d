//! Metrics in protobuf's shape, and back: whole requests, and what of a metric is in its row.
//!
//! A record is one point with the metric that it is of. What OTLP says of a metric is in the metric's row, what it says of
//! a point in the point's, and both together make the same message again. A metric without points is nothing to keep; one of
//! a kind that this server does not know is refused, since what is in it cannot be told.

mod exemplars;
pub mod point;

use std::sync::Arc;

use annals_record::{Json, Timestamp};
use annals_telemetry::{Metric, MetricDataPoint, MetricType, Temporality, metric::MetricError};
use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    metrics::v1::{self as proto, AggregationTemporality, ResourceMetrics, metric::Data},
};

use super::{
    Bounds, Decoded, FieldError, Identity, Kind, Origin, Problem, RefusedRecord, Told, attributes,
    layers,
    origin::Around,
    span::{absent_if_empty, attributes_of, object_column},
};
use point::Point;

/// One point of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricPoint {
    /// The metric, which points of one request share.
    pub metric: Arc<Metric>,
    /// The point.
    pub point: MetricDataPoint,
}

impl Told for MetricPoint {
    const KIND: Kind = Kind::DataPoint;

    fn identity(&self) -> Identity {
        Identity::of_metric(Some(self.metric.name.clone()))
    }
}

/// What a message of a metric says beside its points.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) unit: String,
    pub(super) metadata: Vec<KeyValue>,
    /// Absent of a kind that is not known.
    pub(super) metric_type: Option<MetricType>,
    pub(super) temporality: i32,
    pub(super) is_monotonic: bool,
}

/// The points of `MetricsData` or `ExportMetricsServiceRequest`, which differ in name only.
///
/// A point that is bad or beyond the bounds refuses itself; such a resource, scope or metric refuses the points in it.
#[must_use]
pub fn from_proto(request: Vec<ResourceMetrics>, bounds: &Bounds) -> Decoded<MetricPoint> {
    let mut decoded = Decoded::default();
    layers::walk(request, bounds, |metric: proto::Metric, origin| {
        let (head, points) = open(metric);
        take(
            &mut decoded,
            head,
            points.into_iter().map(Ok),
            origin,
            bounds,
        );
    });
    decoded
}

/// Adds the points of a metric, or their refusals.
pub(super) fn take(
    decoded: &mut Decoded<MetricPoint>,
    head: Head,
    points: impl IntoIterator<Item = Result<Point, FieldError>>,
    origin: Result<&Origin, &FieldError>,
    bounds: &Bounds,
) {
    let name = head.name.clone();
    let identity = || Identity::of_metric(Some(name.clone()));
    let is_unknown = head.metric_type.is_none();
    let metric = match origin {
        Ok(origin) => head.metric(origin, bounds).map(Arc::new),
        Err(error) => Err(error.clone()),
    };
    if is_unknown {
        let error = metric.err();
        let error = error.unwrap_or_else(|| FieldError::new("data", Problem::Missing));
        decoded.push(Err(error), identity);
        return;
    }
    for point in points {
        let record = match &metric {
            Ok(metric) => point.and_then(|point| {
                let metric = Arc::clone(metric);
                let point = point::from_proto(point, &metric, bounds)?;
                Ok(MetricPoint { metric, point })
            }),
            Err(error) => Err(error.clone()),
        };
        decoded.push(record, identity);
    }
}

/// A message of a metric, and its points.
fn open(metric: proto::Metric) -> (Head, Vec<Point>) {
    fn points<T>(points: Vec<T>, of: fn(T) -> Point) -> Vec<Point> {
        points.into_iter().map(of).collect()
    }
    let (metric_type, temporality, is_monotonic, points) = match metric.data {
        None => (None, 0, false, Vec::new()),
        Some(Data::Gauge(gauge)) => {
            let points = points(gauge.data_points, Point::Number);
            (Some(MetricType::Gauge), 0, false, points)
        }
        Some(Data::Sum(sum)) => (
            Some(MetricType::Sum),
            sum.aggregation_temporality,
            sum.is_monotonic,
            points(sum.data_points, Point::Number),
        ),
        Some(Data::Histogram(histogram)) => (
            Some(MetricType::Histogram),
            histogram.aggregation_temporality,
            false,
            points(histogram.data_points, Point::Histogram),
        ),
        Some(Data::ExponentialHistogram(histogram)) => (
            Some(MetricType::ExponentialHistogram),
            histogram.aggregation_temporality,
            false,
            points(histogram.data_points, Point::Exponential),
        ),
        Some(Data::Summary(summary)) => {
            let points = points(summary.data_points, Point::Summary);
            (Some(MetricType::Summary), 0, false, points)
        }
    };
    let head = Head {
        name: metric.name,
        description: metric.description,
        unit: metric.unit,
        metadata: metric.metadata,
        metric_type,
        temporality,
        is_monotonic,
    };
    (head, points)
}

impl Head {
    /// The row of the metric.
    fn metric(self, origin: &Origin, bounds: &Bounds) -> Result<Metric, FieldError> {
        let metric_type = self
            .metric_type
            .ok_or_else(|| FieldError::new("data", Problem::Missing))?;
        bounds
            .check(&self.metadata)
            .map_err(|error| error.within("metadata"))?;
        let mut metric =
            Metric::new(origin.service_name(), self.name, metric_type).map_err(refused)?;
        metric.description = absent_if_empty(self.description);
        metric.unit = absent_if_empty(self.unit);
        metric.temporality = temporality(self.temporality)?;
        metric.is_monotonic = self.is_monotonic;
        let metadata = attributes::encode(self.metadata);
        metric.attributes = object_column(
            "metadata",
            metadata.map_err(|error| error.within("metadata"))?,
        )?;
        // Taken apart, so that a column added there cannot be forgotten.
        let Origin {
            service_name: _,
            resource,
            resource_dropped_attributes_count,
            resource_schema_url,
            scope_name,
            scope_version,
            scope_attributes,
            scope_dropped_attributes_count,
            scope_schema_url,
        } = origin.clone();
        metric.resource_attributes = resource.unwrap_or_else(Json::empty_object);
        metric.resource_dropped_attributes_count = resource_dropped_attributes_count;
        metric.resource_schema_url = resource_schema_url;
        metric.scope_name = scope_name;
        metric.scope_version = scope_version;
        metric.scope_attributes = scope_attributes;
        metric.scope_dropped_attributes_count = scope_dropped_attributes_count;
        metric.scope_schema_url = scope_schema_url;
        Ok(metric.identified())
    }
}

/// The request in which points go out, in their order. Neighbours of one metric share it.
///
/// A resource without attributes goes out as none.
///
/// # Errors
///
/// OTLP cannot express a metric or a point; the error names it and the field.
pub fn to_proto(records: &[MetricPoint]) -> Result<Vec<ResourceMetrics>, RefusedRecord> {
    let mut messages: Vec<(Around, proto::Metric)> = Vec::new();
    let mut last: Option<&Metric> = None;
    for (i, record) in records.iter().enumerate() {
        let refused = |reason| RefusedRecord::new(Kind::DataPoint, i, record.identity(), reason);
        if last != Some(&*record.metric) {
            let around = Around::of(&origin_of(&record.metric)).map_err(refused)?;
            messages.push((around, head_to_proto(&record.metric).map_err(refused)?));
            last = Some(&record.metric);
        }
        if let Some(data) = messages
            .last_mut()
            .and_then(|(_, message)| message.data.as_mut())
        {
            point::add_to_proto(&record.point, data).map_err(refused)?;
        }
    }
    Ok(layers::assemble(messages))
}

fn origin_of(metric: &Metric) -> Origin {
    let is_known = metric.resource_attributes.as_str() != "{}";
    Origin {
        service_name: metric.service_name.clone(),
        resource: is_known.then(|| metric.resource_attributes.clone()),
        resource_dropped_attributes_count: metric.resource_dropped_attributes_count,
        resource_schema_url: metric.resource_schema_url.clone(),
        scope_name: metric.scope_name.clone(),
        scope_version: metric.scope_version.clone(),
        scope_attributes: metric.scope_attributes.clone(),
        scope_dropped_attributes_count: metric.scope_dropped_attributes_count,
        scope_schema_url: metric.scope_schema_url.clone(),
    }
}

/// A metric as OTLP sends it, without points.
fn head_to_proto(metric: &Metric) -> Result<proto::Metric, FieldError> {
    let aggregation_temporality = match metric.temporality {
        Temporality::Unspecified => AggregationTemporality::Unspecified,
        Temporality::Delta => AggregationTemporality::Delta,
        Temporality::Cumulative => AggregationTemporality::Cumulative,
    }
    .into();
    let data = match metric.metric_type {
        MetricType::Gauge => Data::Gauge(proto::Gauge::default()),
        MetricType::Sum => Data::Sum(proto::Sum {
            aggregation_temporality,
            is_monotonic: metric.is_monotonic,
            ..proto::Sum::default()
        }),
        MetricType::Histogram => Data::Histogram(proto::Histogram {
            aggregation_temporality,
            ..proto::Histogram::default()
        }),
        MetricType::ExponentialHistogram => {
            Data::ExponentialHistogram(proto::ExponentialHistogram {
                aggregation_temporality,
                ..proto::ExponentialHistogram::default()
            })
        }
        MetricType::Summary => Data::Summary(proto::Summary::default()),
    };
    Ok(proto::Metric {
        name: metric.name.clone(),
        description: metric.description.clone().unwrap_or_default(),
        unit: metric.unit.clone().unwrap_or_default(),
        metadata: attributes_of("attributes", Some(&metric.attributes))?,
        data: Some(data),
    })
}

/// The temporality of a number.
fn temporality(number: i32) -> Result<Temporality, FieldError> {
    let temporality = AggregationTemporality::try_from(number).map_err(|_| {
        FieldError::new(
            "aggregation_temporality",
            Problem::Enumeration {
                found: number,
                expected: "an aggregation temporality",
            },
        )
    })?;
    Ok(match temporality {
        AggregationTemporality::Unspecified => Temporality::Unspecified,
        AggregationTemporality::Delta => Temporality::Delta,
        AggregationTemporality::Cumulative => Temporality::Cumulative,
    })
}

/// A refusal of the record in the words of the protocol.
fn refused(error: MetricError) -> FieldError {
    let MetricError { field, problem } = error;
    let field = field
        .replace("quantiles[", "quantile_values[")
        .replace("bounds", "explicit_bounds")
        .replace("counts", "bucket_counts");
    FieldError::new(field, Problem::Table { reason: problem })
}

/// A time of a point that may be unknown, which OTLP writes as zero.
fn optional_time(nanos: u64, field: &'static str) -> Result<Option<Timestamp>, FieldError> {
    if nanos == 0 {
        return Ok(None);
    }
    super::span::nanos(nanos, field).map(|nanos| Some(Timestamp::from_unix_nanos(nanos)))
}

/// The number of a time that may be unknown.
fn time_number(time: Option<Timestamp>, field: &'static str) -> Result<u64, FieldError> {
    let nanos = time.map_or(0, Timestamp::unix_nanos);
    u64::try_from(nanos).map_err(|_| FieldError::new(field, Problem::Time))
}
