//! What people note: values of metadata and of free attributes, made so that every store can hold them.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use annals_record::Timestamp;
use serde_json::Value;

/// A value of metadata or of an attribute. Made from texts, truth values, numbers, lists of texts and times by `into()`;
/// from anything else by [`printed`](Self::printed) or [`debugged`](Self::debugged).
///
/// Nothing that can be put in fails a trace: what JSON has no number for is its text (`NaN`, `Infinity`, `-Infinity`), and
/// characters that no database keeps (NUL) are replaced when they are noted.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataValue(Value);

impl MetadataValue {
    /// As it is displayed.
    #[must_use]
    pub fn printed(value: &(impl fmt::Display + ?Sized)) -> Self {
        Self(Value::String(value.to_string()))
    }

    /// As it is displayed to programmers.
    #[must_use]
    pub fn debugged(value: &(impl fmt::Debug + ?Sized)) -> Self {
        Self(Value::String(format!("{value:?}")))
    }

    /// As it is noted, with texts of so many bytes at most.
    pub(super) fn fit(self, most: usize) -> Value {
        match self.0 {
            Value::String(text) => Value::String(fit_owned(text, most)),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| Self(item).fit(most)).collect())
            }
            other => other,
        }
    }

    /// At least the bytes that a value takes as JSON.
    pub(super) fn json_bytes(value: &Value) -> usize {
        match value {
            Value::String(text) => text_json_bytes(text),
            Value::Array(items) => {
                items
                    .iter()
                    .map(|item| 2 + Self::json_bytes(item))
                    .sum::<usize>()
                    + 2
            }
            // A float in the form to which databases bring it has every digit.
            _ => 350,
        }
    }

    /// The same as a text, for columns of text.
    pub(super) fn into_text(self) -> Self {
        match self.0 {
            Value::String(_) => self,
            other => Self(Value::String(other.to_string())),
        }
    }
}

/// A text as every store can hold it, and of so many bytes at most.
pub(super) fn fit(text: &str, most: usize) -> String {
    if text.len() <= most && !text.contains('\0') {
        return text.to_owned();
    }
    let whole = text.replace('\0', "\u{fffd}");
    if whole.len() <= most {
        return whole;
    }
    let kept = whole.floor_char_boundary(most.saturating_sub('…'.len_utf8()));
    let mut cut = whole;
    cut.truncate(kept);
    cut.push('…');
    cut
}

/// At least the bytes that a text takes as JSON.
pub(super) fn text_json_bytes(text: &str) -> usize {
    let bytes = text.bytes().map(|byte| match byte {
        b'"' | b'\\' => 2,
        byte if byte.is_ascii_control() => 6,
        _ => 1,
    });
    bytes.sum::<usize>() + 2
}

fn fit_owned(text: String, most: usize) -> String {
    if text.len() <= most && !text.contains('\0') {
        text
    } else {
        fit(&text, most)
    }
}

macro_rules! from_json {
    ($($type:ty),+ $(,)?) => {$(
        impl From<$type> for MetadataValue {
            fn from(value: $type) -> Self {
                Self(Value::from(value))
            }
        }
    )+};
}

from_json!(
    &str, String, bool, i8, i16, i32, i64, u8, u16, u32, u64, usize, isize
);

impl From<&String> for MetadataValue {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<f64> for MetadataValue {
    fn from(number: f64) -> Self {
        Self(match number {
            number if number.is_finite() => Value::from(number),
            number if number.is_nan() => Value::from("NaN"),
            number if number > 0.0 => Value::from("Infinity"),
            _ => Value::from("-Infinity"),
        })
    }
}

impl From<f32> for MetadataValue {
    fn from(number: f32) -> Self {
        f64::from(number).into()
    }
}

impl<T: Into<String>> From<Vec<T>> for MetadataValue {
    fn from(texts: Vec<T>) -> Self {
        let texts = texts.into_iter().map(|text| Value::String(text.into()));
        Self(Value::Array(texts.collect()))
    }
}

impl From<&[&str]> for MetadataValue {
    fn from(texts: &[&str]) -> Self {
        texts.to_vec().into()
    }
}

impl From<&[String]> for MetadataValue {
    fn from(texts: &[String]) -> Self {
        texts.to_vec().into()
    }
}

impl<const N: usize> From<[&str; N]> for MetadataValue {
    fn from(texts: [&str; N]) -> Self {
        texts.as_slice().into()
    }
}

/// In RFC 3339, to the second.
impl From<Timestamp> for MetadataValue {
    fn from(time: Timestamp) -> Self {
        let seconds = time.unix_nanos().div_euclid(1_000_000_000);
        Self::printed(&Timestamp::from_unix_seconds(seconds).unwrap_or(time))
    }
}

/// In RFC 3339, to the second; a time that no [`Timestamp`] can hold is printed as programmers see it.
impl From<SystemTime> for MetadataValue {
    fn from(time: SystemTime) -> Self {
        let nanos = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_nanos()).ok(),
            Err(before) => i64::try_from(before.duration().as_nanos())
                .ok()
                .and_then(i64::checked_neg),
        };
        match nanos {
            Some(nanos) => Timestamp::from_unix_nanos(nanos).into(),
            None => Self::debugged(&time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_cut_between_characters_and_says_so() {
        assert_eq!(fit("abcdef", 6), "abcdef");
        assert_eq!(fit("abcdefg", 6), "abc…");
        assert_eq!(fit("äöüäöü", 8), "äö…");
        assert!(fit(&"ä".repeat(50), 8).len() <= 8);
        // A replaced NUL is longer than it was.
        assert_eq!(fit("a\0b", 3), "…");
        assert_eq!(fit("a\0b", 5), "a\u{fffd}b");
    }
}
