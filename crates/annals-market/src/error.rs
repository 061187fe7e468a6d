//! What can go wrong with bars.

use crate::rollup::RollupError;

/// The result of anything that this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with bars.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A time zone that nobody knows.
    #[error(
        "{name:?} is no time zone: write a name of the IANA database, such as America/New_York"
    )]
    Zone {
        /// The name.
        name: String,
    },
    /// A timeframe that nobody knows.
    #[error("{text:?} is no timeframe: write 1m, 5m, 15m, 1h or 1d")]
    Timeframe {
        /// What was given.
        text: String,
    },
    /// A bar that is not part of a longer one.
    #[error(transparent)]
    Rollup(#[from] RollupError),
    /// A question that cannot be asked.
    #[error("{field} must be {needs}")]
    Question {
        /// The field.
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
