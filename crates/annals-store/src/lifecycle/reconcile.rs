//! Chunks that others dropped.
//!
//! Chunks that were seen are remembered. One that is missing at the next look was dropped, by psql, by a policy of
//! the database, or by us in a process that was killed before what follows was done.

use std::collections::BTreeSet;

use annals_record::{Record, Timestamp, TimestampMicros, Value};
use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Emptied, Lifecycle, expire::gap_around};
use crate::{Access, Error, Names, Result, Work, sql::PgTimestamp};

/// A row of `annals_chunks`.
#[derive(Clone, Debug, Record)]
#[record(
    crate = "annals_record",
    table = "annals_chunks",
    key("table_schema", "table_name", "range_start")
)]
struct Known {
    table_schema: String,
    table_name: String,
    range_start: TimestampMicros,
    range_end: TimestampMicros,
}

impl Lifecycle {
    /// Compares the table's chunks with those that it had when this last ran, and lets derived tables follow
    /// what others have dropped. Gives the ranges that are empty since; none where there are no chunks.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn reconcile(&self) -> Result<Vec<Emptied>> {
        let Some(mut connection) = self.postgres().await? else {
            return Ok(Vec::new());
        };
        self.check_postgres(&mut connection).await?;
        if !self.is_hypertable(&mut connection).await? {
            return Ok(Vec::new());
        }
        // Those that were known first: a chunk that is made between the two is none that is missing.
        let known = self
            .store
            .query::<Known>()
            .filter(Known::TABLE_SCHEMA.eq(self.table.names().schema()))
            .filter(Known::TABLE_NAME.eq(self.table.descriptor().table))
            .fetch()
            .await?
            .rows;
        let chunks = self.read_ranges(&mut connection).await?;
        let starts: BTreeSet<Timestamp> = chunks.iter().map(|(start, _)| *start).collect();
        let seen: BTreeSet<Timestamp> =
            known.iter().map(|known| known.range_start.into()).collect();
        let new = chunks.iter().filter(|(start, _)| !seen.contains(start));
        let new: Vec<(Timestamp, Timestamp)> = new.copied().collect();
        self.remember_chunks(&mut connection, &new).await?;
        drop(connection);
        let missing = known
            .into_iter()
            .filter(|known| !starts.contains(&known.range_start.into()));
        let missing: Vec<Known> = missing.collect();
        let mut gaps: Vec<Emptied> = Vec::new();
        for known in &missing {
            let gap = gap_around(known.range_start.into(), known.range_end.into(), &chunks);
            match gaps.iter_mut().find(|other| other.from == gap.from) {
                Some(other) => other.until = other.until.max(gap.until),
                None => gaps.push(gap),
            }
        }
        for gap in &gaps {
            let noting = Note {
                table: self.table.clone(),
                emptied: *gap,
            };
            self.store.run(Access::Write, noting).await?;
            self.follow(*gap).await?;
        }
        for known in missing {
            self.forget_range(known.range_start.unix_micros()).await?;
        }
        Ok(gaps)
    }

    /// Remembers chunks.
    pub(super) async fn remember_chunks(
        &self,
        connection: &mut sqlx::PgConnection,
        chunks: &[(Timestamp, Timestamp)],
    ) -> Result<()> {
        if chunks.is_empty() {
            return Ok(());
        }
        let times = |times: Vec<Timestamp>| -> Vec<PgTimestamp> {
            times
                .into_iter()
                .map(|time| PgTimestamp(time.unix_micros()))
                .collect()
        };
        let (starts, ends): (Vec<Timestamp>, Vec<Timestamp>) = chunks.iter().copied().unzip();
        let sql = "INSERT INTO {annals_chunks} (table_schema, table_name, range_start, range_end)
                   SELECT $1, $2, range_start, range_end FROM unnest($3, $4) AS seen (range_start, range_end)
                   ON CONFLICT (table_schema, table_name, range_start) DO UPDATE SET range_end = excluded.range_end";
        sqlx::query(self.store.names().statement(sql))
            .bind(self.table.names().schema())
            .bind(self.table.descriptor().table)
            .bind(times(starts))
            .bind(times(ends))
            .execute(connection)
            .await
            .map_err(Error::statement("remembering chunks"))?;
        Ok(())
    }

    /// Everything that follows from the end of a chunk is done.
    pub(super) async fn forget_range(&self, start: i64) -> Result<()> {
        let sql = "DELETE FROM {annals_chunks} WHERE table_schema = $1 AND table_name = $2 AND range_start = $3";
        let values = vec![
            Value::Text(self.table.names().schema().to_owned()),
            Value::Text(self.table.descriptor().table.to_owned()),
            Value::Timestamp(start),
        ];
        let sql = self.store.names().statement(sql);
        self.store.backend().execute(sql, values).await?;
        Ok(())
    }
}

/// Lets a family note a range that is empty already.
struct Note {
    table: super::AgingTable,
    emptied: Emptied,
}

impl Work for Note {
    type Output = ();
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            if let Some(derived) = self.table.derived() {
                derived
                    .emptied_postgres(connection, self.table.names(), self.emptied)
                    .await
                    .map_err(Error::statement("noting what dropped chunks had"))?;
            }
            Ok(())
        }
        .boxed()
    }

    fn run_sqlite(self, _connection: &rusqlite::Connection, _names: &Names) -> Result<()> {
        // There are no chunks.
        Ok(())
    }
}
