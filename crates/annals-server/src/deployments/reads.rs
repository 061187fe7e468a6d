//! Questions about spans and traces of a workspace.

use annals_deploy::{DeploymentSpan, Page, SpanFilter, TraceFilter, WorkspaceId, WorkspaceReads};
use axum::{Json, extract::State, response::Response};
use http::Uri;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    DeploymentIntake, Shared,
    listing::{Words, answer},
    span::{SpanJson, shown},
    tree::TreeJson,
    workspaces,
};
use crate::{
    api::{
        parameters::{Parameters, PathText, PathTexts, PathThree},
        problem::{self, Problem},
    },
    roads::Roads,
};

/// When, and which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Only what began then or later (RFC 3339); the listing's window before until when not given
    since: Option<String>,
    /// Only what began before (RFC 3339); now when not given
    until: Option<String>,
    /// At most so many, 1 to 1000; 100 when not given
    limit: Option<String>,
    /// Go on behind the page whose header Annals-Next-Cursor said this; it brings that page's window along
    cursor: Option<String>,
}

impl Paging {
    pub(super) fn words(self) -> Words {
        Words {
            since: self.since,
            until: self.until,
            limit: self.limit,
            cursor: self.cursor,
        }
    }
}

/// Which spans, when, and which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SpansQuestion {
    /// Only spans of this phase
    phase: Option<String>,
    /// Only spans with this status
    status: Option<String>,
    /// Only spans of this kind
    node_type: Option<String>,
    /// Only spans of this deployment
    deployment_id: Option<String>,
    /// Only spans whose name contains this, taken literally and with case
    name: Option<String>,
    /// Only what began then or later (RFC 3339); 7 days before until when not given
    since: Option<String>,
    /// Only what began before (RFC 3339); now when not given
    until: Option<String>,
    /// At most so many, 1 to 1000; 100 when not given
    limit: Option<String>,
    /// Go on behind the page whose header Annals-Next-Cursor said this; it brings that page's window along
    cursor: Option<String>,
}

/// Which traces, when, and which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TracesQuestion {
    /// Only traces of this deployment
    deployment_id: Option<String>,
    /// Only traces of this release
    release_id: Option<String>,
    /// Only traces of this release target
    release_target_key: Option<String>,
    /// Only traces of this job
    job_id: Option<String>,
    /// Only traces that this set off
    trigger: Option<String>,
    /// Only traces whose topmost span has this status
    status: Option<String>,
    /// Only what began then or later (RFC 3339); 7 days before until when not given, 90 of a release or a job
    since: Option<String>,
    /// Only what began before (RFC 3339); now when not given
    until: Option<String>,
    /// At most so many, 1 to 1000; 100 when not given
    limit: Option<String>,
    /// Go on behind the page whose header Annals-Next-Cursor said this; it brings that page's window along
    cursor: Option<String>,
}

/// The questions of a workspace, by the text of its id.
pub(super) struct Reader<'a> {
    intake: &'a DeploymentIntake,
    workspace: WorkspaceId,
}

impl<'a> Reader<'a> {
    pub(super) fn of(roads: &'a Roads, workspace: &str) -> Result<Self, Problem> {
        Ok(Self {
            intake: &roads.deployments,
            workspace: workspace.parse()?,
        })
    }

    pub(super) fn reads(&self) -> WorkspaceReads<'a> {
        self.intake.deployments().workspace(self.workspace)
    }

    /// Says no where nothing was found because there is no such workspace. Asked only then, so that it costs nothing
    /// otherwise.
    pub(super) async fn unless_empty(&self, is_empty: bool) -> Result<(), Problem> {
        if is_empty {
            workspaces::find(self.intake, self.workspace).await?;
        }
        Ok(())
    }

    pub(super) async fn page(
        &self,
        found: Page<DeploymentSpan>,
        asked: &Uri,
    ) -> Result<Response, Problem> {
        self.unless_empty(found.rows.is_empty()).await?;
        Ok(answer(found, asked, SpanJson::from))
    }
}

/// Traces, each by its topmost span, newest first. The header Annals-Window tells what was looked through,
/// Annals-Next-Cursor and Link with rel="next" where the next page begins; the last page has neither of these.
#[utoipa::path(
    get,
    path = "/workspaces/{id}/traces",
    tag = "deployments",
    params(("id" = String, Path, description = "The workspace, a UUID"), TracesQuestion),
    responses((status = 200, body = Vec<SpanJson>), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn list_traces(
    State(roads): Shared,
    PathText(id): PathText,
    asked: Uri,
    Parameters(question): Parameters<TracesQuestion>,
) -> Result<Response, Problem> {
    let reader = Reader::of(&roads, &id)?;
    let words = Words {
        since: question.since,
        until: question.until,
        limit: question.limit,
        cursor: question.cursor,
    };
    let filter = TraceFilter {
        deployment_id: question.deployment_id,
        release_id: question.release_id,
        release_target_key: question.release_target_key,
        job_id: question.job_id,
        trigger: question.trigger,
        status: question.status,
    };
    let found = reader.reads().traces(filter, words.asked()?).await?;
    reader.page(found, &asked).await
}

/// Every span of a trace, by start.
#[utoipa::path(
    get,
    path = "/workspaces/{id}/traces/{trace}",
    tag = "deployments",
    params(
        ("id" = String, Path, description = "The workspace, a UUID"),
        ("trace" = String, Path, description = "The trace's id")
    ),
    responses((status = 200, body = Vec<SpanJson>), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn trace(
    State(roads): Shared,
    PathTexts(id, trace): PathTexts,
) -> Result<Json<Vec<SpanJson>>, Problem> {
    let spans = Reader::of(&roads, &id)?.reads().trace(&trace).await?;
    Ok(Json(shown(spans)))
}

/// A trace with those that it continues and those that continue it, as one tree: what an external system did under a token
/// hangs below the job.
#[utoipa::path(
    get,
    path = "/workspaces/{id}/traces/{trace}/tree",
    tag = "deployments",
    params(
        ("id" = String, Path, description = "The workspace, a UUID"),
        ("trace" = String, Path, description = "The trace's id")
    ),
    responses((status = 200, body = TreeJson), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn tree(
    State(roads): Shared,
    PathTexts(id, trace): PathTexts,
) -> Result<Json<TreeJson>, Problem> {
    let found = Reader::of(&roads, &id)?.reads().tree(&trace).await?;
    let tree = TreeJson::of(trace, &found).map_err(|error| {
        tracing::error!(%error, "a tree cannot be written");
        problem::internal()
    })?;
    Ok(Json(tree))
}

/// The spans right below a span, by sequence.
#[utoipa::path(
    get,
    path = "/workspaces/{id}/traces/{trace}/spans/{span}/children",
    tag = "deployments",
    params(
        ("id" = String, Path, description = "The workspace, a UUID"),
        ("trace" = String, Path, description = "The trace's id"),
        ("span" = String, Path, description = "The span's id within the trace")
    ),
    responses((status = 200, body = Vec<SpanJson>), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn children(
    State(roads): Shared,
    PathThree(id, trace, span): PathThree,
) -> Result<Json<Vec<SpanJson>>, Problem> {
    let reader = Reader::of(&roads, &id)?;
    let spans = reader.reads().children(&trace, &span).await?;
    reader.unless_empty(spans.is_empty()).await?;
    Ok(Json(shown(spans)))
}

/// Spans, newest first.
#[utoipa::path(
    get,
    path = "/workspaces/{id}/spans",
    tag = "deployments",
    params(("id" = String, Path, description = "The workspace, a UUID"), SpansQuestion),
    responses((status = 200, body = Vec<SpanJson>), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn list_spans(
    State(roads): Shared,
    PathText(id): PathText,
    asked: Uri,
    Parameters(question): Parameters<SpansQuestion>,
) -> Result<Response, Problem> {
    let reader = Reader::of(&roads, &id)?;
    let words = Words {
        since: question.since,
        until: question.until,
        limit: question.limit,
        cursor: question.cursor,
    };
    let filter = SpanFilter {
        phase: question.phase,
        status: question.status,
        node_type: question.node_type,
        deployment_id: question.deployment_id,
        name: question.name,
    };
    let found = reader.reads().spans(filter, words.asked()?).await?;
    reader.page(found, &asked).await
}

/// Spans that have no span above them, newest first; of the last 7 days unless asked otherwise.
#[utoipa::path(
    get,
    path = "/workspaces/{id}/spans/roots",
    tag = "deployments",
    params(("id" = String, Path, description = "The workspace, a UUID"), Paging),
    responses((status = 200, body = Vec<SpanJson>), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn roots(
    State(roads): Shared,
    PathText(id): PathText,
    asked: Uri,
    Parameters(paging): Parameters<Paging>,
) -> Result<Response, Problem> {
    let reader = Reader::of(&roads, &id)?;
    let found = reader.reads().roots(paging.words().asked()?).await?;
    reader.page(found, &asked).await
}

/// Spans of a release, newest first; of the last 90 days unless asked otherwise.
#[utoipa::path(
    get,
    path = "/workspaces/{id}/releases/{release}/spans",
    tag = "deployments",
    params(
        ("id" = String, Path, description = "The workspace, a UUID"),
        ("release" = String, Path, description = "The release's id"),
        Paging
    ),
    responses((status = 200, body = Vec<SpanJson>), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn of_release(
    State(roads): Shared,
    PathTexts(id, release): PathTexts,
    asked: Uri,
    Parameters(paging): Parameters<Paging>,
) -> Result<Response, Problem> {
    let reader = Reader::of(&roads, &id)?;
    let when = paging.words().asked()?;
    let found = reader.reads().of_release(&release, when).await?;
    reader.page(found, &asked).await
}

/// Spans of a release target, newest first; of the last 7 days unless asked otherwise.
#[utoipa::path(
    get,
    path = "/workspaces/{id}/release-targets/{key}/spans",
    tag = "deployments",
    params(
        ("id" = String, Path, description = "The workspace, a UUID"),
        ("key" = String, Path, description = "The release target's key; / is written as %2F"),
        Paging
    ),
    responses((status = 200, body = Vec<SpanJson>), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn of_release_target(
    State(roads): Shared,
    PathTexts(id, key): PathTexts,
    asked: Uri,
    Parameters(paging): Parameters<Paging>,
) -> Result<Response, Problem> {
    let reader = Reader::of(&roads, &id)?;
    let when = paging.words().asked()?;
    let found = reader.reads().of_release_target(&key, when).await?;
    reader.page(found, &asked).await
}

/// Spans of a job, newest first; of the last 90 days unless asked otherwise.
#[utoipa::path(
    get,
    path = "/workspaces/{id}/jobs/{job}/spans",
    tag = "deployments",
    params(
        ("id" = String, Path, description = "The workspace, a UUID"),
        ("job" = String, Path, description = "The job's id"),
        Paging
    ),
    responses((status = 200, body = Vec<SpanJson>), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn of_job(
    State(roads): Shared,
    PathTexts(id, job): PathTexts,
    asked: Uri,
    Parameters(paging): Parameters<Paging>,
) -> Result<Response, Problem> {
    let reader = Reader::of(&roads, &id)?;
    let when = paging.words().asked()?;
    let found = reader.reads().of_job(&job, when).await?;
    reader.page(found, &asked).await
}
