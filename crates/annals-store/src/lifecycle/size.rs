//! What tables take on disk.

use futures_util::future::{BoxFuture, FutureExt as _};
use sqlx::Row as _;

use super::{AgingTable, Lifecycle};
use crate::{Access, Error, Names, Result, Work};

/// What a table takes, its chunks included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableSize {
    /// Rows as the server estimates them, `None` where it never did; counted on SQLite.
    pub rows: Option<u64>,
    /// Bytes of rows.
    pub table_bytes: u64,
    /// Bytes of indexes.
    pub index_bytes: u64,
    /// Bytes of long values that are kept apart.
    pub toast_bytes: u64,
    /// All of it; on SQLite, which does not tell them apart, of rows and indexes as far as it knows.
    pub total_bytes: u64,
    /// Chunks, where there are any.
    pub chunks: u64,
    /// Those of them that are compressed.
    pub compressed_chunks: u64,
}

/// What compression has saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompressionStats {
    /// Chunks of the table.
    pub total_chunks: u64,
    /// Those that are compressed.
    pub compressed_chunks: u64,
    /// Bytes that these had before.
    pub before_bytes: u64,
    /// Bytes that they have now.
    pub after_bytes: u64,
}

impl CompressionStats {
    /// How many times smaller compressed chunks are; `None` while there are none.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (self.after_bytes > 0).then(|| self.before_bytes as f64 / self.after_bytes as f64)
    }
}

impl Lifecycle {
    /// What the table takes on disk.
    ///
    /// # Errors
    ///
    /// There is no such table, or the database failed.
    pub async fn table_size(&self) -> Result<TableSize> {
        let Some(mut connection) = self.postgres().await? else {
            let size = SqliteSize(self.table.clone());
            return self.store.run(Access::Read, size).await;
        };
        self.check_postgres(&mut connection).await?;
        let is_hypertable = self.is_hypertable(&mut connection).await?;
        let sql = if is_hypertable { HYPERTABLE } else { TABLE };
        let row = sqlx::query(self.statement(sql))
            .bind(self.table.full_name())
            .fetch_one(&mut *connection)
            .await
            .map_err(Error::statement("reading a table's size"))?;
        let read = || -> Result<TableSize, sqlx::Error> {
            let number = |at: usize| {
                row.try_get::<Option<i64>, _>(at)
                    .map(|number| number.unwrap_or(0).max(0).unsigned_abs())
            };
            Ok(TableSize {
                rows: row.try_get::<Option<i64>, _>(0)?.map(i64::unsigned_abs),
                table_bytes: number(1)?,
                index_bytes: number(2)?,
                toast_bytes: number(3)?,
                total_bytes: number(4)?,
                ..TableSize::default()
            })
        };
        let mut size = read().map_err(Error::statement("reading a table's size"))?;
        if is_hypertable {
            // The server's own estimate leaves out what is compressed.
            let chunks = self.read_chunks(&mut connection).await?;
            size.rows = chunks.iter().map(|chunk| chunk.rows).sum();
            size.chunks = chunks.len() as u64;
            let compressed = chunks.iter().filter(|chunk| chunk.bytes_before.is_some());
            size.compressed_chunks = compressed.count() as u64;
        }
        Ok(size)
    }

    /// What compression has saved; nothing where there is none.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn compression_stats(&self) -> Result<CompressionStats> {
        if !self.store.capabilities().hypertables() {
            return Ok(CompressionStats::default());
        }
        let mut stats = CompressionStats::default();
        for chunk in self.chunks(false).await? {
            stats.total_chunks += 1;
            if let Some(before) = chunk.bytes_before {
                stats.compressed_chunks += 1;
                stats.before_bytes += before;
                stats.after_bytes += chunk.bytes;
            }
        }
        Ok(stats)
    }
}

const HYPERTABLE: &str = "\
    SELECT NULL::bigint,
           size.table_bytes, size.index_bytes, size.toast_bytes, size.total_bytes
      FROM {timescale}.hypertable_detailed_size($1::text::regclass) AS size";

const TABLE: &str = "\
    SELECT CASE WHEN reltuples > 0 OR pg_relation_size(oid) = 0 THEN greatest(reltuples, 0)::bigint END,
           pg_relation_size(oid), pg_indexes_size(oid),
           pg_table_size(oid) - pg_relation_size(oid), pg_total_relation_size(oid)
      FROM pg_class WHERE oid = $1::text::regclass";

/// The size of a table of SQLite, of which every page is looked at.
struct SqliteSize(AgingTable);

impl Work for SqliteSize {
    type Output = TableSize;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        _connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<TableSize>> {
        // Asked on SQLite alone.
        async { Ok(TableSize::default()) }.boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, _names: &Names) -> Result<TableSize> {
        let name = self.0.bare_name();
        let read = || {
            let exists: bool = connection.query_row(
                "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)",
                [&name],
                |row| row.get(0),
            )?;
            if !exists {
                return Ok(None);
            }
            let rows: i64 = connection.query_row(
                self.0.statement("SELECT count(*) FROM {table}").as_str(),
                [],
                |row| row.get(0),
            )?;
            let (table, indexes): (i64, i64) = connection.query_row(
                "SELECT COALESCE(sum(pgsize) FILTER (WHERE part.type = 'table'), 0),
                        COALESCE(sum(pgsize) FILTER (WHERE part.type = 'index'), 0)
                   FROM dbstat JOIN sqlite_schema AS part ON part.name = dbstat.name
                  WHERE dbstat.aggregate = TRUE AND part.tbl_name = ?1",
                [&name],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let (table, indexes) = (table.unsigned_abs(), indexes.unsigned_abs());
            Ok(Some(TableSize {
                rows: Some(rows.unsigned_abs()),
                table_bytes: table,
                index_bytes: indexes,
                total_bytes: table + indexes,
                ..TableSize::default()
            }))
        };
        read()
            .map_err(Error::statement::<rusqlite::Error>(
                "reading a table's size",
            ))?
            .ok_or_else(|| Error::TableMissing {
                table: self.0.label().to_owned(),
            })
    }
}
