//! Values as bound parameters.

use annals_record::{ColumnSink, ColumnType, Json, Record, Uuid, Value};
use sqlx::{
    Arguments as _, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo, types::Oid},
};

use super::copy::{jsonb, numeric_of_u64};
use crate::{Error, Result, sql::PgTimestamp};

/// The first microsecond since 1970 that a `timestamptz` holds (source: PostgreSQL, `MIN_TIMESTAMP`); its
/// last is beyond what 64 bits count.
const FIRST_TIME: i64 = -210_866_803_200_000_000;

/// Finds the value that the server would refuse, whatever the statement: no row can hold it.
pub(super) fn check(values: &[Value]) -> Result<()> {
    let problem = values.iter().find_map(|value| match value {
        Value::Text(text) if text.contains('\0') => Some("a text with U+0000"),
        Value::Json(json) if json.has_nul() => Some("JSON with U+0000"),
        Value::Timestamp(micros) if *micros < FIRST_TIME => Some("a time before 4713 BC"),
        _ => None,
    });
    match problem {
        Some(value) => Err(Error::Operand { value }),
        None => Ok(()),
    }
}

/// Parameters for `values`, in order; [`check`] them before.
pub(super) fn arguments(values: &[Value]) -> PgArguments {
    let mut sink = BindSink::default();
    values.iter().for_each(|value| value.put(&mut sink));
    sink.arguments
}

/// Parameters for every column of every record, in order.
pub(super) fn row_arguments<R: Record>(records: &[R]) -> PgArguments {
    let mut sink = BindSink::default();
    records.iter().for_each(|record| record.encode(&mut sink));
    sink.arguments
}

#[derive(Default)]
struct BindSink {
    arguments: PgArguments,
}

impl BindSink {
    fn add<'a, T: Encode<'a, Postgres> + Type<Postgres>>(&mut self, value: T) {
        // Only arrays and records can fail to encode, and none of these is one.
        let added = self.arguments.add(value);
        debug_assert!(added.is_ok());
    }
}

/// A value that is already in PostgreSQL's binary form.
struct Raw {
    oid: u32,
    bytes: Option<Vec<u8>>,
}

impl Type<Postgres> for Raw {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Raw {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match &self.bytes {
            None => Ok(IsNull::Yes),
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
        }
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(self.oid)))
    }
}

/// The type numbers that PostgreSQL gives its own types, the same on every server.
const fn oid(ty: ColumnType) -> u32 {
    match ty {
        ColumnType::Bool => 16,
        ColumnType::Bytes => 17,
        ColumnType::Int8 => 20,
        ColumnType::Int4 | ColumnType::Nanos => 23,
        ColumnType::Float4 => 700,
        ColumnType::Float8 => 701,
        ColumnType::Timestamp => 1184,
        ColumnType::UInt8 => 1700,
        ColumnType::Uuid => 2950,
        ColumnType::Json => 3802,
        _ => 25,
    }
}

impl ColumnSink for BindSink {
    fn null(&mut self, ty: ColumnType) {
        self.add(Raw {
            oid: oid(ty),
            bytes: None,
        });
    }
    fn bool(&mut self, value: bool) {
        self.add(value);
    }
    fn int4(&mut self, value: i32) {
        self.add(value);
    }
    fn int8(&mut self, value: i64) {
        self.add(value);
    }
    fn uint8(&mut self, value: u64) {
        let mut bytes = Vec::with_capacity(18);
        numeric_of_u64(value, &mut bytes);
        self.add(Raw {
            oid: oid(ColumnType::UInt8),
            bytes: Some(bytes),
        });
    }
    fn float4(&mut self, value: f32) {
        self.add(value);
    }
    fn float8(&mut self, value: f64) {
        self.add(value);
    }
    fn text(&mut self, value: &str) {
        self.add(value);
    }
    fn bytes(&mut self, value: &[u8]) {
        self.add(value);
    }
    fn uuid(&mut self, value: Uuid) {
        self.add(value);
    }
    fn timestamp(&mut self, micros: i64) {
        self.add(PgTimestamp(micros));
    }
    fn json(&mut self, value: &Json) {
        let mut bytes = Vec::with_capacity(value.as_str().len() + 1);
        jsonb(value, &mut bytes);
        self.add(Raw {
            oid: oid(ColumnType::Json),
            bytes: Some(bytes),
        });
    }
}
