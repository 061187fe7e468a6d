//! Points of a window read in slices of time, each small enough to be in memory, and followed series by series.

use std::collections::HashMap;

use annals_record::{Json, Record, Timestamp, Uuid};

use super::{Gathering, Of, Selection, change::Series, question};
use crate::{
    Metric, MetricDataPoint, Result,
    metrics::repository::{MetricRepository, points_of},
};

/// Points that are in memory at once.
const SLICE: usize = 50_000;

/// Points that are read for one answer.
const MAX_POINTS: usize = 2_000_000;

/// How long before a window the point before its first one is looked for: at least so long.
const BEFORE_MICROS: i64 = 15 * 60 * 1_000_000;

/// The shortest slice, in microseconds.
const SHORTEST: i64 = 1_000;

/// A point without what no answer tells.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "metric_data_points",
    key("metric_id", "series_id", "timestamp")
)]
struct Slim {
    metric_id: Uuid,
    series_id: Uuid,
    timestamp: Timestamp,
    start_time: Option<Timestamp>,
    value: Option<f64>,
    value_int: Option<i64>,
    count: Option<u64>,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    scale: Option<i32>,
    zero_count: Option<u64>,
    zero_threshold: Option<f64>,
    buckets: Option<Json>,
    quantiles: Option<Json>,
    flags: u32,
    attributes: Json,
}

impl From<Slim> for MetricDataPoint {
    fn from(slim: Slim) -> Self {
        Self {
            metric_id: slim.metric_id,
            series_id: slim.series_id,
            timestamp: slim.timestamp,
            start_time: slim.start_time,
            value: slim.value,
            value_int: slim.value_int,
            count: slim.count,
            sum: slim.sum,
            min: slim.min,
            max: slim.max,
            scale: slim.scale,
            zero_count: slim.zero_count,
            zero_threshold: slim.zero_threshold,
            buckets: slim.buckets,
            quantiles: slim.quantiles,
            exemplars: None,
            flags: slim.flags,
            attributes: slim.attributes,
        }
    }
}

pub(super) async fn gather(
    repository: &MetricRepository,
    selection: &Selection,
    metrics: &[Metric],
    plans: &[Of],
    gathering: &mut Gathering<'_>,
) -> Result<()> {
    let window = gathering.window;
    let ids: Vec<Uuid> = metrics.iter().map(|metric| metric.id).collect();
    let plans: HashMap<Uuid, (Of, &Metric)> = metrics
        .iter()
        .zip(plans)
        .map(|(metric, of)| (metric.id, (*of, metric)))
        .collect();
    let is_change = plans.values().any(|(of, _)| *of == Of::Changes);
    let before = BEFORE_MICROS.max(window.width());
    let from = if is_change {
        window.from.saturating_sub(before)
    } else {
        window.from
    };
    let mut series: HashMap<Uuid, Series> = HashMap::new();
    let mut read = 0_usize;
    let mut at = from;
    let mut width = window.to.saturating_sub(from);
    while at < window.to {
        let end = at.saturating_add(width).min(window.to);
        let points = slice(repository, selection, &ids, at, end).await?;
        let Some(points) = points else {
            if width <= SHORTEST {
                return Err(too_many());
            }
            width = (width / 4).max(SHORTEST);
            continue;
        };
        read += points.len();
        if read > MAX_POINTS {
            return Err(too_many());
        }
        if points.len() < SLICE / 4 {
            width = width.saturating_mul(2);
        }
        for point in points {
            let Some((of, metric)) = plans.get(&point.metric_id).copied() else {
                continue;
            };
            let point = MetricDataPoint::from(point);
            let known = series
                .entry(point.series_id)
                .or_insert_with(|| Series::new(from));
            // Followed before the window too, for the point that is before its first one.
            let Some(told) = known.take(metric, of, &point, gathering.aggregation.aggregate)?
            else {
                continue;
            };
            let micros = point.timestamp.unix_micros();
            if micros >= window.from {
                let id = (point.metric_id, point.series_id);
                let bucket = gathering.bucket(id, &point.attributes, micros)?;
                told.into_bucket(bucket, point.timestamp);
            }
        }
        at = end;
    }
    Ok(())
}

/// The points of a slice, by series and time; `None` when there are too many.
async fn slice(
    repository: &MetricRepository,
    selection: &Selection,
    ids: &[Uuid],
    from: i64,
    to: i64,
) -> Result<Option<Vec<Slim>>> {
    let time = |micros| Timestamp::from_micros_and_nanos(micros, 0).unwrap_or(Timestamp::MIN);
    let mut selection = selection.clone();
    selection.since = Some(time(from));
    selection.until = Some(time(to));
    let page = repository
        .store()
        .query::<MetricDataPoint>()
        .filter(points_of(&selection, ids))
        .limit(SLICE as u64)
        .planned()
        .fetch_as::<Slim>()
        .await?;
    Ok(page.next.is_none().then_some(page.rows))
}

fn too_many() -> crate::Error {
    question(
        "since",
        format!(
            "is so early that more than {MAX_POINTS} points would be read; ask for a shorter time, a service or fewer series"
        ),
    )
}
