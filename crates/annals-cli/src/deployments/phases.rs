//! `annals deployments phases`.

use annals_deploy::{PhaseStatistics, WorkspaceReads};
use serde_json::{Value, json};

use super::command::WindowArgs;
use crate::{
    error::CliError,
    output::{add_row, align_numbers, count, duration, print_json, print_table, table},
};

pub(super) async fn run(
    reads: &WorkspaceReads<'_>,
    deployment: Option<&str>,
    window: &WindowArgs,
    json: bool,
) -> Result<(), CliError> {
    let phases = reads.phases(deployment, window.into()).await?;
    if json {
        let phases: Vec<Value> = phases.iter().map(document).collect();
        return print_json(&json!({ "phases": phases }));
    }
    let mut table = table(&[
        "PHASE", "ENDED", "FAILED", "OF 100", "RUNNING", "MEAN", "P50", "P95", "P99", "LONGEST",
    ]);
    align_numbers(&mut table, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for one in &phases {
        let took = |nanos: i64| match one.count {
            0 => "-".to_owned(),
            _ => duration(nanos),
        };
        let cells = [
            one.phase.clone(),
            count(one.count),
            count(one.failed),
            format!("{:.1}", one.failure_rate * 100.0),
            count(one.running),
            took(one.mean_nanos),
            took(one.p50_nanos),
            took(one.p95_nanos),
            took(one.p99_nanos),
            took(one.max_nanos),
        ];
        add_row(&mut table, cells);
    }
    print_table(&table, "no spans of any phase; --since looks further back")
}

fn document(one: &PhaseStatistics) -> Value {
    let ms = |nanos: i64| nanos as f64 / 1e6;
    json!({
        "phase": one.phase, "count": one.count, "failed": one.failed,
        "failure_rate": one.failure_rate, "running": one.running,
        "mean_ms": ms(one.mean_nanos), "p50_ms": ms(one.p50_nanos), "p95_ms": ms(one.p95_nanos),
        "p99_ms": ms(one.p99_nanos), "max_ms": ms(one.max_nanos),
    })
}
