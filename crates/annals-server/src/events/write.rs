//! `stream.write`, from its arguments to what is appended.
//!
//! The second argument is a message, or, which is an addition to the contract, an array of messages
//! that are written all or nothing; each of these may have an `id` of its own.

use annals_events::{Append, NewMessage};
use uuid::Uuid;

use super::{
    arguments::{Arguments, Members, Value},
    fault::Fault,
};

/// Messages that an array may have.
const MOST: usize = 10_000;

/// What is to be appended, and how it is answered.
#[derive(Debug, PartialEq)]
pub(crate) struct Write {
    pub(crate) append: Append,
    /// An array of messages is answered with an array of places.
    pub(crate) many: bool,
}

impl Write {
    /// Reads `name, message, opts?`.
    pub(crate) fn read(arguments: &Arguments<'_>) -> Result<Self, Fault> {
        let stream = arguments.name(0, "the stream name")?;
        let given = arguments
            .get(1)
            .ok_or_else(|| Fault::invalid("the message is missing"))?;
        let options = arguments.options(2)?;
        let id = id(&options)?;
        let many = given.is_array();
        let messages = if many {
            if id.is_some() {
                return Err(Fault::invalid(
                    "id is of one message: with an array give each message its own id",
                ));
            }
            messages(given)?
        } else {
            let mut message = message(&given.members("the message")?)?;
            message.id = id;
            vec![message]
        };
        Ok(Self {
            append: Append {
                stream,
                expected_version: options.whole("expectedVersion")?,
                messages,
            },
            many,
        })
    }
}

fn messages(given: Value<'_>) -> Result<Vec<NewMessage>, Fault> {
    let elements = given.elements("the messages")?;
    if elements.is_empty() || elements.len() > MOST {
        return Err(Fault::invalid(format!(
            "an array of messages must have 1 to {MOST} of them, and has {}",
            elements.len()
        )));
    }
    let read = |element: Value<'_>| {
        let members = element.members("each message")?;
        let mut message = message(&members)?;
        message.id = id(&members)?;
        Ok(message)
    };
    elements.into_iter().map(read).collect()
}

/// An empty id is none.
fn id(members: &Members<'_>) -> Result<Option<Uuid>, Fault> {
    match members.text("id")? {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => Uuid::parse_str(&text)
            .map(Some)
            .map_err(|error| Fault::invalid(format!("id must be a UUID: {error}"))),
    }
}

fn message(members: &Members<'_>) -> Result<NewMessage, Fault> {
    let kind = members
        .text("type")?
        .filter(|kind| !kind.is_empty())
        .ok_or_else(|| Fault::invalid("type must be a string that is not empty"))?;
    let data = members
        .get("data")
        .ok_or_else(|| Fault::invalid("data must be an object"))?;
    let metadata = members
        .get("metadata")
        .filter(|value| !value.is_null())
        .map(|value| value.document("metadata"));
    Ok(NewMessage {
        id: None,
        kind,
        data: data.document("data")?,
        metadata: metadata.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use annals_record::Json;
    use serde_json::value::RawValue;

    use super::*;

    fn read(text: &str) -> Result<Write, Fault> {
        let values: Vec<&RawValue> = serde_json::from_str(text).unwrap();
        Write::read(&Arguments::new(values))
    }

    fn written(text: &str) -> Append {
        read(text).unwrap().append
    }

    #[test]
    fn a_message_has_what_was_given() {
        let append = written(
            r#"["a-1", {"type":"T","data":{"x":1.0},"metadata":{"m":9007199254740993}},
                {"id":"018f0000-0000-7000-8000-00000000000A","expectedVersion":3.0}]"#,
        );
        let json = |text| Json::parse(text).unwrap();
        let message = NewMessage::new("T", json(r#"{"x":1.0}"#))
            .with_metadata(json(r#"{"m":9007199254740993}"#))
            .with_id(Uuid::parse_str("018f0000-0000-7000-8000-00000000000a").unwrap());
        assert_eq!(append, Append::one("a-1", message).expecting(3));
    }

    #[test]
    fn what_is_absent_is_absent() {
        for text in [
            r#"["a", {"type":"T","data":{}}]"#,
            r#"["a", {"type":"T","data":{}}, {}, "surplus"]"#,
            r#"["a", {"type":"T","data":{},"metadata":null}, {"id":""}]"#,
            r#"["a", {"type":"T","data":{},"id":"ignored"}, {"unknown":null}]"#,
        ] {
            let bare = NewMessage::new("T", Json::empty_object());
            assert_eq!(written(text), Append::one("a", bare), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        let cases = [
            ("[]", "the stream name"),
            (r#"["", {}]"#, "the stream name"),
            ("[7, {}]", "the stream name"),
            (r#"["a"]"#, "the message"),
            (r#"["a", "b"]"#, "the message"),
            (r#"["a", null]"#, "the message"),
            (r#"["a", {"data":{}}]"#, "type"),
            (r#"["a", {"type":"","data":{}}]"#, "type"),
            (r#"["a", {"type":7,"data":{}}]"#, "type"),
            (r#"["a", {"type":"T"}]"#, "data"),
            (r#"["a", {"type":"T","data":null}]"#, "data"),
            (r#"["a", {"type":"T","data":[]}]"#, "data"),
            (r#"["a", {"type":"T","data":"x"}]"#, "data"),
            (r#"["a", {"type":"T","data":{},"metadata":[]}]"#, "metadata"),
            (r#"["a", {"type":"T","data":{}}, null]"#, "options"),
            (r#"["a", {"type":"T","data":{}}, []]"#, "options"),
            (r#"["a", {"type":"T","data":{}}, {"id":7}]"#, "id"),
            (r#"["a", {"type":"T","data":{}}, {"id":"no-uuid"}]"#, "id"),
            (r#"["a", {"type":"T","data":{}}, {"id":null}]"#, "id"),
            (
                r#"["a", {"type":"T","data":{}}, {"expectedVersion":null}]"#,
                "expectedVersion",
            ),
            (
                r#"["a", {"type":"T","data":{}}, {"expectedVersion":"0"}]"#,
                "expectedVersion",
            ),
            (r#"["a", []]"#, "an array of messages"),
            (r#"["a", [7]]"#, "each message"),
            (r#"["a", [{"type":"T","data":{},"id":"x"}]]"#, "id"),
        ];
        for (text, told) in cases {
            let fault = read(text).unwrap_err();
            assert_eq!(fault.code(), "INVALID_REQUEST", "{text}");
            assert!(fault.message().starts_with(told), "{text}: {fault:?}");
        }
    }

    #[test]
    fn an_array_is_written_as_one_with_an_id_for_each() {
        let id = Uuid::from_u128(7);
        let text = format!(
            r#"["a", [{{"type":"T","data":{{}},"id":"{id}"}},{{"type":"U","data":{{}}}}],
                {{"expectedVersion":-1}}]"#
        );
        let write = read(&text).unwrap();
        assert!(write.many);
        let ids: Vec<_> = write.append.messages.iter().map(|m| m.id).collect();
        assert_eq!(ids, [Some(id), None]);
        assert_eq!(write.append.expected_version, Some(-1));
        let with_id = text.replace("\"expectedVersion\":-1", &format!("\"id\":\"{id}\""));
        assert!(read(&with_id).is_err());
    }
}
