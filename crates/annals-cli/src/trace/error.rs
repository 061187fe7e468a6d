//! What goes wrong with continuing a trace, each with its way out.

use std::path::PathBuf;

/// What goes wrong with continuing a trace.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TraceError {
    #[error("there is no trace token: set ANNALS_TRACE_TOKEN to the one that this job was given")]
    NoToken,
    #[error("{name} is no trace token: it holds a character that no token has")]
    TokenText { name: &'static str },
    #[error(
        "nobody says where to keep what is open between two commands: set HOME or XDG_STATE_HOME, or name a file by --state or ANNALS_TRACE_STATE"
    )]
    NoPlace,
    #[error("--{flag} {text:?} is no time: write 500ms, 30s, 5m, 1h or 7d")]
    NoDuration { flag: &'static str, text: String },
    #[error("a token is of a workspace: give its id by --workspace or ANNALS_WORKSPACE")]
    NoWorkspace,
    #[error("--{flag} is empty: give the id that the deployment engine recorded")]
    NoId { flag: &'static str },
    #[error("--life 0 is none: a token is valid for some time, such as 24h")]
    NoLife,
    #[error("cannot {what} {path}", path = path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{path} cannot be understood, and is left as it is: {problem}; delete it to go on without what it holds, or name another file by --state",
        path = path.display()
    )]
    Corrupt { path: PathBuf, problem: String },
    #[error(
        "{path} is of another token, and is left as it is: name another file by --state, or delete it when that job is over",
        path = path.display()
    )]
    OtherToken { path: PathBuf },
    #[error(
        "another command has held {path} for {seconds} s: end it, or name another file by --state",
        path = path.display()
    )]
    Busy { path: PathBuf, seconds: u64 },
    #[error("no action is open: `annals trace start NAME` begins one")]
    NothingOpen,
    #[error(
        "no action {id:?} is open: name one that `annals trace start` printed and that has not ended"
    )]
    NoSuchAction { id: String },
    #[error("the {what} has no name: give it one that is not empty")]
    NoName { what: &'static str },
    #[error(
        "action {name:?} has no room for this: all that is told of an action is at most 512 KiB; it is not added"
    )]
    NoRoom { name: String },
    #[error("the server refuses the token, with status {status}: {told}; {lost}")]
    TokenRefused {
        status: u16,
        told: String,
        lost: String,
    },
    #[error("the server cannot take {spans}, with status {status}: {told}; {} not kept, and what else there was is sent", if *.is_one { "it is" } else { "they are" })]
    SpansRefused {
        spans: String,
        is_one: bool,
        status: u16,
        told: String,
    },
    #[error(
        "the server at {url} takes no spans, with status {status}: {told}; is --url or ANNALS_URL right? {spans} kept in {path}: `annals trace flush` sends what is kept, and deleting the file forgets it",
        path = path.display()
    )]
    NoSuchServer {
        url: String,
        status: u16,
        told: String,
        spans: String,
        path: PathBuf,
    },
    #[error(
        "{spans} not delivered, as {why}; kept in {path}: `annals trace flush` sends what is kept",
        path = path.display()
    )]
    NotDelivered {
        spans: String,
        why: String,
        path: PathBuf,
    },
}
