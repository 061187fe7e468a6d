//! What subscriptions and tails read from the database.

use annals_record::{Record, TimestampMicros, Value};
use annals_store::{Dialect, Names, Store};

use super::{Poke, Selection};
use crate::{
    ConsumerGroup, Message, Place, Result,
    read::{
        row::{MessageRow, PlaceRow},
        sql::{self, Part},
    },
};

/// Messages that are read at a time.
pub(super) const PAGE: usize = 1_000;

/// Before any time that PostgreSQL holds.
pub(super) const ANY_TIME: i64 = -210_866_803_200_000_000;

/// Which positions are read: of the stream where a stream is followed, of the namespace otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The first.
    pub(super) from: i64,
    /// The last.
    pub(super) to: i64,
    /// No message between them is older, in microseconds since 1970.
    pub(super) since: i64,
}

/// Something that stands somewhere.
pub(super) trait Placed: Sized {
    type Row: Record;

    fn statement(part: Part) -> &'static str;
    fn of(row: Self::Row, dialect: Dialect) -> Self;
    fn stream(&self) -> &str;
    fn place(&self) -> Place;
}

impl Placed for Poke {
    type Row = PlaceRow;

    fn statement(part: Part) -> &'static str {
        sql::window_of_places(part)
    }
    fn of(row: PlaceRow, _dialect: Dialect) -> Self {
        row.into_poke()
    }
    fn stream(&self) -> &str {
        &self.stream
    }
    fn place(&self) -> Place {
        self.place
    }
}

impl Placed for Message {
    type Row = MessageRow;

    fn statement(part: Part) -> &'static str {
        sql::window(part)
    }
    fn of(row: MessageRow, dialect: Dialect) -> Self {
        row.into_message(dialect)
    }
    fn stream(&self) -> &str {
        &self.stream
    }
    fn place(&self) -> Place {
        self.place
    }
}

/// Some of a window.
#[derive(Debug)]
pub(super) struct Page<T> {
    /// What was asked for, in order.
    pub(super) found: Vec<T>,
    /// The position behind the page; none when the window has no more.
    pub(super) next: Option<i64>,
}

impl Selection {
    /// Which statement shows it, and of what.
    fn part(&self) -> (Part, Option<&str>, Option<ConsumerGroup>) {
        match self {
            Self::Stream { stream, .. } => (Part::Stream, Some(stream), None),
            Self::All { .. } | Self::Live { .. } => (Part::All, None, None),
            Self::Category {
                category, group, ..
            } => match (category.is_empty(), group) {
                (true, None) => (Part::All, None, None),
                (false, None) => (Part::Category, Some(category), None),
                (true, Some(group)) => (Part::AllOfMember, Some(category), Some(*group)),
                (false, Some(group)) => (Part::CategoryOfMember, Some(category), Some(*group)),
            },
        }
    }

    /// Where something stands in what is followed.
    pub(super) fn position(&self, place: Place) -> i64 {
        match self {
            Self::Stream { .. } => place.position,
            _ => place.global_position,
        }
    }

    /// Whether nothing can ever be of it: PostgreSQL would not even be asked.
    fn is_of_nothing(&self) -> bool {
        match self {
            Self::Stream { stream, .. } => stream.contains('\0'),
            Self::Category { category, .. } => category.contains(['-', '\0']),
            Self::All { .. } | Self::Live { .. } => false,
        }
    }

    /// Reads the first page of a window.
    pub(super) async fn read<T: Placed>(
        &self,
        store: &Store,
        names: &Names,
        window: Window,
    ) -> Result<Page<T>> {
        if self.is_of_nothing() || window.from > window.to {
            return Ok(Page {
                found: Vec::new(),
                next: None,
            });
        }
        let dialect = names.dialect();
        let (part, name, group) = self.part();
        // SQLite has no MD5.
        let (part, filter) = match (part, dialect) {
            (Part::AllOfMember, Dialect::Sqlite) => (Part::All, group),
            (Part::CategoryOfMember, Dialect::Sqlite) => (Part::Category, group),
            _ => (part, None),
        };
        let mut values = vec![
            Value::Int8(window.from),
            Value::Int8(window.to),
            Value::Timestamp(window.since),
            Value::Int8(PAGE as i64),
        ];
        if part != Part::All {
            values.push(Value::Text(name.unwrap_or_default().to_owned()));
        }
        if let (Part::AllOfMember | Part::CategoryOfMember, Some(group)) = (part, group) {
            values.extend([Value::Int8(group.member()), Value::Int8(group.size())]);
        }
        let rows: Vec<T::Row> = store
            .fetch(names.statement(T::statement(part)), values)
            .await?;
        let full = rows.len() >= PAGE;
        let mut found: Vec<T> = rows.into_iter().map(|row| T::of(row, dialect)).collect();
        let last = found.last().map(|last| self.position(last.place()));
        if let Some(group) = filter {
            found.retain(|one| group.reads(one.stream()));
        }
        Ok(Page {
            found,
            next: last
                .filter(|last| full && *last < window.to)
                .map(|last| last + 1),
        })
    }
}

/// Where a namespace is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Counter {
    /// The place of its last message.
    pub(super) global_position: i64,
    /// The time of its last message: no later append has an earlier one.
    pub(super) time: i64,
}

#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "message_counter")]
struct CounterRow {
    global_position: i64,
    time: Option<TimestampMicros>,
}

/// Reads where a namespace is.
pub(super) async fn counter(store: &Store, names: &Names) -> Result<Counter> {
    let sql = names.statement(sql::counter(names.dialect()));
    let rows: Vec<CounterRow> = store.fetch(sql, Vec::new()).await?;
    let row = rows.first();
    let time = row.and_then(|row| row.time);
    Ok(Counter {
        global_position: row.map_or(0, |row| row.global_position),
        time: time.map_or(ANY_TIME, TimestampMicros::unix_micros),
    })
}
