//! Groups on their way, one behind the other.
//!
//! A group waits in the database for the one before it, so that nothing is lost between the two: while one is being
//! committed, the next is there already. It is sent early only when it is as large as the one in flight, or
//! writers who come one by one would each have a commit of their own.

use std::collections::VecDeque;

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    commit::Seat,
    group::{Committed, Gathering, Group, Waiting},
    postgres::Memory,
};
use crate::Result;

/// Groups in flight.
const DEPTH: usize = 2;

/// Times that those who were just answered may come back before the next group is closed.
const COURTESY: usize = 3;

pub(super) struct Pipeline {
    seat: Seat,
    memory: Memory,
    flights: VecDeque<Flight>,
}

/// A group that was sent.
struct Flight {
    group: Group,
    /// What it comes to, if it is written.
    committed: Committed,
    written: JoinHandle<Result<bool>>,
}

impl Pipeline {
    pub(super) fn new(seat: Seat) -> Self {
        Self {
            seat,
            memory: Memory::default(),
            flights: VecDeque::new(),
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
                written = first(&mut self.flights) => self.land(written).await,
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
        let store = self.seat.store.clone();
        self.flights.push_back(Flight {
            group,
            committed,
            written: tokio::spawn(async move { ready.write(&store).await }),
        });
    }

    async fn land_all(&mut self) {
        while !self.flights.is_empty() {
            let written = first(&mut self.flights).await;
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
            let written = first(&mut self.flights).await;
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

/// Waits for the first flight; tells whether it was certainly written. Nothing ends it when there is none.
async fn first(flights: &mut VecDeque<Flight>) -> bool {
    match flights.front_mut() {
        Some(flight) => matches!((&mut flight.written).await, Ok(Ok(true))),
        None => std::future::pending().await,
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
