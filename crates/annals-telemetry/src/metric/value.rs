//! Numbers, histograms and summaries, and how they lie in their columns.
//!
//! JSON knows no NaN, no infinity and no negative zero: in `buckets` and `quantiles` these are texts, as protobuf's JSON
//! writes them (`"NaN"`, `"Infinity"`, `"-Infinity"`, `"-0"`). Counts are whole numbers up to 2^64.

use annals_record::Json;
use serde_json::{Map, Value};

use super::MetricError;

/// A value of a gauge or sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Int(i64),
    /// Any other.
    Double(f64),
}

impl Number {
    /// Of the two columns.
    pub(crate) fn of(value: Option<f64>, value_int: Option<i64>) -> Option<Self> {
        value_int.map(Self::Int).or(value.map(Self::Double))
    }

    /// The nearest double.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Double(double) => double,
        }
    }

    /// What is added from an earlier value to this one, exact for whole numbers.
    #[must_use]
    pub fn since(self, earlier: Self) -> f64 {
        match (self, earlier) {
            (Self::Int(now), Self::Int(before)) => (i128::from(now) - i128::from(before)) as f64,
            (now, before) => now.to_f64() - before.to_f64(),
        }
    }

    /// Whether it is smaller than an earlier one.
    #[must_use]
    pub fn is_below(self, earlier: Self) -> bool {
        match (self, earlier) {
            (Self::Int(now), Self::Int(before)) => now < before,
            (now, before) => now.to_f64() < before.to_f64(),
        }
    }
}

/// A distribution over buckets with given bounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// How many values.
    pub count: u64,
    /// Their sum; absent where values can be negative and it would be no counter.
    pub sum: Option<f64>,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// Upper bounds of all buckets but the last, each included in its bucket; ascending.
    pub bounds: Vec<f64>,
    /// Values in each bucket: one more than bounds, or none at all.
    pub counts: Vec<u64>,
}

impl Histogram {
    pub(crate) fn check(&self) -> Result<(), MetricError> {
        for (i, bound) in self.bounds.iter().enumerate() {
            if bound.is_nan() {
                return Err(MetricError::new(format!("bounds[{i}]"), "is not a number"));
            }
        }
        for (i, pair) in self.bounds.windows(2).enumerate() {
            if let [a, b] = pair
                && a >= b
            {
                let field = format!("bounds[{}]", i + 1);
                return Err(MetricError::new(field, "is not above the bound before it"));
            }
        }
        let is_empty = self.counts.is_empty() && self.bounds.is_empty();
        if !is_empty && self.counts.len() != self.bounds.len() + 1 {
            return Err(MetricError::new("counts", "are not one more than bounds"));
        }
        Ok(())
    }
}

/// A distribution over buckets that grow exponentially.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exponential {
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: Option<f64>,
    /// The smallest.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// Bucket `i` reaches from `base^i`, excluded, to `base^(i+1)`, where the base is 2^(2^-scale).
    pub scale: i32,
    /// Values that count as zero.
    pub zero_count: u64,
    /// Up to which size they do.
    pub zero_threshold: f64,
    /// Buckets of positive values.
    pub positive: Option<ExponentialBuckets>,
    /// Buckets of negative values, by their size.
    pub negative: Option<ExponentialBuckets>,
}

/// Neighbouring buckets of an exponential histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExponentialBuckets {
    /// The number of the first.
    pub offset: i32,
    /// Values in each.
    pub counts: Vec<u64>,
}

impl Exponential {
    pub(crate) fn check(&self) -> Result<(), MetricError> {
        if self.zero_threshold.is_nan() || self.zero_threshold < 0.0 {
            return Err(MetricError::new(
                "zero_threshold",
                "is negative or not a number",
            ));
        }
        for (field, buckets) in [("positive", &self.positive), ("negative", &self.negative)] {
            if let Some(buckets) = buckets {
                let last =
                    i64::from(buckets.offset).saturating_add_unsigned(buckets.counts.len() as u64);
                if last > i64::from(i32::MAX) {
                    return Err(MetricError::new(
                        format!("{field}.counts"),
                        "reach beyond the buckets that 32 bits can count",
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Quantiles that the source worked out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Quantiles from 0 to 1, each with its value.
    pub quantiles: Vec<(f64, f64)>,
}

impl Summary {
    pub(crate) fn check(&self) -> Result<(), MetricError> {
        for (i, (quantile, _)) in self.quantiles.iter().enumerate() {
            if !(0.0..=1.0).contains(quantile) {
                return Err(MetricError::new(
                    format!("quantiles[{i}].quantile"),
                    "is not within 0 and 1",
                ));
            }
        }
        Ok(())
    }
}

/// A double as JSON.
#[must_use]
pub fn double_to_json(double: f64) -> Value {
    let word = if double.is_nan() {
        "NaN"
    } else if double == f64::INFINITY {
        "Infinity"
    } else if double == f64::NEG_INFINITY {
        "-Infinity"
    } else if double == 0.0 && double.is_sign_negative() {
        "-0"
    } else {
        return double.into();
    };
    word.into()
}

/// A double of JSON.
#[must_use]
pub fn double_from_json(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(word) => match word.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            "-0" => Some(-0.0),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn explicit_to_json(
    bounds: &[f64],
    counts: &[u64],
) -> Result<Option<Json>, MetricError> {
    if bounds.is_empty() && counts.is_empty() {
        return Ok(None);
    }
    let bounds: Vec<Value> = bounds.iter().copied().map(double_to_json).collect();
    let mut object = Map::new();
    object.insert("bounds".to_owned(), bounds.into());
    object.insert("counts".to_owned(), counts.into());
    column("buckets", &Value::Object(object)).map(Some)
}

pub(super) fn explicit_from_json(
    column: Option<&Json>,
) -> Result<(Vec<f64>, Vec<u64>), MetricError> {
    let Some(column) = column else {
        return Ok((Vec::new(), Vec::new()));
    };
    let value = column.to_value();
    let bounds = list(value.get("bounds"), "buckets.bounds", double_from_json)?;
    let counts = list(value.get("counts"), "buckets.counts", Value::as_u64)?;
    Ok((bounds, counts))
}

pub(super) fn exponential_to_json(
    positive: Option<&ExponentialBuckets>,
    negative: Option<&ExponentialBuckets>,
) -> Result<Option<Json>, MetricError> {
    if positive.is_none() && negative.is_none() {
        return Ok(None);
    }
    let mut object = Map::new();
    for (name, buckets) in [("positive", positive), ("negative", negative)] {
        if let Some(buckets) = buckets {
            let mut side = Map::new();
            side.insert("offset".to_owned(), buckets.offset.into());
            side.insert("counts".to_owned(), buckets.counts.as_slice().into());
            object.insert(name.to_owned(), side.into());
        }
    }
    column("buckets", &Value::Object(object)).map(Some)
}

type Sides = (Option<ExponentialBuckets>, Option<ExponentialBuckets>);

pub(super) fn exponential_from_json(column: Option<&Json>) -> Result<Sides, MetricError> {
    let Some(column) = column else {
        return Ok((None, None));
    };
    let value = column.to_value();
    let side = |name: &'static str| {
        let Some(side) = value.get(name) else {
            return Ok(None);
        };
        let offset = side.get("offset").and_then(Value::as_i64);
        let offset = offset.and_then(|offset| i32::try_from(offset).ok());
        let offset = offset.ok_or_else(|| {
            MetricError::new(format!("buckets.{name}.offset"), "is no number of a bucket")
        })?;
        let counts = list(side.get("counts"), "buckets.counts", Value::as_u64)?;
        Ok(Some(ExponentialBuckets { offset, counts }))
    };
    Ok((side("positive")?, side("negative")?))
}

pub(super) fn quantiles_to_json(quantiles: &[(f64, f64)]) -> Result<Option<Json>, MetricError> {
    if quantiles.is_empty() {
        return Ok(None);
    }
    let items = quantiles.iter().map(|(quantile, value)| {
        let mut object = Map::new();
        object.insert("quantile".to_owned(), double_to_json(*quantile));
        object.insert("value".to_owned(), double_to_json(*value));
        Value::Object(object)
    });
    column("quantiles", &Value::Array(items.collect())).map(Some)
}

pub(super) fn quantiles_from_json(column: Option<&Json>) -> Result<Vec<(f64, f64)>, MetricError> {
    let Some(column) = column else {
        return Ok(Vec::new());
    };
    let value = column.to_value();
    list(Some(&value), "quantiles", |item| {
        let quantile = double_from_json(item.get("quantile")?)?;
        Some((quantile, double_from_json(item.get("value")?)?))
    })
}

fn column(field: &'static str, value: &Value) -> Result<Json, MetricError> {
    Json::try_from(value).map_err(|_| MetricError::new(field, "cannot be kept as JSON"))
}

fn list<T>(
    value: Option<&Value>,
    field: &'static str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<T>, MetricError> {
    let wrong = || MetricError::new(field, "is not what this column holds");
    let items = value.and_then(Value::as_array).ok_or_else(wrong)?;
    items
        .iter()
        .map(|item| read(item).ok_or_else(wrong))
        .collect()
}
