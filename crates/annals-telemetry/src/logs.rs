//! The store of log records.

use annals_store::{Store, Writer, WriterOptions};

use crate::{LogRecord, Result};

/// How log records are written.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LogsOptions {
    /// The writer.
    pub writer: WriterOptions,
}

/// Log records in any database.
#[derive(Debug)]
pub struct Logs {
    store: Store,
    writer: Writer<LogRecord>,
}

impl Logs {
    /// Starts a writer on a store whose tables are there.
    ///
    /// # Errors
    ///
    /// The database could not be asked about the table's chunks.
    pub async fn new(store: Store, options: LogsOptions) -> Result<Self> {
        let writer = store.writer_with(options.writer, None).await?;
        Ok(Self { store, writer })
    }
}
