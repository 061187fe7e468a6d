//! One trace: where in time it lies, its spans, the children of one of them.

use annals_record::{Filter, Operand, Timestamp, TimestampMicros, Value};
use annals_store::Store;

use crate::{DeploymentSpan, DeploymentTrace, Error, Result, WorkspaceId};

/// A start time to the microsecond, whatever the nanoseconds below: the directory knows none.
pub(super) struct Micros(pub(super) TimestampMicros);

impl Operand<Timestamp> for Micros {
    fn into_values(self) -> Vec<Value> {
        vec![Value::Timestamp(self.0.unix_micros())]
    }
}

/// The condition that finds spans of a workspace.
pub(super) fn within(workspace: WorkspaceId) -> Filter<DeploymentSpan> {
    DeploymentSpan::WORKSPACE_ID.eq(workspace.uuid())
}

/// The condition on starts from one to another, both included.
pub(super) fn between(from: TimestampMicros, to: TimestampMicros) -> Filter<DeploymentSpan> {
    DeploymentSpan::START_TIME
        .at_least(Micros(from))
        .and(DeploymentSpan::START_TIME.at_most(Micros(to)))
}

/// The condition that finds the spans of a trace: with the directory's range, so that other chunks are not touched;
/// without one when the trace is not in the directory of this workspace, as its spans came by psql.
pub(super) async fn spans_of(
    store: &Store,
    workspace: WorkspaceId,
    trace_id: &str,
) -> Result<Filter<DeploymentSpan>> {
    let by_id = within(workspace).and(DeploymentSpan::TRACE_ID.eq(trace_id));
    let known = store
        .query::<DeploymentTrace>()
        .filter(DeploymentTrace::TRACE_ID.eq(trace_id))
        .filter(DeploymentTrace::WORKSPACE_ID.eq(workspace.uuid()))
        .limit(1)
        .fetch()
        .await?;
    Ok(match known.rows.first() {
        Some(trace) => by_id.and(between(trace.start_time, trace.last_start_time)),
        None => by_id,
    })
}

pub(super) async fn spans(
    store: &Store,
    workspace: WorkspaceId,
    trace_id: &str,
) -> Result<Vec<DeploymentSpan>> {
    let filter = spans_of(store, workspace, trace_id).await?;
    let query = store
        .query()
        .filter(filter)
        .order(DeploymentSpan::START_TIME.asc())
        .order(DeploymentSpan::SEQUENCE.asc());
    let spans = query.fetch().await?.rows;
    if spans.is_empty() {
        return Err(not_found(workspace, trace_id));
    }
    Ok(spans)
}

pub(super) async fn children(
    store: &Store,
    workspace: WorkspaceId,
    trace_id: &str,
    span_id: &str,
) -> Result<Vec<DeploymentSpan>> {
    let filter = spans_of(store, workspace, trace_id).await?;
    let query = store
        .query()
        .filter(filter.and(DeploymentSpan::PARENT_SPAN_ID.eq(span_id)))
        .order(DeploymentSpan::SEQUENCE.asc())
        .order(DeploymentSpan::START_TIME.asc());
    Ok(query.fetch().await?.rows)
}

pub(super) fn not_found(workspace: WorkspaceId, trace_id: &str) -> Error {
    Error::NoSuchTrace {
        trace_id: trace_id.chars().take(64).collect(),
        workspace,
    }
}
