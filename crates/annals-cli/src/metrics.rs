//! `annals metrics`: what was measured.

pub(crate) mod command;
mod shown;

use annals_record::Timestamp;
use annals_telemetry::metrics::{Aggregation, MetricFilter, MetricRepository, Selection};

use crate::{
    command::DatabaseArgs,
    database::connect,
    error::CliError,
    output::{Shown, print_json, print_line},
};
use command::{GetArgs, ListArgs, MetricsCommand};

/// How far back is looked when nobody says: for the newest points, and for values over time.
const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3_600);
const HOUR: std::time::Duration = std::time::Duration::from_secs(3_600);

pub(crate) async fn run(
    args: &DatabaseArgs,
    command: &MetricsCommand,
    json: bool,
) -> Result<(), CliError> {
    let metrics = MetricRepository::new(connect(args).await?);
    match command {
        MetricsCommand::List(list) => list_metrics(&metrics, list, json).await,
        MetricsCommand::Get(get) => get_metric(&metrics, get, json).await,
    }
}

async fn list_metrics(
    metrics: &MetricRepository,
    args: &ListArgs,
    json: bool,
) -> Result<(), CliError> {
    let filter = MetricFilter {
        name: None,
        prefix: args.prefix.clone(),
        contains: args.contains.clone(),
        service_name: args.service.clone(),
        metric_type: args.metric_type,
        limit: Some(args.limit),
        after: args.after.clone(),
    };
    let page = metrics.list(filter).await?;
    if json {
        let metrics: Vec<_> = page.rows.iter().map(Shown).collect();
        return print_json(&serde_json::json!({ "metrics": metrics, "next": page.next }));
    }
    shown::metrics(&page.rows)?;
    match page.next {
        Some(next) => print_line(&format!("\nmore: --after {next}")),
        None => Ok(()),
    }
}

async fn get_metric(
    metrics: &MetricRepository,
    args: &GetArgs,
    json: bool,
) -> Result<(), CliError> {
    let selection = Selection {
        service_name: args.service.clone(),
        metric_type: args.metric_type,
        unit: args.unit.clone(),
        attributes: args.attributes.clone(),
        since: args.since,
        until: args.until,
        ..Selection::of(args.name.as_str())
    };
    if let Some(aggregate) = args.aggregate {
        let until = args.until.unwrap_or_else(Timestamp::now);
        let selection = Selection {
            since: Some(args.since.unwrap_or_else(|| until - HOUR)),
            until: Some(until),
            ..selection
        };
        let aggregation = Aggregation {
            aggregate,
            bucket: args.bucket,
            group_by: args.group_by.clone(),
        };
        let found = metrics.aggregate(&selection, &aggregation).await?;
        return if json {
            print_json(&shown::groups_as_json(&found, &aggregation))
        } else {
            shown::groups(&found, &aggregation)
        };
    }
    if args.points {
        let page = metrics
            .points(&selection, Some(args.limit), args.after.clone())
            .await?;
        if json {
            let points: Vec<_> = page.points.iter().map(Shown).collect();
            return print_json(&serde_json::json!({ "points": points, "next": page.next }));
        }
        shown::points(&page)?;
        return match page.next {
            Some(next) => print_line(&format!("\nmore: --after {next}")),
            None => Ok(()),
        };
    }
    let selection = Selection {
        since: Some(args.since.unwrap_or_else(|| Timestamp::now() - DAY)),
        ..selection
    };
    let page = metrics.latest(&selection, Some(args.limit)).await?;
    if json {
        let points: Vec<_> = page.points.iter().map(Shown).collect();
        return print_json(&serde_json::json!({ "points": points }));
    }
    shown::points(&page)
}
