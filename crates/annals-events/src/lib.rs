//! The event store: messages in streams, on any backend.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`events`] | the way in: [`Events`] and its [`Namespace`]s |
//! | [`namespace`] | which namespaces there are, their tokens, the schema of each |
//! | [`name`] | streams, categories, cardinal ids, consumer groups |
//! | [`message`] | messages as they are written and as they are read |
//! | `sequencer` | appends: groups that are committed together, places in the order of commits |
//! | [`read`] | streams, categories, listings, counts |
//! | [`subscribe`] | what is new, in order, without a gap between what is stored and what comes |
//! | [`life`] | what becomes of messages as they age, and what stays |
//! | [`transfer`] | export and import with places, ids and times |
//! | [`upkeep`] | rebuilding heads, verifying, forgetting old ids |
//! | [`error`] | what can go wrong |
//!
//! This crate knows no protocol: what arrives by RPC has become an [`Append`] before it gets here.

pub mod error;
pub mod events;
pub mod life;
pub mod message;
pub mod name;
pub mod namespace;
pub mod read;
mod sequencer;
pub mod subscribe;
pub mod transfer;
pub mod upkeep;

pub use error::{Error, Result};
pub use events::{Events, EventsOptions, Namespace};
pub use message::{Append, Message, NewMessage, Place};
pub use name::ConsumerGroup;
pub use namespace::{NamespaceInfo, NamespaceSummary, NewNamespace, Token, TokenError};
pub use read::{CategoryEntry, CategoryQuery, From, StreamEntry, StreamList, StreamQuery};
pub use subscribe::{Checkpoint, Poke, Selection, Subscription};
pub use transfer::Record;
pub use upkeep::{Rebuilt, Verified};
