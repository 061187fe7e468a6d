//! Rows of one owner, in bounded steps, compressed or not.

use annals_record::{Timestamp, Value};
use futures_util::future::{BoxFuture, FutureExt as _};
use sqlx::Row as _;

use super::{
    AgingTable, Interval, Lifecycle, LifecycleError, PolicyKind, Told,
    expire::give_pages_back,
    lease::{Fence, Lease},
};
use crate::{Access, Error, Names, Result, Work, sql::PgTimestamp};

/// Rows of one statement, so that others wait for little and few are decompressed at once.
const STEP: i64 = 10_000;

impl Lifecycle {
    /// Deletes the rows of one owner, a value of the column by which the table is segmented: all of them, or
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
        if self.table.owner_column().is_none() {
            return Err(LifecycleError::Policy {
                table: self.table.label().to_owned(),
                kind: PolicyKind::Retention,
                why: "it has no column that says whose a row is; leave the owner out",
            }
            .into());
        }
        let before = match older_than {
            Some(age) => self.before(age).await?,
            None => Timestamp::MAX,
        };
        let ranges = self.ranges_before(before).await?;
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

    /// The ranges of chunks, so that each statement is about one; everything where there are no chunks.
    async fn ranges_before(&self, before: Timestamp) -> Result<Vec<(i64, i64)>> {
        let all = vec![(Timestamp::MIN.unix_micros(), before.unix_micros())];
        let Some(mut connection) = self.postgres().await? else {
            return Ok(all);
        };
        self.check_postgres(&mut connection).await?;
        if !self.is_hypertable(&mut connection).await? {
            return Ok(all);
        }
        let chunks = self.read_chunks(&mut connection).await?.into_iter();
        let ranges = chunks.map(|chunk| {
            (
                chunk.range_start.unix_micros(),
                chunk.range_end.min(before).unix_micros(),
            )
        });
        Ok(ranges.filter(|(start, end)| start < end).collect())
    }

    async fn count_of(&self, owner: &str, (from, until): (i64, i64)) -> Result<u64> {
        let sql =
            "SELECT count(*) FROM {table} WHERE {owner} = $1 AND {time} >= $2 AND {time} < $3";
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
        for (mut from, until) in ranges {
            let mut limit = STEP;
            loop {
                let step = DeleteOf {
                    table: self.table.clone(),
                    fence: lease.fence().clone(),
                    owner: owner.to_owned(),
                    from,
                    until,
                    limit,
                };
                let step = match self.store.run(Access::Write, step).await {
                    Ok(step) => step,
                    // More rows than may be decompressed in one transaction.
                    Err(error) if error.code().as_deref() == Some("53400") && limit > 1 => {
                        limit /= 2;
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                deleted += step.rows;
                if step.rows > 0 {
                    told(&step.rows);
                }
                match step.rest {
                    Some(rest) => from = rest,
                    None => break,
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

/// One step.
struct DeleteOf {
    table: AgingTable,
    fence: Fence,
    owner: String,
    from: i64,
    until: i64,
    limit: i64,
}

/// What a step did.
struct Step {
    rows: u64,
    /// Where the next one begins; none when there is nothing left.
    rest: Option<i64>,
}

const BOUNDARY_POSTGRES: &str = "\
    SELECT count(*), (extract(epoch FROM max(age)) * 1000000)::bigint
      FROM (SELECT {time} AS age FROM {table} WHERE {owner} = $1 AND {time} >= $2 AND {time} < $3
             ORDER BY {time} LIMIT $4) AS oldest";

const BOUNDARY_SQLITE: &str = "\
    SELECT count(*), max(age)
      FROM (SELECT {time} AS age FROM {table} WHERE {owner} = ?1 AND {time} >= ?2 AND {time} < ?3
             ORDER BY {time} LIMIT ?4)";

const COUNT: &str =
    "SELECT count(*) FROM {table} WHERE {owner} = $1 AND {time} >= $2 AND {time} < $3";

const DELETE: &str = "DELETE FROM {table} WHERE {owner} = $1 AND {time} >= $2 AND {time} < $3";

impl DeleteOf {
    /// Where this step ends, and whether there is more behind it.
    fn end(&self, found: i64, last: Option<i64>) -> Option<(i64, bool)> {
        match last {
            None => None,
            Some(last) if found >= self.limit => Some((last.saturating_add(1), true)),
            Some(_) => Some((self.until, false)),
        }
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
            let row = sqlx::query(self.table.statement(BOUNDARY_POSTGRES))
                .bind(&self.owner)
                .bind(PgTimestamp(self.from))
                .bind(PgTimestamp(self.until))
                .bind(self.limit)
                .fetch_one(&mut *connection)
                .await
                .map_err(doing())?;
            let found: i64 = row.try_get(0).map_err(doing())?;
            let Some((until, more)) = self.end(found, row.try_get(1).map_err(doing())?) else {
                return Ok(Step { rows: 0, rest: None });
            };
            // The number that DELETE tells is too low on compressed chunks of older versions.
            let rows: i64 = sqlx::query_scalar(self.table.statement(COUNT))
                .bind(&self.owner)
                .bind(PgTimestamp(self.from))
                .bind(PgTimestamp(until))
                .fetch_one(&mut *connection)
                .await
                .map_err(doing())?;
            if self.limit == 1 {
                // It cannot be divided any more: what one batch of compressed rows has must be taken at once.
                let sql = "SELECT set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', TRUE)";
                sqlx::query(sql).execute(&mut *connection).await.map_err(doing())?;
            }
            sqlx::query(self.table.statement(DELETE))
                .bind(&self.owner)
                .bind(PgTimestamp(self.from))
                .bind(PgTimestamp(until))
                .execute(&mut *connection)
                .await
                .map_err(doing())?;
            Ok(Step {
                rows: rows.unsigned_abs(),
                rest: more.then_some(until),
            })
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, names: &Names) -> Result<Step> {
        self.fence.hold_sqlite(connection, names)?;
        let delete = || {
            let sql = self.table.statement(BOUNDARY_SQLITE);
            let (found, last) = connection.query_row(
                sql.as_str(),
                (&self.owner, self.from, self.until, self.limit),
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let Some((until, more)) = self.end(found, last) else {
                return Ok(Step {
                    rows: 0,
                    rest: None,
                });
            };
            let rows = connection.execute(
                self.table.statement(DELETE).as_str(),
                (&self.owner, self.from, until),
            )?;
            give_pages_back(connection)?;
            Ok(Step {
                rows: rows as u64,
                rest: more.then_some(until),
            })
        };
        delete().map_err(Error::statement::<rusqlite::Error>(DOING))
    }
}
