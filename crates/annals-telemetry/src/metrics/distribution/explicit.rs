//! Buckets with given bounds.

use super::rank;

/// Counts between bounds: one more than these.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Explicit {
    pub(super) bounds: Vec<f64>,
    pub(super) counts: Vec<u64>,
}

impl Explicit {
    /// Both, over the bounds that both have; nothing where they share none and are not whole without.
    pub(super) fn plus(self, other: &Self) -> Option<Self> {
        if self.bounds == other.bounds {
            let counts = self.counts.iter().zip(&other.counts);
            let counts = counts.map(|(a, b)| a.saturating_add(*b)).collect();
            return Some(Self { counts, ..self });
        }
        let shared = |bound: &&f64| other.bounds.iter().any(|known| known == *bound);
        let bounds: Vec<f64> = self.bounds.iter().filter(shared).copied().collect();
        if bounds.is_empty() {
            return None;
        }
        self.over(&bounds).plus(&other.over(&bounds))
    }

    /// What came after an earlier state; `None` when it does not follow from it.
    pub(super) fn minus(&self, earlier: &Self) -> Option<Self> {
        if self.bounds != earlier.bounds {
            return None;
        }
        let counts = self.counts.iter().zip(&earlier.counts);
        let counts = counts.map(|(now, before)| now.checked_sub(*before));
        Some(Self {
            bounds: self.bounds.clone(),
            counts: counts.collect::<Option<_>>()?,
        })
    }

    /// The same over some of its bounds.
    fn over(&self, bounds: &[f64]) -> Self {
        let mut counts = vec![0_u64; bounds.len() + 1];
        for (i, count) in self.counts.iter().enumerate() {
            let upper = self.bounds.get(i).copied().unwrap_or(f64::INFINITY);
            let place = if i < self.bounds.len() {
                bounds.partition_point(|bound| *bound < upper)
            } else {
                bounds.len()
            };
            if let Some(sum) = counts.get_mut(place) {
                *sum = sum.saturating_add(*count);
            }
        }
        Self {
            bounds: bounds.to_vec(),
            counts,
        }
    }

    pub(super) fn quantile(&self, part: f64, min: Option<f64>, max: Option<f64>) -> Option<f64> {
        let total: u128 = self.counts.iter().map(|count| u128::from(*count)).sum();
        if total == 0 {
            return None;
        }
        let rank = rank(part, total);
        let mut below = 0_u128;
        for (i, count) in self.counts.iter().enumerate() {
            let count = u128::from(*count);
            if below + count < rank {
                below += count;
                continue;
            }
            let place = (rank - below) as f64 / count as f64;
            let lower = i.checked_sub(1).and_then(|before| self.bounds.get(before));
            let upper = self
                .bounds
                .get(i)
                .copied()
                .filter(|bound| bound.is_finite());
            let lower = lower.copied().filter(|bound| bound.is_finite());
            return match (lower, upper) {
                (Some(lower), Some(upper)) => Some(lower + (upper - lower) * place),
                // Nobody knows how far the first bucket reaches down, but what is measured begins at zero most of the time.
                (None, Some(upper)) => {
                    let lower = min.filter(|min| min.is_finite()).unwrap_or(0.0);
                    Some(if lower < upper {
                        lower + (upper - lower) * place
                    } else {
                        upper
                    })
                }
                // Nor how far the last one reaches up.
                (Some(lower), None) => Some(match max.filter(|max| max.is_finite()) {
                    Some(max) if max > lower => lower + (max - lower) * place,
                    _ => lower,
                }),
                (None, None) => match (min, max) {
                    (Some(min), Some(max)) => Some(min + (max - min) * place),
                    _ => None,
                },
            };
        }
        None
    }
}
