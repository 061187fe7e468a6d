//! What goes wrong, in words for a terminal: what, why, and the way out.

use std::path::PathBuf;

use annals_server::bars::csv::{Column, CsvError, TimeError};

use crate::trace::error::TraceError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Store(#[from] annals_store::Error),
    #[error(transparent)]
    Telemetry(#[from] annals_telemetry::Error),
    #[error(transparent)]
    Market(#[from] annals_market::Error),
    #[error(transparent)]
    Events(#[from] annals_events::Error),
    #[error(transparent)]
    Deploy(#[from] annals_deploy::Error),
    #[error(transparent)]
    Server(#[from] annals_server::Error),
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error(
        "there is no workspace yet: its first trace makes one, and so does `annals workspaces create`"
    )]
    NoWorkspaceYet,
    #[error(
        "there are several workspaces, {0}: say which by --workspace or ANNALS_WORKSPACE; `annals workspaces list` shows all"
    )]
    WhichWorkspace(String),
    #[error("--demo-rate is {0}, but must be a number above 0 and up to 100")]
    DemoRate(f64),
    #[error("cannot read {path}", path = path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("line {line} of {path} {problem}; nothing of this line was imported, and the lines before it are in the database", path = path.display())]
    Line {
        path: PathBuf,
        line: u64,
        problem: String,
    },
    #[error("cannot import {path}", path = path.display())]
    Csv { path: PathBuf, source: CsvError },
    #[error("cannot write {path}", path = path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{flag} cannot be used")]
    Time {
        flag: &'static str,
        source: TimeError,
    },
    #[error(transparent)]
    Prices(#[from] annals_telemetry::cost::PriceError),
    #[error("--until is not after --since: give the earlier time to --since")]
    UntilBeforeSince,
    #[error("--end is before --start: give the earlier time to --start")]
    EndBeforeStart,
    #[error("--until is before --from: give the earlier time to --from")]
    UntilBeforeFrom,
    #[error("--column names {0} twice: say once which column of the file it is")]
    ColumnTwice(Column),
    #[error(
        "an export is CSV: give --out FILE to have it there and a report in JSON, or leave --json out"
    )]
    ExportInJson,
    #[error(
        "a chunk is written as CSV: give --output FILE to have it there and a report in JSON, or leave --json out"
    )]
    ChunkInJson,
    #[error("{path} is there already: name another file, or say --force to replace it", path = path.display())]
    FileExists { path: PathBuf },
    #[error(
        "{0} is no address of a server: write http://HOST:PORT or https://HOST, and no password in it"
    )]
    ServerUrl(&'static str),
    #[error("the server cannot be reached, or went away")]
    Http(#[source] reqwest::Error),
    #[error("the server says no, with status {status}: {told}")]
    Refused { status: u16, told: String },
    #[error("the server's answer cannot be understood")]
    Unreadable(#[source] serde_json::Error),
    #[error("the server's answer is none of an event store: places do not grow, or a time is none")]
    NoProgress,
    #[error("no category is called {0:?}: its name ends before the first - of a stream's name")]
    NoCategory(String),
    #[error(
        "lines of JSON are what an export is anyway: give --output FILE to have it there and a report in JSON, or leave --json out"
    )]
    EventsInJson,
    #[error(
        "with what is imported on standard input nobody can be asked whether to delete what is there: name the file with --input, or say --yes"
    )]
    ForceFromStandardInput,
    #[error(
        "the server ended the import{place}: {told}; {imported} message(s) of batches before that are imported"
    )]
    ImportRefused {
        place: String,
        told: String,
        imported: u64,
    },
    #[error(
        "the server went away before the import's end; it told of {imported} imported message(s), and may have more"
    )]
    ImportCut { imported: u64 },
    #[error("there is no dead letter {0}; `annals dead-letters list` shows those that there are")]
    NoSuchLetter(annals_record::Uuid),
    #[error(
        "table {0:?} belongs to no family of this program: replay its dead letters in the program that derives its record, with Writer::replay"
    )]
    ForeignTable(String),
    #[error("not done; say --yes to do it without being asked")]
    NotConfirmed,
    #[error("cannot print")]
    Print(#[from] std::io::Error),
    #[error("cannot print as JSON")]
    Json(#[from] serde_json::Error),
}

/// An error's message with those of its causes that it does not repeat.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text += &format!(": {message}");
        }
        cause = error.source();
    }
    text
}

impl From<annals_store::ConfigError> for CliError {
    fn from(error: annals_store::ConfigError) -> Self {
        Self::Store(error.into())
    }
}

impl CliError {
    /// The message, its causes, and what to do where that is known.
    pub(crate) fn report(&self) -> String {
        let mut text = with_causes(self);
        if let Some(way_out) = self.way_out() {
            text += &format!("\n  {way_out}");
        }
        text
    }

    fn way_out(&self) -> Option<&'static str> {
        let store = match self {
            Self::Csv {
                source: CsvError::Missing { .. } | CsvError::Duplicate { .. },
                ..
            } => {
                return Some(
                    "--column timestamp=Day says which column of the file is meant, --symbol AAPL gives every row one symbol",
                );
            }
            Self::Csv {
                source: CsvError::Uncut { .. },
                ..
            } => {
                return Some(
                    "--delimiter ';' says what stands between fields, --delimiter tab is a tab",
                );
            }
            Self::Refused {
                status: 401 | 403, ..
            } => {
                return Some("give the namespace's token by EVENTODB_TOKEN or --token");
            }
            Self::Events(annals_events::Error::NamespaceNotFound { .. }) => {
                return Some(
                    "annals events namespaces lists those that there are, annals events create makes one",
                );
            }
            Self::Store(error)
            | Self::Events(annals_events::Error::Store(error))
            | Self::Deploy(annals_deploy::Error::Store(error))
            | Self::Market(annals_market::Error::Store(error))
            | Self::Telemetry(annals_telemetry::Error::Store(error))
            | Self::Server(
                annals_server::Error::Store(error)
                | annals_server::Error::Events(annals_events::Error::Store(error))
                | annals_server::Error::Telemetry(annals_telemetry::Error::Store(error)),
            ) => error,
            _ => return None,
        };
        let code = match store {
            annals_store::Error::Write(annals_store::WriteError::Stopped { cause, .. }) => {
                cause.code()
            }
            other => other.code(),
        };
        match code.as_deref() {
            // undefined table; SQLite says only "SQL logic error" (1) for a missing table
            Some("42P01" | "SQLITE_1") => {
                Some("if the tables are not there yet, make them: annals migrate up")
            }
            // insufficient privilege
            Some("42501") => Some(
                "connect as the owner of the tables, or have the owner grant this user what is missing",
            ),
            Some("28P01") => Some(
                "check DB_USER and DB_PASSWORD, or the password in DATABASE_URL (write @ as %40)",
            ),
            Some("28000") => Some(
                "the server refuses this user, host or encryption: check pg_hba.conf and DB_SSL_MODE",
            ),
            Some("3D000") => Some("check DB_NAME, or make the database: createdb NAME"),
            _ if matches!(store, annals_store::Error::Connect { .. }) => {
                Some("is the server running, and are DATABASE_URL or DB_HOST and DB_PORT right?")
            }
            _ => None,
        }
    }
}
