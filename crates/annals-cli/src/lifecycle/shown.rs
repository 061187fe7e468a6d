//! Chunks, ranges and numbers as people and programs read them.

use annals_record::Timestamp;
use annals_store::{
    Interval,
    lifecycle::{Chunk, ChunkState, CompressionStats},
};
use serde_json::{Value, json};

use crate::output::{bytes, count, printable};

/// A time in UTC; where a day begins, that day.
pub(super) fn time(time: Timestamp) -> String {
    const DAY: i64 = 86_400_000_000_000;
    let text = time.to_string();
    match text.split_once('T') {
        Some((date, _)) if time.unix_nanos() % DAY == 0 => date.to_owned(),
        _ => text,
    }
}

/// From when to when.
pub(super) fn range(from: Timestamp, until: Timestamp) -> String {
    format!("{} to {}", time(from), time(until))
}

/// A chunk in a line.
pub(super) fn chunk(chunk: &Chunk) -> String {
    format!(
        "{}, {}",
        printable(&chunk.name),
        range(chunk.range_start, chunk.range_end)
    )
}

/// Rows as somebody knows them: counted, estimated, or not at all.
pub(super) fn rows(rows: Option<u64>, counted: bool) -> String {
    match rows {
        Some(rows) if counted => count(rows),
        Some(rows) => format!("~{}", count(rows)),
        None => "?".to_owned(),
    }
}

/// How many times smaller.
pub(super) fn ratio(stats: &CompressionStats) -> String {
    stats
        .ratio()
        .map(|ratio| format!("{ratio:.1}x"))
        .unwrap_or_default()
}

/// What a chunk holds, in a line: how it is kept, and its bytes.
pub(super) fn kept(chunk: &Chunk) -> String {
    match (chunk.state, chunk.bytes_before) {
        (ChunkState::Hot, _) | (_, None) => bytes(chunk.bytes),
        (_, Some(before)) => format!("{}, {} before", bytes(chunk.bytes), bytes(before)),
    }
}

/// A chunk for a program.
pub(super) fn chunk_json(chunk: &Chunk) -> Value {
    json!({
        "name": chunk.name,
        "schema": chunk.schema,
        "range_start": chunk.range_start.to_string(),
        "range_end": chunk.range_end.to_string(),
        "rows": chunk.rows,
        "bytes": chunk.bytes,
        "bytes_before": chunk.bytes_before,
        "state": chunk.state.as_str(),
        "tablespace": chunk.tablespace,
    })
}

/// A JSON object with more fields.
pub(super) fn and(mut object: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut object, more) {
        fields.extend(more);
    }
    object
}

pub(super) fn time_json(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}

pub(super) fn interval_json(interval: Option<&Interval>) -> Option<String> {
    interval.map(Interval::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_short_where_a_day_begins() {
        let midnight = Timestamp::from_unix_seconds(1_767_571_200).unwrap();
        assert_eq!(time(midnight), "2026-01-05");
        let noon = Timestamp::from_unix_seconds(1_767_614_400).unwrap();
        assert_eq!(time(noon), "2026-01-05T12:00:00Z");
        let long_ago = Timestamp::from_unix_seconds(-86_400).unwrap();
        assert_eq!(range(long_ago, midnight), "1969-12-31 to 2026-01-05");
    }

    #[test]
    fn rows_say_how_well_they_are_known() {
        assert_eq!(rows(Some(12_345), true), "12,345");
        assert_eq!(rows(Some(12_345), false), "~12,345");
        assert_eq!(rows(None, false), "?");
    }
}
