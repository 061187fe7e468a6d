//! Whole chunks, or rows in bounded steps, that are too old.

use std::{fmt, time::Duration};

use annals_record::{Timestamp, TimestampMicros, Value};
use futures_util::future::{BoxFuture, FutureExt as _};
use metrics::counter;
use sqlx::Connection as _;

use super::{
    AgingTable, Chunk, ChunkState, Emptied, Interval, Lifecycle, Told,
    columnstore::{PAUSES, wait_briefly},
    lease::{Fence, Lease},
};
use crate::{Access, Error, Names, Result, Work, sql::PgTimestamp};

/// One step of an expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expired {
    /// A chunk was dropped.
    Chunk(Chunk),
    /// A chunk would be dropped; nothing was done since this is a dry run.
    Due(Chunk),
    /// Somebody has the chunk open for longer than we wait; it is left for the next time.
    InUse(Chunk),
    /// The chunk is frozen, and stays.
    Frozen(Chunk),
    /// So many rows were deleted.
    Rows(u64),
    /// So many rows would be deleted, counted exactly; nothing was done since this is a dry run.
    DueRows(u64),
}

/// What an expiry did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expiry {
    /// Before which time rows are gone, or would be; `None` when there was nothing to do.
    pub until: Option<Timestamp>,
    /// Chunks that were dropped, or would be.
    pub chunks: u64,
    /// Rows that were deleted one by one, or would be; those of dropped chunks are not counted.
    pub rows: u64,
    /// Bytes on disk that are free now, or would be.
    pub bytes: u64,
    /// Rows of derived tables that followed.
    pub followed: u64,
    /// Chunks that had to stay: in use, or frozen.
    pub left: u64,
    /// Something that is old enough has to wait: those chunks, or rows of which something has to be made first.
    pub waits: bool,
}

/// Families may keep back what is left of an hour.
const ROUNDED: Duration = Duration::from_secs(3_600);

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.chunks, self.rows, self.left) {
            (0, 0, 0) if self.waits => {
                f.write_str("what is old enough has to be rolled up first, and waits")
            }
            (0, 0, 0) => f.write_str("nothing to do"),
            (0, 0, left) => write!(f, "{left} chunks are in use or frozen, and wait"),
            (0, rows, _) => write!(f, "deleted {rows} rows"),
            (chunks, _, 0) => write!(f, "dropped {chunks} chunks"),
            (chunks, _, left) => write!(
                f,
                "dropped {chunks} chunks; {left} are in use or frozen, and wait"
            ),
        }
    }
}

impl Lifecycle {
    /// Drops chunks that end before what is `older_than` old, the oldest first, each in a transaction of its
    /// own, with what follows from it in other tables.
    ///
    /// # Errors
    ///
    /// The backend has no chunks, somebody else is at the table, or the database failed; what was told is done.
    pub async fn drop_chunks(
        &self,
        older_than: &Interval,
        dry_run: bool,
        told: Told<'_, Expired>,
    ) -> Result<Expiry> {
        let mut connection = self.hypertable("dropping chunks").await?;
        let before = self.before(older_than).await?;
        let mut due = self.read_chunks(&mut connection).await?;
        due.retain(|chunk| chunk.range_end <= before);
        if due.is_empty() {
            return Ok(Expiry::default());
        }
        if dry_run {
            return Ok(would_drop(due, told));
        }
        self.check_owner(&mut connection).await?;
        drop(connection);
        let lease = Lease::take(&self.store, &self.table, "dropping old chunks").await?;
        let done = self.drop_each(due, &lease, told).await;
        lease.give_back().await;
        done
    }

    async fn drop_each(
        &self,
        due: Vec<Chunk>,
        lease: &Lease,
        told: Told<'_, Expired>,
    ) -> Result<Expiry> {
        let mut expiry = Expiry::default();
        // As far as what is made of the rows has been made.
        let last = due.iter().map(|chunk| chunk.range_end).max();
        let allowed = match last {
            Some(until) => self.prepare(until).await?,
            None => return Ok(expiry),
        };
        let mut in_use = Vec::new();
        for chunk in due {
            if chunk.range_end > allowed {
                expiry.left += 1;
                told(&Expired::InUse(chunk));
            } else if let Some(chunk) = self
                .drop_and_follow(chunk, lease, &mut expiry, told)
                .await?
            {
                in_use.push(chunk);
            }
        }
        // Most are in use for a moment only.
        for pause in PAUSES {
            if in_use.is_empty() {
                break;
            }
            tokio::time::sleep(pause).await;
            for chunk in std::mem::take(&mut in_use) {
                in_use.extend(
                    self.drop_and_follow(chunk, lease, &mut expiry, told)
                        .await?,
                );
            }
        }
        for chunk in in_use {
            expiry.left += 1;
            told(&Expired::InUse(chunk));
        }
        expiry.waits = expiry.left > 0;
        Ok(expiry)
    }

    /// Gives the chunk back when it is in use.
    async fn drop_and_follow(
        &self,
        chunk: Chunk,
        lease: &Lease,
        expiry: &mut Expiry,
        told: Told<'_, Expired>,
    ) -> Result<Option<Chunk>> {
        let (step, emptied) = self.drop_chunk(chunk, lease.fence()).await?;
        if let Expired::InUse(chunk) = step {
            return Ok(Some(chunk));
        }
        told(&step);
        let (Expired::Chunk(chunk), Some(emptied)) = (step, emptied) else {
            expiry.left += 1;
            return Ok(None);
        };
        expiry.chunks += 1;
        expiry.bytes += chunk.bytes;
        expiry.until = expiry.until.max(Some(chunk.range_end));
        let table = self.table.label().to_owned();
        counter!("annals_chunks_dropped_total", "table" => table).increment(1);
        expiry.followed += self.follow(emptied).await?;
        self.forget_range(chunk.range_start.unix_micros()).await?;
        Ok(None)
    }

    /// Asks the family before which time rows may go.
    async fn prepare(&self, until: Timestamp) -> Result<Timestamp> {
        match self.table.derived() {
            Some(derived) => {
                derived
                    .prepare(&self.store, self.table.names(), until)
                    .await
            }
            None => Ok(until),
        }
    }

    pub(super) async fn follow(&self, emptied: Emptied) -> Result<u64> {
        match self.table.derived() {
            Some(derived) => {
                derived
                    .follow(&self.store, self.table.names(), emptied)
                    .await
            }
            None => Ok(0),
        }
    }

    /// Drops one chunk, and gives the range that is empty since.
    async fn drop_chunk(&self, chunk: Chunk, fence: &Fence) -> Result<(Expired, Option<Emptied>)> {
        let mut connection = match self.postgres().await? {
            Some(connection) => connection,
            None => return Ok((Expired::InUse(chunk), None)),
        };
        let mut transaction = connection
            .begin()
            .await
            .map_err(Error::statement("beginning"))?;
        fence
            .hold_postgres(&mut transaction, self.store.names())
            .await?;
        wait_briefly(&mut transaction).await?;
        // Remembered until what follows is done: after a crash it is missed, see `reconcile`.
        self.remember_chunks(&mut transaction, &[(chunk.range_start, chunk.range_end)])
            .await?;
        let sql = "SELECT {timescale}.drop_chunks($1::text::regclass, older_than => $3, newer_than => $2)";
        let dropped = sqlx::query(self.statement(sql))
            .bind(self.table.full_name())
            .bind(PgTimestamp(chunk.range_start.unix_micros()))
            .bind(PgTimestamp(chunk.range_end.unix_micros()))
            .fetch_all(&mut *transaction)
            .await
            .map_err(Error::statement("dropping a chunk"));
        match dropped {
            Ok(_) => {}
            Err(error) if is_in_use(&error) => return Ok((Expired::InUse(chunk), None)),
            Err(error) => return Err(error),
        }
        // Frozen chunks are passed over without a word.
        let left = self.read_ranges(&mut transaction).await?;
        if left.iter().any(|(start, _)| *start == chunk.range_start) {
            return Ok((Expired::Frozen(chunk), None));
        }
        let emptied = gap_around(chunk.range_start, chunk.range_end, &left);
        if let Some(derived) = self.table.derived() {
            let noted = derived
                .emptied_postgres(&mut transaction, self.table.names(), emptied)
                .await
                .map_err(Error::statement("noting what a dropped chunk had"));
            match noted {
                Ok(()) => {}
                // Somebody who makes something of these rows is at it.
                Err(error) if is_in_use(&error) => return Ok((Expired::InUse(chunk), None)),
                Err(error) => return Err(error),
            }
        }
        transaction
            .commit()
            .await
            .map_err(Error::statement("dropping a chunk"))?;
        Ok((Expired::Chunk(chunk), Some(emptied)))
    }

    /// Lets rows go that are older, as retention does on every backend: whole chunks where there are chunks,
    /// else rows in bounded steps; on SQLite the file shrinks with them.
    ///
    /// # Errors
    ///
    /// Somebody else is at the table, or the database failed; what was told is done.
    pub async fn expire(
        &self,
        older_than: &Interval,
        dry_run: bool,
        told: Told<'_, Expired>,
    ) -> Result<Expiry> {
        if let Some(mut connection) = self.postgres().await? {
            self.check_postgres(&mut connection).await?;
            if self.is_hypertable(&mut connection).await? {
                drop(connection);
                return self.drop_chunks(older_than, dry_run, told).await;
            }
            if !dry_run {
                self.check_delete(&mut connection).await?;
            }
        }
        let before = self.before(older_than).await?;
        if dry_run {
            let rows = self.count_older(before).await?;
            told(&Expired::DueRows(rows));
            return Ok(Expiry {
                until: (rows > 0).then_some(before),
                rows,
                ..Expiry::default()
            });
        }
        let lease = Lease::take(&self.store, &self.table, "deleting old rows").await?;
        let done = self.delete_older(before, &lease, told).await;
        lease.give_back().await;
        done
    }

    async fn delete_older(
        &self,
        before: Timestamp,
        lease: &Lease,
        told: Told<'_, Expired>,
    ) -> Result<Expiry> {
        let mut expiry = Expiry::default();
        let wanted = before;
        let before = self.prepare(wanted).await?;
        expiry.waits = before < wanted - ROUNDED;
        loop {
            let step = DeleteOlder {
                table: self.table.clone(),
                fence: lease.fence().clone(),
                before: before.unix_micros(),
            };
            let (rows, bytes) = self.store.run(Access::Write, step).await?;
            expiry.bytes += bytes;
            if rows > 0 {
                expiry.rows += rows;
                expiry.until = Some(before);
                told(&Expired::Rows(rows));
                counter!("annals_rows_expired_total", "table" => self.table.label().to_owned())
                    .increment(rows);
            }
            if rows < STEP.unsigned_abs() {
                break;
            }
        }
        // Also when nothing was deleted: somebody may have been killed between the two.
        let emptied = Emptied {
            from: None,
            until: before,
        };
        expiry.followed = self.follow(emptied).await?;
        Ok(expiry)
    }

    async fn count_older(&self, before: Timestamp) -> Result<u64> {
        // With one parameter SQLite understands this form too.
        let sql = self.statement("SELECT count(*) FROM {table} WHERE {time} < $1");
        let values = vec![Value::Timestamp(before.unix_micros())];
        let rows = self.store.backend().fetch_count(sql, values).await?;
        Ok(rows.unsigned_abs())
    }
}

/// A lock was not to be had in time, or two waited for each other.
fn is_in_use(error: &Error) -> bool {
    matches!(error.code().as_deref(), Some("55P03" | "40P01"))
}

/// What dropping chunks would do.
fn would_drop(due: Vec<Chunk>, told: Told<'_, Expired>) -> Expiry {
    let mut expiry = Expiry::default();
    for chunk in due {
        if chunk.state == ChunkState::Frozen {
            expiry.left += 1;
            told(&Expired::Frozen(chunk));
            continue;
        }
        expiry.chunks += 1;
        expiry.bytes += chunk.bytes;
        expiry.until = expiry.until.max(Some(chunk.range_end));
        told(&Expired::Due(chunk));
    }
    expiry
}

/// The range around one that is gone in which no other chunk is.
pub(super) fn gap_around(
    start: Timestamp,
    end: Timestamp,
    left: &[(Timestamp, Timestamp)],
) -> Emptied {
    let ends = left.iter().map(|(_, end)| *end);
    let starts = left.iter().map(|(start, _)| *start);
    Emptied {
        from: ends.filter(|before| *before <= start).max(),
        until: starts.filter(|after| *after >= end).min().unwrap_or(end),
    }
}

/// Rows that are deleted in one transaction, so that writers wait for little.
const STEP: i64 = 10_000;

/// One step of deleting what is old: gives the rows, and the bytes that the file is smaller.
struct DeleteOlder {
    table: AgingTable,
    fence: Fence,
    before: i64,
}

/// The oldest rows, and of those the ones that are too old: nothing behind them is read.
const DELETE_POSTGRES: &str = "\
    DELETE FROM {table}
     WHERE ctid = ANY (ARRAY(
        SELECT place FROM (SELECT ctid AS place, {time} AS age FROM {table} ORDER BY {oldest_by} LIMIT $2) AS oldest
         WHERE age < $1))";

const DELETE_SQLITE: &str = "\
    DELETE FROM {table}
     WHERE rowid IN (
        SELECT place FROM (SELECT rowid AS place, {time} AS age FROM {table} ORDER BY {oldest_by} LIMIT ?2)
         WHERE age < ?1)";

/// Free pages that are given back after a step, at most.
const PAGES: i64 = 4_096;

impl DeleteOlder {
    fn emptied(&self) -> Emptied {
        let until = TimestampMicros::from_unix_micros(self.before);
        Emptied {
            from: None,
            until: until.map_or(Timestamp::MIN, Timestamp::from),
        }
    }
}

impl Work for DeleteOlder {
    type Output = (u64, u64);
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<(u64, u64)>> {
        async move {
            self.fence.hold_postgres(connection, names).await?;
            let done = sqlx::query(self.table.statement(DELETE_POSTGRES))
                .bind(PgTimestamp(self.before))
                .bind(STEP)
                .execute(&mut *connection)
                .await
                .map_err(Error::statement("deleting old rows"))?;
            if let Some(derived) = self.table.derived().filter(|_| done.rows_affected() > 0) {
                derived
                    .emptied_postgres(connection, self.table.names(), self.emptied())
                    .await
                    .map_err(Error::statement("noting which rows are gone"))?;
            }
            Ok((done.rows_affected(), 0))
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, names: &Names) -> Result<(u64, u64)> {
        self.fence.hold_sqlite(connection, names)?;
        let delete = || {
            let rows = connection.execute(
                self.table.statement(DELETE_SQLITE).as_str(),
                (self.before, STEP),
            )?;
            if let Some(derived) = self.table.derived().filter(|_| rows > 0) {
                derived.emptied_sqlite(connection, self.table.names(), self.emptied())?;
            }
            Ok((rows as u64, give_pages_back(connection)?))
        };
        delete().map_err(Error::statement::<rusqlite::Error>("deleting old rows"))
    }
}

/// Makes the file smaller by some of the pages that are free; gives the bytes.
pub(super) fn give_pages_back(connection: &rusqlite::Connection) -> Result<u64, rusqlite::Error> {
    let pages = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let before = pages("PRAGMA page_count")?;
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    let size = pages("PRAGMA page_size")?;
    Ok((before - pages("PRAGMA page_count")?).max(0).unsigned_abs() * size.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_unix_seconds(day * 86_400).unwrap()
    }

    #[test]
    fn a_dropped_chunk_empties_the_range_up_to_its_neighbours() {
        let chunk = |day| (at(day), at(day + 1));
        let left = [chunk(2), chunk(7)];
        let emptied = |day| gap_around(at(day), at(day + 1), &left);
        assert_eq!(
            emptied(1),
            Emptied {
                from: None,
                until: at(2)
            }
        );
        assert_eq!(
            emptied(4),
            Emptied {
                from: Some(at(3)),
                until: at(7)
            }
        );
        assert_eq!(
            emptied(9),
            Emptied {
                from: Some(at(8)),
                until: at(10)
            }
        );
        assert_eq!(
            gap_around(at(1), at(2), &[]),
            Emptied {
                from: None,
                until: at(2)
            }
        );
    }
}
