//! What can go wrong with a server for tests.

use std::fmt::Display;
use std::path::Path;
use std::process::Command;

/// Why there is no server. The text says what to install or to set, since it is read by somebody
/// whose test run has just failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// There is nothing to start.
    #[error("{0}")]
    Missing(String),
    /// A file or a program could not be used.
    #[error("{doing}: {reason}")]
    Io {
        /// What was attempted.
        doing: String,
        /// What the system said.
        reason: String,
    },
    /// The server did not start.
    #[error("PostgreSQL did not start: {reason}\n--- its log ends with ---\n{log}")]
    Start {
        /// In short.
        reason: String,
        /// The end of the server's log.
        log: String,
    },
    /// The server did not stop.
    #[error("PostgreSQL (process {pid}) did not stop within {seconds} s")]
    Stop {
        /// The postmaster.
        pid: u32,
        /// How long we waited.
        seconds: u64,
    },
    /// The call needs a running server, and this one was stopped or killed.
    #[error("this PostgreSQL is not running; `start_again` starts it")]
    NotRunning,
    /// The server answered with an error.
    #[error("{doing}: {reason}")]
    Database {
        /// What was attempted.
        doing: String,
        /// What the server said.
        reason: String,
    },
}

impl ServerError {
    pub(super) fn io(doing: impl Into<String>, reason: impl Display) -> Self {
        Self::Io {
            doing: doing.into(),
            reason: reason.to_string(),
        }
    }

    /// For `map_err` on a call that concerns one path.
    pub(super) fn path(doing: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::io(format!("{doing} {}", path.display()), error)
    }

    pub(super) fn database(doing: impl Into<String>, reason: impl Display) -> Self {
        Self::Database {
            doing: doing.into(),
            reason: reason.to_string(),
        }
    }
}

/// Runs `command` to its end and returns what it printed; a failure contains what it complained of.
pub(super) fn run(mut command: Command) -> Result<String, ServerError> {
    let doing = format!("run {:?}", command.get_program());
    let output = command
        .output()
        .map_err(|error| ServerError::io(&*doing, error))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(ServerError::io(
            doing,
            format!("{}: {}", output.status, complaint.trim()),
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
