//! A message as a line of an export.

use std::io::{self, Write};

use annals_events::Message;

/// A message, each part of it as JSON text: no number becomes another on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) id: &'a str,
    pub(super) stream: &'a str,
    pub(super) kind: &'a str,
    pub(super) position: &'a str,
    pub(super) global_position: &'a str,
    pub(super) data: &'a str,
    pub(super) metadata: &'a str,
    pub(super) time: &'a str,
}

impl Line<'_> {
    /// Writes the line with its end, members in the order that EventoDB has them in; gives its bytes without
    /// the end.
    pub(super) fn write(&self, output: &mut impl Write) -> io::Result<usize> {
        let mut length = 1;
        for (name, text) in [
            ("{\"id\":", self.id),
            (",\"stream\":", self.stream),
            (",\"type\":", self.kind),
            (",\"pos\":", self.position),
            (",\"gpos\":", self.global_position),
            (",\"data\":", self.data),
            (",\"meta\":", self.metadata),
            (",\"time\":", self.time),
        ] {
            output.write_all(name.as_bytes())?;
            length += name.len();
            // Between tokens alone: in a text, JSON has these escaped.
            for part in text.split_inclusive(['\n', '\r']) {
                let part = part.trim_end_matches(['\n', '\r']);
                output.write_all(part.as_bytes())?;
                length += part.len();
            }
        }
        output.write_all(b"}\n")?;
        Ok(length)
    }
}

/// A stored message as such a line.
pub(super) fn of(message: &Message) -> io::Result<String> {
    let line = Line {
        id: &serde_json::to_string(&message.id.to_string())?,
        stream: &serde_json::to_string(&message.stream)?,
        kind: &serde_json::to_string(&message.kind)?,
        position: &message.place.position.to_string(),
        global_position: &message.place.global_position.to_string(),
        data: &message.data,
        metadata: message.metadata.as_deref().unwrap_or("null"),
        time: &serde_json::to_string(&message.time.to_string())?,
    };
    let mut text = Vec::new();
    line.write(&mut text)?;
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_its_documents_are_laid_out_like() {
        let line = Line {
            id: "\"i\"",
            stream: "\"a-1\"",
            kind: "\"T\"",
            position: "0",
            global_position: "9007199254740993",
            data: "{\n  \"x\": 1.0,\r\n  \"t\": \"a\\nb\"\n}",
            metadata: "null",
            time: "\"2026-01-02T03:04:05.123456Z\"",
        };
        let mut text = Vec::new();
        assert_eq!(line.write(&mut text).unwrap(), text.len() - 1);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "{\"id\":\"i\",\"stream\":\"a-1\",\"type\":\"T\",\"pos\":0,\"gpos\":9007199254740993,\
             \"data\":{  \"x\": 1.0,  \"t\": \"a\\nb\"},\"meta\":null,\
             \"time\":\"2026-01-02T03:04:05.123456Z\"}\n"
        );
    }
}
