//! What was decided against, and why.

use annals_record::{Record, TextEnum as _, Timestamp, TimestampMicros, Value};
use annals_store::Store;

use super::{
    Asked, BlockedTarget, FailedDeployment, Page,
    cursor::{self, Place},
    listing::{cut, more_than, span_columns},
    trace::spans_of,
    window::{self, DAY, QUARTER, Window},
};
use crate::{DeploymentSpan, NodeType, Result, Status, WorkspaceId};

/// Reasons that are told of one decision.
const MOST_REASONS: u64 = 1_000;

/// A row of `failed.sql`.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "failed")]
struct Failed {
    trace_id: String,
    span_id: String,
    decided_at: Timestamp,
    release_target_key: Option<String>,
    deployment_id: Option<String>,
    phase: Option<String>,
    message: String,
}

pub(super) async fn failed(
    store: &Store,
    workspace: WorkspaceId,
    asked: &Asked,
) -> Result<Page<FailedDeployment>> {
    let fingerprint = cursor::fingerprint("failed", workspace, &[]);
    let (window, place) = match &asked.after {
        Some(text) => cursor::read(text, fingerprint)?,
        None => {
            let window = Window::of(asked, DAY)?;
            // Nothing of the window is at its end, and so all of it is behind.
            let end = Place {
                start_time: window.until.into(),
                trace_id: String::new(),
                span_id: String::new(),
            };
            (window, end)
        }
    };
    let limit = window::limit(asked);
    let [since, until] = window.values();
    let mut values = vec![
        Value::Uuid(workspace.uuid()),
        since,
        until,
        more_than(limit),
    ];
    values.extend(place.values());
    let sql = include_str!("decisions/failed.sql");
    let rows: Vec<Failed> = store
        .fetch_planned(store.names().statement(sql), values)
        .await?;
    let page = cut(rows, limit, fingerprint, window, |row| Place {
        start_time: row.decided_at,
        trace_id: row.trace_id.clone(),
        span_id: row.span_id.clone(),
    });
    let rows = page.rows.into_iter().map(|row| FailedDeployment {
        trace_id: row.trace_id,
        release_target_key: row.release_target_key,
        deployment_id: row.deployment_id,
        phase: row.phase,
        message: row.message,
        decided_at: row.decided_at,
    });
    Ok(Page {
        rows: rows.collect(),
        next: page.next,
        since: page.since,
        until: page.until,
    })
}

/// The newest decision about a release target. Of two that were made at once the one that came later in its trace.
const LATEST: &str = concat!(
    "SELECT ",
    span_columns!(),
    " FROM {deployment_trace_span} \
     WHERE release_target_key = $1 AND workspace_id = $2 AND start_time >= $3 AND node_type = 'decision' \
     ORDER BY start_time DESC, start_time_nanos DESC, sequence DESC NULLS LAST, trace_id DESC, span_id DESC LIMIT 1"
);

pub(super) async fn why_not_deployed(
    store: &Store,
    workspace: WorkspaceId,
    key: &str,
) -> Result<Option<BlockedTarget>> {
    let since = TimestampMicros::floor(Timestamp::now() - QUARTER);
    let values = vec![
        Value::Text(key.to_owned()),
        Value::Uuid(workspace.uuid()),
        Value::Timestamp(since.unix_micros()),
    ];
    let latest: Vec<DeploymentSpan> = store.fetch(store.names().statement(LATEST), values).await?;
    let is_against =
        |decision: &DeploymentSpan| decision.status.as_deref() != Some(Status::Completed.as_text());
    let Some(decision) = latest.into_iter().next().filter(is_against) else {
        return Ok(None);
    };
    let phase = match decision.phase.as_deref() {
        Some(phase) => DeploymentSpan::PHASE.eq(phase),
        None => DeploymentSpan::PHASE.is_null(),
    };
    let kinds = [NodeType::Evaluation, NodeType::Check].map(|kind| kind.as_text());
    let reasons = spans_of(store, workspace, &decision.trace_id)
        .await?
        .and(phase)
        .and(DeploymentSpan::STATUS.eq(Status::Failed.as_text()))
        .and(DeploymentSpan::NODE_TYPE.is_in(kinds));
    let query = store
        .query()
        .filter(reasons)
        .order(DeploymentSpan::START_TIME.asc())
        .order(DeploymentSpan::SEQUENCE.asc());
    Ok(Some(BlockedTarget {
        trace_id: decision.trace_id.clone(),
        decision,
        blocked_by: query.limit(MOST_REASONS).fetch().await?.rows,
    }))
}
