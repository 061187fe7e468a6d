//! What deployment traces tell: what failed, why something is not deployed, and how phases went.

use annals_deploy::{BlockedTarget, FailedDeployment, PhaseStatistics};
use axum::{Json, extract::State, response::Response};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Shared,
    listing::{Words, answer},
    reads::{Paging, Reader},
    span::{SpanJson, shown},
};
use crate::api::{
    parameters::{Nothing, Parameters, PathText, PathTexts},
    problem::Problem,
};

/// A deployment that was decided against.
#[derive(Serialize, ToSchema)]
pub(super) struct FailedJson {
    trace_id: String,
    /// What should have been deployed where.
    #[serde(skip_serializing_if = "Option::is_none")]
    release_target_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment_id: Option<String>,
    /// The phase of the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    /// The decision in words.
    message: String,
    /// RFC 3339, with nanoseconds.
    #[schema(format = DateTime)]
    decided_at: String,
}

impl From<FailedDeployment> for FailedJson {
    fn from(failed: FailedDeployment) -> Self {
        Self {
            trace_id: failed.trace_id,
            release_target_key: failed.release_target_key,
            deployment_id: failed.deployment_id,
            phase: failed.phase,
            message: failed.message,
            decided_at: failed.decided_at.to_string(),
        }
    }
}

/// Deployments that were decided against, newest first, each trace once; of the last 24 hours unless asked otherwise.
#[utoipa::path(
    get,
    path = "/workspaces/{id}/failures",
    tag = "deployments",
    params(("id" = String, Path, description = "The workspace, a UUID"), Paging),
    responses((status = 200, body = Vec<FailedJson>), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn failures(
    State(roads): Shared,
    PathText(id): PathText,
    asked: Uri,
    Parameters(paging): Parameters<Paging>,
) -> Result<Response, Problem> {
    let reader = Reader::of(&roads, &id)?;
    let found = reader.reads().failed(paging.words().asked()?).await?;
    reader.unless_empty(found.rows.is_empty()).await?;
    Ok(answer(found, &asked, FailedJson::from))
}

/// Why a release target is not deployed.
#[derive(Serialize, ToSchema)]
pub(super) struct BlockedJson {
    /// The trace of the latest decision.
    trace_id: String,
    /// The decision.
    decision: SpanJson,
    /// Evaluations and checks of the same phase that failed, in the order of their starts: the reasons.
    blocked_by: Vec<SpanJson>,
}

impl From<BlockedTarget> for BlockedJson {
    fn from(blocked: BlockedTarget) -> Self {
        Self {
            trace_id: blocked.trace_id,
            decision: blocked.decision.into(),
            blocked_by: shown(blocked.blocked_by),
        }
    }
}

/// Why a release target is not deployed: the latest decision about it within the last 90 days, when that was against it, and
/// what blocked it. null when nothing does.
#[utoipa::path(
    get,
    path = "/workspaces/{id}/release-targets/{key}/why",
    tag = "deployments",
    params(
        ("id" = String, Path, description = "The workspace, a UUID"),
        ("key" = String, Path, description = "The release target's key; / is written as %2F")
    ),
    responses((status = 200, body = Option<BlockedJson>), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn why(
    State(roads): Shared,
    PathTexts(id, key): PathTexts,
    Parameters(Nothing {}): Parameters<Nothing>,
) -> Result<Json<Option<BlockedJson>>, Problem> {
    let reader = Reader::of(&roads, &id)?;
    let found = reader.reads().why_not_deployed(&key).await?;
    reader.unless_empty(found.is_none()).await?;
    Ok(Json(found.map(BlockedJson::from)))
}

/// How one phase went. Durations are by the nearest-rank rule.
#[derive(Serialize, ToSchema)]
pub(super) struct PhaseJson {
    phase: String,
    /// Spans of the phase that ended.
    count: u64,
    /// Of these the ones that failed or were aborted.
    failed: u64,
    /// failed / count, from 0 to 1.
    failure_rate: f64,
    /// Spans of the phase that have not ended.
    running: u64,
    mean_ms: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl From<PhaseStatistics> for PhaseJson {
    fn from(phase: PhaseStatistics) -> Self {
        let ms = |nanos: i64| nanos as f64 / 1e6;
        Self {
            count: phase.count,
            failed: phase.failed,
            failure_rate: phase.failure_rate,
            running: phase.running,
            mean_ms: ms(phase.mean_nanos),
            p50_ms: ms(phase.p50_nanos),
            p95_ms: ms(phase.p95_nanos),
            p99_ms: ms(phase.p99_nanos),
            max_ms: ms(phase.max_nanos),
            phase: phase.phase,
        }
    }
}

/// Of which deployment, and when.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PhasesQuestion {
    /// Only of this deployment
    deployment_id: Option<String>,
    /// Only what began then or later (RFC 3339); 7 days before until when not given
    since: Option<String>,
    /// Only what began before (RFC 3339); now when not given
    until: Option<String>,
}

/// Durations and failure rates by phase, in the order of a reconciliation.
#[utoipa::path(
    get,
    path = "/workspaces/{id}/phases",
    tag = "deployments",
    params(("id" = String, Path, description = "The workspace, a UUID"), PhasesQuestion),
    responses((status = 200, body = Vec<PhaseJson>), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn phases(
    State(roads): Shared,
    PathText(id): PathText,
    Parameters(question): Parameters<PhasesQuestion>,
) -> Result<Json<Vec<PhaseJson>>, Problem> {
    let reader = Reader::of(&roads, &id)?;
    let words = Words {
        since: question.since,
        until: question.until,
        ..Words::default()
    };
    let deployment = question.deployment_id.as_deref();
    let found = reader.reads().phases(deployment, words.asked()?).await?;
    reader.unless_empty(found.is_empty()).await?;
    Ok(Json(found.into_iter().map(PhaseJson::from).collect()))
}
