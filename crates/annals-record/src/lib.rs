//! What a record is: its table, columns, key, time and order, described once.
//!
//! Derive [`Record`] on a plain struct and everything that Annals does with it follows from the
//! [`Descriptor`]: tables, bulk writes, typed filters, row decoding and dead-letter payloads. This
//! crate knows no database; how a backend stores a [`ColumnType`] is the store's business.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`record`] | the [`Record`] trait |
//! | [`descriptor`] | [`Descriptor`], [`Column`], [`ColumnType`] and their kin |
//! | [`field`] | which Rust types can be columns, and how they become values |
//! | [`stream`] | the two visitors through which every value passes: [`ColumnSink`], [`ColumnSource`] |
//! | [`value`] | one owned value, for filters, cursors and payloads |
//! | [`filter`] | typed conditions and orderings built from column constants |
//! | [`payload`] | the self-describing form in which a record is kept when a table refuses it |
//! | [`timestamp`], [`json`] | the two value types that the standard library lacks |

pub mod descriptor;
pub mod field;
pub mod filter;
pub mod json;
pub mod payload;
pub mod record;
#[doc(hidden)]
pub mod shape;
pub mod stream;
pub mod timestamp;
pub mod value;

pub use annals_derive::{Record, TextEnum};
pub use descriptor::{
    ChunkInterval, Column, ColumnType, Descriptor, Direction, Index, Merge, OnConflict, SortColumn,
};
pub use field::{FieldType, TextEnum};
pub use filter::{Field, Filter, Operand, Order, Predicate};
pub use json::{Json, JsonError};
pub use payload::{Payload, PayloadError};
pub use record::Record;
pub use stream::{ColumnSink, ColumnSource, DecodeError};
pub use timestamp::{Timestamp, TimestampError, TimestampMicros};
pub use uuid::Uuid;
pub use value::{Value, ValueSink};
