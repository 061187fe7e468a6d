//! Every question that is asked of traces, each within one workspace.
//!
//! | Module | What lives there |
//! |---|---|
//! | `listing` | lists of spans and traces, newest first, page by page |
//! | `trace` | one trace, and the children of one of its spans |
//! | `linked` | a trace with those that it continues and those that continue it |
//! | `decisions` | what was decided against, and why |
//! | `phases` | durations and failures by phase |
//! | `window`, `cursor` | which stretch of time, and which page |

mod cursor;
mod decisions;
mod linked;
mod listing;
mod phases;
mod trace;
mod window;

use annals_record::Timestamp;

use crate::{DeploymentSpan, Deployments, Result, Tree, WorkspaceId};

/// When, and which page: what every listing takes. Times are those at which spans began, to the microsecond.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Only what began then or later; the listing's window before `until` when not set.
    pub since: Option<Timestamp>,
    /// Only what began before; now when not set.
    pub until: Option<Timestamp>,
    /// At most so many; 100 when not set or zero, and never more than 1,000.
    pub limit: Option<u32>,
    /// The cursor of the page before. It brings that page's window along, and `since` and `until` mean nothing beside it.
    pub after: Option<String>,
}

/// A page of a listing, and the window that it is of.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The rows, newest first.
    pub rows: Vec<T>,
    /// Where the next page begins; `None` when there is none.
    pub next: Option<String>,
    /// What was looked through: from here,
    pub since: Timestamp,
    /// up to here, excluded.
    pub until: Timestamp,
}

/// Which spans to list. Only what is set is a condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanFilter {
    /// Of this phase.
    pub phase: Option<String>,
    /// With this status.
    pub status: Option<String>,
    /// Of this kind.
    pub node_type: Option<String>,
    /// Of this deployment.
    pub deployment_id: Option<String>,
    /// Whose name contains this, taken literally and with case.
    pub name: Option<String>,
}

/// Which traces to list, by their topmost spans. Only what is set is a condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceFilter {
    /// Of this deployment.
    pub deployment_id: Option<String>,
    /// Of this release.
    pub release_id: Option<String>,
    /// Of this release target.
    pub release_target_key: Option<String>,
    /// Of this job.
    pub job_id: Option<String>,
    /// That this set off.
    pub trigger: Option<String>,
    /// With this status.
    pub status: Option<String>,
}

/// A deployment that was decided against.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedDeployment {
    /// Its trace.
    pub trace_id: String,
    /// What should have been deployed where.
    pub release_target_key: Option<String>,
    /// The deployment.
    pub deployment_id: Option<String>,
    /// The phase of the decision.
    pub phase: Option<String>,
    /// The decision in words: the span's message, or else its name.
    pub message: String,
    /// When it was decided.
    pub decided_at: Timestamp,
}

/// Why a release target is not deployed: the latest decision about it, and what blocked it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BlockedTarget {
    /// The trace of the latest decision.
    pub trace_id: String,
    /// The decision, as it was recorded.
    pub decision: DeploymentSpan,
    /// Evaluations and checks of the same trace and phase that failed, in the order in which they began: the reasons, at
    /// most 1,000.
    pub blocked_by: Vec<DeploymentSpan>,
}

/// How one phase went: what its spans of the kind `phase` tell.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PhaseStatistics {
    /// The phase.
    pub phase: String,
    /// Spans of the phase that ended.
    pub count: u64,
    /// Of these the ones that failed or were aborted.
    pub failed: u64,
    /// `failed / count`, from 0 to 1.
    pub failure_rate: f64,
    /// Spans of the phase that have not ended.
    pub running: u64,
    /// Mean duration in nanoseconds.
    pub mean_nanos: i64,
    /// Durations by the nearest-rank rule, in nanoseconds.
    pub p50_nanos: i64,
    /// 95 of 100.
    pub p95_nanos: i64,
    /// 99 of 100.
    pub p99_nanos: i64,
    /// The longest.
    pub max_nanos: i64,
}

/// The questions, within one workspace: nothing of another can be reached from here.
#[derive(Clone, Copy, Debug)]
pub struct WorkspaceReads<'a> {
    deployments: &'a Deployments,
    workspace: WorkspaceId,
}

/// Lists come newest first; spans that began at once come by their ids. Each page goes on exactly behind the one before,
/// whatever was written meanwhile. What a listing is narrowed to is taken literally.
///
/// # Errors
///
/// Every question can fail as the database does. A listing also fails when `since` is later than `until`
/// ([`Error::Question`](crate::Error::Question)), and when its cursor is of another listing or of another workspace.
impl<'a> WorkspaceReads<'a> {
    pub(crate) fn new(deployments: &'a Deployments, workspace: WorkspaceId) -> Self {
        Self {
            deployments,
            workspace,
        }
    }

    /// Every span of a trace, by start, and by sequence where they began at once.
    ///
    /// # Errors
    ///
    /// There is no such trace in this workspace ([`Error::NoSuchTrace`](crate::Error::NoSuchTrace)), or the database failed.
    pub async fn trace(&self, trace_id: &str) -> Result<Vec<DeploymentSpan>> {
        trace::spans(self.deployments.store(), self.workspace, trace_id).await
    }

    /// The children of a span in its own trace, by sequence, then by start; none of a span that is not there. What other
    /// traces hang under it is in [`tree`](Self::tree).
    pub async fn children(&self, trace_id: &str, span_id: &str) -> Result<Vec<DeploymentSpan>> {
        let store = self.deployments.store();
        trace::children(store, self.workspace, trace_id, span_id).await
    }

    /// Spans of a release; of the last 90 days unless asked otherwise.
    pub async fn of_release(&self, release_id: &str, asked: Asked) -> Result<Page<DeploymentSpan>> {
        let store = self.deployments.store();
        listing::of_release(store, self.workspace, release_id, &asked).await
    }

    /// Spans of a release target; of the last 7 days unless asked otherwise.
    pub async fn of_release_target(&self, key: &str, asked: Asked) -> Result<Page<DeploymentSpan>> {
        let store = self.deployments.store();
        listing::of_release_target(store, self.workspace, key, &asked).await
    }

    /// Spans of a job; of the last 90 days unless asked otherwise.
    pub async fn of_job(&self, job_id: &str, asked: Asked) -> Result<Page<DeploymentSpan>> {
        let store = self.deployments.store();
        listing::of_job(store, self.workspace, job_id, &asked).await
    }

    /// Spans; of the last 7 days unless asked otherwise.
    pub async fn spans(&self, filter: SpanFilter, asked: Asked) -> Result<Page<DeploymentSpan>> {
        let store = self.deployments.store();
        listing::spans(store, self.workspace, filter, &asked).await
    }

    /// Topmost spans, those that have no span above them; of the last 7 days unless asked otherwise.
    pub async fn roots(&self, asked: Asked) -> Result<Page<DeploymentSpan>> {
        listing::roots(self.deployments.store(), self.workspace, &asked).await
    }

    /// Traces, each by its topmost span, whose columns decide; of the last 7 days unless asked otherwise, of the last 90
    /// when a release or a job is asked for. Traces that continue another one hang under a span of that, and are in its
    /// [`tree`](Self::tree).
    pub async fn traces(&self, filter: TraceFilter, asked: Asked) -> Result<Page<DeploymentSpan>> {
        let store = self.deployments.store();
        listing::traces(store, self.workspace, filter, &asked).await
    }

    /// The whole tree of a trace: those that it continues, those that continue it, and so on; at most 1,000 traces and
    /// 100,000 spans, and the tree says when there was more. What is cut is what is furthest from the trace. A link to a
    /// trace of another workspace leads nowhere.
    ///
    /// # Errors
    ///
    /// There is no such trace in this workspace ([`Error::NoSuchTrace`](crate::Error::NoSuchTrace)), or the database failed.
    pub async fn tree(&self, trace_id: &str) -> Result<Tree> {
        linked::tree(self.deployments.store(), self.workspace, trace_id).await
    }

    /// Deployments that were decided against, newest first, each trace once, by the last such decision in it; of the last
    /// 24 hours unless asked otherwise. A trace in which there is a new one while pages are turned has left those behind.
    pub async fn failed(&self, asked: Asked) -> Result<Page<FailedDeployment>> {
        decisions::failed(self.deployments.store(), self.workspace, &asked).await
    }

    /// Why a release target is not deployed: the latest decision about it, of whichever phase, when that was against it,
    /// within the last 90 days. `None` when it was for it, that is completed, and when there is none: a reconciliation that
    /// ended before it decided anything is among the [`traces`](Self::traces) that failed.
    pub async fn why_not_deployed(&self, key: &str) -> Result<Option<BlockedTarget>> {
        decisions::why_not_deployed(self.deployments.store(), self.workspace, key).await
    }

    /// Durations and failure rates by phase, in the order of a reconciliation, other phases behind by name; of one
    /// deployment or of all, of the last 7 days unless asked otherwise (`limit` and `after` mean nothing here).
    pub async fn phases(
        &self,
        deployment_id: Option<&str>,
        asked: Asked,
    ) -> Result<Vec<PhaseStatistics>> {
        let store = self.deployments.store();
        phases::statistics(store, self.workspace, deployment_id, &asked).await
    }
}
