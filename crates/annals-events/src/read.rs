//! Reading streams and categories, and what there is.
//!
//! Every read is a statement of its own whose condition is a range of an index, so that it costs what it
//! gives: streams by (stream, position), categories by (category, global position), everything by global
//! position.

mod list;
pub(crate) mod row;
pub(crate) mod sql;

use annals_record::{TimestampMicros, Value};
use annals_store::{Dialect, Names, Store};

use crate::{ConsumerGroup, Message, Result};

pub(crate) use list::{categories, count, counts, streams, version};
use row::MessageRow;

/// Messages that are read at a time where some of them are then left out.
const PAGE: u64 = 1_000;

/// Where a read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At a position of the stream, which is part of it.
    Position(i64),
    /// At a position of the namespace, which is part of it.
    GlobalPosition(i64),
}

/// Which messages of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamQuery {
    /// The stream.
    pub stream: String,
    /// Where to begin.
    pub from: From,
    /// At most so many; all when absent.
    pub limit: Option<u64>,
}

/// Which messages of a category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoryQuery {
    /// The category; everything in the namespace when empty.
    pub category: String,
    /// The position of the namespace to begin at, which is part of it.
    pub from: i64,
    /// At most so many; all when absent.
    pub limit: Option<u64>,
    /// Only messages whose metadata's `correlationStreamName` has this category.
    pub correlation: Option<String>,
    /// Only this member's streams.
    pub group: Option<ConsumerGroup>,
}

/// Which streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamList {
    /// Names that begin so.
    pub prefix: String,
    /// Names after this one.
    pub after: String,
    /// At most so many.
    pub limit: u32,
}

/// A stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEntry {
    /// Its name.
    pub stream: String,
    /// The position of the last message that it ever had.
    pub version: i64,
    /// When that was written.
    pub last_activity: TimestampMicros,
}

/// A category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoryEntry {
    /// Its name.
    pub category: String,
    /// Streams that were ever written.
    pub stream_count: i64,
    /// Messages that are kept.
    pub message_count: i64,
}

/// What there is of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) messages: i64,
    pub(crate) streams: i64,
    pub(crate) last_activity: Option<TimestampMicros>,
}

/// Messages of a stream, in its order.
pub(crate) async fn stream(
    store: &Store,
    names: &Names,
    query: StreamQuery,
) -> Result<Vec<Message>> {
    if query.limit == Some(0) || no_name(&query.stream) {
        return Ok(Vec::new());
    }
    let (sql, from) = match query.from {
        From::Position(from) => (sql::STREAM, from),
        From::GlobalPosition(from) => (sql::STREAM_BY_GLOBAL_POSITION, from),
    };
    let values = vec![
        Value::Int8(from.max(0)),
        limit(query.limit),
        Value::Text(query.stream),
    ];
    messages(store, names, sql, values).await
}

/// Messages of a category, or of all, in the order of commits.
pub(crate) async fn category(
    store: &Store,
    names: &Names,
    query: CategoryQuery,
) -> Result<Vec<Message>> {
    let nobody_s = |category: &str| category.contains('-') || category.contains('\0');
    let correlates = |category: &String| !category.is_empty() && !nobody_s(category);
    if query.limit == Some(0)
        || nobody_s(&query.category)
        || !query.correlation.as_ref().is_none_or(correlates)
    {
        return Ok(Vec::new());
    }
    match query.group {
        // SQLite has no MD5.
        Some(group) if names.dialect() == Dialect::Sqlite => {
            filtered(store, names, query, group).await
        }
        _ if is_of_everything(&query) && store.capabilities().columnstore() => {
            everything(store, names, query).await
        }
        _ => category_page(store, names, query).await,
    }
}

fn is_of_everything(query: &CategoryQuery) -> bool {
    query.category.is_empty() && query.correlation.is_none() && query.group.is_none()
}

/// Messages of all categories where chunks may be compressed. These are segmented by category, and an order across
/// segments may unpack all that is behind the position; within as many places as are asked for it unpacks what
/// has them. Where places are missing (dropped by age, or none yet) the plain question follows.
async fn everything(
    store: &Store,
    names: &Names,
    mut query: CategoryQuery,
) -> Result<Vec<Message>> {
    let from = query.from.max(0);
    let Some(wanted) = query.limit.and_then(|limit| i64::try_from(limit).ok()) else {
        return category_page(store, names, query).await;
    };
    let values = vec![
        Value::Int8(from),
        Value::Int8(wanted),
        Value::Int8(from.saturating_add(wanted)),
    ];
    let mut found = messages(store, names, sql::WINDOW, values).await?;
    let missing = wanted.unsigned_abs() - found.len() as u64;
    if missing > 0 {
        // Behind the last one that was there, and not behind the window: what was committed since belongs to it.
        let last = found.last().map(|message| message.place.global_position);
        query.from = last.map_or(from, |last| last.saturating_add(1));
        query.limit = Some(missing);
        found.extend(category_page(store, names, query).await?);
    }
    Ok(found)
}

/// Reads all and keeps what a member reads, page by page.
async fn filtered(
    store: &Store,
    names: &Names,
    mut query: CategoryQuery,
    group: ConsumerGroup,
) -> Result<Vec<Message>> {
    let limit = query.limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.unwrap_or(usize::MAX);
    query.limit = Some(PAGE);
    query.group = None;
    let mut kept = Vec::new();
    loop {
        let page = category_page(store, names, query.clone()).await?;
        let last = page.last().filter(|_| page.len() as u64 == PAGE);
        let next = last.map(|message| message.place.global_position.saturating_add(1));
        let reads = |message: &Message| group.reads(&message.stream);
        let room = limit - kept.len();
        kept.extend(page.into_iter().filter(reads).take(room));
        match next {
            Some(next) if kept.len() < limit => query.from = next,
            _ => return Ok(kept),
        }
    }
}

async fn category_page(store: &Store, names: &Names, query: CategoryQuery) -> Result<Vec<Message>> {
    let sql = sql::category(
        names.dialect(),
        !query.category.is_empty(),
        query.correlation.is_some(),
        query.group.is_some(),
    );
    let mut values = vec![
        Value::Int8(query.from.max(0)),
        limit(query.limit),
        Value::Text(query.category),
        Value::Text(query.correlation.unwrap_or_default()),
    ];
    if let Some(group) = query.group {
        values.extend([Value::Int8(group.member()), Value::Int8(group.size())]);
    }
    values.truncate(sql.parameters);
    messages(store, names, sql.text, values).await
}

/// The last message of a stream that is kept, of one type if one is given.
pub(crate) async fn last(
    store: &Store,
    names: &Names,
    stream: &str,
    kind: Option<&str>,
) -> Result<Option<Message>> {
    if no_name(stream) || kind.is_some_and(no_name) {
        return Ok(None);
    }
    if kind.is_none() && store.capabilities().hypertables() {
        let Some(head) = list::head(store, names, stream).await? else {
            return Ok(None);
        };
        let values = vec![
            Value::Text(head.stream),
            Value::Int8(head.version),
            Value::Timestamp(head.last_activity.unix_micros()),
        ];
        // It is not there when it was dropped by age. What is older is gone too then, save what was imported.
        if let Some(message) = messages(store, names, sql::AT_HEAD, values).await?.pop() {
            return Ok(Some(message));
        }
    }
    let (sql, kind) = match kind {
        None => (sql::LAST, None),
        Some(kind) => (sql::LAST_OF_TYPE, Some(kind)),
    };
    let texts = [Some(stream), kind].into_iter().flatten();
    let values = texts.map(|text| Value::Text(text.to_owned())).collect();
    Ok(messages(store, names, sql, values).await?.pop())
}

/// Whether nothing can be called so, which PostgreSQL would not even be asked.
fn no_name(text: &str) -> bool {
    text.contains('\0')
}

/// As both dialects take it.
fn limit(limit: Option<u64>) -> Value {
    let limit = limit.and_then(|limit| i64::try_from(limit).ok());
    Value::Int8(limit.unwrap_or(i64::MAX))
}

/// Runs a statement that gives messages.
async fn messages(
    store: &Store,
    names: &Names,
    sql: &'static str,
    values: Vec<Value>,
) -> Result<Vec<Message>> {
    let rows: Vec<MessageRow> = store.fetch(names.statement(sql), values).await?;
    Ok(rows
        .into_iter()
        .map(|row| row.into_message(names.dialect()))
        .collect())
}
