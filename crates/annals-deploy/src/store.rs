//! Deployment traces in the database.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use annals_record::{TextEnum as _, Uuid};
use annals_store::{Lifecycle, Store, WriteError, Writer, WriterOptions, WriterReport, Written};
use futures_util::future::BoxFuture;

use crate::{
    Claims, DeploymentSpan, DeploymentTrace, Error, MIGRATIONS, Phase, Result, SpanSink,
    TokenError, WorkspaceId, WorkspacePolicy, WorkspaceReads, directory::Directory, life,
};

/// Ids that are asked for in one statement.
const OPERANDS: usize = 1_000;

/// How often spans are written whose workspace is deleted at every try.
const TRIES: u32 = 3;

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
        let companion = Arc::new(Directory {
            workspaces: options.workspaces,
        });
        let writer = store.writer_with(options.writer, Some(companion)).await?;
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

    /// Writes spans in one transaction, all or none; answers once they are committed. A version of a span that is not newer
    /// than what is there changes nothing.
    ///
    /// # Errors
    ///
    /// A span that its table cannot hold, a trace of another workspace, a workspace that is not there and is not to be
    /// made, more than 10,000 spans or 16 MiB, or the database failed: nothing was stored.
    pub async fn write(&self, spans: Vec<DeploymentSpan>) -> Result<()> {
        if spans.is_empty() {
            return Ok(());
        }
        for span in &spans {
            self.store.check(span)?;
        }
        let traces = spans.iter().map(|span| span.trace_id.as_str());
        let known = self.known_traces(traces).await?;
        let is_foreign = |span: &&DeploymentSpan| {
            let trace = known.get(&span.trace_id);
            trace.is_some_and(|trace| trace.workspace_id != span.workspace_id)
        };
        if let Some(span) = spans.iter().find(is_foreign) {
            return Err(Error::ForeignTrace {
                trace_id: span.trace_id.clone(),
            });
        }
        self.commit(spans).await
    }

    /// Writes spans that came under a token, all or none: of traces that continue the token's, or of that trace itself, in the
    /// token's workspace. What is topmost in such a trace hangs under the token's span, and what has no job is of the token's.
    ///
    /// Spans of the trace itself are marked as external: they take the place of no others.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write), or a span is not the token's to write.
    pub async fn write_under(&self, token: &Claims, mut spans: Vec<DeploymentSpan>) -> Result<()> {
        if spans.is_empty() {
            return Ok(());
        }
        for span in &mut spans {
            adopt(token, span)?;
            self.store.check(span)?;
        }
        let traces = spans.iter().map(|span| span.trace_id.as_str());
        let known = self
            .known_traces(traces.chain([token.trace_id.as_str()]))
            .await?;
        let is_foreign = |trace: &DeploymentTrace| trace.workspace_id != token.workspace.uuid();
        if known.get(&token.trace_id).is_some_and(is_foreign) {
            let of = token.workspace;
            return Err(TokenError::ForeignTrace { of }.into());
        }
        for span in &spans {
            let is_ours = match known.get(&span.trace_id) {
                Some(trace) if is_foreign(trace) => false,
                Some(_) if span.trace_id == token.trace_id => true,
                Some(trace) => trace.parent_trace_id.as_deref() == Some(&token.trace_id),
                None => true,
            };
            if !is_ours {
                return Err(Error::ForeignTrace {
                    trace_id: span.trace_id.clone(),
                });
            }
        }
        self.check_places(token, &spans).await?;
        self.commit(spans).await
    }

    /// Refuses spans of the token's own trace that would take the place of what somebody else recorded there.
    async fn check_places(&self, token: &Claims, spans: &[DeploymentSpan]) -> Result<()> {
        let within = spans.iter().filter(|span| span.trace_id == token.trace_id);
        let ids: BTreeSet<&str> = within.map(|span| span.span_id.as_str()).collect();
        let foreign_span = |span_id: &str| Error::ForeignSpan {
            trace_id: token.trace_id.clone(),
            span_id: span_id.to_owned(),
        };
        if ids.contains(token.span_id.as_str()) {
            return Err(foreign_span(&token.span_id));
        }
        for part in Vec::from_iter(ids).chunks(OPERANDS) {
            let query = self.store.query::<DeploymentSpan>();
            let is_external = DeploymentSpan::PHASE.eq(Phase::External.as_text());
            let taken = query
                .filter(DeploymentSpan::TRACE_ID.eq(token.trace_id.as_str()))
                .filter(DeploymentSpan::SPAN_ID.is_in(part.iter().copied()))
                .filter(!is_external)
                .limit(1)
                .fetch()
                .await?;
            if let Some(span) = taken.rows.first() {
                return Err(foreign_span(&span.span_id));
            }
        }
        Ok(())
    }

    /// The directory's rows of traces.
    async fn known_traces(
        &self,
        traces: impl Iterator<Item = &str>,
    ) -> Result<HashMap<String, DeploymentTrace>> {
        let ids: BTreeSet<&str> = traces.collect();
        let mut known = HashMap::new();
        for part in Vec::from_iter(ids).chunks(OPERANDS) {
            let query = self.store.query::<DeploymentTrace>();
            let query = query.filter(DeploymentTrace::TRACE_ID.is_in(part.iter().copied()));
            let rows = query.fetch().await?.rows;
            known.extend(rows.into_iter().map(|row| (row.trace_id.clone(), row)));
        }
        Ok(known)
    }

    async fn commit(&self, spans: Vec<DeploymentSpan>) -> Result<()> {
        if self.workspaces == WorkspacePolicy::MustExist {
            let ids: BTreeSet<Uuid> = spans.iter().map(|span| span.workspace_id).collect();
            for id in ids {
                self.must_find(id.into()).await?;
            }
        }
        let workspace = spans
            .first()
            .map(|span| WorkspaceId::from(span.workspace_id));
        let count = spans.len();
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.writer.write_whole(spans.clone()).await {
                Ok(()) => return Ok(()),
                Err(WriteError::TooLarge { bytes, .. }) => {
                    return Err(Error::TooManySpans {
                        spans: count,
                        bytes,
                    });
                }
                Err(error) => error,
            };
            // The workspace was deleted just now.
            let gone = matches!(&error, WriteError::Refused { cause, .. }
                if is_without_workspace(cause.code().as_deref()));
            match (gone, self.workspaces, workspace) {
                (true, WorkspacePolicy::OnFirstUse, _) if tries < TRIES => {}
                (true, WorkspacePolicy::MustExist, Some(workspace)) => {
                    return Err(Error::NoSuchWorkspace { workspace });
                }
                _ => return Err(error.into()),
            }
        }
    }

    /// Writes spans by way of the queue, in larger transactions; answers once each is committed or parked.
    ///
    /// # Errors
    ///
    /// Nothing was taken, or nothing can be written until somebody changes something.
    pub async fn write_each(&self, spans: Vec<DeploymentSpan>) -> Result<Written> {
        Ok(self.writer.write(spans).await?)
    }

    /// Writes what is held, and reports; see [`Writer::shutdown`]. The store stays open for whoever shares it.
    pub async fn shutdown(&self, deadline: Duration) -> WriterReport {
        self.writer.shutdown(deadline).await
    }
}

/// Makes a span one that continues the token's trace.
fn adopt(token: &Claims, span: &mut DeploymentSpan) -> Result<()> {
    if span.workspace_id != token.workspace.uuid() {
        return Err(TokenError::ForeignWorkspace {
            of: token.workspace,
            asked: span.workspace_id.into(),
        }
        .into());
    }
    if span.trace_id == token.trace_id {
        span.parent_trace_id = None;
        span.phase = Some(Phase::External.as_text().to_owned());
    } else {
        match span.parent_trace_id.as_deref() {
            Some(parent) if parent != token.trace_id => {
                return Err(Error::ForeignTrace {
                    trace_id: parent.to_owned(),
                });
            }
            _ => span.parent_trace_id = Some(token.trace_id.clone()),
        }
    }
    if span.parent_span_id.is_none() {
        span.parent_span_id = Some(token.span_id.clone());
    }
    if span.job_id.is_none() && !token.job_id.is_empty() {
        span.job_id = Some(token.job_id.clone());
    }
    Ok(())
}

/// Whether a batch failed since its workspace is not there.
fn is_without_workspace(code: Option<&str>) -> bool {
    // SQLITE_CONSTRAINT_FOREIGNKEY
    matches!(code, Some("23503" | "SQLITE_787"))
}

impl SpanSink for Deployments {
    fn write_spans(&self, spans: Vec<DeploymentSpan>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.write(spans))
    }
}
