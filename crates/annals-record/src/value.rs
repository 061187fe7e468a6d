//! One owned value: what filters bind, cursors carry and payloads keep.

use uuid::Uuid;

use crate::{ColumnSink, ColumnType, Json};

/// An owned value of one column.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// An absent value of a type.
    Null(ColumnType),
    /// A truth value.
    Bool(bool),
    /// An integer of 32 bits.
    Int4(i32),
    /// An integer of 64 bits.
    Int8(i64),
    /// An unsigned integer of 64 bits.
    UInt8(u64),
    /// A float of 32 bits.
    Float4(f32),
    /// A float of 64 bits.
    Float8(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A UUID.
    Uuid(Uuid),
    /// Microseconds since the epoch.
    Timestamp(i64),
    /// JSON.
    Json(Json),
}

impl Value {
    /// Whether this is an absent value.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null(_))
    }

    /// Whether a column of a type holds such a value; absent ones are of every type.
    #[must_use]
    pub fn is_of(&self, ty: ColumnType) -> bool {
        match self {
            Self::Null(_) => true,
            Self::Bool(_) => ty == ColumnType::Bool,
            Self::Int4(_) => matches!(ty, ColumnType::Int4 | ColumnType::Nanos),
            Self::Int8(_) => ty == ColumnType::Int8,
            Self::UInt8(_) => ty == ColumnType::UInt8,
            Self::Float4(_) => ty == ColumnType::Float4,
            Self::Float8(_) => ty == ColumnType::Float8,
            Self::Text(_) => ty == ColumnType::Text,
            Self::Bytes(_) => ty == ColumnType::Bytes,
            Self::Uuid(_) => ty == ColumnType::Uuid,
            Self::Timestamp(_) => ty == ColumnType::Timestamp,
            Self::Json(_) => ty == ColumnType::Json,
        }
    }

    /// Hands this value to a sink.
    pub fn put<S: ColumnSink + ?Sized>(&self, sink: &mut S) {
        match self {
            Self::Null(ty) => sink.null(*ty),
            Self::Bool(value) => sink.bool(*value),
            Self::Int4(value) => sink.int4(*value),
            Self::Int8(value) => sink.int8(*value),
            Self::UInt8(value) => sink.uint8(*value),
            Self::Float4(value) => sink.float4(*value),
            Self::Float8(value) => sink.float8(*value),
            Self::Text(value) => sink.text(value),
            Self::Bytes(value) => sink.bytes(value),
            Self::Uuid(value) => sink.uuid(*value),
            Self::Timestamp(value) => sink.timestamp(*value),
            Self::Json(value) => sink.json(value),
        }
    }
}

/// Collects a row as owned values.
#[derive(Debug, Default)]
pub struct ValueSink {
    values: Vec<Value>,
}

impl ValueSink {
    /// The values, in the order in which they came.
    #[must_use]
    pub fn into_values(self) -> Vec<Value> {
        self.values
    }
}

impl ColumnSink for ValueSink {
    fn null(&mut self, ty: ColumnType) {
        self.values.push(Value::Null(ty));
    }
    fn bool(&mut self, value: bool) {
        self.values.push(Value::Bool(value));
    }
    fn int4(&mut self, value: i32) {
        self.values.push(Value::Int4(value));
    }
    fn int8(&mut self, value: i64) {
        self.values.push(Value::Int8(value));
    }
    fn uint8(&mut self, value: u64) {
        self.values.push(Value::UInt8(value));
    }
    fn float4(&mut self, value: f32) {
        self.values.push(Value::Float4(value));
    }
    fn float8(&mut self, value: f64) {
        self.values.push(Value::Float8(value));
    }
    fn text(&mut self, value: &str) {
        self.values.push(Value::Text(value.to_owned()));
    }
    fn bytes(&mut self, value: &[u8]) {
        self.values.push(Value::Bytes(value.to_owned()));
    }
    fn uuid(&mut self, value: Uuid) {
        self.values.push(Value::Uuid(value));
    }
    fn timestamp(&mut self, micros: i64) {
        self.values.push(Value::Timestamp(micros));
    }
    fn json(&mut self, value: &Json) {
        self.values.push(Value::Json(value.clone()));
    }
}
