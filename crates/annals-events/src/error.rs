//! What can go wrong with events.

use std::sync::Arc;

use annals_record::JsonError;
use uuid::Uuid;

use crate::namespace::TokenError;

/// The result of anything that this crate does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with events.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A stream is not at the version that was expected; nothing was written.
    #[error(
        "stream {stream:?} is at version {actual} and {expected} was expected: read what is new and decide again"
    )]
    VersionConflict {
        /// The stream.
        stream: String,
        /// What was expected; -1 for no stream.
        expected: i64,
        /// Where it is; -1 when there is no such stream.
        actual: i64,
    },
    /// The id of a message is that of another message; nothing was written.
    #[error(
        "message id {id} was used for another message: a retry must repeat the stream, the type, the data and the metadata"
    )]
    IdConflict {
        /// The id.
        id: Uuid,
    },
    /// There is no such namespace.
    #[error("there is no namespace {id:?}: create it with ns.create")]
    NamespaceNotFound {
        /// The id.
        id: String,
    },
    /// The places of a namespace began anew while it was followed, so that the follower's mean nothing.
    #[error(
        "the places of namespace {id:?} began anew, for it was cleared or made again: follow it from its beginning"
    )]
    PlacesBeganAnew {
        /// The id.
        id: String,
    },
    /// A namespace of that id is there already.
    #[error("namespace {id:?} is there already")]
    NamespaceExists {
        /// The id.
        id: String,
    },
    /// A token of another namespace, or already in use.
    #[error("the token cannot be that of namespace {id:?}: {reason}")]
    TokenRefused {
        /// The namespace's id.
        id: String,
        /// Why, as the rest of a sentence.
        reason: &'static str,
    },
    /// Not a token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A message, or a question, that breaks a rule.
    #[error("{field} {problem}")]
    Invalid {
        /// What breaks it.
        field: &'static str,
        /// Which rule, as the rest of a sentence.
        problem: &'static str,
    },
    /// Data or metadata that are no document that a database holds.
    #[error("{field} cannot be stored")]
    Json {
        /// `data` or `metadata`.
        field: &'static str,
        /// Why.
        source: JsonError,
    },
    /// An imported message has the place or the id of one that is there.
    #[error("{what} is taken: import into an empty namespace, or clear it first")]
    PlaceTaken {
        /// Which place or id.
        what: String,
    },
    /// The database did not take the message in time. Whether it did is known to nobody; a retry with the
    /// same message id finds out.
    #[error(
        "the database did not answer in time: write again with the same message id, which writes nothing twice"
    )]
    OutcomeUnknown {
        /// What it said last.
        source: Option<Arc<annals_store::Error>>,
    },
    /// The store is closing.
    #[error("the event store is closing")]
    Closed,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] annals_store::Error),
}
