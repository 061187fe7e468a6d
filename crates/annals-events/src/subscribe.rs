//! What is new, in order.

use std::sync::Arc;

use annals_store::{Names, Store};

use crate::{ConsumerGroup, Message, Place, Result, events::Inner};

/// News of a message: where it is, and nothing of what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poke {
    /// Its stream.
    pub stream: Arc<str>,
    /// Where it stands.
    pub place: Place,
}

/// What to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// A stream, from a position of it on.
    Stream {
        /// Its name.
        stream: String,
        /// The first position.
        from: i64,
    },
    /// A category, or one member's part of it, from a position of the namespace on.
    Category {
        /// Its name.
        category: String,
        /// The first position.
        from: i64,
        /// Whose part.
        group: Option<ConsumerGroup>,
    },
    /// Everything, from a position of the namespace on.
    All {
        /// The first position.
        from: i64,
    },
    /// Everything that comes from now on, with positions from that one on.
    Live {
        /// The first position.
        from: i64,
    },
}

/// Follows a selection.
#[derive(Debug)]
pub struct Subscription {}

impl Subscription {
    pub(crate) fn new(inner: &Arc<Inner>, selection: Selection) -> Self {
        todo!()
    }

    /// The next news, as soon as there are any: at least one, in the order of their places.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// The database failed; asking again goes on where it stopped.
    pub async fn pokes(&mut self) -> Result<Vec<Poke>> {
        todo!()
    }

    /// The next messages, as soon as there are any: at least one, in order.
    ///
    /// # Errors
    ///
    /// The database failed; asking again goes on where it stopped.
    pub async fn messages(&mut self) -> Result<Vec<Message>> {
        todo!()
    }
}

/// Brings news from sequencers of this process, and of other servers, to tails.
#[derive(Debug)]
pub(crate) struct Exchange {}

impl Exchange {
    pub(crate) fn start(store: &Store) -> Self {
        Self {}
    }

    pub(crate) fn tail(&self, store: &Store, names: &Names) -> Tail {
        Tail {}
    }
}

/// The end of a namespace, where its news come from.
#[derive(Clone, Debug)]
pub(crate) struct Tail {}

impl Tail {
    /// A sequencer of this process has committed these, in order.
    pub(crate) fn committed(&self, pokes: Vec<Poke>) {
    }
}
