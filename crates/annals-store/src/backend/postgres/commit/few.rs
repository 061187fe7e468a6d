//! Few rows: INSERT with the conflict clause.
//!
//! COPY takes three turns, and its data and its end are two writes of which a connection without TCP_NODELAY, as sqlx 0.9.0
//! makes it, holds the second back until the server has acknowledged the first: 40 ms for anything below a segment or two. An
//! INSERT is one write, one turn, and finds keys that are there by itself.

use annals_record::Record;

use super::{Attempt, Written, careful::returned_key};
use crate::{
    Error,
    backend::postgres::{bind, copy::check},
    error::Action,
    sql::Sql,
    writer::{ParkReason, key},
};

/// Values beyond which COPY is faster all the same.
const MOST_VALUES: usize = 16_384;

/// Bytes beyond which COPY waits for nothing.
const MOST_BYTES: usize = 64 << 10;

impl<R: Record> Attempt<'_, R> {
    pub(super) fn are_few(&self) -> bool {
        let rows = &self.batch.rows;
        let most = MOST_VALUES / R::DESCRIPTOR.columns.len().max(1);
        rows.len() == 1
            || rows.len() <= most
                && rows.iter().map(key::estimated_size).sum::<usize>() <= MOST_BYTES
    }

    /// Writes all of the batch, or nothing when some row is refused: then it has to be found out which.
    pub(super) async fn write_few(
        &mut self,
        needs_inserted: bool,
    ) -> Result<Option<Written>, Error> {
        let batch = self.batch;
        let alone = batch.rows.len() == 1;
        for row in &batch.rows {
            match check(row) {
                Ok(()) => {}
                Err(refusal) if alone => return Ok(Some(refused(refusal.into()))),
                Err(_) => return Ok(None),
            }
        }
        let returns_keys = needs_inserted && !R::DESCRIPTOR.key.is_empty();
        let mut keys = Vec::new();
        let mut left = batch.rows.as_slice();
        while !left.is_empty() {
            let (sql, size) = self.statements.insert(left.len(), returns_keys);
            let (rows, rest) = left.split_at(size.min(left.len()));
            left = rest;
            let query = sqlx::query_with(sql, bind::row_arguments(rows));
            let found = query.fetch_all(self.connection.get()?).await;
            match found.map_err(Error::statement("inserting rows")) {
                Ok(found) => {
                    for row in &found {
                        keys.extend(returned_key::<R>(row)?);
                    }
                }
                Err(error) if error.action() == Action::Isolate && alone => {
                    self.go_back().await?;
                    return Ok(Some(refused(ParkReason::of(&error))));
                }
                Err(error) if error.action() == Action::Isolate => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Written {
            refused: Vec::new(),
            inserted: returns_keys.then(|| self.positions(&keys)),
        }))
    }

    pub(super) async fn go_back(&mut self) -> Result<(), Error> {
        let sql = Sql::vouched("ROLLBACK TO SAVEPOINT annals_rows".into());
        self.raw(sql, "going back").await.map(|_| ())
    }
}

fn refused(reason: ParkReason) -> Written {
    Written {
        refused: vec![(0, reason)],
        inserted: None,
    }
}
