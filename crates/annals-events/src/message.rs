//! Messages: as they are written, and as they are read.

use annals_record::{Json, TimestampMicros};
use uuid::Uuid;

use crate::{Error, Result};

/// A message that is not written yet.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMessage {
    /// Its id. A retry with the same id writes nothing and gets the first write's answer. One is made
    /// when there is none, and then a retry cannot be told from another message.
    pub id: Option<Uuid>,
    /// What happened; not empty.
    pub kind: String,
    /// What is told of it: a JSON object.
    pub data: Json,
    /// What is told about the message itself: a JSON object.
    pub metadata: Option<Json>,
}

/// Messages of one stream that are written together, and what must be so.
#[derive(Clone, Debug, PartialEq)]
pub struct Append {
    /// The stream; any text that is not empty.
    pub stream: String,
    /// The version at which the stream must be: the position of its last message, -1 when it must not
    /// exist; not checked when absent.
    pub expected_version: Option<i64>,
    /// The messages, in order; at least one.
    pub messages: Vec<NewMessage>,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// In its stream, from 0, without gaps.
    pub position: i64,
    /// In its namespace, from 1, in the order of commits.
    pub global_position: i64,
}

/// A message that is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: Uuid,
    /// Its stream.
    pub stream: String,
    /// What happened.
    pub kind: String,
    /// Where it stands.
    pub place: Place,
    /// What is told of it, as JSON text.
    pub data: String,
    /// What is told about the message itself, as JSON text.
    pub metadata: Option<String>,
    /// When it was written; never before the message before it.
    pub time: TimestampMicros,
}

impl NewMessage {
    /// A message of a kind.
    #[must_use]
    pub fn new(kind: impl Into<String>, data: Json) -> Self {
        Self {
            id: None,
            kind: kind.into(),
            data,
            metadata: None,
        }
    }

    /// With an id, so that it can be written again without being there twice.
    #[must_use]
    pub fn with_id(mut self, id: Uuid) -> Self {
        self.id = Some(id);
        self
    }

    /// With metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Json) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// Bytes that it takes while it waits, roughly.
    pub(crate) fn size(&self) -> usize {
        let metadata = self.metadata.as_ref().map_or(0, |json| json.as_str().len());
        self.kind.len() + self.data.as_str().len() + metadata + 64
    }

    fn check(&self) -> Result<()> {
        check_content(&self.kind, &self.data, self.metadata.as_ref())
    }
}

impl Append {
    /// One message to a stream.
    #[must_use]
    pub fn one(stream: impl Into<String>, message: NewMessage) -> Self {
        Self {
            stream: stream.into(),
            expected_version: None,
            messages: vec![message],
        }
    }

    /// The stream must be at that version; -1 when it must not exist.
    #[must_use]
    pub fn expecting(mut self, version: i64) -> Self {
        self.expected_version = Some(version);
        self
    }

    /// Whether it can be stored in any database.
    pub(crate) fn check(&self) -> Result<()> {
        check_text("the stream name", &self.stream)?;
        if self.messages.is_empty() {
            return Err(Error::Invalid {
                field: "a write",
                problem: "must have a message",
            });
        }
        self.messages.iter().try_for_each(NewMessage::check)
    }
}

/// Whether what a message says can be stored in any database.
pub(crate) fn check_content(kind: &str, data: &Json, metadata: Option<&Json>) -> Result<()> {
    check_text("the message type", kind)?;
    check_document("data", data)?;
    metadata.map_or(Ok(()), |metadata| check_document("metadata", metadata))
}

/// Refuses what PostgreSQL's text cannot hold, on every backend alike.
pub(crate) fn check_text(field: &'static str, text: &str) -> Result<()> {
    let problem = if text.is_empty() {
        "must not be empty"
    } else if text.contains('\0') {
        "must not contain U+0000, which PostgreSQL's text cannot hold"
    } else {
        return Ok(());
    };
    Err(Error::Invalid { field, problem })
}

fn check_document(field: &'static str, document: &Json) -> Result<()> {
    let problem = if !document.as_str().starts_with('{') {
        "must be a JSON object"
    } else if document.has_nul() {
        "must not contain U+0000, which PostgreSQL's jsonb cannot hold"
    } else {
        return Ok(());
    };
    Err(Error::Invalid { field, problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_database_holds_is_refused_by_field() {
        let json = |text| Json::parse(text).unwrap();
        let good = || NewMessage::new("k", json("{}"));
        let cases = [
            (Append::one("", good()), "the stream name must not be empty"),
            (
                Append::one("a\0", good()),
                "the stream name must not contain U+0000, which PostgreSQL's text cannot hold",
            ),
            (
                Append::one("a", NewMessage::new("", json("{}"))),
                "the message type must not be empty",
            ),
            (
                Append::one("a", NewMessage::new("k", json("[]"))),
                "data must be a JSON object",
            ),
            (
                Append::one("a", good().with_metadata(json("{\"a\":\"\\u0000\"}"))),
                "metadata must not contain U+0000, which PostgreSQL's jsonb cannot hold",
            ),
            (
                Append {
                    messages: Vec::new(),
                    ..Append::one("a", good())
                },
                "a write must have a message",
            ),
        ];
        for (append, message) in cases {
            assert_eq!(append.check().unwrap_err().to_string(), message);
        }
        Append::one("a", good()).check().unwrap();
    }
}
