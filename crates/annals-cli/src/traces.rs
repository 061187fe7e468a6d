//! `annals traces`.

use std::collections::{HashMap, HashSet};

use annals_record::Filter;
use annals_telemetry::{Span, SpanStore as _, Spans, SpansOptions, StatusCode, Trace, TraceStatus};

use crate::{
    command::{DatabaseArgs, TracesCommand},
    database::connect,
    error::CliError,
    output::{Shown, add_row, duration, print_json, print_line, print_table, printable, table},
};

pub(crate) async fn run(
    args: &DatabaseArgs,
    command: &TracesCommand,
    json: bool,
) -> Result<(), CliError> {
    let store = connect(args).await?;
    match command {
        TracesCommand::Get { trace_id } => {
            let spans = Spans::new(store, SpansOptions::default())
                .await?
                .get_trace(trace_id)
                .await?;
            print_trace(trace_id, &spans, json)
        }
        TracesCommand::List {
            service,
            since,
            until,
            errors,
            limit,
            after,
        } => {
            let conditions = [
                service
                    .as_deref()
                    .map(|service| Trace::SERVICE_NAME.eq(service)),
                since.map(|since| Trace::START_TIME.at_least(since)),
                until.map(|until| Trace::START_TIME.at_most(until)),
                errors.then(|| Trace::STATUS.eq(TraceStatus::Error)),
            ];
            let mut query = store
                .query::<Trace>()
                .filter(Filter::all(conditions.into_iter().flatten()))
                .order(Trace::START_TIME.desc())
                .limit(*limit);
            if let Some(cursor) = after {
                query = query.after(cursor);
            }
            let page = query.fetch().await?;
            print_list(&page.rows, page.next.as_deref(), json)
        }
    }
}

fn print_list(traces: &[Trace], next: Option<&str>, json: bool) -> Result<(), CliError> {
    if json {
        let traces: Vec<_> = traces.iter().map(Shown).collect();
        return print_json(&serde_json::json!({ "traces": traces, "next": next }));
    }
    let mut table = table(&[
        "TRACE", "START", "DURATION", "SPANS", "STATUS", "SERVICE", "ROOT",
    ]);
    for trace in traces {
        add_row(
            &mut table,
            [
                trace.trace_id.clone(),
                trace.start_time.to_string(),
                duration(trace.duration_us.unwrap_or(0).saturating_mul(1_000)),
                trace.span_count.to_string(),
                status_text(trace.status).to_owned(),
                trace.service_name.clone(),
                trace
                    .root_span_name
                    .clone()
                    .unwrap_or_else(|| "(root not here yet)".to_owned()),
            ],
        );
    }
    print_table(
        &table,
        "no traces; `annals spans import FILE` brings some in",
    )?;
    match next {
        Some(next) => print_line(&format!("\nmore: --after {next}")),
        None => Ok(()),
    }
}

fn status_text(status: TraceStatus) -> &'static str {
    match status {
        TraceStatus::Unset => "-",
        TraceStatus::Ok => "ok",
        TraceStatus::Error => "error",
    }
}

fn print_trace(trace_id: &str, spans: &[Span], json: bool) -> Result<(), CliError> {
    if json {
        let spans: Vec<_> = spans.iter().map(Shown).collect();
        return print_json(&serde_json::json!({ "trace_id": trace_id, "spans": spans }));
    }
    let start = spans
        .iter()
        .map(|span| span.start_time)
        .min()
        .unwrap_or_default();
    let mut table = table(&[
        "OFFSET",
        "DURATION",
        "STATUS",
        "SERVICE",
        "OPERATION",
        "MODEL",
    ]);
    for (depth, span) in tree(spans) {
        let status = match span.status_code {
            StatusCode::Error => "error",
            StatusCode::Ok => "ok",
            StatusCode::Unset => span
                .status
                .as_deref()
                .filter(|status| *status != "unset")
                .unwrap_or("-"),
        };
        add_row(
            &mut table,
            [
                duration(
                    i64::try_from(span.start_time.duration_since(start).as_nanos())
                        .unwrap_or(i64::MAX),
                ),
                duration(span.duration_nanos),
                status.to_owned(),
                span.service_name.clone(),
                format!("{}{}", "  ".repeat(depth), span.operation_name),
                span.model_name.clone().unwrap_or_default(),
            ],
        );
    }
    print_line(&format!(
        "trace {}, {} span(s), from {start}\n",
        printable(trace_id),
        spans.len()
    ))?;
    print_table(&table, "")
}

/// Spans below their parents, each with its depth. Spans whose parent is not here are roots, and so
/// is one of each circle, so that every span is shown once.
fn tree(spans: &[Span]) -> Vec<(usize, &Span)> {
    let known: HashSet<&str> = spans.iter().map(|span| span.span_id.as_str()).collect();
    let mut children: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut roots = Vec::new();
    for (position, span) in spans.iter().enumerate() {
        match span
            .parent_span_id
            .as_deref()
            .filter(|parent| known.contains(parent))
        {
            Some(parent) => children.entry(parent).or_default().push(position),
            None => roots.push(position),
        }
    }
    let mut shown = vec![false; spans.len()];
    let mut rows = Vec::with_capacity(spans.len());
    for root in roots.into_iter().chain(0..spans.len()) {
        let mut stack = vec![(0, root)];
        while let Some((depth, position)) = stack.pop() {
            let (Some(span), Some(seen)) = (spans.get(position), shown.get_mut(position)) else {
                continue;
            };
            if std::mem::replace(seen, true) {
                continue;
            }
            rows.push((depth, span));
            let below = children
                .get(span.span_id.as_str())
                .into_iter()
                .flatten()
                .rev();
            stack.extend(below.map(|child| (depth + 1, *child)));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use annals_record::Timestamp;

    use super::*;

    fn span(id: &str, parent: Option<&str>) -> Span {
        let mut span = Span::new("t", id, "s", id, Timestamp::default(), 1);
        span.parent_span_id = parent.map(str::to_owned);
        span
    }

    #[test]
    fn every_span_is_shown_once_orphans_and_circles_included() {
        let spans = [
            span("root", None),
            span("child", Some("root")),
            span("grandchild", Some("child")),
            span("second", Some("root")),
            span("orphan", Some("elsewhere")),
            span("a", Some("b")),
            span("b", Some("a")),
        ];
        let shown: Vec<(usize, &str)> = tree(&spans)
            .into_iter()
            .map(|(depth, span)| (depth, span.span_id.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                (0, "root"),
                (1, "child"),
                (2, "grandchild"),
                (1, "second"),
                (0, "orphan"),
                (0, "a"),
                (1, "b")
            ]
        );
    }
}
