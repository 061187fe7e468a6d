//! JSON documents in one canonical form, the same on every backend.

mod canonical;

use std::fmt;

/// A JSON document, kept as text in the form to which PostgreSQL's `jsonb` brings it.
///
/// Keys are sorted by length and then by bytes, the last of equal keys stays, white space is gone,
/// and numbers keep their exact value and scale without an exponent (`1e2` is `100`, `-0` is `0`,
/// `1.10` stays `1.10`). Two documents are equal when their texts are, on every backend.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json {
    text: Box<str>,
    has_nul: bool,
}

/// Why a text is not a [`Json`] document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON (RFC 8259).
    #[error("not JSON at byte {at}: {expected}")]
    Syntax {
        /// Byte at which it stops being JSON.
        at: usize,
        /// What would have been right there.
        expected: &'static str,
    },
    /// Deeper than [`Json::MAX_DEPTH`].
    #[error("nested deeper than {} levels at byte {at}", Json::MAX_DEPTH)]
    TooDeep {
        /// Byte at which the level begins.
        at: usize,
    },
    /// A number whose exponent would make thousands of digits of a few bytes.
    #[error(
        "the exponent of the number at byte {at} is beyond {}",
        Json::MAX_EXPONENT
    )]
    Exponent {
        /// Byte at which the number begins.
        at: usize,
    },
}

impl Json {
    /// Levels of arrays and objects that a document may have: as many as `serde_json` reads.
    pub const MAX_DEPTH: usize = 127;
    /// Largest exponent of a number, either way.
    pub const MAX_EXPONENT: i32 = 400;

    /// Reads a document and brings it to canonical form.
    ///
    /// # Errors
    ///
    /// It is not JSON, too deep, or has a number with a huge exponent.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let (text, has_nul) = canonical::canonicalize(text)?;
        Ok(Self {
            text: text.into_boxed_str(),
            has_nul,
        })
    }

    /// The empty object, `{}`.
    #[must_use]
    pub fn empty_object() -> Self {
        Self {
            text: "{}".into(),
            has_nul: false,
        }
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a text in it contains U+0000, which PostgreSQL cannot hold.
    #[must_use]
    pub const fn has_nul(&self) -> bool {
        self.has_nul
    }

    /// The document as a tree; numbers beyond 64 bits become the nearest `f64` there.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        // Canonical text is JSON by construction, so the fallback is never taken.
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

impl TryFrom<&serde_json::Value> for Json {
    type Error = JsonError;

    /// Floats keep being floats: `1e16` is written `10000000000000000.0`.
    fn try_from(value: &serde_json::Value) -> Result<Self, JsonError> {
        let mut text = String::new();
        canonical::write_value(value, &mut text);
        Self::parse(&text)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

#[cfg(test)]
mod tests;
