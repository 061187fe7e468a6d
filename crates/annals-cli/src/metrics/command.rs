//! What can be asked about metrics on the command line.

use std::time::Duration;

use annals_record::Timestamp;
use annals_store::config::parse_duration;
use annals_telemetry::{MetricType, metrics::Aggregate};
use clap::{Args, Subcommand};
use serde_json::Value;

#[derive(Debug, Subcommand)]
pub(crate) enum MetricsCommand {
    /// List metrics by name, then service
    List(ListArgs),
    /// Show the newest value of each series of a metric, its points, or values over time
    ///
    /// Of a counter, `sum` is what it has grown by and `rate` the same in a second. Percentiles of histograms are those of all
    /// values together, over series and time.
    #[command(
        after_help = "Examples:\n  annals metrics get process.cpu.utilization\n  annals metrics get http.server.request.duration --aggregate p95 --bucket 5m --since 6h\n  annals metrics get gen_ai.client.token.usage --aggregate sum --group-by gen_ai.request.model"
    )]
    Get(GetArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only metrics whose name begins so
    pub(crate) prefix: Option<String>,
    /// Only metrics whose name contains this, whatever its case
    #[arg(long, value_name = "TEXT")]
    pub(crate) contains: Option<String>,
    /// Only metrics of this service
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// Only metrics of this type: gauge, sum, histogram, exponential_histogram, summary
    #[arg(long = "type", value_name = "TYPE", value_parser = metric_type)]
    pub(crate) metric_type: Option<MetricType>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: u32,
    /// Go on behind the page that printed this cursor
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The metric's name
    pub(crate) name: String,
    /// Only what this service measures
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// Only metrics of this type, where a name has several
    #[arg(long = "type", value_name = "TYPE", value_parser = metric_type)]
    pub(crate) metric_type: Option<MetricType>,
    /// Only metrics in this unit, where a name has several
    #[arg(long)]
    pub(crate) unit: Option<String>,
    /// Only series with this attribute; may be repeated
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = attribute)]
    pub(crate) attributes: Vec<(String, Vec<Value>)>,
    /// Only points of then or later: RFC 3339, or how long ago, such as 6h
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    /// Only points before then: RFC 3339, or how long ago, such as 6h
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<Timestamp>,
    /// Every point instead of the newest of each series
    #[arg(long, conflicts_with = "aggregate")]
    pub(crate) points: bool,
    /// Values over time: avg, sum, min, max, count, last, rate, or a percentile such as p95
    #[arg(long, value_name = "WHAT")]
    pub(crate) aggregate: Option<Aggregate>,
    /// How long a bucket of time is, such as 1m; the whole time is one when not given
    #[arg(long, value_name = "DURATION", value_parser = bucket, requires = "aggregate")]
    pub(crate) bucket: Option<Duration>,
    /// Put series together by this attribute of theirs, or of their resource
    #[arg(long, value_name = "NAME", requires = "aggregate")]
    pub(crate) group_by: Option<String>,
    /// At most so many points
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: u32,
    /// Go on behind the page that printed this cursor
    #[arg(long, value_name = "CURSOR", requires = "points")]
    pub(crate) after: Option<String>,
}

fn metric_type(text: &str) -> Result<MetricType, String> {
    let found = MetricType::ALL
        .into_iter()
        .find(|known| known.as_str() == text);
    found
        .ok_or_else(|| "must be gauge, sum, histogram, exponential_histogram or summary".to_owned())
}

/// An attribute and what its value may mean: a text, or the number or truth value that it looks like.
fn attribute(text: &str) -> Result<(String, Vec<Value>), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "must be a name and a value, such as http.route=/users".to_owned())?;
    let mut values = vec![Value::from(value)];
    let other = serde_json::from_str(value).ok();
    values.extend(other.filter(|other| matches!(other, Value::Number(_) | Value::Bool(_))));
    Ok((name.to_owned(), values))
}

fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let ago = parse_duration(text.trim());
    ago.map(|ago| Timestamp::now() - ago).ok_or_else(|| {
        "must be a time such as 2026-01-31T09:30:00Z, or how long ago, such as 6h".to_owned()
    })
}

fn bucket(text: &str) -> Result<Duration, String> {
    let bucket = parse_duration(text.trim()).filter(|bucket| !bucket.is_zero());
    bucket.ok_or_else(|| "must be a time span above zero such as 30s, 5m or 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_may_be_told_by_how_long_ago_they_were() {
        let told = moment("6h").unwrap();
        let ago = Timestamp::now().duration_since(told);
        assert!(ago >= Duration::from_secs(6 * 3_600) && ago < Duration::from_secs(6 * 3_600 + 60));
        assert!(moment("2026-01-31T09:30:00Z").is_ok());
        assert!(moment("yesterday").is_err());
    }
}
