//! A span as the recorder has it, and what it is in OpenTelemetry's model.

use std::sync::Arc;

use annals_record::{TextEnum, Timestamp, TimestampMicros};
use serde_json::Value;

use super::{journal::Constants, status::Tally};
use crate::{NodeType, OtelSpan, Phase, SpanEvent, Status, intake::Revision, span::Attributes};

/// Changes after the end that are noted: a revision has room for 255, and a span's children need some.
const CHANGES_AFTER_END: u32 = 200;

/// A span while it is recorded. Shared with whoever persists it, and copied when it is changed meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Noted {
    pub(super) span_id: u64,
    /// Which one it hangs under; `None` for the root.
    pub(super) parent: Option<(usize, u64)>,
    pub(super) name: String,
    pub(super) phase: Phase,
    pub(super) node_type: NodeType,
    pub(super) depth: i32,
    pub(super) sequence: i32,
    pub(super) start: Timestamp,
    pub(super) end: Option<Timestamp>,
    /// When the recorder was completed while this was open.
    pub(super) aborted: Option<Timestamp>,
    /// What somebody said.
    pub(super) explicit: Option<Status>,
    /// What its children say.
    pub(super) children: Tally,
    /// What follows from all of this.
    pub(super) status: Status,
    pub(super) result: Option<&'static str>,
    pub(super) decision: Option<&'static str>,
    pub(super) message: Option<String>,
    pub(super) job_id: Option<Arc<str>>,
    pub(super) release_id: Option<Arc<str>>,
    pub(super) job_type: Option<String>,
    pub(super) attributes: Vec<(String, Value)>,
    pub(super) events: Vec<(String, Timestamp, Value)>,
    pub(super) dropped: Dropped,
    /// Of the kind of version that it is: running, aborted or ended.
    pub(super) changes: u32,
    /// When it was changed last, on the journal's count.
    pub(super) stamp: u64,
    pub(super) created_at: Option<TimestampMicros>,
}

/// What was beyond the limits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dropped {
    pub(super) attributes: u64,
    pub(super) events: u64,
    /// Of the whole trace; at its root.
    pub(super) spans: u64,
}

impl Noted {
    /// What its row says now.
    pub(super) fn current_status(&self) -> Status {
        if self.end.is_none() {
            return match self.aborted {
                Some(_) => Status::Aborted,
                None => Status::Running,
            };
        }
        let without_children = match self.node_type {
            NodeType::Evaluation | NodeType::Check => Status::Unset,
            NodeType::Phase | NodeType::Decision | NodeType::Action => Status::Completed,
        };
        self.explicit
            .or_else(|| self.children.worst())
            .unwrap_or(without_children)
    }

    /// Whether its owner may still change it.
    pub(super) fn takes_changes(&self) -> bool {
        self.end.is_none() || self.changes < CHANGES_AFTER_END
    }

    pub(super) fn revision(&self) -> Revision {
        match (self.end, self.aborted) {
            (Some(end), _) => Revision::ended(end, self.changes),
            (None, Some(end)) => Revision::aborted(end, self.changes),
            (None, None) => Revision::running(self.changes),
        }
    }

    /// In OpenTelemetry's model. What somebody noted never takes the place of what the recorder says.
    pub(super) fn to_otel(&self, constants: &Constants) -> OtelSpan {
        let span_id = constants.span_id_text(self.span_id);
        let mut span = OtelSpan::new(&constants.trace_id, span_id, &self.name, self.start);
        span.parent_span_id = match self.parent {
            Some((_, parent)) => Some(constants.span_id_text(parent)),
            None => constants.linked_span_id.clone(),
        };
        span.end_time = self.end.or(self.aborted);
        span.status_code = self.status.code();
        span.status_message.clone_from(&self.message);
        span.attributes = self.attributes.iter().cloned().collect();
        self.add_own(constants, &mut span.attributes);
        let event = |(name, timestamp, value): &(String, Timestamp, Value)| SpanEvent {
            name: name.clone(),
            timestamp: *timestamp,
            attributes: Attributes::from_iter([(name.clone(), value.clone())]),
        };
        span.events = self.events.iter().map(event).collect();
        span
    }

    fn add_own(&self, constants: &Constants, attributes: &mut Attributes) {
        let is_root = self.parent.is_none();
        let text = |text: &str| Some(Value::from(text));
        let optional = |value: Option<&str>| value.map(Value::from);
        let count = |count: u64| (count > 0).then(|| Value::from(count));
        let own = [
            ("phase", text(self.phase.as_text())),
            ("node_type", text(self.node_type.as_text())),
            ("status", text(self.status.as_text())),
            ("workspace_id", text(&constants.workspace_text)),
            ("depth", Some(self.depth.into())),
            ("sequence", Some(self.sequence.into())),
            (
                "release_target_key",
                optional(constants.release_target_key.as_deref()),
            ),
            ("release_id", optional(self.release_id.as_deref())),
            ("job_id", optional(self.job_id.as_deref())),
            (
                "parent_trace_id",
                optional(constants.linked_trace_id.as_deref()),
            ),
            (
                "deployment_id",
                optional(constants.deployment_id.as_deref()),
            ),
            (
                "trigger",
                optional(
                    constants
                        .trigger
                        .filter(|_| is_root)
                        .map(|trigger| trigger.as_text()),
                ),
            ),
            ("result", optional(self.result)),
            ("decision", optional(self.decision)),
            ("message", optional(self.message.as_deref())),
            ("job_type", optional(self.job_type.as_deref())),
            ("dropped_attributes", count(self.dropped.attributes)),
            ("dropped_events", count(self.dropped.events)),
            ("dropped_spans", count(self.dropped.spans)),
        ];
        for (name, value) in own {
            if let Some(value) = value {
                attributes.insert(format!("{}{name}", constants.prefix), value);
            }
        }
    }
}
