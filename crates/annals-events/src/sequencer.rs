//! The sequencer of a namespace: writes that come together are committed together.
//!
//! While a group is being committed the next one gathers, so that one writer alone waits for nobody and many
//! share one commit. Every write has its own check and its own answer.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`plan`] | which places a group's writes get, and why some are refused; pure |
//! | [`group`] | writes that are committed together, and their answers |
//! | [`pipeline`] | groups on their way, one behind the other |
//! | [`commit`] | one group, however often that has to be tried |
//! | [`memory`] | what is remembered between groups, on PostgreSQL |
//! | [`postgres`], [`sqlite`] | how a group is committed |

mod commit;
mod group;
mod memory;
mod pipeline;
mod plan;
mod postgres;
mod sqlite;

use std::sync::Arc;

use annals_record::Json;
use tokio::sync::{Semaphore, mpsc, oneshot};
use uuid::Uuid;

use crate::{
    Error, Result,
    message::{Append, Place},
};
pub(crate) use commit::Seat;
use group::Waiting;
use pipeline::Pipeline;
use plan::{Content, Request};

/// KiB that may wait; whoever comes then waits before it is taken.
const WAITING_KIB: usize = 64 << 10;

/// The way to a namespace's sequencer, which ends with its last one.
#[derive(Clone, Debug)]
pub(crate) struct Sequencer {
    sender: mpsc::UnboundedSender<Waiting>,
    room: Arc<Semaphore>,
}

impl Sequencer {
    /// Starts the sequencer of a namespace.
    pub(crate) fn start(seat: Seat) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(Pipeline::new(seat).run(receiver));
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
