//! Latency percentiles by model, version and window.

use annals_record::{Record, Timestamp};
use annals_store::Store;

use crate::{Result, bind};

/// Latency of one model in one window, in nanoseconds, by nearest rank: the percentile `p` of `n`
/// samples is the one of rank `ceil(p * n / 100)`, so each is a latency that really happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latency {
    /// Spans in the window.
    pub sample_count: u64,
    /// Half took at most this; zero without samples, as are the others.
    pub p50_nanos: i64,
    /// 95 of 100 took at most this.
    pub p95_nanos: i64,
    /// 99 of 100 took at most this.
    pub p99_nanos: i64,
}

/// The row that the statement gives.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "latency")]
struct Percentiles {
    sample_count: i64,
    p50: Option<i64>,
    p95: Option<i64>,
    p99: Option<i64>,
}

/// Latency of the spans of `model`, of one version of it or of all, that began in the window: at
/// `from` or later, and before `to`, both to the microsecond.
pub(crate) async fn of_model(
    store: &Store,
    model: &str,
    version: Option<&str>,
    from: Timestamp,
    to: Timestamp,
) -> Result<Latency> {
    let sql = store.names().statement(include_str!("latency.sql"));
    let values = vec![
        bind::text(model),
        bind::micros(from),
        bind::micros(to),
        bind::optional_text(version),
    ];
    let rows: Vec<Percentiles> = store.fetch(sql, values).await?;
    Ok(rows.first().map_or_else(Latency::default, |row| Latency {
        sample_count: row.sample_count.unsigned_abs(),
        p50_nanos: row.p50.unwrap_or(0),
        p95_nanos: row.p95.unwrap_or(0),
        p99_nanos: row.p99.unwrap_or(0),
    }))
}
