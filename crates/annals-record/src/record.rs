//! The trait at the centre: a struct whose values are rows of one table.

use crate::{ColumnSink, ColumnSource, DecodeError, Descriptor};

/// A struct whose values are rows of one table.
///
/// Implemented by `#[derive(Record)]`. The two methods must visit the columns in the order of
/// [`Descriptor::columns`]; every path that a row takes (binary COPY, INSERT, read, dead letter)
/// goes through them, which is why no path can forget a column.
pub trait Record: Clone + Send + Sync + 'static {
    /// Table, columns, key, time and order of this record.
    const DESCRIPTOR: &'static Descriptor;

    /// Hands every column's value to `sink`, in column order.
    fn encode<S: ColumnSink + ?Sized>(&self, sink: &mut S);

    /// Takes every column's value from `source`, in column order.
    ///
    /// # Errors
    ///
    /// A column that does not hold what its field needs, by name.
    fn decode<S: ColumnSource + ?Sized>(source: &mut S) -> Result<Self, DecodeError>;
}
