//! Rounds in which the ways take turns, and what each turn cost.

use std::time::{Duration, Instant};

use crate::{cpu::Cpu, report::thousands};

/// One way of doing the work, by name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<W> {
    pub(crate) name: &'static str,
    pub(crate) how: W,
    /// The share of the baseline's rate that it should reach.
    pub(crate) goal: Option<f64>,
}

/// What one turn cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) rows: usize,
    pub(crate) wall: Duration,
    /// Processor time of the client.
    pub(crate) cpu: Duration,
    /// Processor time of the server, where there is one.
    pub(crate) server: Option<Duration>,
    /// What came before the client, where the client was itself told by others what to do.
    pub(crate) load: Option<Load>,
}

/// The load that a program of ours, the client of the database, was under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Processor time of whoever made the load.
    pub(crate) generator: Duration,
    /// The most memory that the program had, in bytes.
    pub(crate) peak: u64,
    /// Requests that were told to come again, and did.
    pub(crate) again: usize,
}

impl Turn {
    /// Rows in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.rows as f64 / self.wall.as_secs_f64()
    }

    /// The client's microseconds for a row.
    pub(crate) fn cpu_per_row(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.rows as f64
    }

    /// The server's microseconds for a row.
    pub(crate) fn server_per_row(&self) -> Option<f64> {
        Some(self.server?.as_secs_f64() * 1e6 / self.rows as f64)
    }
}

/// A clock that is running.
#[derive(Debug)]
pub(crate) struct Clock {
    since: Instant,
    cpu: Cpu,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            cpu: Cpu::now(),
            since: Instant::now(),
        }
    }

    /// Stops, with the processor time of this process.
    pub(crate) fn stop(self, rows: usize) -> Turn {
        let wall = self.since.elapsed();
        Turn {
            rows,
            wall,
            cpu: (Cpu::now() - self.cpu).own,
            server: None,
            load: None,
        }
    }

    /// Stops, with the processor time of children that have ended; `wall` is what they say.
    pub(crate) fn stop_children(self, rows: usize, wall: Duration) -> Turn {
        Turn {
            rows,
            wall,
            cpu: (Cpu::now() - self.cpu).children,
            server: None,
            load: None,
        }
    }
}

/// The turns of each way, round by round.
#[derive(Debug)]
pub(crate) struct Contest<W> {
    pub(crate) ways: Vec<Way<W>>,
    /// For each way its turns.
    pub(crate) turns: Vec<Vec<Turn>>,
}

impl<W> Contest<W> {
    /// With another goal, for a table against another way.
    pub(crate) fn with_goal(mut self, goal: f64) -> Self {
        let ways = self.ways.iter_mut().filter(|way| way.goal.is_some());
        ways.for_each(|way| way.goal = Some(goal));
        self
    }
}

/// Lets every way have one turn in each round. Who begins changes from round to round, so that
/// nobody always finds the machine as the same other left it.
pub(crate) async fn contest<W: Copy>(
    title: &str,
    rounds: usize,
    ways: Vec<Way<W>>,
    mut turn: impl AsyncFnMut(W) -> Turn,
) -> Contest<W> {
    let mut turns = vec![Vec::with_capacity(rounds); ways.len()];
    for round in 0..rounds {
        for place in 0..ways.len() {
            let number = (round + place) % ways.len();
            let way = &ways[number];
            let done = turn(way.how).await;
            eprintln!(
                "{title}, round {} of {rounds}, {}: {} rows/s, client {:.2} us/row, server {:.1}",
                round + 1,
                way.name,
                thousands(done.rate()),
                done.cpu_per_row(),
                done.server_per_row().unwrap_or_default(),
            );
            turns[number].push(done);
        }
    }
    Contest { ways, turns }
}
