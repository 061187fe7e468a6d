//! Trace and span ids as InferTrace's clients send them, and ids for spans that have none.
//!
//! | What arrives | What is kept |
//! |---|---|
//! | 16 bytes for a trace, 8 for a span or a parent | lower-case hexadecimal |
//! | other bytes that are UTF-8 without control characters | that text |
//! | any other bytes | lower-case hexadecimal |
//! | a text of 32 or 16 hexadecimal digits | the same in lower case |
//! | any other text | the same |
//! | nothing, or zeros alone | no id |
//!
//! Zeros are what a client sends that never filled its array in, and OpenTelemetry calls them
//! invalid. Taken as an id they would put all such spans into one trace.
//!
//! An id that is absent is a UUID of version 5 over the whole message: all 32 digits of it for a
//! trace, the first 16 for a span. The same span sent again gets the same ids, and its second copy
//! finds the first one's key taken. Spans of one batch that are equal and have no span id are taken for
//! different spans, and get different ids by their order; the same batch sent again gets the same ones.
//! Equal spans in different batches are taken for the same span.

use std::collections::HashMap;

use annals_record::Uuid;

use crate::otlp::{FieldError, Problem};

/// Bytes of a trace's id.
pub(super) const TRACE: usize = 16;

/// Bytes of a span's id.
pub(super) const SPAN: usize = 8;

/// Bytes of an id of bytes, or characters of an id of text, that are accepted at most. Two of them
/// have to fit into an entry of an index, about 2,700 bytes in PostgreSQL.
pub const LONGEST: usize = 256;

/// Ids that the senders left to us, of the spans that were taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MadeIds {
    /// Trace ids that were made.
    pub trace_ids: usize,
    /// Span ids that were made.
    pub span_ids: usize,
}

impl MadeIds {
    /// All of them.
    #[must_use]
    pub const fn total(self) -> usize {
        self.trace_ids + self.span_ids
    }
}

/// The text of an id of bytes; `length` are the bytes that it has by the contract.
pub(super) fn of_bytes(
    id: &[u8],
    length: usize,
    field: &'static str,
) -> Result<Option<String>, FieldError> {
    check(id.len(), "bytes", field)?;
    Ok(readable(id, length))
}

/// The same for a refusal, which says what it can.
pub(super) fn readable(id: &[u8], length: usize) -> Option<String> {
    if id.iter().all(|byte| *byte == 0) {
        return None;
    }
    match std::str::from_utf8(id) {
        Ok(text) if id.len() != length && !text.contains(char::is_control) => known(text),
        _ => Some(hex::encode(id)),
    }
}

/// The text of an id of text.
pub(super) fn of_text(id: &str, field: &'static str) -> Result<Option<String>, FieldError> {
    check(id.chars().count(), "characters", field)?;
    Ok(known(id))
}

fn check(found: usize, unit: &'static str, field: &'static str) -> Result<(), FieldError> {
    if found <= LONGEST {
        return Ok(());
    }
    Err(FieldError::new(
        field,
        Problem::Type {
            found: format!("an id of {found} {unit}"),
            expected: "one of at most 256",
        },
    ))
}

/// An id of text in the form in which it is kept, if it is one.
fn known(text: &str) -> Option<String> {
    let is_hex = [2 * TRACE, 2 * SPAN].contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.is_empty() || (is_hex && text.bytes().all(|byte| byte == b'0')) {
        None
    } else if is_hex {
        Some(text.to_ascii_lowercase())
    } else {
        Some(text.to_owned())
    }
}

/// Names for what is hashed here; random numbers, made once. Changing one gives a span that is sent
/// again another id, so none is ever changed.
const CONTENT: Uuid = Uuid::from_u128(0x6e92_678a_3c28_4870_96c5_4cc4_3712_3d40);
const TRACE_IDS: Uuid = Uuid::from_u128(0xbc53_3e1b_fc5e_4510_b951_b987_60ea_a644);
const SPAN_IDS: Uuid = Uuid::from_u128(0x7591_efda_2fe4_4121_8ae2_3a66_d4f3_28ad);

/// Makes the ids that the spans of one batch lack.
#[derive(Debug, Default)]
pub(super) struct Maker {
    /// How many spans of this content had no span id yet.
    seen: HashMap<Uuid, u64>,
    made: MadeIds,
}

impl Maker {
    /// How many were made so far.
    pub(super) fn made(&self) -> MadeIds {
        self.made
    }

    /// The ids of a span, made where they are absent. `content` is the span's message.
    pub(super) fn complete(
        &mut self,
        trace_id: Option<String>,
        span_id: Option<String>,
        content: impl FnOnce() -> Vec<u8>,
    ) -> (String, String) {
        if let (Some(trace_id), Some(span_id)) = (&trace_id, &span_id) {
            return (trace_id.clone(), span_id.clone());
        }
        let content = Uuid::new_v5(&CONTENT, &content());
        // Where the sender names the span, an equal one is the same one.
        let ordinal = if span_id.is_none() {
            let count = self.seen.entry(content).or_default();
            std::mem::replace(count, count.saturating_add(1))
        } else {
            0
        };
        let mut name = content.as_bytes().to_vec();
        name.extend(ordinal.to_be_bytes());
        let trace_id = trace_id.unwrap_or_else(|| {
            self.made.trace_ids += 1;
            hex::encode(Uuid::new_v5(&TRACE_IDS, &name).as_bytes())
        });
        let span_id = span_id.unwrap_or_else(|| {
            self.made.span_ids += 1;
            let (first, _) = Uuid::new_v5(&SPAN_IDS, &name).as_u64_pair();
            hex::encode(first.to_be_bytes())
        });
        (trace_id, span_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(id: &[u8]) -> Option<String> {
        of_bytes(id, TRACE, "trace_id").unwrap()
    }

    fn text(id: &str) -> Option<String> {
        of_text(id, "trace_id").unwrap()
    }

    #[test]
    fn bytes_of_the_right_length_are_hexadecimal_even_when_they_are_letters() {
        assert_eq!(bytes(&[0xAB; 16]), Some("ab".repeat(16)));
        assert_eq!(
            bytes(b"sixteen letters!"),
            Some("7369787465656e206c65747465727321".to_owned())
        );
        assert_eq!(
            of_bytes(b"eight by", SPAN, "span_id").unwrap(),
            Some("6569676874206279".to_owned())
        );
    }

    #[test]
    fn other_bytes_stay_text_where_they_are_one() {
        assert_eq!(bytes(b"trace-7"), Some("trace-7".to_owned()));
        assert_eq!(bytes("Zürich".as_bytes()), Some("Zürich".to_owned()));
        assert_eq!(bytes(b"a\0b"), Some("610062".to_owned()));
        assert_eq!(bytes(b"a\nb"), Some("610a62".to_owned()));
        assert_eq!(bytes(&[0xFF, 0xFE]), Some("fffe".to_owned()));
    }

    #[test]
    fn hexadecimal_digits_are_one_id_in_either_case_and_on_either_road() {
        let digits = "4BF92F3577B34DA6A3CE929D0E0E4736";
        let expected = Some(digits.to_ascii_lowercase());
        assert_eq!(text(digits), expected);
        assert_eq!(bytes(digits.as_bytes()), expected);
        assert_eq!(bytes(&hex::decode(digits).unwrap()), expected);
        assert_eq!(
            text("00F067AA0BA902B7"),
            Some("00f067aa0ba902b7".to_owned())
        );
    }

    #[test]
    fn any_other_text_stays_as_it_came() {
        for id in [
            "Request 7",
            "ABCDEF",
            "4BF92F35-77B3-4DA6-A3CE-929D0E0E4736",
            "0",
            "é",
        ] {
            assert_eq!(text(id), Some(id.to_owned()));
        }
    }

    #[test]
    fn nothing_and_zeros_are_no_id() {
        for id in [&[][..], &[0; 16], &[0; 8]] {
            assert_eq!(bytes(id), None);
        }
        assert_eq!(bytes(&[b'0'; 32]), None);
        for id in ["", &"0".repeat(32), &"0".repeat(16)] {
            assert_eq!(text(id), None);
        }
    }

    #[test]
    fn an_id_has_its_longest_length() {
        assert!(of_bytes(&[1; LONGEST], TRACE, "trace_id").is_ok());
        assert!(of_text(&"ü".repeat(LONGEST), "trace_id").is_ok());
        assert_eq!(
            of_bytes(&[1; 257], TRACE, "trace_id")
                .unwrap_err()
                .to_string(),
            "trace_id is an id of 257 bytes where one of at most 256 is due"
        );
        assert_eq!(
            of_text(&"ü".repeat(300), "span_id")
                .unwrap_err()
                .to_string(),
            "span_id is an id of 300 characters where one of at most 256 is due"
        );
    }

    #[test]
    fn made_ids_have_opentelemetrys_form_and_never_change() {
        let (trace_id, span_id) = Maker::default().complete(None, None, || b"content".to_vec());
        // A span that is sent again to a newer release has to get these.
        assert_eq!(trace_id, "e6eb9972597651cca1b8e7c1a2f18086");
        assert_eq!(span_id, "101cbbf6f6bf5d73");
    }

    #[test]
    fn equal_spans_of_a_batch_differ_unless_the_sender_named_them() {
        let mut maker = Maker::default();
        let mut made = |span_id: Option<&str>| {
            maker.complete(None, span_id.map(str::to_owned), || b"content".to_vec())
        };
        let (first, second) = (made(None), made(None));
        assert_ne!(first.0, second.0);
        assert_ne!(first.1, second.1);
        assert_eq!(made(Some("a")), made(Some("a")));
        assert_eq!(
            maker.made(),
            MadeIds {
                trace_ids: 4,
                span_ids: 2
            }
        );
    }
}
