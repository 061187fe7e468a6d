//! How the statements of this crate bind times and texts that may be absent.

use annals_record::{ColumnType, Timestamp, TimestampMicros, Value};

/// An end of a window: to the microsecond, towards the past, because that is what the column keeps.
/// Windows that share an end therefore neither overlap nor leave a gap.
pub(crate) fn micros(time: Timestamp) -> Value {
    Value::Timestamp(TimestampMicros::floor(time).unix_micros())
}

/// A text.
pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A text, or that there is none.
pub(crate) fn optional_text(text: Option<&str>) -> Value {
    text.map_or(Value::Null(ColumnType::Text), self::text)
}
