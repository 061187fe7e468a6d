//! Who asked for rows to be written, and how they hear of it.

use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use crate::error::WriteError;

/// What became of a request. Every accepted row is in one of the two counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "rows may have been parked: compare `parked` with zero"]
pub struct Written {
    /// Rows that are in their table: new, or there before with the same key.
    pub committed: usize,
    /// Rows that the table refused and that are kept as dead letters.
    pub parked: usize,
}

/// A promise of the outcome of an enqueued request; may be awaited or dropped.
#[derive(Debug)]
#[must_use = "await it to learn the outcome, or drop it by name"]
pub struct Ticket {
    receiver: oneshot::Receiver<Result<Written, WriteError>>,
    rows: usize,
}

impl Future for Ticket {
    type Output = Result<Written, WriteError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let rows = self.rows;
        Pin::new(&mut self.receiver)
            .poll(context)
            .map(|answer| answer.unwrap_or(Err(WriteError::Lost { rows })))
    }
}

/// A request whose rows may be spread over several batches.
#[derive(Debug)]
pub(super) struct Request {
    /// Whether somebody waits, who can take rows back; enqueued rows have nobody but us.
    pub(super) awaited: bool,
    /// Whether its rows are to commit together or not at all.
    pub(super) whole: bool,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    reply: Option<oneshot::Sender<Result<Written, WriteError>>>,
    pending: usize,
    written: Written,
    /// Rows that were not taken because the writer closed in the middle of the request.
    refused: usize,
}

impl Progress {
    fn answer_when_done(&mut self) {
        if self.pending > 0 {
            return;
        }
        let Written { committed, parked } = self.written;
        let answer = match self.refused {
            0 => Ok(self.written),
            refused => Err(WriteError::CutShort {
                committed,
                parked,
                refused,
            }),
        };
        if let Some(reply) = self.reply.take() {
            // Nobody listening is fine: the ticket was dropped.
            let _ = reply.send(answer);
        }
    }
}

impl Request {
    /// Of rows that somebody waits for, and that commit together or not at all.
    pub(super) fn whole(rows: usize) -> (Self, Ticket) {
        let (request, ticket) = Self::new(rows, true);
        let request = Self {
            whole: true,
            ..request
        };
        (request, ticket)
    }

    pub(super) fn new(rows: usize, awaited: bool) -> (Self, Ticket) {
        let (sender, receiver) = oneshot::channel();
        let progress = Progress {
            reply: Some(sender),
            pending: rows,
            written: Written::default(),
            refused: 0,
        };
        (
            Self {
                awaited,
                whole: false,
                progress: Mutex::new(progress),
            },
            Ticket { receiver, rows },
        )
    }

    /// Notes what became of some rows; the last ones answer.
    pub(super) fn settle(&self, committed: usize, parked: usize) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.written.committed += committed;
        progress.written.parked += parked;
        progress.pending = progress.pending.saturating_sub(committed + parked);
        progress.answer_when_done();
    }

    /// Notes that the last rows of the request were never taken.
    pub(super) fn cut_short(&self, refused: usize) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.refused = refused;
        progress.pending = progress.pending.saturating_sub(refused);
        progress.answer_when_done();
    }

    /// Answers with an error, once.
    pub(super) fn fail(&self, error: impl FnOnce(Written) -> WriteError) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let written = progress.written;
        if let Some(reply) = progress.reply.take() {
            let _ = reply.send(Err(error(written)));
        }
    }

    /// Whether whoever waited has gone, and took responsibility for the rows along.
    pub(super) fn withdrawn(&self) -> bool {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        self.awaited
            && progress
                .reply
                .as_ref()
                .is_none_or(oneshot::Sender::is_closed)
    }
}
