//! Why a span, a log record or a data point is refused, by the name of its field.

use std::fmt;

use annals_record::{JsonError, Timestamp};

/// Ids longer than this are not repeated in a refusal.
const LONGEST_ID: usize = 64;

/// Characters of a value that are repeated in a refusal.
const LONGEST_QUOTE: usize = 40;

/// A field that cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct FieldError {
    /// The field, with the way to it: `events[2].time_unix_nano`. Protobuf's names where the message
    /// came as protobuf, JSON's where it came as JSON.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field; reads on after its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A field without which there is no record.
    #[error("is missing")]
    Missing,
    /// An id of another length.
    #[error("has {found} bytes where {expected} are due")]
    Length {
        /// Bytes that it has.
        found: usize,
        /// Bytes that it should have.
        expected: usize,
    },
    /// An id of zeros alone, which OpenTelemetry calls invalid.
    #[error("is all zeros")]
    Zeros,
    /// A time that does not fit.
    #[error("lies outside 1970-01-01 to 2262-04-11, the nanoseconds that 64 bits can count")]
    Time,
    /// A number that its enumeration does not know.
    #[error("is {found}, which is not {expected}")]
    Enumeration {
        /// The number.
        found: i32,
        /// What it should be one of.
        expected: &'static str,
    },
    /// An attribute too deep to come out again on every road.
    #[error("is nested deeper than {most} levels")]
    TooDeep {
        /// Levels that it may have.
        most: usize,
    },
    /// More attributes than are allowed.
    #[error("are {found} where at most {most} are allowed (MAX_ATTRIBUTES)")]
    TooMany {
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// More values inside a value than are allowed.
    #[error("has {found} values where at most {most} are allowed (MAX_ATTRIBUTES)")]
    TooWide {
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A start too long ago or too far ahead.
    #[error(
        "is {found}, outside {earliest} to {latest}, which MAX_SPAN_AGE and MAX_SPAN_LEAD allow"
    )]
    Window {
        /// The start.
        found: Timestamp,
        /// The earliest that is allowed.
        earliest: Timestamp,
        /// The latest that is allowed.
        latest: Timestamp,
    },
    /// Something else than the protocol says.
    #[error("is {found} where {expected} is due")]
    Type {
        /// What it is, shortened.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A value with two types at once.
    #[error("has both {first} and {second}")]
    Ambiguous {
        /// One of them.
        first: &'static str,
        /// Another.
        second: &'static str,
    },
    /// A name as in protobuf's definitions; a reader that ignored it would lose the field.
    #[error("is not a name of OTLP/JSON, which says {expected}")]
    Name {
        /// OTLP/JSON's name.
        expected: &'static str,
    },
    /// Not JSON, or beyond what a JSON reader takes.
    #[error("is not JSON that can be read: {message}")]
    Syntax {
        /// What the reader said.
        message: String,
    },
    /// A value that the table at hand cannot hold.
    #[error("{reason}")]
    Table {
        /// Why, as the rest of a sentence.
        reason: &'static str,
    },
    /// JSON that cannot be stored.
    #[error("cannot be kept: {0}")]
    Json(#[from] JsonError),
}

impl FieldError {
    /// A problem with `field`.
    pub(crate) fn new(field: impl Into<String>, problem: impl Into<Problem>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }

    /// The same seen from the message around it.
    pub(crate) fn within(mut self, message: &str) -> Self {
        if !self.field.is_empty() {
            self.field.insert(0, '.');
        }
        self.field.insert_str(0, message);
        self
    }

    /// The same seen from a list of messages around it.
    pub(crate) fn within_item(self, list: &str, index: usize) -> Self {
        self.within(&item(list, index))
    }

    /// The same; of a value that has no name inside a message, this is it.
    pub(crate) fn or_named(self, name: &str) -> Self {
        if self.field.is_empty() {
            self.within(name)
        } else {
            self
        }
    }

    /// The same with the names that OTLP/JSON has for protobuf's.
    pub(crate) fn with_json_names(mut self) -> Self {
        self.field = lower_camel_case(&self.field);
        self
    }
}

/// The way to an item of a list.
pub(crate) fn item(list: &str, index: usize) -> String {
    format!("{list}[{index}]")
}

fn lower_camel_case(snake: &str) -> String {
    let mut camel = String::with_capacity(snake.len());
    let mut upper = false;
    for character in snake.chars() {
        if character == '_' {
            upper = true;
        } else if std::mem::take(&mut upper) {
            camel.extend(character.to_uppercase());
        } else {
            camel.push(character);
        }
    }
    camel
}

/// A text from outside, cut so that it can stand in a message.
pub(crate) fn quote(text: &str) -> String {
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(LONGEST_QUOTE).collect();
    let dots = if characters.next().is_some() {
        "…"
    } else {
        ""
    };
    format!("{start:?}{dots}")
}

/// Of what kind a record of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A span.
    Span,
    /// A log record.
    LogRecord,
    /// A point of a metric.
    DataPoint,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Span => "span",
            Self::LogRecord => "log record",
            Self::DataPoint => "data point",
        })
    }
}

/// What tells whoever sent a record which one is meant, as given, as far as that can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its trace.
    pub trace_id: Option<String>,
    /// Its span.
    pub span_id: Option<String>,
    /// The metric that it is a point of.
    pub metric: Option<String>,
}

impl Identity {
    /// That of a span, or of what was said in one.
    #[must_use]
    pub fn of_span(trace_id: Option<String>, span_id: Option<String>) -> Self {
        Self {
            trace_id,
            span_id,
            metric: None,
        }
    }

    /// That of a point of a metric.
    #[must_use]
    pub fn of_metric(name: Option<String>) -> Self {
        Self {
            metric: name,
            ..Self::default()
        }
    }
}

/// One record that was not taken over, while the others were.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct RefusedRecord {
    /// Of what kind it is.
    pub kind: Kind,
    /// Its place among all records of the request, from 0.
    pub index: usize,
    /// Its trace, as given, where that can be told.
    pub trace_id: Option<String>,
    /// Its span, as given, where that can be told.
    pub span_id: Option<String>,
    /// The metric that it is a point of, where that can be told.
    pub metric: Option<String>,
    /// Why. Part of the message, so not its source as well.
    pub reason: Box<FieldError>,
}

impl RefusedRecord {
    pub(crate) fn new(kind: Kind, index: usize, identity: Identity, reason: FieldError) -> Self {
        let repeatable = |id: &String| !id.is_empty() && id.len() <= LONGEST_ID;
        Self {
            kind,
            index,
            trace_id: identity.trace_id.filter(repeatable),
            span_id: identity.span_id.filter(repeatable),
            metric: identity.metric.filter(|name| !name.is_empty()),
            reason: Box::new(reason),
        }
    }
}

impl fmt::Display for RefusedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.index)?;
        let span = match self.kind {
            Kind::Span => "id",
            Kind::LogRecord | Kind::DataPoint => "span",
        };
        let trace_id = self.trace_id.as_ref().map(|id| format!("trace {id:?}"));
        let span_id = self.span_id.as_ref().map(|id| format!("{span} {id:?}"));
        let metric = self.metric.as_ref();
        let metric = metric.map(|name| format!("metric {}", quote(name)));
        let told: Vec<_> = [trace_id, span_id, metric].into_iter().flatten().collect();
        if !told.is_empty() {
            write!(f, " ({})", told.join(", "))?;
        }
        write!(f, " refused: {}", self.reason)
    }
}
