//! Typed reads: filters, orders, limits and cursors that stay right while rows come in.

pub(crate) mod cursor;

use std::marker::PhantomData;

use annals_record::{Column, Direction, Filter, Order, Predicate, Record, Value, ValueSink};

use crate::{
    Error, Result,
    backend::Backend,
    sql::{Bindings, Dialect, Sql, column_list, joined, predicate_sql, quoted},
};

/// A query of records of one type.
#[derive(Clone, Debug)]
#[must_use = "a query does nothing until it is fetched"]
pub struct Query<'a, R> {
    backend: &'a Backend,
    filters: Vec<Predicate>,
    order: Vec<(usize, Direction)>,
    limit: Option<u64>,
    offset: u64,
    after: Option<String>,
    planned: bool,
    marker: PhantomData<fn() -> R>,
}

/// Some rows of a query, and where the next ones begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<R> {
    /// The rows, in order.
    pub rows: Vec<R>,
    /// Give this to [`Query::after`] for the rows behind these; `None` when there are none.
    pub next: Option<String>,
}

impl<'a, R: Record> Query<'a, R> {
    pub(crate) fn new(backend: &'a Backend) -> Self {
        Self {
            backend,
            filters: Vec::new(),
            order: Vec::new(),
            limit: None,
            offset: 0,
            after: None,
            planned: false,
            marker: PhantomData,
        }
    }

    /// Only rows for which `filter` holds; several filters must all hold.
    pub fn filter(mut self, filter: Filter<R>) -> Self {
        self.filters.push(filter.into_predicate());
        self
    }

    /// Sorts by a field; further calls break ties, and the record's key breaks those that are left.
    pub fn order(mut self, order: Order<R>) -> Self {
        self.order
            .extend(order.columns().map(|column| (column, order.direction())));
        self
    }

    /// At most so many rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Leaves so many rows out. Every row left out is read all the same: prefer [`after`](Self::after).
    pub fn offset(mut self, rows: u64) -> Self {
        self.offset = rows;
        self
    }

    /// Goes on behind the page that gave this cursor. Filters and order must be the same.
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.after = Some(cursor.into());
        self
    }

    /// Planned for the values at hand, as [`Store::fetch_planned`](crate::Store::fetch_planned) is: for conditions on
    /// times, and on what is rare or common.
    pub fn planned(mut self) -> Self {
        self.planned = true;
        self
    }

    /// The complete order: what was asked for, then the key, so that no two rows tie.
    fn total_order(&self) -> Vec<(usize, Direction)> {
        let mut order = self.order.clone();
        let direction = order
            .last()
            .map_or(Direction::Ascending, |(_, direction)| *direction);
        for column in R::DESCRIPTOR.key {
            if !order.iter().any(|(known, _)| known == column) {
                order.push((*column, direction));
            }
        }
        order
    }

    /// Reads the rows.
    ///
    /// # Errors
    ///
    /// The cursor belongs to another query, the database failed, or a row is no such record.
    pub async fn fetch(self) -> Result<Page<R>> {
        self.fetch_as().await
    }

    /// Reads of the rows what a narrower record has, so that large columns beside it stay where they are. `P` is of the
    /// same table, and has the columns of the order and of the key. Cursors are the same as those of
    /// [`fetch`](Self::fetch).
    ///
    /// # Errors
    ///
    /// The cursor belongs to another query, `P` lacks a column of the order ([`Error::TableMismatch`]), the database failed,
    /// or a row is no such record.
    pub async fn fetch_as<P: Record>(self) -> Result<Page<P>> {
        let order = self.total_order();
        let fingerprint = cursor::fingerprint::<R>(&self.filters, &order);
        let dialect = self.backend.names().dialect();
        let mut bindings = Bindings::default();
        let filter = Predicate::And(self.filters);
        let mut conditions = vec![predicate_sql(
            dialect,
            R::DESCRIPTOR,
            &filter,
            &mut bindings,
        )];
        if let Some(text) = &self.after {
            let values = cursor::decode(
                text,
                fingerprint,
                order
                    .iter()
                    .map(|(column, _)| R::DESCRIPTOR.columns.get(*column).map(|column| column.ty)),
            )?;
            conditions.push(behind(
                dialect,
                R::DESCRIPTOR.columns,
                &order,
                &values,
                &mut bindings,
            ));
        }
        let places = places::<R, P>(&order)?;
        let table = self.backend.names().table(R::DESCRIPTOR.table);
        let mut sql = format!(
            "SELECT {} FROM {table} WHERE {}",
            column_list(P::DESCRIPTOR),
            conditions.join(" AND ")
        );
        if !order.is_empty() {
            sql += &format!(
                " ORDER BY {}",
                joined(
                    order
                        .iter()
                        .map(|part| order_sql(R::DESCRIPTOR.columns, *part))
                )
            );
        }
        // One row more than asked for tells whether there is another page.
        let fetched = self
            .limit
            .map(|limit| limit.saturating_add(1).min(i64::MAX as u64));
        match (fetched, self.offset, dialect) {
            (Some(limit), 0, _) => sql += &format!(" LIMIT {limit}"),
            (Some(limit), offset, _) => sql += &format!(" LIMIT {limit} OFFSET {offset}"),
            (None, 0, _) => {}
            (None, offset, Dialect::Postgres) => sql += &format!(" OFFSET {offset}"),
            (None, offset, Dialect::Sqlite) => sql += &format!(" LIMIT -1 OFFSET {offset}"),
        }
        let (sql, values) = (Sql::vouched(sql), bindings.into_values());
        let mut rows: Vec<P> = if self.planned {
            self.backend.fetch_planned(sql, values).await?
        } else {
            self.backend.fetch(sql, values).await?
        };
        let mut next = None;
        if let Some(limit) = self.limit
            && rows.len() as u64 > limit
        {
            rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            next = rows
                .last()
                .map(|row| cursor::encode(fingerprint, &position(row, &places)));
        }
        Ok(Page { rows, next })
    }

    /// Counts the rows, whatever limit and cursor say.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn count(self) -> Result<u64> {
        let mut bindings = Bindings::default();
        let names = self.backend.names();
        let filter = Predicate::And(self.filters);
        let condition = predicate_sql(names.dialect(), R::DESCRIPTOR, &filter, &mut bindings);
        let table = names.table(R::DESCRIPTOR.table);
        let sql = Sql::vouched(format!("SELECT count(*) FROM {table} WHERE {condition}"));
        let count = self
            .backend
            .fetch_count(sql, bindings.into_values())
            .await?;
        u64::try_from(count).map_err(|_| Error::Cursor {
            problem: "counted less than nothing",
        })
    }
}

/// Where a record that is read has the columns of an order.
fn places<R: Record, P: Record>(order: &[(usize, Direction)]) -> Result<Vec<usize>> {
    let mismatch = |difference: String| Error::TableMismatch {
        table: R::DESCRIPTOR.table.to_owned(),
        difference,
    };
    if P::DESCRIPTOR.table != R::DESCRIPTOR.table {
        return Err(mismatch(format!(
            "rows of it cannot be read as those of {:?}",
            P::DESCRIPTOR.table
        )));
    }
    let place = |(column, _): &(usize, Direction)| {
        let wanted = R::DESCRIPTOR.columns.get(*column)?.name;
        P::DESCRIPTOR
            .columns
            .iter()
            .position(|column| column.name == wanted)
    };
    let places: Option<Vec<usize>> = order.iter().map(place).collect();
    places.ok_or_else(|| {
        mismatch("what is read of it lacks a column of the order, or of the key".to_owned())
    })
}

/// A row's values in some columns.
fn position<P: Record>(row: &P, places: &[usize]) -> Vec<Value> {
    let mut sink = ValueSink::default();
    row.encode(&mut sink);
    let values = sink.into_values();
    places
        .iter()
        .filter_map(|column| values.get(*column).cloned())
        .collect()
}

fn name(columns: &[Column], position: usize) -> String {
    columns
        .get(position)
        .map_or_else(String::new, |column| quoted(column.name))
}

fn order_sql(columns: &[Column], (column, direction): (usize, Direction)) -> String {
    let nullable = columns.get(column).is_some_and(|column| column.nullable);
    let direction = match direction {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    };
    // Said only where it matters: an index serves the plain form.
    let nulls = if nullable { " NULLS LAST" } else { "" };
    format!("{} {direction}{nulls}", name(columns, column))
}

/// The rows behind a position in an order.
fn behind(
    dialect: Dialect,
    columns: &[Column],
    order: &[(usize, Direction)],
    values: &[Value],
    bindings: &mut Bindings,
) -> String {
    let uniform = order
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a.1 == b.1))
        && order
            .iter()
            .all(|(column, _)| columns.get(*column).is_some_and(|column| !column.nullable));
    if uniform && let Some((_, direction)) = order.first() {
        // One comparison of rows, which an index on these columns serves directly.
        let names = joined(order.iter().map(|(column, _)| name(columns, *column)));
        let bound = joined(
            values
                .iter()
                .map(|value| bindings.bind(dialect, value.clone())),
        );
        let operator = if *direction == Direction::Ascending {
            ">"
        } else {
            "<"
        };
        let first = order
            .first()
            .zip(values.first())
            .map(|((column, _), value)| {
                // Said again alone, so that chunks are excluded by it.
                format!(
                    "{} {operator}= {} AND ",
                    name(columns, *column),
                    bindings.bind(dialect, value.clone())
                )
            });
        return format!(
            "({}({names}) {operator} ({bound}))",
            first.unwrap_or_default()
        );
    }
    let mut alternatives = Vec::new();
    let mut equal: Vec<String> = Vec::new();
    for ((column, direction), value) in order.iter().zip(values) {
        let name = name(columns, *column);
        let nullable = columns.get(*column).is_some_and(|column| column.nullable);
        if value.is_null() {
            // Absent comes last: nothing is behind it in this column.
            equal.push(format!("{name} IS NULL"));
            continue;
        }
        let bound = bindings.bind(dialect, value.clone());
        let operator = if *direction == Direction::Ascending {
            ">"
        } else {
            "<"
        };
        let beyond = if nullable {
            format!("({name} {operator} {bound} OR {name} IS NULL)")
        } else {
            format!("{name} {operator} {bound}")
        };
        alternatives.push(
            equal
                .iter()
                .chain([&beyond])
                .cloned()
                .collect::<Vec<_>>()
                .join(" AND "),
        );
        equal.push(format!("{name} = {bound}"));
    }
    match alternatives.as_slice() {
        [] => "FALSE".to_owned(),
        _ => format!("({})", alternatives.join(" OR ")),
    }
}
