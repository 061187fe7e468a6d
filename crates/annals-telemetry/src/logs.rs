//! The store of log records.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`search`] | which records to find, and pages of them |
//! | [`follow`] | records as they come, each once and none left out |
//! | [`counts`] | how many there were by service and severity, by time |

pub mod counts;
pub mod follow;
pub mod search;

use std::{sync::Arc, time::Duration};

use annals_record::{Timestamp, Uuid};
use annals_store::{ArrivalCursor, Lifecycle, Store, Writer, WriterOptions, WriterReport, Written};
use tokio::sync::watch;

pub use counts::{LogCount, LogCounts};
pub use follow::{LogFollower, NewLogs};
pub use search::{LogFilter, LogOrder, LogPage};

use crate::{LogRecord, Result, life, log::ERROR};

/// How log records are written.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LogsOptions {
    /// The writer.
    pub writer: WriterOptions,
}

impl LogsOptions {
    /// With another writer.
    #[must_use]
    pub fn with_writer(mut self, writer: WriterOptions) -> Self {
        self.writer = writer;
        self
    }
}

/// Log records in any database.
#[derive(Debug)]
pub struct Logs {
    store: Store,
    writer: Writer<LogRecord>,
    /// Changes whenever records were written here: who follows looks at once.
    written: Arc<watch::Sender<()>>,
}

impl Logs {
    /// Starts a writer on a store whose tables are there.
    ///
    /// # Errors
    ///
    /// The database could not be asked about the table's chunks.
    pub async fn new(store: Store, options: LogsOptions) -> Result<Self> {
        let writer = store.writer_with(options.writer, None).await?;
        Ok(Self {
            store,
            writer,
            written: Arc::new(watch::Sender::new(())),
        })
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The writer, for tickets, replay and counts.
    #[must_use]
    pub fn writer(&self) -> &Writer<LogRecord> {
        &self.writer
    }

    /// What becomes of records as they age: chunks, compression, retention.
    #[must_use]
    pub fn lifecycle(&self) -> Lifecycle {
        self.store.lifecycle(life::logs(self.store.names()))
    }

    /// Writes records; answers once each is committed or parked, and tells both counts. A record that is there already,
    /// by its time to the microsecond and its id, stays as it is.
    ///
    /// # Errors
    ///
    /// A record cannot be ([`LogRecord::check`]), and nothing was written; or the store failed.
    pub async fn write(&self, records: Vec<LogRecord>) -> Result<Written> {
        for record in &records {
            record.check()?;
        }
        let written = self.writer.write(records).await;
        // A failure may have come after the commit.
        self.written.send_replace(());
        Ok(written?)
    }

    /// The same, by the name that it has beside `insert_spans` and `insert_metrics`.
    ///
    /// # Errors
    ///
    /// As [`Logs::write`].
    pub async fn insert_logs(&self, records: Vec<LogRecord>) -> Result<Written> {
        self.write(records).await
    }

    /// The record of a time, to the microsecond, and an id.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn get(&self, timestamp: Timestamp, id: Uuid) -> Result<Option<LogRecord>> {
        search::get(&self.store, timestamp, id).await
    }

    /// The records that match.
    ///
    /// # Errors
    ///
    /// A condition cannot be ([`Error::Log`](crate::Error::Log)), the cursor is of another question, or the database
    /// failed.
    pub async fn search(&self, filter: LogFilter) -> Result<LogPage> {
        search::search(&self.store, filter, Timestamp::now()).await
    }

    /// What was said in a trace, oldest first: the first page.
    ///
    /// # Errors
    ///
    /// As [`Logs::search`].
    pub async fn get_by_trace(&self, trace_id: &str) -> Result<LogPage> {
        let filter = LogFilter {
            trace_id: Some(trace_id.to_owned()),
            order: LogOrder::OldestFirst,
            limit: Some(search::MAX_LIMIT),
            ..LogFilter::default()
        };
        self.search(filter).await
    }

    /// Of what matches, what tells of an error or of something worse: severity 17 and above.
    ///
    /// # Errors
    ///
    /// As [`Logs::search`].
    pub async fn errors(&self, mut filter: LogFilter) -> Result<LogPage> {
        filter.severity = Some(filter.severity.unwrap_or(ERROR).max(ERROR));
        self.search(filter).await
    }

    /// How many records there were in a window, by service, severity and slice of time.
    ///
    /// # Errors
    ///
    /// The slices are none, or too many ([`Error::Log`](crate::Error::Log)); or the database failed.
    pub async fn counts(&self, asked: LogCounts) -> Result<Vec<LogCount>> {
        counts::count(&self.store, &asked).await
    }

    /// Where somebody begins who wants what is committed from now on.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn now(&self) -> Result<ArrivalCursor> {
        Ok(self.store.arrival_cursor::<LogRecord>().await?)
    }

    /// The records that match and come after a cursor, as they come: each once, and none left out, whatever times they
    /// have, whoever writes them, and however long that transaction takes. Of the filter, order, limit and cursor have no
    /// meaning here.
    ///
    /// # Errors
    ///
    /// A condition cannot be.
    pub fn follow(&self, filter: &LogFilter, from: ArrivalCursor) -> Result<LogFollower> {
        LogFollower::new(
            self.store.clone(),
            filter.conditions(None)?,
            from,
            self.written.subscribe(),
        )
    }

    /// Writes what is held, and reports; see [`Writer::shutdown`]. The store stays open for whoever
    /// shares it.
    pub async fn shutdown(&self, deadline: Duration) -> WriterReport {
        self.writer.shutdown(deadline).await
    }
}
