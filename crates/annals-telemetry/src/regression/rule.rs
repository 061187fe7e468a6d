//! When slower is a regression.

use std::time::Duration;

use super::{Side, Verdict};
use crate::{Error, Latency, Result};

/// When a model counts as slower than it was: its 95th percentile in the last `window` is `factor`
/// times that of the time before, or more.
#[derive(Clone, Debug, PartialEq)]
pub struct RegressionRule {
    /// How far back "now" reaches; more than zero.
    pub window: Duration,
    /// How far back "before" reaches from where the window begins; more than zero.
    pub baseline: Duration,
    /// How many times slower is too slow; a finite number above 1.
    pub factor: f64,
    /// Spans that each side must have before they are compared; at least 1.
    pub min_samples: u64,
    /// Compare with this version of the model instead of with what it was before: with the spans
    /// that this version had in `baseline` and `window` together. The version that is compared has
    /// to be named then, and be another.
    pub baseline_version: Option<String>,
}

impl Default for RegressionRule {
    /// 1.8 times slower in 5 minutes than in the 30 minutes before, with 20 spans on each side.
    fn default() -> Self {
        Self {
            window: Duration::from_secs(5 * 60),
            baseline: Duration::from_secs(30 * 60),
            factor: 1.8,
            min_samples: 20,
            baseline_version: None,
        }
    }
}

/// What the rule says of two latencies.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Comparison {
    /// The limit was reached.
    Reached {
        /// The limit, in nanoseconds: the shortest duration that is `factor` times the baseline's.
        limit_nanos: i64,
        /// How many times slower.
        multiplier: f64,
    },
    /// It was not, or cannot be told.
    Not(Verdict),
}

impl RegressionRule {
    /// Whether the rule makes sense for a version of a model, or for all of its versions.
    ///
    /// # Errors
    ///
    /// [`Error::Rule`] with the first field that is outside what its description allows.
    pub fn check(&self, version: Option<&str>) -> Result<()> {
        let wrong = |field, needs| Err(Error::Rule { field, needs });
        if self.window.is_zero() {
            return wrong("window", "more than zero");
        }
        if self.baseline.is_zero() {
            return wrong("baseline", "more than zero");
        }
        if !(self.factor.is_finite() && self.factor > 1.0) {
            return wrong("factor", "a finite number above 1");
        }
        if self.min_samples == 0 {
            return wrong("min_samples", "at least 1");
        }
        match (self.baseline_version.as_deref(), version) {
            // The baseline would contain what is compared with it, and hide part of a regression.
            (Some(baseline), Some(version)) if baseline == version => {
                wrong("baseline_version", "another version than the one compared")
            }
            (Some(_), None) => wrong(
                "baseline_version",
                "given together with version, which is compared with it",
            ),
            _ => Ok(()),
        }
    }

    /// Compares a latency with that of the baseline.
    pub(super) fn compare(&self, current: &Latency, baseline: &Latency) -> Comparison {
        for (side, latency) in [(Side::Current, current), (Side::Baseline, baseline)] {
            if latency.sample_count < self.min_samples {
                return Comparison::Not(Verdict::TooFewSamples {
                    side,
                    has: latency.sample_count,
                    needs: self.min_samples,
                });
            }
        }
        if baseline.p95_nanos <= 0 {
            return Comparison::Not(Verdict::NoBaseline);
        }
        let multiplier = current.p95_nanos as f64 / baseline.p95_nanos as f64;
        let limit_nanos = self.limit_nanos(baseline.p95_nanos);
        if current.p95_nanos >= limit_nanos {
            Comparison::Reached {
                limit_nanos,
                multiplier,
            }
        } else {
            Comparison::Not(Verdict::Steady { multiplier })
        }
    }

    /// The shortest duration that is `factor` times `baseline_nanos`.
    fn limit_nanos(&self, baseline_nanos: i64) -> i64 {
        // 1.1 is a little above 1.1 in binary, so 1.1 times 10 ms came out one nanosecond above
        // 11 ms, and a model exactly 1.1 times slower would pass. Two roundings are given back.
        let limit = self.factor * baseline_nanos as f64 * (1.0 - 2.0 * f64::EPSILON);
        limit.ceil() as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(sample_count: u64, p95_nanos: i64) -> Latency {
        Latency {
            sample_count,
            p95_nanos,
            ..Latency::default()
        }
    }

    fn multiplier(factor: f64, current: i64, baseline: i64) -> Option<f64> {
        let rule = RegressionRule {
            factor,
            ..RegressionRule::default()
        };
        match rule.compare(&latency(20, current), &latency(20, baseline)) {
            Comparison::Reached { multiplier, .. } => Some(multiplier),
            Comparison::Not(_) => None,
        }
    }

    #[test]
    fn it_fires_above_the_factor_and_exactly_at_it_and_not_below() {
        let ms = 1_000_000;
        assert_eq!(multiplier(2.0, 210 * ms, 100 * ms), Some(2.1));
        assert_eq!(multiplier(2.0, 200 * ms, 100 * ms), Some(2.0));
        assert_eq!(multiplier(2.0, 200 * ms - 1, 100 * ms), None);
        assert_eq!(multiplier(2.0, 150 * ms, 100 * ms), None);
        assert_eq!(multiplier(1.8, 180 * ms, 100 * ms), Some(1.8));
    }

    #[test]
    fn exactly_the_factor_fires_whatever_binary_makes_of_it() {
        for tenths in 11..100_i64 {
            let factor = tenths as f64 / 10.0;
            for tens in (1..100_000_i64).step_by(37).chain([100_000_000_000]) {
                let (baseline, exact) = (10 * tens, tenths * tens);
                assert!(
                    multiplier(factor, exact, baseline).is_some()
                        && multiplier(factor, exact - 1, baseline).is_none(),
                    "{factor} x {baseline}"
                );
            }
        }
    }

    #[test]
    fn a_baseline_of_nothing_is_no_baseline() {
        let rule = RegressionRule::default();
        for baseline in [0, -1, i64::MIN] {
            assert_eq!(
                rule.compare(&latency(20, i64::MAX), &latency(20, baseline)),
                Comparison::Not(Verdict::NoBaseline)
            );
        }
    }

    #[test]
    fn both_sides_need_enough_samples() {
        let rule = RegressionRule::default();
        let too_few = |side, has| {
            Comparison::Not(Verdict::TooFewSamples {
                side,
                has,
                needs: 20,
            })
        };
        for (current, baseline, expected) in [
            (19, 20, too_few(Side::Current, 19)),
            (20, 19, too_few(Side::Baseline, 19)),
            (0, 0, too_few(Side::Current, 0)),
        ] {
            assert_eq!(
                rule.compare(&latency(current, 900), &latency(baseline, 100)),
                expected
            );
        }
    }

    #[test]
    fn a_limit_beyond_64_bits_is_the_longest_duration_there_is() {
        assert_eq!(multiplier(1e300, i64::MAX - 1, 1), None);
        assert_eq!(multiplier(1.5, i64::MAX / 2, i64::MAX / 2), None);
    }

    #[test]
    fn a_rule_out_of_bounds_is_refused_by_field() {
        let good = RegressionRule::default;
        let field = |rule: RegressionRule, version: Option<&str>| match rule.check(version) {
            Err(Error::Rule { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        good().check(None).unwrap();
        good().check(Some("v2")).unwrap();
        let window = Duration::ZERO;
        assert_eq!(field(RegressionRule { window, ..good() }, None), "window");
        let baseline = Duration::ZERO;
        assert_eq!(
            field(RegressionRule { baseline, ..good() }, None),
            "baseline"
        );
        for factor in [1.0, 0.0, -2.0, f64::NAN, f64::INFINITY] {
            assert_eq!(field(RegressionRule { factor, ..good() }, None), "factor");
        }
        let min_samples = 0;
        assert_eq!(
            field(
                RegressionRule {
                    min_samples,
                    ..good()
                },
                None
            ),
            "min_samples"
        );
        let baseline_version = Some("v1".to_owned());
        let against_v1 = RegressionRule {
            baseline_version,
            ..good()
        };
        against_v1.check(Some("v2")).unwrap();
        for version in [None, Some("v1")] {
            assert_eq!(field(against_v1.clone(), version), "baseline_version");
        }
    }
}
