//! Sums, differences and percentiles of histograms.

use proptest::prelude::*;

use super::*;
use crate::metric::ExponentialBuckets;

fn explicit(bounds: &[f64], counts: &[u64]) -> Distribution {
    Distribution::from(Histogram {
        count: counts.iter().sum(),
        sum: Some(0.0),
        bounds: bounds.to_vec(),
        counts: counts.to_vec(),
        ..Histogram::default()
    })
}

/// The histogram that a source makes of values.
fn measured(scale: i32, values: &[f64]) -> Distribution {
    let side = |values: Vec<f64>| {
        let numbers = values
            .iter()
            .map(|value| (value.log2() * f64::from(scale).exp2()).ceil() as i32 - 1);
        let numbers: Vec<i32> = numbers.collect();
        let offset = numbers.iter().copied().min().unwrap_or(0);
        let last = numbers.iter().copied().max().unwrap_or(-1);
        let mut counts = vec![0; usize::try_from(last - offset + 1).unwrap_or(0)];
        for number in numbers {
            counts[usize::try_from(number - offset).unwrap()] += 1;
        }
        Some(ExponentialBuckets { offset, counts })
    };
    let of = |sign: f64| {
        values
            .iter()
            .map(|value| value * sign)
            .filter(|value| *value > 0.0)
            .collect()
    };
    Distribution::from(Exponential {
        count: values.len() as u64,
        sum: Some(values.iter().sum()),
        scale,
        zero_count: values.iter().filter(|value| **value == 0.0).count() as u64,
        positive: side(of(1.0)),
        negative: side(of(-1.0)),
        ..Exponential::default()
    })
}

#[test]
fn a_percentile_lies_in_the_bucket_of_its_rank() {
    let sum = explicit(&[10.0, 20.0, 50.0], &[10, 10, 0, 0]);
    assert_eq!(sum.quantile(0.5), Some(10.0));
    assert_eq!(sum.quantile(0.55), Some(11.0));
    assert_eq!(sum.quantile(1.0), Some(20.0));
    // Of twenty values the 95th percentile is the nineteenth.
    assert_eq!(sum.quantile(0.95), Some(19.0));
    assert_eq!(explicit(&[10.0], &[0, 5]).quantile(0.5), Some(10.0));
    assert_eq!(explicit(&[], &[5]).quantile(0.5), None);
    assert_eq!(explicit(&[10.0], &[0, 0]).quantile(0.5), None);
}

#[test]
fn percentiles_are_those_of_all_values_and_not_means_of_percentiles() {
    // 99 fast ones in one series and a single slow one in another: half of all are fast.
    let mut sum = explicit(&[1.0, 2.0, 100.0], &[99, 0, 0, 0]);
    sum.add(explicit(&[1.0, 2.0, 100.0], &[0, 0, 1, 0]));
    assert_eq!(sum.count, 100);
    assert!(sum.quantile(0.5).unwrap() <= 1.0);
    assert!(sum.quantile(0.99).unwrap() <= 1.0);
    assert_eq!(sum.quantile(1.0), Some(100.0));
}

#[test]
fn histograms_of_different_bounds_are_added_over_those_they_share() {
    let mut sum = explicit(&[1.0, 5.0, 10.0], &[1, 2, 3, 4]);
    sum.add(explicit(&[5.0, 7.0, 10.0, 20.0], &[10, 20, 30, 40, 50]));
    assert_eq!(sum.shape, explicit(&[5.0, 10.0], &[13, 53, 94]).shape);
    assert_eq!(sum.count, 160);
    let mut apart = explicit(&[1.0], &[1, 1]);
    apart.add(explicit(&[2.0], &[1, 1]));
    assert_eq!((apart.count, apart.quantile(0.5)), (4, None));
}

#[test]
fn what_came_after_is_the_difference_and_a_decrease_is_a_new_beginning() {
    let before = explicit(&[1.0], &[3, 4]);
    let after = explicit(&[1.0], &[5, 4]);
    assert_eq!(
        after.since(&before).unwrap().shape,
        explicit(&[1.0], &[2, 0]).shape
    );
    assert_eq!(before.since(&after), None);
    // One bucket less is a new beginning though there are more in all.
    assert_eq!(explicit(&[1.0], &[2, 100]).since(&before), None);
    assert_eq!(explicit(&[2.0], &[5, 4]).since(&before), None);
}

#[test]
fn an_exponential_histogram_that_has_got_coarser_still_follows_from_what_it_was() {
    let values = [1.5, 3.0, 3.1, 100.0, -7.0, 0.0];
    let before = measured(3, &values[..3]);
    let after = measured(1, &values);
    let came = after.since(&before).unwrap();
    assert_eq!(came.count, 3);
    assert_eq!(
        came.quantile(1.0).map(|value| (value * 1e6).round()),
        Some(128e6)
    );
    assert!(before.since(&after).is_none());
}

#[test]
fn scales_and_counts_at_the_ends_of_their_types_do_no_harm() {
    for scale in [i32::MIN, -1000, 0, 1000, i32::MAX] {
        for offset in [i32::MIN, -1, 0, i32::MAX - 2] {
            let one = Distribution::from(Exponential {
                count: u64::MAX,
                scale,
                zero_count: u64::MAX,
                positive: Some(ExponentialBuckets {
                    offset,
                    counts: vec![u64::MAX, 1],
                }),
                ..Exponential::default()
            });
            let mut sum = one.clone();
            sum.add(measured(0, &[1.0, 2.0]));
            sum.add(one.clone());
            assert_eq!(sum.count, u64::MAX);
            assert!(!sum.quantile(0.99).unwrap().is_nan(), "{scale} {offset}");
            let _ = sum.since(&one);
        }
    }
}

proptest! {
    #[test]
    fn a_percentile_of_a_sum_is_off_by_a_bucket_at_most(
        parts in prop::collection::vec((0..6_i32, prop::collection::vec(-1e6..1e6_f64, 1..40)), 1..6),
        part in 0.0..=1.0_f64,
    ) {
        let mut sum = Distribution::default();
        let mut all: Vec<f64> = Vec::new();
        for (scale, values) in &parts {
            sum.add(measured(*scale, values));
            all.extend(values);
        }
        all.sort_by(f64::total_cmp);
        let exact = all[usize::try_from(rank(part, all.len() as u128)).unwrap() - 1];
        let coarsest = parts.iter().map(|(scale, _)| *scale).min().unwrap();
        let base = (-f64::from(coarsest)).exp2().exp2();
        let found = sum.quantile(part).unwrap();
        let (small, large) = (exact.abs() / base * 0.999_999, exact.abs() * base * 1.000_001);
        prop_assert!(found.signum() == exact.signum() && (small..=large).contains(&found.abs()),
            "{found} for {exact} at base {base}");
    }

    #[test]
    fn a_difference_and_what_was_before_are_the_whole(
        first in prop::collection::vec(-1e3..1e3_f64, 0..20),
        second in prop::collection::vec(-1e3..1e3_f64, 1..20),
    ) {
        let before = measured(4, &first);
        let all: Vec<f64> = first.iter().chain(&second).copied().collect();
        let came = measured(4, &all).since(&before).unwrap();
        prop_assert_eq!(came.count, second.len() as u64);
        for part in [0.0, 0.5, 0.9, 1.0] {
            prop_assert_eq!(came.quantile(part), measured(4, &second).quantile(part));
        }
    }
}
