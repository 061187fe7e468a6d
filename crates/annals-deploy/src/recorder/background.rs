//! What is persisted without anybody who waits for it.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{runtime::Handle, time::sleep};

use super::journal::{Journal, ROOT};
use crate::Result;

/// More often than this would persist for the sake of it.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);

/// Waits between the tries of what was handed over.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

/// Persists what has changed, again and again, until everything has ended and is persisted.
pub(super) fn persist_every(journal: &Arc<Journal>, every: Duration) {
    let trace_id = &journal.constants.trace_id;
    if journal.store.is_none() {
        tracing::warn!(%trace_id, "nothing is persisted while this trace runs: it has no store");
        return;
    }
    let Some(runtime) = &journal.runtime else {
        tracing::warn!(
            %trace_id,
            "nothing is persisted while this trace runs: it was not started in a Tokio runtime"
        );
        return;
    };
    // Only what was started keeps the journal.
    let journal = Arc::downgrade(journal);
    runtime.spawn(keep_persisting(journal, every.max(SHORTEST_PERIOD)));
}

async fn keep_persisting(journal: Weak<Journal>, every: Duration) {
    let mut has_failed = false;
    loop {
        let Some(journal) = journal.upgrade() else {
            return;
        };
        match (journal.persist().await, has_failed) {
            (Err(error), false) => {
                has_failed = true;
                let trace_id = &journal.constants.trace_id;
                tracing::warn!(
                    %trace_id, %error,
                    "a running deployment trace could not be persisted; it is tried again"
                );
            }
            (Err(_), true) => {}
            (Ok(()), _) => has_failed = false,
        }
        if journal.is_settled() {
            return;
        }
        drop(journal);
        sleep(every).await;
    }
}

impl Journal {
    /// Whether everything has ended and is kept somewhere.
    fn is_settled(&self) -> bool {
        let state = self.state();
        state.completed.is_some() && state.open == 0 && state.kept == state.stamp
    }

    /// The recorder is dropped.
    pub(super) fn leave(self: &Arc<Self>, is_panicking: bool) {
        self.complete(is_panicking.then_some(crate::Status::Aborted));
        let mut state = self.state();
        state.is_left = true;
        drop(state);
        self.hand_over();
    }

    /// Something ended after its recorder was dropped, and nothing else will.
    pub(super) fn persist_what_came_late(self: &Arc<Self>) {
        let state = self.state();
        let is_last = state.is_left && state.open == 0 && state.stamp > state.handed_over;
        drop(state);
        if is_last {
            self.hand_over();
        }
    }

    /// Lets the background persist what no store has.
    fn hand_over(self: &Arc<Self>) {
        if self.store.is_none() {
            return;
        }
        let mut state = self.state();
        if state.stamp == state.kept {
            return;
        }
        state.handed_over = state.stamp;
        drop(state);
        let unkept = Unkept(Arc::clone(self));
        // The runtime of whoever drops it is as good as that of the start, and more likely to be there.
        let runtime = Handle::try_current().ok().or_else(|| self.runtime.clone());
        if let Some(runtime) = runtime {
            runtime.spawn(unkept.persist());
        }
    }
}

/// Tells of spans that were not persisted when nobody is left who could: there is no runtime, it was shut down, or the store
/// failed to the last.
struct Unkept(Arc<Journal>);

impl Unkept {
    async fn persist(self) {
        let mut result = self.0.persist().await;
        for pause in PAUSES {
            if result.is_ok() {
                return;
            }
            sleep(pause).await;
            result = self.0.persist().await;
        }
        self.tell(result);
    }

    fn tell(&self, result: Result<()>) {
        if let Err(error) = result {
            let trace_id = &self.0.constants.trace_id;
            tracing::warn!(%trace_id, %error, "a deployment trace could not be persisted");
        }
    }
}

impl Drop for Unkept {
    fn drop(&mut self) {
        let state = self.0.state();
        let spans = state.unkept();
        let name = state.spans.get(ROOT).map(|root| root.name.clone());
        drop(state);
        if spans > 0 {
            let trace_id = &self.0.constants.trace_id;
            tracing::warn!(
                %trace_id, spans, name = name.unwrap_or_default(),
                "spans of a deployment trace were not persisted"
            );
        }
    }
}
