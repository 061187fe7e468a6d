//! Rows of a result as records.

use annals_record::{ColumnSource, DecodeError, Json, Uuid};
use sqlx::{
    Decode, Postgres, Row as _, ValueRef as _,
    postgres::{PgRow, PgValueRef},
};

use super::copy::u64_of_numeric;
use crate::sql::PgTimestamp;

/// Gives a row's columns one after the other.
pub(crate) struct PgSource<'a> {
    row: &'a PgRow,
    next: usize,
}

impl<'a> PgSource<'a> {
    pub(crate) fn new(row: &'a PgRow) -> Self {
        Self { row, next: 0 }
    }

    fn value(&mut self) -> Result<Option<PgValueRef<'a>>, DecodeError> {
        let value = self
            .row
            .try_get_raw(self.next)
            .map_err(DecodeError::invalid)?;
        self.next += 1;
        Ok((!value.is_null()).then_some(value))
    }

    fn decoded<T: Decode<'a, Postgres>>(&mut self) -> Result<Option<T>, DecodeError> {
        self.value()?
            .map(T::decode)
            .transpose()
            .map_err(DecodeError::Invalid)
    }

    fn raw(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        self.value()?
            .map(|value| value.as_bytes())
            .transpose()
            .map_err(DecodeError::Invalid)
    }
}

impl ColumnSource for PgSource<'_> {
    fn bool(&mut self) -> Result<Option<bool>, DecodeError> {
        self.decoded()
    }
    fn int4(&mut self) -> Result<Option<i32>, DecodeError> {
        self.decoded()
    }
    fn int8(&mut self) -> Result<Option<i64>, DecodeError> {
        self.decoded()
    }
    fn uint8(&mut self) -> Result<Option<u64>, DecodeError> {
        let misfit = || DecodeError::invalid("the number is negative, broken or beyond 64 bits");
        self.raw()?
            .map(|bytes| u64_of_numeric(bytes).ok_or_else(misfit))
            .transpose()
    }
    fn float4(&mut self) -> Result<Option<f32>, DecodeError> {
        self.decoded()
    }
    fn float8(&mut self) -> Result<Option<f64>, DecodeError> {
        self.decoded()
    }
    fn text(&mut self) -> Result<Option<String>, DecodeError> {
        self.decoded()
    }
    fn bytes(&mut self) -> Result<Option<Vec<u8>>, DecodeError> {
        Ok(self.raw()?.map(<[u8]>::to_vec))
    }
    fn uuid(&mut self) -> Result<Option<Uuid>, DecodeError> {
        self.decoded()
    }
    fn timestamp(&mut self) -> Result<Option<i64>, DecodeError> {
        let micros = self.raw()?.map(<[u8; 8]>::try_from).transpose();
        Ok(micros
            .map_err(DecodeError::invalid)?
            .map(|bytes| PgTimestamp::from_wire(bytes).0))
    }
    fn json(&mut self) -> Result<Option<Json>, DecodeError> {
        let Some(bytes) = self.raw()? else {
            return Ok(None);
        };
        let text = bytes
            .split_first()
            .and_then(|(_version, text)| std::str::from_utf8(text).ok());
        let text = text.ok_or_else(|| DecodeError::invalid("the server sent broken jsonb"))?;
        Json::parse(text).map(Some).map_err(DecodeError::invalid)
    }
}
