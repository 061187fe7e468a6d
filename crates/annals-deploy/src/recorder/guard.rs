//! What every started thing has in common: it notes, it ends, and it ends when it is dropped.

use std::{fmt, sync::Arc};

use annals_record::TextEnum;

use super::{
    journal::{Journal, Start},
    noted::Noted,
    value::MetadataValue,
};
use crate::{NodeType, Phase, Status};

/// A started span.
pub(super) struct Guard {
    pub(super) journal: Arc<Journal>,
    pub(super) place: Place,
}

/// Where a span is among those of its recorder.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Kept(usize),
    /// There were too many: what it says is heard by the nearest one above it.
    Dropped {
        under: usize,
    },
}

impl Place {
    /// The span itself, or what stands for it.
    pub(super) fn nearest(self) -> usize {
        match self {
            Self::Kept(index) | Self::Dropped { under: index } => index,
        }
    }
}

impl Guard {
    pub(super) fn start_under(journal: &Arc<Journal>, parent: usize, start: Start<'_>) -> Self {
        let place = match journal.begin(Some(parent), start) {
            Some(index) => Place::Kept(index),
            None => Place::Dropped { under: parent },
        };
        Self {
            journal: Arc::clone(journal),
            place,
        }
    }

    pub(super) fn start(&self, start: Start<'_>) -> Self {
        Self::start_under(&self.journal, self.place.nearest(), start)
    }

    /// Begins and ends at once.
    pub(super) fn note(&self, start: Start<'_>) {
        self.journal.begin(Some(self.place.nearest()), start);
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Noted)) {
        if let Place::Kept(index) = self.place {
            self.journal.change(index, change);
        }
    }

    pub(super) fn set_attribute(&self, key: &str, value: MetadataValue) {
        if let Place::Kept(index) = self.place {
            self.journal.set_attribute(index, key, value);
        }
    }

    pub(super) fn add_metadata(&self, key: &str, value: MetadataValue) {
        let constants = &self.journal.constants;
        let most = constants.limits.events;
        let event = (
            constants.fit(key),
            self.journal.clock.now(),
            value.fit(constants.limits.text_bytes),
        );
        self.change(|span| span.add_event(most, event));
    }

    /// How it went. That it runs is no way to go: then its children say.
    pub(super) fn set_status(
        &self,
        status: Status,
        result: Option<&'static str>,
        message: Option<&str>,
    ) {
        if let Place::Dropped { under } = self.place {
            return self.journal.hear(under, status);
        }
        let message = message.filter(|message| !message.is_empty());
        let message = message.map(|message| self.journal.constants.fit(message));
        self.change(|span| {
            span.explicit = Some(status).filter(|status| *status != Status::Running);
            span.result = result.or(span.result);
            span.message = message;
        });
    }

    pub(super) fn end(&self, was_interrupted: bool) {
        if let Place::Kept(index) = self.place {
            self.journal.end(index, was_interrupted);
        }
    }

    /// Its id; of one that was not kept, that of the nearest one above it.
    pub(super) fn span_id(&self) -> String {
        let state = self.journal.state();
        let id = state
            .spans
            .get(self.place.nearest())
            .map(|span| span.span_id);
        drop(state);
        self.journal.constants.span_id_text(id.unwrap_or_default())
    }

    pub(super) fn decide(&self, phase: Phase, message: &str, decision: crate::Decision) {
        self.note(Start {
            ended_as: Some(decision.into()),
            decision: Some(decision.as_text()),
            ..Start::new(message, phase, NodeType::Decision)
        });
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end(std::thread::panicking());
        self.journal.persist_what_came_late();
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span")
            .field("trace_id", &self.journal.constants.trace_id)
            .field("sequence", &self.place.nearest())
            .finish_non_exhaustive()
    }
}

/// Gives a started thing what all of them have.
macro_rules! started {
    ($($name:ident),+ $(,)?) => {$(
        impl $name {
            /// Its id: 16 hexadecimal digits.
            #[must_use]
            pub fn span_id(&self) -> String {
                self.0.span_id()
            }

            /// Sets a free attribute. Attributes that the recorder sets itself stay as they are, and the try is counted.
            pub fn set_attribute(&self, key: &str, value: impl Into<crate::MetadataValue>) -> &Self {
                self.0.set_attribute(key, value.into());
                self
            }

            /// Sets several.
            pub fn set_attributes<K: AsRef<str>, V: Into<crate::MetadataValue>>(
                &self,
                attributes: impl IntoIterator<Item = (K, V)>,
            ) -> &Self {
                for (key, value) in attributes {
                    self.0.set_attribute(key.as_ref(), value.into());
                }
                self
            }

            /// Ends it; a second call changes nothing. Without a call it ends when it is dropped, in a panic as aborted.
            pub fn end(&self) {
                self.0.end(false);
            }
        }
    )+};
}

/// Gives it events.
macro_rules! with_metadata {
    ($($name:ident),+ $(,)?) => {$(
        impl $name {
            /// Notes an event of this name, with an attribute of the same name.
            pub fn add_metadata(&self, key: &str, value: impl Into<crate::MetadataValue>) -> &Self {
                self.0.add_metadata(key, value.into());
                self
            }
        }
    )+};
}

/// Gives it a status that does not follow from its children.
macro_rules! with_status {
    ($($name:ident),+ $(,)?) => {$(
        impl $name {
            /// How it went, and why. Otherwise its worst part says how it went; so it does again after
            /// [`Running`](crate::Status::Running).
            pub fn set_status(&self, status: crate::Status, message: &str) -> &Self {
                self.0.set_status(status, None, Some(message));
                self
            }
        }
    )+};
}

pub(super) use {started, with_metadata, with_status};
