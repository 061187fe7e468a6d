//! Deployment traces in the database.

use std::time::Duration;

use annals_store::{Lifecycle, Page, Store, Writer, WriterOptions, WriterReport, Written};
use futures_util::future::BoxFuture;

use crate::{
    Claims, DeploymentSpan, MIGRATIONS, Result, SpanSink, Workspace, WorkspaceId, WorkspacePolicy,
    WorkspaceReads, life,
};

/// How deployment traces are kept.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DeploymentsOptions {
    /// The writer.
    pub writer: WriterOptions,
    /// What becomes of spans of a workspace that is not there.
    pub workspaces: WorkspacePolicy,
}

impl DeploymentsOptions {
    /// With another writer.
    #[must_use]
    pub fn with_writer(mut self, writer: WriterOptions) -> Self {
        self.writer = writer;
        self
    }

    /// With another policy on workspaces that are not there.
    #[must_use]
    pub fn with_workspaces(mut self, workspaces: WorkspacePolicy) -> Self {
        self.workspaces = workspaces;
        self
    }
}

/// Deployment traces in any database: built once, shared by everybody who records and reads.
#[derive(Debug)]
pub struct Deployments {
    store: Store,
    writer: Writer<DeploymentSpan>,
    workspaces: WorkspacePolicy,
}

impl Deployments {
    /// Connects, makes or migrates the tables, and starts a writer. `url` is `sqlite::memory:`, `sqlite:PATH` or
    /// `postgres://…`; nothing else differs.
    ///
    /// # Errors
    ///
    /// The database does not answer, or is newer than this program.
    pub async fn open(url: &str) -> Result<Self> {
        let store = Store::open(url).await?;
        store.migrator(&[&MIGRATIONS]).up().await?;
        Self::new(store, DeploymentsOptions::default()).await
    }

    /// Starts a writer on a store whose tables are there.
    ///
    /// # Errors
    ///
    /// The database could not be asked about the table's chunks.
    pub async fn new(store: Store, options: DeploymentsOptions) -> Result<Self> {
        let writer = store.writer_with(options.writer, None).await?;
        Ok(Self {
            store,
            writer,
            workspaces: options.workspaces,
        })
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The writer, for tickets, replay and counts.
    #[must_use]
    pub fn writer(&self) -> &Writer<DeploymentSpan> {
        &self.writer
    }

    /// What becomes of spans as they age: chunks, compression, retention.
    #[must_use]
    pub fn lifecycle(&self) -> Lifecycle {
        self.store.lifecycle(life::spans(self.store.names()))
    }

    /// The questions about one workspace.
    #[must_use]
    pub fn workspace(&self, workspace: WorkspaceId) -> WorkspaceReads<'_> {
        WorkspaceReads::new(self, workspace)
    }

    /// Writes spans in one transaction, all or none; answers once they are committed.
    ///
    /// # Errors
    ///
    /// A span that its table cannot hold, a trace of another workspace, a workspace that is not there and is not to be
    /// made, more than 10,000 spans, or the database failed: nothing was stored.
    pub async fn write(&self, spans: Vec<DeploymentSpan>) -> Result<()> {
        let _ = (spans, self.workspaces);
        todo!()
    }

    /// Writes spans that came under a token: they are of traces that continue the token's, or of that trace itself, in its
    /// workspace; the topmost of each trace hangs under the token's span. All or none.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write), or a span is not the token's to write.
    pub async fn write_under(&self, token: &Claims, spans: Vec<DeploymentSpan>) -> Result<()> {
        let _ = (token, spans);
        todo!()
    }

    /// Writes spans by way of the queue, in larger transactions; answers once each is committed or parked.
    ///
    /// # Errors
    ///
    /// Nothing was taken, or nothing can be written until somebody changes something.
    pub async fn write_each(&self, spans: Vec<DeploymentSpan>) -> Result<Written> {
        Ok(self.writer.write(spans).await?)
    }

    /// Makes a workspace; one that is there gets the name, if one is given.
    ///
    /// # Errors
    ///
    /// The name cannot be stored, or the database failed.
    pub async fn create_workspace(
        &self,
        workspace: WorkspaceId,
        name: Option<&str>,
    ) -> Result<Workspace> {
        let _ = (workspace, name);
        todo!()
    }

    /// A workspace; `None` when there is none.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn find_workspace(&self, workspace: WorkspaceId) -> Result<Option<Workspace>> {
        let _ = workspace;
        todo!()
    }

    /// Workspaces by id, at most `limit` (1,000 at most), behind those of the page that gave the cursor.
    ///
    /// # Errors
    ///
    /// The cursor is of another listing, or the database failed.
    pub async fn workspaces(&self, limit: u32, after: Option<String>) -> Result<Page<Workspace>> {
        let _ = (limit, after);
        todo!()
    }

    /// Deletes a workspace with everything in it: its spans first, in bounded steps, then what is left by the database's
    /// trigger. Gives the number of spans; `None` when there was no such workspace.
    ///
    /// # Errors
    ///
    /// The database failed; asking again goes on.
    pub async fn delete_workspace(&self, workspace: WorkspaceId) -> Result<Option<u64>> {
        let _ = workspace;
        todo!()
    }

    /// Writes what is held, and reports; see [`Writer::shutdown`]. The store stays open for whoever shares it.
    pub async fn shutdown(&self, deadline: Duration) -> WriterReport {
        self.writer.shutdown(deadline).await
    }
}

impl SpanSink for Deployments {
    fn write_spans(&self, spans: Vec<DeploymentSpan>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(spans))
    }
}
