//! What there is: streams, categories, counts.

use annals_record::{Record, TimestampMicros, Value};
use annals_store::{Names, Store};

use super::{CategoryEntry, Counts, StreamEntry, StreamList, no_name, sql};
use crate::Result;

#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "stream_heads")]
struct Number {
    number: i64,
}

#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "stream_heads")]
struct StreamRow {
    stream_name: String,
    position: i64,
    time: TimestampMicros,
}

#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "stream_heads")]
struct CategoryRow {
    category: String,
    streams: i64,
    messages: i64,
}

#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "stream_heads")]
struct CountsRow {
    messages: i64,
    streams: i64,
    last_activity: Option<TimestampMicros>,
}

/// The position of the last message that a stream ever had.
pub(crate) async fn version(store: &Store, names: &Names, stream: &str) -> Result<Option<i64>> {
    if no_name(stream) {
        return Ok(None);
    }
    let values = vec![Value::Text(stream.to_owned())];
    let rows: Vec<Number> = store.fetch(names.statement(sql::VERSION), values).await?;
    Ok(rows.first().map(|row| row.number))
}

/// Streams by the bytes of their names.
pub(crate) async fn streams(
    store: &Store,
    names: &Names,
    list: StreamList,
) -> Result<Vec<StreamEntry>> {
    if no_name(&list.prefix) {
        return Ok(Vec::new());
    }
    let mut values = vec![
        Value::Text(first_name(&list)),
        Value::Int8(list.limit.into()),
    ];
    let sql = match behind(&list.prefix) {
        None => sql::STREAMS,
        Some(behind) => {
            values.push(Value::Text(behind));
            sql::STREAMS_BEFORE
        }
    };
    let rows: Vec<StreamRow> = store.fetch(names.statement(sql), values).await?;
    Ok(rows.into_iter().map(StreamRow::into_entry).collect())
}

/// One stream.
pub(super) async fn head(
    store: &Store,
    names: &Names,
    stream: &str,
) -> Result<Option<StreamEntry>> {
    let values = vec![Value::Text(stream.to_owned())];
    let rows: Vec<StreamRow> = store.fetch(names.statement(sql::HEAD), values).await?;
    Ok(rows.into_iter().next().map(StreamRow::into_entry))
}

impl StreamRow {
    fn into_entry(self) -> StreamEntry {
        StreamEntry {
            stream: self.stream_name,
            version: self.position,
            last_activity: self.time,
        }
    }
}

/// The least name that belongs to a listing.
fn first_name(list: &StreamList) -> String {
    // No name holds U+0000, so whatever such a cursor says behind one divides no two names.
    let after = list.after.split('\0').next().unwrap_or_default();
    if after < list.prefix.as_str() || after.is_empty() {
        list.prefix.clone()
    } else {
        // For the same reason there is no name between one and the same with U+0001 behind it.
        format!("{after}\u{1}")
    }
}

/// The least text that is greater than every text that begins so; `None` when there is none. UTF-8 sorts
/// as code points do.
fn behind(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        // Steps over the gap of surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

/// Categories by the bytes of their names.
pub(crate) async fn categories(store: &Store, names: &Names) -> Result<Vec<CategoryEntry>> {
    let rows: Vec<CategoryRow> = store
        .fetch(names.statement(sql::CATEGORIES), Vec::new())
        .await?;
    let entry = |row: CategoryRow| CategoryEntry {
        category: row.category,
        stream_count: row.streams,
        message_count: row.messages,
    };
    let mut entries: Vec<_> = rows.into_iter().map(entry).collect();
    // Here, because text sorts by the database's locale there.
    entries.sort_unstable_by(|a, b| a.category.cmp(&b.category));
    Ok(entries)
}

/// Messages that are kept.
pub(crate) async fn count(store: &Store, names: &Names) -> Result<i64> {
    let rows: Vec<Number> = store.fetch(names.statement(sql::COUNT), Vec::new()).await?;
    Ok(rows.first().map_or(0, |row| row.number))
}

/// Messages and streams, and when the last one was written.
pub(crate) async fn counts(store: &Store, names: &Names) -> Result<Counts> {
    let rows: Vec<CountsRow> = store
        .fetch(names.statement(sql::COUNTS), Vec::new())
        .await?;
    let none = Counts {
        messages: 0,
        streams: 0,
        last_activity: None,
    };
    Ok(rows.first().map_or(none, |row| Counts {
        messages: row.messages,
        streams: row.streams,
        last_activity: row.last_activity,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_its_last_character_goes_on() {
        let cases = [
            ("", None),
            ("a", Some("b")),
            ("account_", Some("account`")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{7f}", Some("a\u{80}")),
        ];
        for (prefix, expected) in cases {
            assert_eq!(behind(prefix).as_deref(), expected, "{prefix:?}");
        }
    }

    #[test]
    fn a_listing_begins_behind_its_cursor_and_not_before_its_prefix() {
        let cases = [
            ("", "", ""),
            ("b", "", "b"),
            ("b", "a-1", "b"),
            ("b", "b-1", "b-1\u{1}"),
            ("", "b", "b\u{1}"),
            ("", "b\0c", "b\u{1}"),
            ("b", "c", "c\u{1}"),
        ];
        for (prefix, after, expected) in cases {
            let list = StreamList {
                prefix: prefix.to_owned(),
                after: after.to_owned(),
                limit: 1,
            };
            assert_eq!(first_name(&list), expected, "{prefix:?} {after:?}");
        }
    }
}
