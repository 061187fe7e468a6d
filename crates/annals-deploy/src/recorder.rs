//! Records a reconciliation while it runs.
//!
//! Nothing here waits, and nothing fails what it records: every call takes a lock for as long as it takes to note something
//! down. Persisting is the one thing that waits, and may be left to the background.
//!
//! Every started thing ends when it is dropped, so a `?` in the middle of a deployment leaves a whole trace.
//!
//! | Module | What lives there |
//! |---|---|
//! | `options` | how a reconciliation is recorded, and its limits |
//! | `journal` | what a recorder and everything that it started share: the one lock, sequence and depth |
//! | `noted` | a span as the recorder has it, and what it is in OpenTelemetry's model |
//! | `status` | what children say about whatever contains them |
//! | `attributes`, `value` | what people note, made so that every store can hold it |
//! | `guard` | what every started thing has in common |
//! | `phases`, `parts` | planning, eligibility, execution; evaluations, checks, jobs, actions |
//! | `persist`, `background` | what has changed goes to a store, with somebody who waits and without |
//!
//! | Metric | Kind | Labels |
//! |---|---|---|
//! | `annals_deploy_dropped_total` | counter, what was beyond the [`Limits`] or came too long after an end | `kind`: spans, events, attributes, changes |
//! | `annals_deploy_refused_total` | counter, spans that made no row with what people noted | |

mod attributes;
mod background;
mod guard;
mod journal;
mod noted;
mod options;
mod parts;
mod persist;
mod phases;
mod status;
mod value;

use std::{fmt, sync::Arc};

use annals_record::Timestamp;

pub use options::{Limits, RecorderOptions};
pub use parts::{Action, Check, Evaluation, Job};
pub use phases::{Eligibility, Execution, Planning};
pub use value::MetadataValue;

use crate::{
    NodeType, OtelSpan, Phase, Result, SpanSink, Status, TokenError, TokenKeys, WorkspaceId,
};
use guard::Guard;
use journal::{Journal, ROOT, Start};

/// Records one reconciliation of one release target.
///
/// When it is dropped before [`complete`](Self::complete), the trace is completed with the status of its worst part, or as aborted
/// in a panic; and when there is a store, what was not persisted is handed to the background.
pub struct ReconcileTarget {
    journal: Arc<Journal>,
}

impl ReconcileTarget {
    /// Begins to record, with nowhere to persist to yet; see [`persist_to`](Self::persist_to).
    #[must_use = "what is dropped has ended"]
    pub fn new(workspace: WorkspaceId, release_target_key: impl Into<String>) -> Self {
        Self::options(workspace, release_target_key).start()
    }

    /// Begins to record, for a store.
    #[must_use = "what is dropped has ended"]
    pub fn with_store(
        workspace: WorkspaceId,
        release_target_key: impl Into<String>,
        store: Arc<dyn SpanSink>,
    ) -> Self {
        Self::options(workspace, release_target_key)
            .store(store)
            .start()
    }

    /// How to record: with a trigger, tokens, more.
    pub fn options(
        workspace: WorkspaceId,
        release_target_key: impl Into<String>,
    ) -> RecorderOptions {
        RecorderOptions::new(workspace, release_target_key.into())
    }

    /// How to record what continues the trace of a job, which its token tells: every span is linked to that trace, and the root
    /// hangs under the job's span. The token is not kept; the keys are, for jobs of its own.
    ///
    /// # Errors
    ///
    /// The token is refused, or is of another workspace.
    pub fn from_job(
        workspace: WorkspaceId,
        token: &str,
        keys: &TokenKeys,
    ) -> Result<RecorderOptions, TokenError> {
        RecorderOptions::continuing(workspace, token, keys)
    }

    /// The trace's id: 32 hexadecimal digits.
    #[must_use]
    pub fn root_trace_id(&self) -> &str {
        &self.journal.constants.trace_id
    }

    /// The workspace.
    #[must_use]
    pub fn workspace(&self) -> WorkspaceId {
        self.journal.constants.workspace
    }

    /// What is deployed where; `None` when nobody said.
    #[must_use]
    pub fn release_target_key(&self) -> Option<&str> {
        self.journal.constants.release_target_key.as_deref()
    }

    /// The store that it persists to.
    #[must_use]
    pub fn store(&self) -> Option<&Arc<dyn SpanSink>> {
        self.journal.store.as_ref()
    }

    /// Begins the planning phase.
    #[must_use = "what is dropped has ended"]
    pub fn start_planning(&self) -> Planning {
        Planning(self.start("Planning", Phase::Planning, NodeType::Phase))
    }

    /// Begins the eligibility phase.
    #[must_use = "what is dropped has ended"]
    pub fn start_eligibility(&self) -> Eligibility {
        Eligibility(self.start("Eligibility", Phase::Eligibility, NodeType::Phase))
    }

    /// Begins the execution phase.
    #[must_use = "what is dropped has ended"]
    pub fn start_execution(&self) -> Execution {
        Execution(self.start("Execution", Phase::Execution, NodeType::Phase))
    }

    /// Begins an action beside the phases: a verification.
    #[must_use = "what is dropped has ended"]
    pub fn start_action(&self, name: &str) -> Action {
        Action(self.start(name, Phase::Action, NodeType::Action))
    }

    fn start(&self, name: &str, phase: Phase, node_type: NodeType) -> Guard {
        Guard::start_under(&self.journal, ROOT, Start::new(name, phase, node_type))
    }

    /// The job that this is about: the root and every span that begins from now on carry its id.
    pub fn set_job_id(&self, job_id: &str) {
        let job_id: Arc<str> = self.journal.constants.fit_id(job_id).into();
        let mut state = self.journal.state();
        state.job_id = Some(Arc::clone(&job_id));
        state.recorder_job_id = Some(Arc::clone(&job_id));
        state.touch(ROOT, |root| root.job_id = Some(job_id));
    }

    /// The release that this is about: the root and every span that begins from now on carry its id.
    pub fn set_release_id(&self, release_id: &str) {
        let release_id: Arc<str> = self.journal.constants.fit_id(release_id).into();
        let mut state = self.journal.state();
        state.release_id = Some(Arc::clone(&release_id));
        state.touch(ROOT, |root| root.release_id = Some(release_id));
    }

    /// Sets a free attribute of the root. Attributes that the recorder sets itself stay as they are, and the try is counted.
    pub fn set_attribute(&self, key: &str, value: impl Into<MetadataValue>) -> &Self {
        self.journal.set_attribute(ROOT, key, value.into());
        self
    }

    /// Ends the root with this status; with that of its worst part if it is [`Status::Running`], which is no end. What is still
    /// open is kept as aborted until it ends; a second call changes nothing.
    pub fn complete(&self, status: Status) {
        let status = Some(status).filter(|status| *status != Status::Running);
        self.journal.complete(status);
    }

    /// Persists to the store that the recorder has. May be called while the trace runs, and again: what the store has already
    /// is not written anew.
    ///
    /// # Errors
    ///
    /// There is no store ([`Error::NoStore`](crate::Error::NoStore)), it failed, or it took too long.
    pub async fn persist(&self) -> Result<()> {
        self.journal.persist().await
    }

    /// Persists everything to another store than the recorder's.
    ///
    /// # Errors
    ///
    /// The store failed, or took too long.
    pub async fn persist_to(&self, store: &dyn SpanSink) -> Result<()> {
        self.journal.persist_to(store).await
    }

    /// The spans as they are now, in OpenTelemetry's model, for an exporter of one's own: those that have ended in the order
    /// of their ends, then those that run in the order of their starts.
    #[must_use]
    pub fn spans(&self) -> Vec<OtelSpan> {
        let state = self.journal.state();
        let ended = state
            .ended
            .iter()
            .filter_map(|index| state.spans.get(*index));
        let open = state.spans.iter().filter(|span| span.end.is_none());
        let spans: Vec<_> = ended.chain(open).cloned().collect();
        drop(state);
        let constants = &self.journal.constants;
        spans.iter().map(|span| span.to_otel(constants)).collect()
    }

    /// When it began.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.journal.clock.started
    }
}

/// What was started outlives its recorder, and does not keep it from completing.
impl Drop for ReconcileTarget {
    fn drop(&mut self) {
        self.journal.leave(std::thread::panicking());
    }
}

impl fmt::Debug for ReconcileTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconcileTarget")
            .field("trace_id", &self.root_trace_id())
            .field("workspace", &self.workspace())
            .finish_non_exhaustive()
    }
}
