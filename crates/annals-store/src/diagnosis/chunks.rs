//! The range of chunks against what they hold, and chunks that should be compressed by now.

use std::time::Duration;

use sqlx::{PgConnection, Row as _};

use super::{
    Asked, Diagnosis,
    Severity::Advice,
    quantity::{DAY, MB, bytes, length},
};
use crate::{
    AgingTable, Error, Result,
    backend::Backend,
    lifecycle::{Chunk, ChunkState, Interval, LifecycleError, PolicyKind},
};

const SUBJECT: &str = "chunks";

/// Ranges that people remember.
const LADDER: [Duration; 6] = [
    Duration::from_secs(3_600),
    Duration::from_secs(6 * 3_600),
    Duration::from_secs(12 * 3_600),
    DAY,
    DAY.saturating_mul(7),
    DAY.saturating_mul(30),
];

/// Full chunks that are taken for what the next ones will hold.
const NEWEST: usize = 3;

/// So many chunks that are smaller than this on average are too many.
const MANY: usize = 100;
const TINY: u64 = MB;

/// What a chunk should hold at least, when there are too many.
const WORTHWHILE: u64 = 32 * MB;

/// How fast a table grows.
#[derive(Debug)]
struct Growth {
    label: String,
    /// The range of one of its newest chunks.
    range: Duration,
    /// Bytes of one of its newest full chunks, indexes included, before it is compressed.
    bytes: u64,
    chunks: usize,
    /// Bytes of all of them as they are.
    total: u64,
}

pub(super) async fn look(asked: &Asked<'_>) -> Result<Vec<Diagnosis>> {
    if !asked.capabilities.hypertables() {
        return Ok(Vec::new());
    }
    let Backend::Postgres(postgres) = asked.store.backend() else {
        return Ok(Vec::new());
    };
    let memory = memory(&mut *postgres.acquire().await?).await?;
    let now = asked.store.backend().now().await?.unix_micros();
    let mut found = Vec::new();
    let mut growths = Vec::new();
    for table in asked.tables {
        let chunks = match asked.store.lifecycle(table.clone()).chunks(false).await {
            Ok(chunks) => chunks,
            // Told of as a fault of the schema.
            Err(Error::Lifecycle(error))
                if matches!(*error, LifecycleError::NoHypertable { .. }) =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        growths.extend(growth(table.label(), &chunks, now));
        if asked.capabilities.columnstore() {
            found.extend(of_backlog(asked, table, &chunks, now).await?);
        }
    }
    found.extend(growths.iter().filter_map(too_small));
    found.extend(too_large(&growths, memory));
    Ok(found)
}

/// A quarter of the machine's memory, as far as its settings tell: those who set `shared_buffers` set it to
/// that, and `effective_cache_size` is what is left for files, which by default is a guess.
async fn memory(connection: &mut PgConnection) -> Result<u64> {
    let sql = "SELECT GREATEST(pg_size_bytes(current_setting('shared_buffers')),
                               pg_size_bytes(current_setting('effective_cache_size')) / 4)";
    let doing = "reading settings of memory";
    let row = sqlx::query(sql).fetch_one(connection).await;
    let read = row.and_then(|row| row.try_get::<i64, _>(0));
    Ok(read.map_err(Error::statement(doing))?.unsigned_abs())
}

fn range(chunk: &Chunk) -> Duration {
    let micros = chunk
        .range_end
        .unix_micros()
        .saturating_sub(chunk.range_start.unix_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// How fast a table grows, by its newest chunks into which no time falls any more.
fn growth(label: &str, chunks: &[Chunk], now: i64) -> Option<Growth> {
    let mut full: Vec<&Chunk> = chunks
        .iter()
        .filter(|chunk| chunk.range_end.unix_micros() <= now)
        .collect();
    full.sort_by_key(|chunk| std::cmp::Reverse(chunk.range_end.unix_micros()));
    full.truncate(NEWEST);
    let range = range(full.first()?);
    let bytes = full
        .iter()
        .map(|chunk| chunk.bytes_before.unwrap_or(0).max(chunk.bytes))
        .max()?;
    Some(Growth {
        label: label.to_owned(),
        range,
        bytes,
        chunks: chunks.len(),
        total: chunks.iter().map(|chunk| chunk.bytes).sum(),
    })
    .filter(|growth| !growth.range.is_zero())
}

/// Chunks that are written to should fit into memory together.
fn too_large(growths: &[Growth], memory: u64) -> Vec<Diagnosis> {
    let all: u64 = growths.iter().map(|growth| growth.bytes).sum();
    if all <= memory {
        return Vec::new();
    }
    let share = memory as f64 / all as f64;
    let large = growths.iter().filter(|growth| growth.bytes >= all / 4);
    large
        .filter_map(|growth| {
            let longest = growth.range.mul_f64(share);
            let better = LADDER.iter().rev().find(|step| **step <= longest);
            let better = better.or(LADDER.first()).filter(|step| **step < growth.range)?;
            Some(Diagnosis::new(
                Advice,
                SUBJECT,
                format!(
                    "a chunk of {} grows to {} in {}: the newest chunks of all tables come to {}, and a quarter of memory is {}",
                    growth.label,
                    bytes(growth.bytes),
                    length(growth.range),
                    bytes(all),
                    bytes(memory)
                ),
                interval(&growth.label, *better),
            ))
        })
        .collect()
}

fn too_small(growth: &Growth) -> Option<Diagnosis> {
    let average = growth.total / (growth.chunks as u64).max(1);
    if growth.chunks <= MANY || average >= TINY {
        return None;
    }
    // What it holds before it is compressed.
    let rate = growth.bytes as f64 / growth.range.as_secs_f64();
    let holds = |step: &&Duration| rate * step.as_secs_f64() >= WORTHWHILE as f64;
    let mut longer = LADDER.iter().filter(|step| **step > growth.range);
    let better = longer.clone().find(holds).or_else(|| longer.next_back())?;
    Some(Diagnosis::new(
        Advice,
        SUBJECT,
        format!(
            "{} has {} chunks of {} on average: each costs every question that does not name a time",
            growth.label,
            growth.chunks,
            bytes(average)
        ),
        interval(&growth.label, *better),
    ))
}

fn interval(label: &str, range: Duration) -> String {
    let told =
        Interval::from_duration(range).map_or_else(|| length(range), |range| range.to_string());
    format!("annals chunks interval {label} '{told}', which new chunks follow")
}

/// Chunks that a policy should have compressed by now.
async fn of_backlog(
    asked: &Asked<'_>,
    table: &AgingTable,
    chunks: &[Chunk],
    now: i64,
) -> Result<Option<Diagnosis>> {
    let policies = asked.store.lifecycle(table.clone()).policies().await?;
    let age = policies
        .iter()
        .filter(|one| one.policy.kind == PolicyKind::Compression)
        .find_map(|one| one.policy.interval.as_ref());
    Ok(age.and_then(|age| backlog(table.label(), age, chunks, now)))
}

fn backlog(label: &str, age: &Interval, chunks: &[Chunk], now: i64) -> Option<Diagnosis> {
    let old: Vec<&Chunk> = chunks
        .iter()
        .filter(|chunk| {
            // A policy runs once in a while.
            let due = age.as_duration() + range(chunk) + DAY * 2;
            let due = i64::try_from(due.as_micros()).unwrap_or(i64::MAX);
            chunk.state == ChunkState::Hot
                && chunk.range_end.unix_micros().saturating_add(due) < now
        })
        .collect();
    if old.is_empty() {
        return None;
    }
    let size: u64 = old.iter().map(|chunk| chunk.bytes).sum();
    Some(Diagnosis::new(
        Advice,
        SUBJECT,
        format!(
            "{} of {label} with {} {} compressed, though chunks are to be at {age}",
            super::quantity::counted(old.len() as u64, "chunk"),
            bytes(size),
            if old.len() == 1 { "is not" } else { "are not" },
        ),
        format!(
            "annals chunks compress {label} --older-than '{age}'; if they come back, see how the policy goes: annals policy show {label}"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use annals_record::{Timestamp, TimestampMicros};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const GB: u64 = 1 << 30;

    fn at(duration: Duration) -> Timestamp {
        let micros = i64::try_from(duration.as_micros()).unwrap();
        TimestampMicros::from_unix_micros(micros).unwrap().into()
    }

    /// The chunk of a range that begins so many ranges after 1970.
    fn chunk(number: u32, range: Duration, bytes: u64, state: ChunkState) -> Chunk {
        Chunk {
            name: format!("_hyper_1_{number}_chunk"),
            schema: "_timescaledb_internal".into(),
            range_start: at(range * number),
            range_end: at(range * (number + 1)),
            rows: None,
            bytes,
            bytes_before: None,
            state,
            tablespace: None,
        }
    }

    fn growing(label: &str, range: Duration, bytes: u64) -> Growth {
        Growth {
            label: label.into(),
            range,
            bytes,
            chunks: 10,
            total: bytes * 10,
        }
    }

    #[test]
    fn growth_is_told_by_full_chunks_as_they_were_before_they_were_compressed() {
        let mut chunks: Vec<Chunk> = (0..5)
            .map(|number| chunk(number, DAY, 100 * MB, ChunkState::Hot))
            .collect();
        if let Some(third) = chunks.get_mut(3) {
            third.bytes = 10 * MB;
            third.bytes_before = Some(300 * MB);
        }
        // The fifth is still written to.
        let now = at(DAY * 4 + HOUR).unix_micros();
        let growth = growth("spans", &chunks, now).unwrap();
        assert_eq!(
            (growth.range, growth.bytes, growth.chunks),
            (DAY, 300 * MB, 5)
        );
        assert!(super::growth("spans", &[], now).is_none());
    }

    #[test]
    fn chunks_that_do_not_fit_into_memory_are_to_be_shorter() {
        let growths = [
            growing("spans", DAY * 7, 14 * GB),
            growing("bars_1m", DAY * 7, GB / 10),
        ];
        assert!(too_large(&growths, 16 * GB).is_empty());
        let found = too_large(&growths, 4 * GB);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found
                .iter()
                .all(|one| one.way_out.contains("annals chunks interval spans '1 day'")),
            "{found:?}"
        );
        // There is nothing shorter.
        assert!(too_large(&[growing("spans", HOUR, 14 * GB)], GB).is_empty());
    }

    #[test]
    fn many_tiny_chunks_are_to_be_longer() {
        let tiny = |chunks, bytes| Growth {
            chunks,
            total: bytes * chunks as u64,
            ..growing("spans", HOUR, bytes)
        };
        assert!(too_small(&tiny(100, MB / 10)).is_none());
        assert!(too_small(&tiny(500, 2 * MB)).is_none());
        let found = too_small(&tiny(500, MB / 2)).unwrap();
        assert!(
            found
                .way_out
                .contains("annals chunks interval spans '7 days'"),
            "{found:?}"
        );
        let found = too_small(&tiny(500, 1_000)).unwrap();
        assert!(found.way_out.contains("'30 days'"), "{found:?}");
    }

    #[test]
    fn chunks_that_a_policy_passed_by_are_told_and_those_that_it_will_come_to_are_not() {
        let age = Interval::days(7);
        let hot = [chunk(0, DAY, MB, ChunkState::Hot)];
        let told = |chunks: &[Chunk], days: u32| {
            backlog("spans", &age, chunks, at(DAY * days).unix_micros())
        };
        assert!(told(&hot, 9).is_none());
        let found = told(&hot, 30).unwrap();
        assert!(
            found
                .what
                .starts_with("1 chunk of spans with 1 MB is not compressed"),
            "{found:?}"
        );
        assert!(told(&[chunk(0, DAY, MB, ChunkState::Compressed)], 30).is_none());
    }
}
