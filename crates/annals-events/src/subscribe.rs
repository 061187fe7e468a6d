//! What is new, in order, without a gap between what is stored and what comes.
//!
//! A subscription first joins the tail of its namespace and then reads what is stored: whatever was committed
//! before it joined is read, whatever was committed after comes, and what is both is left out the second time.
//! When it is too slow for the tail it reads again from where it is. So every message comes once and in
//! order, however fast anybody is.

mod checkpoint;
mod exchange;
mod look;
mod tail;
mod task;
mod window;

use std::sync::Arc;

use crate::{ConsumerGroup, Message, Place, Result, events::Inner, name};

pub use checkpoint::Checkpoint;
pub(crate) use exchange::Exchange;
pub(crate) use tail::Tail;

use tail::{Follower, News};
use window::{ANY_TIME, Placed, Window};

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

/// Follows a selection. It ends when it is dropped.
#[derive(Debug)]
pub struct Subscription {
    selection: Selection,
    follower: Follower,
    /// The first position that was not given yet: of the stream where a stream is followed, of the namespace
    /// otherwise.
    next: i64,
    phase: Phase,
}

/// Where what comes next is to be found.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nowhere yet: the tail has not begun.
    Joining,
    /// In the database, until it has no more.
    Stored,
    /// In the database, up to a position: the tail has told of it.
    Told { to: i64, since: i64 },
    /// At the tail.
    Live,
}

impl Subscription {
    pub(crate) fn new(inner: &Arc<Inner>, selection: Selection) -> Self {
        let from = match selection {
            Selection::Stream { from, .. }
            | Selection::Category { from, .. }
            | Selection::All { from }
            | Selection::Live { from } => from,
        };
        Self {
            selection,
            follower: inner.tail.follow(),
            next: from.max(0),
            phase: Phase::Joining,
        }
    }

    /// Waits until nothing can be missed: whatever any server commits after this comes.
    ///
    /// Only [`Selection::Live`] needs it, which has no other beginning, and there it may be left out too: the
    /// first [`pokes`](Self::pokes) does the same. What this process commits is never missed after the
    /// subscription was made.
    ///
    /// # Errors
    ///
    /// There is no such namespace any more, or the database failed.
    pub async fn ready(&mut self) -> Result<()> {
        if !matches!(self.phase, Phase::Joining) {
            return Ok(());
        }
        let joined_at = self.follower.open().await?;
        self.phase = match self.selection {
            Selection::Live { .. } => {
                self.next = self.next.max(joined_at.saturating_add(1));
                Phase::Live
            }
            _ => Phase::Stored,
        };
        Ok(())
    }

    /// The next news, as soon as there are any: at least one, in the order of their places.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// The database failed; asking again goes on where it stopped. There is nothing more when the namespace
    /// was deleted ([`Error::NamespaceNotFound`](crate::Error::NamespaceNotFound)) or its places began anew
    /// ([`Error::PlacesBeganAnew`](crate::Error::PlacesBeganAnew)).
    pub async fn pokes(&mut self) -> Result<Vec<Poke>> {
        self.ready().await?;
        loop {
            let pokes = match self.phase {
                Phase::Live => match self.follower.next().await? {
                    Some(news) => {
                        let pokes = self.wanted(&news.pokes).cloned().collect();
                        self.pass(&news.pokes);
                        pokes
                    }
                    None => {
                        self.phase = Phase::Stored;
                        continue;
                    }
                },
                _ => self.read().await?,
            };
            if !pokes.is_empty() {
                return Ok(pokes);
            }
        }
    }

    /// The next messages, as soon as there are any: at least one, in order.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// As [`pokes`](Self::pokes).
    pub async fn messages(&mut self) -> Result<Vec<Message>> {
        self.ready().await?;
        loop {
            if !matches!(self.phase, Phase::Live) {
                let messages = self.read().await?;
                if !messages.is_empty() {
                    return Ok(messages);
                }
                continue;
            }
            let mut news = Some(self.follower.next().await?);
            // What waits is read together.
            while let Some(some) = news {
                match some {
                    Some(some) => self.hear(&some),
                    None => self.phase = Phase::Stored,
                }
                news = self.follower.try_next();
            }
        }
    }

    /// Hears of news whose messages are to be read.
    fn hear(&mut self, news: &News) {
        let last = self.wanted(&news.pokes).last();
        let last = last.map(|poke| self.selection.position(poke.place));
        match (self.phase, last) {
            (Phase::Live, None) => self.pass(&news.pokes),
            (Phase::Live, Some(to)) => {
                let since = news.since;
                self.phase = Phase::Told { to, since };
            }
            (Phase::Told { since, .. }, Some(to)) => {
                let since = since.min(news.since);
                self.phase = Phase::Told { to, since };
            }
            // All that is stored is read anyway.
            (Phase::Told { .. } | Phase::Stored | Phase::Joining, _) => {}
        }
    }

    /// Reads a page from the database.
    async fn read<T: Placed>(&mut self) -> Result<Vec<T>> {
        let (to, since) = match self.phase {
            Phase::Told { to, since } => (to, since),
            _ => (i64::MAX, ANY_TIME),
        };
        let window = Window {
            from: self.next,
            to,
            since,
        };
        let tail = &self.follower.tail.0;
        let read = self.selection.read(&tail.store, &tail.names, window).await;
        let page = match read {
            Ok(page) => page,
            Err(error) => return Err(tail.explain(error).await),
        };
        let last = page.found.last();
        let behind = last.map(|last: &T| self.selection.position(last.place()).saturating_add(1));
        match page.next {
            Some(next) => self.next = next,
            None => {
                self.next = self.next.max(behind.unwrap_or(0));
                if let Phase::Told { to, .. } = self.phase {
                    self.next = self.next.max(to.saturating_add(1));
                }
                self.phase = Phase::Live;
            }
        }
        Ok(page.found)
    }

    /// Those of the tail's news that are followed and were not given yet.
    fn wanted<'a>(&'a self, pokes: &'a [Poke]) -> impl Iterator<Item = &'a Poke> {
        pokes.iter().filter(|poke| {
            self.selection.includes(&poke.stream)
                && self.selection.position(poke.place) >= self.next
        })
    }

    /// Whatever there was to give of these was given.
    fn pass(&mut self, pokes: &[Poke]) {
        let last = match self.selection {
            Selection::Stream { .. } => self.wanted(pokes).last(),
            _ => pokes.last(),
        };
        let last = last.map(|poke| self.selection.position(poke.place));
        self.next = self.next.max(last.map_or(0, |last| last.saturating_add(1)));
    }
}

impl Selection {
    /// Whether it includes a stream.
    fn includes(&self, stream: &str) -> bool {
        match self {
            Self::Stream { stream: only, .. } => only == stream,
            Self::Category {
                category, group, ..
            } => {
                (category.is_empty() || name::category(stream) == category)
                    && group.is_none_or(|group| group.reads(stream))
            }
            Self::All { .. } | Self::Live { .. } => true,
        }
    }
}
