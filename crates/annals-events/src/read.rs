//! Reading streams and categories, and what there is.

use annals_record::TimestampMicros;
use annals_store::{Names, Store};

use crate::{ConsumerGroup, Message, Result};

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

pub(crate) async fn stream(store: &Store, names: &Names, query: StreamQuery) -> Result<Vec<Message>> {
    todo!()
}
pub(crate) async fn category(store: &Store, names: &Names, query: CategoryQuery) -> Result<Vec<Message>> {
    todo!()
}
pub(crate) async fn last(store: &Store, names: &Names, stream: &str, kind: Option<&str>) -> Result<Option<Message>> {
    todo!()
}
pub(crate) async fn version(store: &Store, names: &Names, stream: &str) -> Result<Option<i64>> {
    todo!()
}
pub(crate) async fn streams(store: &Store, names: &Names, list: StreamList) -> Result<Vec<StreamEntry>> {
    todo!()
}
pub(crate) async fn categories(store: &Store, names: &Names) -> Result<Vec<CategoryEntry>> {
    todo!()
}
pub(crate) async fn count(store: &Store, names: &Names) -> Result<i64> {
    todo!()
}
pub(crate) async fn counts(store: &Store, names: &Names) -> Result<Counts> {
    todo!()
}
