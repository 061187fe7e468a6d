//! What can go wrong, with its cause, and whether trying again helps.

mod action;

use std::{fmt, sync::Arc};

use annals_record::{DecodeError, PayloadError};

pub use action::Action;

use crate::{capabilities::Edition, config::ConfigError, migrate::MigrationError};

/// The result of anything that this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No connection to the database.
    #[error("cannot connect to {target}")]
    Connect {
        /// Which database, without secrets.
        target: String,
        /// What the driver said.
        source: DriverError,
    },
    /// A statement failed.
    #[error("{doing} failed")]
    Statement {
        /// What was being done.
        doing: &'static str,
        /// What the driver said.
        source: DriverError,
    },
    /// An attempt took longer than it may.
    #[error("{doing} got no answer in time")]
    TimedOut {
        /// What was being done.
        doing: &'static str,
    },
    /// A stored row is not a record of the type that was asked for.
    #[error("a row of {table:?} cannot be read")]
    Decode {
        /// The table.
        table: &'static str,
        /// Which column, and why.
        source: DecodeError,
    },
    /// A record that no row of its table can hold, found before anything was written.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A table refused a row of those that were to be written together or not at all.
    #[error("row {row} of those for {table:?} was refused: {reason}")]
    RowRefused {
        /// The table.
        table: &'static str,
        /// Which, counted from 0.
        row: usize,
        /// What the database said.
        reason: String,
        /// Its SQLSTATE, or SQLite's code.
        code: Option<String>,
    },
    /// Migrating failed.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// A table that should be there is not.
    #[error("there is no table {table:?}; make it with `annals migrate up`")]
    TableMissing {
        /// The table.
        table: String,
    },
    /// A table is there and does not fit its record.
    #[error(
        "table {table:?} does not fit its record: {difference}; migrate it, or rename one of them"
    )]
    TableMismatch {
        /// The table.
        table: String,
        /// The first difference.
        difference: String,
    },
    /// The backend cannot do this.
    #[error("{feature} needs {needs}, and this is {edition}; {way_out}")]
    Unsupported {
        /// What was asked for.
        feature: &'static str,
        /// What it needs.
        needs: &'static str,
        /// What the server is.
        edition: Edition,
        /// What to do.
        way_out: &'static str,
    },
    /// Something about the life of a table was refused.
    #[error(transparent)]
    Lifecycle(Box<crate::lifecycle::LifecycleError>),
    /// What a family could not do when it was asked for something about its tables.
    #[error(transparent)]
    Family(Box<dyn std::error::Error + Send + Sync>),
    /// A cursor does not belong to this query.
    #[error(
        "the cursor {problem}; take the cursor from the page before, with the same filters and order"
    )]
    Cursor {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A value that no row can hold was asked for.
    #[error("{value} was asked for, which no row of this database can hold; ask for another")]
    Operand {
        /// What kind of value.
        value: &'static str,
    },
    /// A dead letter cannot be read.
    #[error("dead letter {id} cannot be read")]
    Payload {
        /// Which one.
        id: uuid::Uuid,
        /// Why.
        source: PayloadError,
    },
    /// A dead letter was given to the writer of another table.
    #[error(
        "dead letter {id} is of table {table:?}, and this writer's is {expected:?}; replay it with the writer of its table"
    )]
    ForeignLetter {
        /// Which one.
        id: uuid::Uuid,
        /// The table to which it belongs.
        table: String,
        /// The writer's table.
        expected: &'static str,
    },
    /// The writer did not take, or gave back, what was to be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why a writer did not take records, or gave them back. Cheap to clone: one failed batch answers
/// many waiting callers.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The queue has no room, and the policy is to say so.
    #[error("queue full: {held_rows} rows are held and {limit_rows} may be; try again shortly")]
    QueueFull {
        /// Rows held, in flight included.
        held_rows: usize,
        /// Rows that may be held.
        limit_rows: usize,
    },
    /// More in one request than the queue can ever hold.
    #[error(
        "one request of {rows} rows and {bytes} bytes is more than the queue holds; send it in parts or raise the limits"
    )]
    TooLarge {
        /// Rows in the request.
        rows: usize,
        /// Their estimated size in bytes.
        bytes: usize,
    },
    /// The writer is shutting down, so nothing of this was taken.
    #[error("the writer is shutting down")]
    Closed,
    /// The writer began to shut down in the middle of a large request.
    #[error(
        "the writer is shutting down: of this request {committed} rows were committed, {parked} parked and {refused} not taken"
    )]
    CutShort {
        /// Rows of the request that were committed.
        committed: usize,
        /// Rows of the request that were parked.
        parked: usize,
        /// Rows of the request that were not taken.
        refused: usize,
    },
    /// The writer stopped at its deadline before the outcome was known.
    #[error("the writer stopped at its deadline before {rows} rows were known to be committed")]
    Lost {
        /// Rows whose fate is unknown.
        rows: usize,
    },
    /// The oldest waiting rows made room for newer ones, as the drop-oldest policy says.
    #[error("{rows} rows were dropped to make room, as the drop-oldest policy says")]
    Dropped {
        /// How many.
        rows: usize,
    },
    /// Rows that were to be written together or not at all were refused.
    #[error("none of {rows} rows was written: {cause}")]
    Refused {
        /// How many there were.
        rows: usize,
        /// What the database said.
        #[source]
        cause: Arc<Error>,
    },
    /// The database will not take rows like these until somebody changes something.
    #[error(
        "nothing can be written until this is put right: {cause}; of this request {committed} rows were committed and {parked} parked"
    )]
    Stopped {
        /// Rows of the request that were committed before.
        committed: usize,
        /// Rows of the request that were parked before.
        parked: usize,
        /// What the database said.
        #[source]
        cause: Arc<Error>,
    },
}

/// A record that no row of its table can hold on this backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column:?} of {table:?} {reason}")]
pub struct Refusal {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// What it cannot hold, as the rest of a sentence.
    pub reason: &'static str,
}

/// What a database driver said.
#[derive(Debug)]
#[non_exhaustive]
pub enum DriverError {
    /// PostgreSQL or TimescaleDB.
    Postgres(sqlx::Error),
    /// SQLite.
    Sqlite(rusqlite::Error),
    /// The thread that owns an SQLite connection is gone.
    SqliteClosed,
}

impl From<sqlx::Error> for DriverError {
    fn from(error: sqlx::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<rusqlite::Error> for DriverError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The driver would add the line of the server's own source file.
            Self::Postgres(sqlx::Error::Database(error)) => match error.code() {
                Some(code) => write!(f, "{} (SQLSTATE {code})", error.message()),
                None => f.write_str(error.message()),
            },
            Self::Postgres(error) => error.fmt(f),
            Self::Sqlite(error) => error.fmt(f),
            Self::SqliteClosed => f.write_str("the SQLite connection is closed"),
        }
    }
}

impl std::error::Error for DriverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // What the server said is this error's own message.
            Self::Postgres(sqlx::Error::Database(_)) | Self::SqliteClosed => None,
            Self::Postgres(error) => error.source(),
            Self::Sqlite(error) => error.source(),
        }
    }
}

impl DriverError {
    /// The five-character SQLSTATE, or `SQLITE_<extended code>`.
    #[must_use]
    pub fn code(&self) -> Option<String> {
        match self {
            Self::Postgres(sqlx::Error::Database(error)) => {
                error.code().map(|code| code.into_owned())
            }
            Self::Sqlite(rusqlite::Error::SqliteFailure(error, _)) => {
                Some(format!("SQLITE_{}", error.extended_code))
            }
            _ => None,
        }
    }

    /// What a writer does about it.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::Postgres(error) => action::for_postgres(error),
            Self::Sqlite(error) => action::for_sqlite(error),
            Self::SqliteClosed => Action::Stop,
        }
    }

    /// Bytes came, and are not what they should be: how a refused certificate shows.
    fn is_invalid_data(&self) -> bool {
        matches!(self, Self::Postgres(sqlx::Error::Io(error))
            if error.kind() == std::io::ErrorKind::InvalidData)
    }
}

impl Error {
    /// Names what was being done when a driver failed: `.map_err(Error::statement("reading heads"))`.
    pub fn statement<E: Into<DriverError>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Statement {
            doing,
            source: source.into(),
        }
    }

    /// Whether the same call may succeed when it is made again, with nothing else changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Write(WriteError::QueueFull { .. })) || self.action() == Action::Retry
    }

    /// Whether the database could not be reached, as opposed to what it answers.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        match self {
            Self::TimedOut { .. } => true,
            Self::Connect { .. } | Self::Statement { .. } if self.action() == Action::Retry => {
                // Connection exceptions, shutdowns, and no room for another connection.
                self.code().is_none_or(|code| {
                    code.starts_with("08") || code.starts_with("57P") || code == "53300"
                })
            }
            _ => false,
        }
    }

    /// What a writer does about it.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            // A certificate that is not to be trusted is none the next time either.
            Self::Connect { source, .. } if source.is_invalid_data() => Action::Stop,
            Self::Connect { source, .. } | Self::Statement { source, .. } => source.action(),
            Self::TimedOut { .. } => Action::Retry,
            Self::Refused(_) | Self::RowRefused { .. } => Action::Isolate,
            _ => Action::Stop,
        }
    }

    /// The five-character SQLSTATE, or `SQLITE_<extended code>`, when a database gave one.
    #[must_use]
    pub fn code(&self) -> Option<String> {
        match self {
            Self::Connect { source, .. } | Self::Statement { source, .. } => source.code(),
            Self::RowRefused { code, .. } => code.clone(),
            _ => None,
        }
    }

    /// The message with the messages of its causes, for one line of a log or a terminal.
    #[must_use]
    pub fn report(&self) -> String {
        report(self)
    }
}

/// An error's message with the messages of its causes.
pub(crate) fn report(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
