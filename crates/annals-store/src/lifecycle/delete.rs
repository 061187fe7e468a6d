//! Rows of one owner, in bounded steps, compressed or not.

use annals_record::{Timestamp, Value};
use futures_util::future::{BoxFuture, FutureExt as _};

use super::{
    AgingTable, Interval, Lifecycle, LifecycleError, PolicyKind, Told,
    expire::give_pages_back,
    lease::{Fence, Lease},
};
use crate::{Access, Dialect, Error, Names, Result, Work, sql::PgTimestamp, work::forget_plans};

/// Rows of one statement, so that others wait for little and few are decompressed at once.
const STEP: i64 = 10_000;

/// Rows of one compressed batch, which are decompressed together: fewer cannot be had.
const BATCH: u64 = 1_000;

impl Lifecycle {
    /// Deletes the rows of one owner, a value of the column that says whose a row is: all of them, or
    /// those that are older. In bounded steps, each a transaction; a step that would decompress more rows than
    /// the server allows in one is divided. Tells the rows that are gone as it goes, and gives their number, each
    /// counted just before it is deleted.
    ///
    /// # Errors
    ///
    /// The table has no such column, or the database failed; what was told is done.
    pub async fn delete_of(
        &self,
        owner: &str,
        older_than: Option<&Interval>,
        dry_run: bool,
        told: Told<'_, u64>,
    ) -> Result<u64> {
        let owner = self.table.owner_named(owner)?;
        let owner = owner.as_str();
        if self.table.owner_column().is_none() {
            return Err(LifecycleError::Policy {
                table: self.table.label().to_owned(),
                kind: PolicyKind::Retention,
                why: "it has no column that says whose a row is; leave the owner out",
            }
            .into());
        }
        if let (Some(why), Some(_)) = (self.table.whole_only(), older_than) {
            return Err(LifecycleError::Policy {
                table: self.table.label().to_owned(),
                kind: PolicyKind::Retention,
                why,
            }
            .into());
        }
        let before = match older_than {
            Some(age) => self.before(age).await?,
            None => Timestamp::MAX,
        };
        if let Some(mut connection) = self.postgres().await?.filter(|_| !dry_run) {
            self.check_delete(&mut connection).await?;
        }
        let ranges = self.ranges_of(owner, before).await?;
        if dry_run {
            let mut rows = 0;
            for range in ranges {
                rows += self.count_of(owner, range).await?;
            }
            told(&rows);
            return Ok(rows);
        }
        let lease = Lease::take(&self.store, &self.table, "deleting an owner's rows").await?;
        let done = self.delete_in(owner, ranges, before, &lease, told).await;
        lease.give_back().await;
        done
    }

    /// The ranges of chunks, so that each statement is about one; where there are no chunks, from the owner's
    /// first row to the last.
    async fn ranges_of(&self, owner: &str, before: Timestamp) -> Result<Vec<(i64, i64)>> {
        let before = before.unix_micros();
        if let Some(mut connection) = self.postgres().await? {
            self.check_postgres(&mut connection).await?;
            if self.is_hypertable(&mut connection).await? {
                let chunks = self.read_chunks(&mut connection).await?.into_iter();
                let ranges = chunks.map(|chunk| {
                    let end = chunk.range_end.unix_micros().min(before);
                    (chunk.range_start.unix_micros(), end)
                });
                return Ok(ranges.filter(|(start, end)| start < end).collect());
            }
        }
        let ends = match self.table.names().dialect() {
            Dialect::Postgres => [
                "SELECT (extract(epoch FROM min({time})) * 1000000)::bigint FROM {table} WHERE {is_owner} HAVING count(*) > 0",
                "SELECT (extract(epoch FROM max({time})) * 1000000)::bigint FROM {table} WHERE {is_owner} HAVING count(*) > 0",
            ],
            Dialect::Sqlite => [
                "SELECT min({time}) FROM {table} WHERE {is_owner} HAVING count(*) > 0",
                "SELECT max({time}) FROM {table} WHERE {is_owner} HAVING count(*) > 0",
            ],
        };
        let mut found = [0; 2];
        for (end, sql) in found.iter_mut().zip(ends) {
            let values = vec![Value::Text(owner.to_owned())];
            *end = self
                .store
                .backend()
                .fetch_count(self.statement(sql), values)
                .await?;
        }
        let [first, last] = found;
        let range = (first, last.saturating_add(1).min(before));
        Ok(if range.0 < range.1 {
            vec![range]
        } else {
            Vec::new()
        })
    }

    async fn count_of(&self, owner: &str, (from, until): (i64, i64)) -> Result<u64> {
        let sql = "SELECT count(*) FROM {table} WHERE {is_owner} AND {time} >= $2 AND {time} < $3";
        let values = vec![
            Value::Text(owner.to_owned()),
            Value::Timestamp(from),
            Value::Timestamp(until),
        ];
        let rows = self
            .store
            .backend()
            .fetch_count(self.statement(sql), values)
            .await?;
        Ok(rows.unsigned_abs())
    }

    async fn delete_in(
        &self,
        owner: &str,
        ranges: Vec<(i64, i64)>,
        before: Timestamp,
        lease: &Lease,
        told: Told<'_, u64>,
    ) -> Result<u64> {
        let mut deleted = 0;
        let mut left = ranges;
        left.reverse();
        while let Some((from, until)) = left.pop() {
            let step = |unlimited| DeleteOf {
                table: self.table.clone(),
                fence: lease.fence().clone(),
                owner: owner.to_owned(),
                from,
                until,
                unlimited,
                decompresses: self.store.capabilities().columnstore(),
            };
            let mut done = self.store.run(Access::Write, step(false)).await;
            if is_over_limit(&done) {
                // More rows than may be decompressed in one transaction: fewer, if they can be divided.
                let rows = self.count_of(owner, (from, until)).await?;
                done = if rows > BATCH {
                    Ok(Step::TooMany)
                } else {
                    self.store.run(Access::Write, step(true)).await
                };
            }
            match done? {
                Step::Deleted(0) => {}
                Step::Deleted(rows) => {
                    deleted += rows;
                    told(&rows);
                }
                Step::TooMany => {
                    let middle = from.midpoint(until);
                    left.push((middle, until));
                    left.push((from, middle));
                }
            }
        }
        if let Some(derived) = self.table.derived() {
            let names = self.table.names();
            derived
                .owner_deleted(&self.store, names, owner, before)
                .await?;
        }
        Ok(deleted)
    }
}

/// Whether it would have decompressed more rows than the server allows in one transaction.
fn is_over_limit(done: &Result<Step>) -> bool {
    matches!(done, Err(error) if error.code().as_deref() == Some("53400"))
}

/// Deletes the rows of a range, unless they are too many.
struct DeleteOf {
    table: AgingTable,
    fence: Fence,
    owner: String,
    from: i64,
    until: i64,
    /// As many rows may be decompressed as it takes.
    unlimited: bool,
    /// Chunks may be compressed.
    decompresses: bool,
}

/// What came of it.
enum Step {
    Deleted(u64),
    /// The range has to be divided.
    TooMany,
}

const COUNT: &str =
    "SELECT count(*) FROM {table} WHERE {is_owner} AND {time} >= $2 AND {time} < $3";

const DELETE: &str = "DELETE FROM {table} WHERE {is_owner} AND {time} >= $2 AND {time} < $3";

impl DeleteOf {
    fn is_too_much(&self, rows: i64) -> bool {
        rows > STEP && self.until.saturating_sub(self.from) > 1
    }
}

const DOING: &str = "deleting an owner's rows";

impl Work for DeleteOf {
    type Output = Step;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<Step>> {
        async move {
            self.fence.hold_postgres(connection, names).await?;
            let doing = || Error::statement(DOING);
            // The number that DELETE tells is too low on compressed chunks of older versions.
            let rows: i64 = sqlx::query_scalar(self.table.statement(COUNT))
                .bind(&self.owner)
                .bind(PgTimestamp(self.from))
                .bind(PgTimestamp(self.until))
                .fetch_one(&mut *connection)
                .await
                .map_err(doing())?;
            if rows == 0 {
                return Ok(Step::Deleted(0));
            }
            if self.is_too_much(rows) {
                return Ok(Step::TooMany);
            }
            if self.unlimited {
                let sql = "SELECT set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', TRUE)";
                sqlx::query(sql)
                    .execute(&mut *connection)
                    .await
                    .map_err(doing())?;
            }
            sqlx::query(self.table.statement(DELETE))
                .bind(&self.owner)
                .bind(PgTimestamp(self.from))
                .bind(PgTimestamp(self.until))
                .execute(&mut *connection)
                .await
                .map_err(doing())?;
            if self.decompresses {
                forget_plans(connection).await?;
            }
            Ok(Step::Deleted(rows.unsigned_abs()))
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, names: &Names) -> Result<Step> {
        self.fence.hold_sqlite(connection, names)?;
        let delete = || {
            let values = (&self.owner, self.from, self.until);
            let sql = self.table.statement(COUNT);
            let rows: i64 = connection.query_row(sql.as_str(), values, |row| row.get(0))?;
            if self.is_too_much(rows) {
                return Ok(Step::TooMany);
            }
            let rows = connection.execute(self.table.statement(DELETE).as_str(), values)?;
            give_pages_back(connection)?;
            Ok(Step::Deleted(rows as u64))
        };
        delete().map_err(Error::statement::<rusqlite::Error>(DOING))
    }
}
