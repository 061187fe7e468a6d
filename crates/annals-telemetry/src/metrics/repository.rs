//! Metrics by name, points by series, and the newest of each.

use std::collections::BTreeMap;

use annals_record::{Filter, Json, Timestamp, Uuid, Value};
use annals_store::{Page, Store, sql::Dialect};

use super::{
    aggregate,
    question::{Aggregation, MAX_METRICS, MetricFilter, Selection, question},
};
use crate::{Error, Metric, MetricDataPoint, Result, bind, metric::MetricType};

use super::Aggregated;

/// Rows of a listing when nobody says how many.
const DEFAULT_LIMIT: u32 = 100;

/// Rows of a listing at most.
const MAX_LIMIT: u32 = 10_000;

/// How long a metric may have been silent before a window in which points of it lie: points may come before their time,
/// by as much as a server allows.
const AHEAD_MICROS: i64 = 2 * 86_400 * 1_000_000;

/// What was measured, for reading.
#[derive(Clone, Debug)]
pub struct MetricRepository {
    store: Store,
}

/// Points with the metrics that they are of.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesPage {
    /// The metrics of these points, by id.
    pub metrics: BTreeMap<Uuid, Metric>,
    /// The points.
    pub points: Vec<MetricDataPoint>,
    /// Give this as `after` for the points behind these; `None` when there are none.
    pub next: Option<String>,
}

impl MetricRepository {
    /// Reads from a store whose tables are there.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A metric by its id.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn get_by_id(&self, id: Uuid) -> Result<Option<Metric>> {
        let query = self.store.query().filter(Metric::ID.eq(id)).limit(1);
        Ok(query.fetch().await?.rows.into_iter().next())
    }

    /// Metrics by name, then service.
    ///
    /// # Errors
    ///
    /// The cursor belongs to another listing, or the database failed.
    pub async fn list(&self, filter: MetricFilter) -> Result<Page<Metric>> {
        let conditions = [
            filter.name.map(|name| Metric::NAME.eq(name)),
            filter.prefix.map(|prefix| Metric::NAME.starts_with(prefix)),
            filter
                .contains
                .map(|text| Metric::NAME.contains_ignoring_case(text)),
            filter
                .service_name
                .map(|service| Metric::SERVICE_NAME.eq(service)),
            filter
                .metric_type
                .map(|metric_type| Metric::METRIC_TYPE.eq(metric_type)),
        ];
        let mut query = self
            .store
            .query()
            .filter(Filter::all(conditions.into_iter().flatten()))
            .order(Metric::NAME.asc())
            .order(Metric::SERVICE_NAME.asc())
            .limit(limit(filter.limit));
        if let Some(after) = filter.after {
            query = query.after(after);
        }
        Ok(query.fetch().await?)
    }

    /// Points of a metric, series after series, the oldest of each first.
    ///
    /// # Errors
    ///
    /// There is no such metric, its name is that of several ([`Error::SeveralMetrics`]), the cursor belongs to another
    /// listing, or the database failed.
    pub async fn points(
        &self,
        selection: &Selection,
        rows: Option<u32>,
        after: Option<String>,
    ) -> Result<SeriesPage> {
        let metrics = self.selected(selection).await?;
        let ids: Vec<Uuid> = metrics.iter().map(|metric| metric.id).collect();
        let query = self
            .store
            .query::<MetricDataPoint>()
            .filter(points_of(selection, &ids))
            .order(MetricDataPoint::METRIC_ID.asc())
            .order(MetricDataPoint::SERIES_ID.asc())
            .order(MetricDataPoint::TIMESTAMP.asc())
            .limit(limit(rows))
            .planned();
        let page = match after {
            Some(after) => query.after(after),
            None => query,
        };
        let page = page.fetch().await?;
        Ok(SeriesPage {
            metrics: those_of(metrics, &page.rows),
            points: page.rows,
            next: page.next,
        })
    }

    /// The newest point of each series between `since` and `until`, which should be near each other: every point in
    /// between is looked at. `next` is never set; at most `rows` series are told.
    ///
    /// # Errors
    ///
    /// There is no such metric, its name is that of several, or the database failed.
    pub async fn latest(&self, selection: &Selection, rows: Option<u32>) -> Result<SeriesPage> {
        let metrics = self.selected(selection).await?;
        let statement = match self.store.names().dialect() {
            Dialect::Sqlite => concat!(
                include_str!("repository/latest.sql"),
                include_str!("repository/matching.sqlite.sql"),
                include_str!("repository/latest_end.sql")
            ),
            _ => concat!(
                include_str!("repository/latest.sql"),
                include_str!("repository/matching.postgres.sql"),
                include_str!("repository/latest_end.sql")
            ),
        };
        let mut values = self.window_values(&metrics, selection)?;
        values.push(Value::Int8(i64::try_from(limit(rows)).unwrap_or(i64::MAX)));
        let sql = self.store.names().statement(statement);
        let points: Vec<MetricDataPoint> = self.store.fetch_planned(sql, values).await?;
        Ok(SeriesPage {
            metrics: those_of(metrics, &points),
            points,
            next: None,
        })
    }

    /// Values over buckets of time, from `since`, included, to `until`, excluded, both of which must be set.
    ///
    /// # Errors
    ///
    /// There is no such metric, its name is that of several, what is asked for makes no sense for its type
    /// ([`Error::MetricQuestion`]), or the database failed.
    pub async fn aggregate(
        &self,
        selection: &Selection,
        aggregation: &Aggregation,
    ) -> Result<Aggregated> {
        aggregate::answer(self, selection, aggregation).await
    }

    /// The metrics of a selection: of one type, one unit, and all of them monotonic or none.
    pub(super) async fn selected(&self, selection: &Selection) -> Result<Vec<Metric>> {
        selection.check()?;
        let seen = selection.since.map(|since| {
            let micros = since.unix_micros().saturating_sub(AHEAD_MICROS);
            Metric::seen_at(Timestamp::from_unix_nanos(micros.saturating_mul(1_000)))
        });
        let conditions = [
            Some(Metric::NAME.eq(selection.name.as_str())),
            selection
                .service_name
                .as_deref()
                .map(|service| Metric::SERVICE_NAME.eq(service)),
            selection
                .metric_type
                .map(|metric_type| Metric::METRIC_TYPE.eq(metric_type)),
            selection.unit.as_deref().map(|unit| match unit {
                "" => Metric::UNIT.is_null(),
                unit => Metric::UNIT.eq(unit),
            }),
            selection
                .temporality
                .map(|temporality| Metric::TEMPORALITY.eq(temporality)),
            selection
                .is_monotonic
                .map(|is_monotonic| Metric::IS_MONOTONIC.eq(is_monotonic)),
        ];
        let named = Filter::all(conditions.into_iter().flatten());
        let query = self.store.query::<Metric>().filter(named.clone());
        let query = match seen {
            Some(seen) => query.filter(Metric::LAST_SEEN.at_least(seen)),
            None => query,
        };
        let page = query.limit(MAX_METRICS as u64).fetch().await?;
        if page.next.is_some() {
            return Err(question(
                "service",
                format!(
                    "must be told, or a shorter time: more than {MAX_METRICS} resources and scopes measure {:?}",
                    selection.name
                ),
            ));
        }
        let metrics = page.rows;
        if metrics.is_empty() {
            let there = self
                .store
                .query::<Metric>()
                .filter(named)
                .limit(1)
                .fetch()
                .await?;
            if there.rows.is_empty() {
                return Err(Error::MetricNotFound {
                    name: selection.name.clone(),
                    narrowed: selection.narrowed(),
                });
            }
        }
        one_kind(&selection.name, metrics)
    }

    /// What every statement over points begins with: metrics, times, attributes.
    pub(super) fn window_values(
        &self,
        metrics: &[Metric],
        selection: &Selection,
    ) -> Result<Vec<Value>> {
        let json = |value: serde_json::Value| {
            Json::try_from(&value)
                .map(Value::Json)
                .map_err(|error| question("attribute", format!("cannot be compared: {error}")))
        };
        let ids = metrics
            .iter()
            .map(|metric| metric.id.hyphenated().to_string());
        Ok(vec![
            json(ids.collect())?,
            bind::micros(selection.since.unwrap_or(Timestamp::MIN)),
            bind::micros(selection.until.unwrap_or(Timestamp::MAX)),
            json(selection.attributes_as_json())?,
        ])
    }
}

/// The condition of points of some metrics.
pub(super) fn points_of(selection: &Selection, ids: &[Uuid]) -> Filter<MetricDataPoint> {
    let of_metrics = MetricDataPoint::METRIC_ID.is_in(ids.iter().copied());
    let since = selection
        .since
        .map(floor)
        .map(|since| MetricDataPoint::TIMESTAMP.at_least(since));
    let until = selection
        .until
        .map(floor)
        .map(|until| MetricDataPoint::TIMESTAMP.lt(until));
    let attributes = selection.attributes.iter().map(|(name, values)| {
        let of = |value: &serde_json::Value| {
            MetricDataPoint::ATTRIBUTES.has(name.as_str(), value.clone())
        };
        Filter::any(values.iter().map(of))
    });
    Filter::all(
        [of_metrics]
            .into_iter()
            .chain(since)
            .chain(until)
            .chain(attributes),
    )
}

/// To the microsecond, towards the past: an end of a window means the same in every question.
fn floor(time: Timestamp) -> Timestamp {
    Timestamp::from_micros_and_nanos(time.unix_micros(), 0).unwrap_or(time)
}

fn limit(rows: Option<u32>) -> u64 {
    rows.filter(|rows| *rows > 0)
        .unwrap_or(DEFAULT_LIMIT)
        .min(MAX_LIMIT)
        .into()
}

fn those_of(metrics: Vec<Metric>, points: &[MetricDataPoint]) -> BTreeMap<Uuid, Metric> {
    let mut metrics: BTreeMap<Uuid, Metric> = metrics
        .into_iter()
        .map(|metric| (metric.id, metric))
        .collect();
    let told: std::collections::HashSet<Uuid> =
        points.iter().map(|point| point.metric_id).collect();
    metrics.retain(|id, _| told.contains(id));
    metrics
}

/// The metrics, unless their values cannot be mixed.
fn one_kind(name: &str, metrics: Vec<Metric>) -> Result<Vec<Metric>> {
    let kind = |metric: &Metric| (metric.metric_type, metric.unit.clone(), metric.is_monotonic);
    let mut kinds: Vec<_> = metrics.iter().map(kind).collect();
    kinds.sort();
    kinds.dedup();
    if kinds.len() <= 1 {
        return Ok(metrics);
    }
    let words = kinds.iter().map(|(metric_type, unit, is_monotonic)| {
        let monotonic = if *is_monotonic { "monotonic " } else { "" };
        let unit = unit
            .as_deref()
            .map_or("no unit".to_owned(), |unit| format!("{unit:?}"));
        format!(
            "a {monotonic}{} in {unit}",
            MetricType::as_str(*metric_type)
        )
    });
    Err(Error::SeveralMetrics {
        name: name.to_owned(),
        kinds: words.collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use annals_record::Record as _;

    use super::*;

    #[test]
    fn the_statement_of_newest_points_names_every_column_in_order() {
        let statement = include_str!("repository/latest.sql");
        let (_, listed) = statement.split_once("SELECT").unwrap();
        let (listed, _) = listed.split_once("FROM").unwrap();
        let listed: Vec<&str> = listed.split(',').map(str::trim).collect();
        let columns = MetricDataPoint::DESCRIPTOR.columns.iter();
        assert_eq!(
            listed,
            columns.map(|column| column.name).collect::<Vec<_>>()
        );
    }
}
