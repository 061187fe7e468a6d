//! How many records there were by service and severity, by time: what a histogram shows.

use std::{collections::BTreeMap, time::Duration};

use annals_record::{ColumnType, Record, Timestamp, Value};
use annals_store::{Dialect, Store};

use crate::{
    Result, bind,
    log::{LogError, LogLevel, MAX_SEVERITY},
};

/// Slices of one answer at most.
pub const MAX_SLICES: u64 = 2_000;

/// What to count.
#[derive(Clone, Debug)]
pub struct LogCounts {
    /// Records of then or later.
    pub from: Timestamp,
    /// Records before then.
    pub to: Timestamp,
    /// How long a slice is; slices begin at multiples of it since 1970.
    pub bucket: Duration,
    /// Only records of this service.
    pub service_name: Option<String>,
    /// Only records at least so grave, 1 to 24.
    pub severity: Option<i32>,
    /// Only records whose body contains this, whatever its case.
    pub text: Option<String>,
}

/// Records of one service and level in a slice of time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogCount {
    /// When the slice begins.
    pub start: Timestamp,
    /// The service.
    pub service_name: String,
    /// How grave they are; `None` where it is not said.
    pub level: Option<LogLevel>,
    /// How many there are.
    pub count: u64,
}

/// A row that the statement gives.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "logs")]
struct Counted {
    slice: i64,
    service_name: String,
    severity_number: i32,
    records: i64,
}

pub(super) async fn count(store: &Store, asked: &LogCounts) -> Result<Vec<LogCount>> {
    let wrong = |field, problem| Err(LogError::new(field, problem).into());
    let micros = i64::try_from(asked.bucket.as_micros()).unwrap_or(i64::MAX);
    if micros == 0 {
        return wrong("bucket", "must be longer than nothing");
    }
    let (from, to) = (asked.from.unix_nanos(), asked.to.unix_nanos());
    if from >= to {
        return wrong("since", "must be before until");
    }
    let slices = from.abs_diff(to) / 1_000 / micros.unsigned_abs();
    if slices > MAX_SLICES {
        return wrong(
            "bucket",
            "is too short for the window: more than 2000 of it; ask for longer ones",
        );
    }
    if !asked
        .severity
        .is_none_or(|severity| (1..=MAX_SEVERITY).contains(&severity))
    {
        return wrong("severity", "must be 1 to 24");
    }
    let names = store.names();
    let sql = names.statement(match names.dialect() {
        Dialect::Sqlite => include_str!("counts.sqlite.sql"),
        _ => include_str!("counts.postgres.sql"),
    });
    let values = vec![
        bind::micros(asked.from),
        bind::micros(asked.to),
        Value::Int8(micros),
        bind::optional_text(asked.service_name.as_deref()),
        asked
            .severity
            .map_or(Value::Null(ColumnType::Int4), Value::Int4),
        bind::optional_text(asked.text.as_deref().map(pattern).as_deref()),
    ];
    let rows: Vec<Counted> = store.fetch_planned(sql, values).await?;
    let mut counts: BTreeMap<(i64, String, Option<LogLevel>), u64> = BTreeMap::new();
    for row in rows {
        let key = (
            row.slice,
            row.service_name,
            LogLevel::of(row.severity_number),
        );
        *counts.entry(key).or_default() += row.records.unsigned_abs();
    }
    let counts = counts.into_iter();
    Ok(counts
        .map(|((slice, service_name, level), count)| LogCount {
            start: Timestamp::from_unix_nanos(slice.saturating_mul(micros).saturating_mul(1_000)),
            service_name,
            level,
            count,
        })
        .collect())
}

/// A text as a pattern of LIKE, taken literally.
fn pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
