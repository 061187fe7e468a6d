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
    /// No span of this row id is stored.
    #[error("there is no span {id}: none of its trace has this row id, or it has expired")]
    SpanNotFound {
        /// The id that was asked for.
        id: annals_record::Uuid,
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
    /// A metric or a point of one cannot be as it is.
    #[error("of a metric, {0}")]
    Metric(#[from] crate::metric::MetricError),
    /// No metric of this name is stored.
    #[error("there is no metric {name:?}{narrowed}: it never came, or has expired")]
    MetricNotFound {
        /// The name that was asked for.
        name: String,
        /// What else was asked for, as words behind the name.
        narrowed: String,
    },
    /// A name is that of several metrics whose values cannot be mixed.
    #[error(
        "{name:?} is the name of several metrics: {kinds}; say which by type, unit, or whether it is monotonic"
    )]
    SeveralMetrics {
        /// The name that was asked for.
        name: String,
        /// Which there are.
        kinds: String,
    },
    /// A question about metrics that cannot be answered as it is.
    #[error("{field} {problem}")]
    MetricQuestion {
        /// The part of the question.
        field: &'static str,
        /// What is wrong with it, and the way out.
        problem: String,
    },
    /// A question about what models were used for that cannot be answered.
    #[error("{what} {problem}")]
    Usage {
        /// What was asked for.
        what: &'static str,
        /// Why it cannot be, and the way out.
        problem: &'static str,
    },
    /// A log record, or a question for some, cannot be as it is.
    #[error("of a log record, {0}")]
    Log(#[from] crate::log::LogError),
    /// A record or a question that nothing can be or meet.
    #[error(transparent)]
    Invalid(#[from] crate::Invalid),
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
