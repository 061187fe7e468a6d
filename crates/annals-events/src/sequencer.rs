//! The sequencer of a namespace: writes that come together are committed together.
//!
//! While a group is being committed the next one gathers, so that one writer alone waits for nobody and many
//! share one commit. Every write has its own check and its own answer.

mod plan;
mod postgres;
mod sqlite;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use annals_record::Json;
use annals_store::{Access, Dialect, Error as StoreError, Names, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use uuid::Uuid;

use crate::{
    Error, Result,
    message::{Append, Place},
    namespace,
    subscribe::{Poke, Tail},
};
use plan::{Content, Plan, Request, Verdict};

/// Messages of a group, and bytes; a single larger request is a group by itself.
const GROUP_MESSAGES: usize = 2_000;
const GROUP_BYTES: usize = 4 << 20;

/// KiB that may wait; whoever comes then waits before it is taken.
const WAITING_KIB: usize = 64 << 10;

/// Times that those who were just answered may come back before the next group is closed.
const COURTESY: usize = 3;

/// The longest pause before a group is tried again.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The way to a namespace's sequencer, which ends with its last one.
#[derive(Clone, Debug)]
pub(crate) struct Sequencer {
    sender: mpsc::UnboundedSender<Waiting>,
    room: Arc<Semaphore>,
}

/// Where a sequencer writes, and whom it tells.
pub(crate) struct Seat {
    pub(crate) store: Store,
    pub(crate) names: Names,
    /// The namespace's id, for errors.
    pub(crate) id: String,
    pub(crate) tail: Tail,
    /// How long a group is tried before its callers are told that nobody knows.
    pub(crate) patience: Duration,
}

/// A write that waits for its group.
struct Waiting {
    request: Request,
    size: usize,
    answer: oneshot::Sender<Result<Vec<Place>>>,
    /// Given back with the answer.
    room: OwnedSemaphorePermit,
}

/// What was committed.
#[derive(Debug)]
pub(super) struct Committed {
    verdicts: Vec<Verdict>,
    pokes: Vec<Poke>,
}

impl Committed {
    fn of(plan: Plan<'_>) -> Self {
        let poke = |row: &plan::Row<'_>| Poke {
            stream: row.stream.into(),
            place: row.place,
        };
        Self {
            pokes: plan.rows.iter().map(poke).collect(),
            verdicts: plan.verdicts,
        }
    }
}

impl Sequencer {
    /// Starts the sequencer of a namespace.
    pub(crate) fn start(seat: Seat) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(run(seat, receiver));
        Self {
            sender,
            room: Arc::new(Semaphore::new(WAITING_KIB)),
        }
    }

    /// Appends, all or nothing, and gives the places once they are committed.
    ///
    /// Dropping the future takes the write back if its turn has not come.
    pub(crate) async fn append(&self, appends: Vec<Append>) -> Result<Vec<Place>> {
        let mut request = Request { appends };
        // Ids before the first try: a group that is tried again must find what was written already.
        for append in &mut request.appends {
            for message in &mut append.messages {
                message.id.get_or_insert_with(Uuid::now_v7);
            }
        }
        let size = request
            .messages()
            .map(|(append, message)| append.stream.len() + message.size())
            .sum::<usize>();
        let kib = u32::try_from((size / 1024).clamp(1, WAITING_KIB)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room)
            .acquire_many_owned(kib)
            .await
            .map_err(|_| Error::Closed)?;
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            request,
            size,
            answer,
            room,
        };
        self.sender.send(waiting).map_err(|_| Error::Closed)?;
        answered.await.map_err(|_| Error::Closed)?
    }
}

async fn run(seat: Seat, mut receiver: mpsc::UnboundedReceiver<Waiting>) {
    let mut memory = postgres::Memory::default();
    let mut left = None;
    loop {
        let first = match left.take() {
            Some(waiting) => waiting,
            None => match receiver.recv().await {
                Some(waiting) => waiting,
                None => return,
            },
        };
        let mut group = Group::default();
        group.add(first);
        let mut courtesy = 0;
        while left.is_none() && courtesy < COURTESY {
            match receiver.try_recv() {
                Ok(waiting) if group.has_room_for(&waiting) => group.add(waiting),
                Ok(waiting) => left = Some(waiting),
                Err(_) => {
                    courtesy += 1;
                    tokio::task::yield_now().await;
                }
            }
        }
        group.commit(&seat, &mut memory).await;
    }
}

#[derive(Default)]
struct Group {
    requests: Vec<Request>,
    answers: Vec<Answer>,
    messages: usize,
    bytes: usize,
}

struct Answer {
    sender: oneshot::Sender<Result<Vec<Place>>>,
    _room: OwnedSemaphorePermit,
}

impl Answer {
    fn give(self, verdict: Result<Vec<Place>>) {
        // Whoever has gone away needs no answer.
        let _ = self.sender.send(verdict);
    }
}

/// Why a group was not committed.
enum Failure {
    /// It may have been, or may still be.
    Unknown(Arc<StoreError>),
    /// It was not, and will not be.
    Refused(Error),
}

impl Group {
    fn has_room_for(&self, waiting: &Waiting) -> bool {
        self.messages + waiting.request.messages().count() <= GROUP_MESSAGES
            && self.bytes + waiting.size <= GROUP_BYTES
    }

    fn add(&mut self, waiting: Waiting) {
        // Whoever has gone away before the turn came writes nothing.
        if waiting.answer.is_closed() {
            return;
        }
        self.messages += waiting.request.messages().count();
        self.bytes += waiting.size;
        self.requests.push(waiting.request);
        self.answers.push(Answer {
            sender: waiting.answer,
            _room: waiting.room,
        });
    }

    async fn commit(self, seat: &Seat, memory: &mut postgres::Memory) {
        if self.requests.is_empty() {
            return;
        }
        let group: Arc<[Request]> = self.requests.into();
        let failure = match persist(seat, memory, &group).await {
            Ok(committed) => {
                seat.tail.committed(committed.pokes);
                for (answer, verdict) in self.answers.into_iter().zip(committed.verdicts) {
                    answer.give(said(verdict));
                }
                return;
            }
            Err(failure) => failure,
        };
        match failure {
            Failure::Unknown(source) => {
                for answer in self.answers {
                    let source = Some(Arc::clone(&source));
                    answer.give(Err(Error::OutcomeUnknown { source }));
                }
            }
            // One that cannot be stored must not take the others along.
            Failure::Refused(error) => {
                let mut error = Some(error).filter(|_| group.len() == 1);
                for (request, answer) in group.iter().zip(self.answers) {
                    let said = match error.take() {
                        Some(error) => Err(error),
                        None => alone(seat, memory, request.clone()).await,
                    };
                    answer.give(said);
                }
            }
        }
    }
}

/// Commits one request of a group that failed.
async fn alone(seat: &Seat, memory: &mut postgres::Memory, request: Request) -> Result<Vec<Place>> {
    match persist(seat, memory, &Arc::from([request])).await {
        Ok(mut committed) => {
            seat.tail.committed(committed.pokes);
            committed.verdicts.pop().map_or(Ok(Vec::new()), said)
        }
        Err(Failure::Unknown(source)) => Err(Error::OutcomeUnknown {
            source: Some(source),
        }),
        Err(Failure::Refused(error)) => Err(error),
    }
}

/// Commits a group, however often that has to be tried: messages have ids, so what an earlier try has
/// written is found by the next.
async fn persist(
    seat: &Seat,
    memory: &mut postgres::Memory,
    group: &Arc<[Request]>,
) -> Result<Committed, Failure> {
    let give_up = Instant::now() + seat.patience;
    let mut pause = Duration::from_millis(10);
    loop {
        let tried = match seat.names.dialect() {
            Dialect::Sqlite => {
                let take = sqlite::Take {
                    names: seat.names.clone(),
                    group: Arc::clone(group),
                };
                seat.store.run(Access::Write, take).await
            }
            _ => postgres::append(&seat.store, &seat.names, memory, group).await,
        };
        let error = match tried {
            Ok(committed) => return Ok(committed),
            Err(Error::Store(error)) => error,
            Err(error) => return Err(Failure::Refused(error)),
        };
        *memory = postgres::Memory::default();
        if !error.is_transient() {
            return Err(Failure::Refused(seat.explain(error).await));
        }
        if Instant::now() + pause >= give_up {
            return Err(Failure::Unknown(Arc::new(error)));
        }
        tracing::warn!(
            namespace = seat.id,
            error = error.report(),
            "appending again"
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

impl Seat {
    /// A table that is gone means a namespace that was deleted.
    async fn explain(&self, error: StoreError) -> Error {
        match namespace::find(&self.store, &self.id).await {
            Ok(None) => Error::NamespaceNotFound {
                id: self.id.clone(),
            },
            _ => Error::Store(error),
        }
    }
}

fn said(verdict: Verdict) -> Result<Vec<Place>> {
    match verdict {
        Verdict::Placed(places) => Ok(places),
        Verdict::VersionConflict {
            stream,
            expected,
            actual,
        } => Err(Error::VersionConflict {
            stream,
            expected,
            actual,
        }),
        Verdict::IdConflict(id) => Err(Error::IdConflict { id }),
    }
}

/// What a stored message says; nothing when its documents are none that we would have written, so that
/// nobody's retry is refused for another writer's way to write.
fn content(
    stream: String,
    kind: String,
    data: Option<String>,
    metadata: Option<String>,
) -> Option<Content> {
    Some(Content {
        stream,
        kind,
        data: Json::parse(&data?).ok()?,
        metadata: metadata.map(|text| Json::parse(&text)).transpose().ok()?,
    })
}

/// A work of one backend was given to the other, which nobody does.
fn wrong_backend() -> Error {
    Error::Invalid {
        field: "the statement",
        problem: "is of another backend",
    }
}
