//! How a reconciliation is recorded.

use std::{
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use annals_record::{Timestamp, Uuid};
use tokio::runtime::Handle;

use super::{
    ReconcileTarget, background,
    journal::{Clock, Constants, Journal, Start, State},
    value,
};
use crate::{
    Intake, NodeType, Phase, SpanSink, TokenError, TokenKeys, Trigger, WorkspaceId,
    intake::{MAX_ID_BYTES, MAX_TEXT_BYTES},
};

/// What one recorder keeps at most. What is beyond is counted in the attributes `dropped_events`, `dropped_attributes` and
/// `dropped_spans` (under the prefix), and in the metric `annals_deploy_dropped_total`. So is what a span's row has no room
/// for: it has half a MiB for attributes and nearly one for events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Spans of a trace.
    pub spans: usize,
    /// Events of a span.
    pub events: usize,
    /// Attributes of a span, those of its own that it always has not counted.
    pub attributes: usize,
    /// Bytes of a name, a message, a key or a text value, at most 64 KiB; longer ones are cut and end with `…`. Ids have 512.
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

impl Limits {
    /// With another number of spans.
    #[must_use]
    pub fn with_spans(mut self, spans: usize) -> Self {
        self.spans = spans;
        self
    }

    /// With another number of events.
    #[must_use]
    pub fn with_events(mut self, events: usize) -> Self {
        self.events = events;
        self
    }

    /// With another number of attributes.
    #[must_use]
    pub fn with_attributes(mut self, attributes: usize) -> Self {
        self.attributes = attributes;
        self
    }

    /// With longer or shorter texts.
    #[must_use]
    pub fn with_text_bytes(mut self, bytes: usize) -> Self {
        self.text_bytes = bytes;
        self
    }

    pub(super) fn id_bytes(self) -> usize {
        self.text_bytes.min(MAX_ID_BYTES)
    }
}

/// How long persisting may take unless somebody says otherwise.
const PERSIST_TIMEOUT: Duration = Duration::from_secs(30);

/// How a reconciliation is recorded.
#[derive(Clone, Debug)]
#[must_use = "nothing is recorded before `start`"]
pub struct RecorderOptions {
    workspace: WorkspaceId,
    release_target_key: String,
    trigger: Option<Trigger>,
    deployment_id: Option<String>,
    job_id: Option<String>,
    /// The trace and the span that a token named.
    continues: Option<(String, String)>,
    store: Option<Arc<dyn SpanSink>>,
    keys: Option<TokenKeys>,
    prefix: String,
    incremental: Option<Duration>,
    persist_timeout: Duration,
    limits: Limits,
}

impl RecorderOptions {
    pub(super) fn new(workspace: WorkspaceId, release_target_key: String) -> Self {
        Self {
            workspace,
            release_target_key,
            trigger: None,
            deployment_id: None,
            job_id: None,
            continues: None,
            store: None,
            keys: None,
            prefix: Intake::default().prefix().to_owned(),
            incremental: None,
            persist_timeout: PERSIST_TIMEOUT,
            limits: Limits::default(),
        }
    }

    /// The token itself is not kept, what it says is.
    pub(super) fn continuing(
        workspace: WorkspaceId,
        token: &str,
        keys: &TokenKeys,
    ) -> Result<Self, TokenError> {
        let claims = keys.verify(token, Timestamp::now())?;
        claims.check_workspace(workspace)?;
        Ok(Self {
            job_id: Some(claims.job_id).filter(|job| !job.is_empty()),
            continues: Some((claims.trace_id, claims.span_id)),
            keys: Some(keys.clone()),
            ..Self::new(workspace, String::new())
        })
    }

    /// What set it off; also in the root's name.
    pub fn trigger(mut self, trigger: Trigger) -> Self {
        self.trigger = Some(trigger);
        self
    }

    /// The release target, which a token does not name.
    pub fn release_target_key(mut self, key: impl Into<String>) -> Self {
        self.release_target_key = key.into();
        self
    }

    /// The deployment. Without it, it is the UUID at the end of the release target's key, if there is one.
    pub fn deployment(mut self, deployment_id: impl Into<String>) -> Self {
        self.deployment_id = Some(deployment_id.into());
        self
    }

    /// Where it is persisted.
    pub fn store(mut self, store: Arc<dyn SpanSink>) -> Self {
        self.store = Some(store);
        self
    }

    /// The keys with which tokens for external systems are signed.
    pub fn tokens(mut self, keys: TokenKeys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Another prefix of attributes than `ctrlplane.`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Persists what has changed this often while it runs, so that a running or crashed deployment can be seen. Needs a store and
    /// a Tokio runtime at the start.
    pub fn incremental(mut self, every: Duration) -> Self {
        self.incremental = Some(every);
        self
    }

    /// How long persisting may take; 30 s when not set.
    pub fn persist_timeout(mut self, timeout: Duration) -> Self {
        self.persist_timeout = timeout;
        self
    }

    /// What is kept at most.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Begins to record.
    #[must_use = "what is dropped has ended"]
    pub fn start(self) -> ReconcileTarget {
        let incremental = self.incremental;
        let name = match self.trigger {
            Some(trigger) => format!("Reconciliation ({trigger})"),
            None => "Reconciliation".to_owned(),
        };
        let journal = Arc::new(self.journal());
        journal.begin(
            None,
            Start::new(&name, Phase::Reconciliation, NodeType::Phase),
        );
        if let Some(every) = incremental {
            background::persist_every(&journal, every);
        }
        ReconcileTarget { journal }
    }

    fn journal(self) -> Journal {
        let mut limits = self.limits;
        limits.text_bytes = limits.text_bytes.min(MAX_TEXT_BYTES);
        let most = limits.id_bytes();
        let text = |text: &str| Some(value::fit(text, most)).filter(|text| !text.is_empty());
        let (linked_trace_id, linked_span_id) = self.continues.unzip();
        let job_id: Option<Arc<str>> = self.job_id.as_deref().and_then(text).map(Into::into);
        // Version 4 has a digit that is never zero, so no id is all zero.
        let (_, seed) = Uuid::new_v4().as_u64_pair();
        Journal {
            constants: Constants {
                trace_id: Uuid::new_v4().simple().to_string(),
                seed,
                workspace: self.workspace,
                workspace_text: self.workspace.to_string(),
                release_target_key: text(&self.release_target_key),
                deployment_id: self.deployment_id.as_deref().and_then(text),
                trigger: self.trigger,
                linked_trace_id,
                linked_span_id,
                prefix: value::fit(&self.prefix, most),
                limits,
            },
            clock: Clock::start(),
            intake: Intake::with_prefix(value::fit(&self.prefix, most)),
            store: self.store,
            keys: self.keys,
            persist_timeout: self.persist_timeout,
            runtime: Handle::try_current().ok(),
            has_told_of_refusal: AtomicBool::new(false),
            state: Mutex::new(State {
                job_id: job_id.clone(),
                recorder_job_id: job_id,
                ..State::default()
            }),
        }
    }
}
