//! Typed conditions and orderings, built from the column constants that the derive makes.
//!
//! A condition is data here; the store renders it for its backend with bound parameters only.

use std::marker::PhantomData;

use crate::{Direction, FieldType, Json, Record, Value, ValueSink};

/// A field of a record, as a constant: `Span::SERVICE_NAME`.
pub struct Field<R, T> {
    column: usize,
    marker: PhantomData<fn() -> (R, T)>,
}

impl<R, T> Clone for Field<R, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, T> Copy for Field<R, T> {}

impl<R, T> std::fmt::Debug for Field<R, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Field")
            .field("column", &self.column)
            .finish()
    }
}

/// A value to which a field of type `T` can be compared.
pub trait Operand<T> {
    /// Its stored values, one for each column of the field.
    fn into_values(self) -> Vec<Value>;
}

fn values_of<T: FieldType>(value: &T) -> Vec<Value> {
    let mut sink = ValueSink::default();
    value.put(&mut sink);
    sink.into_values()
}

impl<T: FieldType> Operand<T> for T {
    fn into_values(self) -> Vec<Value> {
        values_of(&self)
    }
}

impl<T: FieldType> Operand<Option<T>> for T {
    fn into_values(self) -> Vec<Value> {
        values_of(&self)
    }
}

impl Operand<String> for &str {
    fn into_values(self) -> Vec<Value> {
        vec![Value::Text(self.to_owned())]
    }
}

impl Operand<Option<String>> for &str {
    fn into_values(self) -> Vec<Value> {
        vec![Value::Text(self.to_owned())]
    }
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal; absent equals nothing.
    Equal,
    /// Present and different.
    NotEqual,
    /// Smaller.
    Less,
    /// Smaller or equal.
    AtMost,
    /// Larger.
    Greater,
    /// Larger or equal.
    AtLeast,
}

/// How a text is found in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// At its beginning, with case.
    AtStart,
    /// Anywhere, with case.
    Anywhere,
    /// Anywhere, whatever the case: of every letter on PostgreSQL, of ASCII's on SQLite.
    IgnoringCase,
}

/// A condition on the columns of a table, without the type of its record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Predicate {
    /// Compares a field, given by its first column, with the stored values of one operand.
    Compare {
        /// Position of the field's first column.
        column: usize,
        /// How.
        comparison: Comparison,
        /// One value for each column of the field.
        values: Vec<Value>,
    },
    /// The field equals one of several operands.
    In {
        /// Position of the field's first column.
        column: usize,
        /// The operands, each with one value for each column of the field.
        operands: Vec<Vec<Value>>,
    },
    /// The field is absent.
    IsNull {
        /// Position of the field's first column.
        column: usize,
    },
    /// A text field contains, or begins with, a text.
    Text {
        /// Position of the field's column.
        column: usize,
        /// The text to find, taken literally.
        text: String,
        /// How it is found.
        find: Find,
    },
    /// A JSON field is an object with a member of this name and value.
    Member {
        /// Position of the field's column.
        column: usize,
        /// The member's name.
        name: String,
        /// Its value: a text, a number, a truth value or null.
        value: serde_json::Value,
    },
    /// All of these hold; true when there are none.
    And(Vec<Predicate>),
    /// One of these holds; false when there are none.
    Or(Vec<Predicate>),
    /// This does not hold.
    Not(Box<Predicate>),
}

/// A condition on records of type `R`.
pub struct Filter<R> {
    predicate: Predicate,
    marker: PhantomData<fn() -> R>,
}

impl<R> Clone for Filter<R> {
    fn clone(&self) -> Self {
        Self {
            predicate: self.predicate.clone(),
            marker: PhantomData,
        }
    }
}

impl<R> std::fmt::Debug for Filter<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.predicate.fmt(f)
    }
}

impl<R: Record> Filter<R> {
    fn new(predicate: Predicate) -> Self {
        Self {
            predicate,
            marker: PhantomData,
        }
    }

    /// All of `filters` hold; no filter holds for every record.
    pub fn all(filters: impl IntoIterator<Item = Self>) -> Self {
        Self::new(Predicate::And(
            filters.into_iter().map(|filter| filter.predicate).collect(),
        ))
    }

    /// One of `filters` holds; no filter holds for no record.
    pub fn any(filters: impl IntoIterator<Item = Self>) -> Self {
        Self::new(Predicate::Or(
            filters.into_iter().map(|filter| filter.predicate).collect(),
        ))
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::all([self, other])
    }

    /// One of them holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::any([self, other])
    }

    /// The condition as data.
    #[must_use]
    pub fn into_predicate(self) -> Predicate {
        self.predicate
    }
}

impl<R: Record> std::ops::Not for Filter<R> {
    type Output = Self;

    fn not(self) -> Self {
        Self::new(Predicate::Not(Box::new(self.predicate)))
    }
}

/// One field of an ordering.
pub struct Order<R> {
    column: usize,
    width: usize,
    direction: Direction,
    marker: PhantomData<fn() -> R>,
}

impl<R> Clone for Order<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Order<R> {}

impl<R> std::fmt::Debug for Order<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Order")
            .field("column", &self.column)
            .field("direction", &self.direction)
            .finish()
    }
}

impl<R> Order<R> {
    /// Positions of the columns to sort by, most significant first.
    #[must_use]
    pub const fn columns(&self) -> std::ops::Range<usize> {
        self.column..self.column + self.width
    }

    /// Which way.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }
}

impl<R, T> Field<R, T> {
    /// The field whose first column is at `column`; the derive calls this.
    #[must_use]
    pub const fn new(column: usize) -> Self {
        Self {
            column,
            marker: PhantomData,
        }
    }

    /// Position of the field's first column.
    #[must_use]
    pub const fn column(self) -> usize {
        self.column
    }
}

impl<R: Record, T: FieldType> Field<R, T> {
    fn compare(self, comparison: Comparison, operand: impl Operand<T>) -> Filter<R> {
        let values = operand.into_values();
        Filter::new(Predicate::Compare {
            column: self.column,
            comparison,
            values,
        })
    }

    /// The field equals `operand`.
    pub fn eq(self, operand: impl Operand<T>) -> Filter<R> {
        self.compare(Comparison::Equal, operand)
    }

    /// The field is present and differs from `operand`.
    pub fn ne(self, operand: impl Operand<T>) -> Filter<R> {
        self.compare(Comparison::NotEqual, operand)
    }

    /// The field is smaller than `operand`.
    pub fn lt(self, operand: impl Operand<T>) -> Filter<R> {
        self.compare(Comparison::Less, operand)
    }

    /// The field is `operand` or smaller.
    pub fn at_most(self, operand: impl Operand<T>) -> Filter<R> {
        self.compare(Comparison::AtMost, operand)
    }

    /// The field is larger than `operand`.
    pub fn gt(self, operand: impl Operand<T>) -> Filter<R> {
        self.compare(Comparison::Greater, operand)
    }

    /// The field is `operand` or larger.
    pub fn at_least(self, operand: impl Operand<T>) -> Filter<R> {
        self.compare(Comparison::AtLeast, operand)
    }

    /// The field equals one of `operands`.
    pub fn is_in<O: Operand<T>>(self, operands: impl IntoIterator<Item = O>) -> Filter<R> {
        let operands = operands.into_iter().map(Operand::into_values).collect();
        Filter::new(Predicate::In {
            column: self.column,
            operands,
        })
    }

    /// The field is absent.
    #[must_use]
    pub fn is_null(self) -> Filter<R> {
        Filter::new(Predicate::IsNull {
            column: self.column,
        })
    }

    /// Sorts by the field, smallest first; absent comes last.
    #[must_use]
    pub fn asc(self) -> Order<R> {
        self.order(Direction::Ascending)
    }

    /// Sorts by the field, largest first; absent comes last.
    #[must_use]
    pub fn desc(self) -> Order<R> {
        self.order(Direction::Descending)
    }

    fn order(self, direction: Direction) -> Order<R> {
        Order {
            column: self.column,
            width: T::COLUMNS.len(),
            direction,
            marker: PhantomData,
        }
    }
}

/// A field whose column is text.
pub trait TextField {}
impl TextField for String {}
impl TextField for Option<String> {}

impl<R: Record, T: FieldType + TextField> Field<R, T> {
    fn find(self, text: impl Into<String>, find: Find) -> Filter<R> {
        Filter::new(Predicate::Text {
            column: self.column,
            text: text.into(),
            find,
        })
    }

    /// The text contains `text`, taken literally and with case.
    pub fn contains(self, text: impl Into<String>) -> Filter<R> {
        self.find(text, Find::Anywhere)
    }

    /// The text contains `text`, taken literally and whatever the case: of every letter on PostgreSQL, of ASCII's on
    /// SQLite.
    pub fn contains_ignoring_case(self, text: impl Into<String>) -> Filter<R> {
        self.find(text, Find::IgnoringCase)
    }

    /// The text begins with `text`, taken literally and with case.
    pub fn starts_with(self, text: impl Into<String>) -> Filter<R> {
        self.find(text, Find::AtStart)
    }
}

/// A field whose column is JSON.
pub trait JsonField {}
impl JsonField for Json {}
impl JsonField for Option<Json> {}

impl<R: Record, T: FieldType + JsonField> Field<R, T> {
    /// The field is an object that has this member with this value: a text, a number, a truth value or null. Nothing has
    /// a member whose value is an array or an object.
    pub fn has(self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Filter<R> {
        Filter::new(Predicate::Member {
            column: self.column,
            name: name.into(),
            value: value.into(),
        })
    }
}
