//! What operators do to tables by HTTP, under `/admin`: look at chunks and sizes, compress, drop and delete,
//! take chunks along as CSV, and set policies.
//!
//! | Module | What lives there |
//! |---|---|
//! | `tables` | sizes of tables, their chunks, and how long these are |
//! | `act` | what takes long: compressing, decompressing, dropping, expiring, deleting |
//! | `telling` | how far that is, a line of JSON for each step |
//! | `steps` | those lines |
//! | `export`, `pipe` | a chunk as CSV, and what lies between its writer and its reader |
//! | `policies` | policies: what there is, setting and removing |
//! | `asked` | what a request asks for, read strictly |
//!
//! All of it is behind the API token, and closed where there is none: on a server that asks nobody for
//! anything, whatever runs on the machine, or in a browser there, could delete what it likes.

mod act;
mod asked;
mod export;
mod pipe;
mod policies;
mod steps;
mod tables;
mod telling;

use std::sync::Arc;

use annals_store::{AgingTable, Lifecycle, Store};
use axum::{
    extract::{Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
};
use http::StatusCode;
use tokio::sync::{Semaphore, watch};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ServerConfig,
    api::{self, problem::Problem},
    auth,
    life::Tables,
    roads::Roads,
    server::Stop,
};
use telling::Operations;

/// Chunks that are taken along at once: each has a connection of the pool and a thread.
const EXPORTS: usize = 2;

/// Everything that a request of an operator meets.
pub(crate) struct Admin {
    store: Store,
    tables: Tables,
    roads: Arc<Roads>,
    operations: Operations,
    exports: Arc<Semaphore>,
}

impl Admin {
    pub(crate) fn new(
        store: Store,
        tables: Tables,
        roads: Arc<Roads>,
        stop: watch::Receiver<Stop>,
    ) -> Self {
        Self {
            store,
            tables,
            roads,
            operations: Operations::new(stop),
            exports: Arc::new(Semaphore::new(EXPORTS)),
        }
    }

    /// The life of a table by its label.
    async fn life(&self, label: &str) -> Result<Lifecycle, Problem> {
        let table = self.tables.find(label).await?;
        Ok(self.life_of(table))
    }

    fn life_of(&self, table: AgingTable) -> Lifecycle {
        self.store.lifecycle(table)
    }

    /// Ends what is under way; a step in the middle is rolled back.
    pub(crate) fn end(&self) {
        self.operations.end();
    }
}

/// What the HTTP port serves of it.
pub(crate) fn router<S>(admin: &Arc<Admin>, config: &ServerConfig) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let router = OpenApiRouter::new()
        .routes(routes!(tables::list))
        .routes(routes!(tables::one))
        .routes(routes!(tables::set_chunk_interval))
        .routes(routes!(policies::all))
        .routes(routes!(policies::of_table))
        .routes(routes!(policies::set, policies::remove))
        .layer(from_fn_with_state(config.query_timeout, api::in_time))
        // As long as they take.
        .routes(routes!(tables::chunks))
        .routes(routes!(act::compress))
        .routes(routes!(act::decompress))
        .routes(routes!(act::drop_chunks))
        .routes(routes!(act::expire))
        .routes(routes!(act::delete))
        .routes(routes!(export::export))
        .with_state(Arc::clone(admin));
    match &config.token {
        Some(token) => {
            let guard = (Some(token.clone()), api::refuse as auth::Refuse);
            router.layer(from_fn_with_state(guard, auth::guard))
        }
        None => router.layer(from_fn(closed)),
    }
}

async fn closed(_: Request, _: Next) -> Response {
    Problem::new(
        StatusCode::FORBIDDEN,
        "/admin is closed, since this server has no API_TOKEN: set API_TOKEN, start it again, and send \
         Authorization: Bearer TOKEN",
    )
    .into()
}

/// The methods that are served at a path under `/admin`, for those who send another.
pub(crate) fn methods(path: &str) -> &'static str {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts[..] {
        [
            _,
            _,
            _,
            "compress" | "decompress" | "drop" | "expire" | "delete",
        ] => "POST",
        [_, _, _, "chunk-interval"] => "PUT",
        [_, _, _, "policies", _] => "PUT or DELETE",
        _ => "GET",
    }
}

type Shared = State<Arc<Admin>>;
