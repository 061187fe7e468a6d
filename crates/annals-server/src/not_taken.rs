//! Why a store did not take a request's rows, and when its client should come again.

use std::{fmt::Display, time::Duration};

use annals_record::Record;
use annals_store::{Error, WriteError, Writer};

/// When clients should come again while there is no room.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// When clients should come again while the database is away. OpenTelemetry's Python SDK comes six times
/// and then gives up, so that this times five is the absence that it outlives.
const AWAY_RETRY: Duration = Duration::from_secs(8);

/// An absence shorter than this is waited out.
const BLINK: Duration = Duration::from_secs(1);

/// Why nothing of a request was taken, or nobody can say that it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTaken {
    #[error("this server holds as much as it may; send the same again in {} s", .retry_after.as_secs())]
    Busy { retry_after: Duration },
    #[error(
        "the database did not commit in time; send the same again in {} s, nothing is written twice",
        .retry_after.as_secs()
    )]
    Away { retry_after: Duration },
    #[error(
        "the database did not commit in time, and may have merged some of the bars: look at them \
         before you send them again in {} s, since a merged bar is added twice where others were \
         merged in between",
        .retry_after.as_secs()
    )]
    Merged { retry_after: Duration },
    #[error("this server is stopping; send the same again in {} s", .retry_after.as_secs())]
    Stopping { retry_after: Duration },
    #[error("a request of {rows} rows is more than this server holds; send it in parts")]
    TooLarge { rows: usize },
}

impl NotTaken {
    /// The database is away.
    pub(crate) fn away() -> Self {
        Self::Away {
            retry_after: AWAY_RETRY,
        }
    }

    /// The database is away, and who knows what it has merged.
    pub(crate) fn merged() -> Self {
        Self::Merged {
            retry_after: AWAY_RETRY,
        }
    }

    /// What the store said of so many rows.
    pub(crate) fn of(error: &Error, rows: usize) -> Self {
        let Error::Write(error) = error else {
            return Self::unexpected(error, rows);
        };
        match error {
            WriteError::QueueFull { .. } | WriteError::Dropped { .. } => Self::Busy {
                retry_after: BUSY_RETRY,
            },
            WriteError::TooLarge { .. } => Self::TooLarge { rows },
            WriteError::Closed | WriteError::CutShort { .. } => Self::Stopping {
                retry_after: AWAY_RETRY,
            },
            // What the database will not do until somebody changes something is the operator's, and
            // says too much of the inside for a client.
            WriteError::Stopped { cause, .. } => {
                tracing::error!(rows, error = cause.report(), "rows were not written");
                Self::away()
            }
            _ => Self::away(),
        }
    }

    /// An error that is none of the store's.
    pub(crate) fn unexpected(error: &dyn Display, rows: usize) -> Self {
        tracing::error!(rows, %error, "rows were not written");
        Self::away()
    }
}

/// Whether waiting for a writer would be in vain. Rows that are held find out when it ends; without any,
/// the next request does.
pub(crate) fn is_away<R: Record>(writer: &Writer<R>) -> bool {
    writer.held() > 0 && writer.away_for().is_some_and(|time| time > BLINK)
}
