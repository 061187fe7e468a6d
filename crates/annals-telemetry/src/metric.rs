//! What is measured, and what was: metrics and their points.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`point`] | one point of one series, and what it may hold |
//! | [`value`] | numbers, histograms and summaries, and how they lie in their columns |

pub mod point;
pub mod value;

use annals_record::{Json, Record, TextEnum, Timestamp, TimestampMicros, Uuid};

pub use point::MetricDataPoint;
pub use value::{Exponential, ExponentialBuckets, Histogram, Number, Summary};

/// The namespace of metrics among UUIDs of version 5.
const METRICS: Uuid = Uuid::from_u128(0x2d0b_7c53_91e4_4f0e_8a6c_3e5f_ae71_1c01);

/// How exactly `last_seen` is told: a metric that goes on is written once in this time.
const SEEN_EVERY_MICROS: i64 = 3_600_000_000;

/// A metric of one resource and scope, as a row of `metrics`.
///
/// A metric that changes its type, unit or temporality is another metric of the same name. What it means and its
/// metadata may change; the last of them stays.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "metrics",
    key("id"),
    on_conflict = "merge",
    index("name", "service_name"),
    index("service_name", "name"),
    index("last_seen")
)]
pub struct Metric {
    /// UUID of version 5 made of what tells metrics apart; see [`Metric::id_of`].
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// What it means.
    pub description: Option<String>,
    /// The unit of its values, as UCUM writes them (`ms`, `By`, `{token}`).
    pub unit: Option<String>,
    /// Which kind of points it has.
    pub metric_type: MetricType,
    /// What a point's value counts from.
    pub temporality: Temporality,
    /// Whether a sum never goes down.
    pub is_monotonic: bool,
    /// The service that measures it.
    pub service_name: String,
    /// Metadata of the metric (OTLP `Metric.metadata`).
    pub attributes: Json,
    /// Attributes of the resource.
    pub resource_attributes: Json,
    /// Resource attributes that the source left out.
    pub resource_dropped_attributes_count: u32,
    /// Schema of the resource.
    pub resource_schema_url: Option<String>,
    /// The instrumentation that measures it.
    pub scope_name: Option<String>,
    /// Its version.
    pub scope_version: Option<String>,
    /// Its attributes.
    pub scope_attributes: Option<Json>,
    /// Scope attributes that the source left out.
    pub scope_dropped_attributes_count: u32,
    /// Schema of the metrics of this scope.
    pub scope_schema_url: Option<String>,
    /// When points of it came last, to the hour, towards the past. A metric that has no points any more goes by this.
    #[record(merge = "max")]
    pub last_seen: TimestampMicros,
}

/// Which kind of points a metric has (source: OTLP 1.x, `Metric.data`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum MetricType {
    /// A value at a time.
    Gauge,
    /// A sum of what happened. A monotonic one is what others call a counter.
    Sum,
    /// A distribution over buckets with given bounds.
    Histogram,
    /// A distribution over buckets that grow exponentially.
    ExponentialHistogram,
    /// Quantiles that the source worked out.
    Summary,
}

impl MetricType {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Gauge,
        Self::Sum,
        Self::Histogram,
        Self::ExponentialHistogram,
        Self::Summary,
    ];

    /// Its word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Sum => "sum",
            Self::Histogram => "histogram",
            Self::ExponentialHistogram => "exponential_histogram",
            Self::Summary => "summary",
        }
    }
}

/// What a point's value counts from (source: OTLP 1.x, `AggregationTemporality`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum Temporality {
    /// Not said, or of no meaning.
    #[default]
    Unspecified,
    /// From the point before.
    Delta,
    /// From the point's start time, which stays.
    Cumulative,
}

impl Temporality {
    /// Its word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Delta => "delta",
            Self::Cumulative => "cumulative",
        }
    }
}

/// A metric or a point that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct MetricError {
    /// The field, with the way to it: `bounds[2]`.
    pub field: String,
    /// What is wrong with it, as the rest of a sentence.
    pub problem: &'static str,
}

impl MetricError {
    pub(crate) fn new(field: impl Into<String>, problem: &'static str) -> Self {
        Self {
            field: field.into(),
            problem,
        }
    }
}

impl Metric {
    /// A metric with what every metric has: cumulative if it counts, seen now. After a change of its other fields,
    /// [`identified`](Self::identified) gives it the id that follows.
    ///
    /// # Errors
    ///
    /// It has no name.
    pub fn new(
        service_name: impl Into<String>,
        name: impl Into<String>,
        metric_type: MetricType,
    ) -> Result<Self, MetricError> {
        let name = name.into();
        if name.is_empty() {
            return Err(MetricError::new("name", "is empty"));
        }
        let temporality = match metric_type {
            MetricType::Gauge | MetricType::Summary => Temporality::Unspecified,
            _ => Temporality::Cumulative,
        };
        let metric = Self {
            id: Uuid::nil(),
            name,
            description: None,
            unit: None,
            metric_type,
            temporality,
            is_monotonic: false,
            service_name: service_name.into(),
            attributes: Json::empty_object(),
            resource_attributes: Json::empty_object(),
            resource_dropped_attributes_count: 0,
            resource_schema_url: None,
            scope_name: None,
            scope_version: None,
            scope_attributes: None,
            scope_dropped_attributes_count: 0,
            scope_schema_url: None,
            last_seen: Self::seen_at(Timestamp::now()),
        };
        Ok(metric.identified())
    }

    /// The same with the id that its fields make.
    #[must_use]
    pub fn identified(mut self) -> Self {
        self.id = self.id_of();
        self
    }

    /// The id that its fields make: of service, resource, scope, name, unit, type, temporality and whether it is
    /// monotonic. Whoever knows these knows it, so that nothing has to be looked up.
    #[must_use]
    pub fn id_of(&self) -> Uuid {
        let mut identity = Identity::default();
        identity.text(Some(&self.service_name));
        identity.text(Some(self.resource_attributes.as_str()));
        identity.text(self.resource_schema_url.as_deref());
        identity.text(self.scope_name.as_deref());
        identity.text(self.scope_version.as_deref());
        identity.text(self.scope_attributes.as_ref().map(Json::as_str));
        identity.text(self.scope_schema_url.as_deref());
        identity.text(Some(&self.name));
        identity.text(self.unit.as_deref());
        identity.text(Some(self.metric_type.as_str()));
        identity.text(Some(self.temporality.as_str()));
        identity.text(Some(if self.is_monotonic { "1" } else { "0" }));
        Uuid::new_v5(&METRICS, &identity.0)
    }

    /// What `last_seen` is of a time.
    #[must_use]
    pub fn seen_at(time: Timestamp) -> TimestampMicros {
        let micros = time.unix_micros();
        let hour = micros - micros.rem_euclid(SEEN_EVERY_MICROS);
        TimestampMicros::from_unix_micros(hour).unwrap_or_default()
    }

    /// Whether a point tells what has happened since its start, so that differences of points count.
    #[must_use]
    pub fn is_cumulative(&self) -> bool {
        match self.metric_type {
            MetricType::Gauge => false,
            // Prometheus counts a summary from its start.
            MetricType::Summary => true,
            _ => self.temporality == Temporality::Cumulative,
        }
    }

    /// Checks what the constructors check, for metrics that were put together by hand.
    ///
    /// # Errors
    ///
    /// The field that cannot be so.
    pub fn check(&self) -> Result<(), MetricError> {
        if self.name.is_empty() {
            return Err(MetricError::new("name", "is empty"));
        }
        if self.id != self.id_of() {
            return Err(MetricError::new(
                "id",
                "is not what the metric's fields make (Metric::identified)",
            ));
        }
        if self.is_monotonic && self.metric_type != MetricType::Sum {
            return Err(MetricError::new(
                "is_monotonic",
                "is said of a metric that is no sum",
            ));
        }
        Ok(())
    }
}

/// Texts one after the other, each with its length, so that no two lists of them are the same bytes.
#[derive(Default)]
struct Identity(Vec<u8>);

impl Identity {
    fn text(&mut self, text: Option<&str>) {
        match text {
            None => self.0.push(0),
            Some(text) => {
                self.0.push(1);
                self.0.extend((text.len() as u64).to_be_bytes());
                self.0.extend(text.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(scope: Option<&str>, name: &str, unit: Option<&str>) -> Metric {
        let mut metric = Metric::new("api", name, MetricType::Sum).unwrap();
        metric.scope_name = scope.map(str::to_owned);
        metric.unit = unit.map(str::to_owned);
        metric.identified()
    }

    #[test]
    fn metrics_that_differ_in_anything_that_tells_them_apart_have_different_ids() {
        let base = metric(None, "a", None);
        assert_eq!(base.id, metric(None, "a", None).id);
        let others: [fn(&mut Metric); 11] = [
            |metric| metric.service_name = "db".into(),
            |metric| metric.resource_attributes = Json::parse(r#"{"host":"a"}"#).unwrap(),
            |metric| metric.resource_schema_url = Some("s".into()),
            |metric| metric.scope_name = Some("s".into()),
            |metric| metric.scope_version = Some("s".into()),
            |metric| metric.scope_attributes = Some(Json::empty_object()),
            |metric| metric.scope_schema_url = Some("s".into()),
            |metric| metric.unit = Some("ms".into()),
            |metric| metric.metric_type = MetricType::Histogram,
            |metric| metric.temporality = Temporality::Delta,
            |metric| metric.is_monotonic = true,
        ];
        let mut ids = std::collections::HashSet::from([base.id]);
        for change in others {
            let mut other = base.clone();
            change(&mut other);
            assert!(ids.insert(other.identified().id));
        }
        let mut same = base.clone();
        same.description = Some("other words".into());
        assert_eq!(same.identified().id, base.id);
    }

    #[test]
    fn no_two_metrics_have_one_id_because_their_texts_join_alike() {
        assert_ne!(
            metric(Some("ab"), "c", None).id,
            metric(Some("a"), "bc", None).id
        );
        assert_ne!(metric(Some(""), "a", None).id, metric(None, "a", None).id);
        assert_ne!(metric(None, "a", Some("")).id, metric(None, "a", None).id);
    }

    #[test]
    fn a_metric_without_a_name_is_refused_by_field() {
        let error = Metric::new("api", "", MetricType::Gauge).unwrap_err();
        assert_eq!(error.to_string(), "name is empty");
    }

    #[test]
    fn it_was_seen_to_the_hour() {
        let time = Timestamp::from_unix_nanos(3 * 3_600_000_000_000 + 59 * 60_000_000_000);
        assert_eq!(Metric::seen_at(time).unix_micros(), 3 * 3_600_000_000);
    }
}
