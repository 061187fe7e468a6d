//! Groups on their way, one behind the other.
//!
//! A group waits in the database for the one before it, so that nothing is lost between the two: while one is being
//! committed, the next is there already. It is sent early only when it is as large as the one in flight, or
//! writers who come one by one would each have a commit of their own.

use std::{collections::VecDeque, time::Duration};

use annals_store::Session;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    commit::Seat,
    group::{Committed, Gathering, Group, Waiting},
    postgres::Memory,
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
    /// Connections that wait for the next group.
    sessions: Vec<Session>,
}

/// A group that was sent.
struct Flight {
    group: Group,
    /// What it comes to, if it is written.
    committed: Committed,
    /// Its connection comes back when it was.
    written: JoinHandle<Result<Option<Session>>>,
}

impl Pipeline {
    pub(super) fn new(seat: Seat) -> Self {
        Self {
            seat,
            memory: Memory::default(),
            flights: VecDeque::new(),
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
        let ready = self.memory.ready(&self.seat.names, &group.requests);
        let Some(mut ready) = ready else {
            // What it has to know can be read only when nothing is in flight.
            self.land_all().await;
            self.seat.commit(&mut self.memory, group).await;
            return;
        };
        let committed = std::mem::take(&mut ready.committed);
        let (store, kept) = (self.seat.store.clone(), self.sessions.pop());
        let write = async move {
            let mut session = match kept {
                Some(session) => session,
                None => store.session().await?,
            };
            Ok(ready.write(&mut session).await?.then_some(session))
        };
        self.flights.push_back(Flight {
            group,
            committed,
            written: tokio::spawn(write),
        });
    }

    /// Whether connections are kept for nothing.
    fn is_idle(&self) -> bool {
        self.flights.is_empty() && !self.sessions.is_empty()
    }

    /// Waits for the first flight; tells whether it was certainly written. Never ends when there is none.
    async fn first(&mut self) -> bool {
        let Some(flight) = self.flights.front_mut() else {
            return std::future::pending().await;
        };
        let Ok(Ok(Some(session))) = (&mut flight.written).await else {
            return false;
        };
        if !session.is_wanted() {
            self.sessions.push(session);
        }
        true
    }

    async fn land_all(&mut self) {
        while !self.flights.is_empty() {
            let written = self.first().await;
            self.land(written).await;
        }
    }

    /// Answers the first flight, as `written` says.
    async fn land(&mut self, written: bool) {
        let Some(flight) = self.flights.pop_front() else {
            return;
        };
        if written {
            self.seat.answer(flight.group, flight.committed);
            return;
        }
        // Those behind it were sent upon it. What became of them is known before anything else is sent, and told
        // after the first: if that was written after all and only its answer was lost, so may they be.
        self.memory = Memory::default();
        let mut behind = Vec::new();
        while !self.flights.is_empty() {
            let written = self.first().await;
            behind.extend(self.flights.pop_front().map(|flight| (flight, written)));
        }
        self.seat.commit(&mut self.memory, flight.group).await;
        for (flight, written) in behind {
            if written {
                self.seat.answer(flight.group, flight.committed);
            } else {
                self.seat.commit(&mut self.memory, flight.group).await;
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
