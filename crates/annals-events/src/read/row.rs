//! Rows of messages.

use annals_record::{Record, TimestampMicros, Uuid};
use annals_store::Dialect;

use crate::{Message, Place, Poke};

/// A message as statements give it, its documents as text.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "messages")]
pub(crate) struct MessageRow {
    id: Uuid,
    stream_name: String,
    kind: String,
    position: i64,
    global_position: i64,
    data: Option<String>,
    metadata: Option<String>,
    time: TimestampMicros,
}

impl MessageRow {
    pub(crate) fn into_message(self, dialect: Dialect) -> Message {
        let document = |text: String| match dialect {
            Dialect::Sqlite => text,
            _ => compact(&text),
        };
        Message {
            id: self.id,
            stream: self.stream_name,
            kind: self.kind,
            place: Place {
                position: self.position,
                global_position: self.global_position,
            },
            // Only somebody else's SQL writes a message without data.
            data: self.data.map_or_else(|| "null".to_owned(), document),
            metadata: self.metadata.map(document),
            time: self.time,
        }
    }
}

/// Where a message stands.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "messages")]
pub(crate) struct PlaceRow {
    stream_name: String,
    position: i64,
    global_position: i64,
}

impl PlaceRow {
    pub(crate) fn into_poke(self) -> Poke {
        Poke {
            stream: self.stream_name.into(),
            place: Place {
                position: self.position,
                global_position: self.global_position,
            },
        }
    }
}

/// Takes away the spaces that `jsonb` writes behind commas and colons, which is all that its text and the
/// canonical form ([`Json`](annals_record::Json)) differ in.
///
/// Nothing is parsed, so nothing is refused: a document that others wrote may be deeper than we take.
fn compact(text: &str) -> String {
    let mut compacted = String::with_capacity(text.len());
    let mut rest = text;
    // The ends of strings are where quotes are that no backslash stands before.
    while let Some((outside, string)) = rest.split_once('"') {
        push_without_spaces(outside, &mut compacted);
        compacted.push('"');
        let end = end_of_string(string);
        let (string, behind) = string.split_at_checked(end).unwrap_or((string, ""));
        compacted.push_str(string);
        rest = behind;
    }
    push_without_spaces(rest, &mut compacted);
    compacted
}

/// Where the text behind a string's last quote begins.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn push_without_spaces(text: &str, out: &mut String) {
    text.split(' ').for_each(|part| out.push_str(part));
}

#[cfg(test)]
mod tests {
    use annals_record::Json;

    use super::*;

    #[test]
    fn only_spaces_between_tokens_go() {
        let cases = [
            ("{}", "{}"),
            (
                r#"{"a": 1, "b": [1, 2, {"c": null}]}"#,
                r#"{"a":1,"b":[1,2,{"c":null}]}"#,
            ),
            (r#"{"a b": "c: d, e"}"#, r#"{"a b":"c: d, e"}"#),
            (
                r#"{"a": "\" , \\", "b": " "}"#,
                r#"{"a":"\" , \\","b":" "}"#,
            ),
            (r#"{"ü, ": "日 本\\\\"}"#, r#"{"ü, ":"日 本\\\\"}"#),
        ];
        for (jsonb, canonical) in cases {
            assert_eq!(compact(jsonb), canonical);
            assert_eq!(Json::parse(jsonb).unwrap().as_str(), canonical);
        }
    }

    #[test]
    fn broken_text_stays_as_it_is() {
        for text in ["", "\"", "\"a\\", "a\"b"] {
            assert_eq!(compact(text), text);
        }
    }
}
