//! What can go wrong with deployment traces.

use crate::{SpanError, TokenError, WorkspaceId};

/// The result of anything that this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with deployment traces.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recorder has nowhere to persist to.
    #[error(
        "no persistence store configured: give the recorder a store when it is made, or give one to `persist_to`"
    )]
    NoStore,
    /// Persisting took longer than it may; what was on its way may still arrive.
    #[error("the trace was not persisted within {seconds} s; it can be persisted again")]
    PersistTimedOut {
        /// How long it may take.
        seconds: u64,
    },
    /// A text that is no id of a workspace.
    #[error("the workspace id {text:?} is no UUID such as 7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e")]
    NoWorkspaceId {
        /// The text, shortened.
        text: String,
    },
    /// There is no such workspace.
    #[error(
        "there is no workspace {workspace}; make it first, or let workspaces be made on first use"
    )]
    NoSuchWorkspace {
        /// Which.
        workspace: WorkspaceId,
    },
    /// No span of this trace is stored in this workspace.
    #[error(
        "there is no trace {trace_id:?} in workspace {workspace}: no span of it was stored, or it has expired"
    )]
    NoSuchTrace {
        /// The trace.
        trace_id: String,
        /// Where it was looked for.
        workspace: WorkspaceId,
    },
    /// A span cannot be taken; nothing of its batch was stored.
    #[error("{0}; nothing of this batch was stored")]
    Span(#[from] SpanError),
    /// More spans at once than one transaction may have.
    #[error(
        "{spans} spans of {bytes} bytes are more than are written together, which is 10,000 and 16 MiB; send them in parts"
    )]
    TooManySpans {
        /// How many came.
        spans: usize,
        /// Roughly how large they are.
        bytes: usize,
    },
    /// A trace that belongs to another workspace, or is not a continuation of the token's.
    #[error("the trace {trace_id:?} is somebody else's; nothing of this batch was stored")]
    ForeignTrace {
        /// Which.
        trace_id: String,
    },
    /// A span under a token that would take the place of one of the trace that it continues.
    #[error(
        "the span {span_id:?} of trace {trace_id:?} is there already and is not the token's to change; nothing of this batch was stored"
    )]
    ForeignSpan {
        /// The trace.
        trace_id: String,
        /// Which.
        span_id: String,
    },
    /// A trace token was refused.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A question that cannot be asked.
    #[error("{field} {needs}")]
    Question {
        /// What was asked for.
        field: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] annals_store::Error),
}

impl From<annals_store::WriteError> for Error {
    fn from(error: annals_store::WriteError) -> Self {
        Self::Store(error.into())
    }
}

impl From<annals_store::Refusal> for Error {
    fn from(refusal: annals_store::Refusal) -> Self {
        Self::Store(refusal.into())
    }
}
