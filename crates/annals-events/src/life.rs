//! What becomes of messages as they age.
//!
//! Messages are kept until a policy says otherwise, and compressed at the age that [`EventsOptions`]
//! tell where the server can. When they are gone by age, nothing follows, and that is the promise: heads, ids and the
//! counter are ordinary tables beside them and stay as they are. A stream's version goes on, an expected version is
//! compared with it, a repeated id finds the place of its first message, which cannot be compared any more,
//! and places go on where they were. Readers and subscriptions begin with the first message that is kept.
//! [`forget_ids`](crate::Events::forget_ids) forgets ids by a window of their own.
//!
//! Where messages are an ordinary table they go in the order of their places, which is that of their times, since no
//! append has an earlier time than the one before. Imported messages have any time: one that is older than those
//! before it goes when they do, and none goes before its time.

use annals_store::{
    AgingTable, Interval, Lifecycle, Store,
    lifecycle::{Chunk, Converted, Expiry},
};

use crate::{
    Events, EventsOptions, Namespace, Result,
    namespace::{self, Entry, MESSAGES, is_of_hypertables},
};

/// The messages of every namespace, as tables that age: `events:ID`. For whoever opens no event store: where
/// there never was one there are none, and none is made.
///
/// # Errors
///
/// The database failed.
pub async fn tables(store: &Store, options: &EventsOptions) -> Result<Vec<AgingTable>> {
    let entries = namespace::list(store).await?;
    let table = |entry| aging_table(store, entry, options);
    Ok(entries.iter().map(table).collect())
}

/// The messages of a namespace, as a table that ages.
pub(crate) fn aging_table(store: &Store, entry: &Entry, options: &EventsOptions) -> AgingTable {
    let names = store.names().within(&entry.schema);
    let table = AgingTable::described(&names, &MESSAGES)
        .called(format!("events:{}", entry.id))
        .compressed_after(options.compress_after.and_then(Interval::from_duration));
    if store.capabilities().hypertables() && is_of_hypertables(&entry.schema) {
        table
    } else {
        // There is no index on time.
        table.aging_by("global_position")
    }
}

impl Events {
    /// The messages of every namespace, as tables that age: `events:ID`.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn aging_tables(&self) -> Result<Vec<AgingTable>> {
        tables(self.store(), self.options()).await
    }

    /// Makes what is kept of tables that age, if it is not there, and brings a namespace that was just made in line
    /// with its policies. When that fails the namespace is there all the same, with chunks that stay as rows: whoever
    /// runs policies tries again.
    pub(crate) async fn age(&self, entry: &Entry) {
        let lifecycle = self
            .store()
            .lifecycle(aging_table(self.store(), entry, self.options()));
        let applied = async {
            self.store().migrator(&[]).up().await?;
            // Those of a namespace that had its id before and was deleted are not its own.
            lifecycle.forget().await?;
            lifecycle.apply_policies().await
        };
        if let Err(error) = applied.await {
            tracing::warn!(
                namespace = entry.id,
                error = error.report(),
                "the namespace is made, and nothing looks after its age yet"
            );
        }
    }

    /// Forgets the policies of a namespace that was deleted, and what else is kept of its table.
    pub(crate) async fn forget_age(&self, entry: &Entry) {
        let table = aging_table(self.store(), entry, self.options());
        if let Err(error) = self.store().lifecycle(table).forget().await {
            tracing::warn!(
                namespace = entry.id,
                error = error.report(),
                "the namespace is deleted, and its policies are not yet"
            );
        }
    }
}

impl Namespace {
    /// Its messages, as a table that ages.
    #[must_use]
    pub fn aging_table(&self) -> AgingTable {
        self.inner.aging.clone()
    }

    /// What becomes of its messages as they age: chunks, compression, retention. It needs the kernel's tables, which
    /// are made with a namespace and by every migration.
    #[must_use]
    pub fn lifecycle(&self) -> Lifecycle {
        self.inner.store.lifecycle(self.aging_table())
    }

    /// The chunks of its messages, the oldest first.
    ///
    /// # Errors
    ///
    /// The backend has no chunks, or the database failed.
    pub async fn chunks(&self) -> Result<Vec<Chunk>> {
        Ok(self.lifecycle().chunks(true).await?)
    }

    /// Compresses chunks that are wholly older, `7 days` for example.
    ///
    /// # Errors
    ///
    /// It is no age, the edition cannot compress, or the database failed.
    pub async fn compress_chunks_older_than(&self, age: &str) -> Result<Vec<Converted>> {
        let lifecycle = self.lifecycle();
        Ok(lifecycle
            .compress_chunks(&interval(age)?, false, &mut |_| {})
            .await?)
    }

    /// Drops chunks that are wholly older, `1 year` for example. Versions, places and ids go on.
    ///
    /// # Errors
    ///
    /// It is no age, the backend has no chunks, or the database failed.
    pub async fn drop_chunks_older_than(&self, age: &str) -> Result<Expiry> {
        let lifecycle = self.lifecycle();
        Ok(lifecycle
            .drop_chunks(&interval(age)?, false, &mut |_| {})
            .await?)
    }
}

fn interval(age: &str) -> Result<Interval> {
    let interval = age.parse::<Interval>();
    Ok(interval.map_err(annals_store::Error::from)?)
}
