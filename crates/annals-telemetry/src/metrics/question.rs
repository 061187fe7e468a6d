//! What can be asked about metrics.

use std::{fmt, str::FromStr, time::Duration};

use annals_record::Timestamp;
use serde_json::Value;

use crate::{Error, MetricType, Result, Temporality};

/// Metrics of one name, of different resources and scopes, that one answer reads at most.
pub(crate) const MAX_METRICS: usize = 5_000;

/// Attributes that a question may compare.
const MAX_ATTRIBUTES: usize = 16;

/// Buckets that an answer has of one series at most.
const MAX_BUCKETS: u128 = 10_000;

/// Which metrics to list. Only what is set is a condition.
#[derive(Clone, Debug, Default)]
pub struct MetricFilter {
    /// Only those of this name.
    pub name: Option<String>,
    /// Only those whose name begins so.
    pub prefix: Option<String>,
    /// Only those whose name contains this, whatever its case.
    pub contains: Option<String>,
    /// Only those of this service.
    pub service_name: Option<String>,
    /// Only those of this type.
    pub metric_type: Option<MetricType>,
    /// At most so many; 100 when not set or zero, and never more than 10,000.
    pub limit: Option<u32>,
    /// The cursor of the page before.
    pub after: Option<String>,
}

/// Which series of a metric. Only what is set is a condition, the name aside.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The metric's name.
    pub name: String,
    /// Only what this service measures.
    pub service_name: Option<String>,
    /// Only metrics of this type.
    pub metric_type: Option<MetricType>,
    /// Only metrics in this unit.
    pub unit: Option<String>,
    /// Only metrics of this temporality.
    pub temporality: Option<Temporality>,
    /// Only sums that never go down, or only others.
    pub is_monotonic: Option<bool>,
    /// Only series with these attributes: each with the values of which it has one. Texts, numbers and truth values.
    pub attributes: Vec<(String, Vec<Value>)>,
    /// Only points of then or later.
    pub since: Option<Timestamp>,
    /// Only points before then.
    pub until: Option<Timestamp>,
}

impl Selection {
    /// All series of a name.
    pub fn of(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.attributes.len() > MAX_ATTRIBUTES {
            return Err(question(
                "attribute",
                format!(
                    "is compared {} times; ask for at most {MAX_ATTRIBUTES}",
                    self.attributes.len()
                ),
            ));
        }
        let is_simple =
            |value: &Value| matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
        for (name, values) in &self.attributes {
            if values.is_empty() || !values.iter().all(is_simple) {
                return Err(question(
                    "attribute",
                    format!("{name:?} must be compared with a text, a number or a truth value"),
                ));
            }
        }
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since > until
        {
            return Err(question(
                "since",
                format!("is {since}, which is after until, {until}"),
            ));
        }
        Ok(())
    }

    /// The conditions on attributes as the statements read them.
    pub(crate) fn attributes_as_json(&self) -> Value {
        let alternatives = |(name, values): &(String, Vec<Value>)| {
            let of = |value: &Value| serde_json::json!({ "k": name, "v": value });
            Value::Array(values.iter().map(of).collect())
        };
        Value::Array(self.attributes.iter().map(alternatives).collect())
    }

    /// What was asked for beside the name, as words behind it.
    pub(crate) fn narrowed(&self) -> String {
        let mut words = String::new();
        if let Some(service) = &self.service_name {
            words += &format!(" of service {service:?}");
        }
        if let Some(metric_type) = self.metric_type {
            words += &format!(" of type {}", metric_type.as_str());
        }
        if let Some(unit) = &self.unit {
            words += &format!(" in {unit:?}");
        }
        if let Some(temporality) = self.temporality {
            words += &format!(" that is {}", temporality.as_str());
        }
        words
    }
}

/// What to make of the points of a bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregate {
    /// The mean: of the values of a gauge or sum, or of all values that a histogram or summary has counted.
    Avg,
    /// The sum: of the values of a gauge, of what a sum has grown by, of all values that were counted.
    Sum,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// How many: points of a gauge or sum, values that were counted otherwise.
    Count,
    /// The newest.
    Last,
    /// What a sum has grown by, or how many values were counted, in a second.
    Rate,
    /// The value that a part of all counted ones, from 0 to 1, does not exceed.
    Quantile(f64),
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Avg => f.write_str("avg"),
            Self::Sum => f.write_str("sum"),
            Self::Min => f.write_str("min"),
            Self::Max => f.write_str("max"),
            Self::Count => f.write_str("count"),
            Self::Last => f.write_str("last"),
            Self::Rate => f.write_str("rate"),
            // Parts are made of hundredths or thousandths, which binary does not hold.
            Self::Quantile(part) => write!(f, "p{}", (part * 1e8).round() / 1e6),
        }
    }
}

impl FromStr for Aggregate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "avg" => Self::Avg,
            "sum" => Self::Sum,
            "min" => Self::Min,
            "max" => Self::Max,
            "count" => Self::Count,
            "last" => Self::Last,
            "rate" => Self::Rate,
            _ => {
                let percent = text
                    .strip_prefix('p')
                    .and_then(|text| text.parse::<f64>().ok());
                match percent.filter(|percent| (0.0..=100.0).contains(percent)) {
                    Some(percent) => Self::Quantile(percent / 100.0),
                    None => {
                        return Err(question(
                            "aggregate",
                            format!(
                                "is {text:?}, but must be avg, sum, min, max, count, last, rate or a percentile such as p95"
                            ),
                        ));
                    }
                }
            }
        })
    }
}

/// How points are put together.
#[derive(Clone, Debug)]
pub struct Aggregation {
    /// What is made of them.
    pub aggregate: Aggregate,
    /// How long a bucket of time is; buckets are counted from 1970. `None` for one bucket from `since` to `until`.
    pub bucket: Option<Duration>,
    /// The attribute by whose values series are put together; it may be the series' or its resource's. `None` for each
    /// series by itself.
    pub group_by: Option<String>,
}

/// Times of an aggregation, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Of a bucket.
    width: i64,
    is_whole: bool,
}

impl Window {
    pub(crate) fn of(since: Timestamp, until: Timestamp, bucket: Option<Duration>) -> Result<Self> {
        // To the microsecond, towards the past, which is what the column keeps.
        let (from, to) = (since.unix_micros(), until.unix_micros());
        if from >= to {
            return Err(question(
                "since",
                format!("is {since}, which is not before until, {until}"),
            ));
        }
        let length = i128::from(to) - i128::from(from);
        let width = match bucket {
            None => i64::try_from(length).ok(),
            Some(bucket) => i64::try_from(bucket.as_micros())
                .ok()
                .filter(|width| *width > 0),
        };
        let Some(width) = width else {
            return Err(question("bucket", "must be a microsecond or longer"));
        };
        let buckets = length
            .unsigned_abs()
            .div_ceil(u128::from(width.unsigned_abs()))
            + 1;
        if buckets > MAX_BUCKETS && bucket.is_some() {
            return Err(question(
                "bucket",
                format!(
                    "makes {buckets} of the time that is asked for; make it longer, so that there are at most {MAX_BUCKETS}"
                ),
            ));
        }
        Ok(Self {
            from,
            to,
            width,
            is_whole: bucket.is_none(),
        })
    }

    /// Where the bucket of a time begins.
    pub(crate) fn bucket(&self, micros: i64) -> i64 {
        if self.is_whole {
            self.from
        } else {
            micros.saturating_sub(micros.rem_euclid(self.width))
        }
    }

    pub(crate) const fn width(&self) -> i64 {
        self.width
    }

    /// From where buckets are counted.
    pub(crate) const fn origin(&self) -> i64 {
        if self.is_whole { self.from } else { 0 }
    }

    /// Seconds of a bucket that lie in the window.
    pub(crate) fn seconds(&self, bucket: i64) -> f64 {
        let end = bucket.saturating_add(self.width).min(self.to);
        (end - bucket.max(self.from)) as f64 / 1e6
    }
}

/// The error of a question that cannot be answered.
pub(crate) fn question(field: &'static str, problem: impl Into<String>) -> Error {
    Error::MetricQuestion {
        field,
        problem: problem.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_are_read_as_they_are_written() {
        for text in [
            "avg", "sum", "min", "max", "count", "last", "rate", "p50", "p95", "p99", "p99.9",
            "p0", "p100",
        ] {
            assert_eq!(text.parse::<Aggregate>().unwrap().to_string(), text);
        }
        for text in ["", "p", "p101", "p-1", "pNaN", "mean"] {
            let error = text.parse::<Aggregate>().unwrap_err().to_string();
            assert!(
                error.contains("aggregate is") && error.contains("p95"),
                "{error}"
            );
        }
    }

    #[test]
    fn buckets_are_counted_from_1970_and_cut_by_the_window() {
        let at = |seconds: i64| Timestamp::from_unix_nanos(seconds * 1_000_000_000);
        let window = Window::of(at(90), at(200), Some(Duration::from_secs(60))).unwrap();
        assert_eq!(window.bucket(119_999_999), 60_000_000);
        assert_eq!(window.seconds(60_000_000), 30.0);
        assert_eq!(window.seconds(120_000_000), 60.0);
        assert_eq!(window.seconds(180_000_000), 20.0);
        assert_eq!(window.bucket(-1), -60_000_000);
        let whole = Window::of(at(90), at(200), None).unwrap();
        assert_eq!(
            (whole.bucket(119_000_000), whole.seconds(90_000_000)),
            (90_000_000, 110.0)
        );
        assert!(Window::of(at(90), at(90), None).is_err());
        assert!(Window::of(at(0), at(86_400), Some(Duration::from_millis(1))).is_err());
        assert!(Window::of(Timestamp::MIN, Timestamp::MAX, None).is_ok());
    }
}
