//! Metrics, points and buckets as tables.

use annals_record::Json;
use annals_telemetry::{
    Metric, MetricDataPoint, MetricType,
    metric::{Number, value::double_to_json},
    metrics::{Aggregated, Aggregation, Group, SeriesPage},
};
use serde_json::{Value, json};

use crate::{
    error::CliError,
    output::{add_row, align_numbers, print_table, table},
};

const NO_METRICS: &str = "no metrics; programs send them by OTLP to `annals serve`";
const NO_POINTS: &str = "no points in that time; --since looks further back";

pub(super) fn metrics(metrics: &[Metric]) -> Result<(), CliError> {
    let mut table = table(&["NAME", "TYPE", "UNIT", "SERVICE", "SCOPE", "LAST SEEN"]);
    for metric in metrics {
        add_row(
            &mut table,
            [
                metric.name.clone(),
                kind(metric),
                metric.unit.clone().unwrap_or_else(|| "-".to_owned()),
                metric.service_name.clone(),
                metric.scope_name.clone().unwrap_or_else(|| "-".to_owned()),
                annals_record::Timestamp::from(metric.last_seen).to_string(),
            ],
        );
    }
    print_table(&table, NO_METRICS)
}

/// A type in a few words.
fn kind(metric: &Metric) -> String {
    let mut words = Vec::new();
    if metric.metric_type != MetricType::Gauge && metric.metric_type != MetricType::Summary {
        words.push(metric.temporality.as_str());
    }
    if metric.is_monotonic {
        words.push("monotonic");
    }
    words.push(metric.metric_type.as_str());
    words.join(" ")
}

pub(super) fn points(page: &SeriesPage) -> Result<(), CliError> {
    let mut table = table(&["TIME", "SERVICE", "ATTRIBUTES", "VALUE", "UNIT"]);
    align_numbers(&mut table, &[3]);
    for point in &page.points {
        let metric = page.metrics.get(&point.metric_id);
        let unit = metric.and_then(|metric| metric.unit.clone());
        add_row(
            &mut table,
            [
                point.timestamp.to_string(),
                metric.map_or_else(String::new, |metric| metric.service_name.clone()),
                attributes(&point.attributes),
                value(metric, point),
                unit.unwrap_or_default(),
            ],
        );
    }
    print_table(&table, NO_POINTS)
}

/// What a point says, in a cell.
fn value(metric: Option<&Metric>, point: &MetricDataPoint) -> String {
    if point.is_nothing() {
        return "(nothing recorded)".to_owned();
    }
    let of_metric = metric.map(|metric| metric.metric_type);
    if let Some(MetricType::Summary) = of_metric {
        let summary = point.as_summary().unwrap_or_default();
        let quantiles = summary.quantiles.iter();
        let quantiles = quantiles.map(|(part, value)| format!("p{}={value}", part * 100.0));
        let mut words = vec![
            format!("count={}", summary.count),
            format!("sum={}", summary.sum),
        ];
        words.extend(quantiles);
        return words.join(" ");
    }
    if let Some(count) = point.count {
        let mut words = vec![format!("count={count}")];
        for (name, value) in [("sum", point.sum), ("min", point.min), ("max", point.max)] {
            words.extend(value.map(|value| format!("{name}={value}")));
        }
        return words.join(" ");
    }
    match point.as_number() {
        None => "-".to_owned(),
        Some(Number::Int(int)) => int.to_string(),
        Some(Number::Double(double)) => double.to_string(),
    }
}

/// Attributes as `name=value`, by name.
fn attributes(attributes: &Json) -> String {
    let Value::Object(members) = attributes.to_value() else {
        return attributes.to_string();
    };
    let mut words: Vec<String> = members
        .iter()
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        })
        .collect();
    words.sort();
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join(" ")
    }
}

pub(super) fn groups(found: &Aggregated, aggregation: &Aggregation) -> Result<(), CliError> {
    let value = aggregation.aggregate.to_string().to_uppercase();
    let mut table = table(&["TIME", "SERIES", &value, "COUNT"]);
    align_numbers(&mut table, &[2, 3]);
    for group in &found.groups {
        for bucket in &group.buckets {
            add_row(
                &mut table,
                [
                    bucket.start.to_string(),
                    label(group),
                    bucket
                        .value
                        .map_or_else(|| "-".to_owned(), |value| value.to_string()),
                    bucket.count.to_string(),
                ],
            );
        }
    }
    print_table(&table, NO_POINTS)
}

fn label(group: &Group) -> String {
    let attributes = attributes(&group.attributes);
    match &group.metric {
        Some(metric) => format!("{} {attributes}", metric.service_name),
        None => attributes,
    }
}

pub(super) fn groups_as_json(found: &Aggregated, aggregation: &Aggregation) -> Value {
    let groups = found.groups.iter().map(|group| {
        let buckets = group.buckets.iter().map(|bucket| {
            json!({
                "start": bucket.start.to_string(),
                "value": bucket.value.map(double_to_json),
                "count": bucket.count,
            })
        });
        json!({
            "service_name": group.metric.as_ref().map(|metric| &metric.service_name),
            "series_id": group.series_id.map(|id| id.to_string()),
            "attributes": group.attributes.to_value(),
            "buckets": buckets.collect::<Vec<_>>(),
        })
    });
    json!({
        "metric_type": found.metric_type.as_str(),
        "unit": found.unit,
        "aggregate": aggregation.aggregate.to_string(),
        "groups": groups.collect::<Vec<_>>(),
    })
}
