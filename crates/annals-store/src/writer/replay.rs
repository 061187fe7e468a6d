//! Dead letters go back to their table by the same road as new rows.

use std::sync::Arc;

use annals_record::{Payload, Record};
use uuid::Uuid;

use super::{Batch, Failure, Outcome, Writer};
use crate::{Error, Result, dead_letter::DeadLetter, error::Action};

/// Letters in one transaction.
const BATCH: usize = 500;

/// What became of replayed dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Replayed {
    /// Letters whose rows are in their table now; they are gone from the dead letters.
    pub committed: usize,
    /// Letters that the table refused again; they stay, with one more attempt.
    pub refused: usize,
    /// Letters that were gone when their turn came: replayed or purged by somebody else.
    pub gone: usize,
}

impl<R: Record> Writer<R> {
    /// Tries dead letters of this writer's table again. A letter and its row change places in one
    /// transaction, so none is lost and none is written twice.
    ///
    /// # Errors
    ///
    /// A letter belongs to another table or cannot be read, or the database failed; letters before
    /// it may have been replayed.
    pub async fn replay(&self, letters: Vec<DeadLetter>) -> Result<Replayed> {
        let mut replayed = Replayed::default();
        let mut letters = letters.into_iter().peekable();
        while letters.peek().is_some() {
            let (ids, rows) = read_letters::<R>(letters.by_ref().take(BATCH))?;
            let mut pending = vec![(ids, rows)];
            while let Some((ids, rows)) = pending.pop() {
                let mut batch = Batch::new(rows, self.engine.on_conflict);
                batch.letters = ids;
                let batch = Arc::new(batch);
                match self.commit_until_known(&batch).await {
                    Ok(outcome) if outcome.gone.is_empty() => {
                        let refused = outcome.parked.len();
                        replayed.refused += refused;
                        replayed.committed += batch.rows.len() - refused;
                    }
                    // Somebody else was faster with some: the others go without them.
                    Ok(outcome) => {
                        let pairs = batch.letters.iter().zip(&batch.rows);
                        let rest: (Vec<Uuid>, Vec<R>) = pairs
                            .filter(|(id, _)| !outcome.gone.contains(id))
                            .map(|(id, row)| (*id, row.clone()))
                            .unzip();
                        replayed.gone += outcome.gone.len();
                        if !rest.0.is_empty() {
                            pending.push(rest);
                        }
                    }
                    // More than one transaction can take (chunks, time): halve it.
                    Err(error) if batch.rows.len() > 1 && is_too_much(&error) => {
                        let middle = batch.rows.len() / 2;
                        let half = |range: std::ops::Range<usize>| {
                            let ids = batch.letters.get(range.clone()).unwrap_or_default();
                            let rows = batch.rows.get(range).unwrap_or_default();
                            (ids.to_vec(), rows.to_vec())
                        };
                        pending.push(half(middle..batch.rows.len()));
                        pending.push(half(0..middle));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(replayed)
    }

    /// Commits a batch of letters; asks the ledger again while it may be committed already.
    async fn commit_until_known(&self, batch: &Arc<Batch<R>>) -> Result<Outcome> {
        let mut in_doubt = false;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let done = match self.engine.backend.lease().await {
                Ok(lease) => lease.commit(batch, self.engine.companion()).await,
                Err(error) => Err(Failure::untold(error)),
            };
            let failure = match done {
                Ok(outcome) => return Ok(outcome),
                Err(failure) => failure,
            };
            in_doubt = failure.leaves_in_doubt(in_doubt);
            if !in_doubt {
                return Err(failure.error);
            }
            tokio::time::sleep(self.engine.options.delay(attempt)).await;
        }
    }
}

fn is_too_much(error: &Error) -> bool {
    matches!(error, Error::TimedOut { .. })
        || matches!(
            error.action(),
            Action::Split | Action::Isolate | Action::Hold
        )
}

fn read_letters<R: Record>(
    letters: impl Iterator<Item = DeadLetter>,
) -> Result<(Vec<Uuid>, Vec<R>)> {
    let mut ids = Vec::new();
    let mut rows = Vec::new();
    for letter in letters {
        let table = R::DESCRIPTOR.table;
        if letter.table_name != table {
            return Err(Error::ForeignLetter {
                id: letter.id,
                table: letter.table_name,
                expected: table,
            });
        }
        let payload = Payload::from_bytes(&letter.payload).map_err(|source| Error::Payload {
            id: letter.id,
            source,
        })?;
        rows.push(
            payload
                .to_record()
                .map_err(|source| Error::Decode { table, source })?,
        );
        ids.push(letter.id);
    }
    Ok((ids, rows))
}
