//! Values over buckets of time.
//!
//! What a point says of a bucket depends on its metric. A gauge tells how it was: points are put together as they are. A
//! counter tells what has happened: of a delta point that is itself, of a cumulative one the difference to the point
//! before, or all of it where counting began anew (its start lies behind the point before, or it has become less). A
//! difference belongs to the bucket of the later point. For the first point of a window the one before is
//! looked for in the time just before it; where there is none, and the point counts from before that time, nobody knows
//! what is new in it, and it only begins the series.
//!
//! Means are of all values and never of means; percentiles are of sums of histograms and never means of percentiles.
//! Gauges are put together by the database, everything else here, by the same code on every backend.

mod change;
mod numbers;
mod slices;

use std::collections::BTreeMap;

use annals_record::{Json, Timestamp, Uuid};
use serde_json::Value;

use super::{
    distribution::Distribution,
    question::{Aggregate, Aggregation, Selection, Window, question},
    repository::MetricRepository,
};
use crate::{Metric, MetricType, Result, Temporality};

/// Series, or groups of them, of one answer at most.
const MAX_GROUPS: usize = 1_000;

/// What a question about buckets is answered with.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Aggregated {
    /// The type of the metric.
    pub metric_type: MetricType,
    /// Its unit.
    pub unit: Option<String>,
    /// Series, or groups of them.
    pub groups: Vec<Group>,
}

/// One series, or those that have one value of the attribute by which they are put together.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Group {
    /// The series' metric; absent of several.
    pub metric: Option<Metric>,
    /// The series' id; absent of several.
    pub series_id: Option<Uuid>,
    /// The series' attributes; of several the one that they have in common, if they have it.
    pub attributes: Json,
    /// Buckets with something in them, by time.
    pub buckets: Vec<Bucket>,
}

/// What a bucket of time holds.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Bucket {
    /// When it begins.
    pub start: Timestamp,
    /// What was asked for; absent where it is not known, such as a percentile of histograms without bounds in common.
    pub value: Option<f64>,
    /// How many points are in it; of histograms and summaries, how many values these have counted.
    pub count: u64,
}

/// What is put together of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// Points as they are.
    Readings,
    /// What each point adds to the one before.
    Changes,
}

/// What a bucket has gathered.
#[derive(Clone, Debug, Default)]
struct Gathered {
    points: u64,
    /// Those of them that are no number.
    nan: u64,
    sum: f64,
    min: Option<f64>,
    max: Option<f64>,
    last: Option<(Timestamp, f64)>,
    distribution: Distribution,
}

impl Gathered {
    fn number(&mut self, time: Timestamp, value: f64) {
        self.points += 1;
        if self.last.is_none_or(|(known, _)| known <= time) {
            self.last = Some((time, value));
        }
        if value.is_nan() {
            self.nan += 1;
            return;
        }
        self.sum += value;
        self.min = Some(self.min.map_or(value, |min| min.min(value)));
        self.max = Some(self.max.map_or(value, |max| max.max(value)));
    }

    fn value(&self, metric_type: MetricType, aggregate: Aggregate, seconds: f64) -> Option<f64> {
        match metric_type {
            MetricType::Gauge | MetricType::Sum => self.of_numbers(aggregate, seconds),
            _ => self.of_distributions(aggregate, seconds),
        }
    }

    fn of_numbers(&self, aggregate: Aggregate, seconds: f64) -> Option<f64> {
        let sum = if self.nan > 0 { f64::NAN } else { self.sum };
        let extreme = |value: Option<f64>| value.or((self.nan > 0).then_some(f64::NAN));
        match aggregate {
            Aggregate::Avg => Some(sum / self.points as f64),
            Aggregate::Sum => Some(sum),
            Aggregate::Min => extreme(self.min),
            Aggregate::Max => extreme(self.max),
            Aggregate::Count => Some(self.points as f64),
            Aggregate::Last => self.last.map(|(_, value)| value),
            Aggregate::Rate => Some(sum / seconds),
            Aggregate::Quantile(_) => None,
        }
    }

    fn of_distributions(&self, aggregate: Aggregate, seconds: f64) -> Option<f64> {
        let all = &self.distribution;
        match aggregate {
            Aggregate::Avg => all
                .sum
                .filter(|_| all.count > 0)
                .map(|sum| sum / all.count as f64),
            Aggregate::Sum => all.sum,
            Aggregate::Min => all.min,
            Aggregate::Max => all.max,
            Aggregate::Count => Some(all.count as f64),
            Aggregate::Rate => Some(all.count as f64 / seconds),
            // Of a summary: what its source has worked out.
            Aggregate::Quantile(part) => self
                .last
                .map(|(_, value)| value)
                .or_else(|| all.quantile(part)),
            Aggregate::Last => None,
        }
    }
}

/// A metric's series, or the value of an attribute.
type GroupKey = (Uuid, Uuid, String);

/// What is gathered of each group in each bucket.
struct Gathering<'a> {
    window: Window,
    aggregation: &'a Aggregation,
    metrics: BTreeMap<Uuid, &'a Metric>,
    /// By what tells groups apart: the metric and series, or the value of an attribute.
    groups: BTreeMap<GroupKey, (Group, BTreeMap<i64, Gathered>)>,
}

impl<'a> Gathering<'a> {
    /// The bucket in which a point of a series is.
    fn bucket(
        &mut self,
        (metric_id, series_id): (Uuid, Uuid),
        attributes: &Json,
        micros: i64,
    ) -> Result<&mut Gathered> {
        let metric = self.metrics.get(&metric_id).copied();
        let bucket = self.window.bucket(micros);
        let (key, group) = match &self.aggregation.group_by {
            None => {
                let group = || Group {
                    metric: metric.cloned(),
                    series_id: Some(series_id),
                    attributes: attributes.clone(),
                    buckets: Vec::new(),
                };
                ((metric_id, series_id, String::new()), group())
            }
            Some(name) => {
                let value = attribute(attributes, name)
                    .or_else(|| attribute(&metric?.resource_attributes, name));
                let told = value.map_or_else(Json::empty_object, |value| {
                    let object = Value::Object([(name.clone(), value)].into_iter().collect());
                    Json::try_from(&object).unwrap_or_else(|_| Json::empty_object())
                });
                let key = (Uuid::nil(), Uuid::nil(), told.as_str().to_owned());
                let group = Group {
                    metric: None,
                    series_id: None,
                    attributes: told,
                    buckets: Vec::new(),
                };
                (key, group)
            }
        };
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(&key) {
            let field = if self.aggregation.group_by.is_some() {
                "group_by"
            } else {
                "attribute"
            };
            return Err(question(
                field,
                format!(
                    "must be another, or a service be told: more than {MAX_GROUPS} series, or groups of them, are no answer"
                ),
            ));
        }
        let (_, buckets) = self
            .groups
            .entry(key)
            .or_insert_with(|| (group, BTreeMap::new()));
        Ok(buckets.entry(bucket).or_default())
    }

    fn answer(self, metric_type: MetricType, unit: Option<String>) -> Aggregated {
        let aggregate = self.aggregation.aggregate;
        let groups = self.groups.into_values().map(|(mut group, buckets)| {
            group.buckets = buckets
                .into_iter()
                .map(|(start, gathered)| Bucket {
                    start: Timestamp::from_micros_and_nanos(start, 0).unwrap_or_default(),
                    value: gathered.value(metric_type, aggregate, self.window.seconds(start)),
                    count: match metric_type {
                        MetricType::Gauge | MetricType::Sum => gathered.points,
                        _ => gathered.distribution.count,
                    },
                })
                .collect();
            group
        });
        Aggregated {
            metric_type,
            unit,
            groups: groups.collect(),
        }
    }
}

/// A value of an attribute. Maps and lists are values too.
fn attribute(attributes: &Json, name: &str) -> Option<Value> {
    attributes.to_value().get_mut(name).map(Value::take)
}

pub(super) async fn answer(
    repository: &MetricRepository,
    selection: &Selection,
    aggregation: &Aggregation,
) -> Result<Aggregated> {
    let (Some(since), Some(until)) = (selection.since, selection.until) else {
        return Err(question("since", "and until must both be told"));
    };
    let window = Window::of(since, until, aggregation.bucket)?;
    let metrics = repository.selected(selection).await?;
    let Some(first) = metrics.first() else {
        return Ok(Aggregated {
            metric_type: MetricType::Gauge,
            unit: None,
            groups: Vec::new(),
        });
    };
    let (metric_type, unit) = (first.metric_type, first.unit.clone());
    let plans = metrics.iter().map(|metric| plan(metric, aggregation));
    let plans = plans.collect::<Result<Vec<Of>>>()?;
    let mut gathering = Gathering {
        window,
        aggregation,
        metrics: metrics.iter().map(|metric| (metric.id, metric)).collect(),
        groups: BTreeMap::new(),
    };
    // The newest value is a question of order, which grouping by the database does not keep.
    let is_plain = plans.iter().all(|of| *of == Of::Readings)
        && matches!(metric_type, MetricType::Gauge | MetricType::Sum)
        && aggregation.aggregate != Aggregate::Last;
    if is_plain {
        numbers::gather(repository, selection, &metrics, &mut gathering).await?;
    } else {
        slices::gather(repository, selection, &metrics, &plans, &mut gathering).await?;
    }
    Ok(gathering.answer(metric_type, unit))
}

/// What is put together of a metric, if it makes sense.
fn plan(metric: &Metric, aggregation: &Aggregation) -> Result<Of> {
    let aggregate = aggregation.aggregate;
    let refuse = |why: &str| {
        let metric_type = metric.metric_type.as_str();
        Err(question(
            "aggregate",
            format!(
                "{aggregate} makes no sense of {:?}, a {metric_type}: {why}",
                metric.name
            ),
        ))
    };
    let is_cumulative = metric.is_cumulative();
    match (metric.metric_type, aggregate) {
        (MetricType::Gauge | MetricType::Sum, Aggregate::Quantile(_)) => {
            refuse("percentiles are of histograms and summaries; ask for avg, min, max or last")
        }
        (MetricType::Gauge, Aggregate::Rate) => {
            refuse("it counts nothing; ask for avg, min, max or last")
        }
        (MetricType::Gauge, _) => Ok(Of::Readings),
        (MetricType::Sum, Aggregate::Rate) if is_cumulative && !metric.is_monotonic => {
            refuse("it goes up and down; ask for avg, min, max or last")
        }
        (MetricType::Sum, Aggregate::Rate | Aggregate::Sum)
            if is_cumulative && metric.is_monotonic =>
        {
            Ok(Of::Changes)
        }
        (MetricType::Sum, _) => Ok(Of::Readings),
        (_, Aggregate::Last) => refuse(
            "its points are no numbers; ask for the latest point itself, or for avg, count, rate or a percentile",
        ),
        (MetricType::Summary, Aggregate::Quantile(_) | Aggregate::Min | Aggregate::Max)
            if aggregation.group_by.is_some() =>
        {
            refuse(
                "what a source has worked out of its values cannot be put together; ask by series, without group_by",
            )
        }
        (MetricType::Summary, Aggregate::Min | Aggregate::Max) => Ok(Of::Readings),
        (
            MetricType::Histogram | MetricType::ExponentialHistogram,
            Aggregate::Min | Aggregate::Max,
        ) if is_cumulative => refuse(
            "it is cumulative, and tells the smallest and the largest since its start only; ask for p0 or p100, or have it sent as delta",
        ),
        (MetricType::Histogram | MetricType::ExponentialHistogram, _)
            if metric.temporality == Temporality::Unspecified =>
        {
            refuse("it does not say whether its points are cumulative or delta")
        }
        _ if is_cumulative => Ok(Of::Changes),
        _ => Ok(Of::Readings),
    }
}
