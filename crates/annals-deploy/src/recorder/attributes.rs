//! Free attributes, and those that are the recorder's own.

use serde_json::Value;

use super::{
    journal::{Constants, Journal},
    value::MetadataValue,
};

/// What may be said under a key of the recorder's own.
enum Reserved {
    /// Nothing: it says this itself, or it decides where the span belongs.
    Own,
    /// A short text, since it has a column.
    Text,
}

impl Reserved {
    /// Of a key without the prefix.
    fn of(name: &str) -> Option<Self> {
        match name {
            "phase" | "node_type" | "status" | "workspace_id" | "depth" | "sequence"
            | "parent_trace_id" | "result" | "decision" | "dropped_attributes"
            | "dropped_events" | "dropped_spans" => Some(Self::Own),
            "release_target_key" | "release_id" | "job_id" | "deployment_id" | "trigger"
            | "message" => Some(Self::Text),
            _ => None,
        }
    }
}

impl Constants {
    /// A free attribute as it is noted; `None` for one that is not free.
    pub(super) fn attribute(&self, key: &str, value: MetadataValue) -> Option<(String, Value)> {
        let name = key.strip_prefix(self.prefix.as_str());
        let value = match name.and_then(Reserved::of) {
            Some(Reserved::Own) => return None,
            Some(Reserved::Text) => value.into_text().fit(self.limits.id_bytes()),
            None => value.fit(self.limits.text_bytes),
        };
        Some((self.fit(key), value))
    }
}

impl Journal {
    /// Sets a free attribute; the last one of a key stays.
    pub(super) fn set_attribute(&self, index: usize, key: &str, value: MetadataValue) {
        let most = self.constants.limits.attributes;
        let attribute = self.constants.attribute(key, value);
        self.change(index, |span| match attribute {
            Some((key, value)) => span.set_attribute(most, key, value),
            None => span.drop_attribute(),
        });
    }
}
