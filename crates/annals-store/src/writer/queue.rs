//! What is held between acceptance and commit: bounded, in order per key, in two lanes.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{WriterOptions, job::Job, ticket::Request};

/// Bytes are counted in units of this many, since a semaphore counts to 2^32 at most per request.
const UNIT: usize = 1024;

/// Parts that are passed over at most, looking for one whose keys are free.
const LOOK_AHEAD: usize = 64;

/// Which worker a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Rows of chunks that are written at full speed.
    Hot,
    /// Rows of chunks that are compressed or frozen: slow, and nobody may wait behind them.
    Late,
}

/// Room in the queue, given back on drop.
#[derive(Debug)]
pub(super) struct Room {
    _rows: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

/// Rows of one request, never more than one batch takes.
#[derive(Debug)]
pub(super) struct Part<R> {
    pub(super) request: Arc<Request>,
    pub(super) records: Vec<R>,
    /// Hashes of the records' keys; empty when order does not matter.
    pub(super) hashes: Vec<u64>,
    pub(super) bytes: usize,
    /// Shared by the parts into which a request's rows were divided by lane.
    pub(super) room: Arc<Room>,
}

/// Why there is no room.
#[derive(Debug)]
pub(super) enum NoRoom {
    Full,
    Closed,
}

#[derive(Debug)]
pub(super) struct Queue<R> {
    state: Mutex<State<R>>,
    changed: Notify,
    rows: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    limit_rows: usize,
    limit_units: usize,
    batch_rows: usize,
    batch_bytes: usize,
}

#[derive(Debug)]
struct State<R> {
    hot: VecDeque<Part<R>>,
    late: VecDeque<Part<R>>,
    /// Jobs of the hot lane that are ready to go, for whichever worker is free first.
    ready: VecDeque<Job<R>>,
    /// Rows and bytes in `hot`.
    hot_rows: usize,
    hot_bytes: usize,
    /// Workers of the hot lane that wait for work.
    idle: usize,
    /// Batches that came back because their chunk is frozen, with the time to try them again.
    held: Vec<(Instant, Job<R>)>,
    /// How many rows in flight have a key of this hash.
    in_flight: HashMap<u64, u32>,
    /// How often parts were taken out and are not done with; what is held counts.
    taken: usize,
    closed: bool,
}

impl<R> Queue<R> {
    pub(super) fn new(options: &WriterOptions) -> Self {
        let limit_rows = options.queue_rows.get().min(Semaphore::MAX_PERMITS);
        let limit_units = options
            .queue_bytes
            .get()
            .div_ceil(UNIT)
            .min(u32::MAX as usize);
        Self {
            state: Mutex::new(State {
                hot: VecDeque::new(),
                late: VecDeque::new(),
                ready: VecDeque::new(),
                hot_rows: 0,
                hot_bytes: 0,
                idle: 0,
                held: Vec::new(),
                in_flight: HashMap::new(),
                taken: 0,
                closed: false,
            }),
            changed: Notify::new(),
            rows: Arc::new(Semaphore::new(limit_rows)),
            bytes: Arc::new(Semaphore::new(limit_units)),
            limit_rows,
            limit_units,
            batch_rows: options.batch_rows.get().min(limit_rows),
            batch_bytes: options
                .batch_bytes
                .get()
                .min(limit_units.saturating_mul(UNIT)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows that one part may have.
    pub(super) fn part_rows(&self) -> usize {
        self.batch_rows
    }

    /// Bytes that one part may have.
    pub(super) fn part_bytes(&self) -> usize {
        self.batch_bytes
    }

    /// Rows held, in flight included.
    pub(super) fn held_rows(&self) -> usize {
        self.limit_rows
            .saturating_sub(self.rows.available_permits())
    }

    pub(super) fn limit_rows(&self) -> usize {
        self.limit_rows
    }

    fn units(&self, bytes: usize) -> u32 {
        // A row larger than the whole queue still has to pass: alone.
        u32::try_from(bytes.div_ceil(UNIT).min(self.limit_units)).unwrap_or(u32::MAX)
    }

    /// Waits for room.
    pub(super) async fn wait_for_room(&self, rows: usize, bytes: usize) -> Result<Room, NoRoom> {
        let count = u32::try_from(rows).unwrap_or(u32::MAX);
        let rows = Arc::clone(&self.rows).acquire_many_owned(count).await;
        let rows = rows.map_err(|_| NoRoom::Closed)?;
        let bytes = Arc::clone(&self.bytes)
            .acquire_many_owned(self.units(bytes))
            .await;
        Ok(Room {
            _rows: rows,
            _bytes: bytes.map_err(|_| NoRoom::Closed)?,
        })
    }

    /// Takes room that is there.
    pub(super) fn take_room(&self, rows: usize, bytes: usize) -> Result<Room, NoRoom> {
        let refusal = |error| match error {
            tokio::sync::TryAcquireError::Closed => NoRoom::Closed,
            tokio::sync::TryAcquireError::NoPermits => NoRoom::Full,
        };
        let count = u32::try_from(rows).unwrap_or(u32::MAX);
        let rows = Arc::clone(&self.rows)
            .try_acquire_many_owned(count)
            .map_err(refusal)?;
        let bytes = Arc::clone(&self.bytes)
            .try_acquire_many_owned(self.units(bytes))
            .map_err(refusal)?;
        Ok(Room {
            _rows: rows,
            _bytes: bytes,
        })
    }

    /// Adds all parts, or none when the queue is closed.
    pub(super) fn push(&self, parts: Vec<(Lane, Part<R>)>) -> Result<(), NoRoom> {
        {
            let mut state = self.state();
            if state.closed {
                return Err(NoRoom::Closed);
            }
            for (lane, part) in parts {
                match lane {
                    Lane::Hot => {
                        state.hot_rows += part.records.len();
                        state.hot_bytes += part.bytes;
                        state.hot.push_back(part);
                    }
                    Lane::Late => state.late.push_back(part),
                }
            }
        }
        self.changed.notify_waiters();
        Ok(())
    }

    /// Takes out what has waited longest, to make room.
    pub(super) fn pop_oldest(&self) -> Option<Part<R>> {
        let mut state = self.state();
        let Some(part) = state.hot.pop_front() else {
            return state.late.pop_front();
        };
        state.hot_rows -= part.records.len();
        state.hot_bytes -= part.bytes;
        Some(part)
    }

    /// Keeps a batch for the late lane, for `delay`, or for less once the queue is closed.
    pub(super) fn hold(&self, delay: Duration, while_closed: Duration, job: Job<R>) {
        {
            let mut state = self.state();
            let delay = if state.closed {
                while_closed.min(delay)
            } else {
                delay
            };
            state.held.push((Instant::now() + delay, job));
        }
        self.changed.notify_waiters();
    }

    /// Forgets everything, so that whoever waits for it hears that it is lost.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        let parts = (
            std::mem::take(&mut state.hot),
            std::mem::take(&mut state.late),
        );
        let held = std::mem::take(&mut state.held);
        let ready = std::mem::take(&mut state.ready);
        (state.hot_rows, state.hot_bytes) = (0, 0);
        // A job that is dropped comes back here to give its keys away.
        drop(state);
        drop((parts, held, ready));
        self.changed.notify_waiters();
    }

    /// Lets nothing more in; what is in is still written, and what is held is tried at once.
    pub(super) fn close(&self) {
        {
            let mut state = self.state();
            state.closed = true;
            let now = Instant::now();
            state.held.iter_mut().for_each(|(at, _)| *at = now);
        }
        self.rows.close();
        self.bytes.close();
        self.changed.notify_waiters();
    }

    /// The next work of a lane; `None` when the queue is closed and the lane empty.
    pub(super) async fn next(&self, lane: Lane) -> Option<Work<R>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let wake = match self.try_next(lane) {
                Next::Work(work) => return Some(work),
                Next::Finished => return None,
                Next::WaitUntil(at) => Some(at),
                Next::Wait => None,
            };
            match wake {
                Some(at) => {
                    let _ = tokio::time::timeout_at(at, changed).await;
                }
                None => {
                    self.idle(lane, 1);
                    changed.await;
                    self.idle(lane, -1);
                }
            }
        }
    }

    fn idle(&self, lane: Lane, by: isize) {
        if lane == Lane::Hot {
            let mut state = self.state();
            state.idle = state.idle.saturating_add_signed(by);
        }
    }

    /// The next work of the hot lane once it fills a batch and no worker is free to take it; `None`
    /// when the queue is closed with less. Nothing is taken when this is dropped while it waits.
    pub(super) async fn next_full(&self) -> Option<Work<R>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let (full, closed) = {
                let state = self.state();
                let full = state.hot_rows >= self.batch_rows || state.hot_bytes >= self.batch_bytes;
                (
                    full && state.idle == 0 && state.ready.is_empty(),
                    state.closed,
                )
            };
            if full && let Next::Work(work) = self.try_next(Lane::Hot) {
                return Some(work);
            }
            if closed && !full {
                return None;
            }
            changed.await;
        }
    }

    /// Adds jobs that are ready to go.
    pub(super) fn add_ready(&self, jobs: Vec<Job<R>>) {
        self.state().ready.extend(jobs);
        self.changed.notify_waiters();
    }

    fn try_next(&self, lane: Lane) -> Next<R> {
        let mut state = self.state();
        let state = &mut *state;
        if lane == Lane::Hot
            && let Some(job) = state.ready.pop_front()
        {
            return Next::Work(Work::Ready(job));
        }
        let mut wake = None;
        if lane == Lane::Late {
            let now = Instant::now();
            let due = state.held.iter().position(|(at, _)| *at <= now);
            if let Some(due) = due {
                return Next::Work(Work::Job(state.held.swap_remove(due).1));
            }
            wake = state.held.iter().map(|(at, _)| *at).min();
        }
        let waiting = match lane {
            Lane::Hot => &mut state.hot,
            Lane::Late => &mut state.late,
        };
        let mut taken = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        // Order per key: a part with a key that is in flight keeps its place, and so does every later
        // part that shares a key with one that stays. Others may pass.
        let mut staying: HashSet<u64> = HashSet::new();
        let mut at = 0;
        while let Some(part) = waiting.get(at).filter(|_| at < LOOK_AHEAD) {
            let held_back =
                |hash: &u64| state.in_flight.contains_key(hash) || staying.contains(hash);
            if part.hashes.iter().any(held_back) {
                staying.extend(&part.hashes);
                at += 1;
                continue;
            }
            let full = rows > 0
                && (rows + part.records.len() > self.batch_rows
                    || bytes + part.bytes > self.batch_bytes);
            // What commits together or not at all is a batch of its own.
            let alone = part.request.whole;
            if full || (alone && rows > 0) {
                break;
            }
            rows += part.records.len();
            bytes += part.bytes;
            taken.extend(waiting.remove(at));
            if alone {
                break;
            }
        }
        if taken.is_empty() {
            // What the hot lane still has may yet become work for the late one.
            let finished = state.closed
                && waiting.is_empty()
                && state.ready.is_empty()
                && (lane == Lane::Hot || (state.taken == 0 && state.hot.is_empty()));
            return match wake {
                _ if finished => Next::Finished,
                Some(at) => Next::WaitUntil(at),
                None => Next::Wait,
            };
        }
        if lane == Lane::Hot {
            state.hot_rows -= rows;
            state.hot_bytes -= bytes;
            if state.hot_rows >= self.batch_rows || state.hot_bytes >= self.batch_bytes {
                // There is another full batch, and whoever looks ahead may have looked too early.
                self.changed.notify_waiters();
            }
        }
        state.taken += 1;
        for hash in taken.iter().flat_map(|part| &part.hashes) {
            *state.in_flight.entry(*hash).or_default() += 1;
        }
        Next::Work(Work::Parts(taken))
    }

    /// Ends what parts that were taken out began, and lets their keys go.
    pub(super) fn release(&self, hashes: &[u64]) {
        {
            let mut state = self.state();
            state.taken -= 1;
            for hash in hashes {
                if let std::collections::hash_map::Entry::Occupied(mut entry) =
                    state.in_flight.entry(*hash)
                {
                    *entry.get_mut() -= 1;
                    if *entry.get() == 0 {
                        entry.remove();
                    }
                }
            }
        }
        self.changed.notify_waiters();
    }
}

/// What a worker is to do next.
#[derive(Debug)]
pub(super) enum Work<R> {
    /// Parts to make a batch of.
    Parts(Vec<Part<R>>),
    /// A job that is ready to go.
    Ready(Job<R>),
    /// A batch that was held.
    Job(Job<R>),
}

enum Next<R> {
    Work(Work<R>),
    Wait,
    WaitUntil(Instant),
    Finished,
}
