//! `annals deployments list` and `failed`.

use annals_deploy::{Page, TraceFilter, WorkspaceReads};
use serde_json::{Value, json};

use super::{
    command::{AskedArgs, ListArgs},
    document,
};
use crate::{
    error::CliError,
    output::{add_row, duration, print_json, print_line, print_table, table},
};

pub(super) async fn traces(
    reads: &WorkspaceReads<'_>,
    args: &ListArgs,
    json: bool,
) -> Result<(), CliError> {
    let filter = TraceFilter {
        deployment_id: args.deployment.clone(),
        release_id: args.release.clone(),
        release_target_key: args.target.clone(),
        job_id: args.job.clone(),
        trigger: args.trigger.clone(),
        status: args.status.clone(),
    };
    let page = reads.traces(filter, (&args.asked).into()).await?;
    if json {
        let traces = document::spans(&page.rows)?;
        return print_json(&told(&page, "traces", &json!(traces)));
    }
    let mut table = table(&[
        "TRACE", "START", "DURATION", "STATUS", "TARGET", "TRIGGER", "NAME",
    ]);
    for span in &page.rows {
        let took = span.end_time.map(|end| end.duration_since(span.start_time));
        let took = took.map(|took| duration(i64::try_from(took.as_nanos()).unwrap_or(i64::MAX)));
        let cells = [
            span.trace_id.clone(),
            span.start_time.to_string(),
            took.unwrap_or_else(|| "in progress".to_owned()),
            span.status.clone().unwrap_or_default(),
            span.release_target_key.clone().unwrap_or_default(),
            span.trigger.clone().unwrap_or_default(),
            span.name.clone(),
        ];
        add_row(&mut table, cells);
    }
    print_table(&table, &nothing(&page, "traces"))?;
    more(page.next.as_deref())
}

pub(super) async fn failed(
    reads: &WorkspaceReads<'_>,
    asked: &AskedArgs,
    json: bool,
) -> Result<(), CliError> {
    let page = reads.failed(asked.into()).await?;
    if json {
        let failed = page.rows.iter().map(|one| {
            json!({
                "trace_id": one.trace_id, "release_target_key": one.release_target_key,
                "deployment_id": one.deployment_id, "phase": one.phase, "message": one.message,
                "decided_at": one.decided_at.to_string(),
            })
        });
        let failed: Vec<Value> = failed.collect();
        return print_json(&told(&page, "failures", &json!(failed)));
    }
    let mut table = table(&["DECIDED", "TARGET", "PHASE", "TRACE", "DECISION"]);
    for one in &page.rows {
        let cells = [
            one.decided_at.to_string(),
            one.release_target_key.clone().unwrap_or_default(),
            one.phase.clone().unwrap_or_default(),
            one.trace_id.clone(),
            one.message.lines().collect::<Vec<_>>().join(" "),
        ];
        add_row(&mut table, cells);
    }
    print_table(&table, &nothing(&page, "decisions against a deployment"))?;
    more(page.next.as_deref())
}

fn told<T>(page: &Page<T>, what: &str, rows: &Value) -> Value {
    json!({
        what: rows, "next": page.next,
        "since": page.since.to_string(), "until": page.until.to_string(),
    })
}

/// What is not found may lie outside of what was looked through.
fn nothing<T>(page: &Page<T>, what: &str) -> String {
    format!(
        "no {what} from {} until {}; --since and --until look elsewhere",
        page.since, page.until
    )
}

fn more(next: Option<&str>) -> Result<(), CliError> {
    match next {
        Some(next) => print_line(&format!("\nmore: --after {next}")),
        None => Ok(()),
    }
}
