//! Results, written as the text that is sent: documents go out as they lie in the database.

use std::io::Write as _;

use annals_events::{
    CategoryEntry, Message, NamespaceInfo, NamespaceSummary, Place, StreamEntry, Token,
};
use annals_record::{Timestamp, TimestampMicros};

/// A result in its making. Writing to memory does not fail, so nothing here does.
#[derive(Debug, Default)]
pub(crate) struct Answer(Vec<u8>);

impl Answer {
    /// The body, which ends in a newline.
    pub(crate) fn into_body(mut self) -> Vec<u8> {
        self.0.push(b'\n');
        self.0
    }

    fn raw(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn number(&mut self, number: i64) -> &mut Self {
        let _ = write!(self.0, "{number}");
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        let _ = serde_json::to_writer(&mut self.0, text);
        self
    }

    fn time(&mut self, time: Timestamp) -> &mut Self {
        let _ = write!(self.0, "\"{time}\"");
        self
    }

    /// A time without the fraction of its second.
    fn second(&mut self, time: TimestampMicros) -> &mut Self {
        let second = time.unix_micros().div_euclid(1_000_000);
        self.time(Timestamp::from_unix_seconds(second).unwrap_or_default())
    }

    fn array<T>(items: &[T], mut write: impl FnMut(&mut Self, &T)) -> Self {
        let mut answer = Self::default();
        answer.raw("[");
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                answer.raw(",");
            }
            write(&mut answer, item);
        }
        answer.raw("]");
        answer
    }

    fn message(&mut self, message: &Message, with_stream: bool) {
        let _ = write!(self.0, "[\"{}\",", message.id.as_hyphenated());
        if with_stream {
            self.text(&message.stream).raw(",");
        }
        self.text(&message.kind)
            .raw(",")
            .number(message.place.position)
            .raw(",")
            .number(message.place.global_position)
            .raw(",")
            .raw(&message.data)
            .raw(",")
            .raw(message.metadata.as_deref().unwrap_or("null"))
            .raw(",")
            .time(message.time.into())
            .raw("]");
    }

    fn summary(&mut self, namespace: &NamespaceSummary) -> &mut Self {
        self.raw("{\"namespace\":")
            .text(&namespace.id)
            .raw(",\"description\":")
            .text(&namespace.description)
            .raw(",\"createdAt\":")
            .second(namespace.created_at)
            .raw(",\"messageCount\":")
            .number(namespace.message_count)
    }
}

/// A text alone.
pub(crate) fn text(text: &str) -> Answer {
    let mut answer = Answer::default();
    answer.text(text);
    answer
}

/// How the server is.
pub(crate) fn health(backend: &str, connections: u32) -> Answer {
    let mut answer = Answer::default();
    answer
        .raw("{\"status\":\"ok\",\"backend\":")
        .text(backend)
        .raw(",\"connections\":")
        .number(connections.into())
        .raw("}");
    answer
}

/// Where one message was written.
pub(crate) fn place(place: Place) -> Answer {
    let mut answer = Answer::default();
    write_place(&mut answer, &place);
    answer
}

/// Where several messages were written.
pub(crate) fn places(places: &[Place]) -> Answer {
    Answer::array(places, write_place)
}

fn write_place(answer: &mut Answer, place: &Place) {
    answer
        .raw("{\"position\":")
        .number(place.position)
        .raw(",\"globalPosition\":")
        .number(place.global_position)
        .raw("}");
}

/// Messages of a stream.
pub(crate) fn of_stream(messages: &[Message]) -> Answer {
    Answer::array(messages, |answer, message| answer.message(message, false))
}

/// Messages of a category, with their streams.
pub(crate) fn of_category(messages: &[Message]) -> Answer {
    Answer::array(messages, |answer, message| answer.message(message, true))
}

/// A message, or `null`.
pub(crate) fn last(message: Option<&Message>) -> Answer {
    let mut answer = Answer::default();
    match message {
        Some(message) => answer.message(message, false),
        None => {
            answer.raw("null");
        }
    }
    answer
}

/// A stream's version, or `null`.
pub(crate) fn version(version: Option<i64>) -> Answer {
    let mut answer = Answer::default();
    match version {
        Some(version) => answer.number(version),
        None => answer.raw("null"),
    };
    answer
}

/// A namespace that was made, with the token that is told this once.
pub(crate) fn created(namespace: &NamespaceSummary, token: &Token) -> Answer {
    let mut answer = Answer::default();
    answer
        .raw("{\"namespace\":")
        .text(&namespace.id)
        .raw(",\"token\":")
        .text(token.reveal())
        .raw(",\"createdAt\":")
        .second(namespace.created_at)
        .raw("}");
    answer
}

/// A namespace that was deleted.
pub(crate) fn deleted(id: &str, at: Timestamp, messages: i64) -> Answer {
    let mut answer = Answer::default();
    answer
        .raw("{\"namespace\":")
        .text(id)
        .raw(",\"deletedAt\":")
        .time(at)
        .raw(",\"messagesDeleted\":")
        .number(messages)
        .raw("}");
    answer
}

/// All namespaces.
pub(crate) fn namespaces(namespaces: &[NamespaceSummary]) -> Answer {
    Answer::array(namespaces, |answer, namespace| {
        answer.summary(namespace).raw("}");
    })
}

/// A namespace and what is in it.
pub(crate) fn info(info: &NamespaceInfo) -> Answer {
    let mut answer = Answer::default();
    answer
        .summary(&info.summary)
        .raw(",\"streamCount\":")
        .number(info.stream_count)
        .raw(",\"lastActivity\":");
    match info.last_activity {
        Some(time) => answer.time(time.into()),
        None => answer.raw("null"),
    };
    answer.raw("}");
    answer
}

/// Streams.
pub(crate) fn streams(streams: &[StreamEntry]) -> Answer {
    Answer::array(streams, |answer, entry| {
        answer
            .raw("{\"stream\":")
            .text(&entry.stream)
            .raw(",\"version\":")
            .number(entry.version)
            .raw(",\"lastActivity\":")
            .second(entry.last_activity)
            .raw("}");
    })
}

/// Categories.
pub(crate) fn categories(categories: &[CategoryEntry]) -> Answer {
    Answer::array(categories, |answer, entry| {
        answer
            .raw("{\"category\":")
            .text(&entry.category)
            .raw(",\"streamCount\":")
            .number(entry.stream_count)
            .raw(",\"messageCount\":")
            .number(entry.message_count)
            .raw("}");
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn shown(answer: Answer) -> String {
        String::from_utf8(answer.into_body()).unwrap()
    }

    fn micros(micros: i64) -> TimestampMicros {
        TimestampMicros::from_unix_micros(micros).unwrap()
    }

    fn message() -> Message {
        Message {
            id: Uuid::from_u128(0xAB),
            stream: "a-1".to_owned(),
            kind: "\"<é>\"".to_owned(),
            place: Place {
                position: 0,
                global_position: 7,
            },
            data: r#"{"x": 1.0, "big": 9007199254740993}"#.to_owned(),
            metadata: None,
            time: micros(1_700_000_000_500_000),
        }
    }

    #[test]
    fn a_message_goes_out_with_its_document_as_it_lies_there() {
        assert_eq!(
            shown(of_stream(&[message()])),
            "[[\"00000000-0000-0000-0000-0000000000ab\",\"\\\"<é>\\\"\",0,7,\
             {\"x\": 1.0, \"big\": 9007199254740993},null,\"2023-11-14T22:13:20.5Z\"]]\n"
        );
        let with_metadata = Message {
            metadata: Some("{}".to_owned()),
            ..message()
        };
        let both = shown(of_category(&[message(), with_metadata]));
        assert!(both.starts_with("[[\"00000000-0000-0000-0000-0000000000ab\",\"a-1\","));
        assert!(both.contains("},null,") && both.contains("},{},"), "{both}");
        assert_eq!(shown(of_stream(&[])), "[]\n");
        assert_eq!(shown(last(None)), "null\n");
        assert_eq!(shown(version(None)), "null\n");
        assert_eq!(shown(version(Some(3))), "3\n");
    }

    #[test]
    fn places_are_numbers() {
        let place_of = |position| Place {
            position,
            global_position: position + 1,
        };
        assert_eq!(
            shown(place(place_of(4))),
            "{\"position\":4,\"globalPosition\":5}\n"
        );
        assert_eq!(
            shown(places(&[place_of(0), place_of(1)])),
            "[{\"position\":0,\"globalPosition\":1},{\"position\":1,\"globalPosition\":2}]\n"
        );
    }

    #[test]
    fn times_have_a_fraction_where_the_contract_has_one() {
        let time = micros(1_700_000_000_250_000);
        let entry = StreamEntry {
            stream: "a".to_owned(),
            version: 2,
            last_activity: time,
        };
        assert_eq!(
            shown(streams(&[entry])),
            "[{\"stream\":\"a\",\"version\":2,\"lastActivity\":\"2023-11-14T22:13:20Z\"}]\n"
        );
        let of = NamespaceInfo {
            summary: NamespaceSummary {
                id: "n".to_owned(),
                description: "D".to_owned(),
                created_at: micros(1_700_000_000_000_000),
                message_count: 5,
            },
            stream_count: 2,
            last_activity: Some(time),
        };
        assert_eq!(
            shown(info(&of)),
            "{\"namespace\":\"n\",\"description\":\"D\",\"createdAt\":\"2023-11-14T22:13:20Z\",\
             \"messageCount\":5,\"streamCount\":2,\"lastActivity\":\"2023-11-14T22:13:20.25Z\"}\n"
        );
    }
}
