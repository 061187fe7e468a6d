//! The two visitors through which every value of every record passes.

use uuid::Uuid;

use crate::{ColumnType, Json};

/// Takes the values of one row, column by column.
///
/// A COPY buffer, bound parameters, a key hash and a dead-letter payload are all sinks. Methods
/// return nothing: a sink that cannot hold a value remembers that and says so once the row is done,
/// which keeps the branch out of the hot path.
pub trait ColumnSink {
    /// An absent value.
    fn null(&mut self, ty: ColumnType);
    /// A [`ColumnType::Bool`].
    fn bool(&mut self, value: bool);
    /// A [`ColumnType::Int4`] or a [`ColumnType::Nanos`].
    fn int4(&mut self, value: i32);
    /// A [`ColumnType::Int8`].
    fn int8(&mut self, value: i64);
    /// A [`ColumnType::UInt8`].
    fn uint8(&mut self, value: u64);
    /// A [`ColumnType::Float4`].
    fn float4(&mut self, value: f32);
    /// A [`ColumnType::Float8`].
    fn float8(&mut self, value: f64);
    /// A [`ColumnType::Text`].
    fn text(&mut self, value: &str);
    /// A [`ColumnType::Bytes`].
    fn bytes(&mut self, value: &[u8]);
    /// A [`ColumnType::Uuid`].
    fn uuid(&mut self, value: Uuid);
    /// A [`ColumnType::Timestamp`], in microseconds since the epoch.
    fn timestamp(&mut self, micros: i64);
    /// A [`ColumnType::Json`].
    fn json(&mut self, value: &Json);
}

/// Gives the values of one row, column by column; `None` is an absent value.
pub trait ColumnSource {
    /// The next column as a truth value.
    fn bool(&mut self) -> Result<Option<bool>, DecodeError>;
    /// The next column as an integer of 32 bits.
    fn int4(&mut self) -> Result<Option<i32>, DecodeError>;
    /// The next column as an integer of 64 bits.
    fn int8(&mut self) -> Result<Option<i64>, DecodeError>;
    /// The next column as an unsigned integer of 64 bits.
    fn uint8(&mut self) -> Result<Option<u64>, DecodeError>;
    /// The next column as a float of 32 bits.
    fn float4(&mut self) -> Result<Option<f32>, DecodeError>;
    /// The next column as a float of 64 bits.
    fn float8(&mut self) -> Result<Option<f64>, DecodeError>;
    /// The next column as text.
    fn text(&mut self) -> Result<Option<String>, DecodeError>;
    /// The next column as bytes.
    fn bytes(&mut self) -> Result<Option<Vec<u8>>, DecodeError>;
    /// The next column as a UUID.
    fn uuid(&mut self) -> Result<Option<Uuid>, DecodeError>;
    /// The next column as microseconds since the epoch.
    fn timestamp(&mut self) -> Result<Option<i64>, DecodeError>;
    /// The next column as JSON.
    fn json(&mut self) -> Result<Option<Json>, DecodeError>;
}

/// Why a stored row is not a record of the type that was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A field that must be present is absent.
    #[error("is absent, but the field must have a value")]
    Absent,
    /// The value does not fit the field.
    #[error("holds a value that does not fit the field")]
    Invalid(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A text that names no variant of the enum.
    #[error("holds {text:?}, which is not one of {expected}")]
    UnknownVariant {
        /// What was read.
        text: String,
        /// The texts that the enum knows, joined by commas.
        expected: &'static str,
    },
    /// The column in which one of the others happened.
    #[error("column {column:?} {source}")]
    Column {
        /// Its name.
        column: &'static str,
        /// What happened.
        source: Box<DecodeError>,
    },
}

impl DecodeError {
    /// Wraps a cause that is not one of ours.
    pub fn invalid(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Invalid(cause.into())
    }

    /// Says in which column it happened.
    #[must_use]
    pub fn in_column(self, column: &'static str) -> Self {
        match self {
            Self::Column { .. } => self,
            other => Self::Column {
                column,
                source: Box::new(other),
            },
        }
    }
}
