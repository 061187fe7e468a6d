//! Compressing and decompressing chunks, by the names that a server's version has.

mod layout;

use std::time::Duration;

use annals_record::Timestamp;
use sqlx::{Connection as _, PgConnection};

use super::{
    Chunk, ChunkState, Interval, Lifecycle, Told,
    lease::{Fence, Lease},
    postgres::SPARSE_INDEXES_SINCE,
};
use crate::{Error, Result};

/// What became of one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Converted {
    /// The chunk as it was before.
    pub chunk: Chunk,
    /// What became of it.
    pub conversion: Conversion,
}

/// What became of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Conversion {
    /// Its rows are kept the other way now, and take so many bytes.
    Done {
        /// Bytes on disk now.
        bytes: u64,
    },
    /// It would be converted; nothing was done since this is a dry run.
    Due,
    /// Somebody has it open for longer than we wait; it is left for the next time.
    InUse,
    /// It is frozen.
    Frozen,
    /// Somebody dropped it meanwhile.
    Gone,
}

/// Which way a chunk is converted.
#[derive(Clone, Copy, Debug)]
enum Way {
    ToColumns,
    ToRows,
}

impl Way {
    /// 2.18 to 2.29 have these names; older ones, which are functions, go with the next major version.
    const fn sql(self) -> &'static str {
        match self {
            Self::ToColumns => {
                "CALL {timescale}.convert_to_columnstore($1::text::regclass, if_not_columnstore => TRUE)"
            }
            Self::ToRows => {
                "CALL {timescale}.convert_to_rowstore($1::text::regclass, if_columnstore => TRUE)"
            }
        }
    }

    const fn doing(self) -> &'static str {
        match self {
            Self::ToColumns => "compressing a chunk",
            Self::ToRows => "decompressing a chunk",
        }
    }
}

impl Lifecycle {
    /// Compresses chunks that end before what is `older_than` old, the oldest first, each in a transaction of
    /// its own, and tells each as it is done. Chunks that are compressed already are left alone; those with rows
    /// that came since are compressed again.
    ///
    /// # Errors
    ///
    /// The edition cannot compress, somebody else is at the table, or the database failed; chunks that were
    /// told are done.
    pub async fn compress_chunks(
        &self,
        older_than: &Interval,
        dry_run: bool,
        told: Told<'_, Converted>,
    ) -> Result<Vec<Converted>> {
        let before = self.before(older_than).await?;
        let mut connection = self.columnstore("compression").await?;
        let due = self.read_chunks(&mut connection).await?.into_iter();
        let due = due.filter(|chunk| chunk.range_end <= before && !chunk.state.is_settled());
        let due: Vec<Chunk> = due.collect();
        if !due.is_empty() && !dry_run {
            self.check_owner(&mut connection).await?;
            self.lay_out(&mut connection).await?;
        }
        drop(connection);
        self.convert(due, Way::ToColumns, dry_run, told).await
    }

    /// Makes rows again of compressed chunks that touch a range of time, the newest first.
    ///
    /// # Errors
    ///
    /// As [`compress_chunks`](Self::compress_chunks).
    pub async fn decompress_chunks(
        &self,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
        dry_run: bool,
        told: Told<'_, Converted>,
    ) -> Result<Vec<Converted>> {
        let mut connection = self.columnstore("decompression").await?;
        let mut due = self.read_chunks(&mut connection).await?;
        due.retain(|chunk| {
            chunk.state != ChunkState::Hot
                && from.is_none_or(|from| chunk.range_end > from)
                && until.is_none_or(|until| chunk.range_start < until)
        });
        due.reverse();
        if !due.is_empty() && !dry_run {
            self.check_owner(&mut connection).await?;
        }
        drop(connection);
        self.convert(due, Way::ToRows, dry_run, told).await
    }

    async fn convert(
        &self,
        due: Vec<Chunk>,
        way: Way,
        dry_run: bool,
        told: Told<'_, Converted>,
    ) -> Result<Vec<Converted>> {
        if dry_run || due.is_empty() {
            let due = due.into_iter().map(|chunk| Converted {
                chunk,
                conversion: Conversion::Due,
            });
            let due: Vec<Converted> = due.collect();
            due.iter().for_each(told);
            return Ok(due);
        }
        let lease = Lease::take(&self.store, &self.table, way.doing()).await?;
        let mut done = Vec::with_capacity(due.len());
        for chunk in due {
            let conversion = match chunk.state {
                ChunkState::Frozen => Conversion::Frozen,
                _ => self.convert_in_tries(&chunk, way, lease.fence()).await?,
            };
            let converted = Converted { chunk, conversion };
            told(&converted);
            done.push(converted);
        }
        lease.give_back().await;
        Ok(done)
    }

    /// Most chunks that are in use are so for a moment only.
    async fn convert_in_tries(&self, chunk: &Chunk, way: Way, fence: &Fence) -> Result<Conversion> {
        for pause in PAUSES {
            let conversion = self.convert_chunk(chunk, way, fence).await?;
            if conversion != Conversion::InUse {
                return Ok(conversion);
            }
            tokio::time::sleep(pause).await;
        }
        self.convert_chunk(chunk, way, fence).await
    }

    async fn convert_chunk(&self, chunk: &Chunk, way: Way, fence: &Fence) -> Result<Conversion> {
        let mut connection = self.columnstore("compression").await?;
        let mut transaction = connection
            .begin()
            .await
            .map_err(Error::statement("beginning"))?;
        // Not kept for all of the transaction, which may be long: two that compress the same chunk do no harm.
        fence
            .ask_postgres(&mut transaction, self.store.names())
            .await?;
        wait_briefly(&mut transaction).await?;
        pack_by_lz4(&mut transaction).await?;
        let converted = sqlx::query(self.statement(way.sql()))
            .bind(chunk.full_name())
            .execute(&mut *transaction)
            .await;
        let converted = match converted {
            Ok(_) => transaction.commit().await,
            Err(error) => {
                drop(transaction);
                Err(error)
            }
        };
        match converted.map_err(Error::statement(way.doing())) {
            Ok(()) => {}
            Err(error) => return refused(error),
        }
        let sql = "SELECT total_bytes FROM {timescale}.chunks_detailed_size($1::text::regclass)
                    WHERE chunk_schema = $2 AND chunk_name = $3";
        let bytes: Option<i64> = sqlx::query_scalar(self.statement(sql))
            .bind(self.table.full_name())
            .bind(&chunk.schema)
            .bind(&chunk.name)
            .fetch_optional(&mut *connection)
            .await
            .map_err(Error::statement("reading a chunk's size"))?;
        Ok(bytes.map_or(Conversion::Gone, |bytes| Conversion::Done {
            bytes: bytes.unsigned_abs(),
        }))
    }

    /// Says how compressed chunks are laid out, unless somebody has said so already.
    pub(super) async fn lay_out(&self, connection: &mut PgConnection) -> Result<()> {
        let is_laid_out: bool = sqlx::query_scalar(
            "SELECT compression_enabled FROM timescaledb_information.hypertables
              WHERE hypertable_schema = $1 AND hypertable_name = $2",
        )
        .bind(self.table.names().schema())
        .bind(self.table.descriptor().table)
        .fetch_one(&mut *connection)
        .await
        .map_err(Error::statement(
            "asking for the layout of compressed chunks",
        ))?;
        if is_laid_out {
            return Ok(());
        }
        let extension = self.store.capabilities().timescale.as_ref();
        let sparse = extension.is_some_and(|found| found.version >= SPARSE_INDEXES_SINCE);
        let sql = layout::alter_table(&self.table, sparse);
        let doing = || Error::statement("laying compressed chunks out");
        let mut transaction = connection.begin().await.map_err(doing())?;
        // It has advice about segments; which they are was measured.
        sqlx::query("SELECT set_config('client_min_messages', 'error', TRUE)")
            .execute(&mut *transaction)
            .await
            .map_err(doing())?;
        sqlx::raw_sql(sql)
            .execute(&mut *transaction)
            .await
            .map_err(doing())?;
        transaction.commit().await.map_err(doing())
    }
}

/// How long to pause before a chunk that was in use is tried again, time after time.
pub(super) const PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

/// Gives a lock up before the server looks for deadlocks: whoever reads a hypertable locks it and then its chunks, and
/// whoever drops or converts one locks that first. Of two that wait for each other it must not be the reader who
/// fails.
pub(super) async fn wait_briefly(connection: &mut PgConnection) -> Result<()> {
    sqlx::query(
        "SELECT set_config('lock_timeout', (setting::bigint / 2)::text, TRUE)
           FROM pg_settings WHERE name = 'deadlock_timeout'",
    )
    .execute(connection)
    .await
    .map_err(Error::statement("bounding how long locks are waited for"))?;
    Ok(())
}

/// Long values of compressed rows are packed by lz4 where the server has it: it finds what is alike 64 KB away, the
/// default, pglz, 4 KB. docs/segmenting.md has what that saves.
async fn pack_by_lz4(connection: &mut PgConnection) -> Result<()> {
    sqlx::query(
        "SELECT set_config(name, 'lz4', TRUE) FROM pg_settings
          WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)",
    )
    .execute(connection)
    .await
    .map_err(Error::statement("choosing how long values are packed"))?;
    Ok(())
}

/// What the database's no to one chunk means; an error when it concerns all of them.
fn refused(error: Error) -> Result<Conversion> {
    match error.code().as_deref() {
        // Lock not available, deadlock.
        Some("55P03" | "40P01") => Ok(Conversion::InUse),
        // Undefined table, and TimescaleDB's own for a chunk that there is not.
        Some("42P01" | "TS002" | "TS100") => Ok(Conversion::Gone),
        _ => Err(error),
    }
}
