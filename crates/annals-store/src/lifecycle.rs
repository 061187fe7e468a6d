//! What becomes of data as it ages: chunks, compression, retention, and the policies that see to it.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`interval`] | ages as people write them: `90 days`, `1 year` |
//! | [`table`] | tables that age, and what follows when rows of them are gone |
//! | [`chunk`] | the chunks of a hypertable |
//! | [`columnstore`] | compressing and decompressing chunks, by the names that a server's version has |
//! | [`expire`] | whole chunks, or rows in bounded steps, that are too old |
//! | [`delete`] | rows of one owner, in bounded steps, compressed or not |
//! | [`export`] | a chunk as CSV, with its rows and their hash |
//! | [`size`] | what tables take on disk |
//! | [`policy`] | what is to happen at which age, kept in the database |
//! | [`reconcile`] | chunks that others dropped |
//! | `lease` | one at a time on a table |
//! | [`schedule`] | who runs policies, and when |
//! | [`error`] | what is refused, and the way out |
//!
//! Everything here can be done again: what is done already is left as it is.

pub mod chunk;
pub mod columnstore;
pub mod delete;
pub mod error;
pub mod expire;
pub mod export;
pub mod interval;
mod lease;
pub mod policy;
mod postgres;
pub mod reconcile;
pub mod schedule;
pub mod size;
pub mod table;

use annals_record::Timestamp;

pub use chunk::{Chunk, ChunkState};
pub use columnstore::{Conversion, Converted};
pub use error::LifecycleError;
pub use expire::{Expired, Expiry};
pub use export::Exported;
pub use interval::Interval;
pub use policy::{Policy, PolicyKind, PolicyStatus};
pub use schedule::{Scheduler, Tables};
pub use size::{CompressionStats, TableSize};
pub use table::{AgingTable, Derived, Emptied, Refresh};

use crate::{Error, Result, Store};

/// What is told while something is under way, a step at a time.
pub type Told<'a, T> = &'a mut (dyn FnMut(&T) + Send);

/// The life of one table. Made by [`Store::lifecycle`].
#[derive(Clone, Debug)]
pub struct Lifecycle {
    store: Store,
    table: AgingTable,
    /// What time it is; the database's and this process's when not set.
    now: Option<Timestamp>,
}

impl Store {
    /// The life of one table.
    #[must_use]
    pub fn lifecycle(&self, table: AgingTable) -> Lifecycle {
        Lifecycle {
            store: self.clone(),
            table,
            now: None,
        }
    }
}

impl Lifecycle {
    /// Takes this for the time that it is, rather than the clocks'.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &AgingTable {
        &self.table
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The earlier one of the database's clock and this process's: one of them that is ahead must not make
    /// anything old.
    ///
    /// # Errors
    ///
    /// The database does not answer.
    pub async fn now(&self) -> Result<Timestamp> {
        match self.now {
            Some(now) => Ok(now),
            None => Ok(self.store.backend().now().await?.min(Timestamp::now())),
        }
    }

    /// When what is `age` old now began.
    async fn before(&self, age: &Interval) -> Result<Timestamp> {
        let now = self.now().await?;
        Ok(age.before(now).ok_or_else(|| LifecycleError::Interval {
            text: age.to_string(),
            problem: "it reaches beyond the times that a table can hold",
        })?)
    }
}

impl From<LifecycleError> for Error {
    fn from(error: LifecycleError) -> Self {
        Self::Lifecycle(Box::new(error))
    }
}
