//! Values into parameters, and rows into records.

use annals_record::{ColumnSink, ColumnSource, ColumnType, DecodeError, Json, Record, Uuid, Value};
use rusqlite::{Row, Statement, types::ValueRef};

/// Binds `values` to the parameters of a statement.
pub(super) fn bind_all(
    statement: &mut Statement<'_>,
    values: &[Value],
) -> Result<(), rusqlite::Error> {
    let mut sink = BindSink::new(statement);
    values.iter().for_each(|value| value.put(&mut sink));
    sink.finish()
}

/// Binds every column of a record.
pub(super) fn bind_row<R: Record>(
    statement: &mut Statement<'_>,
    record: &R,
) -> Result<(), rusqlite::Error> {
    let mut sink = BindSink::new(statement);
    record.encode(&mut sink);
    sink.finish()
}

struct BindSink<'a, 's> {
    statement: &'a mut Statement<'s>,
    parameter: usize,
    error: Option<rusqlite::Error>,
}

impl<'a, 's> BindSink<'a, 's> {
    fn new(statement: &'a mut Statement<'s>) -> Self {
        Self {
            statement,
            parameter: 0,
            error: None,
        }
    }

    fn finish(self) -> Result<(), rusqlite::Error> {
        self.error.map_or(Ok(()), Err)
    }

    #[inline]
    fn bind(&mut self, value: impl rusqlite::ToSql) {
        self.parameter += 1;
        if let Err(error) = self.statement.raw_bind_parameter(self.parameter, value) {
            self.error.get_or_insert(error);
        }
    }
}

impl ColumnSink for BindSink<'_, '_> {
    fn null(&mut self, _ty: ColumnType) {
        self.bind(rusqlite::types::Null);
    }
    fn bool(&mut self, value: bool) {
        self.bind(value);
    }
    fn int4(&mut self, value: i32) {
        self.bind(value);
    }
    fn int8(&mut self, value: i64) {
        self.bind(value);
    }
    /// Beyond 2^63 as text of 20 digits, which sorts after every integer and among its like.
    fn uint8(&mut self, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.bind(value),
            Err(_) => self.bind(format!("{value:020}")),
        }
    }
    fn float4(&mut self, value: f32) {
        self.float8(value.into());
    }
    /// SQLite makes NULL of a bound NaN; as text it sorts after every number, as in PostgreSQL.
    fn float8(&mut self, value: f64) {
        if value.is_nan() {
            self.bind("NaN")
        } else {
            self.bind(value)
        }
    }
    fn text(&mut self, value: &str) {
        self.bind(value);
    }
    fn bytes(&mut self, value: &[u8]) {
        self.bind(value);
    }
    fn uuid(&mut self, value: Uuid) {
        let mut buffer = Uuid::encode_buffer();
        self.bind(&*value.hyphenated().encode_lower(&mut buffer));
    }
    fn timestamp(&mut self, micros: i64) {
        self.bind(micros);
    }
    fn json(&mut self, value: &Json) {
        self.bind(value.as_str());
    }
}

/// Gives a row's columns one after the other.
pub(crate) struct SqliteSource<'a, 's> {
    row: &'a Row<'s>,
    next: usize,
}

impl<'a, 's> SqliteSource<'a, 's> {
    pub(crate) fn new(row: &'a Row<'s>) -> Self {
        Self { row, next: 0 }
    }

    fn value(&mut self) -> Result<ValueRef<'a>, DecodeError> {
        let value = self.row.get_ref(self.next).map_err(DecodeError::invalid)?;
        self.next += 1;
        Ok(value)
    }

    fn integer<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, DecodeError>
    where
        T::Error: std::error::Error + Send + Sync + 'static,
    {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(value) => T::try_from(value).map(Some).map_err(DecodeError::invalid),
            other => Err(misfit(other)),
        }
    }

    fn str(&mut self) -> Result<Option<&'a str>, DecodeError> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(text) => std::str::from_utf8(text)
                .map(Some)
                .map_err(DecodeError::invalid),
            other => Err(misfit(other)),
        }
    }
}

fn misfit(value: ValueRef<'_>) -> DecodeError {
    DecodeError::invalid(format!(
        "SQLite holds a value of type {} there",
        value.data_type()
    ))
}

impl ColumnSource for SqliteSource<'_, '_> {
    fn bool(&mut self) -> Result<Option<bool>, DecodeError> {
        Ok(self.integer::<i64>()?.map(|value| value != 0))
    }
    fn int4(&mut self) -> Result<Option<i32>, DecodeError> {
        self.integer()
    }
    fn int8(&mut self) -> Result<Option<i64>, DecodeError> {
        self.integer()
    }
    fn uint8(&mut self) -> Result<Option<u64>, DecodeError> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Integer(value) => {
                u64::try_from(value).map(Some).map_err(DecodeError::invalid)
            }
            ValueRef::Text(digits) => {
                let digits = std::str::from_utf8(digits).map_err(DecodeError::invalid)?;
                digits.parse().map(Some).map_err(DecodeError::invalid)
            }
            other => Err(misfit(other)),
        }
    }
    fn float4(&mut self) -> Result<Option<f32>, DecodeError> {
        // Every f32 is an f64, so what was widened on the way in is the same again.
        Ok(self.float8()?.map(|value| value as f32))
    }
    fn float8(&mut self) -> Result<Option<f64>, DecodeError> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Real(value) => Ok(Some(value)),
            // Written by hand, without a decimal point.
            ValueRef::Integer(value) => Ok(Some(value as f64)),
            ValueRef::Text(b"NaN") => Ok(Some(f64::NAN)),
            other => Err(misfit(other)),
        }
    }
    fn text(&mut self) -> Result<Option<String>, DecodeError> {
        Ok(self.str()?.map(str::to_owned))
    }
    fn bytes(&mut self) -> Result<Option<Vec<u8>>, DecodeError> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(bytes) => Ok(Some(bytes.to_vec())),
            other => Err(misfit(other)),
        }
    }
    fn uuid(&mut self) -> Result<Option<Uuid>, DecodeError> {
        self.str()?
            .map(Uuid::parse_str)
            .transpose()
            .map_err(DecodeError::invalid)
    }
    fn timestamp(&mut self) -> Result<Option<i64>, DecodeError> {
        self.integer()
    }
    fn json(&mut self) -> Result<Option<Json>, DecodeError> {
        self.str()?
            .map(Json::parse)
            .transpose()
            .map_err(DecodeError::invalid)
    }
}
