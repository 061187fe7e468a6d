//! The chunks of a hypertable.

use annals_record::{Timestamp, TimestampMicros};
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{Interval, Lifecycle, LifecycleError};
use crate::{
    Error, Result,
    sql::{PgTimestamp, quoted},
};

/// A part of a hypertable: all rows of a range of time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chunk {
    /// Its name, which no other chunk of the database has.
    pub name: String,
    /// The schema of its own table.
    pub schema: String,
    /// Where its range begins.
    pub range_start: Timestamp,
    /// Where its range ends, excluded.
    pub range_end: Timestamp,
    /// Rows: counted where that was asked for, else as the server last estimated them; `None` where it never did.
    pub rows: Option<u64>,
    /// Bytes on disk, indexes and what is compressed included.
    pub bytes: u64,
    /// Bytes that it had when it was compressed.
    pub bytes_before: Option<u64>,
    /// Hot or compressed.
    pub state: ChunkState,
    /// The tablespace, unless it is the database's own.
    pub tablespace: Option<String>,
}

/// How a chunk's rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkState {
    /// As rows.
    Hot,
    /// By columns, compressed.
    Compressed,
    /// By columns, and rows that came since.
    PartlyCompressed,
    /// Closed to every change until it is unfrozen.
    Frozen,
}

impl ChunkState {
    /// In lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Compressed => "compressed",
            Self::PartlyCompressed => "partly compressed",
            Self::Frozen => "frozen",
        }
    }
}

/// As TimescaleDB counts a chunk's states: bits of a number.
const COMPRESSED: i32 = 1;
const UNORDERED: i32 = 2;
const FROZEN: i32 = 4;
const PARTIAL: i32 = 8;

impl ChunkState {
    fn of(status: i32) -> Self {
        if status & FROZEN != 0 {
            Self::Frozen
        } else if status & COMPRESSED == 0 {
            Self::Hot
        } else if status & (UNORDERED | PARTIAL) != 0 {
            Self::PartlyCompressed
        } else {
            Self::Compressed
        }
    }

    /// Whether all of its rows are compressed already.
    pub(super) fn is_settled(self) -> bool {
        matches!(self, Self::Compressed | Self::Frozen)
    }
}

impl Chunk {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let bytes = |bytes: Option<i64>| bytes.map(i64::unsigned_abs);
        Ok(Self {
            name: row.try_get(0)?,
            schema: row.try_get(1)?,
            range_start: start_of(row.try_get(2)?),
            range_end: end_of(row.try_get(3)?),
            state: ChunkState::of(row.try_get(4)?),
            tablespace: row.try_get(5)?,
            bytes: bytes(row.try_get(6)?).unwrap_or_default(),
            bytes_before: bytes(row.try_get(7)?),
            rows: bytes(row.try_get(8)?),
        })
    }

    /// Its own table, quoted.
    pub(super) fn full_name(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }
}

/// Ranges at the ends of time are wider than times are.
fn start_of(micros: i64) -> Timestamp {
    TimestampMicros::from_unix_micros(micros).map_or(Timestamp::MIN, Timestamp::from)
}

fn end_of(micros: i64) -> Timestamp {
    TimestampMicros::from_unix_micros(micros).map_or(Timestamp::MAX, Timestamp::from)
}

const CHUNKS: &str = include_str!("../../sql/chunks.sql");

impl Lifecycle {
    /// The table's chunks, the oldest first; `counted` when rows are to be counted rather than estimated, which
    /// reads all of them.
    ///
    /// # Errors
    ///
    /// The backend has no chunks, there is no such table, or the database failed.
    pub async fn chunks(&self, counted: bool) -> Result<Vec<Chunk>> {
        let mut connection = self.hypertable("listing chunks").await?;
        let mut chunks = self.read_chunks(&mut connection).await?;
        if counted {
            let sql = "SELECT count(*) FROM {table} WHERE {time} >= $1 AND {time} < $2";
            for chunk in &mut chunks {
                let rows: i64 = sqlx::query_scalar(self.statement(sql))
                    .bind(PgTimestamp(chunk.range_start.unix_micros()))
                    .bind(PgTimestamp(chunk.range_end.unix_micros()))
                    .fetch_one(&mut *connection)
                    .await
                    .map_err(Error::statement("counting a chunk's rows"))?;
                chunk.rows = Some(rows.unsigned_abs());
            }
        }
        Ok(chunks)
    }

    pub(super) async fn read_chunks(&self, connection: &mut PgConnection) -> Result<Vec<Chunk>> {
        let rows = sqlx::query(self.statement(CHUNKS))
            .bind(self.table.full_name())
            .bind(self.table.names().schema())
            .bind(self.table.descriptor().table)
            .fetch_all(connection)
            .await
            .map_err(Error::statement("listing chunks"))?;
        rows.iter()
            .map(Chunk::read)
            .collect::<Result<_, _>>()
            .map_err(Error::statement("listing chunks"))
    }

    /// The ranges of the table's chunks alone, which cost no look at any file.
    pub(super) async fn read_ranges(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Vec<(Timestamp, Timestamp)>> {
        let doing = || Error::statement("listing chunks");
        let rows = sqlx::query(
            "SELECT (extract(epoch FROM range_start) * 1000000)::bigint, (extract(epoch FROM range_end) * 1000000)::bigint
               FROM timescaledb_information.chunks
              WHERE hypertable_schema = $1 AND hypertable_name = $2
              ORDER BY range_start",
        )
        .bind(self.table.names().schema())
        .bind(self.table.descriptor().table)
        .fetch_all(connection)
        .await
        .map_err(doing())?;
        let range = |row: &PgRow| -> Result<_, sqlx::Error> {
            Ok((start_of(row.try_get(0)?), end_of(row.try_get(1)?)))
        };
        rows.iter()
            .map(range)
            .collect::<Result<_, _>>()
            .map_err(doing())
    }

    /// The chunk of a name.
    pub(super) async fn find_chunk(
        &self,
        connection: &mut PgConnection,
        name: &str,
    ) -> Result<Chunk> {
        let chunks = self.read_chunks(connection).await?;
        chunks
            .into_iter()
            .find(|chunk| chunk.name == name)
            .ok_or_else(|| {
                LifecycleError::NoChunk {
                    table: self.table.label().to_owned(),
                    chunk: name.chars().take(80).collect(),
                }
                .into()
            })
    }

    /// Makes chunks that are begun from now on as long as this; those that there are stay as they are.
    ///
    /// # Errors
    ///
    /// The interval is one of months, which have no one length, the backend has no chunks, or the database
    /// failed.
    pub async fn set_chunk_interval(&self, interval: &Interval) -> Result<()> {
        let Some(micros) = interval.fixed_micros() else {
            return Err(LifecycleError::Interval {
                text: interval.to_string(),
                problem: "chunks are of one length, and months are not: say days",
            }
            .into());
        };
        let mut connection = self.hypertable("setting the range of chunks").await?;
        self.check_owner(&mut connection).await?;
        let sql = "SELECT {timescale}.set_chunk_time_interval($1::text::regclass, $2::bigint)";
        sqlx::query(self.statement(sql))
            .bind(self.table.full_name())
            .bind(micros)
            .execute(&mut *connection)
            .await
            .map_err(Error::statement("setting the range of chunks"))?;
        Ok(())
    }

    /// The range of chunks that are begun from now on, in microseconds; `None` where there are no chunks.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn chunk_interval(&self) -> Result<Option<i64>> {
        let Some(mut connection) = self.postgres().await? else {
            return Ok(None);
        };
        if !self.store.capabilities().hypertables() {
            return Ok(None);
        }
        let interval: Option<Option<i64>> = sqlx::query_scalar(
            "SELECT (extract(epoch FROM time_interval) * 1000000)::bigint
               FROM timescaledb_information.dimensions
              WHERE hypertable_schema = $1 AND hypertable_name = $2 AND dimension_number = 1",
        )
        .bind(self.table.names().schema())
        .bind(self.table.descriptor().table)
        .fetch_optional(&mut *connection)
        .await
        .map_err(Error::statement("reading the range of a chunk"))?;
        Ok(interval.flatten())
    }
}
