//! Records straight into the wire form of binary COPY.
//!
//! The form: a header of 19 bytes, then for each row the number of columns (2 bytes) and for each
//! column its length (4, or -1 for NULL) and bytes, then -1 (2) at the end. Source: PostgreSQL's
//! documentation of COPY, "Binary Format".

use annals_record::{ColumnSink, ColumnType, Json, Record, Uuid};

use crate::{error::Refusal, sql::PgTimestamp};

const NUL_IN_TEXT: &str = "contains U+0000, which PostgreSQL's text cannot hold; put it into a bytes column or take it out";
const NUL_IN_JSON: &str = "contains U+0000, which PostgreSQL's jsonb cannot hold; put it into a bytes column or take it out";

/// `jsonb` on the wire: a version and the text.
pub(super) fn jsonb(value: &Json, out: &mut Vec<u8>) {
    out.push(1);
    out.extend_from_slice(value.as_str().as_bytes());
}

/// `numeric` on the wire: number of digits, weight of the first, sign, scale, digits to base 10,000.
pub(super) fn numeric_of_u64(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u16; 5];
    let mut rest = value;
    for digit in digits.iter_mut().rev() {
        *digit = u16::try_from(rest % 10_000).unwrap_or_default();
        rest /= 10_000;
    }
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = digits.get(leading..).unwrap_or_default();
    let count = i16::try_from(digits.len()).unwrap_or_default();
    out.extend(count.to_be_bytes());
    out.extend((count - 1).max(0).to_be_bytes());
    out.extend([0, 0, 0, 0]);
    digits
        .iter()
        .for_each(|digit| out.extend(digit.to_be_bytes()));
}

/// Reads what the server writes for a `numeric(20,0)` that fits into 64 bits.
pub(super) fn u64_of_numeric(bytes: &[u8]) -> Option<u64> {
    let mut words = bytes
        .chunks_exact(2)
        .filter_map(|word| word.try_into().ok().map(i16::from_be_bytes));
    let count = usize::try_from(words.next()?).ok()?;
    let weight = words.next()?;
    let sign = words.next()?;
    let _scale = words.next()?;
    if count == 0 {
        return Some(0);
    }
    let weight = u32::try_from(weight).ok()?;
    if sign != 0 || count > weight as usize + 1 {
        return None;
    }
    let mut value: u64 = 0;
    for _ in 0..count {
        value = value
            .checked_mul(10_000)?
            .checked_add(u64::try_from(words.next()?).ok()?)?;
    }
    let trailing = weight + 1 - u32::try_from(count).ok()?;
    value.checked_mul(10_000_u64.checked_pow(trailing)?)
}

/// A COPY stream under construction, in one buffer that is used again and again.
pub(super) struct CopyBuffer {
    bytes: Vec<u8>,
    /// Columns that precede the record's own.
    leading: i16,
    column: usize,
    refused: Option<(usize, &'static str)>,
}

impl CopyBuffer {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
            leading: 0,
            column: 0,
            refused: None,
        }
    }

    /// Starts a stream.
    pub(super) fn begin(&mut self) {
        self.bytes.clear();
        self.bytes
            .extend_from_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
    }

    /// Ends the stream.
    pub(super) fn end(&mut self) {
        self.bytes.extend_from_slice(&[0xff, 0xff]);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets what was sent.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Appends a row, or nothing when a column cannot hold its value.
    pub(super) fn row<R: Record>(&mut self, record: &R) -> Result<(), Refusal> {
        self.row_with::<R>(record, None)
    }

    /// Appends a row behind its number.
    pub(super) fn numbered_row<R: Record>(
        &mut self,
        number: i32,
        record: &R,
    ) -> Result<(), Refusal> {
        self.row_with::<R>(record, Some(number))
    }

    fn row_with<R: Record>(&mut self, record: &R, number: Option<i32>) -> Result<(), Refusal> {
        let start = self.bytes.len();
        self.refused = None;
        self.leading = i16::from(number.is_some());
        let columns = i16::try_from(R::DESCRIPTOR.columns.len()).unwrap_or(i16::MAX) + self.leading;
        self.bytes.extend_from_slice(&columns.to_be_bytes());
        if let Some(number) = number {
            self.fixed(number.to_be_bytes());
        }
        self.column = 0;
        record.encode(self);
        match self.refused {
            None => Ok(()),
            Some((position, reason)) => {
                self.bytes.truncate(start);
                let column = R::DESCRIPTOR
                    .columns
                    .get(position)
                    .map_or("", |column| column.name);
                Err(Refusal {
                    table: R::DESCRIPTOR.table,
                    column,
                    reason,
                })
            }
        }
    }

    #[inline]
    fn fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes.extend_from_slice(&(N as i32).to_be_bytes());
        self.bytes.extend_from_slice(&bytes);
        self.column += 1;
    }

    #[inline]
    fn variable(&mut self, bytes: &[u8]) {
        // A value beyond 1 GiB is refused by the server; the length still has to be told truly.
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(bytes);
        self.column += 1;
    }

    fn refuse(&mut self, reason: &'static str) {
        self.refused.get_or_insert((self.column, reason));
    }
}

impl ColumnSink for CopyBuffer {
    #[inline]
    fn null(&mut self, _ty: ColumnType) {
        self.bytes.extend_from_slice(&[0xff; 4]);
        self.column += 1;
    }
    fn bool(&mut self, value: bool) {
        self.fixed([u8::from(value)]);
    }
    fn int4(&mut self, value: i32) {
        self.fixed(value.to_be_bytes());
    }
    fn int8(&mut self, value: i64) {
        self.fixed(value.to_be_bytes());
    }
    fn uint8(&mut self, value: u64) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        numeric_of_u64(value, &mut self.bytes);
        let length = i32::try_from(self.bytes.len() - at - 4).unwrap_or_default();
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        self.column += 1;
    }
    fn float4(&mut self, value: f32) {
        self.fixed(value.to_be_bytes());
    }
    fn float8(&mut self, value: f64) {
        self.fixed(value.to_be_bytes());
    }
    fn text(&mut self, value: &str) {
        if value.as_bytes().contains(&0) {
            self.refuse(NUL_IN_TEXT);
        }
        self.variable(value.as_bytes());
    }
    fn bytes(&mut self, value: &[u8]) {
        self.variable(value);
    }
    fn uuid(&mut self, value: Uuid) {
        self.fixed(value.into_bytes());
    }
    fn timestamp(&mut self, micros: i64) {
        self.fixed(PgTimestamp(micros).to_wire());
    }
    fn json(&mut self, value: &Json) {
        if value.has_nul() {
            self.refuse(NUL_IN_JSON);
        }
        let text = value.as_str();
        let length = i32::try_from(text.len() + 1).unwrap_or(i32::MAX);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.push(1);
        self.bytes.extend_from_slice(text.as_bytes());
        self.column += 1;
    }
}

/// Whether a row of the record's table can hold it, without writing anything.
pub(crate) fn check<R: Record>(record: &R) -> Result<(), Refusal> {
    CopyBuffer::new(256).row(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_u64_survives_numeric() {
        for value in [
            0,
            1,
            9_999,
            10_000,
            99_990_000,
            1 << 53,
            u64::MAX - 1,
            u64::MAX,
        ] {
            let mut bytes = Vec::new();
            numeric_of_u64(value, &mut bytes);
            assert_eq!(u64_of_numeric(&bytes), Some(value));
        }
    }

    #[test]
    fn numeric_without_its_trailing_zero_digits_is_read_as_the_server_writes_it() {
        // 10,000 as the server writes it: one digit of weight one.
        assert_eq!(
            u64_of_numeric(&[0, 1, 0, 1, 0, 0, 0, 0, 0, 1]),
            Some(10_000)
        );
        // -1 and 0.5 are no u64.
        assert_eq!(u64_of_numeric(&[0, 1, 0, 0, 0x40, 0, 0, 0, 0, 1]), None);
        assert_eq!(
            u64_of_numeric(&[0, 1, 0xff, 0xff, 0, 0, 0, 1, 0x13, 0x88]),
            None
        );
        assert_eq!(u64_of_numeric(&[0, 9]), None);
    }
}
