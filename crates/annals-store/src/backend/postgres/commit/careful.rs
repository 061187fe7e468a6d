//! The careful road: rows go through a staging table, and whatever the server refuses is narrowed
//! down to single rows by savepoints, so that every other row commits.

use std::collections::HashMap;

use annals_record::Record;
use sqlx::{Row as _, postgres::PgRow};

use super::{Attempt, Written, copy_line, copy_rows};
use crate::{
    Error,
    backend::postgres::{
        copy::{CopyBuffer, check},
        row::PgSource,
    },
    error::Action,
    sql::Sql,
    writer::{ParkReason, key},
};

/// Rows staged at once: a refusal sends at most this many again.
const SLICE: usize = 1_000;

impl<R: Record> Attempt<'_, R> {
    /// Writes the batch through the staging table. `hint` is a row at which the fast road failed.
    pub(super) async fn write_carefully(
        &mut self,
        hint: Option<usize>,
        needs_inserted: bool,
    ) -> Result<Written, Error> {
        let create = self.statements.stage_create.clone();
        self.raw(create, "making a staging table").await?;
        let mut refused = Vec::new();
        let mut sendable = Vec::with_capacity(self.batch.rows.len());
        for (position, row) in self.batch.rows.iter().enumerate() {
            match check(row) {
                Ok(()) => sendable.push(position),
                Err(refusal) => refused.push((position, refusal.into())),
            }
        }
        // The line of a failed COPY counts the rows that were sent.
        let hint = hint.and_then(|line| sendable.get(line).copied());
        self.stage(&sendable, &mut refused).await?;
        let needs_keys = needs_inserted && !R::DESCRIPTOR.key.is_empty();
        let keys = self.merge(hint, needs_keys, &mut refused).await?;
        refused.sort_unstable_by_key(|(row, _)| *row);
        Ok(Written {
            refused,
            inserted: keys.map(|keys| self.positions(&keys)),
        })
    }

    /// Fills the staging table; what is refused here fits no column.
    async fn stage(
        &mut self,
        sendable: &[usize],
        refused: &mut Vec<(usize, ParkReason)>,
    ) -> Result<(), Error> {
        let mut pending: Vec<&[usize]> = sendable.chunks(SLICE).rev().collect();
        while let Some(rows) = pending.pop() {
            let Some((line, reason)) = self.stage_slice(rows).await? else {
                continue;
            };
            let at = match line.filter(|line| *line < rows.len()) {
                Some(line) => line,
                None if rows.len() == 1 => 0,
                // Without a line, halve until one row is left.
                None => {
                    let (first, second) = rows.split_at(rows.len() / 2);
                    pending.extend([second, first]);
                    continue;
                }
            };
            let (before, rest) = rows.split_at(at);
            if let Some((row, after)) = rest.split_first() {
                refused.push((*row, reason));
                pending.push(after);
            }
            pending.push(before);
        }
        Ok(())
    }

    /// Stages all of `rows`, or none and why.
    async fn stage_slice(
        &mut self,
        rows: &[usize],
    ) -> Result<Option<(Option<usize>, ParkReason)>, Error> {
        self.savepoint("annals_stage").await?;
        let sql = self.statements.stage_copy.clone();
        let batch = self.batch;
        let numbered = rows
            .iter()
            .filter_map(|row| Some((*row, batch.rows.get(*row)?)));
        let put = |buffer: &mut CopyBuffer, position: usize, row: &R| {
            buffer.numbered_row(i32::try_from(position).unwrap_or(i32::MAX), row)
        };
        match copy_rows(self.connection.get()?, &sql, numbered, put).await {
            Ok(_) => {
                self.release("annals_stage").await?;
                Ok(None)
            }
            Err(error) if error.action() == Action::Isolate => {
                self.back_to("annals_stage").await?;
                Ok(Some((copy_line(&error), ParkReason::of(&error))))
            }
            Err(error) => Err(error),
        }
    }

    /// Moves the staged rows into the table, halving every range that is refused.
    async fn merge(
        &mut self,
        hint: Option<usize>,
        needs_keys: bool,
        refused: &mut Vec<(usize, ParkReason)>,
    ) -> Result<Option<Vec<Vec<u8>>>, Error> {
        let last = self.batch.rows.len().saturating_sub(1);
        let mut ranges = match hint {
            Some(row) if row <= last => {
                let mut ranges = vec![(row, row)];
                if row < last {
                    ranges.insert(0, (row + 1, last));
                }
                if row > 0 {
                    ranges.push((0, row - 1));
                }
                ranges
            }
            _ => vec![(0, last)],
        };
        let mut keys = needs_keys.then(Vec::new);
        while let Some((from, to)) = ranges.pop() {
            self.savepoint("annals_merge").await?;
            match self.merge_range(from, to, needs_keys).await {
                Ok(rows) => {
                    self.release("annals_merge").await?;
                    if let Some(keys) = &mut keys {
                        for row in &rows {
                            keys.extend(returned_key::<R>(row)?);
                        }
                    }
                }
                Err(error) if error.action() == Action::Isolate => {
                    self.back_to("annals_merge").await?;
                    if from == to {
                        refused.push((from, ParkReason::of(&error)));
                    } else {
                        let middle = from + (to - from) / 2;
                        ranges.push((middle + 1, to));
                        ranges.push((from, middle));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(keys)
    }

    async fn merge_range(
        &mut self,
        from: usize,
        to: usize,
        needs_keys: bool,
    ) -> Result<Vec<PgRow>, Error> {
        let statements = &self.statements;
        let sql = if needs_keys {
            &statements.merge_returning
        } else {
            &statements.merge
        };
        let number = |row: usize| i32::try_from(row).unwrap_or(i32::MAX);
        sqlx::query(sql.clone())
            .bind(number(from))
            .bind(number(to))
            .fetch_all(self.connection.get()?)
            .await
            .map_err(Error::statement("merging staged rows"))
    }

    /// Positions of the rows whose keys the server gave back as new.
    pub(super) fn positions(&self, keys: &[Vec<u8>]) -> Vec<usize> {
        let by_key: HashMap<Vec<u8>, usize> = self
            .batch
            .rows
            .iter()
            .enumerate()
            .map(|(i, row)| (key::bytes(row), i))
            .collect();
        keys.iter()
            .filter_map(|key| by_key.get(key).copied())
            .collect()
    }

    async fn savepoint(&mut self, name: &'static str) -> Result<(), Error> {
        self.raw(
            Sql::vouched(format!("SAVEPOINT {name}")),
            "setting a savepoint",
        )
        .await
        .map(|_| ())
    }

    async fn release(&mut self, name: &'static str) -> Result<(), Error> {
        let sql = Sql::vouched(format!("RELEASE SAVEPOINT {name}"));
        self.raw(sql, "releasing a savepoint").await.map(|_| ())
    }

    async fn back_to(&mut self, name: &'static str) -> Result<(), Error> {
        // Going back leaves the savepoint open: without its end a batch of refused rows would nest
        // one in the other, and each costs more than the one before.
        let sql = Sql::vouched(format!(
            "ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}"
        ));
        self.raw(sql, "going back to a savepoint").await.map(|_| ())
    }
}

/// The key of a row that `merge_returning` gave back; `None` when it was there before.
pub(super) fn returned_key<R: Record>(row: &PgRow) -> Result<Option<Vec<u8>>, Error> {
    let width = R::DESCRIPTOR.key.len();
    let is_new = row.len() <= width || row.try_get(width).unwrap_or(true);
    if !is_new {
        return Ok(None);
    }
    let mut source = PgSource::new(row);
    let mut bytes = key::Bytes::default();
    for column in R::DESCRIPTOR.key_columns() {
        bytes
            .read(&mut source, column.ty)
            .map_err(|source| Error::Decode {
                table: R::DESCRIPTOR.table,
                source,
            })?;
    }
    Ok(Some(bytes.into_vec()))
}
