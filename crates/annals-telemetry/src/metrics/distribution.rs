//! What of several histograms is one: sums and differences of their buckets, and percentiles of these.
//!
//! Percentiles are never averaged. Histograms with given bounds that differ are added over the bounds that all of them have:
//! how many values lie at or below such a bound is exact in each. Exponential ones are brought to the coarsest of their
//! scales, which is exact too. Within a bucket values are taken for evenly spread, on a straight line where bounds are
//! given and on a logarithmic one where they grow exponentially, and never beyond what is known of the smallest and the
//! largest.

mod explicit;
mod exponential;

use crate::metric::{Exponential, Histogram};

use explicit::Explicit;
use exponential::Sparse;

/// A histogram, or several in one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Distribution {
    pub(super) count: u64,
    /// Absent when one of them has none.
    pub(super) sum: Option<f64>,
    /// Absent when one of them has none.
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    shape: Shape,
}

#[derive(Clone, Debug, Default, PartialEq)]
enum Shape {
    /// No buckets are known, or none in common.
    #[default]
    None,
    Explicit(Explicit),
    Exponential(Sparse),
}

impl From<Histogram> for Distribution {
    fn from(histogram: Histogram) -> Self {
        let shape = if histogram.counts.is_empty() {
            Shape::None
        } else {
            Shape::Explicit(Explicit {
                bounds: histogram.bounds,
                counts: histogram.counts,
            })
        };
        Self {
            count: histogram.count,
            sum: histogram.sum,
            min: histogram.min,
            max: histogram.max,
            shape,
        }
    }
}

impl From<Exponential> for Distribution {
    fn from(histogram: Exponential) -> Self {
        Self {
            count: histogram.count,
            sum: histogram.sum,
            min: histogram.min,
            max: histogram.max,
            shape: Shape::Exponential(Sparse::of(&histogram)),
        }
    }
}

impl Distribution {
    /// What a summary tells of the values that it has counted.
    pub(super) fn without_buckets(
        count: u64,
        sum: f64,
        min: Option<f64>,
        max: Option<f64>,
    ) -> Self {
        Self {
            count,
            sum: Some(sum),
            min,
            max,
            shape: Shape::None,
        }
    }

    /// Adds another one.
    pub(super) fn add(&mut self, other: Self) {
        // One without any value says nothing, of bounds as little as of the smallest.
        if other.count == 0 && other.is_empty() {
            return;
        }
        if self.count == 0 && self.is_empty() {
            *self = other;
            return;
        }
        self.count = self.count.saturating_add(other.count);
        self.sum = both(self.sum, other.sum, |a, b| a + b);
        self.min = both(self.min, other.min, f64::min);
        self.max = both(self.max, other.max, f64::max);
        let shape = std::mem::take(&mut self.shape);
        self.shape = match (shape, other.shape) {
            (Shape::Explicit(a), Shape::Explicit(b)) => {
                a.plus(&b).map_or(Shape::None, Shape::Explicit)
            }
            (Shape::Exponential(a), Shape::Exponential(b)) => Shape::Exponential(a.plus(b)),
            _ => Shape::None,
        };
    }

    /// What came after an earlier state of the same; `None` when it cannot have come from there, so that counting began
    /// anew in between.
    ///
    /// The smallest and the largest since the beginning are not those of what came after.
    pub(super) fn since(&self, earlier: &Self) -> Option<Self> {
        let count = self.count.checked_sub(earlier.count)?;
        let shape = match (&self.shape, &earlier.shape) {
            (Shape::Explicit(now), Shape::Explicit(before)) => Shape::Explicit(now.minus(before)?),
            (Shape::Exponential(now), Shape::Exponential(before)) => {
                Shape::Exponential(now.minus(before)?)
            }
            (Shape::None, Shape::None) => Shape::None,
            // A histogram that had nothing yet may have had no buckets either.
            (now, _) if earlier.count == 0 => now.clone(),
            _ => return None,
        };
        Some(Self {
            count,
            sum: both(self.sum, earlier.sum, |now, before| now - before),
            min: None,
            max: None,
            shape,
        })
    }

    /// The value that a part of all values, from 0 to 1, does not exceed; `None` when that is not known.
    pub(super) fn quantile(&self, part: f64) -> Option<f64> {
        let value = match &self.shape {
            Shape::None => return None,
            Shape::Explicit(buckets) => buckets.quantile(part, self.min, self.max)?,
            Shape::Exponential(buckets) => buckets.quantile(part)?,
        };
        let value = self.max.filter(|max| *max < value).unwrap_or(value);
        Some(self.min.filter(|min| *min > value).unwrap_or(value))
    }

    fn is_empty(&self) -> bool {
        match &self.shape {
            Shape::None => true,
            Shape::Explicit(buckets) => buckets.counts.iter().all(|count| *count == 0),
            Shape::Exponential(buckets) => buckets.total() == 0,
        }
    }
}

fn both(a: Option<f64>, b: Option<f64>, of: impl Fn(f64, f64) -> f64) -> Option<f64> {
    Some(of(a?, b?))
}

/// The rank of a part of so many values, by nearest rank: from 1.
fn rank(part: f64, total: u128) -> u128 {
    // A part such as 0.95 is not exact in binary: 0.95 of 20 would be the 20th.
    let exact = part * total as f64;
    let rank = (exact - exact * 4.0 * f64::EPSILON).ceil() as u128;
    rank.clamp(1, total.max(1))
}

#[cfg(test)]
mod tests;
