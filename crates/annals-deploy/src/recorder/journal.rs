//! What a recorder and everything that it started share.
//!
//! One lock, held for as long as it takes to note something down and never across a wait. Spans are behind `Arc`s, so that
//! whoever persists takes them out by counting references; one that is changed meanwhile is copied first.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::{Duration, Instant},
};

use annals_record::Timestamp;
use metrics::counter;
use serde_json::Value;
use tokio::runtime::Handle;

use super::{Limits, noted::Noted, value};
use crate::{Intake, NodeType, Phase, SpanSink, Status, TokenKeys, Trigger, WorkspaceId};

/// The root's place among the spans.
pub(super) const ROOT: usize = 0;

/// What never changes.
pub(super) struct Constants {
    pub(super) trace_id: String,
    /// From which ids of spans are made.
    pub(super) seed: u64,
    pub(super) workspace: WorkspaceId,
    pub(super) workspace_text: String,
    pub(super) release_target_key: Option<String>,
    pub(super) deployment_id: Option<String>,
    pub(super) trigger: Option<Trigger>,
    /// The trace that this one continues, and the span there under which it hangs.
    pub(super) linked_trace_id: Option<String>,
    pub(super) linked_span_id: Option<String>,
    pub(super) prefix: String,
    pub(super) limits: Limits,
}

impl Constants {
    pub(super) fn span_id_text(&self, span_id: u64) -> String {
        format!("{span_id:016x}")
    }

    /// The id of the span with this sequence: a bijection, so that no two spans of a trace have the same, and without asking the
    /// system for randomness each time (source: SplitMix64, Steele, Lea and Flood 2014).
    fn span_id(&self, sequence: u64) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut bits = self
            .seed
            .wrapping_add(sequence.wrapping_add(1).wrapping_mul(STEP));
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // No span's id is all zero. What stands in for it is another span's with a chance of one in 2^64.
        if bits == 0 { STEP } else { bits }
    }

    pub(super) fn fit(&self, text: &str) -> String {
        value::fit(text, self.limits.text_bytes)
    }

    /// An id, and whatever else an index holds.
    pub(super) fn fit_id(&self, text: &str) -> String {
        value::fit(text, self.limits.id_bytes())
    }
}

/// Wall time at the start, and from then on a clock that does not go back: a parent encloses its children.
pub(super) struct Clock {
    pub(super) started: Timestamp,
    since: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            started: Timestamp::now(),
            since: Instant::now(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.started + self.since.elapsed()
    }
}

pub(super) struct Journal {
    pub(super) constants: Constants,
    pub(super) clock: Clock,
    pub(super) intake: Intake,
    pub(super) store: Option<Arc<dyn SpanSink>>,
    pub(super) keys: Option<TokenKeys>,
    pub(super) persist_timeout: Duration,
    /// The runtime at the start, for what has to be persisted when there is none at the end.
    pub(super) runtime: Option<Handle>,
    pub(super) has_told_of_refusal: AtomicBool,
    pub(super) state: Mutex<State>,
}

/// What changes.
#[derive(Default)]
pub(super) struct State {
    pub(super) spans: Vec<Arc<Noted>>,
    /// Those that have ended, in the order of their ends.
    pub(super) ended: Vec<usize>,
    pub(super) open: usize,
    /// Counts changes.
    pub(super) stamp: u64,
    /// Up to which change the recorder's own store has everything.
    pub(super) stored: u64,
    /// Up to which change some store has everything.
    pub(super) kept: u64,
    /// Up to which change the background was asked to persist.
    pub(super) handed_over: u64,
    /// Of spans that begin; of jobs the second, since they have ids of their own.
    pub(super) job_id: Option<Arc<str>>,
    pub(super) recorder_job_id: Option<Arc<str>>,
    pub(super) release_id: Option<Arc<str>>,
    pub(super) completed: Option<Timestamp>,
    /// Whether the recorder was dropped.
    pub(super) is_left: bool,
}

/// A span that begins.
pub(super) struct Start<'a> {
    pub(super) name: &'a str,
    pub(super) phase: Phase,
    pub(super) node_type: NodeType,
    /// How it ends at once.
    pub(super) ended_as: Option<Status>,
    pub(super) result: Option<&'static str>,
    pub(super) decision: Option<&'static str>,
    pub(super) message: Option<&'a str>,
    pub(super) job_type: Option<&'a str>,
    pub(super) attributes: Vec<(String, Value)>,
}

impl<'a> Start<'a> {
    pub(super) fn new(name: &'a str, phase: Phase, node_type: NodeType) -> Self {
        Self {
            name,
            phase,
            node_type,
            ended_as: None,
            result: None,
            decision: None,
            message: None,
            job_type: None,
            attributes: Vec::new(),
        }
    }
}

impl Journal {
    /// A panic while something was noted leaves at most that one thing unsaid.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a span; `None` when there are as many as there may be.
    pub(super) fn begin(&self, parent: Option<usize>, start: Start<'_>) -> Option<usize> {
        let limits = self.constants.limits;
        let message = start.message.filter(|message| !message.is_empty());
        let message = message.map(|message| self.constants.fit(message));
        let mut noted = Noted {
            span_id: 0,
            parent: None,
            name: self.constants.fit(start.name),
            phase: start.phase,
            node_type: start.node_type,
            depth: 0,
            sequence: 0,
            start: self.clock.started,
            end: None,
            aborted: None,
            explicit: start.ended_as,
            children: Default::default(),
            status: Status::Running,
            result: start.result,
            decision: start.decision,
            message,
            job_id: None,
            release_id: None,
            job_type: start
                .job_type
                .map(|job_type| self.constants.fit_id(job_type)),
            attributes: Vec::new(),
            events: Vec::new(),
            attribute_bytes: 0,
            event_bytes: 0,
            dropped: Default::default(),
            changes: 0,
            stamp: 0,
            created_at: None,
        };
        for (key, value) in start.attributes {
            noted.set_attribute(limits.attributes, key, value);
        }
        let mut state = self.state();
        let index = state.spans.len();
        if index >= limits.spans.max(1) {
            state.touch(ROOT, |root| root.dropped.spans += 1);
            if let (Some(parent), Some(status)) = (parent, start.ended_as) {
                state.tally(parent, None, status);
                state.follow(parent);
            }
            drop(state);
            count_dropped("spans", 1);
            return None;
        }
        let above = parent.and_then(|parent| state.spans.get(parent));
        noted.parent = parent.zip(above.map(|above| above.span_id));
        noted.depth = above.map_or(0, |above| above.depth.saturating_add(1));
        noted.sequence = i32::try_from(index).unwrap_or(i32::MAX);
        noted.span_id = self.constants.span_id(index as u64);
        if parent.is_some() {
            noted.start = self.clock.now();
        }
        noted.job_id = match start.job_type {
            Some(_) => state.recorder_job_id.clone(),
            None => state.job_id.clone(),
        };
        noted.release_id.clone_from(&state.release_id);
        noted.aborted = state.completed.map(|_| noted.start);
        let at_once = start.ended_as.map(|_| noted.start);
        state.spans.push(Arc::new(noted));
        state.open += 1;
        state.touch(index, |_| ());
        match at_once {
            Some(end) => state.end(index, end),
            None => state.follow(index),
        }
        Some(index)
    }

    /// Changes a span; what comes too long after its end is counted as dropped.
    pub(super) fn change(&self, index: usize, change: impl FnOnce(&mut Noted)) {
        let mut state = self.state();
        if state
            .spans
            .get(index)
            .is_some_and(|span| span.takes_changes())
        {
            state.touch(index, change);
            state.follow(index);
        } else {
            drop(state);
            count_dropped("changes", 1);
        }
    }

    /// Ends a span that has not ended; one that was interrupted has not ended well, whatever its children say.
    pub(super) fn end(&self, index: usize, was_interrupted: bool) {
        let mut state = self.state();
        if state
            .spans
            .get(index)
            .is_some_and(|span| span.end.is_none())
        {
            if was_interrupted {
                state.tally(index, None, Status::Aborted);
            }
            let now = self.clock.now();
            state.end(index, now);
        }
    }

    /// What a span that was not kept would have said about the one above it.
    pub(super) fn hear(&self, index: usize, status: Status) {
        let mut state = self.state();
        state.tally(index, None, status);
        state.follow(index);
    }

    /// Ends the root, with the status of its worst part if none is given. A second call changes nothing.
    pub(super) fn complete(&self, status: Option<Status>) {
        let mut state = self.state();
        if state.completed.is_some() {
            return;
        }
        let now = self.clock.now();
        state.completed = Some(now);
        for index in (ROOT + 1..state.spans.len()).rev() {
            if state
                .spans
                .get(index)
                .is_some_and(|span| span.end.is_none())
            {
                state.touch(index, |span| {
                    span.aborted = Some(now);
                    span.changes = 0;
                });
                state.follow(index);
            }
        }
        state.touch(ROOT, |root| root.explicit = status.or(root.explicit));
        state.end(ROOT, now);
    }
}

impl State {
    /// Changes a span, and counts.
    pub(super) fn touch(&mut self, index: usize, change: impl FnOnce(&mut Noted)) {
        if let Some(span) = self.spans.get_mut(index) {
            self.stamp += 1;
            let span = Arc::make_mut(span);
            change(span);
            span.changes = span.changes.saturating_add(1);
            span.stamp = self.stamp;
        }
    }

    fn end(&mut self, index: usize, now: Timestamp) {
        self.touch(index, |span| {
            span.end = Some(now);
            span.changes = 0;
        });
        self.ended.push(index);
        self.open = self.open.saturating_sub(1);
        self.follow(index);
    }

    /// Lets a span's status, and those of what contains it, follow from what was said.
    fn follow(&mut self, index: usize) {
        let mut next = Some(index);
        while let Some(index) = next.take() {
            let Some(span) = self.spans.get(index) else {
                return;
            };
            let (before, now) = (span.status, span.current_status());
            if before == now {
                return;
            }
            next = span.parent.map(|(parent, _)| parent);
            self.touch(index, |span| span.status = now);
            if let Some(parent) = next {
                self.tally(parent, Some(before), now);
            }
        }
    }

    /// What a child says; the parent's row need not change by it.
    fn tally(&mut self, index: usize, before: Option<Status>, now: Status) {
        if let Some(span) = self.spans.get_mut(index) {
            let children = &mut Arc::make_mut(span).children;
            if let Some(before) = before {
                children.remove(before);
            }
            children.add(now);
        }
    }

    /// Spans that no store has as they are now.
    pub(super) fn unkept(&self) -> usize {
        let kept = self.kept;
        self.spans.iter().filter(|span| span.stamp > kept).count()
    }
}

pub(super) fn count_dropped(kind: &'static str, count: u64) {
    counter!("annals_deploy_dropped_total", "kind" => kind).increment(count);
}

/// Without what was recorded, which is long, and without keys.
impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("trace_id", &self.constants.trace_id)
            .field("workspace", &self.constants.workspace)
            .finish_non_exhaustive()
    }
}
