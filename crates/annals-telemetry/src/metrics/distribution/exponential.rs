//! Buckets that grow exponentially, kept sparsely: those of different series may lie far apart.

use std::collections::BTreeMap;

use super::rank;
use crate::metric::{Exponential, ExponentialBuckets};

/// Counts by the number of their bucket.
type Counts = BTreeMap<i64, u64>;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sparse {
    scale: i32,
    zero_count: u64,
    zero_threshold: f64,
    positive: Counts,
    negative: Counts,
}

impl Sparse {
    pub(super) fn of(histogram: &Exponential) -> Self {
        Self {
            scale: histogram.scale,
            zero_count: histogram.zero_count,
            zero_threshold: histogram.zero_threshold,
            positive: counts(histogram.positive.as_ref()),
            negative: counts(histogram.negative.as_ref()),
        }
    }

    /// Both, at the coarser of their scales and with the larger of what counts as zero.
    pub(super) fn plus(self, other: Self) -> Self {
        let (scale, threshold) = self.common(&other);
        let mut sum = self.coarser(scale, threshold);
        let other = other.coarser(scale, threshold);
        sum.zero_count = sum.zero_count.saturating_add(other.zero_count);
        for (into, from) in [
            (&mut sum.positive, other.positive),
            (&mut sum.negative, other.negative),
        ] {
            for (bucket, count) in from {
                let sum = into.entry(bucket).or_default();
                *sum = sum.saturating_add(count);
            }
        }
        sum
    }

    /// What came after an earlier state; `None` when it does not follow from it. Such a histogram gets coarser as it
    /// grows, never finer.
    pub(super) fn minus(&self, earlier: &Self) -> Option<Self> {
        if self.scale > earlier.scale || self.zero_threshold < earlier.zero_threshold {
            return None;
        }
        let earlier = earlier.clone().coarser(self.scale, self.zero_threshold);
        let less = |now: &Counts, before: Counts| {
            let mut counts = now.clone();
            for (bucket, count) in before {
                let now = counts.get_mut(&bucket)?;
                *now = now.checked_sub(count)?;
            }
            Some(counts)
        };
        Some(Self {
            scale: self.scale,
            zero_count: self.zero_count.checked_sub(earlier.zero_count)?,
            zero_threshold: self.zero_threshold,
            positive: less(&self.positive, earlier.positive)?,
            negative: less(&self.negative, earlier.negative)?,
        })
    }

    pub(super) fn total(&self) -> u128 {
        let sides = self.positive.values().chain(self.negative.values());
        sides.map(|count| u128::from(*count)).sum::<u128>() + u128::from(self.zero_count)
    }

    pub(super) fn quantile(&self, part: f64) -> Option<f64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let rank = rank(part, total);
        let mut below = 0_u128;
        // Of negative values the largest in size come first.
        let negative = self.negative.iter().rev().map(|side| (Some(-1.0), side));
        let zero = (0, self.zero_count);
        let zero = std::iter::once((None, (&zero.0, &zero.1)));
        let positive = self.positive.iter().map(|side| (Some(1.0), side));
        for (sign, (bucket, count)) in negative.chain(zero).chain(positive) {
            let count = u128::from(*count);
            if below + count < rank {
                below += count;
                continue;
            }
            let Some(sign) = sign else { return Some(0.0) };
            let place = (rank - below) as f64 / count as f64;
            let place = if sign < 0.0 { 1.0 - place } else { place };
            return Some(sign * power(self.scale, *bucket as f64 + place));
        }
        None
    }

    fn common(&self, other: &Self) -> (i32, f64) {
        (
            self.scale.min(other.scale),
            self.zero_threshold.max(other.zero_threshold),
        )
    }

    /// The same at a coarser scale, with more that counts as zero.
    fn coarser(mut self, scale: i32, threshold: f64) -> Self {
        let shift = i64::from(self.scale) - i64::from(scale);
        if shift > 0 {
            // Two neighbours become one with each step; past 63 of them, what is left of zero is one bucket, as is what is right of it.
            let shift = shift.min(63) as u32;
            for side in [&mut self.positive, &mut self.negative] {
                let mut counts = Counts::new();
                for (bucket, count) in std::mem::take(side) {
                    let sum: &mut u64 = counts.entry(bucket >> shift).or_default();
                    *sum = sum.saturating_add(count);
                }
                *side = counts;
            }
            self.scale = scale;
        }
        if threshold > self.zero_threshold {
            for side in [&mut self.positive, &mut self.negative] {
                side.retain(|bucket, count| {
                    let is_zero = power(scale, (*bucket + 1) as f64) <= threshold;
                    if is_zero {
                        self.zero_count = self.zero_count.saturating_add(*count);
                    }
                    !is_zero
                });
            }
            self.zero_threshold = threshold;
        }
        self
    }
}

/// The base of a scale to a power.
fn power(scale: i32, exponent: f64) -> f64 {
    let value = (exponent * (-f64::from(scale)).exp2()).exp2();
    // Zero times infinity, at scales of which there is no use.
    if value.is_nan() { 1.0 } else { value }
}

fn counts(buckets: Option<&ExponentialBuckets>) -> Counts {
    let Some(buckets) = buckets else {
        return Counts::new();
    };
    let numbered = (i64::from(buckets.offset)..).zip(&buckets.counts);
    let counts = numbered.filter(|(_, count)| **count > 0);
    counts.map(|(bucket, count)| (bucket, *count)).collect()
}
