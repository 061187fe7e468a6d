//! Minutes without a bar.

use annals_record::{Record, Timestamp, TimestampMicros, Value};
use annals_store::Store;

use crate::{Error, Result, Timeframe, Zone};

/// Microseconds of a minute.
const MINUTE: i64 = 60_000_000;

/// Minutes in a row that a symbol has no bar for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The first of them.
    pub from: TimestampMicros,
    /// The last of them.
    pub to: TimestampMicros,
    /// How many there are.
    pub minutes: u64,
}

/// A row that the statement gives.
#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "minutes")]
struct Minute {
    timestamp: TimestampMicros,
}

/// The minutes from `start` to `end`, both included, that a symbol has no bar for. Which of them an
/// exchange was closed for is not known here.
pub(crate) async fn between(
    store: &Store,
    symbol: &str,
    start: Timestamp,
    end: Timestamp,
) -> Result<Vec<Gap>> {
    if end < start {
        return Err(Error::Question {
            field: "the end",
            needs: "the start or later",
        });
    }
    let floor = TimestampMicros::floor(start);
    let mut first = Timeframe::M1.start_of(floor, &Zone::utc());
    if Timestamp::from(first) < start {
        first = Timeframe::M1.end_of(floor, &Zone::utc());
    }
    let last = Timeframe::M1.start_of(TimestampMicros::floor(end), &Zone::utc());
    let sql = store.names().statement(
        "SELECT timestamp FROM {bars_1m} WHERE symbol = $1 AND timestamp BETWEEN $2 AND $3 ORDER BY timestamp",
    );
    let values = vec![
        Value::Text(symbol.to_owned()),
        Value::Timestamp(first.unix_micros()),
        Value::Timestamp(last.unix_micros()),
    ];
    let minutes: Vec<Minute> = store.fetch(sql, values).await?;
    let there = minutes.iter().map(|minute| minute.timestamp.unix_micros());
    Ok(missing(first.unix_micros(), last.unix_micros(), there))
}

/// The runs of minutes from `first` to `last` that are not `there`, which is ascending.
fn missing(first: i64, last: i64, there: impl Iterator<Item = i64>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut next = first;
    for minute in there.chain([last.saturating_add(MINUTE)]) {
        gaps.extend(gap(next, minute.saturating_sub(MINUTE)));
        next = minute.saturating_add(MINUTE);
    }
    gaps
}

fn gap(from: i64, to: i64) -> Option<Gap> {
    Some(Gap {
        minutes: u64::try_from((to - from) / MINUTE)
            .ok()
            .filter(|_| to >= from)?
            + 1,
        from: TimestampMicros::from_unix_micros(from).ok()?,
        to: TimestampMicros::from_unix_micros(to).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_missing_minutes_are_found_at_both_ends_and_between() {
        let found = |there: &[i64]| -> Vec<(i64, i64, u64)> {
            let there = there.iter().map(|minute| minute * MINUTE);
            let gaps = missing(10 * MINUTE, 15 * MINUTE, there);
            let gaps = gaps.iter().map(|gap| {
                let minute = |time: TimestampMicros| time.unix_micros() / MINUTE;
                (minute(gap.from), minute(gap.to), gap.minutes)
            });
            gaps.collect()
        };
        assert_eq!(found(&[]), [(10, 15, 6)]);
        assert_eq!(found(&[10, 11, 12, 13, 14, 15]), []);
        assert_eq!(found(&[12, 14]), [(10, 11, 2), (13, 13, 1), (15, 15, 1)]);
    }
}
