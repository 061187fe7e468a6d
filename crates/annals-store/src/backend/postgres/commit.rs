//! One batch in one transaction: ledger, rows, parked rows, companion, commit.
//!
//! Few rows go by [INSERT](few). Many take the fast road, COPY straight into the table. Only when the server finds a key that is
//! there already, or a row that it refuses, does the batch go again by the careful road (see
//! [`careful`]), inside the same transaction, so that one ledger entry stands for all of it.

mod careful;
mod few;

use std::{collections::HashSet, sync::Arc};

use annals_record::{OnConflict, Record};
use sqlx::{Executor as _, PgConnection, Row as _, pool::PoolConnection};
use uuid::Uuid;

use super::{Postgres, copy::CopyBuffer, statements::Statements};
use crate::{
    Error,
    dead_letter::DeadLetter,
    error::Action,
    sql::Sql,
    writer::{Batch, Companion, Failure, Fate, Outcome, ParkReason},
};

/// COPY is sent in pieces of this size: each piece is a system call and a flush.
const PIECE: usize = 1 << 20;

/// What became of a batch's rows before the commit.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Rows that the table refused, by position.
    pub(super) refused: Vec<(usize, ParkReason)>,
    /// Positions of rows that are new in the table; `None` when all that were not refused are.
    pub(super) inserted: Option<Vec<usize>>,
}

impl Postgres {
    pub(crate) async fn commit<R: Record>(
        &self,
        connection: PoolConnection<sqlx::Postgres>,
        batch: &Arc<Batch<R>>,
        companion: Option<&Arc<dyn Companion<R>>>,
    ) -> Result<Outcome, Failure> {
        let mut attempt = Attempt {
            postgres: self,
            statements: self.statements::<R>(batch.on_conflict),
            batch,
            connection: Discarding(Some(connection)),
            fate: Fate::Untold,
        };
        let done = tokio::time::timeout(self.attempt_timeout, attempt.run(companion)).await;
        let error = match done {
            Ok(Ok(outcome)) => {
                attempt.connection.keep();
                return Ok(outcome);
            }
            Ok(Err(error)) => error,
            Err(_elapsed) => Error::TimedOut {
                doing: "writing a batch",
            },
        };
        // A connection with an outdated plan would meet it again at the next try.
        if attempt.is_over(&error).await && !super::is_stale_plan(&error) {
            attempt.connection.keep();
        }
        let fate = attempt.fate;
        Err(Failure { error, fate })
    }
}

/// A connection that is closed when it is dropped without [`keep`](Self::keep): a transaction that
/// was left in the middle must not be found by the next user.
struct Discarding(Option<PoolConnection<sqlx::Postgres>>);

impl Discarding {
    fn keep(&mut self) {
        self.0 = None;
    }

    fn get(&mut self) -> Result<&mut PgConnection, Error> {
        self.0.as_deref_mut().ok_or(Error::Statement {
            doing: "writing a batch",
            source: sqlx::Error::PoolClosed.into(),
        })
    }
}

impl Drop for Discarding {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

struct Attempt<'a, R> {
    postgres: &'a Postgres,
    statements: Arc<Statements>,
    batch: &'a Batch<R>,
    connection: Discarding,
    /// What it would mean for the batch if the attempt failed now.
    fate: Fate,
}

impl<R: Record> Attempt<'_, R> {
    async fn run(&mut self, companion: Option<&Arc<dyn Companion<R>>>) -> Result<Outcome, Error> {
        if !self.open().await? {
            // It is committed, and what follows only asks how.
            self.fate = Fate::InDoubt;
            let parked = self.parked_before().await?;
            return Ok(Outcome {
                parked,
                repeated: true,
                gone: Vec::new(),
            });
        }
        self.fate = Fate::NotCommitted;
        let gone = self.gone_letters().await?;
        if !gone.is_empty() {
            self.rollback().await?;
            return Ok(Outcome {
                parked: Vec::new(),
                repeated: false,
                gone,
            });
        }
        let tells_new = companion.is_some_and(|companion| !companion.wants_every_row());
        let mut written = match &self.batch.park_all {
            Some(reason) => Written {
                refused: (0..self.batch.rows.len())
                    .map(|row| (row, reason.clone()))
                    .collect(),
                inserted: None,
            },
            None => self.write_rows(tells_new).await?,
        };
        if let Some(error) = self.batch.refusal(&written.refused) {
            return Err(error);
        }
        self.settle_letters(&written).await?;
        if let Some(companion) = companion {
            if !tells_new {
                written.inserted = None;
            }
            let rows = told_rows(self.batch, &written);
            if !rows.is_empty() {
                companion
                    .apply_postgres(self.connection.get()?, self.postgres.names(), rows)
                    .await
                    .map_err(Error::statement("writing beside a batch"))?;
            }
        }
        self.fate = Fate::InDoubt;
        let done = self.raw(Sql::vouched("COMMIT".into()), "committing").await;
        if let Err(error) = done {
            // An answer of a server that is still there is an answer: nothing was committed. From a
            // pooler that lost its server an SQLSTATE says nothing.
            if self.is_over(&error).await {
                self.fate = Fate::NotCommitted;
            }
            return Err(error);
        }
        let parked = written.refused.into_iter().map(|(row, _)| row).collect();
        Ok(Outcome {
            parked,
            repeated: false,
            gone: Vec::new(),
        })
    }

    async fn raw(&mut self, sql: Sql, doing: &'static str) -> Result<u64, Error> {
        let done = self.connection.get()?.execute(sqlx::raw_sql(sql)).await;
        done.map(|done| done.rows_affected())
            .map_err(Error::statement(doing))
    }

    /// Whether the server answered with this error, and its transaction is rolled back.
    async fn is_over(&mut self, error: &Error) -> bool {
        if error.code().is_none() {
            return false;
        }
        let limit = self.postgres.attempt_timeout;
        matches!(
            tokio::time::timeout(limit, self.rollback()).await,
            Ok(Ok(()))
        )
    }

    async fn rollback(&mut self) -> Result<(), Error> {
        self.raw(Sql::vouched("ROLLBACK".into()), "rolling back")
            .await
            .map(|_| ())
    }

    /// Opens the transaction with the batch's ledger entry; false when the ledger has it already.
    ///
    /// INSERT and not SELECT: while a first COMMIT of the same batch is still running, this waits
    /// for its end, which a SELECT would not see.
    async fn open(&mut self) -> Result<bool, Error> {
        let mut script = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ".to_owned();
        if let Some(limit) = self.batch.decompression_limit {
            script += &format!(
                "SET LOCAL timescaledb.max_tuples_decompressed_per_dml_transaction = {limit}; "
            );
        }
        if self.batch.ledger {
            script += &format!(
                "INSERT INTO {} (batch_id, row_count) VALUES ('{}', {}) ON CONFLICT DO NOTHING; ",
                self.postgres.names().table("annals_ledger"),
                self.batch.id.hyphenated(),
                self.batch.rows.len(),
            );
        }
        script += "SAVEPOINT annals_rows";
        let entered = self.raw(Sql::vouched(script), "opening a batch").await?;
        Ok(entered > 0 || !self.batch.ledger)
    }

    /// Which rows an earlier commit of this batch parked.
    async fn parked_before(&mut self) -> Result<Vec<usize>, Error> {
        let sql = self
            .postgres
            .names()
            .statement("SELECT batch_row FROM {annals_dead_letters} WHERE batch_id = $1");
        let id = self.batch.id;
        let rows = sqlx::query(sql)
            .bind(id)
            .fetch_all(self.connection.get()?)
            .await;
        let rows = rows.map_err(Error::statement("asking what a batch parked"))?;
        self.rollback().await?;
        Ok(rows
            .iter()
            .filter_map(|row| row.try_get::<i32, _>(0).ok())
            .filter_map(|row| usize::try_from(row).ok())
            .collect())
    }

    async fn write_rows(&mut self, needs_inserted: bool) -> Result<Written, Error> {
        let hint = if self.are_few() {
            if let Some(written) = self.write_few(needs_inserted).await? {
                return Ok(written);
            }
            None
        } else if self.batch.expects_conflicts() {
            None
        } else {
            match self.copy_all().await {
                Ok(refused) => {
                    return Ok(Written {
                        refused,
                        inserted: None,
                    });
                }
                Err(error) if error.action() == Action::Isolate => copy_line(&error),
                Err(error) => return Err(error),
            }
        };
        self.go_back().await?;
        let written = self.write_carefully(hint, needs_inserted).await?;
        self.batch.note_conflicts(written.refused.len());
        Ok(written)
    }

    /// The fast road. Gives the rows that cannot even be put on the wire.
    async fn copy_all(&mut self) -> Result<Vec<(usize, ParkReason)>, Error> {
        let sql = self.statements.copy.clone();
        let rows = self.batch.rows.iter().enumerate();
        copy_rows(self.connection.get()?, &sql, rows, |buffer, _, row| {
            buffer.row(row)
        })
        .await
    }

    /// Locks the letters that this batch replays, in one order, and gives those that are gone.
    async fn gone_letters(&mut self) -> Result<Vec<Uuid>, Error> {
        if self.batch.letters.is_empty() {
            return Ok(Vec::new());
        }
        let sql = self.postgres.names().statement(
            "SELECT id FROM {annals_dead_letters} WHERE id = ANY($1) ORDER BY id FOR UPDATE",
        );
        let rows = sqlx::query(sql)
            .bind(&self.batch.letters)
            .fetch_all(self.connection.get()?)
            .await
            .map_err(Error::statement("locking dead letters"))?;
        let there: HashSet<Uuid> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
        Ok(self.batch.letters_without(&there))
    }

    /// Keeps refused rows as dead letters, and ends the letters that this batch replays.
    async fn settle_letters(&mut self, written: &Written) -> Result<(), Error> {
        let names = self.postgres.names().clone();
        if !self.batch.letters.is_empty() {
            let (still, done) = self.batch.replayed(&written.refused);
            let sql = names.statement("DELETE FROM {annals_dead_letters} WHERE id = ANY($1)");
            let deleted = sqlx::query(sql)
                .bind(&done)
                .execute(self.connection.get()?)
                .await;
            deleted.map_err(Error::statement("ending replayed dead letters"))?;
            for (id, reason) in still {
                let sql = names.statement(
                    "UPDATE {annals_dead_letters} SET attempts = attempts + 1, reason = $2, code = $3, column_name = $4
                      WHERE id = $1",
                );
                let update = sqlx::query(sql)
                    .bind(id)
                    .bind(reason.reason)
                    .bind(reason.code)
                    .bind(reason.column)
                    .execute(self.connection.get()?)
                    .await;
                update.map_err(Error::statement("updating a dead letter"))?;
            }
        } else if !written.refused.is_empty() {
            let letters: Vec<DeadLetter> = self.batch.letters_of(&written.refused);
            let sql = self
                .postgres
                .statements::<DeadLetter>(OnConflict::Ignore)
                .copy
                .clone();
            let rows = letters.iter().enumerate();
            copy_rows(self.connection.get()?, &sql, rows, |buffer, _, row| {
                buffer.row(row)
            })
            .await?;
        }
        Ok(())
    }
}

/// The rows of a batch that are new in their table; all that it took where nobody told which are.
fn told_rows<'b, R>(batch: &'b Batch<R>, written: &Written) -> Vec<&'b R> {
    let rows = &batch.rows;
    match &written.inserted {
        Some(inserted) => inserted.iter().filter_map(|row| rows.get(*row)).collect(),
        None if written.refused.is_empty() => rows.iter().collect(),
        None => {
            let refused: HashSet<usize> = written.refused.iter().map(|(row, _)| *row).collect();
            rows.iter()
                .enumerate()
                .filter(|(i, _)| !refused.contains(i))
                .map(|(_, row)| row)
                .collect()
        }
    }
}

/// Streams rows by COPY; rows that cannot be put on the wire are left out and given back.
async fn copy_rows<'r, R: Record>(
    connection: &mut PgConnection,
    sql: &Sql,
    rows: impl Iterator<Item = (usize, &'r R)>,
    put: impl Fn(&mut CopyBuffer, usize, &R) -> Result<(), crate::error::Refusal>,
) -> Result<Vec<(usize, ParkReason)>, Error> {
    let fail = || Error::statement("copying rows");
    let mut refused = Vec::new();
    let mut buffer = CopyBuffer::new(PIECE + PIECE / 4);
    let mut stream = connection.copy_in_raw(sql.as_str()).await.map_err(fail())?;
    buffer.begin();
    for (position, row) in rows {
        if let Err(refusal) = put(&mut buffer, position, row) {
            refused.push((position, refusal.into()));
        }
        if buffer.bytes().len() >= PIECE {
            stream.send(buffer.bytes()).await.map_err(fail())?;
            buffer.clear();
        }
    }
    buffer.end();
    stream.send(buffer.bytes()).await.map_err(fail())?;
    stream.finish().await.map_err(fail())?;
    Ok(refused)
}

/// The row that COPY was at when it failed, counted from 0 among the rows that were sent.
fn copy_line(error: &Error) -> Option<usize> {
    let Error::Statement {
        source: crate::error::DriverError::Postgres(error),
        ..
    } = error
    else {
        return None;
    };
    let place = error
        .as_database_error()?
        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()?
        .r#where()?;
    let (_, behind) = place.split_once(", line ")?;
    let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
    digits.parse::<usize>().ok()?.checked_sub(1)
}
