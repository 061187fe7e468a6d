//! Bytes a row: the table with its indexes, and the tables beside it.

use super::{family::Family, ground::Ground};

/// Columns that are shown of a compressed table.
const COLUMNS: usize = 8;

pub(super) struct Sizes {
    /// Bytes of each table, that of the family first.
    pub(super) tables: Vec<(String, f64)>,
    /// Bytes that the compressed columns have, the largest first.
    pub(super) columns: Vec<(String, f64)>,
}

impl Sizes {
    pub(super) fn total(&self) -> f64 {
        self.tables.iter().map(|table| table.1).sum()
    }
}

pub(super) async fn of(ground: &Ground, family: &Family) -> Sizes {
    let names = family.beside.iter().map(|beside| &beside.table);
    let mut tables = Vec::new();
    for table in [&family.table].into_iter().chain(names) {
        let sql = format!(
            "SELECT coalesce(hypertable_size('{table}'), pg_total_relation_size('{table}'))"
        );
        tables.push((table.clone(), ground.number(&sql).await));
    }
    Sizes {
        tables,
        columns: columns(ground, &family.table).await,
    }
}

/// What each column of compressed chunks has, bloom filters and bounds of batches together.
async fn columns(ground: &Ground, table: &str) -> Vec<(String, f64)> {
    let sql = format!(
        "SELECT compressed.attrelid::regclass::text, compressed.attname::text
           FROM _timescaledb_catalog.compression_settings AS chunk
           JOIN pg_attribute AS compressed ON compressed.attrelid = chunk.compress_relid
          WHERE chunk.relid IN (SELECT show_chunks('{table}'))
            AND compressed.attnum > 0 AND NOT compressed.attisdropped"
    );
    let found: Vec<(String, String)> = if ground.is_community() {
        ground.rows(&sql).await
    } else {
        Vec::new()
    };
    let mut columns: Vec<(String, f64)> = Vec::new();
    for (chunk, column) in found {
        let sql = format!("SELECT coalesce(sum(pg_column_size(\"{column}\")), 0) FROM {chunk}");
        let bytes = ground.number(&sql).await;
        let name = if column.contains("bloom") {
            "bloom filters"
        } else if column.starts_with("_ts_meta") {
            "bounds of batches"
        } else {
            &column
        };
        match columns.iter_mut().find(|known| known.0 == name) {
            Some(known) => known.1 += bytes,
            None => columns.push((name.to_owned(), bytes)),
        }
    }
    columns.sort_by(|a, b| b.1.total_cmp(&a.1));
    columns.truncate(COLUMNS);
    columns
}
