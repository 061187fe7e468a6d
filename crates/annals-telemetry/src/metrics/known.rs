//! Which metrics need not be written again.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Mutex, PoisonError},
};

use annals_record::{TimestampMicros, Uuid};

use crate::Metric;

/// Metrics that are remembered before the older half is forgotten.
const GENERATION: usize = 20_000;

/// What a metric was like when it was written: what may change of it, and when it was seen.
type Written = (u64, TimestampMicros);

/// The metrics that this process has written lately.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Uuid, Written>,
    old: HashMap<Uuid, Written>,
}

impl Known {
    /// Whether a metric is in its table as it is, and was seen in the same hour.
    pub(super) fn holds(&self, metric: &Metric) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known
            .young
            .get(&metric.id)
            .or_else(|| known.old.get(&metric.id));
        found == Some(&(fingerprint(metric), metric.last_seen))
    }

    /// Remembers metrics that are committed.
    pub(super) fn remember(&self, metrics: &[Metric]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for metric in metrics {
            if known.young.len() >= GENERATION {
                known.old = std::mem::take(&mut known.young);
            }
            known
                .young
                .insert(metric.id, (fingerprint(metric), metric.last_seen));
        }
    }
}

/// What may change of a metric, as a number: the rest is in its id.
pub(super) fn fingerprint(metric: &Metric) -> u64 {
    let mut hasher = DefaultHasher::new();
    metric.description.hash(&mut hasher);
    metric.attributes.hash(&mut hasher);
    metric.resource_dropped_attributes_count.hash(&mut hasher);
    metric.scope_dropped_attributes_count.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use annals_record::Timestamp;

    use super::*;
    use crate::MetricType;

    #[test]
    fn a_metric_is_written_again_when_it_changes_or_an_hour_has_begun() {
        let known = Known::default();
        let mut metric = Metric::new("api", "m", MetricType::Gauge).unwrap();
        metric.last_seen = Metric::seen_at(Timestamp::default());
        assert!(!known.holds(&metric));
        known.remember(std::slice::from_ref(&metric));
        assert!(known.holds(&metric));
        let mut described = metric.clone();
        described.description = Some("other".into());
        assert!(!known.holds(&described));
        let mut later = metric.clone();
        later.last_seen = Metric::seen_at(Timestamp::from_unix_nanos(3_600_000_000_000));
        assert!(!known.holds(&later));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let known = Known::default();
        let metric = Metric::new("api", "m", MetricType::Gauge).unwrap();
        let many: Vec<Metric> = (0..3 * GENERATION as u128)
            .map(|n| Metric {
                id: Uuid::from_u128(n),
                ..metric.clone()
            })
            .collect();
        known.remember(&many);
        let held = known.0.lock().unwrap();
        assert!(held.young.len() + held.old.len() <= 2 * GENERATION);
    }
}
