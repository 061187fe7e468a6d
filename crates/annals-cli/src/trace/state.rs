//! What a job has begun, and what the server has not been told yet. Pure: files and servers are elsewhere.

use annals_deploy::{NodeType, Status, StepResult};
use annals_record::{TextEnum as _, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    error::TraceError,
    span::{Event, Span, shortened},
};

/// The form in which a state is written. Another one is read by no other program.
const VERSION: u32 = 1;

/// Where a part of the result of a step stands; readers know it by this name.
const RESULT: &str = "ctrlplane.result";

/// Everything that must be known between two commands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    version: u32,
    /// Which token it is of: a hash that does not lead back.
    pub(super) token: String,
    trace_id: String,
    next_sequence: i32,
    /// Not to try before then, since the last try was waited for in vain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quiet_until: Option<String>,
    /// In the order of starts: those that are open, and those that are not delivered.
    spans: Vec<Kept>,
}

/// A span, and what is known of it besides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    span: Span,
    /// Which version the server has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivered: Option<u32>,
    /// The worst status among what ended below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    worst: Option<String>,
}

/// A version of a span that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    trace_id: String,
    span_id: String,
    changes: u32,
}

impl From<&Span> for Version {
    fn from(span: &Span) -> Self {
        Self {
            trace_id: span.trace_id.clone(),
            span_id: span.span_id.clone(),
            changes: span.changes,
        }
    }
}

impl State {
    /// Nothing has begun yet.
    pub(super) fn new(token: String, trace_id: String) -> Self {
        Self {
            version: VERSION,
            token,
            trace_id,
            next_sequence: 0,
            quiet_until: None,
            spans: Vec::new(),
        }
    }

    /// Reads one; the error says what is wrong with it.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        // Another version may have any other field.
        let Versioned { version } = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        if version != VERSION {
            return Err(format!(
                "it is of version {version}, and this program writes version {VERSION}"
            ));
        }
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }

    /// Nothing is open, and nothing has to be delivered: it can be forgotten.
    pub(super) fn is_over(&self) -> bool {
        self.spans.is_empty()
    }

    pub(super) fn has_open(&self) -> bool {
        self.spans.iter().any(Kept::is_open)
    }

    /// Begins an action, under the innermost open one or under the one that is named.
    pub(super) fn start(
        &mut self,
        name: &str,
        under: Option<&str>,
        now: Timestamp,
    ) -> Result<Version, TraceError> {
        let span = self.begin(name, under, now)?;
        let version = Version::from(&span);
        self.spans.push(Kept::new(span));
        Ok(version)
    }

    /// A step that is over already.
    pub(super) fn step(
        &mut self,
        name: &str,
        result: StepResult,
        message: Option<&str>,
        under: Option<&str>,
        now: Timestamp,
    ) -> Result<Version, TraceError> {
        let mut span = self.begin(name, under, now)?;
        let result_text = Value::String(result.as_text().to_owned());
        span.attributes.insert(RESULT.to_owned(), result_text);
        span.end(result.into(), message, now);
        self.tell_parent(&span, result.into());
        let version = Version::from(&span);
        self.spans.push(Kept::new(span));
        Ok(version)
    }

    /// Adds something to know about the innermost open action, or the one that is named.
    pub(super) fn metadata(
        &mut self,
        key: &str,
        value: Value,
        of: Option<&str>,
        now: Timestamp,
    ) -> Result<(), TraceError> {
        if key.trim().is_empty() {
            return Err(TraceError::NoName { what: "metadata" });
        }
        let at = self.open(of)?.ok_or(TraceError::NothingOpen)?;
        let Some(kept) = self.spans.get_mut(at) else {
            return Err(TraceError::NothingOpen);
        };
        let event = Event {
            name: key.to_owned(),
            timestamp: now.to_string(),
            attributes: Map::from_iter([(key.to_owned(), value)]),
        };
        if !kept.span.has_room_for(&event) {
            return Err(TraceError::NoRoom {
                name: kept.span.name.clone(),
            });
        }
        kept.span.events.push(event);
        kept.span.changes += 1;
        Ok(())
    }

    /// Ends the innermost open action, or the one that is named with what is open below it. The worst of what was
    /// below decides when no status is given.
    pub(super) fn end(
        &mut self,
        status: Option<Status>,
        message: Option<&str>,
        of: Option<&str>,
        now: Timestamp,
    ) -> Result<(), TraceError> {
        let at = self.open(of)?.ok_or(TraceError::NothingOpen)?;
        while let Some(below) = self.innermost_below(at) {
            self.end_at(below, None, None, now);
        }
        self.end_at(at, status, message, now);
        Ok(())
    }

    /// Ends everything that is open, the innermost first: that one with the status, the others by what was below them.
    pub(super) fn end_all(
        &mut self,
        status: Option<Status>,
        message: Option<&str>,
        now: Timestamp,
    ) {
        let (mut status, mut message) = (status, message);
        while let Some(at) = self.spans.iter().rposition(Kept::is_open) {
            self.end_at(at, status.take(), message.take(), now);
        }
    }

    /// What the server does not have.
    pub(super) fn pending(&self) -> Vec<Span> {
        let pending = self.spans.iter().filter(|kept| kept.is_pending());
        pending.map(|kept| kept.span.clone()).collect()
    }

    /// The server has these versions: what has ended with one of them needs not be known any more.
    pub(super) fn delivered(&mut self, versions: &[Version]) {
        self.quiet_until = None;
        self.spans.retain_mut(|kept| {
            let is_of = |version: &&Version| version.span_id == kept.span.span_id;
            for version in versions.iter().filter(is_of) {
                // What another command sent meanwhile may be newer.
                kept.delivered = kept.delivered.max(Some(version.changes));
            }
            kept.is_open() || kept.is_pending()
        });
    }

    /// A try took long in vain: nobody should wait for another one before then.
    pub(super) fn be_quiet_until(&mut self, time: Timestamp) {
        self.quiet_until = Some(time.to_string());
    }

    pub(super) fn is_quiet_at(&self, now: Timestamp) -> bool {
        let until = self.quiet_until.as_ref();
        let until = until.and_then(|time| time.parse::<Timestamp>().ok());
        until.is_some_and(|until| now < until)
    }

    fn begin(
        &mut self,
        name: &str,
        under: Option<&str>,
        now: Timestamp,
    ) -> Result<Span, TraceError> {
        if name.trim().is_empty() {
            return Err(TraceError::NoName { what: "action" });
        }
        let parent = self.open(under)?.and_then(|at| self.spans.get(at));
        let span = Span {
            trace_id: self.trace_id.clone(),
            span_id: Span::new_id(),
            parent_span_id: parent.map(|kept| kept.span.span_id.clone()),
            name: shortened(name),
            start_time: now.to_string(),
            end_time: None,
            node_type: NodeType::Action.as_text().to_owned(),
            status: Status::Running.as_text().to_owned(),
            message: None,
            sequence: self.next_sequence,
            depth: parent.map_or(0, |kept| kept.span.depth + 1),
            status_code: Status::Running.code().as_text().to_owned(),
            attributes: Map::new(),
            events: Vec::new(),
            changes: 0,
        };
        self.next_sequence += 1;
        Ok(span)
    }

    /// Where the innermost open action is, or the one that is named.
    fn open(&self, named: Option<&str>) -> Result<Option<usize>, TraceError> {
        let Some(id) = named else {
            return Ok(self.spans.iter().rposition(Kept::is_open));
        };
        let is_named = |kept: &Kept| kept.is_open() && kept.span.span_id == id;
        match self.spans.iter().position(is_named) {
            Some(at) => Ok(Some(at)),
            None => Err(TraceError::NoSuchAction { id: id.to_owned() }),
        }
    }

    /// The last begun of those open actions that are below this one, at whatever depth.
    fn innermost_below(&self, top: usize) -> Option<usize> {
        let mut below = vec![self.spans.get(top)?.span.span_id.as_str()];
        let mut last = None;
        for (at, kept) in self.spans.iter().enumerate() {
            let parent = kept.span.parent_span_id.as_deref();
            if kept.is_open() && parent.is_some_and(|parent| below.contains(&parent)) {
                below.push(&kept.span.span_id);
                last = Some(at);
            }
        }
        last
    }

    fn end_at(&mut self, at: usize, status: Option<Status>, message: Option<&str>, now: Timestamp) {
        let Some(kept) = self.spans.get_mut(at) else {
            return;
        };
        let worst = kept.worst.as_deref().and_then(Status::from_text);
        let status = status.or(worst).unwrap_or(Status::Completed);
        kept.span.end(status, message, now);
        let span = kept.span.clone();
        self.tell_parent(&span, status);
    }

    fn tell_parent(&mut self, child: &Span, status: Status) {
        let parent = self.spans.iter_mut().find(|kept| {
            kept.is_open() && Some(&kept.span.span_id) == child.parent_span_id.as_ref()
        });
        if let Some(parent) = parent {
            let worst = parent.worst.as_deref().and_then(Status::from_text);
            let worst = worst.map_or(status, |worst| worst.worse(status));
            parent.worst = Some(worst.as_text().to_owned());
        }
    }
}

impl Version {
    pub(super) fn trace_id(&self) -> &str {
        &self.trace_id
    }

    pub(super) fn span_id(&self) -> &str {
        &self.span_id
    }
}

impl Kept {
    fn new(span: Span) -> Self {
        Self {
            span,
            delivered: None,
            worst: None,
        }
    }

    fn is_open(&self) -> bool {
        self.span.end_time.is_none()
    }

    fn is_pending(&self) -> bool {
        self.delivered.is_none_or(|has| has < self.span.changes)
    }
}

#[cfg(test)]
mod tests;
