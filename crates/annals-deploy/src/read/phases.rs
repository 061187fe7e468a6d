//! Durations and failures by phase.

use annals_record::{Record, TextEnum as _, Value};
use annals_store::{Store, sql::Dialect};

use super::{
    Asked, PhaseStatistics,
    listing::optional,
    window::{WEEK, Window},
};
use crate::{Phase, Result, WorkspaceId};

/// Phases that are told of; whatever sends more than these names sends no phases.
const MOST_PHASES: i64 = 1_000;

/// Phases in the order in which a reconciliation goes through them.
const IN_ORDER: [Phase; 6] = [
    Phase::Reconciliation,
    Phase::Planning,
    Phase::Eligibility,
    Phase::Execution,
    Phase::Action,
    Phase::External,
];

/// A row of the statement.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "phases")]
struct Counted {
    phase: String,
    ended: i64,
    failed: i64,
    running: i64,
    mean: Option<i64>,
    p50: Option<i64>,
    p95: Option<i64>,
    p99: Option<i64>,
    max: Option<i64>,
}

pub(super) async fn statistics(
    store: &Store,
    workspace: WorkspaceId,
    deployment_id: Option<&str>,
    asked: &Asked,
) -> Result<Vec<PhaseStatistics>> {
    let [since, until] = Window::of(asked, WEEK)?.values();
    let values = vec![
        Value::Uuid(workspace.uuid()),
        since,
        until,
        optional(deployment_id.map(str::to_owned)),
        Value::Int8(MOST_PHASES),
    ];
    let sql = match store.names().dialect() {
        Dialect::Sqlite => include_str!("phases/statistics.sqlite.sql"),
        _ => include_str!("phases/statistics.postgres.sql"),
    };
    let rows: Vec<Counted> = store
        .fetch_planned(store.names().statement(sql), values)
        .await?;
    let mut phases: Vec<PhaseStatistics> = rows.into_iter().map(told).collect();
    // By bytes, whatever the database's locale thinks.
    phases.sort_by(|a, b| (place(&a.phase), &a.phase).cmp(&(place(&b.phase), &b.phase)));
    Ok(phases)
}

fn told(row: Counted) -> PhaseStatistics {
    let count = row.ended.unsigned_abs();
    let failed = row.failed.unsigned_abs();
    PhaseStatistics {
        phase: row.phase,
        count,
        failed,
        failure_rate: if count == 0 {
            0.0
        } else {
            failed as f64 / count as f64
        },
        running: row.running.unsigned_abs(),
        mean_nanos: row.mean.unwrap_or(0),
        p50_nanos: row.p50.unwrap_or(0),
        p95_nanos: row.p95.unwrap_or(0),
        p99_nanos: row.p99.unwrap_or(0),
        max_nanos: row.max.unwrap_or(0),
    }
}

fn place(phase: &str) -> usize {
    let known = IN_ORDER.iter().position(|known| known.as_text() == phase);
    known.unwrap_or(IN_ORDER.len())
}
