//! A chunk as CSV, with its rows and their hash.

use std::io::Write;

use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::Connection as _;

use super::{Chunk, Lifecycle, LifecycleError};
use crate::{
    Error, Result,
    sql::{Sql, joined, quoted},
};

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// Rows, without the head.
    pub rows: u64,
    /// Bytes written.
    pub bytes: u64,
    /// SHA-256 of the bytes, in hexadecimal. Rows are in the order of time and key, so the same rows have the
    /// same hash, compressed or not.
    pub sha256: String,
}

impl Lifecycle {
    /// Writes a chunk's rows as CSV with a head, from one snapshot: times in UTC, JSON as text, bytes as `\\x…`.
    ///
    /// # Errors
    ///
    /// There is no such chunk, it could not be written, or the database failed.
    pub async fn export_chunk(
        &self,
        chunk: &str,
        out: &mut (dyn Write + Send),
    ) -> Result<Exported> {
        let mut connection = self.hypertable("exporting a chunk").await?;
        // Whoever stops in the middle leaves half an answer in it.
        connection.close_on_drop();
        let chunk = self.find_chunk(&mut connection, chunk).await?;
        let doing = || Error::statement("exporting a chunk");
        let mut transaction = connection
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
            .map_err(doing())?;
        // What the text of a value depends on.
        sqlx::raw_sql(
            "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL extra_float_digits = 1;
             SET LOCAL bytea_output = 'hex'",
        )
        .execute(&mut *transaction)
        .await
        .map_err(doing())?;
        let rows: i64 = sqlx::query_scalar(self.rows_of(&chunk, "count(*)", ""))
            .fetch_one(&mut *transaction)
            .await
            .map_err(doing())?;
        let mut exported = Exported {
            rows: rows.unsigned_abs(),
            bytes: 0,
            sha256: String::new(),
        };
        let mut hash = Sha256::new();
        let copy = self.copy_of(&chunk);
        let mut pieces = transaction
            .copy_out_raw(copy.as_str())
            .await
            .map_err(doing())?;
        while let Some(piece) = pieces.try_next().await.map_err(doing())? {
            hash.update(&piece);
            exported.bytes += piece.len() as u64;
            out.write_all(&piece).map_err(LifecycleError::Write)?;
        }
        drop(pieces);
        out.flush().map_err(LifecycleError::Write)?;
        exported.sha256 = hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(exported)
    }

    fn copy_of(&self, chunk: &Chunk) -> Sql {
        let descriptor = self.table.descriptor();
        let key = descriptor.key_columns().map(|column| column.name);
        let mut order = vec![quoted(self.table.time())];
        // Where there is no key, all columns together are one.
        let all = descriptor.columns.iter().map(|column| column.name);
        for name in key.chain(all.filter(|_| descriptor.key.is_empty())) {
            if !order.contains(&quoted(name)) {
                order.push(quoted(name));
            }
        }
        let rows = self.rows_of(chunk, "*", &format!(" ORDER BY {}", joined(order)));
        Sql::vouched(format!(
            "COPY ({}) TO STDOUT (FORMAT csv, HEADER)",
            rows.as_str()
        ))
    }

    /// A query of a chunk's rows. COPY takes no parameters: the times are written as numbers.
    fn rows_of(&self, chunk: &Chunk, what: &str, order: &str) -> Sql {
        let time = quoted(self.table.time());
        let [start, end] = [chunk.range_start, chunk.range_end].map(|time| {
            format!(
                "'epoch'::timestamptz + {} * INTERVAL '1 microsecond'",
                time.unix_micros()
            )
        });
        Sql::vouched(format!(
            "SELECT {what} FROM {} WHERE {time} >= {start} AND {time} < {end}{order}",
            self.table.full_name()
        ))
    }
}
