//! Metrics as OTLP/JSON: read point by point, and written.

use annals_telemetry::MetricType;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, SummaryDataPoint, exemplar,
    exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
    summary_data_point::ValueAtQuantile,
};
use serde_json::Value;

use super::{
    super::{
        Bounds, Decoded, FieldError, Problem, RefusedRecord, attributes,
        metrics::{self, Head, MetricPoint, point::Point},
    },
    ReadError,
    layers::{self, Document, List},
    message::{Message, wrong_type},
    reading, value_of, writing,
};

const U32: &str = "a whole number of 32 bits";
const U64: &str = "a whole number of 64 bits";
const NANOS: &str = "a whole number of nanoseconds";

impl Document for ResourceMetrics {
    const OF: &'static str = "metrics";
    const RESOURCES: List = List {
        camel: "resourceMetrics",
        snake: "resource_metrics",
        of_old: None,
        expecting: "an object with resourceMetrics",
    };
    const SCOPES: List = List {
        camel: "scopeMetrics",
        snake: "scope_metrics",
        of_old: Some("instrumentationLibraryMetrics"),
        expecting: "an object with resource and scopeMetrics",
    };
    const ITEMS: List = List {
        camel: "metrics",
        snake: "metrics",
        of_old: None,
        expecting: "an object with scope and metrics",
    };
}

/// Reads a document: `MetricsData` or `ExportMetricsServiceRequest`, which look the same.
///
/// A bad point refuses itself, whatever is wrong inside it, and a bad resource, scope or metric refuses the points in it.
///
/// # Errors
///
/// What surrounds the metrics is not OTLP/JSON of metrics.
pub fn read(text: &str, bounds: &Bounds) -> Result<Decoded<MetricPoint>, ReadError> {
    let mut decoded = Decoded::default();
    layers::walk::<ResourceMetrics>(text, bounds, |raw, origin| {
        let mut of_metric = Decoded::default();
        match value_of("metric", raw).and_then(metric) {
            Ok((head, points)) => metrics::take(&mut of_metric, head, points, origin, bounds),
            Err(error) => of_metric.push(Err(error.or_named("metric")), Default::default),
        }
        let before = decoded.records.len() + decoded.refused.len();
        decoded.records.extend(of_metric.records);
        decoded
            .refused
            .extend(of_metric.refused.into_iter().map(|mut refused| {
                refused.index += before;
                // A name in snake_case is told as it stands.
                if !matches!(refused.reason.problem, Problem::Name { .. }) {
                    refused.reason = Box::new(refused.reason.with_json_names());
                }
                refused
            }));
    })?;
    Ok(decoded)
}

/// Writes points as one document, in their order.
///
/// # Errors
///
/// OTLP cannot express a metric or a point; the error names it and the field.
pub fn write(points: &[MetricPoint]) -> Result<String, RefusedRecord> {
    Ok(written::document(metrics::to_proto(points)?).to_string())
}

type Points = Vec<Result<Point, FieldError>>;

/// A metric, and its points each by itself.
fn metric(value: Value) -> Result<(Head, Points), FieldError> {
    let mut metric = Message::of(value)?;
    let mut head = Head {
        name: metric.text("name")?,
        description: metric.text("description")?,
        unit: metric.text("unit")?,
        metadata: metric.list("metadata", reading::attribute)?,
        ..Head::default()
    };
    let mut points = Vec::new();
    let mut found: Option<&'static str> = None;
    type Read = fn(Value) -> Result<Point, FieldError>;
    let kinds: [(&'static str, MetricType, Read); 5] = [
        ("gauge", MetricType::Gauge, number),
        ("sum", MetricType::Sum, number),
        ("histogram", MetricType::Histogram, histogram),
        (
            "exponentialHistogram",
            MetricType::ExponentialHistogram,
            exponential,
        ),
        ("summary", MetricType::Summary, summary),
    ];
    for (name, metric_type, read) in kinds {
        let Some(data) = metric.take(name)? else {
            continue;
        };
        if let Some(first) = found {
            let second = name;
            return Err(FieldError::new("", Problem::Ambiguous { first, second }));
        }
        found = Some(name);
        head.metric_type = Some(metric_type);
        let mut data = Message::of(data).map_err(|error| error.within(name))?;
        let mut of_data = || {
            if matches!(
                metric_type,
                MetricType::Sum | MetricType::Histogram | MetricType::ExponentialHistogram
            ) {
                head.temporality = data.enumeration(
                    "aggregationTemporality",
                    "an aggregation temporality",
                    |name| AggregationTemporality::from_str_name(name).map(i32::from),
                )?;
            }
            if metric_type == MetricType::Sum {
                head.is_monotonic = match data.take("isMonotonic")? {
                    None => false,
                    Some(Value::Bool(is_monotonic)) => is_monotonic,
                    Some(other) => return Err(wrong_type("isMonotonic", &other, "true or false")),
                };
            }
            data.list("dataPoints", Ok)
        };
        let values = of_data().map_err(|error| error.within(name))?;
        points = values.into_iter().map(read).collect();
    }
    Ok((head, points))
}

fn number(value: Value) -> Result<Point, FieldError> {
    let mut point = Message::of(value)?;
    let double = double(&mut point, "asDouble")?.map(number_data_point::Value::AsDouble);
    let int = int(&mut point, "asInt")?.map(number_data_point::Value::AsInt);
    Ok(Point::Number(NumberDataPoint {
        attributes: point.list("attributes", reading::attribute)?,
        start_time_unix_nano: point.unsigned("startTimeUnixNano", NANOS)?,
        time_unix_nano: point.unsigned("timeUnixNano", NANOS)?,
        exemplars: point.list("exemplars", exemplar)?,
        flags: point.unsigned("flags", U32)?,
        value: one_of(double, int)?,
    }))
}

fn histogram(value: Value) -> Result<Point, FieldError> {
    let mut point = Message::of(value)?;
    Ok(Point::Histogram(HistogramDataPoint {
        attributes: point.list("attributes", reading::attribute)?,
        start_time_unix_nano: point.unsigned("startTimeUnixNano", NANOS)?,
        time_unix_nano: point.unsigned("timeUnixNano", NANOS)?,
        count: point.unsigned("count", U64)?,
        sum: double(&mut point, "sum")?,
        bucket_counts: point.list("bucketCounts", |value| count(&value))?,
        explicit_bounds: point.list("explicitBounds", |value| a_double(&value))?,
        exemplars: point.list("exemplars", exemplar)?,
        flags: point.unsigned("flags", U32)?,
        min: double(&mut point, "min")?,
        max: double(&mut point, "max")?,
    }))
}

fn exponential(value: Value) -> Result<Point, FieldError> {
    let mut point = Message::of(value)?;
    Ok(Point::Exponential(ExponentialHistogramDataPoint {
        attributes: point.list("attributes", reading::attribute)?,
        start_time_unix_nano: point.unsigned("startTimeUnixNano", NANOS)?,
        time_unix_nano: point.unsigned("timeUnixNano", NANOS)?,
        count: point.unsigned("count", U64)?,
        sum: double(&mut point, "sum")?,
        scale: signed(&mut point, "scale")?,
        zero_count: point.unsigned("zeroCount", U64)?,
        positive: point.message("positive", buckets)?,
        negative: point.message("negative", buckets)?,
        flags: point.unsigned("flags", U32)?,
        exemplars: point.list("exemplars", exemplar)?,
        min: double(&mut point, "min")?,
        max: double(&mut point, "max")?,
        zero_threshold: double(&mut point, "zeroThreshold")?.unwrap_or_default(),
    }))
}

fn buckets(value: Value) -> Result<Buckets, FieldError> {
    let mut buckets = Message::of(value)?;
    Ok(Buckets {
        offset: signed(&mut buckets, "offset")?,
        bucket_counts: buckets.list("bucketCounts", |value| count(&value))?,
    })
}

fn summary(value: Value) -> Result<Point, FieldError> {
    let mut point = Message::of(value)?;
    Ok(Point::Summary(SummaryDataPoint {
        attributes: point.list("attributes", reading::attribute)?,
        start_time_unix_nano: point.unsigned("startTimeUnixNano", NANOS)?,
        time_unix_nano: point.unsigned("timeUnixNano", NANOS)?,
        count: point.unsigned("count", U64)?,
        sum: double(&mut point, "sum")?.unwrap_or_default(),
        quantile_values: point.list("quantileValues", |value| {
            let mut at = Message::of(value)?;
            Ok(ValueAtQuantile {
                quantile: double(&mut at, "quantile")?.unwrap_or_default(),
                value: double(&mut at, "value")?.unwrap_or_default(),
            })
        })?,
        flags: point.unsigned("flags", U32)?,
    }))
}

fn exemplar(value: Value) -> Result<Exemplar, FieldError> {
    let mut exemplar = Message::of(value)?;
    let double = double(&mut exemplar, "asDouble")?.map(exemplar::Value::AsDouble);
    let int = int(&mut exemplar, "asInt")?.map(exemplar::Value::AsInt);
    Ok(Exemplar {
        filtered_attributes: exemplar.list("filteredAttributes", reading::attribute)?,
        time_unix_nano: exemplar.unsigned("timeUnixNano", NANOS)?,
        span_id: exemplar.id("spanId")?,
        trace_id: exemplar.id("traceId")?,
        value: one_of(double, int)?,
    })
}

/// A value has one type or none. Of two, whichever was ignored would be lost.
fn one_of<T>(double: Option<T>, int: Option<T>) -> Result<Option<T>, FieldError> {
    if double.is_some() && int.is_some() {
        let problem = Problem::Ambiguous {
            first: "asDouble",
            second: "asInt",
        };
        return Err(FieldError::new("", problem));
    }
    Ok(double.or(int))
}

fn double(message: &mut Message, name: &'static str) -> Result<Option<f64>, FieldError> {
    let value = message.take(name)?.as_ref().map(a_double).transpose();
    value.map_err(|error| error.within(name))
}

fn a_double(value: &Value) -> Result<f64, FieldError> {
    let double = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            // Rust's own reading of words (`inf`, `nan`) is more than the protocol has.
            let digits = text.parse().ok().filter(|double: &f64| double.is_finite());
            attributes::special_double(text).or(digits)
        }
        _ => None,
    };
    double.ok_or_else(|| wrong_type("", value, "a number"))
}

fn int(message: &mut Message, name: &'static str) -> Result<Option<i64>, FieldError> {
    let Some(value) = message.take(name)? else {
        return Ok(None);
    };
    let int = match &value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    int.map(Some).ok_or_else(|| wrong_type(name, &value, U64))
}

fn signed(message: &mut Message, name: &'static str) -> Result<i32, FieldError> {
    let Some(value) = message.take(name)? else {
        return Ok(0);
    };
    let int = match &value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    int.and_then(|int| i32::try_from(int).ok())
        .ok_or_else(|| wrong_type(name, &value, U32))
}

fn count(value: &Value) -> Result<u64, FieldError> {
    let count = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    count.ok_or_else(|| wrong_type("", value, U64))
}

/// From protobuf's messages to JSON.
mod written {
    use super::*;
    use writing::Object;

    pub(super) fn document(resource_metrics: Vec<ResourceMetrics>) -> Value {
        let mut document = Object::default();
        document.set(
            "resourceMetrics",
            writing::array(resource_metrics, of_resource),
        );
        document.into()
    }

    fn of_resource(of_resource: ResourceMetrics) -> Value {
        let mut object = Object::default();
        object.set_some("resource", of_resource.resource.map(writing::resource));
        object.list("scopeMetrics", of_resource.scope_metrics, of_scope);
        object.text("schemaUrl", of_resource.schema_url);
        object.into()
    }

    fn of_scope(of_scope: ScopeMetrics) -> Value {
        let mut object = Object::default();
        object.set_some("scope", of_scope.scope.map(writing::scope));
        object.list("metrics", of_scope.metrics, metric);
        object.text("schemaUrl", of_scope.schema_url);
        object.into()
    }

    fn metric(metric: Metric) -> Value {
        let mut object = Object::default();
        object.text("name", metric.name);
        object.text("description", metric.description);
        object.text("unit", metric.unit);
        object.list("metadata", metric.metadata, writing::attribute);
        let mut data = Object::default();
        let name = match metric.data {
            None => return object.into(),
            Some(Data::Gauge(of)) => {
                data.list("dataPoints", of.data_points, number);
                "gauge"
            }
            Some(Data::Sum(of)) => {
                data.list("dataPoints", of.data_points, number);
                data.number(
                    "aggregationTemporality",
                    of.aggregation_temporality.unsigned_abs(),
                );
                if of.is_monotonic {
                    data.set("isMonotonic", true);
                }
                "sum"
            }
            Some(Data::Histogram(of)) => {
                data.list("dataPoints", of.data_points, histogram);
                data.number(
                    "aggregationTemporality",
                    of.aggregation_temporality.unsigned_abs(),
                );
                "histogram"
            }
            Some(Data::ExponentialHistogram(of)) => {
                data.list("dataPoints", of.data_points, exponential);
                data.number(
                    "aggregationTemporality",
                    of.aggregation_temporality.unsigned_abs(),
                );
                "exponentialHistogram"
            }
            Some(Data::Summary(of)) => {
                data.list("dataPoints", of.data_points, summary);
                "summary"
            }
        };
        object.set(name, data);
        object.into()
    }

    /// Times and flags. Whole numbers of 64 bits are texts: JSON readers round them.
    macro_rules! common {
        ($object:ident, $point:ident) => {
            $object.list("attributes", $point.attributes, writing::attribute);
            $object.set("startTimeUnixNano", $point.start_time_unix_nano.to_string());
            $object.set("timeUnixNano", $point.time_unix_nano.to_string());
            $object.number("flags", $point.flags);
        };
    }

    fn number(point: NumberDataPoint) -> Value {
        let mut object = Object::default();
        common!(object, point);
        object.list("exemplars", point.exemplars, exemplar);
        match point.value {
            None => {}
            Some(number_data_point::Value::AsDouble(value)) => {
                object.set("asDouble", double(value))
            }
            Some(number_data_point::Value::AsInt(value)) => object.set("asInt", value.to_string()),
        }
        object.into()
    }

    fn histogram(point: HistogramDataPoint) -> Value {
        let mut object = Object::default();
        common!(object, point);
        object.list("exemplars", point.exemplars, exemplar);
        object.set("count", point.count.to_string());
        object.set_some("sum", point.sum.map(double));
        object.list("bucketCounts", point.bucket_counts, |count| {
            count.to_string().into()
        });
        object.list("explicitBounds", point.explicit_bounds, double);
        object.set_some("min", point.min.map(double));
        object.set_some("max", point.max.map(double));
        object.into()
    }

    fn exponential(point: ExponentialHistogramDataPoint) -> Value {
        let mut object = Object::default();
        common!(object, point);
        object.list("exemplars", point.exemplars, exemplar);
        object.set("count", point.count.to_string());
        object.set_some("sum", point.sum.map(double));
        object.set("scale", point.scale);
        object.set("zeroCount", point.zero_count.to_string());
        object.set_some("positive", point.positive.map(buckets));
        object.set_some("negative", point.negative.map(buckets));
        object.set_some("min", point.min.map(double));
        object.set_some("max", point.max.map(double));
        object.set("zeroThreshold", double(point.zero_threshold));
        object.into()
    }

    fn buckets(buckets: Buckets) -> Value {
        let mut object = Object::default();
        object.set("offset", buckets.offset);
        object.list("bucketCounts", buckets.bucket_counts, |count| {
            count.to_string().into()
        });
        object.into()
    }

    fn summary(point: SummaryDataPoint) -> Value {
        let mut object = Object::default();
        common!(object, point);
        object.set("count", point.count.to_string());
        object.set("sum", double(point.sum));
        object.list("quantileValues", point.quantile_values, |at| {
            let mut object = Object::default();
            object.set("quantile", double(at.quantile));
            object.set("value", double(at.value));
            object.into()
        });
        object.into()
    }

    fn exemplar(exemplar: Exemplar) -> Value {
        let mut object = Object::default();
        object.list(
            "filteredAttributes",
            exemplar.filtered_attributes,
            writing::attribute,
        );
        object.set("timeUnixNano", exemplar.time_unix_nano.to_string());
        object.text("spanId", hex::encode(exemplar.span_id));
        object.text("traceId", hex::encode(exemplar.trace_id));
        match exemplar.value {
            None => {}
            Some(exemplar::Value::AsDouble(value)) => object.set("asDouble", double(value)),
            Some(exemplar::Value::AsInt(value)) => object.set("asInt", value.to_string()),
        }
        object.into()
    }

    fn double(double: f64) -> Value {
        attributes::special_word(double).map_or_else(|| double.into(), Value::from)
    }
}
