//! Which points somebody asks for, and what is to be made of them.

use std::time::Duration;

use annals_store::config::parse_duration;
use annals_telemetry::{
    MetricType, Temporality,
    metrics::{Aggregate, Aggregation, Selection},
};
use serde_json::Value;
use utoipa::IntoParams;

use super::type_named;
use crate::api::{parameters::time, problem::Problem};

/// Which points to read; `attribute` can be repeated, and all have to hold.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `Asked` reads")]
pub(super) struct MetricReading {
    /// Only what this service measures
    service: Option<String>,
    /// Only metrics of this type: gauge, sum, histogram, exponential_histogram or summary
    #[param(rename = "type")]
    metric_type: Option<String>,
    /// Only metrics in this unit; nothing for those without any
    unit: Option<String>,
    /// Only metrics of this temporality: delta, cumulative or unspecified
    temporality: Option<String>,
    /// Only sums that never go down (true), or others (false)
    monotonic: Option<String>,
    /// Only series with this attribute: name=value; may be repeated
    attribute: Option<Vec<String>>,
    /// Only points of then or later (RFC 3339)
    since: Option<String>,
    /// Only points before then (RFC 3339)
    until: Option<String>,
    /// true for the newest point of each series
    latest: Option<String>,
    /// avg, sum, min, max, count, last, rate, or a percentile such as p50, p95, p99 or p99.9
    aggregate: Option<String>,
    /// How long a bucket is, such as 1m or 1h; the whole window is one when not given
    bucket: Option<String>,
    /// Put series together by this attribute of theirs, or of their resource
    group_by: Option<String>,
    /// At most so many points, 1 to 10000; 100 when not given
    limit: Option<String>,
    /// Go on behind the page whose header Annals-Next-Cursor said this
    cursor: Option<String>,
}

/// Parameters that may be given once.
const ONCE: [&str; 13] = [
    "service",
    "type",
    "unit",
    "temporality",
    "monotonic",
    "since",
    "until",
    "latest",
    "aggregate",
    "bucket",
    "group_by",
    "limit",
    "cursor",
];

/// What was asked.
pub(super) struct Asked {
    once: Vec<(&'static str, String)>,
    attributes: Vec<(String, Vec<Value>)>,
}

impl Asked {
    pub(super) fn of(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut asked = Self {
            once: Vec::new(),
            attributes: Vec::new(),
        };
        for (name, value) in pairs {
            if name == "attribute" {
                asked.attributes.push(attribute(&value)?);
                continue;
            }
            let Some(known) = ONCE.into_iter().find(|known| *known == name) else {
                let known = ONCE.join(", ");
                return Err(Problem::unreadable(&format!(
                    "unknown field `{name}`, expected one of {known}, attribute"
                )));
            };
            if asked.once.iter().any(|(name, _)| *name == known) {
                return Err(Problem::unreadable(&format!("duplicate field `{known}`")));
            }
            asked.once.push((known, value));
        }
        Ok(asked)
    }

    /// Takes a parameter out.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let place = self.once.iter().position(|(known, _)| *known == name)?;
        Some(self.once.swap_remove(place).1)
    }

    pub(super) fn is_latest(&mut self) -> Result<bool, Problem> {
        Ok(truth("latest", self.take("latest").as_deref())?.unwrap_or(false))
    }

    /// What is to be made of the points, if anything.
    pub(super) fn aggregation(&mut self) -> Result<Option<Aggregation>, Problem> {
        let bucket = self.take("bucket");
        let group_by = self.take("group_by");
        let Some(aggregate) = self.take("aggregate") else {
            for (name, given) in [("bucket", bucket), ("group_by", group_by)] {
                if given.is_some() {
                    return Err(Problem::unreadable(&format!(
                        "{name} has no meaning without aggregate, such as aggregate=avg"
                    )));
                }
            }
            return Ok(None);
        };
        let expected = "avg, sum, min, max, count, last, rate or a percentile such as p95";
        let aggregate: Aggregate = aggregate
            .parse()
            .map_err(|_| Problem::parameter("aggregate", &aggregate, expected))?;
        let bucket = bucket.as_deref().map(|text| {
            let bucket = parse_duration(text.trim()).filter(|bucket| !bucket.is_zero());
            bucket.ok_or_else(|| {
                Problem::parameter(
                    "bucket",
                    text,
                    "a time span above zero such as 30s, 5m or 1h",
                )
            })
        });
        let bucket: Option<Duration> = bucket.transpose()?;
        Ok(Some(Aggregation {
            aggregate,
            bucket,
            group_by,
        }))
    }

    /// Which series; every other parameter must have been taken out.
    pub(super) fn selection(mut self, name: String) -> Result<Selection, Problem> {
        let selection = Selection {
            service_name: self.take("service"),
            metric_type: metric_type(self.take("type").as_deref())?,
            unit: self.take("unit"),
            temporality: temporality(self.take("temporality").as_deref())?,
            is_monotonic: truth("monotonic", self.take("monotonic").as_deref())?,
            since: time("since", self.take("since").as_deref())?,
            until: time("until", self.take("until").as_deref())?,
            attributes: self.attributes,
            ..Selection::of(name)
        };
        Ok(selection)
    }
}

/// An attribute and the values that a text may mean: it may stand for a text, a number or a truth value.
fn attribute(text: &str) -> Result<(String, Vec<Value>), Problem> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| Problem::parameter("attribute", text, "a name and a value: user.id=7"))?;
    let mut values = vec![Value::from(value)];
    let other = serde_json::from_str(value).ok();
    values.extend(other.filter(|other| matches!(other, Value::Number(_) | Value::Bool(_))));
    Ok((name.to_owned(), values))
}

/// A type of metrics.
pub(super) fn metric_type(text: Option<&str>) -> Result<Option<MetricType>, Problem> {
    let expected = "gauge, sum, histogram, exponential_histogram or summary";
    let read = |text| type_named(text).ok_or_else(|| Problem::parameter("type", text, expected));
    text.map(read).transpose()
}

fn temporality(text: Option<&str>) -> Result<Option<Temporality>, Problem> {
    let known = [
        Temporality::Delta,
        Temporality::Cumulative,
        Temporality::Unspecified,
    ];
    let read = |text| {
        let found = known.into_iter().find(|known| known.as_str() == text);
        let expected = "delta, cumulative or unspecified";
        found.ok_or_else(|| Problem::parameter("temporality", text, expected))
    };
    text.map(read).transpose()
}

fn truth(name: &str, text: Option<&str>) -> Result<Option<bool>, Problem> {
    match text {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(Problem::parameter(name, other, "true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<(Selection, Option<Aggregation>, bool), Problem> {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut asked = Asked::of(pairs.collect())?;
        let latest = asked.is_latest()?;
        let aggregation = asked.aggregation()?;
        Ok((asked.selection("m".into())?, aggregation, latest))
    }

    #[test]
    fn parameters_are_read_strictly() {
        for (wrong, told) in [
            (("servise", "a"), "unknown field `servise`"),
            (("attribute", "a"), "name and a value"),
            (("type", "counter"), "gauge, sum, histogram"),
            (("temporality", "sum"), "delta, cumulative"),
            (("monotonic", "1"), "true or false"),
            (("latest", "yes"), "true or false"),
            (("aggregate", "mean"), "p95"),
            (("bucket", "1m"), "no meaning without aggregate"),
            (("since", "noon"), "RFC 3339"),
        ] {
            let problem = read(&[wrong])
                .err()
                .map(|problem| problem.message().to_owned());
            let is_told = problem
                .as_ref()
                .is_some_and(|problem| problem.contains(told));
            assert!(is_told, "{wrong:?}: {problem:?}");
        }
        assert!(read(&[("service", "a"), ("service", "b")]).is_err());
        assert!(read(&[("aggregate", "avg"), ("bucket", "0s")]).is_err());
    }

    #[test]
    fn an_attribute_may_be_a_text_or_what_the_text_stands_for() {
        let given = [
            ("attribute", "a=7"),
            ("attribute", "b=true"),
            ("attribute", "c=x=[1]"),
        ];
        let (selection, ..) = read(&given).ok().unwrap();
        let of = |name: &str, values: &[Value]| (name.to_owned(), values.to_vec());
        let expected = [
            of("a", &["7".into(), 7.into()]),
            of("b", &["true".into(), true.into()]),
            of("c", &["x=[1]".into()]),
        ];
        assert_eq!(selection.attributes, expected);
    }
}
