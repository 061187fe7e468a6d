//! The workers: they take what waits, commit it, and deal with what the database says.

use std::{
    hash::RandomState,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use annals_record::{OnConflict, Record};
use tokio::time::Instant;

use super::{
    Batch, Companion, Failure, WriterOptions,
    batch::ParkReason,
    job::{Job, Settled},
    queue::{Lane, Queue, Work},
};
use crate::{Error, Result, backend::Backend, error::Action, metrics::WriterMetrics};

/// How often an error that nobody knows is retried before its rows are isolated.
const UNKNOWN_RETRIES: u32 = 5;

/// Chunks in one transaction at most: locks are taken for each, and the lock table is small.
const MAX_CHUNKS: usize = 100;

/// SQLSTATE of a statement that would decompress more than it may.
const TOO_COMPRESSED: &str = "53400";

/// Rows that are freed beside the work rather than in it.
const MANY_ROWS: usize = 100;

/// Rows in one transaction of the late lane: small, so that locks on a compressed chunk are short.
const LATE_ROWS: usize = 1_000;

/// How often the log hears that the queue is full.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Tuples that a statement of the late lane may decompress.
const LATE_DECOMPRESSION_LIMIT: u32 = 1_000_000;

/// Where rows ended, since the writer began.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) accepted: AtomicU64,
    pub(super) committed: AtomicU64,
    pub(super) parked: AtomicU64,
    pub(super) returned: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl Counts {
    pub(super) fn add(counter: &AtomicU64, rows: usize) {
        counter.fetch_add(rows as u64, Ordering::Release);
    }
}

/// What the workers of one writer share.
pub(super) struct Engine<R> {
    pub(super) backend: Arc<Backend>,
    pub(super) queue: Arc<Queue<R>>,
    pub(super) options: WriterOptions,
    pub(super) counts: Counts,
    pub(super) metrics: WriterMetrics,
    pub(super) hashes: RandomState,
    companion: Option<Arc<dyn Companion<R>>>,
    pub(super) on_conflict: OnConflict,
    conflicts: Arc<AtomicBool>,
    /// Range of a chunk in microseconds, where the table is a hypertable.
    chunk: Option<i64>,
    /// Time ranges of compressed chunks, as last seen.
    compressed: RwLock<Vec<(i64, i64)>>,
    /// Since when the database could not be reached; `None` while it can.
    away: Mutex<Option<Instant>>,
    /// When the log last heard that the queue is full.
    warned: Mutex<Option<Instant>>,
}

impl<R: Record> Engine<R> {
    pub(super) async fn new(
        backend: Arc<Backend>,
        options: WriterOptions,
        companion: Option<Arc<dyn Companion<R>>>,
    ) -> Result<Self> {
        let chunk = backend.chunk_interval(R::DESCRIPTOR).await?;
        let engine = Self {
            queue: Arc::new(Queue::new(&options)),
            metrics: WriterMetrics::new(R::DESCRIPTOR.table),
            backend,
            on_conflict: options.on_conflict.unwrap_or(R::DESCRIPTOR.on_conflict),
            options,
            counts: Counts::default(),
            hashes: RandomState::new(),
            companion,
            conflicts: Arc::default(),
            chunk,
            compressed: RwLock::default(),
            away: Mutex::default(),
            warned: Mutex::default(),
        };
        engine.look_for_compressed_chunks().await?;
        Ok(engine)
    }

    /// Whether chunks of the table can be frozen or compressed at all.
    pub(super) fn has_late_lane(&self) -> bool {
        self.chunk.is_some() && self.backend.capabilities().columnstore()
    }

    pub(super) fn companion(&self) -> Option<&Arc<dyn Companion<R>>> {
        self.companion.as_ref()
    }

    /// Reads which chunks are compressed, so that rows for them take the late lane.
    pub(super) async fn look_for_compressed_chunks(&self) -> Result<()> {
        if self.has_late_lane() {
            let ranges = self.backend.compressed_ranges(R::DESCRIPTOR).await?;
            *self
                .compressed
                .write()
                .unwrap_or_else(PoisonError::into_inner) = ranges;
        }
        Ok(())
    }

    /// Whether any chunk is known to be compressed.
    pub(super) fn any_compressed(&self) -> bool {
        !self
            .compressed
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    pub(super) fn lane_of(&self, record: &R) -> Lane {
        let ranges = self
            .compressed
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        match super::key::time(record) {
            Some(time) if ranges.iter().any(|(from, to)| (*from..*to).contains(&time)) => {
                Lane::Late
            }
            _ => Lane::Hot,
        }
    }

    /// Tells the log that the queue is full and what comes of it; now and then, since whoever meets a
    /// full queue meets it for every row.
    pub(super) fn warn_of_full_queue(&self, consequence: &'static str) {
        {
            let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
            if warned.is_some_and(|at| at.elapsed() < WARN_EVERY) {
                return;
            }
            *warned = Some(Instant::now());
        }
        tracing::warn!(
            table = R::DESCRIPTOR.table,
            held_rows = self.queue.held_rows(),
            limit_rows = self.queue.limit_rows(),
            consequence,
            "the queue is full"
        );
    }

    fn away(&self) -> MutexGuard<'_, Option<Instant>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For how long the database could not be reached.
    pub(super) fn away_for(&self) -> Option<Duration> {
        self.away().map(|since| since.elapsed())
    }

    /// Notes whether an attempt reached the database.
    fn note(&self, attempt: Result<(), &Error>) {
        let mut away = self.away();
        match attempt {
            Err(error) if error.is_absence() => {
                away.get_or_insert_with(Instant::now);
            }
            _ => *away = None,
        }
    }

    /// Works until the queue is closed and empty.
    ///
    /// While one batch is on its way the next full one is made ready beside it, so that the database
    /// does not wait for us between two of them. Not where the oldest may be dropped: what is ready
    /// is on its way, and what is on its way is not dropped.
    pub(super) async fn work(self: Arc<Self>, lane: Lane) {
        let looks_ahead = lane == Lane::Hot && self.options.overflow != super::Overflow::DropOldest;
        while let Some(work) = self.queue.next(lane).await {
            let started = Instant::now();
            let ahead = looks_ahead.then(|| tokio::spawn(Arc::clone(&self).look_ahead()));
            let mut jobs = self.prepared(work, lane);
            while let Some(job) = jobs.pop() {
                let rest = self.write(job, lane).await;
                jobs.extend(rest.into_iter().rev());
            }
            self.metrics
                .finished(started.elapsed(), self.queue.held_rows());
            if let Some(ahead) = ahead {
                // It is either waiting, with nothing taken, or it is done: taking, preparing and
                // handing over are one step, which aborting cannot divide.
                ahead.abort();
                let _ = ahead.await;
            }
        }
    }

    /// Makes the next full batch ready, for whichever worker is free first.
    async fn look_ahead(self: Arc<Self>) {
        if let Some(work) = self.queue.next_full().await {
            let mut jobs = self.prepared(work, Lane::Hot);
            jobs.reverse();
            self.queue.add_ready(jobs);
        }
    }

    /// Jobs for the database, the last one first.
    fn prepared(&self, work: Work<R>, lane: Lane) -> Vec<Job<R>> {
        let mut jobs = match work {
            Work::Ready(job) => vec![job],
            Work::Job(job) => self.divided(job, lane),
            Work::Parts(parts) => {
                let mut job = Job::new(parts, &self.queue, self.on_conflict);
                job.leave_one_row_for_each_key(&self.hashes);
                self.divided(job, lane)
            }
        };
        jobs.reverse();
        jobs
    }

    fn divided(&self, job: Job<R>, lane: Lane) -> Vec<Job<R>> {
        let Some(chunk) = self.chunk.filter(|_| !job.is_whole()) else {
            return vec![job];
        };
        let jobs = job.split_by_chunk(chunk, MAX_CHUNKS);
        match lane {
            Lane::Hot => jobs,
            Lane::Late => jobs
                .into_iter()
                .flat_map(|job| at_most(job, LATE_ROWS))
                .collect(),
        }
    }

    fn batch(&self, rows: Vec<R>, lane: Lane, is_whole: bool) -> Arc<Batch<R>> {
        let mut batch = Batch::new(rows, self.on_conflict);
        batch.whole = is_whole;
        batch.ledger = self.options.ledger;
        batch.conflicts = Arc::clone(&self.conflicts);
        batch.decompression_limit = (lane == Lane::Late).then_some(LATE_DECOMPRESSION_LIMIT);
        Arc::new(batch)
    }

    /// Writes one job to its end. Gives back jobs that it was divided into.
    async fn write(&self, mut job: Job<R>, lane: Lane) -> Vec<Job<R>> {
        let is_whole = job.is_whole();
        let mut batch = self.batch(std::mem::take(&mut job.rows), lane, is_whole);
        let mut in_doubt = false;
        let mut attempt = 0_u32;
        let mut statement_retries = 0_u32;
        loop {
            attempt = attempt.saturating_add(1);
            if !in_doubt && !self.is_wanted(&mut job, &mut batch, lane) {
                return Vec::new();
            }
            let done = match self.backend.lease().await {
                // Whoever waited may have left while there was no connection.
                Ok(_) if !in_doubt && !self.is_wanted(&mut job, &mut batch, lane) => {
                    return Vec::new();
                }
                Ok(lease) => {
                    batch.attempts.store(attempt, Ordering::Relaxed);
                    lease.commit(&batch, self.companion.as_ref()).await
                }
                Err(error) => Err(Failure::untold(error)),
            };
            let failure = match done {
                Ok(outcome) => {
                    self.note(Ok(()));
                    self.metrics.committed(batch.rows.len(), outcome.repeated);
                    job.rows = rows_of(batch);
                    return self.settle(job, &outcome.parked);
                }
                Err(failure) => failure,
            };
            in_doubt = failure.leaves_in_doubt(in_doubt);
            let error = failure.error;
            self.note(Err(&error));
            let mut action = error.action();
            self.metrics.failed(action);
            if in_doubt {
                tracing::warn!(table = R::DESCRIPTOR.table, batch = %batch.id, error = error.report(),
                    "the answer to a commit is missing; the ledger will tell");
                tokio::time::sleep(self.options.delay(attempt)).await;
                continue;
            }
            if action == Action::Hold && !self.has_late_lane() {
                // Nothing can be frozen here, so this is something else.
                action = Action::Unknown;
            }
            if error.code().is_some() && matches!(action, Action::Retry | Action::Unknown) {
                statement_retries += 1;
            }
            let tired = match action {
                Action::Unknown => statement_retries > UNKNOWN_RETRIES,
                Action::Retry => self
                    .options
                    .max_retries
                    .is_some_and(|max| statement_retries > max),
                _ => false,
            };
            // What a batch of any size runs into is no row's fault: halving it would only take longer.
            let exhausted = tired && action == Action::Retry;
            if tired {
                action = Action::Isolate;
            }
            let too_slow = matches!(error, Error::TimedOut { .. });
            let too_compressed = error.code().is_some_and(|code| code == TOO_COMPRESSED);
            match action {
                Action::Split if too_compressed && lane == Lane::Hot && self.has_late_lane() => {
                    // The chunk was compressed since the last look: the late lane may do more.
                    job.rows = rows_of(batch);
                    self.queue.hold(Duration::ZERO, Duration::ZERO, job);
                    return Vec::new();
                }
                // Neither divided nor parked: all or none.
                Action::Isolate | Action::Split if is_whole => {
                    job.rows = rows_of(batch);
                    job.refuse(error, |returned| {
                        Counts::add(&self.counts.returned, returned);
                        self.metrics.returned(returned);
                    });
                    return Vec::new();
                }
                Action::Isolate | Action::Split if batch.rows.len() > 1 && !exhausted => {
                    job.rows = rows_of(batch);
                    return job.halves();
                }
                // A smaller batch may make it in time.
                Action::Retry if too_slow && batch.rows.len() > 1 && !is_whole => {
                    job.rows = rows_of(batch);
                    return job.halves();
                }
                Action::Split if !too_compressed || statement_retries < UNKNOWN_RETRIES => {
                    // One row cannot be made smaller, and what it ran into may pass.
                    statement_retries += 1;
                    tokio::time::sleep(self.options.delay(attempt)).await;
                }
                Action::Isolate | Action::Split => {
                    let mut parking = Batch::new(rows_of(batch), self.on_conflict);
                    parking.ledger = self.options.ledger;
                    parking.park_all = Some(ParkReason::of(&error));
                    batch = Arc::new(parking);
                    continue;
                }
                Action::Hold => {
                    job.rows = rows_of(batch);
                    return self.hold(job, &error, attempt);
                }
                Action::Stop => {
                    job.rows = rows_of(batch);
                    let error = Arc::new(error);
                    job.fail_awaited(&error, |returned| {
                        Counts::add(&self.counts.returned, returned);
                        self.metrics.returned(returned);
                    });
                    if job.rows.is_empty() {
                        return Vec::new();
                    }
                    batch = self.batch(std::mem::take(&mut job.rows), lane, is_whole);
                    let rows = batch.rows.len();
                    // Whoever waited has been told; for what was enqueued nobody else would say it.
                    tracing::error!(
                        table = R::DESCRIPTOR.table,
                        rows,
                        error = error.report(),
                        "rows wait until this is put right"
                    );
                    tokio::time::sleep(self.options.retry_delay_max).await;
                }
                Action::Retry | Action::Unknown => {
                    tracing::warn!(
                        table = R::DESCRIPTOR.table,
                        rows = batch.rows.len(),
                        attempt,
                        error = error.report(),
                        "a batch is tried again"
                    );
                    tokio::time::sleep(self.options.delay(attempt)).await;
                }
            }
            // Nothing of it is committed, so it goes as another batch: the ledger entry of this one
            // may be locked for as long as the server believes in a connection that is gone.
            batch = self.batch(rows_of(batch), lane, is_whole);
        }
    }

    /// Takes rows out of a batch when nobody waits for them any more; false when none is left.
    ///
    /// Only for a batch of which nothing is committed: what is left goes as another batch.
    fn is_wanted(&self, job: &mut Job<R>, batch: &mut Arc<Batch<R>>, lane: Lane) -> bool {
        if !job.any_withdrawn() {
            return true;
        }
        job.rows = batch.rows.clone();
        let withdrawn = job.drop_withdrawn();
        Counts::add(&self.counts.returned, withdrawn);
        self.metrics.returned(withdrawn);
        let wanted = std::mem::take(&mut job.rows);
        let any = !wanted.is_empty();
        if withdrawn > 0 {
            *batch = self.batch(wanted, lane, job.is_whole());
        }
        any
    }

    /// Keeps rows of a frozen chunk. When others are among them, divides the job by chunks instead.
    fn hold(&self, job: Job<R>, error: &Error, attempt: u32) -> Vec<Job<R>> {
        let chunks = if job.is_whole() {
            vec![job]
        } else {
            job.split_by_chunk(self.chunk.unwrap_or(i64::MAX), 1)
        };
        if chunks.len() > 1 {
            return chunks;
        }
        for job in chunks {
            tracing::warn!(
                table = R::DESCRIPTOR.table,
                rows = job.rows.len(),
                error = error.report(),
                "rows wait for their chunk to be writable again"
            );
            let while_closing = self.options.delay(attempt);
            self.queue.hold(self.options.hold_delay, while_closing, job);
        }
        Vec::new()
    }

    fn settle(&self, mut job: Job<R>, parked: &[usize]) -> Vec<Job<R>> {
        // Thousands of rows have many thousands of strings to free: not while the database waits.
        let rows = std::mem::take(&mut job.rows);
        if rows.len() > MANY_ROWS {
            tokio::spawn(async move { drop(rows) });
        }
        let count = |settled: Settled| {
            Counts::add(&self.counts.committed, settled.committed);
            Counts::add(&self.counts.parked, settled.parked);
            self.metrics.settled(settled.committed, settled.parked);
        };
        job.settle(parked, count).into_iter().collect()
    }

    /// Keeps the ledger short and the view of compressed chunks fresh, for as long as it lives.
    pub(super) async fn maintain(self: Arc<Self>) {
        const COMPRESSED_EVERY: Duration = Duration::from_secs(30);
        let mut ticks = 0_u64;
        loop {
            tokio::time::sleep(COMPRESSED_EVERY).await;
            ticks += 1;
            let done = async {
                self.look_for_compressed_chunks().await?;
                if ticks % 20 == 1 && self.options.ledger {
                    let batches = self
                        .backend
                        .forget_batches(self.options.ledger_retention)
                        .await?;
                    crate::metrics::ledger_forgotten(batches);
                }
                Result::<(), Error>::Ok(())
            };
            if let Err(error) = done.await {
                tracing::debug!(error = error.report(), "upkeep will be tried again");
            }
        }
    }
}

/// The rows of a batch that nobody else looks at any more.
fn rows_of<R: Clone>(batch: Arc<Batch<R>>) -> Vec<R> {
    Arc::try_unwrap(batch).map_or_else(|shared| shared.rows.clone(), |batch| batch.rows)
}

fn at_most<R: Record>(job: Job<R>, rows: usize) -> Vec<Job<R>> {
    if job.rows.len() <= rows {
        return vec![job];
    }
    job.halves()
        .into_iter()
        .flat_map(|half| at_most(half, rows))
        .collect()
}
