//! A span as the recorder has it, and what it is in OpenTelemetry's model.

use std::sync::Arc;

use annals_record::{TextEnum, Timestamp, TimestampMicros};
use serde_json::Value;

use super::{
    journal::{Constants, count_dropped},
    status::Tally,
    value::{MetadataValue, text_json_bytes},
};
use crate::{
    NodeType, OtelSpan, Phase, SpanEvent, Status,
    intake::{MAX_ATTRIBUTES_BYTES, MAX_EVENTS_BYTES, Revision},
    span::Attributes,
};

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
    /// The room that its attributes and its events take at most.
    pub(super) attribute_bytes: usize,
    pub(super) event_bytes: usize,
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

/// Room for free attributes: what the recorder says itself is among them in a row.
const ATTRIBUTE_BYTES: usize = MAX_ATTRIBUTES_BYTES / 2;

/// Room for events, without what they are enclosed by.
const EVENT_BYTES: usize = MAX_EVENTS_BYTES - (1 << 10);

/// What an event takes beside its name, twice, and its value.
const BYTES_OF_EVENT: usize = 128;

impl Noted {
    /// Adds a free attribute or replaces the one of that name; counts it when there is no room.
    pub(super) fn set_attribute(&mut self, most: usize, key: String, value: Value) {
        let is_full = self.attributes.len() >= most;
        let there = self.attributes.iter_mut().find(|(there, _)| *there == key);
        let before = match &there {
            Some((_, value)) => MetadataValue::json_bytes(value),
            None => 0,
        };
        let added = match &there {
            Some(_) => MetadataValue::json_bytes(&value),
            None => text_json_bytes(&key) + MetadataValue::json_bytes(&value) + 4,
        };
        let bytes = self.attribute_bytes.saturating_sub(before) + added;
        match there {
            _ if bytes > ATTRIBUTE_BYTES => return self.drop_attribute(),
            Some((_, there)) => *there = value,
            None if is_full => return self.drop_attribute(),
            None => self.attributes.push((key, value)),
        }
        self.attribute_bytes = bytes;
    }

    pub(super) fn drop_attribute(&mut self) {
        self.dropped.attributes += 1;
        count_dropped("attributes", 1);
    }

    /// Adds an event; counts it when there is no room.
    pub(super) fn add_event(&mut self, most: usize, event: (String, Timestamp, Value)) {
        let (name, _, value) = &event;
        let bytes = 2 * text_json_bytes(name) + MetadataValue::json_bytes(value) + BYTES_OF_EVENT;
        if self.events.len() >= most || self.event_bytes + bytes > EVENT_BYTES {
            self.dropped.events += 1;
            count_dropped("events", 1);
            return;
        }
        self.event_bytes += bytes;
        self.events.push(event);
    }

    /// The same without what people noted of their own accord.
    pub(super) fn bare(&self) -> Self {
        Self {
            attributes: Vec::new(),
            events: Vec::new(),
            ..self.clone()
        }
    }

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
