//! The one writer of every family: bounded, batched, retried, and honest about what became of rows.
//!
//! Rows are accepted into a bounded queue; a batch leaves it as soon as a connection is free, so
//! little load means small batches at once and much load means large ones. Each batch is one
//! transaction with an entry in the ledger. See ARCHITECTURE.md for the whole road of a row.

mod batch;
mod companion;
mod engine;
mod job;
pub(crate) mod key;
mod options;
mod queue;
mod replay;
mod ticket;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use annals_record::Record;
use tokio::task::JoinHandle;

pub(crate) use batch::{Batch, Failure, Fate, Outcome, ParkReason};
pub use companion::Companion;
pub use options::{Overflow, WriterOptions};
pub use replay::Replayed;
pub use ticket::{Ticket, Written};

use crate::{Result, WriteError, backend::Backend};
use engine::{Counts, Engine};
use queue::{Lane, NoRoom, Part, Room};
use ticket::Request;

/// Writes records of one type.
///
/// Dropping a writer lets its workers finish what was accepted, as long as the runtime lives;
/// [`shutdown`](Self::shutdown) waits for that and reports.
pub struct Writer<R> {
    engine: Arc<Engine<R>>,
    /// Empty once a shutdown has taken them.
    workers: Mutex<Vec<JoinHandle<()>>>,
    /// Whether several batches can be in flight and rows have keys, so that order matters.
    ordered: bool,
    upkeep: JoinHandle<()>,
}

impl<R> std::fmt::Debug for Writer<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// Where the rows of a writer's life ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriterReport {
    /// Rows that were taken into the queue.
    pub accepted: u64,
    /// Rows that are in their table.
    pub committed: u64,
    /// Rows that are kept as dead letters.
    pub parked: u64,
    /// Rows given back to a caller who waited, with an error or because it stopped waiting.
    pub returned: u64,
    /// Rows dropped by the drop-oldest policy.
    pub dropped: u64,
    /// Rows that were never taken: the queue was full or closed.
    pub refused: u64,
    /// Rows still in the queue or in flight.
    pub held: u64,
    /// Rows that were still held when a shutdown ran out of time.
    pub lost: u64,
}

impl<R: Record> Writer<R> {
    pub(crate) async fn start(
        backend: Arc<Backend>,
        options: WriterOptions,
        companion: Option<Arc<dyn Companion<R>>>,
    ) -> Result<Self> {
        let connections = match &*backend {
            Backend::Sqlite(_) => 1,
            Backend::Postgres(_) => options.connections.get(),
        };
        let engine = Arc::new(Engine::new(backend, options, companion).await?);
        let mut workers: Vec<JoinHandle<()>> = (0..connections)
            .map(|_| tokio::spawn(Arc::clone(&engine).work(Lane::Hot)))
            .collect();
        if engine.has_late_lane() {
            workers.push(tokio::spawn(Arc::clone(&engine).work(Lane::Late)));
        }
        let upkeep = tokio::spawn(Arc::clone(&engine).maintain());
        Ok(Self {
            engine,
            ordered: workers.len() > 1 && !R::DESCRIPTOR.key.is_empty(),
            workers: Mutex::new(workers),
            upkeep,
        })
    }

    /// Writes records, and answers once each is committed or parked.
    ///
    /// Waits while the database is away. Dropping the future takes back what is not yet on its way.
    ///
    /// # Errors
    ///
    /// Nothing was taken ([`WriteError::QueueFull`], [`WriteError::Closed`]), or nothing can be
    /// written until somebody changes something ([`WriteError::Stopped`]).
    pub async fn write(&self, records: Vec<R>) -> Result<Written, WriteError> {
        self.submit(records, true).await?.await
    }

    /// Writes records in one transaction, all or none, and answers once they are committed. Nothing of them is ever
    /// parked.
    ///
    /// Waits while the database is away. Dropping the future takes them back unless they are on their way.
    ///
    /// # Errors
    ///
    /// None was written: one is refused by its table ([`WriteError::Refused`]), there are more than a batch takes
    /// ([`WriteError::TooLarge`]), there was no room, or nothing can be written until somebody changes something.
    pub async fn write_whole(&self, records: Vec<R>) -> Result<(), WriteError> {
        let rows = records.len();
        if rows == 0 {
            return Ok(());
        }
        let bytes = records.iter().map(key::estimated_size).sum();
        if rows > self.engine.queue.part_rows() || bytes > self.engine.queue.part_bytes() {
            Counts::add(&self.engine.counts.refused, rows);
            return Err(WriteError::TooLarge { rows, bytes });
        }
        let (request, ticket) = Request::whole(rows);
        self.accept(&Arc::new(request), records, bytes).await?;
        ticket.await.map(|_| ())
    }

    /// Takes records and answers at once; the ticket tells the outcome. Under
    /// [`Overflow::Block`] it waits for room first.
    ///
    /// # Errors
    ///
    /// Nothing was taken.
    pub async fn enqueue(&self, records: Vec<R>) -> Result<Ticket, WriteError> {
        self.submit(records, false).await
    }

    /// Reads which chunks are compressed now, instead of at the next half minute.
    ///
    /// # Errors
    ///
    /// The database could not be asked.
    pub async fn refresh_lanes(&self) -> Result<()> {
        self.engine.look_for_compressed_chunks().await
    }

    async fn submit(&self, records: Vec<R>, awaited: bool) -> Result<Ticket, WriteError> {
        let total = records.len();
        let (request, ticket) = Request::new(total, awaited);
        let request = Arc::new(request);
        if total == 0 {
            request.settle(0, 0);
            return Ok(ticket);
        }
        let sizes: Vec<usize> = records.iter().map(key::estimated_size).collect();
        let whole: usize = sizes.iter().sum();
        let fits_one_part =
            total <= self.engine.queue.part_rows() && whole <= self.engine.queue.part_bytes();
        if fits_one_part {
            self.accept(&request, records, whole).await?;
            return Ok(ticket);
        }
        if self.engine.options.overflow != Overflow::Block {
            return self.submit_whole(request, ticket, records, &sizes).await;
        }
        let mut taken = 0;
        for (part, bytes) in divided(
            records,
            &sizes,
            self.engine.queue.part_rows(),
            self.engine.queue.part_bytes(),
        ) {
            let rows = part.len();
            if let Err(error) = self.accept(&request, part, bytes).await {
                let refused = total - taken;
                Counts::add(&self.engine.counts.refused, refused - rows);
                if taken == 0 {
                    return Err(error);
                }
                // What was taken goes on; the answer tells both halves once it is done.
                request.cut_short(refused);
                return Ok(ticket);
            }
            taken += rows;
        }
        Ok(ticket)
    }

    /// A request larger than a batch, under a policy that does not wait: all of it or nothing.
    async fn submit_whole(
        &self,
        request: Arc<Request>,
        ticket: Ticket,
        records: Vec<R>,
        sizes: &[usize],
    ) -> Result<Ticket, WriteError> {
        let (rows, bytes) = (records.len(), sizes.iter().sum());
        if rows > self.engine.queue.limit_rows() {
            Counts::add(&self.engine.counts.refused, rows);
            return Err(WriteError::TooLarge { rows, bytes });
        }
        let room = Arc::new(self.room(rows, bytes).await?);
        let parts = divided(
            records,
            sizes,
            self.engine.queue.part_rows(),
            self.engine.queue.part_bytes(),
        );
        for (part, bytes) in parts {
            self.push(&request, part, bytes, &room)?;
        }
        Ok(ticket)
    }

    async fn accept(
        &self,
        request: &Arc<Request>,
        records: Vec<R>,
        bytes: usize,
    ) -> Result<(), WriteError> {
        let room = Arc::new(self.room(records.len(), bytes).await?);
        self.push(request, records, bytes, &room)
    }

    /// Finds room by the policy.
    async fn room(&self, rows: usize, bytes: usize) -> Result<Room, WriteError> {
        let queue = &self.engine.queue;
        let room = match self.engine.options.overflow {
            Overflow::Block => match queue.take_room(rows, bytes) {
                Err(NoRoom::Full) => {
                    self.engine.warn_of_full_queue("waiting for room");
                    queue.wait_for_room(rows, bytes).await
                }
                other => other,
            },
            Overflow::Reject => queue.take_room(rows, bytes),
            Overflow::DropOldest => loop {
                match queue.take_room(rows, bytes) {
                    Err(NoRoom::Full) => match queue.pop_oldest() {
                        Some(oldest) => self.drop_oldest(oldest),
                        None => break Err(NoRoom::Full),
                    },
                    other => break other,
                }
            },
        };
        room.map_err(|no_room| {
            Counts::add(&self.engine.counts.refused, rows);
            match no_room {
                NoRoom::Closed => WriteError::Closed,
                NoRoom::Full => {
                    self.engine.metrics.queue_full();
                    self.engine.warn_of_full_queue("refusing rows");
                    WriteError::QueueFull {
                        held_rows: queue.held_rows(),
                        limit_rows: queue.limit_rows(),
                    }
                }
            }
        })
    }

    fn drop_oldest(&self, oldest: Part<R>) {
        let rows = oldest.records.len();
        Counts::add(&self.engine.counts.dropped, rows);
        self.engine.metrics.dropped(rows);
        self.engine.warn_of_full_queue("dropping the oldest rows");
        drop(oldest.room);
        oldest.request.fail(|_| WriteError::Dropped { rows });
    }

    fn push(
        &self,
        request: &Arc<Request>,
        records: Vec<R>,
        bytes: usize,
        room: &Arc<Room>,
    ) -> Result<(), WriteError> {
        let engine = &self.engine;
        let rows = records.len();
        let (hot, late) = if engine.any_compressed() {
            let is_hot = |record: &R| engine.lane_of(record) == Lane::Hot;
            // What commits together takes one lane.
            let all_late = request.whole && !records.iter().all(is_hot);
            records
                .into_iter()
                .partition(|record| !all_late && is_hot(record))
        } else {
            (records, Vec::new())
        };
        let lanes = [(Lane::Hot, hot), (Lane::Late, late)].into_iter();
        let parts = lanes.filter(|(_, records)| !records.is_empty());
        let parts = parts.map(|(lane, records)| {
            let hash = |record: &R| key::hash(record, &engine.hashes);
            let part = Part {
                request: Arc::clone(request),
                hashes: if self.ordered {
                    records.iter().map(hash).collect()
                } else {
                    Vec::new()
                },
                records,
                bytes,
                room: Arc::clone(room),
            };
            (lane, part)
        });
        // First, so that the books never show rows that ended before they came.
        Counts::add(&engine.counts.accepted, rows);
        if engine.queue.push(parts.collect()).is_err() {
            engine
                .counts
                .accepted
                .fetch_sub(rows as u64, Ordering::Release);
            Counts::add(&engine.counts.refused, rows);
            return Err(WriteError::Closed);
        }
        engine.metrics.depth(engine.queue.held_rows());
        Ok(())
    }

    /// Rows held now, in flight included.
    #[must_use]
    pub fn held(&self) -> usize {
        self.engine.queue.held_rows()
    }

    /// For how long the database could not be reached; `None` while the last attempt reached it.
    ///
    /// Only rows that are [`held`](Self::held) are attempts, so with none this may be out of date.
    #[must_use]
    pub fn away_for(&self) -> Option<Duration> {
        self.engine.away_for()
    }

    /// Where rows have ended so far.
    #[must_use]
    pub fn report(&self) -> WriterReport {
        let counts = &self.engine.counts;
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let mut report = WriterReport {
            accepted: 0,
            committed: read(&counts.committed),
            parked: read(&counts.parked),
            returned: read(&counts.returned),
            dropped: read(&counts.dropped),
            refused: read(&counts.refused),
            held: 0,
            lost: 0,
        };
        // Last, so that whatever has ended is among it.
        report.accepted = read(&counts.accepted);
        let ended = report.committed + report.parked + report.returned + report.dropped;
        report.held = report.accepted.saturating_sub(ended);
        report
    }

    /// Takes nothing more, writes what is held, and reports. At the deadline it stops: rows still
    /// held then are `lost`, and their tickets say so.
    ///
    /// Whoever shares the writer may still ask it for its report. Only the first call waits.
    pub async fn shutdown(&self, deadline: Duration) -> WriterReport {
        self.engine.queue.close();
        let workers = {
            let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *workers)
        };
        let abort: Vec<_> = workers.iter().map(JoinHandle::abort_handle).collect();
        let all = futures_util::future::join_all(workers);
        tokio::pin!(all);
        if tokio::time::timeout(deadline, &mut all).await.is_err() {
            abort.iter().for_each(tokio::task::AbortHandle::abort);
            // Aborting takes effect at the next await; wait, so that no row commits unseen later.
            all.await;
        }
        self.engine.queue.clear();
        let mut report = self.report();
        report.lost = std::mem::take(&mut report.held);
        report
    }
}

impl<R> Drop for Writer<R> {
    fn drop(&mut self) {
        self.engine.queue.close();
        self.upkeep.abort();
    }
}

/// Divides records into parts of bounded rows and bytes.
fn divided<R>(records: Vec<R>, sizes: &[usize], rows: usize, bytes: usize) -> Vec<(Vec<R>, usize)> {
    let mut parts: Vec<(Vec<R>, usize)> = Vec::new();
    for (record, size) in records.into_iter().zip(sizes) {
        match parts.last_mut() {
            Some((part, held)) if part.len() < rows && *held + size <= bytes => {
                part.push(record);
                *held += size;
            }
            _ => parts.push((vec![record], *size)),
        }
    }
    parts
}
