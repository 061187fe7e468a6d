//! Rows in the order in which they became visible: for whoever follows a table, and must miss nothing.
//!
//! A table that can be followed has a column `arrival`, which is no column of its record. On PostgreSQL it is the
//! transaction that wrote the row (`pg_current_xact_id()`), on SQLite a number that grows with every row.
//!
//! Neither the time of a row nor a sequence would do: a transaction that began early may commit late, behind a reader
//! who has seen later ones. So a reader remembers a *snapshot* (source: PostgreSQL's `pg_current_snapshot`): which
//! transactions it could see. The next read asks for the rows of those that it can see now and could not then. A
//! transaction that runs for long delays nobody, and its rows come when it commits.
//!
//! A page that is full is finished first: until then its cursor has the snapshot up to which it reads, and the last row.
//! On SQLite there is one writer at a time, and rows come in the order of their numbers.
//!
//! Transaction ids are the server's own. Where a table was moved to another server as it is (`pg_dump`), old rows may come
//! once more when that server gets to their ids; cursors of the old one mean nothing there.

use std::{fmt, str::FromStr};

use annals_record::{Column, Filter, Record, Value, ValueSink};

use crate::{
    Error, Result, Store,
    query::cursor,
    sql::{Bindings, Dialect, Sql, column_list, joined, predicate_sql, quoted},
};

/// The column that a table has for whoever follows it.
pub(crate) const ARRIVAL: &str = "arrival";

/// Characters of a cursor at most: a snapshot names every transaction that is in progress.
const LONGEST: usize = 65_536;

/// How far a reader of a table has come. As text it goes to a client and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrivalCursor(Place);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// On SQLite: the number of the last row.
    Number(i64),
    /// On PostgreSQL: what was seen, and how far a full page has come since.
    Snapshot {
        seen: Snapshot,
        page: Option<FullPage>,
    },
}

/// A full page: rows up to a snapshot, of which some have come.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FullPage {
    until: Snapshot,
    /// The transaction of the last row, and its key as a cursor has it.
    arrival: i64,
    key: String,
}

/// `pg_snapshot` as text: `xmin:xmax:xip,xip,…`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Snapshot(String);

impl Snapshot {
    /// Every transaction before the first was seen, and none from the second on.
    fn bounds(&self) -> Option<(i64, i64)> {
        let mut parts = self.0.split(':');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (xmin, xmax, between) = (parts.next()?, parts.next()?, parts.next()?);
        let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0);
        let (min, max) = (number(xmin)?, number(xmax)?);
        let mut last = min;
        let is_sorted = between.is_empty()
            || between.split(',').all(|xip| {
                number(xip).is_some_and(|xip| {
                    let fits = last <= xip && xip < max;
                    last = xip;
                    fits
                })
            });
        (parts.next().is_none() && min > 0 && min <= max && is_sorted)
            .then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for ArrivalCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Number(number) => write!(f, "{number}"),
            Place::Snapshot { seen, page: None } => f.write_str(&seen.0),
            Place::Snapshot {
                seen,
                page: Some(page),
            } => write!(
                f,
                "{}~{}~{}~{}",
                seen.0, page.until.0, page.arrival, page.key
            ),
        }
    }
}

impl FromStr for ArrivalCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = || {
            if text.len() > LONGEST {
                return None;
            }
            if let Ok(number) = text.parse::<i64>() {
                return (number >= 0).then_some(Place::Number(number));
            }
            let mut parts = text.split('~');
            let seen = Snapshot::parse(parts.next()?)?;
            let page = match parts.next() {
                None => None,
                Some(until) => Some(FullPage {
                    until: Snapshot::parse(until)?,
                    arrival: parts.next()?.parse().ok()?,
                    key: parts.next()?.to_owned(),
                }),
            };
            parts
                .next()
                .is_none()
                .then_some(Place::Snapshot { seen, page })
        };
        parsed().map(Self).ok_or(Error::Cursor {
            problem: "is not one that this program gave out",
        })
    }
}

/// Rows that have come.
#[derive(Clone, Debug)]
pub struct Arrivals<R> {
    /// The rows: those of one transaction by key, and transactions in the order of their ids.
    pub rows: Vec<R>,
    /// From where to go on.
    pub cursor: ArrivalCursor,
    /// Whether there were no more at this moment.
    pub is_all: bool,
}

/// A row of one text.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "snapshot")]
struct OneText {
    text: String,
}

/// A row of one number.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "number")]
struct OneNumber {
    number: i64,
}

impl Store {
    /// Where a reader begins who wants rows of `R`'s table that are committed from now on.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn arrival_cursor<R: Record>(&self) -> Result<ArrivalCursor> {
        Ok(ArrivalCursor(match self.names().dialect() {
            Dialect::Postgres => Place::Snapshot {
                seen: self.snapshot().await?,
                page: None,
            },
            Dialect::Sqlite => Place::Number(self.newest::<R>().await?),
        }))
    }

    /// The rows that have come since `after` and match, at most `limit`. A reader who goes on with the cursor of each
    /// answer gets every row once, whatever was in progress when it asked.
    ///
    /// # Errors
    ///
    /// The cursor is of another kind of database, the database failed, or a row is no such record.
    pub async fn arrivals<R: Record>(
        &self,
        filter: Filter<R>,
        after: &ArrivalCursor,
        limit: u64,
    ) -> Result<Arrivals<R>> {
        let dialect = self.names().dialect();
        match (&after.0, dialect) {
            (Place::Number(number), Dialect::Sqlite) => self.numbered(filter, *number, limit).await,
            (Place::Snapshot { seen, page }, Dialect::Postgres) => {
                self.snapshots(filter, seen, page.as_ref(), limit).await
            }
            _ => Err(Error::Cursor {
                problem: "belongs to another kind of database",
            }),
        }
    }

    async fn numbered<R: Record>(
        &self,
        filter: Filter<R>,
        after: i64,
        limit: u64,
    ) -> Result<Arrivals<R>> {
        let newest = self.newest::<R>().await?;
        let mut asked = Asked::new(self, filter);
        let (from, to) = (
            asked.bind(Value::Int8(after)),
            asked.bind(Value::Int8(newest)),
        );
        asked
            .conditions
            .push(format!("arrival > {from} AND arrival <= {to}"));
        let sql = asked.sql("arrival", limit);
        let rows: Vec<R> = self.backend().fetch(sql, asked.into_values()).await?;
        let is_all = (rows.len() as u64) < limit;
        let reached = match rows.last().filter(|_| !is_all) {
            Some(last) => self.arrival_of(last).await?.ok_or_else(deleted)?,
            None => newest.max(after),
        };
        Ok(Arrivals {
            rows,
            cursor: ArrivalCursor(Place::Number(reached)),
            is_all,
        })
    }

    async fn newest<R: Record>(&self) -> Result<i64> {
        let table = self.names().table(R::DESCRIPTOR.table);
        let sql = format!("SELECT coalesce(max(arrival), 0) FROM {table}");
        Ok(self.number(sql, Vec::new()).await?.unwrap_or(0))
    }

    async fn snapshots<R: Record>(
        &self,
        filter: Filter<R>,
        seen: &Snapshot,
        page: Option<&FullPage>,
        limit: u64,
    ) -> Result<Arrivals<R>> {
        let until = match page {
            Some(page) => page.until.clone(),
            None => self.snapshot().await?,
        };
        let mut asked = Asked::new(self, filter);
        let fingerprint = asked.fingerprint;
        let text = |snapshot: &Snapshot| Value::Text(snapshot.0.clone());
        let (from, to) = (asked.bind(text(seen)), asked.bind(text(&until)));
        let (xmin, _) = seen.bounds().unwrap_or_default();
        let (_, xmax) = until.bounds().unwrap_or_default();
        let (xmin, xmax) = (asked.bind(Value::Int8(xmin)), asked.bind(Value::Int8(xmax)));
        asked.conditions.push(format!(
            // The first two are what indexes serve, and what compressed batches tell of themselves.
            "arrival >= {xmin} AND arrival < {xmax} \
             AND NOT pg_visible_in_snapshot(arrival::text::xid8, {from}::pg_snapshot) \
             AND pg_visible_in_snapshot(arrival::text::xid8, {to}::pg_snapshot)"
        ));
        let key = key_names::<R>();
        if let Some(page) = page {
            let arrival = asked.bind(Value::Int8(page.arrival));
            let values = key_values::<R>(&page.key, fingerprint)?;
            let values: Vec<String> = values.into_iter().map(|value| asked.bind(value)).collect();
            asked.conditions.push(format!(
                "arrival >= {arrival} AND (arrival, {}) > ({arrival}, {})",
                joined(key.iter().cloned()),
                joined(values)
            ));
        }
        let order = format!("arrival, {}", joined(key));
        let sql = asked.sql(&order, limit);
        let rows: Vec<R> = self.backend().fetch(sql, asked.into_values()).await?;
        let is_all = (rows.len() as u64) < limit;
        let place = match rows.last().filter(|_| !is_all) {
            Some(last) => Place::Snapshot {
                seen: seen.clone(),
                page: Some(FullPage {
                    until,
                    arrival: self.arrival_of(last).await?.ok_or_else(deleted)?,
                    key: cursor::encode(fingerprint, &key_of(last)),
                }),
            },
            None => Place::Snapshot {
                seen: until,
                page: None,
            },
        };
        Ok(Arrivals {
            rows,
            cursor: ArrivalCursor(place),
            is_all,
        })
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        let sql = Sql::vouched("SELECT pg_current_snapshot()::text".to_owned());
        let rows: Vec<OneText> = self.backend().fetch(sql, Vec::new()).await?;
        rows.first()
            .and_then(|row| Snapshot::parse(&row.text))
            .ok_or(Error::Cursor {
                problem: "could not be made: the server told no snapshot",
            })
    }

    async fn arrival_of<R: Record>(&self, row: &R) -> Result<Option<i64>> {
        let dialect = self.names().dialect();
        let mut bindings = Bindings::default();
        let values = key_of(row);
        let conditions: Vec<String> = key_names::<R>()
            .into_iter()
            .zip(values)
            .map(|(name, value)| format!("{name} = {}", bindings.bind(dialect, value)))
            .collect();
        let table = self.names().table(R::DESCRIPTOR.table);
        let sql = format!(
            "SELECT arrival FROM {table} WHERE {}",
            conditions.join(" AND ")
        );
        self.number(sql, bindings.into_values()).await
    }

    async fn number(&self, sql: String, values: Vec<Value>) -> Result<Option<i64>> {
        let rows: Vec<OneNumber> = self.backend().fetch(Sql::vouched(sql), values).await?;
        Ok(rows.first().map(|row| row.number))
    }
}

/// A question for rows that have come, while it is put together.
struct Asked {
    dialect: Dialect,
    table: String,
    columns: String,
    conditions: Vec<String>,
    bindings: Bindings,
    /// Of the condition and the key: a full page can only be finished by the question that began it.
    fingerprint: u64,
}

impl Asked {
    fn new<R: Record>(store: &Store, filter: Filter<R>) -> Self {
        let names = store.names();
        let dialect = names.dialect();
        let mut bindings = Bindings::default();
        let filter = [filter.into_predicate()];
        let fingerprint = cursor::fingerprint::<R>(&filter, &[]);
        let [filter] = &filter;
        let condition = predicate_sql(dialect, R::DESCRIPTOR, filter, &mut bindings);
        Self {
            fingerprint,
            dialect,
            table: names.table(R::DESCRIPTOR.table),
            columns: column_list(R::DESCRIPTOR),
            conditions: vec![condition],
            bindings,
        }
    }

    fn bind(&mut self, value: Value) -> String {
        self.bindings.bind(self.dialect, value)
    }

    fn sql(&self, order: &str, limit: u64) -> Sql {
        Sql::vouched(format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {order} LIMIT {limit}",
            self.columns,
            self.table,
            self.conditions.join(" AND ")
        ))
    }

    fn into_values(self) -> Vec<Value> {
        self.bindings.into_values()
    }
}

fn key_names<R: Record>() -> Vec<String> {
    R::DESCRIPTOR
        .key_columns()
        .map(|column: &Column| quoted(column.name))
        .collect()
}

fn key_of<R: Record>(row: &R) -> Vec<Value> {
    let mut sink = ValueSink::default();
    row.encode(&mut sink);
    let values = sink.into_values();
    R::DESCRIPTOR
        .key
        .iter()
        .filter_map(|column| values.get(*column).cloned())
        .collect()
}

fn key_values<R: Record>(text: &str, fingerprint: u64) -> Result<Vec<Value>> {
    let types: Vec<_> = R::DESCRIPTOR
        .key_columns()
        .map(|column| Some(column.ty))
        .collect();
    cursor::decode(text, fingerprint, types.into_iter())
}

fn deleted() -> Error {
    Error::Cursor {
        problem: "points to a row that was deleted while it was read; ask again",
    }
}
