//! Whether a model became slower than it was, or than its version before.
//!
//! Two windows are compared that do not overlap: a window that contained the other would let a
//! regression raise its own baseline and hide in it.

mod rule;

use annals_record::{Record, Timestamp, Value};
use annals_store::Store;
use futures_util::future::try_join;

pub use rule::RegressionRule;

use crate::{Latency, Result, bind, latency};
use rule::Comparison;

/// A model's latency now and before, and what the rule says of them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Regression {
    /// Now.
    pub current: LatencyWindow,
    /// Before, or what the version to compare with had.
    pub baseline: LatencyWindow,
    /// What the rule says.
    pub verdict: Verdict,
}

/// The latency of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LatencyWindow {
    /// Spans that began then or later, to the microsecond, …
    pub from: Timestamp,
    /// … and before this, to the microsecond.
    pub to: Timestamp,
    /// Their latency.
    pub latency: Latency,
}

/// What a rule says of a model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is too slow.
    Regressed(RegressionAlert),
    /// It is not.
    Steady {
        /// The current 95th percentile divided by the baseline's.
        multiplier: f64,
    },
    /// One side has too few spans to tell; the current one is looked at first.
    TooFewSamples {
        /// Which.
        side: Side,
        /// Spans that it has.
        has: u64,
        /// Spans that the rule asks for.
        needs: u64,
    },
    /// The baseline's 95th percentile is zero, of which nothing is a multiple.
    NoBaseline,
}

/// One of the two that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Now.
    Current,
    /// Before.
    Baseline,
}

/// A model that became too slow.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RegressionAlert {
    /// The model.
    pub model_name: String,
    /// Its 95th percentile now, in nanoseconds.
    pub current_p95_nanos: i64,
    /// The baseline's, in nanoseconds.
    pub baseline_p95_nanos: i64,
    /// The first divided by the second.
    pub multiplier: f64,
    /// When the first span of the current window began that took the rule's factor times the
    /// baseline or longer. Read from the spans, so it is the same whoever asks, and however often.
    pub first_seen_at: Timestamp,
}

/// The row that the statement gives.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "first_slow")]
struct FirstSlow {
    start_time: Timestamp,
}

/// Compares a model, or one version of it, with what it was before `now`.
pub(crate) async fn of_model(
    store: &Store,
    model: &str,
    version: Option<&str>,
    rule: &RegressionRule,
    now: Timestamp,
) -> Result<Regression> {
    rule.check(version)?;
    let from = now - rule.window;
    let before = from - rule.baseline;
    let current = read(store, model, version, from, now);
    let (current, baseline) = match rule.baseline_version.as_deref() {
        None => try_join(current, read(store, model, version, before, from)).await?,
        // Another version's spans are none of the current ones, wherever in time they lie, and after
        // a deployment there are hardly any but old ones.
        Some(other) => try_join(current, read(store, model, Some(other), before, now)).await?,
    };
    let verdict = match rule.compare(&current.latency, &baseline.latency) {
        Comparison::Not(verdict) => verdict,
        Comparison::Reached {
            limit_nanos,
            multiplier,
        } => {
            let first = first_slow(store, model, version, &current, limit_nanos).await?;
            Verdict::Regressed(RegressionAlert {
                model_name: model.to_owned(),
                current_p95_nanos: current.latency.p95_nanos,
                baseline_p95_nanos: baseline.latency.p95_nanos,
                multiplier,
                // Absent only when retention took the span since its latency was read.
                first_seen_at: first.unwrap_or(current.from),
            })
        }
    };
    Ok(Regression {
        current,
        baseline,
        verdict,
    })
}

async fn read(
    store: &Store,
    model: &str,
    version: Option<&str>,
    from: Timestamp,
    to: Timestamp,
) -> Result<LatencyWindow> {
    let latency = latency::of_model(store, model, version, from, to).await?;
    Ok(LatencyWindow { from, to, latency })
}

/// When the first span of a window began that took `limit_nanos` or longer.
async fn first_slow(
    store: &Store,
    model: &str,
    version: Option<&str>,
    window: &LatencyWindow,
    limit_nanos: i64,
) -> Result<Option<Timestamp>> {
    let sql = store
        .names()
        .statement(include_str!("regression/first_slow.sql"));
    let values = vec![
        bind::text(model),
        bind::micros(window.from),
        bind::micros(window.to),
        bind::optional_text(version),
        Value::Int8(limit_nanos),
    ];
    let rows: Vec<FirstSlow> = store.fetch(sql, values).await?;
    Ok(rows.first().map(|row| row.start_time))
}
