//! Refreshing until nothing is due: by a policy, or by a task of a program's own.

use std::time::Duration;

use annals_record::Timestamp;
use annals_store::{Store, lifecycle::Refresh};
use futures_util::future::BoxFuture;
use metrics::{counter, gauge};
use tokio::time::{Instant, MissedTickBehavior};

use super::{Refreshed, into_store_error, refresh, waiting};
use crate::{Error, Result};

/// How long one turn lasts, so that others get theirs.
const TURN: Duration = Duration::from_secs(600);

/// Rolls up what is due, as a policy of `bars_1m`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RollUp;

impl Refresh for RollUp {
    fn refresh<'a>(
        &'a self,
        store: &'a Store,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<String>, annals_store::Error>> {
        Box::pin(async move {
            let done = turn(store, now).await;
            if done.is_err() {
                counter!("annals_rollup_failures_total").increment(1);
            }
            done.map(|done| words(&done)).map_err(into_store_error)
        })
    }
}

/// What was done, for people.
fn words(done: &Refreshed) -> Option<String> {
    if done.entries == 0 {
        return None;
    }
    let count = |n: u64, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    let mut words = count(done.entries, "entry", "entries");
    words += ", ";
    words += &count(done.made + done.removed, "longer bar", "longer bars");
    if done.held > 0 {
        words += ", ";
        words += &count(done.held, "hour", "hours");
        words += " that no bars can be made of";
    }
    if done.kept > 0 {
        words += ", ";
        words += &count(
            done.kept,
            "hour left as it was when its minutes were dropped",
            "hours left as they were when their minutes were dropped",
        );
    }
    Some(words)
}

/// Works off what is due at every turn, until it is dropped; a transaction in the middle is rolled back
/// then. Several of them on one database, of one program or of many, take turns.
///
/// For programs that run no policies; `annals serve` does, and [`RollUp`] is one. Without either reads are
/// right as well, and cost what rolling up costs.
pub async fn keep(store: Store, every: Duration) {
    let mut clock = tokio::time::interval(every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        if let Err(error) = turn(&store, Timestamp::now()).await {
            counter!("annals_rollup_failures_total").increment(1);
            let error = report(&error);
            tracing::warn!(error, "longer bars wait for the next turn");
        }
    }
}

async fn turn(store: &Store, now: Timestamp) -> Result<Refreshed> {
    let deadline = Instant::now() + TURN;
    let mut sum = Refreshed::default();
    loop {
        let done = refresh(store, now).await?;
        counter!("annals_rollup_bars_total").increment(done.made + done.removed);
        counter!("annals_rollup_entries_total").increment(done.entries);
        counter!("annals_rollup_kept_total").increment(done.kept);
        sum = sum.and(&done);
        if done.is_busy || done.entries == 0 || Instant::now() >= deadline {
            break;
        }
    }
    gauge!("annals_rollup_waiting").set(waiting(store).await? as f64);
    Ok(sum)
}

impl Refreshed {
    fn and(self, other: &Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            minutes: self.minutes + other.minutes,
            made: self.made + other.made,
            removed: self.removed + other.removed,
            held: self.held + other.held,
            kept: self.kept + other.kept,
            is_busy: other.is_busy,
        }
    }
}

/// With the causes.
fn report(error: &Error) -> String {
    match error {
        Error::Store(error) => error.report(),
        other => other.to_string(),
    }
}
