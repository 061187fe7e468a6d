//! Workspaces: making, finding, listing and deleting.

use annals_deploy::{Workspace, WorkspaceId};
use annals_record::Uuid;
use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{DeploymentIntake, Shared};
use crate::api::{
    object::object,
    page::page,
    parameters::{Parameters, PathText, count},
    problem::Problem,
};

/// Workspaces of a page at most.
const MOST: u64 = 1_000;

/// What is shown to whoever sends something else.
const EXAMPLE: &str = "{\"name\": \"production\"}";

/// A workspace.
#[derive(Serialize, ToSchema)]
pub(super) struct WorkspaceJson {
    /// A UUID.
    id: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// RFC 3339, to the microsecond.
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<Workspace> for WorkspaceJson {
    fn from(workspace: Workspace) -> Self {
        // Taken apart, so that a column added there cannot be forgotten here.
        let Workspace {
            id,
            name,
            created_at,
        } = workspace;
        Self {
            id: id.to_string(),
            name,
            created_at: created_at.to_string(),
        }
    }
}

/// A workspace that must be there.
pub(super) async fn find(
    intake: &DeploymentIntake,
    workspace: WorkspaceId,
) -> Result<Workspace, Problem> {
    let found = intake.deployments().find_workspace(workspace).await?;
    found.ok_or_else(|| annals_deploy::Error::NoSuchWorkspace { workspace }.into())
}

/// Which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// At most so many, 1 to 1000; 100 when not given
    limit: Option<String>,
    /// Go on behind the page whose header Annals-Next-Cursor said this
    cursor: Option<String>,
}

/// Workspaces by id. The header Annals-Next-Cursor, and Link with rel="next", tell where the next page begins; the last page has
/// neither.
#[utoipa::path(
    get,
    path = "/workspaces",
    tag = "deployments",
    params(Listing),
    responses((status = 200, body = Vec<WorkspaceJson>), (status = 400, body = Problem))
)]
pub(super) async fn list(
    State(roads): Shared,
    asked: Uri,
    Parameters(listing): Parameters<Listing>,
) -> Result<Response, Problem> {
    let limit = count("limit", listing.limit.as_deref(), 100, (1, MOST))?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let found = roads.deployments.deployments();
    let found = found.workspaces(limit, listing.cursor).await?;
    let rows: Vec<WorkspaceJson> = found.rows.into_iter().map(WorkspaceJson::from).collect();
    Ok(page(&rows, &asked, found.next))
}

/// What to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "production"}))]
pub(super) struct WorkspaceAsked {
    /// A UUID; one is made when not given.
    id: Option<String>,
    /// What people call it: 1 to 256 bytes.
    name: Option<String>,
}

/// Makes a workspace. One that is there gets the name, if one is given.
#[utoipa::path(
    post,
    path = "/workspaces",
    tag = "deployments",
    request_body = WorkspaceAsked,
    responses(
        (status = 200, body = WorkspaceJson, description = "It was there"),
        (status = 201, body = WorkspaceJson, description = "It was made"),
        (status = 400, body = Problem),
        (status = 415, body = Problem)
    )
)]
pub(super) async fn create(State(roads): Shared, request: Request) -> Result<Response, Problem> {
    let asked: WorkspaceAsked = object(&roads.gate, request, EXAMPLE).await?;
    let workspace: WorkspaceId = match asked.id.as_deref() {
        Some(id) => id.parse()?,
        None => Uuid::now_v7().into(),
    };
    let name = asked.name.as_deref();
    let deployments = roads.deployments.deployments();
    let was_there = deployments.find_workspace(workspace).await?.is_some();
    let made = deployments.create_workspace(workspace, name).await?;
    let status = if was_there {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(WorkspaceJson::from(made))).into_response())
}

/// A workspace.
#[utoipa::path(
    get,
    path = "/workspaces/{id}",
    tag = "deployments",
    params(("id" = String, Path, description = "The workspace, a UUID")),
    responses((status = 200, body = WorkspaceJson), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn one(
    State(roads): Shared,
    PathText(id): PathText,
) -> Result<Json<WorkspaceJson>, Problem> {
    let found = find(&roads.deployments, id.parse()?).await?;
    Ok(Json(found.into()))
}

/// What went with a workspace.
#[derive(Serialize, ToSchema)]
pub(super) struct WorkspaceDeleted {
    /// Spans that were in it.
    deleted_spans: u64,
}

/// Deletes a workspace with everything in it. When the answer does not come, ask again: it goes on.
#[utoipa::path(
    delete,
    path = "/workspaces/{id}",
    tag = "deployments",
    params(("id" = String, Path, description = "The workspace, a UUID")),
    responses(
        (status = 200, body = WorkspaceDeleted),
        (status = 400, body = Problem),
        (status = 404, body = Problem)
    )
)]
pub(super) async fn delete(
    State(roads): Shared,
    PathText(id): PathText,
) -> Result<Json<WorkspaceDeleted>, Problem> {
    let workspace: WorkspaceId = id.parse()?;
    let deleted = roads.deployments.deployments();
    let deleted = deleted.delete_workspace(workspace).await?;
    let deleted_spans = deleted.ok_or(annals_deploy::Error::NoSuchWorkspace { workspace })?;
    tracing::info!(%workspace, deleted_spans, "workspace deleted");
    Ok(Json(WorkspaceDeleted { deleted_spans }))
}
