//! What a point adds to the one before.

use annals_record::Timestamp;

use super::{Gathered, Of};
use crate::{
    Metric, MetricDataPoint, MetricType, Result,
    metric::{Number, Summary},
    metrics::{distribution::Distribution, question::Aggregate},
};

/// A series that is followed.
pub(super) struct Series {
    /// From when on its points are read, in microseconds.
    read_from: i64,
    before: Option<Before>,
}

struct Before {
    timestamp: Timestamp,
    start_time: Option<Timestamp>,
    reading: Reading,
}

/// What a point tells.
enum Reading {
    Number(Number),
    Distribution(Distribution),
}

/// What a point adds to its bucket.
pub(super) enum Told {
    Number(f64),
    /// Values that were counted, and of a summary what its source says of the percentile.
    Distribution(Distribution, Option<f64>),
}

impl Told {
    pub(super) fn into_bucket(self, bucket: &mut Gathered, time: Timestamp) {
        match self {
            Self::Number(value) => bucket.number(time, value),
            Self::Distribution(distribution, quantile) => {
                bucket.distribution.add(distribution);
                if let Some(quantile) = quantile {
                    bucket.last = Some((time, quantile));
                }
            }
        }
    }
}

impl Series {
    pub(super) fn new(read_from: i64) -> Self {
        Self {
            read_from,
            before: None,
        }
    }

    /// What a point adds; nothing when that is not known. Points come by time.
    pub(super) fn take(
        &mut self,
        metric: &Metric,
        of: Of,
        point: &MetricDataPoint,
        aggregate: Aggregate,
    ) -> Result<Option<Told>> {
        if point.is_nothing() {
            return Ok(None);
        }
        let Some((reading, quantile)) = reading(metric, point, aggregate)? else {
            return Ok(None);
        };
        if of == Of::Readings {
            return Ok(Some(match reading {
                Reading::Number(number) => Told::Number(number.to_f64()),
                Reading::Distribution(distribution) => Told::Distribution(distribution, quantile),
            }));
        }
        let told = self.change(point, &reading);
        self.before = Some(Before {
            timestamp: point.timestamp,
            start_time: point.start_time,
            reading,
        });
        Ok(match (told, quantile) {
            (None, Some(quantile)) => {
                Some(Told::Distribution(Distribution::default(), Some(quantile)))
            }
            (Some(Told::Distribution(change, _)), quantile) => {
                Some(Told::Distribution(change, quantile))
            }
            (told, _) => told,
        })
    }

    fn change(&self, point: &MetricDataPoint, reading: &Reading) -> Option<Told> {
        let whole = || match reading {
            Reading::Number(number) => Told::Number(number.to_f64()),
            Reading::Distribution(distribution) => {
                let mut change = distribution.clone();
                // They are since the start, which is another time with each beginning.
                (change.min, change.max) = (None, None);
                Told::Distribution(change, None)
            }
        };
        let Some(before) = &self.before else {
            // Nothing of it was there before; where it counts from is what tells whether all of it is new.
            let start = point.start_time?;
            return (start.unix_micros() >= self.read_from).then(whole);
        };
        let began_anew = point.start_time.is_some_and(|start| {
            start >= before.timestamp && before.start_time.is_none_or(|known| known < start)
        });
        if began_anew {
            return Some(whole());
        }
        Some(match (reading, &before.reading) {
            (Reading::Number(now), Reading::Number(earlier)) => {
                if now.is_below(*earlier) {
                    whole()
                } else {
                    Told::Number(now.since(*earlier))
                }
            }
            (Reading::Distribution(now), Reading::Distribution(earlier)) => now
                .since(earlier)
                .map_or_else(whole, |change| Told::Distribution(change, None)),
            _ => whole(),
        })
    }
}

/// What a point tells, and of a summary the quantile that is asked for.
fn reading(
    metric: &Metric,
    point: &MetricDataPoint,
    aggregate: Aggregate,
) -> Result<Option<(Reading, Option<f64>)>> {
    Ok(match metric.metric_type {
        MetricType::Gauge | MetricType::Sum => point
            .as_number()
            .map(|number| (Reading::Number(number), None)),
        MetricType::Histogram => {
            let histogram = Distribution::from(point.as_histogram()?);
            Some((Reading::Distribution(histogram), None))
        }
        MetricType::ExponentialHistogram => {
            let histogram = Distribution::from(point.as_exponential()?);
            Some((Reading::Distribution(histogram), None))
        }
        MetricType::Summary => {
            let summary = point.as_summary()?;
            let quantile = match aggregate {
                Aggregate::Quantile(part) => quantile(&summary, part),
                _ => None,
            };
            // By OTLP the quantiles 0 and 1 are the smallest and the largest.
            let distribution = Distribution::without_buckets(
                summary.count,
                summary.sum,
                self::quantile(&summary, 0.0),
                self::quantile(&summary, 1.0),
            );
            Some((Reading::Distribution(distribution), quantile))
        }
    })
}

/// The quantile that a source has worked out, if it has this one.
fn quantile(summary: &Summary, part: f64) -> Option<f64> {
    let found = summary
        .quantiles
        .iter()
        .find(|(known, _)| (known - part).abs() < 1e-9);
    found
        .map(|(_, value)| *value)
        .filter(|value| !value.is_nan())
}

#[cfg(test)]
mod tests;
