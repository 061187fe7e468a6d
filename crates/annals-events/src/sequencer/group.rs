//! Writes that are committed together, and their answers.

use std::{collections::HashMap, sync::Arc};

use annals_store::Error as StoreError;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::plan::{Plan, Request, Row, Verdict};
use crate::{Error, Place, Result, subscribe::Poke};

/// Messages, and bytes, with which a group is full. A larger request is a group by itself.
const MESSAGES: usize = 2_000;
const BYTES: usize = 4 << 20;

/// A write that waits for its group.
pub(super) struct Waiting {
    pub(super) request: Request,
    pub(super) size: usize,
    pub(super) answer: oneshot::Sender<Result<Vec<Place>>>,
    /// Given back with the answer.
    pub(super) room: OwnedSemaphorePermit,
}

/// A group that gathers.
#[derive(Default)]
pub(super) struct Gathering {
    requests: Vec<Request>,
    answers: Vec<Answer>,
    messages: usize,
    bytes: usize,
}

/// A group that is closed.
pub(super) struct Group {
    pub(super) requests: Arc<[Request]>,
    pub(super) answers: Vec<Answer>,
    pub(super) messages: usize,
}

/// Where the answer to a request goes.
pub(super) struct Answer {
    sender: oneshot::Sender<Result<Vec<Place>>>,
    _room: OwnedSemaphorePermit,
}

/// What was committed.
#[derive(Debug, Default)]
pub(super) struct Committed {
    pub(super) verdicts: Vec<Verdict>,
    pub(super) pokes: Vec<Poke>,
}

/// Why a group was not committed.
pub(super) enum Failure {
    /// It may have been, or may still be.
    Unknown(Arc<StoreError>),
    /// It was not, and will not be.
    Refused(Error),
}

impl Gathering {
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.messages >= MESSAGES || self.bytes >= BYTES
    }

    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    pub(super) fn add(&mut self, waiting: Waiting) {
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

    pub(super) fn close(self) -> Group {
        Group {
            requests: self.requests.into(),
            answers: self.answers,
            messages: self.messages,
        }
    }
}

impl Answer {
    pub(super) fn give(self, answer: Result<Vec<Place>>) {
        // Whoever has gone away needs no answer.
        let _ = self.sender.send(answer);
    }
}

impl Committed {
    pub(super) fn of(plan: Plan<'_>) -> Self {
        let poke = |row: &Row<'_>| Poke {
            stream: row.stream.into(),
            place: row.place,
        };
        Self {
            pokes: plan.rows.iter().map(poke).collect(),
            verdicts: plan.verdicts,
        }
    }
}

impl Committed {
    /// With streams begun so much later than was planned.
    pub(super) fn shifted(mut self, shifts: &HashMap<String, i64>) -> Self {
        let Some(first) = self.pokes.first().map(|poke| poke.place.global_position) else {
            return self;
        };
        if shifts.is_empty() {
            return self;
        }
        for poke in &mut self.pokes {
            poke.place.position += shifts.get(&*poke.stream).copied().unwrap_or_default();
        }
        for verdict in &mut self.verdicts {
            let Verdict::Placed(places) = verdict else {
                continue;
            };
            for place in places {
                // Pokes are all that is new, place by place.
                let new = usize::try_from(place.global_position - first).ok();
                if let Some(poke) = new.and_then(|index| self.pokes.get(index)) {
                    *place = poke.place;
                }
            }
        }
        self
    }
}

impl Verdict {
    pub(super) fn into_answer(self) -> Result<Vec<Place>> {
        match self {
            Self::Placed(places) => Ok(places),
            Self::VersionConflict {
                stream,
                expected,
                actual,
            } => Err(Error::VersionConflict {
                stream,
                expected,
                actual,
            }),
            Self::IdConflict(id) => Err(Error::IdConflict { id }),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unknown(source) => Self::OutcomeUnknown {
                source: Some(source),
            },
            Failure::Refused(error) => error,
        }
    }
}
