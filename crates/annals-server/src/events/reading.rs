//! `stream.get`, `stream.last`, `category.get` and `ns.streams`, from their arguments to what is asked for.

use annals_events::{CategoryQuery, ConsumerGroup, From, StreamList, StreamQuery};

use super::{
    arguments::{Arguments, Members, Value},
    fault::Fault,
};

/// Messages of a read that names no number, and the most that one may name.
const BATCH: (u64, i64) = (1_000, 10_000);

/// Streams of a listing that names no number, and the most that one may name.
const STREAMS: (i64, i64) = (100, 1_000);

/// Reads `name, opts?` of `stream.get`.
pub(crate) fn stream(arguments: &Arguments<'_>) -> Result<StreamQuery, Fault> {
    let stream = arguments.name(0, "the stream name")?;
    let options = arguments.options(1)?;
    let position = options.whole("position")?.unwrap_or(0);
    let from = match options.whole("globalPosition")? {
        Some(position) => From::GlobalPosition(position),
        None => From::Position(position),
    };
    Ok(StreamQuery {
        stream,
        from,
        limit: batch_size(&options)?,
    })
}

/// Reads `name, opts?` of `stream.last`: the stream and the type.
pub(crate) fn last(arguments: &Arguments<'_>) -> Result<(String, Option<String>), Fault> {
    let stream = arguments.name(0, "the stream name")?;
    let kind = arguments.options(1)?.text("type")?;
    Ok((stream, kind))
}

/// Reads `category, opts?` of `category.get`; an empty category is every message.
pub(crate) fn category(arguments: &Arguments<'_>) -> Result<CategoryQuery, Fault> {
    let category = arguments
        .get(0)
        .ok_or_else(|| Fault::invalid("the category is missing"))?
        .text("the category")?;
    let options = arguments.options(1)?;
    let position = options.whole("position")?;
    let global = options.whole("globalPosition")?;
    let group = options.get("consumerGroup").map(group).transpose()?;
    Ok(CategoryQuery {
        category,
        from: global.or(position).unwrap_or(1),
        limit: batch_size(&options)?,
        correlation: options.text("correlation")?,
        group,
    })
}

/// Reads `opts?` of `ns.streams`.
pub(crate) fn streams(arguments: &Arguments<'_>) -> Result<StreamList, Fault> {
    let options = arguments.options(0)?;
    let limit = options.whole("limit")?.unwrap_or(STREAMS.0);
    let limit = u32::try_from(limit)
        .ok()
        .filter(|limit| (1..=STREAMS.1).contains(&i64::from(*limit)))
        .ok_or_else(|| Fault::invalid(format!("limit must be from 1 to {}", STREAMS.1)))?;
    Ok(StreamList {
        prefix: options.text("prefix")?.unwrap_or_default(),
        after: options.text("cursor")?.unwrap_or_default(),
        limit,
    })
}

/// How many messages at most; `None` for all of them.
fn batch_size(options: &Members<'_>) -> Result<Option<u64>, Fault> {
    match options.whole("batchSize")? {
        None => Ok(Some(BATCH.0)),
        Some(-1) => Ok(None),
        Some(size) => u64::try_from(size)
            .ok()
            .filter(|_| size <= BATCH.1)
            .map(Some)
            .ok_or_else(|| {
                Fault::invalid(format!(
                    "batchSize must be from 0 to {}, or -1 for no limit",
                    BATCH.1
                ))
            }),
    }
}

fn group(given: Value<'_>) -> Result<ConsumerGroup, Fault> {
    let members = given.members("consumerGroup")?;
    let missing = || Fault::invalid("consumerGroup must have both member and size");
    let member = members.whole("member")?.ok_or_else(missing)?;
    let size = members.whole("size")?.ok_or_else(missing)?;
    ConsumerGroup::new(member, size).ok_or_else(|| {
        Fault::invalid("consumerGroup must have a size above 0 and a member from 0 to below size")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn read<T>(
        text: &str,
        read: impl FnOnce(&Arguments<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let values: Vec<&RawValue> = serde_json::from_str(text).unwrap();
        read(&Arguments::new(values))
    }

    #[test]
    fn a_stream_is_read_from_where_it_was_asked() {
        let cases = [
            (r#"["a"]"#, From::Position(0), Some(1_000)),
            (r#"["a", {}]"#, From::Position(0), Some(1_000)),
            (
                r#"["a", {"position":5.0,"batchSize":7}]"#,
                From::Position(5),
                Some(7),
            ),
            (r#"["a", {"position":-3}]"#, From::Position(-3), Some(1_000)),
            (
                r#"["a", {"position":5,"globalPosition":9}]"#,
                From::GlobalPosition(9),
                Some(1_000),
            ),
            (r#"["a", {"batchSize":-1}]"#, From::Position(0), None),
            (r#"["a", {"batchSize":0}]"#, From::Position(0), Some(0)),
            (
                r#"["a", {"batchSize":10000}]"#,
                From::Position(0),
                Some(10_000),
            ),
        ];
        for (text, from, limit) in cases {
            let query = read(text, stream).unwrap();
            assert_eq!((query.from, query.limit), (from, limit), "{text}");
        }
    }

    #[test]
    fn a_category_is_read_as_it_was_asked() {
        let query = read(r#"["a"]"#, category).unwrap();
        let plain = CategoryQuery {
            category: "a".to_owned(),
            from: 1,
            limit: Some(1_000),
            correlation: None,
            group: None,
        };
        assert_eq!(query, plain);
        let query = read(
            r#"["", {"position":2,"globalPosition":7,"correlation":"c","batchSize":3,
                "consumerGroup":{"member":1,"size":4}}]"#,
            category,
        );
        let all = CategoryQuery {
            category: String::new(),
            from: 7,
            limit: Some(3),
            correlation: Some("c".to_owned()),
            group: ConsumerGroup::new(1, 4),
        };
        assert_eq!(query.unwrap(), all);
        assert_eq!(read(r#"["a", {"position":2}]"#, category).unwrap().from, 2);
    }

    #[test]
    fn what_cannot_be_asked_is_refused_by_name() {
        for (text, told) in [
            ("[]", "the stream name"),
            (r#"[""]"#, "the stream name"),
            (r#"["a", 7]"#, "options"),
            (r#"["a", {"position":null}]"#, "position"),
            (r#"["a", {"position":"0"}]"#, "position"),
            (r#"["a", {"globalPosition":1e40}]"#, "globalPosition"),
            (r#"["a", {"batchSize":10001}]"#, "batchSize"),
            (r#"["a", {"batchSize":-2}]"#, "batchSize"),
            (r#"["a", {"batchSize":null}]"#, "batchSize"),
        ] {
            let fault = read(text, stream).unwrap_err();
            assert!(fault.message().starts_with(told), "{text}: {fault:?}");
        }
        for group in [
            "null",
            "[]",
            "{}",
            r#"{"member":0}"#,
            r#"{"size":2}"#,
            r#"{"member":2,"size":2}"#,
            r#"{"member":-1,"size":2}"#,
            r#"{"member":0,"size":0}"#,
            r#"{"member":"0","size":2}"#,
        ] {
            let text = format!(r#"["a", {{"consumerGroup":{group}}}]"#);
            assert!(read(&text, category).is_err(), "{group}");
        }
        for (text, told) in [("[]", "the category"), (r#"[7]"#, "the category")] {
            let fault = read(text, category).unwrap_err();
            assert!(fault.message().starts_with(told), "{text}: {fault:?}");
        }
        for text in [r#"["a", {"type":7}]"#, r#"["a", {"type":null}]"#] {
            assert!(read(text, last).is_err(), "{text}");
        }
        for limit in ["0", "1001", "-1", "null", "\"5\"", "1e18"] {
            let text = format!(r#"[{{"limit":{limit}}}]"#);
            assert!(read(&text, streams).is_err(), "{limit}");
        }
    }

    #[test]
    fn streams_are_listed_as_they_were_asked() {
        let list = read("[]", streams).unwrap();
        assert_eq!(
            (list.prefix.as_str(), list.after.as_str(), list.limit),
            ("", "", 100)
        );
        let list = read(r#"[{"prefix":"a","cursor":"b","limit":1000}]"#, streams).unwrap();
        assert_eq!(
            (list.prefix.as_str(), list.after.as_str(), list.limit),
            ("a", "b", 1_000)
        );
    }
}
