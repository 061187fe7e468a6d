//! A span as it is kept in a file, and as it goes to the server.

use annals_deploy::{
    Status,
    intake::{MAX_EVENTS_BYTES, MAX_TEXT_BYTES},
};
use annals_record::{TextEnum as _, Timestamp, Uuid};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A span in the words of `POST /api/traces/spans`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    pub(super) trace_id: String,
    pub(super) span_id: String,
    /// Absent on top: the server hangs it under the job that the token is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent_span_id: Option<String>,
    pub(super) name: String,
    pub(super) start_time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end_time: Option<String>,
    pub(super) node_type: String,
    pub(super) status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    pub(super) sequence: i32,
    pub(super) depth: i32,
    pub(super) status_code: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) attributes: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) events: Vec<Event>,
    /// Grows with each change; of two versions the server keeps the larger.
    pub(super) changes: u32,
}

/// Something to know about a span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) timestamp: String,
    pub(super) attributes: Map<String, Value>,
}

impl Span {
    /// 16 hexadecimal digits, as OpenTelemetry has them.
    pub(super) fn new_id() -> String {
        // Without the digits of a UUID that are always the same.
        let random = Uuid::new_v4().simple().to_string();
        random
            .chars()
            .take(12)
            .chain(random.chars().skip(28))
            .collect()
    }

    /// Ends it, at its start where a clock was set back meanwhile.
    pub(super) fn end(&mut self, status: Status, message: Option<&str>, now: Timestamp) {
        let began = self.start_time.parse().unwrap_or(now);
        self.end_time = Some(now.max(began).to_string());
        self.status = status.as_text().to_owned();
        self.status_code = status.code().as_text().to_owned();
        self.message = message.map(shortened);
        self.changes += 1;
    }

    /// Whether it would still be taken with this event. One that is not would take the span's end along.
    pub(super) fn has_room_for(&self, event: &Event) -> bool {
        let size = |event: &Event| serde_json::to_vec(event).map_or(usize::MAX, |text| text.len());
        let all = self
            .events
            .iter()
            .map(size)
            .fold(size(event), usize::saturating_add);
        // The server's own writing of them may be a little longer.
        all <= MAX_EVENTS_BYTES / 2
    }
}

/// As much of a text as a server takes: of a log that somebody gave as a message the end, where the reason is.
pub(super) fn shortened(text: &str) -> String {
    const CUT: &str = "… ";
    if text.len() <= MAX_TEXT_BYTES {
        return text.to_owned();
    }
    let mut from = text.len() + CUT.len() - MAX_TEXT_BYTES;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    CUT.to_owned() + text.get(from..).unwrap_or_default()
}
