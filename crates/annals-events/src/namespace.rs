//! Namespaces: which there are, who may reach them, and which schema keeps their tables.

mod layout;
mod registry;
mod schema;
mod schema_name;
mod token;

use annals_record::TimestampMicros;

pub use token::{Token, TokenError};

pub(crate) use layout::MESSAGES;
pub(crate) use registry::{Entry, create_registry, find, list, renew_token};
pub(crate) use schema::{create, delete};
pub(crate) use schema_name::{is_of_hypertables, schema_name};

/// A namespace that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNamespace {
    /// Its id: any text that is not empty.
    pub id: String,
    /// What it is for.
    pub description: String,
    /// Who may reach it; a random one is made when there is none.
    pub token: Option<Token>,
}

impl NewNamespace {
    /// A namespace with a random token.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            description: String::new(),
            token: None,
        }
    }

    /// With a description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// With a given token, which must be of this namespace.
    #[must_use]
    pub fn with_token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }
}

/// A namespace as the listing tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceSummary {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub description: String,
    /// When it was made, in whole seconds.
    pub created_at: TimestampMicros,
    /// Messages that it keeps.
    pub message_count: i64,
}

/// A namespace and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceInfo {
    /// As the listing tells it.
    pub summary: NamespaceSummary,
    /// Streams that were ever written, those included whose messages were all dropped.
    pub stream_count: i64,
    /// When the last message was written.
    pub last_activity: Option<TimestampMicros>,
}
