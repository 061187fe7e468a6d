//! Groups on their way, one behind the other.
//!
//! A group waits in the database for the one before it, so that nothing is lost between the two: while one is being
//! committed, the next is there already. It is sent early only when it is as large as the one in flight, or
//! writers who come one by one would each have a commit of their own.

use std::{collections::VecDeque, time::Duration};

use annals_store::{Access, Session};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesOrdered};
use tokio::sync::mpsc;

use super::{
    commit::Seat,
    group::{Gathering, Group, Waiting},
    memory::{Landing, Memory},
    postgres::written,
};
use crate::Result;

/// Groups in flight.
const DEPTH: usize = 2;

/// How long a connection is kept for the next group.
const KEPT: Duration = Duration::from_millis(100);

/// Times that those who were just answered may come back before the next group is closed.
const COURTESY: usize = 3;

pub(super) struct Pipeline {
    seat: Seat,
    memory: Memory,
    flights: VecDeque<Flight>,
    /// Their answers, in the same order.
    answers: FuturesOrdered<BoxFuture<'static, Result<Written>>>,
    /// Connections that wait for the next group.
    sessions: Vec<Session>,
}

/// A group that was sent.
struct Flight {
    group: Group,
    landing: Landing,
}

/// A group that was written, and the connection that it came by.
struct Written {
    /// The version that each stream had.
    bases: Vec<i64>,
    session: Session,
}

impl Pipeline {
    pub(super) fn new(seat: Seat) -> Self {
        Self {
            seat,
            memory: Memory::default(),
            flights: VecDeque::new(),
            answers: FuturesOrdered::new(),
            sessions: Vec::new(),
        }
    }

    /// Commits what comes, until nobody can send any more.
    pub(super) async fn run(mut self, mut receiver: mpsc::UnboundedReceiver<Waiting>) {
        let mut gathering = Gathering::default();
        let mut open = true;
        while open || !gathering.is_empty() || !self.flights.is_empty() {
            if self.admits(&gathering) {
                if self.flights.is_empty() {
                    gather(&mut gathering, &mut receiver).await;
                }
                let group = std::mem::take(&mut gathering).close();
                self.send(group).await;
                continue;
            }
            tokio::select! {
                biased;
                waiting = receiver.recv(), if open && !gathering.is_full() => match waiting {
                    Some(waiting) => gathering.add(waiting),
                    None => open = false,
                },
                written = self.first() => self.land(written).await,
                () = tokio::time::sleep(KEPT), if self.is_idle() => self.sessions.clear(),
            }
        }
    }

    /// Whether a group is to be sent as it is.
    fn admits(&self, gathering: &Gathering) -> bool {
        match self.flights.back() {
            _ if gathering.is_empty() => false,
            None => true,
            Some(last) => self.flights.len() < DEPTH && gathering.messages() >= last.group.messages,
        }
    }

    async fn send(&mut self, group: Group) {
        let names = self.seat.names.clone();
        let mut ready = self.memory.ready(&names, &group.requests);
        if ready.is_none() && !self.flights.is_empty() {
            // What is in flight may tell what has to be known.
            while !self.flights.is_empty() {
                let written = self.first().await;
                self.land(written).await;
            }
            ready = self.memory.ready(&names, &group.requests);
        }
        let Some((write, landing)) = ready else {
            self.seat.commit(&mut self.memory, group).await;
            return;
        };
        let (store, kept) = (self.seat.store.clone(), self.sessions.pop());
        let answer = async move {
            let mut session = match kept {
                Some(session) => session,
                None => store.session().await?,
            };
            let bases = written(session.run(Access::Statement, write).await)?;
            // Whatever else it says, nothing was written.
            let bases = bases.ok_or(crate::Error::Closed)?;
            Ok(Written { bases, session })
        };
        self.flights.push_back(Flight { group, landing });
        self.answers.push_back(answer.boxed());
    }

    /// Whether connections are kept for nothing.
    fn is_idle(&self) -> bool {
        self.flights.is_empty() && !self.sessions.is_empty()
    }

    /// Waits for the first flight; tells upon which versions it was written, if it certainly was. Never ends
    /// when there is none.
    async fn first(&mut self) -> Option<Vec<i64>> {
        let Some(answer) = self.answers.next().await else {
            return std::future::pending().await;
        };
        let Written { bases, session } = answer.ok()?;
        if !session.is_wanted() {
            self.sessions.push(session);
        }
        Some(bases)
    }

    /// Answers the first flight, as `written` says.
    async fn land(&mut self, written: Option<Vec<i64>>) {
        let Some(Flight { group, landing }) = self.flights.pop_front() else {
            return;
        };
        if let Some(bases) = written {
            let committed = landing.land(&mut self.memory, &bases);
            self.seat.answer(group, committed);
            return;
        }
        // Those behind it were sent upon it. What became of them is known before anything else is sent, and told
        // after the first: if that was written after all and only its answer was lost, so may they be.
        let mut behind = Vec::new();
        while let Some(flight) = self.flights.pop_front() {
            let written = self.first().await;
            behind.push((flight, written));
        }
        self.memory = Memory::default();
        self.seat.commit(&mut self.memory, group).await;
        for (Flight { group, landing }, written) in behind {
            match written {
                Some(bases) => {
                    let committed = landing.land(&mut Memory::default(), &bases);
                    self.seat.answer(group, committed);
                }
                None => self.seat.commit(&mut self.memory, group).await,
            }
        }
    }
}

/// Takes what is waiting, and gives those who were just answered the time to come back.
async fn gather(gathering: &mut Gathering, receiver: &mut mpsc::UnboundedReceiver<Waiting>) {
    let mut courtesy = 0;
    while !gathering.is_full() && courtesy < COURTESY {
        match receiver.try_recv() {
            Ok(waiting) => gathering.add(waiting),
            Err(_) => {
                courtesy += 1;
                tokio::task::yield_now().await;
            }
        }
    }
}
