//! `annals chunks list`.

use annals_store::{
    Lifecycle,
    lifecycle::{Chunk, ChunkState, CompressionStats},
};
use serde_json::json;

use super::{
    label,
    shown::{chunk_json, ratio, rows, time},
};
use crate::{
    error::CliError,
    output::{align_numbers, bytes, many, print_json, print_line, print_table, printable, table},
    progress::Progress,
};

pub(super) async fn list(life: &Lifecycle, counted: bool, json: bool) -> Result<(), CliError> {
    let progress = Progress::doing(if counted { "counting rows" } else { "looking" });
    let chunks = life.chunks(counted).await;
    progress.finish();
    let chunks = chunks?;
    let totals = Totals::of(&chunks);
    if json {
        return print_json(&json!({
            "table": life.table().label(),
            "counted": counted,
            "chunks": chunks.iter().map(chunk_json).collect::<Vec<_>>(),
            "totals": {
                "chunks": chunks.len(),
                "compressed_chunks": totals.stats.compressed_chunks,
                "rows": totals.rows,
                "bytes": totals.bytes,
                "before_bytes": totals.stats.before_bytes,
                "after_bytes": totals.stats.after_bytes,
                "ratio": totals.stats.ratio(),
            },
        }));
    }
    if chunks.is_empty() {
        return print_line(&format!("{} has no chunks yet", label(life)));
    }
    print_chunks(&chunks, counted)?;
    print_line(&totals.told(counted))
}

fn print_chunks(chunks: &[Chunk], counted: bool) -> Result<(), CliError> {
    let mut header = vec!["CHUNK", "FROM", "UNTIL", "ROWS", "BEFORE", "BYTES", "STATE"];
    let has_tablespace = chunks.iter().any(|chunk| chunk.tablespace.is_some());
    if has_tablespace {
        header.push("TABLESPACE");
    }
    let mut table = table(&header);
    align_numbers(&mut table, &[3, 4, 5]);
    for chunk in chunks {
        let mut cells = vec![
            printable(&chunk.name),
            time(chunk.range_start),
            time(chunk.range_end),
            rows(chunk.rows, counted),
            chunk.bytes_before.map(bytes).unwrap_or_default(),
            bytes(chunk.bytes),
            chunk.state.as_str().to_owned(),
        ];
        if has_tablespace {
            cells.push(printable(chunk.tablespace.as_deref().unwrap_or_default()));
        }
        table.add_row(cells);
    }
    print_table(&table, "")
}

#[derive(Default)]
struct Totals {
    /// `None` when of one chunk nobody knows.
    rows: Option<u64>,
    bytes: u64,
    stats: CompressionStats,
}

impl Totals {
    fn of(chunks: &[Chunk]) -> Self {
        let mut stats = CompressionStats::default();
        for chunk in chunks {
            stats.total_chunks += 1;
            if chunk.state == ChunkState::Hot {
                continue;
            }
            stats.compressed_chunks += 1;
            if let Some(before) = chunk.bytes_before {
                stats.before_bytes += before;
                stats.after_bytes += chunk.bytes;
            }
        }
        Self {
            rows: chunks.iter().map(|chunk| chunk.rows).sum(),
            bytes: chunks.iter().map(|chunk| chunk.bytes).sum(),
            stats,
        }
    }

    fn told(&self, counted: bool) -> String {
        let chunks = many(self.stats.total_chunks, "chunk");
        let mut line = format!(
            "{chunks}, {} compressed; {} rows, {}",
            self.stats.compressed_chunks,
            rows(self.rows, counted),
            bytes(self.bytes)
        );
        if self.stats.ratio().is_some() {
            line += &format!(
                "; the compressed ones had {} and have {}: {}",
                bytes(self.stats.before_bytes),
                bytes(self.stats.after_bytes),
                ratio(&self.stats)
            );
        }
        line
    }
}
