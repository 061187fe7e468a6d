//! `annals traces`.

pub(crate) mod command;
mod tree;
mod waterfall;

use annals_record::Filter;
use annals_telemetry::{SpanStore as _, Spans, SpansOptions, Trace, TracePage, TraceStatus};

use self::{
    command::TracesCommand,
    waterfall::{Screen, money},
};
use crate::{
    command::DatabaseArgs,
    database::connect,
    error::CliError,
    output::{
        Shown, add_row, align_numbers, count, duration, print_json, print_line, print_table, table,
    },
};

pub(crate) async fn run(
    args: &DatabaseArgs,
    command: &TracesCommand,
    json: bool,
) -> Result<(), CliError> {
    let store = connect(args).await?;
    match command {
        TracesCommand::Get { trace_id, ascii } => {
            let store = Spans::new(store, SpansOptions::default()).await?;
            let spans = store.get_trace(trace_id).await?;
            let summary = store.trace(trace_id).await?;
            if json {
                let spans: Vec<_> = spans.iter().map(Shown).collect();
                let summary = summary.as_ref().map(Shown);
                return print_json(
                    &serde_json::json!({ "trace_id": trace_id, "summary": summary, "spans": spans }),
                );
            }
            let screen = Screen::of_output(*ascii);
            for line in waterfall::lines(trace_id, &spans, summary.as_ref(), screen) {
                print_line(&line)?;
            }
            Ok(())
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
                .limit(*limit)
                .planned();
            if let Some(cursor) = after {
                query = query.after(cursor);
            }
            let page = query.fetch().await?;
            let empty = "no traces; `annals spans import FILE` brings some in";
            print_traces(&page.rows, page.next.as_deref(), None, empty, json)
        }
        TracesCommand::Search(args) => {
            let store = Spans::new(store, SpansOptions::default()).await?;
            let found = store.search((&**args).into()).await?;
            tell(&found, args.limit);
            let window = found.window.map(|window| {
                let time =
                    |time: Option<annals_record::Timestamp>| time.map(|time| time.to_string());
                serde_json::json!({
                    "since": time(window.since),
                    "until": time(window.until),
                    "defaulted": window.is_defaulted,
                })
            });
            let empty = "no traces are like that";
            print_traces(&found.traces, found.next.as_deref(), window, empty, json)
        }
    }
}

/// What a reader might not expect of what was found.
fn tell(found: &TracePage, limit: u32) {
    let defaulted = found.window.filter(|window| window.is_defaulted);
    if let Some(window) = defaulted
        && let (Some(since), Some(until)) = (window.since, window.until)
    {
        eprintln!(
            "looked at what began from {since} to {until}, as nothing says since when: --since does"
        );
    }
    if found.next.is_some() && found.traces.len() < limit as usize {
        eprintln!("few traces are like that: this page ended early, and --after goes on looking");
    }
}

fn print_traces(
    traces: &[Trace],
    next: Option<&str>,
    window: Option<serde_json::Value>,
    empty: &str,
    json: bool,
) -> Result<(), CliError> {
    if json {
        let traces: Vec<_> = traces.iter().map(Shown).collect();
        let mut told = serde_json::json!({ "traces": traces, "next": next });
        if let (Some(told), Some(window)) = (told.as_object_mut(), window) {
            told.insert("window".into(), window);
        }
        return print_json(&told);
    }
    let mut table = table(&[
        "TRACE", "START", "DURATION", "SPANS", "STATUS", "TOKENS", "COST", "SERVICE", "ROOT",
    ]);
    align_numbers(&mut table, &[2, 3, 5, 6]);
    for trace in traces {
        let tokens = trace.input_tokens.saturating_add(trace.output_tokens);
        add_row(
            &mut table,
            [
                trace.trace_id.clone(),
                trace.start_time.to_string(),
                duration(trace.duration_us.unwrap_or(0).saturating_mul(1_000)),
                trace.span_count.to_string(),
                status_text(trace.status).to_owned(),
                match tokens {
                    0 => "-".to_owned(),
                    tokens => count(tokens.unsigned_abs()),
                },
                trace.cost.map_or_else(|| "-".to_owned(), money),
                trace.service_name.clone(),
                trace
                    .root_span_name
                    .clone()
                    .unwrap_or_else(|| "(root not here yet)".to_owned()),
            ],
        );
    }
    print_table(&table, empty)?;
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
