//! Which Rust types can be columns, and how their values pass through sinks and sources.

use uuid::Uuid;

use crate::{ColumnSink, ColumnSource, ColumnType, DecodeError, Json, Timestamp, TimestampMicros};

/// A Rust type that one field of a record may have.
#[diagnostic::on_unimplemented(
    message = "a record cannot have a field of type `{Self}`",
    label = "this type has no columns",
    note = "an enum gets one by `#[derive(TextEnum)]`"
)]
pub trait FieldType: Sized {
    /// The stored columns of such a field. Only [`Timestamp`] has two: microseconds, and the
    /// nanoseconds below them.
    const COLUMNS: &'static [ColumnType];
    /// Whether its columns may be absent.
    const NULLABLE: bool = false;

    /// Hands the value to a sink.
    fn put<S: ColumnSink + ?Sized>(&self, sink: &mut S);

    /// Takes a value, or its absence, from a source.
    ///
    /// # Errors
    ///
    /// What is stored does not fit this type.
    fn take_opt<S: ColumnSource + ?Sized>(source: &mut S) -> Result<Option<Self>, DecodeError>;

    /// Takes a value that must be there.
    ///
    /// # Errors
    ///
    /// It is absent, or does not fit this type.
    fn take<S: ColumnSource + ?Sized>(source: &mut S) -> Result<Self, DecodeError> {
        Self::take_opt(source)?.ok_or(DecodeError::Absent)
    }
}

macro_rules! plain {
    ($($rust:ty, $column:ident, $method:ident, |$value:ident| $put:expr;)*) => {$(
        impl FieldType for $rust {
            const COLUMNS: &'static [ColumnType] = &[ColumnType::$column];

            fn put<S: ColumnSink + ?Sized>(&self, sink: &mut S) {
                let $value = self;
                sink.$method($put);
            }

            fn take_opt<S: ColumnSource + ?Sized>(
                source: &mut S,
            ) -> Result<Option<Self>, DecodeError> {
                source.$method()
            }
        }
    )*};
}

plain! {
    bool, Bool, bool, |v| *v;
    i32, Int4, int4, |v| *v;
    i64, Int8, int8, |v| *v;
    u64, UInt8, uint8, |v| *v;
    f32, Float4, float4, |v| *v;
    f64, Float8, float8, |v| *v;
    String, Text, text, |v| v;
    Vec<u8>, Bytes, bytes, |v| v;
    Uuid, Uuid, uuid, |v| *v;
    Json, Json, json, |v| v;
}

/// Integers that are stored in the next wider signed column.
macro_rules! widened {
    ($($rust:ty, $column:ident, $method:ident;)*) => {$(
        impl FieldType for $rust {
            const COLUMNS: &'static [ColumnType] = &[ColumnType::$column];

            fn put<S: ColumnSink + ?Sized>(&self, sink: &mut S) {
                sink.$method((*self).into());
            }

            fn take_opt<S: ColumnSource + ?Sized>(
                source: &mut S,
            ) -> Result<Option<Self>, DecodeError> {
                source.$method()?.map(Self::try_from).transpose().map_err(DecodeError::invalid)
            }
        }
    )*};
}

// Never a 16-bit column: TimescaleDB 2.20 to 2.26 can hide matching rows behind a bloom index on one.
widened! {
    i8, Int4, int4;
    i16, Int4, int4;
    u8, Int4, int4;
    u16, Int4, int4;
    u32, Int8, int8;
}

impl FieldType for Timestamp {
    const COLUMNS: &'static [ColumnType] = &[ColumnType::Timestamp, ColumnType::Nanos];

    fn put<S: ColumnSink + ?Sized>(&self, sink: &mut S) {
        sink.timestamp(self.unix_micros());
        sink.int4(self.subsec_micro_nanos());
    }

    fn take_opt<S: ColumnSource + ?Sized>(source: &mut S) -> Result<Option<Self>, DecodeError> {
        let micros = source.timestamp()?;
        // A row written by hand may leave the remainder out.
        let nanos = source.int4()?.unwrap_or(0);
        micros
            .map(|micros| Self::from_micros_and_nanos(micros, nanos))
            .transpose()
            .map_err(DecodeError::invalid)
    }
}

impl FieldType for TimestampMicros {
    const COLUMNS: &'static [ColumnType] = &[ColumnType::Timestamp];

    fn put<S: ColumnSink + ?Sized>(&self, sink: &mut S) {
        sink.timestamp(self.unix_micros());
    }

    fn take_opt<S: ColumnSource + ?Sized>(source: &mut S) -> Result<Option<Self>, DecodeError> {
        source
            .timestamp()?
            .map(Self::from_unix_micros)
            .transpose()
            .map_err(DecodeError::invalid)
    }
}

impl<T: FieldType> FieldType for Option<T> {
    const COLUMNS: &'static [ColumnType] = {
        assert!(
            !T::NULLABLE,
            "an Option inside an Option cannot tell its two ways of being absent apart"
        );
        T::COLUMNS
    };
    const NULLABLE: bool = true;

    fn put<S: ColumnSink + ?Sized>(&self, sink: &mut S) {
        match self {
            Some(value) => value.put(sink),
            None => T::COLUMNS.iter().for_each(|ty| sink.null(*ty)),
        }
    }

    fn take_opt<S: ColumnSource + ?Sized>(source: &mut S) -> Result<Option<Self>, DecodeError> {
        T::take_opt(source).map(Some)
    }
}

/// An enum without fields that is stored as text; implemented by `#[derive(TextEnum)]`.
///
/// The derive implements [`FieldType`] as well, so such an enum, or an `Option` of it, is a field.
pub trait TextEnum: Copy + Sized + 'static {
    /// Every variant with its text.
    const VARIANTS: &'static [(Self, &'static str)];
    /// The texts, joined by commas, for messages.
    const EXPECTED: &'static str;

    /// The variant's text.
    fn as_text(self) -> &'static str;

    /// The variant that `text` names.
    #[must_use]
    fn from_text(text: &str) -> Option<Self> {
        Self::VARIANTS
            .iter()
            .find(|(_, known)| *known == text)
            .map(|(variant, _)| *variant)
    }
}
