//! How a writer batches, bounds and retries.

use std::{num::NonZeroUsize, time::Duration};

use annals_record::OnConflict;

/// What happens when the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Wait for room.
    #[default]
    Block,
    /// Refuse with [`WriteError::QueueFull`](crate::WriteError::QueueFull).
    Reject,
    /// Drop what has waited longest, and count it.
    DropOldest,
}

/// How a writer batches, bounds and retries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WriterOptions {
    /// Rows in one batch at most.
    pub batch_rows: NonZeroUsize,
    /// Estimated bytes in one batch at most; a single larger row is a batch of its own.
    pub batch_bytes: NonZeroUsize,
    /// Rows held at most, in flight included.
    pub queue_rows: NonZeroUsize,
    /// Estimated bytes held at most, in flight included.
    pub queue_bytes: NonZeroUsize,
    /// What happens when the queue is full.
    pub overflow: Overflow,
    /// Batches in flight at once, each on a connection of its own. SQLite has one writer, always.
    pub connections: NonZeroUsize,
    /// What a row does when another with its key is there already; `None` for what its record says.
    pub on_conflict: Option<OnConflict>,
    /// Whether batches are entered in the ledger. Without it a COMMIT whose answer is lost may be
    /// written twice when the record has no key.
    pub ledger: bool,
    /// How long the ledger remembers a batch.
    pub ledger_retention: Duration,
    /// First delay before a batch is tried again; later ones double, with jitter.
    pub retry_delay: Duration,
    /// Longest delay before a batch is tried again.
    pub retry_delay_max: Duration,
    /// How often a statement error on a live connection is retried; `None` for as long as it takes.
    /// While the database cannot be reached, batches wait and this does not count.
    pub max_retries: Option<u32>,
    /// How long rows of a frozen chunk wait before they are tried again.
    pub hold_delay: Duration,
}

const fn at_least_one(number: usize) -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(number.saturating_sub(1))
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            batch_rows: at_least_one(10_000),
            batch_bytes: at_least_one(16 << 20),
            queue_rows: at_least_one(100_000),
            queue_bytes: at_least_one(256 << 20),
            overflow: Overflow::Block,
            connections: at_least_one(2),
            on_conflict: None,
            ledger: true,
            ledger_retention: Duration::from_secs(24 * 3_600),
            retry_delay: Duration::from_millis(100),
            retry_delay_max: Duration::from_secs(10),
            max_retries: None,
            hold_delay: Duration::from_secs(30),
        }
    }
}

impl WriterOptions {
    /// The delay before attempt number `attempt` (from 1), with jitter of up to a half either way.
    pub(crate) fn delay(&self, attempt: u32) -> Duration {
        let doubled = self
            .retry_delay
            .saturating_mul(1 << attempt.saturating_sub(1).min(16));
        let capped = doubled.min(self.retry_delay_max);
        // A fresh UUID is the randomness at hand; two of its bytes are plenty for jitter.
        let [.., a, b] = uuid::Uuid::now_v7().into_bytes();
        capped.mul_f64(0.5 + f64::from(u16::from_be_bytes([a, b])) / 65_536.0)
    }
}
