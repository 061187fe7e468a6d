//! A task that keeps stored bars up with their minutes.

use std::time::Duration;

use annals_record::Timestamp;
use annals_store::Store;
use metrics::{counter, gauge};
use tokio::time::MissedTickBehavior;

use super::{refresh, waiting};
use crate::{Error, Result};

/// Works off what is due at every turn, until it is dropped; a transaction in the middle is rolled back
/// then. Several of them on one database, of one program or of many, take turns.
///
/// Nothing runs it unless asked to: `annals serve` does. Without it reads are right as well, and
/// cost what rolling up costs.
pub async fn keep(store: Store, every: Duration) {
    let mut clock = tokio::time::interval(every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        if let Err(error) = turn(&store).await {
            counter!("annals_rollup_failures_total").increment(1);
            let error = report(&error);
            tracing::warn!(error, "longer bars wait for the next turn");
        }
    }
}

async fn turn(store: &Store) -> Result<()> {
    loop {
        let done = refresh(store, Timestamp::now()).await?;
        counter!("annals_rollup_bars_total").increment(done.made + done.removed);
        counter!("annals_rollup_entries_total").increment(done.entries);
        if done.is_busy || done.entries == 0 {
            break;
        }
    }
    gauge!("annals_rollup_waiting").set(waiting(store).await? as f64);
    Ok(())
}

/// With the causes.
fn report(error: &Error) -> String {
    match error {
        Error::Store(error) => error.report(),
        other => other.to_string(),
    }
}
