//! Which traces there are, whose, of what, and when. The same seed makes the same traces.

use std::time::Duration;

use annals_deploy::DeploymentSpan;
use annals_record::{Timestamp, Uuid};
use fastrand::Rng;

use super::traces::{self, About};
use crate::data::trace_id;

/// Spans of a trace, in the mean.
pub(super) const SPANS_PER_TRACE: usize = 20;
pub(super) const DAYS: u64 = 90;
pub(super) const WORKSPACES: usize = 20;
pub(super) const DEPLOYMENTS: usize = 200;
pub(super) const TARGETS: usize = 2_000;

/// A version is deployed for so many days.
const VERSION_DAYS: u64 = 9;

const HOUR: Duration = Duration::from_secs(3_600);

/// Of so many traces one is continued by an external system.
const CONTINUED: u64 = 50;

/// Which traces to make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Spans, about.
    pub(super) rows: usize,
    /// When the last of them is over: windows without an end end now.
    pub(super) end: Timestamp,
}

/// What is deployed where.
#[derive(Clone, Debug)]
pub(super) struct Target {
    number: u64,
    pub(super) workspace: Uuid,
    pub(super) deployment: Uuid,
    /// Resource, environment, deployment.
    pub(super) key: String,
}

impl Target {
    pub(super) fn of(number: usize) -> Self {
        let deployment = number * DEPLOYMENTS / TARGETS;
        let workspace = match deployment.checked_sub(DEPLOYMENTS / 2) {
            None => 0,
            Some(other) => 1 + other % (WORKSPACES - 1),
        };
        let number = number as u64;
        let environment = uuid(3, workspace as u64 * 5 + number % 5);
        let deployment = uuid(1, deployment as u64);
        Self {
            number,
            workspace: self::workspace(workspace),
            key: format!("{}-{environment}-{deployment}", uuid(2, number)),
            deployment,
        }
    }
}

/// A workspace by its number; the first has half of everything.
pub(super) fn workspace(number: usize) -> Uuid {
    uuid(0, number as u64)
}

pub(super) fn uuid(kind: u64, number: u64) -> Uuid {
    let random = Rng::with_seed(kind << 56 | number).u128(..);
    // Version 4, and the variant.
    Uuid::from_u128(random & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62)
}

impl Plan {
    pub(super) fn traces(&self) -> u64 {
        (self.rows / SPANS_PER_TRACE).max(1) as u64
    }

    pub(super) fn begin(&self) -> Timestamp {
        self.end - Duration::from_secs(DAYS * 86_400) + HOUR
    }

    /// When a trace begins; those behind the last follow it closely.
    fn at(&self, number: u64) -> Timestamp {
        let last = self.end - HOUR;
        match number.checked_sub(self.traces()) {
            Some(behind) => last + Duration::from_millis(behind),
            None => {
                let share = number as f64 / self.traces() as f64;
                self.begin() + last.duration_since(self.begin()).mul_f64(share)
            }
        }
    }

    pub(super) fn target(&self, number: u64) -> Target {
        Target::of(Rng::with_seed(number ^ (1 << 48)).usize(..TARGETS))
    }

    /// What a trace is about.
    pub(super) fn about(&self, number: u64) -> About {
        let target = self.target(number);
        let began = self.at(number);
        let days = began.duration_since(self.begin()).as_secs() / 86_400;
        let version = days / VERSION_DAYS;
        About {
            trace_id: trace_id(number),
            release: uuid(4, target.number << 8 | version).to_string(),
            version,
            job: uuid(5, number).to_string(),
            began,
            target,
        }
    }

    /// Whether an external system continues a trace, if it comes to a job.
    pub(super) fn is_continued(number: u64) -> bool {
        number.is_multiple_of(CONTINUED)
    }

    /// The spans of a trace, in the order in which they ended, and those of the trace that continues it.
    pub(super) fn trace(&self, number: u64) -> Vec<DeploymentSpan> {
        let continuation = Self::is_continued(number).then(|| trace_id(number | 1 << 40));
        traces::recorded(&self.about(number), !number, continuation)
    }

    /// The spans of some traces.
    pub(super) fn spans(&self, traces: std::ops::Range<u64>) -> Vec<DeploymentSpan> {
        traces.flat_map(|number| self.trace(number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn traces_are_the_same_each_time_and_of_the_size_that_is_said() {
        let plan = Plan {
            rows: 40_000,
            end: Timestamp::from_unix_nanos(1_780_000_000_000_000_000),
        };
        let rows = plan.spans(0..plan.traces());
        assert_eq!(rows, plan.spans(0..plan.traces()));
        let mean = rows.len() as f64 / plan.traces() as f64;
        assert!((19.5..20.5).contains(&mean), "{mean} spans a trace");
        let ids: HashSet<Uuid> = rows.iter().map(|span| span.id).collect();
        assert_eq!(ids.len(), rows.len());
        let of = |found: &dyn Fn(&DeploymentSpan) -> bool| {
            rows.iter().filter(|span| found(span)).count() as f64 / plan.traces() as f64
        };
        let large = of(&|span| span.depth == Some(0) && span.workspace_id == workspace(0));
        assert!(
            (0.45..0.55).contains(&large),
            "{large} in the large workspace"
        );
        let blocked = of(&|span| {
            span.node_type.as_deref() == Some("decision")
                && span.status.as_deref() == Some("failed")
        });
        assert!((0.03..0.07).contains(&blocked), "{blocked} blocked");
        let continued = of(&|span| span.depth == Some(0) && span.parent_trace_id.is_some());
        assert!((0.01..0.03).contains(&continued), "{continued} continued");
        for span in &rows {
            assert!(span.start_time >= plan.begin(), "{span:?} is too early");
            assert!(span.end_time < Some(plan.end), "{span:?} is too late");
        }
    }
}
