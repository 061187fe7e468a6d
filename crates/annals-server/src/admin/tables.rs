//! Tables that age: what they take, their chunks, and how long chunks are.

use annals_store::{
    Lifecycle,
    lifecycle::{CompressionStats, TableSize},
};
use axum::{
    Json,
    extract::{Request, State},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Shared, asked, steps::ChunkJson};
use crate::api::{
    parameters::{Parameters, PathText},
    problem::Problem,
};

/// What a table takes on disk. What is absent is left out.
#[derive(Serialize, ToSchema)]
pub(super) struct TableJson {
    /// Its label: spans, bars_1m, events:orders.
    table: String,
    /// As the server estimates them, where it did; counted on SQLite.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// Of rows.
    table_bytes: u64,
    /// Of indexes.
    index_bytes: u64,
    /// Of long values that are kept apart.
    toast_bytes: u64,
    /// All of it.
    total_bytes: u64,
    chunks: u64,
    compressed_chunks: u64,
    /// What compressed chunks took before.
    before_bytes: u64,
    /// What these take now.
    after_bytes: u64,
    /// How many times smaller they are, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
}

impl TableJson {
    async fn of(life: &Lifecycle) -> Result<Self, annals_store::Error> {
        let size = life.table_size().await?;
        let stats = life.compression_stats().await?;
        Ok(Self::new(life.table().label(), &size, &stats))
    }

    fn new(label: &str, size: &TableSize, stats: &CompressionStats) -> Self {
        Self {
            table: label.to_owned(),
            rows: size.rows,
            table_bytes: size.table_bytes,
            index_bytes: size.index_bytes,
            toast_bytes: size.toast_bytes,
            total_bytes: size.total_bytes,
            chunks: size.chunks,
            compressed_chunks: size.compressed_chunks,
            before_bytes: stats.before_bytes,
            after_bytes: stats.after_bytes,
            ratio: stats.ratio(),
        }
    }
}

/// What every table takes on disk.
#[utoipa::path(
    get,
    path = "/admin/tables",
    tag = "admin",
    responses(
        (status = 200, body = Vec<TableJson>),
        (status = 401, body = Problem),
        (status = 403, body = Problem, description = "This server has no API_TOKEN")
    )
)]
pub(super) async fn list(State(admin): Shared) -> Result<Json<Vec<TableJson>>, Problem> {
    let mut all = Vec::new();
    for table in admin.tables.all().await? {
        let life = admin.life_of(table);
        match TableJson::of(&life).await {
            Ok(table) => all.push(table),
            Err(error) => {
                // A namespace that was deleted since it was listed is none.
                let found = admin.tables.find(life.table().label()).await;
                if found.is_ok() || error.is_transient() {
                    return Err(error.into());
                }
            }
        }
    }
    Ok(Json(all))
}

/// What a table takes on disk.
#[utoipa::path(
    get,
    path = "/admin/tables/{label}",
    tag = "admin",
    params(("label" = String, Path, description = "The table: spans, bars_1m, events:orders")),
    responses((status = 200, body = TableJson), (status = 404, body = Problem))
)]
pub(super) async fn one(
    State(admin): Shared,
    PathText(label): PathText,
) -> Result<Json<TableJson>, Problem> {
    let life = admin.life(&label).await?;
    Ok(Json(TableJson::of(&life).await?))
}

/// How chunks are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ChunksQuestion {
    /// true counts rows, which reads all of them, rather than telling the server's estimate
    count: Option<String>,
}

/// The chunks of a table, the oldest first.
#[utoipa::path(
    get,
    path = "/admin/tables/{label}/chunks",
    tag = "admin",
    params(
        ("label" = String, Path, description = "The table: spans, bars_1m, events:orders"),
        ChunksQuestion
    ),
    responses(
        (status = 200, body = Vec<ChunkJson>),
        (status = 404, body = Problem),
        (status = 501, body = Problem, description = "This database has no chunks")
    )
)]
pub(super) async fn chunks(
    State(admin): Shared,
    PathText(label): PathText,
    Parameters(question): Parameters<ChunksQuestion>,
) -> Result<Json<Vec<ChunkJson>>, Problem> {
    let counted = match question.count.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(Problem::parameter("count", other, "true or false")),
    };
    let life = admin.life(&label).await?;
    let chunks = life.chunks(counted).await?;
    Ok(Json(chunks.iter().map(ChunkJson::from).collect()))
}

/// How long chunks are to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChunkInterval {
    /// Such as 1 day.
    interval: Option<String>,
}

/// How long chunks are from now on.
#[derive(Serialize, ToSchema)]
pub(super) struct ChunkIntervalSet {
    /// As it was understood.
    interval: String,
}

/// Makes chunks that are begun from now on as long as this; those that there are stay as they are.
#[utoipa::path(
    put,
    path = "/admin/tables/{label}/chunk-interval",
    tag = "admin",
    params(("label" = String, Path, description = "The table: spans, bars_1m, events:orders")),
    request_body = ChunkInterval,
    responses(
        (status = 200, body = ChunkIntervalSet),
        (status = 400, body = Problem),
        (status = 403, body = Problem, description = "The database's user does not own the table"),
        (status = 404, body = Problem),
        (status = 501, body = Problem, description = "This database has no chunks")
    )
)]
pub(super) async fn set_chunk_interval(
    State(admin): Shared,
    PathText(label): PathText,
    request: Request,
) -> Result<Json<ChunkIntervalSet>, Problem> {
    let asked: ChunkInterval = asked::body(&admin, request).await?;
    let Some(text) = asked.interval else {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "interval is missing, and nothing was done: say how long, such as {\"interval\": \"1 day\"}",
        ));
    };
    let interval = asked::age("interval", Some(&text))?;
    let life = admin.life(&label).await?;
    life.set_chunk_interval(&interval).await?;
    tracing::info!(table = label, %interval, "chunk interval set");
    Ok(Json(ChunkIntervalSet {
        interval: interval.to_string(),
    }))
}
