//! A line of an export, to the message that it was.

use annals_events::{Place, Record};
use annals_record::{Timestamp, TimestampMicros};
use uuid::Uuid;

use super::{
    arguments::{Members, Value},
    fault::Fault,
};

/// Why a line is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unread {
    /// `INVALID_JSON` for what cannot be read at all, `INVALID_RECORD` for what breaks a rule.
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Unread {
    fn json(message: impl Into<String>) -> Self {
        Self {
            code: "INVALID_JSON",
            message: message.into(),
        }
    }

    fn record(message: impl Into<String>) -> Self {
        Self {
            code: "INVALID_RECORD",
            message: message.into(),
        }
    }
}

impl From<Fault> for Unread {
    fn from(fault: Fault) -> Self {
        Self::record(fault.message())
    }
}

/// Reads a line. Of a time, what is less than a microsecond is cut off: messages have none.
pub(crate) fn read(line: &[u8]) -> Result<Record, Unread> {
    let text = std::str::from_utf8(line.trim_ascii())
        .map_err(|error| Unread::json(format!("the line is not UTF-8: {error}")))?;
    if !text.starts_with('{') {
        return Err(Unread::json("the line is not a JSON object"));
    }
    let members: Members<'_> = serde_json::from_str(text)
        .map_err(|error| Unread::json(format!("the line is not a JSON object: {error}")))?;
    let given = |name| {
        let missing = || Unread::record(format!("{name} is missing"));
        members.get(name).ok_or_else(missing)
    };
    let id = given("id")?.text("id")?;
    let id = Uuid::parse_str(&id).map_err(|error| Unread::record(format!("id: {error}")))?;
    let time = given("time")?.text("time")?;
    let time: Timestamp = time
        .parse()
        .map_err(|error| Unread::record(format!("time: {error}")))?;
    let metadata = members.get("meta").filter(|value| !value.is_null());
    let metadata = metadata.map(|value| value.document("meta")).transpose()?;
    Ok(Record {
        id,
        stream: filled("stream", given("stream")?)?,
        kind: filled("type", given("type")?)?,
        place: Place {
            position: at_least(0, "pos", given("pos")?)?,
            global_position: at_least(1, "gpos", given("gpos")?)?,
        },
        data: given("data")?.document("data")?,
        metadata,
        time: TimestampMicros::floor(time),
    })
}

fn filled(name: &str, value: Value<'_>) -> Result<String, Unread> {
    let text = value.text(name)?;
    if text.is_empty() {
        return Err(Unread::record(format!("{name} must not be empty")));
    }
    Ok(text)
}

fn at_least(least: i64, name: &str, value: Value<'_>) -> Result<i64, Unread> {
    let number = value.whole(name)?;
    if number < least {
        return Err(Unread::record(format!("{name} must be {least} or more")));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use annals_record::Json;

    use super::*;

    const GOOD: &str = r#"{"id":"018f0000-0000-7000-8000-00000000000a","stream":"a-1","type":"T","pos":0,"gpos":7,"data":{"x":1.0},"meta":null,"time":"2024-01-02T03:04:05.123456789Z"}"#;

    #[test]
    fn a_line_is_the_message_that_it_was() {
        let json = |text| Json::parse(text).unwrap();
        let record = read(GOOD.as_bytes()).unwrap();
        let time: Timestamp = "2024-01-02T03:04:05.123456Z".parse().unwrap();
        let expected = Record {
            id: Uuid::parse_str("018f0000-0000-7000-8000-00000000000a").unwrap(),
            stream: "a-1".to_owned(),
            kind: "T".to_owned(),
            place: Place {
                position: 0,
                global_position: 7,
            },
            data: json(r#"{"x":1.0}"#),
            metadata: None,
            time: TimestampMicros::floor(time),
        };
        assert_eq!(record, expected);
        let with_meta = GOOD.replace(r#""meta":null"#, r#""meta":{"m":1}"#);
        let record = read(with_meta.as_bytes()).unwrap();
        assert_eq!(record.metadata, Some(json(r#"{"m":1}"#)));
    }

    #[test]
    fn a_line_that_cannot_be_read_and_one_that_breaks_a_rule_are_told_apart() {
        for line in ["x", "[]", "7", r#"{"id":"#, "{} {}"] {
            assert_eq!(
                read(line.as_bytes()).unwrap_err().code,
                "INVALID_JSON",
                "{line}"
            );
        }
        assert_eq!(read(b"{\"id\":\"\xff\"}").unwrap_err().code, "INVALID_JSON");
        for (from, to, told) in [
            (r#""id":"018f"#, r#""id":"no"#, "id"),
            (r#""stream":"a-1""#, r#""stream":"""#, "stream"),
            (r#""type":"T""#, r#""type":7"#, "type"),
            (r#""pos":0"#, r#""pos":-1"#, "pos"),
            (r#""gpos":7"#, r#""gpos":0"#, "gpos"),
            (r#""gpos":7,"#, "", "gpos"),
            (r#""data":{"x":1.0}"#, r#""data":[]"#, "data"),
            (r#""data":{"x":1.0}"#, r#""data":{"x":"\u0000"}"#, "data"),
            (r#""meta":null"#, r#""meta":7"#, "meta"),
            ("2024-01-02T", "yesterday", "time"),
        ] {
            let line = GOOD.replace(from, to);
            assert_ne!(line, GOOD);
            let unread = read(line.as_bytes()).unwrap_err();
            assert_eq!(unread.code, "INVALID_RECORD", "{line}");
            assert!(unread.message.starts_with(told), "{unread:?}");
        }
    }
}
