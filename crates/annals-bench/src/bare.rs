//! What somebody writes who has the driver and nothing else: INSERTs, prepared once.

use annals_record::{ColumnSink, ColumnType, Json, Record as _, Uuid};
use annals_store::sql::PgTimestamp;
use annals_telemetry::Span;
use sqlx::{
    Arguments as _, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo},
};

/// An INSERT of one span. `parameter` writes the name of a parameter by its number.
pub(crate) fn insert_sql(parameter: impl Fn(usize) -> String) -> String {
    let columns = Span::DESCRIPTOR.columns;
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let parameters: Vec<String> = (1..=columns.len()).map(parameter).collect();
    format!(
        "INSERT INTO spans ({}) VALUES ({})",
        names.join(", "),
        parameters.join(", ")
    )
}

/// The values of a span as sqlx takes them.
#[derive(Default)]
pub(crate) struct ForPostgres(PgArguments);

impl ForPostgres {
    pub(crate) fn of(span: &Span) -> PgArguments {
        let mut sink = Self::default();
        span.encode(&mut sink);
        sink.0
    }

    fn add<'a, T: Encode<'a, Postgres> + Type<Postgres>>(&mut self, value: T) {
        self.0.add(value).expect("a value");
    }
}

struct Jsonb<'a>(&'a str);

impl Type<Postgres> for Jsonb<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("jsonb")
    }
}

impl Encode<'_, Postgres> for Jsonb<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.push(1);
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

/// The values of a span as rusqlite takes them.
pub(crate) struct ForSqlite<'a, 's> {
    statement: &'a mut rusqlite::Statement<'s>,
    column: usize,
}

impl<'a, 's> ForSqlite<'a, 's> {
    pub(crate) fn bind(statement: &'a mut rusqlite::Statement<'s>, span: &Span) {
        span.encode(&mut Self {
            statement,
            column: 0,
        });
    }

    fn add(&mut self, value: impl rusqlite::ToSql) {
        self.column += 1;
        self.statement
            .raw_bind_parameter(self.column, value)
            .expect("a value");
    }
}

impl ColumnSink for ForPostgres {
    fn null(&mut self, ty: ColumnType) {
        match ty {
            ColumnType::Int4 => self.add(None::<i32>),
            ColumnType::Int8 => self.add(None::<i64>),
            ColumnType::Float8 => self.add(None::<f64>),
            ColumnType::Json => self.add(None::<Jsonb<'_>>),
            _ => self.add(None::<&str>),
        }
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
        self.add(i64::try_from(value).expect("spans have no larger number"));
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
        self.add(Jsonb(value.as_str()));
    }
}

impl ColumnSink for ForSqlite<'_, '_> {
    fn null(&mut self, _ty: ColumnType) {
        self.add(rusqlite::types::Null);
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
        self.add(i64::try_from(value).expect("spans have no larger number"));
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
        self.add(value.as_bytes().as_slice());
    }
    fn timestamp(&mut self, micros: i64) {
        self.add(micros);
    }
    fn json(&mut self, value: &Json) {
        self.add(value.as_str());
    }
}
