//! Gauges, put together by the database: a row comes for each series in each bucket.

use annals_record::{Json, Record, Timestamp, TimestampMicros, Uuid, Value};
use annals_store::sql::Dialect;

use super::{Gathering, Selection, question};
use crate::{Metric, Result, metrics::repository::MetricRepository};

/// Rows that the database may give.
const MAX_ROWS: usize = 500_000;

/// A row that the statement gives: a series in a bucket.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "metric_buckets")]
struct InBucket {
    metric_id: Uuid,
    series_id: Uuid,
    attributes: Json,
    bucket: TimestampMicros,
    points: i64,
    nan: i64,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
}

pub(super) async fn gather(
    repository: &MetricRepository,
    selection: &Selection,
    metrics: &[Metric],
    gathering: &mut Gathering<'_>,
) -> Result<()> {
    let names = repository.store().names();
    let statement = match names.dialect() {
        Dialect::Sqlite => concat!(
            include_str!("numbers.sqlite.sql"),
            include_str!("../repository/matching.sqlite.sql"),
            include_str!("numbers_end.sql")
        ),
        _ => concat!(
            include_str!("numbers.postgres.sql"),
            include_str!("../repository/matching.postgres.sql"),
            include_str!("numbers_end.sql")
        ),
    };
    let mut values = repository.window_values(metrics, selection)?;
    values.push(Value::Int8(gathering.window.width()));
    values.push(Value::Timestamp(gathering.window.origin()));
    values.push(Value::Int8(i64::try_from(MAX_ROWS + 1).unwrap_or(i64::MAX)));
    let rows: Vec<InBucket> = repository
        .store()
        .fetch_planned(names.statement(statement), values)
        .await?;
    if rows.len() > MAX_ROWS {
        return Err(question(
            "bucket",
            format!(
                "must be longer, the time shorter, or fewer series be asked for: there are more than {MAX_ROWS} buckets of series"
            ),
        ));
    }
    for row in rows {
        // The database counts buckets from the same origin; a bucket's start may lie before the window.
        let micros = Timestamp::from(row.bucket).unix_micros();
        let series = (row.metric_id, row.series_id);
        let bucket = gathering.bucket(series, &row.attributes, micros)?;
        bucket.points += row.points.unsigned_abs();
        bucket.nan += row.nan.unsigned_abs();
        bucket.sum += row.sum.unwrap_or(0.0);
        for (known, of, found) in [
            (&mut bucket.min, f64::min as fn(f64, f64) -> f64, row.min),
            (&mut bucket.max, f64::max, row.max),
        ] {
            if let Some(found) = found {
                *known = Some(known.map_or(found, |known| of(known, found)));
            }
        }
    }
    Ok(())
}
