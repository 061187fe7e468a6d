//! What can go wrong with spans.

/// The result of anything that this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with spans.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No span of this trace is stored.
    #[error("there is no trace {trace_id:?}: no span of it was stored, or it has expired")]
    TraceNotFound {
        /// The id that was asked for.
        trace_id: String,
    },
    /// A single span was refused by its table; nothing was kept.
    #[error("the span was refused: {reason}; it is kept as a dead letter")]
    Parked {
        /// Why.
        reason: String,
    },
    /// A rule asks for something that cannot be.
    #[error("{field} must be {needs}")]
    Rule {
        /// The field of the rule.
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
