//! The one road of deployment traces into the store: whose they are, a deadline, and an honest answer.

use std::time::Duration;

use annals_deploy::{
    Claims, DeploymentSpan, Deployments, DeploymentsOptions, Error, Phase, TokenError, TokenKeys,
    WorkspaceId, WorkspacePolicy,
};
use annals_record::TextEnum as _;
use annals_store::{Overflow, Store, WriteError, WriterOptions, WriterReport};

use super::body::SentSpan;
use crate::{
    Result,
    config::DeploymentsConfig,
    metrics::{self, Road},
    not_taken::{NotTaken, is_away},
    otlp::Kind,
    refusal::Refusal,
};

/// Deployment traces on their way to the store, and back.
#[derive(Debug)]
pub(crate) struct DeploymentIntake {
    deployments: Deployments,
    intake: annals_deploy::Intake,
    tokens: Option<TokenKeys>,
    must_exist: bool,
    timeout: Duration,
}

impl DeploymentIntake {
    pub(crate) async fn start(
        store: Store,
        config: &DeploymentsConfig,
        timeout: Duration,
    ) -> Result<Self> {
        let mut writer = WriterOptions::default();
        writer.overflow = Overflow::Reject;
        // A server that is away is asked often: who waits here has a client who waits.
        writer.retry_delay_max = writer.retry_delay.max(Duration::from_secs(1));
        let options = DeploymentsOptions::default()
            .with_writer(writer)
            .with_workspaces(config.workspaces);
        Ok(Self {
            deployments: Deployments::new(store, options).await?,
            intake: annals_deploy::Intake::with_prefix(config.prefix.clone()),
            tokens: config.tokens.clone(),
            must_exist: config.workspaces == WorkspacePolicy::MustExist,
            timeout,
        })
    }

    /// The store behind it, for reading.
    pub(super) fn deployments(&self) -> &Deployments {
        &self.deployments
    }

    /// What the attributes begin with that become columns.
    pub(super) fn prefix(&self) -> &str {
        self.intake.prefix()
    }

    /// Whether workspaces are not made on first use.
    pub(super) fn must_exist(&self) -> bool {
        self.must_exist
    }

    /// The keys of trace tokens.
    ///
    /// # Errors
    ///
    /// There are none.
    pub(super) fn tokens(&self) -> Result<&TokenKeys, TokenError> {
        self.tokens.as_ref().ok_or(TokenError::NoSecret)
    }

    /// The rows of spans of a workspace, all or none.
    pub(super) fn rows(
        &self,
        spans: Vec<SentSpan>,
        workspace: WorkspaceId,
    ) -> Result<Vec<DeploymentSpan>, Refusal> {
        let rows = spans.into_iter();
        let rows = rows.map(|sent| self.intake.row(sent.span, Some(workspace), sent.revision));
        let rows: Result<Vec<_>, _> = rows.collect();
        rows.map_err(|error| refused(error.into(), 0))
    }

    /// The rows of spans that came under a token, all or none: of the token's workspace, and of the phase `external` unless
    /// they say otherwise.
    pub(super) fn rows_under(
        &self,
        mut spans: Vec<SentSpan>,
        token: &Claims,
    ) -> Result<Vec<DeploymentSpan>, Refusal> {
        let phase = format!("{}phase", self.prefix());
        for SentSpan { span, .. } in &mut spans {
            let phase = span.attributes.entry(phase.as_str());
            phase.or_insert_with(|| Phase::External.as_text().into());
        }
        self.rows(spans, token.workspace)
    }

    /// Writes rows, all or none, and answers once they are committed.
    pub(super) async fn write(
        &self,
        rows: Vec<DeploymentSpan>,
        token: Option<&Claims>,
    ) -> Result<(), Refusal> {
        let road = if token.is_some() {
            Road::TraceToken
        } else {
            Road::Deployments
        };
        let count = rows.len();
        if count == 0 {
            return Ok(());
        }
        if is_away(self.deployments.writer()) {
            metrics::turned_away(Kind::Span, road, count);
            return Err(NotTaken::away().into());
        }
        let writing = async {
            match token {
                Some(token) => self.deployments.write_under(token, rows).await,
                None => self.deployments.write(rows).await,
            }
        };
        // Answered before the client gives up: it would send the same again and hear nothing.
        let written = tokio::time::timeout(self.timeout, writing).await;
        let written = written.unwrap_or_else(|_| Err(WriteError::Lost { rows: count }.into()));
        match written {
            Ok(()) => {
                metrics::kept(Kind::Span, road, count, 0);
                Ok(())
            }
            Err(error) => {
                let refusal = refused(error, count);
                if refusal.is_to_come_again() {
                    metrics::turned_away(Kind::Span, road, count);
                } else {
                    metrics::refused(Kind::Span, road, count);
                }
                Err(refusal)
            }
        }
    }

    /// The report of a writer that nobody waits for: what it holds counts as lost.
    pub(crate) fn report_as_lost(&self) -> WriterReport {
        let mut report = self.deployments.writer().report();
        report.lost += std::mem::take(&mut report.held);
        report
    }

    /// Takes nothing more, writes what is held, and reports.
    pub(crate) async fn shutdown(&self, deadline: Duration) -> WriterReport {
        self.deployments.shutdown(deadline).await
    }
}

/// Why spans were not taken.
fn refused(error: Error, rows: usize) -> Refusal {
    let message = error.to_string();
    match error {
        Error::Token(TokenError::ForeignWorkspace { .. } | TokenError::ForeignTrace { .. })
        | Error::ForeignTrace { .. }
        | Error::ForeignSpan { .. } => Refusal::forbidden(message),
        Error::Span(error) if error.is_foreign => Refusal::forbidden(message),
        Error::Token(_) => Refusal::token(message),
        Error::NoSuchWorkspace { .. } | Error::NoSuchTrace { .. } => Refusal::absent(message),
        Error::TooManySpans { .. } => Refusal::too_large(message),
        Error::Span(_) | Error::NoWorkspaceId { .. } | Error::Question { .. } => {
            Refusal::invalid(message)
        }
        Error::Store(annals_store::Error::Refused(_)) => {
            Refusal::invalid(format!("{message}; nothing of this batch was stored"))
        }
        Error::Store(annals_store::Error::Write(WriteError::Refused { cause, .. })) => {
            // What the database says in its own words may tell more of the inside than clients need.
            tracing::warn!(
                rows,
                error = cause.report(),
                "deployment traces were refused"
            );
            Refusal::invalid(
                "the table refused a span, and the server's log says why; nothing of this batch was stored",
            )
        }
        Error::Store(error) => NotTaken::of(&error, rows).into(),
        other => NotTaken::unexpected(&other, rows).into(),
    }
}
