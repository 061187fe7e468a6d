//! What is told of chunks, and of what is being done to them: a line of JSON for each step, and one at the end.

use annals_store::lifecycle::{Chunk, Conversion, Converted, Expired, Expiry};
use serde::Serialize;
use utoipa::ToSchema;

/// A part of a table: all rows of a range of time. What is absent is left out.
#[derive(Serialize, ToSchema)]
pub(super) struct ChunkJson {
    name: String,
    /// The schema of its own table.
    schema: String,
    #[schema(format = DateTime)]
    range_start: String,
    /// Excluded.
    #[schema(format = DateTime)]
    range_end: String,
    /// Counted where that was asked for, else as the server last estimated them, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// On disk, with indexes and what is compressed.
    bytes: u64,
    /// What it had when it was compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_before: Option<u64>,
    /// hot, compressed, partly compressed or frozen
    state: &'static str,
    /// Unless it is the database's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    tablespace: Option<String>,
}

impl From<&Chunk> for ChunkJson {
    fn from(chunk: &Chunk) -> Self {
        Self {
            name: chunk.name.clone(),
            schema: chunk.schema.clone(),
            range_start: chunk.range_start.to_string(),
            range_end: chunk.range_end.to_string(),
            rows: chunk.rows,
            bytes: chunk.bytes,
            bytes_before: chunk.bytes_before,
            state: chunk.state.as_str(),
            tablespace: chunk.tablespace.clone(),
        }
    }
}

/// One step, a line of the answer.
#[derive(Serialize, ToSchema)]
pub(super) struct Step {
    /// done, dropped or deleted; due in a dry run; in use, frozen or gone for a chunk that was left as it is
    outcome: &'static str,
    /// The chunk as it was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk: Option<ChunkJson>,
    /// What a chunk takes on disk now.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Rows that are gone, or would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
}

impl Step {
    fn of_chunk(outcome: &'static str, chunk: &Chunk) -> Self {
        Self {
            outcome,
            chunk: Some(chunk.into()),
            bytes: None,
            rows: None,
        }
    }

    fn of_rows(outcome: &'static str, rows: u64) -> Self {
        Self {
            outcome,
            chunk: None,
            bytes: None,
            rows: Some(rows),
        }
    }

    /// Rows of one owner that are gone, or would be.
    pub(super) fn deleted(rows: u64, dry_run: bool) -> Self {
        Self::of_rows(if dry_run { "due" } else { "deleted" }, rows)
    }
}

impl From<&Converted> for Step {
    fn from(step: &Converted) -> Self {
        let (outcome, bytes) = match step.conversion {
            Conversion::Done { bytes } => ("done", Some(bytes)),
            Conversion::Due => ("due", None),
            Conversion::InUse => ("in use", None),
            Conversion::Frozen => ("frozen", None),
            Conversion::Gone => ("gone", None),
            _ => ("left", None),
        };
        Self {
            bytes,
            ..Self::of_chunk(outcome, &step.chunk)
        }
    }
}

impl From<&Expired> for Step {
    fn from(step: &Expired) -> Self {
        match step {
            Expired::Chunk(chunk) => Self::of_chunk("dropped", chunk),
            Expired::Due(chunk) => Self::of_chunk("due", chunk),
            Expired::InUse(chunk) => Self::of_chunk("in use", chunk),
            Expired::Frozen(chunk) => Self::of_chunk("frozen", chunk),
            Expired::Rows(rows) => Self::of_rows("deleted", *rows),
            Expired::DueRows(rows) => Self::of_rows("due", *rows),
            _ => Self {
                outcome: "left",
                chunk: None,
                bytes: None,
                rows: None,
            },
        }
    }
}

/// The last line of compressing and decompressing.
#[derive(Serialize, ToSchema)]
pub(super) struct ConvertedTotals {
    /// Always true: an answer without it was cut off.
    done: bool,
    /// Whether nothing was done, and this is what would be.
    dry_run: bool,
    /// Chunks that were converted, or would be.
    chunks: u64,
    /// Chunks that had to stay: in use, or frozen.
    left: u64,
    /// What the converted chunks took before.
    bytes_before: u64,
    /// What they take now.
    bytes_after: u64,
}

impl ConvertedTotals {
    pub(super) fn of(steps: &[Converted], dry_run: bool) -> Self {
        let mut totals = Self {
            done: true,
            dry_run,
            chunks: 0,
            left: 0,
            bytes_before: 0,
            bytes_after: 0,
        };
        for step in steps {
            match step.conversion {
                Conversion::Done { bytes } => {
                    totals.chunks += 1;
                    totals.bytes_before += step.chunk.bytes;
                    totals.bytes_after += bytes;
                }
                Conversion::Due => totals.chunks += 1,
                Conversion::Gone => {}
                _ => totals.left += 1,
            }
        }
        totals
    }
}

/// The last line of dropping and expiring.
#[derive(Serialize, ToSchema)]
pub(super) struct ExpiredTotals {
    /// Always true: an answer without it was cut off.
    done: bool,
    /// Whether nothing was done, and this is what would be.
    dry_run: bool,
    /// Before which time rows are gone, or would be, where there was something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    until: Option<String>,
    /// Chunks that were dropped, or would be.
    chunks: u64,
    /// Rows that were deleted one by one, or would be; those of dropped chunks are not counted.
    rows: u64,
    /// Bytes on disk that are free now, or would be.
    bytes: u64,
    /// Rows of other tables that went with them.
    followed: u64,
    /// Chunks that had to stay: in use, or frozen.
    left: u64,
}

impl ExpiredTotals {
    pub(super) fn of(expiry: &Expiry, dry_run: bool) -> Self {
        Self {
            done: true,
            dry_run,
            until: expiry.until.map(|until| until.to_string()),
            chunks: expiry.chunks,
            rows: expiry.rows,
            bytes: expiry.bytes,
            followed: expiry.followed,
            left: expiry.left,
        }
    }
}

/// The last line of deleting rows of one owner.
#[derive(Serialize, ToSchema)]
pub(super) struct DeletedTotals {
    /// Always true: an answer without it was cut off.
    done: bool,
    /// Whether nothing was done, and this is what would be.
    dry_run: bool,
    /// Rows that are gone, or would be.
    rows: u64,
}

impl DeletedTotals {
    pub(super) fn of(rows: u64, dry_run: bool) -> Self {
        Self {
            done: true,
            dry_run,
            rows,
        }
    }
}
