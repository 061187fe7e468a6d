//! What is unusual about a span, told from the span and from the durations before it.

use std::{collections::VecDeque, time::Duration};

use super::AnomalyKind;

/// Durations of which the mean is taken, at most.
pub(super) const HISTORY: usize = 1_000;

/// Durations before a span without which its own cannot be called a spike.
const MIN_HISTORY: usize = 10;

/// A spike takes more than so many times the mean.
const SPIKE_FACTOR: f64 = 3.0;

/// A GPU that is used less than this, in percent, while requests wait, is used too little.
const GPU_BUSY_PERCENT: f64 = 40.0;

/// A batch less full than this, 1 being full, is filled poorly.
const FILLED_BATCH: f64 = 0.3;

/// What of a span is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    pub(super) duration_nanos: i64,
    /// In percent.
    pub(super) gpu_utilization: Option<f64>,
    /// Requests that waited.
    pub(super) queue_depth: Option<f64>,
    /// 1 is a full batch.
    pub(super) batch_fill_ratio: Option<f64>,
}

/// One thing that is unusual about a span; value and baseline as [`super::Anomaly`] has them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) kind: AnomalyKind,
    pub(super) value: f64,
    pub(super) baseline: f64,
    pub(super) details: String,
}

/// Judges the spans of one model, given to it by start, earliest first.
#[derive(Debug, Default)]
pub(super) struct Detector {
    /// The last durations, oldest first.
    recent: VecDeque<i64>,
    /// Their sum. In 128 bits, so that it cannot overflow and, being whole, never drifts.
    sum: i128,
}

impl Detector {
    /// Takes a duration into the mean.
    pub(super) fn learn(&mut self, duration_nanos: i64) {
        if self.recent.len() == HISTORY
            && let Some(oldest) = self.recent.pop_front()
        {
            self.sum -= i128::from(oldest);
        }
        self.recent.push_back(duration_nanos);
        self.sum += i128::from(duration_nanos);
    }

    /// Judges a span by the durations before it, then takes its own into the mean: a mean that
    /// contained it would hide it.
    pub(super) fn judge(&mut self, sample: &Sample) -> impl Iterator<Item = Finding> + use<> {
        let spike = self.latency_spike(sample.duration_nanos);
        self.learn(sample.duration_nanos);
        let others = [gpu_underutil(sample), poor_batching(sample)];
        [spike].into_iter().chain(others).flatten()
    }

    fn latency_spike(&self, duration_nanos: i64) -> Option<Finding> {
        if self.recent.len() < MIN_HISTORY {
            return None;
        }
        let mean = self.sum as f64 / self.recent.len() as f64;
        let value = duration_nanos as f64;
        // Of nothing, everything is a multiple.
        (mean > 0.0 && value > SPIKE_FACTOR * mean).then(|| Finding {
            kind: AnomalyKind::LatencySpike,
            value,
            baseline: mean,
            details: format!(
                "took {:?}, {:.1} times the mean of the {} spans before it ({:?})",
                Duration::from_nanos(duration_nanos.unsigned_abs()),
                value / mean,
                self.recent.len(),
                Duration::from_nanos(mean as u64),
            ),
        })
    }
}

fn gpu_underutil(sample: &Sample) -> Option<Finding> {
    let used = sample
        .gpu_utilization
        .filter(|used| *used < GPU_BUSY_PERCENT)?;
    let waiting = sample.queue_depth.filter(|waiting| *waiting > 0.0)?;
    Some(Finding {
        kind: AnomalyKind::GpuUnderutil,
        value: used,
        baseline: GPU_BUSY_PERCENT,
        details: format!("the GPU was used {used:.1} % while {waiting} requests waited"),
    })
}

fn poor_batching(sample: &Sample) -> Option<Finding> {
    let poor = |ratio: &f64| *ratio > 0.0 && *ratio < FILLED_BATCH;
    let ratio = sample.batch_fill_ratio.filter(poor)?;
    Some(Finding {
        kind: AnomalyKind::PoorBatching,
        value: ratio,
        baseline: FILLED_BATCH,
        details: format!("the batch was {:.1} % full", ratio * 100.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn after(durations: impl IntoIterator<Item = i64>) -> Detector {
        let mut detector = Detector::default();
        durations
            .into_iter()
            .for_each(|nanos| detector.learn(nanos));
        detector
    }

    fn judged(detector: &mut Detector, duration_nanos: i64) -> Vec<Finding> {
        let sample = Sample {
            duration_nanos,
            ..Sample::default()
        };
        detector.judge(&sample).collect()
    }

    fn kinds(sample: Sample) -> Vec<AnomalyKind> {
        let findings = Detector::default().judge(&sample);
        findings.map(|finding| finding.kind).collect()
    }

    #[test]
    fn a_spike_after_a_hundred_usual_spans_is_found_once() {
        let mut detector = Detector::default();
        let durations = [50 * MS; 100].into_iter().chain([500 * MS, 50 * MS]);
        let found: Vec<Finding> = durations
            .flat_map(|duration| judged(&mut detector, duration))
            .collect();
        let details = "took 500ms, 10.0 times the mean of the 100 spans before it (50ms)";
        assert_eq!(
            found,
            [Finding {
                kind: AnomalyKind::LatencySpike,
                value: 500e6,
                baseline: 50e6,
                details: details.to_owned(),
            }]
        );
    }

    #[test]
    fn ten_spans_tell_what_is_usual_and_nine_do_not() {
        assert_eq!(judged(&mut after([MS; 9]), 100 * MS), []);
        assert_eq!(judged(&mut after([MS; 10]), 100 * MS).len(), 1);
    }

    #[test]
    fn exactly_three_times_the_mean_is_no_spike_yet() {
        assert_eq!(judged(&mut after([50 * MS; 10]), 150 * MS), []);
        assert_eq!(judged(&mut after([50 * MS; 10]), 150 * MS + 1).len(), 1);
    }

    #[test]
    fn a_spike_does_not_hide_in_a_mean_that_contains_itself() {
        // With itself the mean were 60 ms, and 160 ms less than three times of it.
        assert_eq!(judged(&mut after([50 * MS; 10]), 160 * MS).len(), 1);
    }

    #[test]
    fn the_mean_is_of_the_last_thousand_and_forgets_what_was_before() {
        let before = [1_000 * MS; 500].into_iter();
        let mut detector = after(before.chain([MS; HISTORY]));
        assert_eq!(detector.sum, i128::from(MS) * 1_000);
        let found = judged(&mut detector, 4 * MS);
        assert_eq!((found.len(), found[0].baseline), (1, 1e6));
        let mut longest = after([i64::MAX; 2 * HISTORY]);
        assert_eq!(judged(&mut longest, i64::MAX), []);
    }

    #[test]
    fn spans_that_took_no_time_at_all_make_no_mean() {
        assert_eq!(judged(&mut after([0; 100]), 1), []);
    }

    #[test]
    fn an_idle_gpu_counts_only_while_requests_wait() {
        let of = |gpu: Option<f64>, queue: Option<f64>| {
            kinds(Sample {
                gpu_utilization: gpu,
                queue_depth: queue,
                ..Sample::default()
            })
        };
        assert_eq!(of(Some(20.0), Some(5.0)), [AnomalyKind::GpuUnderutil]);
        for (gpu, queue) in [
            (Some(20.0), Some(0.0)),
            (Some(20.0), None),
            (None, Some(5.0)),
            (Some(40.0), Some(5.0)),
            (Some(f64::NAN), Some(5.0)),
        ] {
            assert_eq!(of(gpu, queue), [], "{gpu:?} {queue:?}");
        }
    }

    #[test]
    fn a_batch_is_poor_between_empty_and_three_tenths() {
        let of = |ratio| {
            kinds(Sample {
                batch_fill_ratio: ratio,
                ..Sample::default()
            })
        };
        for poor in [0.001, 0.1, 0.299] {
            assert_eq!(of(Some(poor)), [AnomalyKind::PoorBatching], "{poor}");
        }
        for good in [None, Some(-0.1), Some(0.0), Some(0.3), Some(1.0)] {
            assert_eq!(of(good), [], "{good:?}");
        }
    }
}
