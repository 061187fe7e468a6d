//! What would go, told before anybody is asked whether it may.

use annals_record::Timestamp;
use annals_store::{
    Interval, Lifecycle,
    lifecycle::{Expired, Expiry},
};
use serde_json::{Value, json};

use super::shown::{range, rows, time_json};
use crate::{
    error::CliError,
    output::{bytes, many},
    progress::Progress,
};

/// What would go.
#[derive(Clone, Debug, Default)]
pub(super) struct Due {
    expiry: Expiry,
    /// From when to when chunks reach.
    range: Option<(Timestamp, Timestamp)>,
    /// Rows of chunks as the server estimates them; `None` when of one nobody knows.
    rows_of_chunks: Option<u64>,
}

impl Due {
    /// Chunks that are older.
    pub(super) async fn chunks(life: &Lifecycle, age: &Interval) -> Result<Self, CliError> {
        let mut due = Self::default();
        let expiry = watched(life.drop_chunks(age, true, &mut |step| due.add(step))).await?;
        Ok(due.with(expiry))
    }

    /// Everything that is older.
    pub(super) async fn by_age(life: &Lifecycle, age: &Interval) -> Result<Self, CliError> {
        let mut due = Self::default();
        let expiry = watched(life.expire(age, true, &mut |step| due.add(step))).await?;
        Ok(due.with(expiry))
    }

    /// Rows of one owner.
    pub(super) async fn of_owner(
        life: &Lifecycle,
        owner: &str,
        age: Option<&Interval>,
    ) -> Result<Self, CliError> {
        let rows = watched(life.delete_of(owner, age, true, &mut |_| {})).await?;
        let mut due = Self::default();
        due.expiry.rows = rows;
        Ok(due)
    }

    fn add(&mut self, step: &Expired) {
        let Expired::Due(chunk) = step else {
            return;
        };
        let (from, until, rows) = match self.range {
            Some((from, until)) => (
                from.min(chunk.range_start),
                until.max(chunk.range_end),
                self.rows_of_chunks,
            ),
            None => (chunk.range_start, chunk.range_end, Some(0)),
        };
        self.range = Some((from, until));
        self.rows_of_chunks = rows.zip(chunk.rows).map(|(all, one)| all + one);
    }

    fn with(mut self, expiry: Expiry) -> Self {
        self.expiry = expiry;
        self
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.expiry.chunks == 0 && self.expiry.rows == 0
    }

    /// In a few words: `3 chunks from 2026-01-01 to 2026-01-04 with ~12,345 rows, 1.20 GiB`.
    pub(super) fn told(&self) -> String {
        if self.is_nothing() {
            return "nothing".to_owned();
        }
        let mut parts = Vec::new();
        if self.expiry.chunks > 0 {
            let mut part = many(self.expiry.chunks, "chunk");
            if let Some((from, until)) = self.range {
                let rows = rows(self.rows_of_chunks, false);
                part += &format!(" from {} with {rows} rows", range(from, until));
            }
            parts.push(part);
        }
        if self.expiry.rows > 0 {
            parts.push(many(self.expiry.rows, "row"));
        }
        let mut told = parts.join(" and ");
        if self.expiry.bytes > 0 {
            told += &format!(", {}", bytes(self.expiry.bytes));
        }
        told
    }

    pub(super) fn json(&self) -> Value {
        expiry_json(&self.expiry)
    }
}

/// What an expiry did, or would do, for a program.
pub(super) fn expiry_json(expiry: &Expiry) -> Value {
    json!({
        "until": time_json(expiry.until),
        "chunks": expiry.chunks,
        "rows": expiry.rows,
        "bytes": expiry.bytes,
        "followed": expiry.followed,
        "left": expiry.left,
    })
}

/// Waits with a progress line: counting what would go may take its time.
async fn watched<T>(
    looking: impl Future<Output = annals_store::Result<T>>,
) -> annals_store::Result<T> {
    let progress = Progress::doing("looking for what would go");
    let found = looking.await;
    progress.finish();
    found
}
