//! What is written in one transaction, and what became of it.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use annals_record::{OnConflict, Payload, Record, Timestamp};
use uuid::Uuid;

use crate::{
    Error,
    dead_letter::DeadLetter,
    error::{Refusal, report},
};

/// Rows that commit together.
#[derive(Debug)]
pub(crate) struct Batch<R> {
    /// Its entry in the ledger; stays the same however often it is tried.
    pub(crate) id: Uuid,
    pub(crate) rows: Vec<R>,
    /// What a row does when another with its key is there already.
    pub(crate) on_conflict: OnConflict,
    /// Whether it has an entry in the ledger at all.
    pub(crate) ledger: bool,
    /// Dead letters that the rows came from, one each; empty for new rows.
    pub(crate) letters: Vec<Uuid>,
    /// Whether a row that its table refuses takes all others with it.
    pub(crate) whole: bool,
    /// Do not even try the table: keep every row as a dead letter, for this reason.
    pub(crate) park_all: Option<ParkReason>,
    /// How many compressed tuples one statement may decompress, when more than the server's default.
    pub(crate) decompression_limit: Option<u32>,
    /// How often it was tried.
    pub(crate) attempts: AtomicU32,
    /// Whether batches before it met keys that were there already.
    pub(crate) conflicts: Arc<AtomicBool>,
}

impl<R> Batch<R> {
    pub(crate) fn new(rows: Vec<R>, on_conflict: OnConflict) -> Self {
        Self {
            id: Uuid::now_v7(),
            rows,
            on_conflict,
            ledger: true,
            letters: Vec::new(),
            whole: false,
            park_all: None,
            decompression_limit: None,
            attempts: AtomicU32::new(0),
            conflicts: Arc::default(),
        }
    }

    /// The replayed letters that are not among `there`.
    pub(crate) fn letters_without(&self, there: &HashSet<Uuid>) -> Vec<Uuid> {
        self.letters
            .iter()
            .filter(|id| !there.contains(*id))
            .copied()
            .collect()
    }

    /// Whether the fast road is likely to fail.
    pub(crate) fn expects_conflicts(&self) -> bool {
        self.conflicts.load(Ordering::Relaxed)
    }

    /// Remembers for later batches that this one met keys that were there already: it went the
    /// careful road, and refused rows do not explain why.
    pub(crate) fn note_conflicts(&self, refused: usize) {
        self.conflicts.store(refused == 0, Ordering::Relaxed);
    }

    /// The ids of replayed letters whose rows are still refused, with why, and of those that are done.
    pub(crate) fn replayed(
        &self,
        refused: &[(usize, ParkReason)],
    ) -> (Vec<(Uuid, ParkReason)>, Vec<Uuid>) {
        let mut still = Vec::new();
        let mut done = Vec::new();
        for (row, id) in self.letters.iter().enumerate() {
            match refused.iter().find(|(position, _)| *position == row) {
                Some((_, reason)) => still.push((*id, reason.clone())),
                None => done.push(*id),
            }
        }
        (still, done)
    }
}

impl<R: Record> Batch<R> {
    /// What a whole batch says when rows of it are refused; nothing when they are parked, or there are none.
    pub(crate) fn refusal(&self, refused: &[(usize, ParkReason)]) -> Option<Error> {
        let (row, reason) = refused.first().filter(|_| self.whole)?;
        Some(Error::RowRefused {
            table: R::DESCRIPTOR.table,
            row: *row,
            reason: reason.reason.clone(),
            code: reason.code.clone(),
        })
    }

    /// The dead letters of refused rows.
    pub(crate) fn letters_of(&self, refused: &[(usize, ParkReason)]) -> Vec<DeadLetter> {
        let attempts = self.attempts.load(Ordering::Relaxed).max(1);
        refused
            .iter()
            .filter_map(|(position, reason)| {
                Some(DeadLetter {
                    id: Uuid::now_v7(),
                    table_name: R::DESCRIPTOR.table.to_owned(),
                    reason: reason.reason.clone(),
                    code: reason.code.clone(),
                    column_name: reason.column.clone(),
                    parked_at: Timestamp::now(),
                    attempts: i32::try_from(attempts).unwrap_or(i32::MAX),
                    batch_id: self.id,
                    batch_row: i32::try_from(*position).unwrap_or(i32::MAX),
                    payload: Payload::of(self.rows.get(*position)?).to_bytes(),
                })
            })
            .collect()
    }
}

/// What became of a batch that is committed.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Positions of the rows that were parked; the others are in the table.
    pub(crate) parked: Vec<usize>,
    /// An earlier attempt had committed it; the ledger knew.
    pub(crate) repeated: bool,
    /// Dead letters that somebody else has ended; when there are any, nothing was written.
    pub(crate) gone: Vec<Uuid>,
}

/// Why an attempt did not end in a known commit.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// What this attempt tells of the batch.
    pub(crate) fate: Fate,
}

/// What a failed attempt tells of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing: it did not get as far as the ledger, so what was known before is all there is.
    Untold,
    /// The ledger had no entry for it, and got none: it is not committed, nor will it be.
    NotCommitted,
    /// COMMIT was sent, and nobody knows whether it arrived.
    InDoubt,
}

impl Failure {
    /// A failure on the way to the ledger.
    pub(crate) fn untold(error: Error) -> Self {
        Self {
            error,
            fate: Fate::Untold,
        }
    }

    /// Whether the batch may be committed, given whether it may have been before this attempt.
    /// Then it must go again as it is: as a new batch its rows could be written twice.
    pub(crate) fn leaves_in_doubt(&self, before: bool) -> bool {
        match self.fate {
            Fate::Untold => before,
            Fate::NotCommitted => false,
            Fate::InDoubt => true,
        }
    }
}

/// Why a row was parked.
#[derive(Clone, Debug)]
pub(crate) struct ParkReason {
    pub(crate) reason: String,
    pub(crate) code: Option<String>,
    pub(crate) column: Option<String>,
}

impl ParkReason {
    pub(crate) fn of(error: &Error) -> Self {
        let column = match error {
            Error::Statement {
                source: crate::error::DriverError::Postgres(error),
                ..
            } => error
                .as_database_error()
                .and_then(|error| error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>())
                .and_then(|error| error.column().map(str::to_owned)),
            _ => None,
        };
        // A message that quotes a value may carry what no text column can hold.
        let reason = report(error).replace('\0', "\u{fffd}");
        Self {
            reason,
            code: error.code(),
            column,
        }
    }
}

impl From<Refusal> for ParkReason {
    fn from(refusal: Refusal) -> Self {
        Self {
            reason: refusal.to_string(),
            // character_not_in_repertoire: what the server would have answered.
            code: Some("22021".to_owned()),
            column: Some(refusal.column.to_owned()),
        }
    }
}
