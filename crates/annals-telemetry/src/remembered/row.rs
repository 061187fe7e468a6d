//! A span as bytes, and back, column by column as the record tells them.
//!
//! Each column is a byte that says whether it has a value, then the value: little-endian, or its length (4) and its bytes.

use annals_record::{
    ColumnSink, ColumnSource, ColumnType, DecodeError, Descriptor, Json, Record, Uuid,
};

/// A number that changes when columns come, go, move or change their type.
pub(super) const fn format_of(descriptor: &Descriptor) -> u16 {
    // FNV-1a, of which anything that is fixed for ever would do.
    let mut hash: u32 = 0x811c_9dc5;
    let mut columns = descriptor.columns;
    while let [column, rest @ ..] = columns {
        let mut name = column.name.as_bytes();
        while let [byte, rest @ ..] = name {
            hash = (hash ^ *byte as u32).wrapping_mul(0x0100_0193);
            name = rest;
        }
        hash = (hash ^ (0x100 + column.ty as u32)).wrapping_mul(0x0100_0193);
        columns = rest;
    }
    ((hash >> 16) ^ (hash & 0xffff)) as u16
}

/// Writes rows one behind the other.
#[derive(Default)]
pub(super) struct Rows(Vec<u8>);

impl Rows {
    pub(super) fn push<R: Record>(&mut self, row: &R) {
        row.encode(self);
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn fixed(&mut self, bytes: &[u8]) {
        self.0.push(1);
        self.0.extend(bytes);
    }

    fn sized(&mut self, bytes: &[u8]) {
        self.0.push(1);
        // Beyond 4 GiB the row would not be read again, and no value is remembered that is nearly as large.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend(length.to_le_bytes());
        self.0.extend(bytes);
    }
}

impl ColumnSink for Rows {
    fn null(&mut self, _ty: ColumnType) {
        self.0.push(0);
    }
    fn bool(&mut self, value: bool) {
        self.fixed(&[value.into()]);
    }
    fn int4(&mut self, value: i32) {
        self.fixed(&value.to_le_bytes());
    }
    fn int8(&mut self, value: i64) {
        self.fixed(&value.to_le_bytes());
    }
    fn uint8(&mut self, value: u64) {
        self.fixed(&value.to_le_bytes());
    }
    fn float4(&mut self, value: f32) {
        self.fixed(&value.to_le_bytes());
    }
    fn float8(&mut self, value: f64) {
        self.fixed(&value.to_le_bytes());
    }
    fn text(&mut self, value: &str) {
        self.sized(value.as_bytes());
    }
    fn bytes(&mut self, value: &[u8]) {
        self.sized(value);
    }
    fn uuid(&mut self, value: Uuid) {
        self.fixed(value.as_bytes());
    }
    fn timestamp(&mut self, micros: i64) {
        self.fixed(&micros.to_le_bytes());
    }
    fn json(&mut self, value: &Json) {
        self.sized(value.as_str().as_bytes());
    }
}

/// Reads what [`Rows`] has written.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next row; `None` behind the last.
    pub(super) fn next<R: Record>(&mut self) -> Option<Result<R, DecodeError>> {
        (!self.0.is_empty()).then(|| R::decode(self))
    }

    fn is_there(&mut self) -> Result<bool, DecodeError> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(damaged()),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.0.split_first_chunk().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(*array)
    }

    fn fixed<const N: usize, T>(
        &mut self,
        make: impl FnOnce([u8; N]) -> T,
    ) -> Result<Option<T>, DecodeError> {
        Ok(if self.is_there()? {
            Some(make(self.array()?))
        } else {
            None
        })
    }

    fn sized(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        let Some(length) = self.fixed(u32::from_le_bytes)? else {
            return Ok(None);
        };
        let (bytes, rest) = self
            .0
            .split_at_checked(length as usize)
            .ok_or_else(damaged)?;
        self.0 = rest;
        Ok(Some(bytes))
    }

    fn str(&mut self) -> Result<Option<&'a str>, DecodeError> {
        let bytes = self.sized()?;
        bytes
            .map(std::str::from_utf8)
            .transpose()
            .map_err(DecodeError::invalid)
    }
}

/// All rows, if that is what the bytes are.
pub(super) fn all<R: Record>(bytes: &[u8]) -> Option<Vec<R>> {
    let mut reader = Reader::new(bytes);
    let mut rows = Vec::new();
    while let Some(row) = reader.next() {
        rows.push(row.ok()?);
    }
    Some(rows)
}

fn damaged() -> DecodeError {
    DecodeError::invalid("the bytes are damaged")
}

impl ColumnSource for Reader<'_> {
    fn bool(&mut self) -> Result<Option<bool>, DecodeError> {
        self.fixed(|[byte]: [u8; 1]| byte != 0)
    }
    fn int4(&mut self) -> Result<Option<i32>, DecodeError> {
        self.fixed(i32::from_le_bytes)
    }
    fn int8(&mut self) -> Result<Option<i64>, DecodeError> {
        self.fixed(i64::from_le_bytes)
    }
    fn uint8(&mut self) -> Result<Option<u64>, DecodeError> {
        self.fixed(u64::from_le_bytes)
    }
    fn float4(&mut self) -> Result<Option<f32>, DecodeError> {
        self.fixed(f32::from_le_bytes)
    }
    fn float8(&mut self) -> Result<Option<f64>, DecodeError> {
        self.fixed(f64::from_le_bytes)
    }
    fn text(&mut self) -> Result<Option<String>, DecodeError> {
        Ok(self.str()?.map(str::to_owned))
    }
    fn bytes(&mut self) -> Result<Option<Vec<u8>>, DecodeError> {
        Ok(self.sized()?.map(<[u8]>::to_vec))
    }
    fn uuid(&mut self) -> Result<Option<Uuid>, DecodeError> {
        self.fixed(Uuid::from_bytes)
    }
    fn timestamp(&mut self) -> Result<Option<i64>, DecodeError> {
        self.int8()
    }
    fn json(&mut self) -> Result<Option<Json>, DecodeError> {
        self.str()?
            .map(Json::parse)
            .transpose()
            .map_err(DecodeError::invalid)
    }
}

/// About how many bytes of memory rows take.
pub(super) fn weight_of<R: Record>(rows: &[R]) -> usize {
    let mut apart = Apart(0);
    for row in rows {
        row.encode(&mut apart);
    }
    apart.0.saturating_add(std::mem::size_of_val(rows))
}

/// Sums what values take beside the row itself.
struct Apart(usize);

impl Apart {
    fn add(&mut self, bytes: usize) {
        /// What an allocation takes beside what was asked for.
        const ALLOCATION: usize = 16;
        self.0 = self.0.saturating_add(bytes).saturating_add(ALLOCATION);
    }
}

impl ColumnSink for Apart {
    fn null(&mut self, _ty: ColumnType) {}
    fn bool(&mut self, _value: bool) {}
    fn int4(&mut self, _value: i32) {}
    fn int8(&mut self, _value: i64) {}
    fn uint8(&mut self, _value: u64) {}
    fn float4(&mut self, _value: f32) {}
    fn float8(&mut self, _value: f64) {}
    fn text(&mut self, value: &str) {
        self.add(value.len());
    }
    fn bytes(&mut self, value: &[u8]) {
        self.add(value.len());
    }
    fn uuid(&mut self, _value: Uuid) {}
    fn timestamp(&mut self, _micros: i64) {}
    fn json(&mut self, value: &Json) {
        self.add(value.as_str().len());
    }
}
