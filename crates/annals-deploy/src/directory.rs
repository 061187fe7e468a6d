//! Keeps the table `deployment_trace` true, in the transaction of each batch of spans.
//!
//! The foreign key of its rows is what ties spans to workspaces: a batch whose workspace is just being deleted waits for
//! the end of that, and then either makes the workspace anew or fails. The deletion, in turn, waits for batches that have
//! touched the workspace's traces, and its trigger sees their spans.

use std::collections::{BTreeMap, BTreeSet};

use annals_record::{Timestamp, TimestampMicros, Uuid};
use annals_store::{
    Companion, Names,
    rusqlite::{self, params},
    sql::PgTimestamp,
    sqlx,
};
use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{DeploymentSpan, WorkspacePolicy};

const UPSERT: &str = include_str!("directory/upsert.postgres.sql");
const MAKE_AND_UPSERT: &str = include_str!("directory/make_and_upsert.postgres.sql");
const UPSERT_ON_SQLITE: &str = include_str!("directory/upsert.sqlite.sql");
const MAKE_ON_SQLITE: &str =
    "INSERT INTO {workspace} (id, created_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";

/// Enters the traces of each batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directory {
    pub(crate) workspaces: WorkspacePolicy,
}

/// What a batch tells of one trace.
struct Told<'a> {
    workspace: Uuid,
    parent: Option<&'a str>,
    first: i64,
    last: i64,
}

/// By trace, in the order in which every batch visits them.
fn traces<'a>(rows: &[&'a DeploymentSpan]) -> BTreeMap<&'a str, Told<'a>> {
    let mut traces = BTreeMap::new();
    for row in rows {
        let start = TimestampMicros::floor(row.start_time).unix_micros();
        let told = traces.entry(row.trace_id.as_str()).or_insert(Told {
            workspace: row.workspace_id,
            parent: None,
            first: start,
            last: start,
        });
        told.parent = told.parent.or(row.parent_trace_id.as_deref());
        told.first = told.first.min(start);
        told.last = told.last.max(start);
    }
    traces
}

impl Companion<DeploymentSpan> for Directory {
    /// A version that replaces another may be of a trace whose rows here are gone.
    fn wants_every_row(&self) -> bool {
        true
    }

    fn apply_postgres<'a>(
        &'a self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
        rows: Vec<&'a DeploymentSpan>,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        async move {
            let traces = traces(&rows);
            let sql = match self.workspaces {
                WorkspacePolicy::OnFirstUse => MAKE_AND_UPSERT,
                WorkspacePolicy::MustExist => UPSERT,
            };
            let column = traces.values();
            sqlx::query(names.statement(sql))
                .bind(traces.keys().copied().collect::<Vec<&str>>())
                .bind(
                    column
                        .clone()
                        .map(|told| told.workspace)
                        .collect::<Vec<_>>(),
                )
                .bind(column.clone().map(|told| told.parent).collect::<Vec<_>>())
                .bind(
                    column
                        .clone()
                        .map(|told| PgTimestamp(told.first))
                        .collect::<Vec<_>>(),
                )
                .bind(
                    column
                        .map(|told| PgTimestamp(told.last))
                        .collect::<Vec<_>>(),
                )
                .execute(connection)
                .await
                .map(|_| ())
        }
        .boxed()
    }

    fn apply_sqlite(
        &self,
        connection: &rusqlite::Connection,
        names: &Names,
        rows: Vec<&DeploymentSpan>,
    ) -> Result<(), rusqlite::Error> {
        let traces = traces(&rows);
        if self.workspaces == WorkspacePolicy::OnFirstUse {
            let sql = names.statement(MAKE_ON_SQLITE);
            let mut make = connection.prepare_cached(sql.as_str())?;
            let now = Timestamp::now().unix_micros();
            let workspaces: BTreeSet<Uuid> = traces.values().map(|told| told.workspace).collect();
            for workspace in workspaces {
                make.execute(params![workspace.hyphenated().to_string(), now])?;
            }
        }
        let sql = names.statement(UPSERT_ON_SQLITE);
        let mut upsert = connection.prepare_cached(sql.as_str())?;
        for (trace_id, told) in traces {
            let workspace = told.workspace.hyphenated().to_string();
            upsert.execute(params![
                trace_id,
                workspace,
                told.parent,
                told.first,
                told.last
            ])?;
        }
        Ok(())
    }
}
