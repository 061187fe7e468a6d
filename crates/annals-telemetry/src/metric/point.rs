//! One point of one series.

use annals_record::{Json, Record, Timestamp, Uuid};

use super::{Exponential, Histogram, Metric, MetricError, MetricType, Number, Summary, value};

/// The namespace of series among UUIDs of version 5.
const SERIES: Uuid = Uuid::from_u128(0x8e40_1f7b_6d0a_4c5e_b2f9_51d3_5e71_e502);

/// The flag that says that nothing was recorded (source: OTLP 1.x, `DataPointFlags`).
pub const NOTHING_RECORDED: u32 = 1;

/// What one series of a metric was at a time, as a row of `metric_data_points`.
///
/// A series is a metric with one set of attributes. It has one point at a time, to the microsecond.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "metric_data_points",
    time = "timestamp",
    key("metric_id", "series_id", "timestamp"),
    on_conflict = "ignore",
    chunk = "1 day",
    segment_by = "metric_id",
    order_by = "series_id, timestamp desc",
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
    /// Examples of what was measured, with their traces: objects with `time_unix_nano` (text), `value` or `value_int`,
    /// `trace_id`, `span_id` and `attributes`.
    pub exemplars: Option<Json>,
    /// OTLP's `DataPointFlags`; 1 says that nothing was recorded.
    pub flags: u32,
    /// Attributes of the series.
    pub attributes: Json,
}

impl MetricDataPoint {
    /// The id of a metric's series with these attributes.
    #[must_use]
    pub fn series_of(metric_id: Uuid, attributes: &Json) -> Uuid {
        // The first part has always the same length, and the text is canonical.
        let mut identity = metric_id.as_bytes().to_vec();
        identity.extend(attributes.as_str().as_bytes());
        Uuid::new_v5(&SERIES, &identity)
    }

    /// A point that says that its series has no value now (OTLP's no-recorded-value), of any kind of metric.
    ///
    /// # Errors
    ///
    /// The attributes are no object.
    pub fn nothing(
        metric: &Metric,
        attributes: Json,
        timestamp: Timestamp,
    ) -> Result<Self, MetricError> {
        let mut point = Self::of(metric, attributes, timestamp)?;
        point.flags = NOTHING_RECORDED;
        Ok(point)
    }

    /// A point of a gauge or sum.
    ///
    /// # Errors
    ///
    /// The metric has points of another kind, or the attributes are no object.
    pub fn number(
        metric: &Metric,
        attributes: Json,
        timestamp: Timestamp,
        number: Number,
    ) -> Result<Self, MetricError> {
        is_of(metric, &[MetricType::Gauge, MetricType::Sum])?;
        let mut point = Self::of(metric, attributes, timestamp)?;
        point.value = Some(number.to_f64());
        point.value_int = match number {
            Number::Int(int) => Some(int),
            Number::Double(_) => None,
        };
        Ok(point)
    }

    /// A point of a histogram.
    ///
    /// # Errors
    ///
    /// The metric has points of another kind, bounds are not sorted or no numbers, or there is not one count more than
    /// bounds.
    pub fn histogram(
        metric: &Metric,
        attributes: Json,
        timestamp: Timestamp,
        histogram: &Histogram,
    ) -> Result<Self, MetricError> {
        is_of(metric, &[MetricType::Histogram])?;
        histogram.check()?;
        let mut point = Self::of(metric, attributes, timestamp)?;
        point.count = Some(histogram.count);
        point.sum = histogram.sum;
        point.min = histogram.min;
        point.max = histogram.max;
        point.buckets = value::explicit_to_json(&histogram.bounds, &histogram.counts)?;
        Ok(point)
    }

    /// A point of an exponential histogram.
    ///
    /// # Errors
    ///
    /// The metric has points of another kind, the threshold is negative or no number, or buckets lie beyond what 32 bits
    /// can count.
    pub fn exponential(
        metric: &Metric,
        attributes: Json,
        timestamp: Timestamp,
        histogram: &Exponential,
    ) -> Result<Self, MetricError> {
        is_of(metric, &[MetricType::ExponentialHistogram])?;
        histogram.check()?;
        let mut point = Self::of(metric, attributes, timestamp)?;
        point.count = Some(histogram.count);
        point.sum = histogram.sum;
        point.min = histogram.min;
        point.max = histogram.max;
        point.scale = Some(histogram.scale);
        point.zero_count = Some(histogram.zero_count);
        point.zero_threshold = Some(histogram.zero_threshold);
        point.buckets =
            value::exponential_to_json(histogram.positive.as_ref(), histogram.negative.as_ref())?;
        Ok(point)
    }

    /// A point of a summary.
    ///
    /// # Errors
    ///
    /// The metric has points of another kind, or a quantile is not within 0 and 1. A quantile's value may be NaN: so do
    /// sources say that there was nothing.
    pub fn summary(
        metric: &Metric,
        attributes: Json,
        timestamp: Timestamp,
        summary: &Summary,
    ) -> Result<Self, MetricError> {
        is_of(metric, &[MetricType::Summary])?;
        summary.check()?;
        let mut point = Self::of(metric, attributes, timestamp)?;
        point.count = Some(summary.count);
        point.sum = Some(summary.sum);
        point.quantiles = value::quantiles_to_json(&summary.quantiles)?;
        Ok(point)
    }

    /// The same, counting since a time.
    #[must_use]
    pub fn since(mut self, start_time: Timestamp) -> Self {
        self.start_time = Some(start_time);
        self
    }

    /// Whether it says that its series has no value.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.flags & NOTHING_RECORDED != 0
    }

    /// The number of a gauge or sum.
    #[must_use]
    pub fn as_number(&self) -> Option<Number> {
        Number::of(self.value, self.value_int)
    }

    /// The histogram.
    ///
    /// # Errors
    ///
    /// Its buckets are none that this program writes.
    pub fn as_histogram(&self) -> Result<Histogram, MetricError> {
        let (bounds, counts) = value::explicit_from_json(self.buckets.as_ref())?;
        Ok(Histogram {
            count: self.count.unwrap_or(0),
            sum: self.sum,
            min: self.min,
            max: self.max,
            bounds,
            counts,
        })
    }

    /// The exponential histogram.
    ///
    /// # Errors
    ///
    /// Its buckets are none that this program writes.
    pub fn as_exponential(&self) -> Result<Exponential, MetricError> {
        let (positive, negative) = value::exponential_from_json(self.buckets.as_ref())?;
        Ok(Exponential {
            count: self.count.unwrap_or(0),
            sum: self.sum,
            min: self.min,
            max: self.max,
            scale: self.scale.unwrap_or(0),
            zero_count: self.zero_count.unwrap_or(0),
            zero_threshold: self.zero_threshold.unwrap_or(0.0),
            positive,
            negative,
        })
    }

    /// The summary.
    ///
    /// # Errors
    ///
    /// Its quantiles are none that this program writes.
    pub fn as_summary(&self) -> Result<Summary, MetricError> {
        Ok(Summary {
            count: self.count.unwrap_or(0),
            sum: self.sum.unwrap_or(0.0),
            quantiles: value::quantiles_from_json(self.quantiles.as_ref())?,
        })
    }

    /// A point of a series without any value yet.
    fn of(metric: &Metric, attributes: Json, timestamp: Timestamp) -> Result<Self, MetricError> {
        if !attributes.as_str().starts_with('{') {
            return Err(MetricError::new("attributes", "are no object"));
        }
        Ok(Self {
            metric_id: metric.id,
            series_id: Self::series_of(metric.id, &attributes),
            timestamp,
            start_time: None,
            value: None,
            value_int: None,
            count: None,
            sum: None,
            min: None,
            max: None,
            scale: None,
            zero_count: None,
            zero_threshold: None,
            buckets: None,
            quantiles: None,
            exemplars: None,
            flags: 0,
            attributes,
        })
    }
}

fn is_of(metric: &Metric, kinds: &[MetricType]) -> Result<(), MetricError> {
    if kinds.contains(&metric.metric_type) {
        Ok(())
    } else {
        Err(MetricError::new(
            "metric_type",
            "has points of another kind",
        ))
    }
}

#[cfg(test)]
mod tests;
