//! `annals stats`: what tables take on disk.

use annals_store::{
    Edition,
    lifecycle::{CompressionStats, TableSize},
};
use serde_json::{Value, json};

use super::{
    Place,
    command::SomeTableArg,
    shown::{ratio, rows},
};
use crate::{
    command::DatabaseArgs,
    error::CliError,
    output::{add_row, align_numbers, bytes, print_json, print_table, table},
    progress::Progress,
};

pub(crate) async fn run(
    args: &DatabaseArgs,
    which: &SomeTableArg,
    json: bool,
) -> Result<(), CliError> {
    let place = Place::of(args).await?;
    let lives = place.some(which.label().as_deref()).await?;
    // Elsewhere rows are estimated.
    let counted = place.store.capabilities().edition() == Edition::Sqlite;
    let progress = Progress::doing("measuring");
    let mut measured = Vec::new();
    for life in &lives {
        let found = async { Ok((life.table_size().await?, life.compression_stats().await?)) };
        match found.await {
            Ok((size, stats)) => measured.push(Measured {
                label: life.table().label().to_owned(),
                size,
                stats,
            }),
            Err(error) => {
                progress.finish();
                return Err(CliError::Store(error));
            }
        }
    }
    progress.finish();
    let total = total(&measured);
    if json {
        let tables: Vec<Value> = measured.iter().map(Measured::json).collect();
        return print_json(&json!({
            "rows_are_counted": counted, "tables": tables, "total": total.json(),
        }));
    }
    let mut table = table(&[
        "TABLE",
        "ROWS",
        "DATA",
        "INDEXES",
        "TOAST",
        "TOTAL",
        "CHUNKS",
        "COMPRESSED",
        "BEFORE",
        "AFTER",
        "RATIO",
    ]);
    align_numbers(&mut table, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for one in &measured {
        add_row(&mut table, one.cells(counted));
    }
    if measured.len() > 1 {
        add_row(&mut table, total.cells(counted));
    }
    print_table(&table, "there are no tables that age")
}

#[derive(Default)]
struct Measured {
    label: String,
    size: TableSize,
    stats: CompressionStats,
}

impl Measured {
    fn cells(&self, counted: bool) -> [String; 11] {
        let (size, stats) = (&self.size, &self.stats);
        let compressed = |shown: String| {
            if stats.compressed_chunks > 0 {
                shown
            } else {
                String::new()
            }
        };
        [
            self.label.clone(),
            rows(size.rows, counted),
            bytes(size.table_bytes),
            bytes(size.index_bytes),
            bytes(size.toast_bytes),
            bytes(size.total_bytes),
            size.chunks.to_string(),
            size.compressed_chunks.to_string(),
            compressed(bytes(stats.before_bytes)),
            compressed(bytes(stats.after_bytes)),
            compressed(ratio(stats)),
        ]
    }

    fn json(&self) -> Value {
        let (size, stats) = (&self.size, &self.stats);
        json!({
            "table": self.label,
            "rows": size.rows,
            "table_bytes": size.table_bytes,
            "index_bytes": size.index_bytes,
            "toast_bytes": size.toast_bytes,
            "total_bytes": size.total_bytes,
            "chunks": size.chunks,
            "compressed_chunks": size.compressed_chunks,
            "before_bytes": stats.before_bytes,
            "after_bytes": stats.after_bytes,
            "ratio": stats.ratio(),
        })
    }
}

fn total(measured: &[Measured]) -> Measured {
    let mut total = Measured {
        label: "total".to_owned(),
        ..Measured::default()
    };
    // Unknown as soon as one is.
    total.size.rows = measured.iter().map(|one| one.size.rows).sum();
    for one in measured {
        total.size.table_bytes += one.size.table_bytes;
        total.size.index_bytes += one.size.index_bytes;
        total.size.toast_bytes += one.size.toast_bytes;
        total.size.total_bytes += one.size.total_bytes;
        total.size.chunks += one.size.chunks;
        total.size.compressed_chunks += one.size.compressed_chunks;
        total.stats.total_chunks += one.stats.total_chunks;
        total.stats.compressed_chunks += one.stats.compressed_chunks;
        total.stats.before_bytes += one.stats.before_bytes;
        total.stats.after_bytes += one.stats.after_bytes;
    }
    total
}
