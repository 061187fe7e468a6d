//! The end of a namespace, where its news come from.
//!
//! News are published in the order of the namespace's places, each once. What the sequencer of this process
//! has committed is published as it is when it follows upon what was published before. Anything else, a place
//! that is missing in between or a word from another server, is a reason to look into the database, up to
//! where its counter is: places are handed out in the order of commits, so whoever has seen the counter sees
//! every message up to there.

use std::sync::{Arc, Mutex, OnceLock};

use annals_store::{Action, DriverError, Error as StoreError, Names, Store, sqlx};
use tokio::sync::{Notify, broadcast};

use super::{
    Poke,
    exchange::{Board, Hearing, lock},
    look,
    task::Task,
    window::{self, ANY_TIME, Counter},
};
use crate::{Error, Result, namespace};

/// Groups that a follower may be behind before it reads from the database instead.
const RING: usize = 64;

/// The end of a namespace. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Tail(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) names: Names,
    pub(super) id: String,
    board: Arc<Board>,
    /// There while somebody follows.
    feed: Mutex<Option<Feed>>,
}

/// News that were committed together, or read together.
#[derive(Debug)]
pub(super) struct News {
    pub(super) pokes: Vec<Poke>,
    /// None of them is older, in microseconds since 1970.
    pub(super) since: i64,
}

/// What its followers get, for as long as there are any.
#[derive(Debug)]
pub(super) struct Feed {
    sender: broadcast::Sender<Arc<News>>,
    state: State,
    course: Arc<Course>,
    /// A look is wanted.
    look: Arc<Notify>,
    /// From the opening on.
    _looking: Option<Task>,
    _hearing: Option<Arc<Hearing>>,
}

/// How a feed began, and how it ended.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// Everything behind this place is published.
    pub(super) opened_at: OnceLock<i64>,
    end: OnceLock<End>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    NamespaceGone,
    PlacesBeganAnew,
    StoreClosed,
}

#[derive(Debug)]
enum State {
    /// Nobody has asked where the namespace is. The first and the last place that this process has committed
    /// since are known.
    Opening {
        committed: Option<(i64, i64)>,
    },
    Open(Published),
}

/// Up to where everything is published.
#[derive(Clone, Copy, Debug)]
pub(super) struct Published {
    pub(super) global_position: i64,
    /// No message behind it is older, unless it was imported.
    pub(super) since: i64,
}

#[derive(Clone, Copy, Debug)]
enum JoinedAt {
    Place(i64),
    /// Where the feed opens, but behind this place.
    Opening {
        behind: i64,
    },
}

/// One who follows.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) tail: Tail,
    /// Always there until the end.
    receiver: Option<broadcast::Receiver<Arc<News>>>,
    pub(super) course: Arc<Course>,
    /// Everything behind this place is received.
    joined_at: JoinedAt,
}

impl Shared {
    pub(super) fn new(store: &Store, names: &Names, id: &str, board: Arc<Board>) -> Self {
        Self {
            store: store.clone(),
            names: names.clone(),
            id: id.to_owned(),
            board,
            feed: Mutex::default(),
        }
    }

    /// Something may be new.
    pub(super) fn look_soon(&self) {
        if let Some(feed) = &*lock(&self.feed) {
            feed.look.notify_one();
        }
    }

    /// Why a feed ended.
    pub(super) fn ended(&self, course: &Course) -> Error {
        let id = || self.id.clone();
        match course.end.get() {
            Some(End::NamespaceGone) => Error::NamespaceNotFound { id: id() },
            Some(End::PlacesBeganAnew) => Error::PlacesBeganAnew { id: id() },
            Some(End::StoreClosed) | None => Error::Closed,
        }
    }

    /// Whether an error means that there will never be anything more.
    pub(super) async fn end_of(&self, error: &Error) -> Option<End> {
        let Error::Store(error) = error else {
            return None;
        };
        if is_closed(error) {
            return Some(End::StoreClosed);
        }
        if error.action() == Action::Retry {
            return None;
        }
        match namespace::find(&self.store, &self.id).await {
            Ok(None) => Some(End::NamespaceGone),
            _ => None,
        }
    }

    /// The same as an error for the one who asked.
    pub(super) async fn explain(&self, error: Error) -> Error {
        match self.end_of(&error).await {
            Some(End::NamespaceGone) => Error::NamespaceNotFound {
                id: self.id.clone(),
            },
            Some(End::StoreClosed) => Error::Closed,
            _ => error,
        }
    }

    /// Ends a feed, if it is still that one.
    pub(super) fn end(&self, course: &Arc<Course>, end: End) {
        self.end_if(end, |feed| Arc::ptr_eq(&feed.course, course));
    }

    /// Ends whichever feed there is.
    fn end_any(&self, end: End) {
        self.end_if(end, |_| true);
    }

    fn end_if(&self, end: End, is_it: impl FnOnce(&mut Feed) -> bool) {
        let mut feed = lock(&self.feed);
        let ended = feed.take_if(is_it);
        if let Some(ended) = &ended {
            let _ = ended.course.end.set(end);
        }
        // Its task may be the one that is here, and its followers notice by it.
        drop(feed);
        drop(ended);
    }

    /// Up to where a feed has published; `None` when it has ended.
    pub(super) fn published(&self, course: &Arc<Course>) -> Option<Published> {
        match &*lock(&self.feed) {
            Some(Feed {
                state: State::Open(published),
                course: its,
                ..
            }) if Arc::ptr_eq(its, course) => Some(*published),
            _ => None,
        }
    }

    pub(super) fn with_open(&self, course: &Arc<Course>, change: impl FnOnce(&mut Feed)) {
        if let Some(feed) = &mut *lock(&self.feed)
            && Arc::ptr_eq(&feed.course, course)
        {
            change(feed);
        }
    }
}

fn is_closed(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Connect { source, .. } | StoreError::Statement { source, .. }
            if matches!(source, DriverError::SqliteClosed | DriverError::Postgres(sqlx::Error::PoolClosed))
    )
}

impl Feed {
    /// Publishes what is behind the last that was published. Never leaves out what lies between.
    pub(super) fn publish(&mut self, mut pokes: Vec<Poke>, since: i64) {
        let State::Open(published) = &mut self.state else {
            return;
        };
        pokes.retain(|poke| poke.place.global_position > published.global_position);
        if let Some(last) = pokes.last() {
            published.global_position = last.place.global_position;
            // Nobody listens any more: then the feed is about to end.
            let _ = self.sender.send(Arc::new(News { pokes, since }));
        }
    }

    /// Everything up to the counter is published.
    pub(super) fn seen(&mut self, counter: &Counter) {
        if let State::Open(published) = &mut self.state {
            published.global_position = published.global_position.max(counter.global_position);
            published.since = counter.time;
        }
    }
}

impl Tail {
    /// A sequencer of this process has committed these, in order.
    pub(crate) fn committed(&self, pokes: Vec<Poke>) {
        let (Some(first), Some(last)) = (pokes.first(), pokes.last()) else {
            return;
        };
        let (first, last) = (first.place.global_position, last.place.global_position);
        self.0.board.tell(&self.0.names);
        let mut feed = lock(&self.0.feed);
        let Some(feed) = &mut *feed else { return };
        match &mut feed.state {
            State::Opening { committed } => {
                let (known_first, known_last) = committed.unwrap_or((first, last));
                *committed = Some((known_first.min(first), known_last.max(last)));
            }
            State::Open(published) if first > published.global_position + 1 => {
                feed.look.notify_one();
            }
            State::Open(published) if last > published.global_position => {
                let since = published.since;
                feed.publish(pokes, since);
            }
            // Somebody has looked before the answer to the commit was here.
            State::Open(_) => {}
        }
    }

    /// This process has deleted the namespace.
    pub(crate) fn gone(&self) {
        self.0.end_any(End::NamespaceGone);
    }

    /// This process has cleared the namespace.
    pub(crate) fn began_anew(&self) {
        self.0.end_any(End::PlacesBeganAnew);
    }

    /// Follows from now on: what is committed in this process after this call comes.
    pub(super) fn follow(&self) -> Follower {
        let mut feed = lock(&self.0.feed);
        let feed = feed.get_or_insert_with(|| Feed {
            sender: broadcast::Sender::new(RING),
            state: State::Opening { committed: None },
            course: Arc::default(),
            look: Arc::default(),
            _looking: None,
            _hearing: None,
        });
        Follower {
            tail: self.clone(),
            receiver: Some(feed.sender.subscribe()),
            course: Arc::clone(&feed.course),
            joined_at: match &feed.state {
                State::Opening { committed } => JoinedAt::Opening {
                    behind: committed.map_or(0, |(_, last)| last),
                },
                State::Open(published) => JoinedAt::Place(published.global_position),
            },
        }
    }
}

impl Follower {
    /// Makes sure that everything behind a place is received, and gives the place.
    pub(super) async fn open(&self) -> Result<i64> {
        let shared = &self.tail.0;
        let joined_at = || match self.joined_at {
            JoinedAt::Place(place) => Some(place),
            JoinedAt::Opening { behind } => {
                let opened_at = self.course.opened_at.get();
                opened_at.map(|place| behind.max(*place))
            }
        };
        if let Some(place) = joined_at() {
            return Ok(place);
        }
        let counter = match window::counter(&shared.store, &shared.names).await {
            Ok(counter) => counter,
            Err(error) => return Err(shared.explain(error).await),
        };
        shared.with_open(&self.course, |feed| {
            let State::Opening { committed } = feed.state else {
                return;
            };
            // What this process has committed since somebody follows is news, though the counter knows it.
            let place = committed.map_or(counter.global_position, |(first, _)| {
                counter.global_position.min(first - 1)
            });
            feed.state = State::Open(Published {
                global_position: place,
                since: if place == counter.global_position {
                    counter.time
                } else {
                    ANY_TIME
                },
            });
            let _ = self.course.opened_at.set(place);
            feed._hearing = shared.board.hear();
            let looking = look::again_and_again(
                Arc::clone(shared),
                Arc::clone(&self.course),
                Arc::clone(&feed.look),
            );
            feed._looking = Some(Task::spawn(looking));
        });
        joined_at().ok_or_else(|| shared.ended(&self.course))
    }

    /// The next news; `None` when some were missed.
    pub(super) async fn next(&mut self) -> Result<Option<Arc<News>>> {
        let Some(receiver) = &mut self.receiver else {
            return Err(Error::Closed);
        };
        match receiver.recv().await {
            Ok(news) => Ok(Some(news)),
            Err(broadcast::error::RecvError::Lagged(_)) => Ok(None),
            Err(broadcast::error::RecvError::Closed) => Err(self.tail.0.ended(&self.course)),
        }
    }

    /// News that are there already, or word that some were missed.
    pub(super) fn try_next(&mut self) -> Option<Option<Arc<News>>> {
        match self.receiver.as_mut()?.try_recv() {
            Ok(news) => Some(Some(news)),
            Err(broadcast::error::TryRecvError::Lagged(_)) => Some(None),
            Err(_) => None,
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.receiver.take());
        // The last one puts the light out.
        let mut feed = lock(&self.tail.0.feed);
        let unheard = |feed: &mut Feed| feed.sender.receiver_count() == 0;
        let feed = feed.take_if(unheard);
        drop(feed);
    }
}
