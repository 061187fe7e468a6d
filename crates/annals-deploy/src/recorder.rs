//! Records a reconciliation while it runs.
//!
//! Nothing here waits, and nothing fails what it records: every call takes a lock for as long as it takes to note something
//! down. Persisting is the one thing that waits, and may be left to the background.
//!
//! Every started thing ends when it is dropped, so a `?` in the middle of a deployment leaves a whole trace.

use std::{sync::Arc, time::Duration};

use annals_record::Timestamp;

use crate::{
    CheckResult, Decision, EvaluationResult, OtelSpan, Result, SpanSink, Status, StepResult,
    TokenError, TokenKeys, TraceToken, Trigger, WorkspaceId,
};

/// What one recorder keeps at most. What is beyond is counted in the attributes `dropped_events`, `dropped_attributes` and
/// `dropped_spans` (under the prefix), and in the metric `annals_deploy_dropped_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Spans of a trace.
    pub spans: usize,
    /// Events of a span.
    pub events: usize,
    /// Attributes of a span, those of its own that it always has not counted.
    pub attributes: usize,
    /// Bytes of a name, a message, a key or a text value; longer ones are cut and end with `…`.
    pub text_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            spans: 10_000,
            events: 1_000,
            attributes: 256,
            text_bytes: 16 << 10,
        }
    }
}

/// How a reconciliation is recorded.
#[derive(Clone, Debug)]
#[must_use = "nothing is recorded before `start`"]
pub struct RecorderOptions {}

impl RecorderOptions {
    /// What set it off; also in the root's name.
    pub fn trigger(self, trigger: Trigger) -> Self {
        let _ = trigger;
        self
    }

    /// The deployment. Without it, it is the UUID at the end of the release target's key, if there is one.
    pub fn deployment(self, deployment_id: impl Into<String>) -> Self {
        let _ = deployment_id.into();
        self
    }

    /// Where it is persisted.
    pub fn store(self, store: Arc<dyn SpanSink>) -> Self {
        let _ = store;
        self
    }

    /// The keys with which tokens for external systems are signed.
    pub fn tokens(self, keys: TokenKeys) -> Self {
        let _ = keys;
        self
    }

    /// Another prefix of attributes than `ctrlplane.`.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        let _ = prefix.into();
        self
    }

    /// Persists what has changed this often while it runs, so that a running or crashed deployment can be seen. Needs a store and
    /// a Tokio runtime at the start.
    pub fn incremental(self, every: Duration) -> Self {
        let _ = every;
        self
    }

    /// How long persisting may take; 30 s when not set.
    pub fn persist_timeout(self, timeout: Duration) -> Self {
        let _ = timeout;
        self
    }

    /// What is kept at most.
    pub fn limits(self, limits: Limits) -> Self {
        let _ = limits;
        self
    }

    /// Begins to record.
    #[must_use = "what is dropped has ended"]
    pub fn start(self) -> ReconcileTarget {
        todo!()
    }
}

/// Records one reconciliation of one release target.
///
/// When it is dropped before [`complete`](Self::complete), the trace is completed with the status of its worst part, or as aborted
/// in a panic; and when there is a store, what was not persisted is handed to the background.
#[derive(Debug)]
pub struct ReconcileTarget {}

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
        let _ = (workspace, release_target_key.into());
        todo!()
    }

    /// How to record what continues the trace of a job, which its token tells: every span is linked to that trace, and the root
    /// hangs under the job's span.
    ///
    /// # Errors
    ///
    /// The token is refused, or is of another workspace.
    pub fn from_job(
        workspace: WorkspaceId,
        token: &str,
        keys: &TokenKeys,
    ) -> Result<RecorderOptions, TokenError> {
        let _ = (workspace, token, keys);
        todo!()
    }

    /// The trace's id: 32 hexadecimal digits.
    #[must_use]
    pub fn root_trace_id(&self) -> &str {
        todo!()
    }

    /// The workspace.
    #[must_use]
    pub fn workspace(&self) -> WorkspaceId {
        todo!()
    }

    /// Begins the planning phase.
    #[must_use = "what is dropped has ended"]
    pub fn start_planning(&self) -> Planning {
        todo!()
    }

    /// Begins the eligibility phase.
    #[must_use = "what is dropped has ended"]
    pub fn start_eligibility(&self) -> Eligibility {
        todo!()
    }

    /// Begins the execution phase.
    #[must_use = "what is dropped has ended"]
    pub fn start_execution(&self) -> Execution {
        todo!()
    }

    /// Begins an action beside the phases: a verification.
    #[must_use = "what is dropped has ended"]
    pub fn start_action(&self, name: &str) -> Action {
        let _ = name;
        todo!()
    }

    /// The job that this is about: the root and every span that begins from now on carry its id.
    pub fn set_job_id(&self, job_id: &str) {
        let _ = job_id;
        todo!()
    }

    /// The release that this is about: the root and every span that begins from now on carry its id.
    pub fn set_release_id(&self, release_id: &str) {
        let _ = release_id;
        todo!()
    }

    /// Ends the root with this status. What is still open is kept as aborted until it ends; a second call changes nothing.
    pub fn complete(&self, status: Status) {
        let _ = status;
        todo!()
    }

    /// Persists to the store that the recorder has. May be called while the trace runs, and again.
    ///
    /// # Errors
    ///
    /// There is no store ([`Error::NoStore`](crate::Error::NoStore)), it failed, or it took too long.
    pub async fn persist(&self) -> Result<()> {
        todo!()
    }

    /// Persists to another store than the recorder's.
    ///
    /// # Errors
    ///
    /// The store failed, or took too long.
    pub async fn persist_to(&self, store: &dyn SpanSink) -> Result<()> {
        let _ = store;
        todo!()
    }

    /// The spans as they are now, in OpenTelemetry's model, for an exporter of one's own: those that have ended in the order
    /// of their ends, then those that run in the order of their starts.
    #[must_use]
    pub fn spans(&self) -> Vec<OtelSpan> {
        todo!()
    }

    /// When it began.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        todo!()
    }
}

/// The planning phase.
#[derive(Debug)]
pub struct Planning {}

impl Planning {
    /// Begins the evaluation of a policy.
    #[must_use = "what is dropped has ended"]
    pub fn start_evaluation(&self, name: &str) -> Evaluation {
        let _ = name;
        todo!()
    }

    /// Notes a decision: a span of its own, called by the message.
    pub fn make_decision(&self, message: &str, decision: Decision) {
        let _ = (message, decision);
        todo!()
    }

    /// Ends the phase; a second call changes nothing.
    pub fn end(&self) {
        todo!()
    }
}

/// The eligibility phase.
#[derive(Debug)]
pub struct Eligibility {}

impl Eligibility {
    /// Begins a check.
    #[must_use = "what is dropped has ended"]
    pub fn start_check(&self, name: &str) -> Check {
        let _ = name;
        todo!()
    }

    /// Notes a decision: a span of its own, called by the message.
    pub fn make_decision(&self, message: &str, decision: Decision) {
        let _ = (message, decision);
        todo!()
    }

    /// Ends the phase; a second call changes nothing.
    pub fn end(&self) {
        todo!()
    }
}

/// The execution phase.
#[derive(Debug)]
pub struct Execution {}

impl Execution {
    /// Begins a job; its configuration becomes attributes.
    #[must_use = "what is dropped has ended"]
    pub fn trigger_job<'a>(
        &self,
        job_type: &str,
        config: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Job {
        let _ = (job_type, config.into_iter().count());
        todo!()
    }

    /// Begins an action.
    #[must_use = "what is dropped has ended"]
    pub fn start_action(&self, name: &str) -> Action {
        let _ = name;
        todo!()
    }

    /// Ends the phase; a second call changes nothing.
    pub fn end(&self) {
        todo!()
    }
}

/// The evaluation of a policy.
#[derive(Debug)]
pub struct Evaluation {}

impl Evaluation {
    /// Its result.
    pub fn set_result(&self, result: EvaluationResult, message: &str) -> &Self {
        let _ = (result, message);
        todo!()
    }

    /// Ends it; a second call changes nothing.
    pub fn end(&self) {
        todo!()
    }
}

/// An eligibility check.
#[derive(Debug)]
pub struct Check {}

impl Check {
    /// Its result.
    pub fn set_result(&self, result: CheckResult, message: &str) -> &Self {
        let _ = (result, message);
        todo!()
    }

    /// Ends it; a second call changes nothing.
    pub fn end(&self) {
        todo!()
    }
}

/// A job in another system.
#[derive(Debug)]
pub struct Job {}

impl Job {
    /// The job's id there: it and every span that begins from now on carry it.
    pub fn set_job_id(&self, job_id: &str) -> &Self {
        let _ = job_id;
        todo!()
    }

    /// A token with which the other system continues this trace under this job, for 24 hours.
    ///
    /// # Errors
    ///
    /// The recorder has no keys ([`TokenError::NoSecret`]).
    pub fn token(&self) -> Result<TraceToken, TokenError> {
        self.token_for(crate::token::DEFAULT_LIFE)
    }

    /// The same for another time.
    ///
    /// # Errors
    ///
    /// The recorder has no keys ([`TokenError::NoSecret`]).
    pub fn token_for(&self, life: Duration) -> Result<TraceToken, TokenError> {
        let _ = life;
        todo!()
    }

    /// How it went, and why.
    pub fn set_status(&self, status: Status, message: &str) -> &Self {
        let _ = (status, message);
        todo!()
    }

    /// Ends it; a second call changes nothing.
    pub fn end(&self) {
        todo!()
    }
}

/// An action, made of steps.
#[derive(Debug)]
pub struct Action {}

impl Action {
    /// Notes a step: a span of its own.
    pub fn add_step(&self, name: &str, result: StepResult, message: &str) -> &Self {
        let _ = (name, result, message);
        todo!()
    }

    /// How it went, and why.
    pub fn set_status(&self, status: Status, message: &str) -> &Self {
        let _ = (status, message);
        todo!()
    }

    /// Ends it; a second call changes nothing.
    pub fn end(&self) {
        todo!()
    }
}
