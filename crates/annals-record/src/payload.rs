//! The form in which a record is kept when its table refuses it.
//!
//! Binary, so that it can hold what made the record refused (a NUL, for one), and self-describing,
//! so that it can be shown without the record's type and read after columns were added.
//!
//! Layout, integers big-endian: format (1 byte, 1), number of columns (2), then for each column the
//! length of its name (2), its name, a tag (1) and the value: fixed width, or length (4) and bytes.

use uuid::Uuid;

use crate::{Column, ColumnSource, ColumnType, DecodeError, Json, Record, Value, ValueSink};

const FORMAT: u8 = 1;

/// A record as names and values.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    columns: Vec<(String, Value)>,
}

/// Why bytes are not a [`Payload`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Written by a version that this one does not know.
    #[error("the payload has format {0}, and this version reads format {FORMAT}")]
    Format(u8),
    /// Cut off or damaged.
    #[error("the payload is damaged at byte {0}")]
    Damaged(usize),
}

impl Payload {
    /// The payload of a record.
    pub fn of<R: Record>(record: &R) -> Self {
        let mut sink = ValueSink::default();
        record.encode(&mut sink);
        let names = R::DESCRIPTOR
            .columns
            .iter()
            .map(|column| column.name.to_owned());
        Self {
            columns: names.zip(sink.into_values()).collect(),
        }
    }

    /// A payload of values without names.
    pub fn from_values(values: impl IntoIterator<Item = Value>) -> Self {
        Self {
            columns: values
                .into_iter()
                .map(|value| (String::new(), value))
                .collect(),
        }
    }

    /// Names and values, in the order of the table's columns.
    #[must_use]
    pub fn columns(&self) -> &[(String, Value)] {
        &self.columns
    }

    /// The record that was kept. Columns that the record has gained since are absent.
    ///
    /// # Errors
    ///
    /// A value does not fit the record's field.
    pub fn to_record<R: Record>(&self) -> Result<R, DecodeError> {
        let mut source = PayloadSource {
            payload: self,
            columns: R::DESCRIPTOR.columns.iter(),
        };
        R::decode(&mut source)
    }

    /// The payload as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        out.extend(
            u16::try_from(self.columns.len())
                .unwrap_or(u16::MAX)
                .to_be_bytes(),
        );
        for (name, value) in &self.columns {
            out.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
            out.extend(name.as_bytes());
            write_value(value, &mut out);
        }
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    ///
    /// The bytes are of another format, or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut reader = Reader { bytes, at: 0 };
        let [format] = reader.array()?;
        if format != FORMAT {
            return Err(PayloadError::Format(format));
        }
        let count = u16::from_be_bytes(reader.array()?);
        let mut columns = Vec::with_capacity(count.into());
        for _ in 0..count {
            let length = u16::from_be_bytes(reader.array()?);
            let name = reader.text(length.into())?;
            columns.push((name, reader.value()?));
        }
        if reader.at == bytes.len() {
            Ok(Self { columns })
        } else {
            Err(reader.damaged())
        }
    }
}

mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const BOOL: u8 = 1;
    pub(super) const INT4: u8 = 2;
    pub(super) const INT8: u8 = 3;
    pub(super) const UINT8: u8 = 4;
    pub(super) const FLOAT4: u8 = 5;
    pub(super) const FLOAT8: u8 = 6;
    pub(super) const TEXT: u8 = 7;
    pub(super) const BYTES: u8 = 8;
    pub(super) const UUID: u8 = 9;
    pub(super) const TIMESTAMP: u8 = 10;
    pub(super) const JSON: u8 = 11;
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    let mut fixed = |tag: u8, bytes: &[u8]| {
        out.push(tag);
        out.extend(bytes);
    };
    let (tag, bytes) = match value {
        Value::Null(_) => return fixed(tag::NULL, &[]),
        Value::Bool(value) => return fixed(tag::BOOL, &[u8::from(*value)]),
        Value::Int4(value) => return fixed(tag::INT4, &value.to_be_bytes()),
        Value::Int8(value) => return fixed(tag::INT8, &value.to_be_bytes()),
        Value::UInt8(value) => return fixed(tag::UINT8, &value.to_be_bytes()),
        Value::Float4(value) => return fixed(tag::FLOAT4, &value.to_be_bytes()),
        Value::Float8(value) => return fixed(tag::FLOAT8, &value.to_be_bytes()),
        Value::Uuid(value) => return fixed(tag::UUID, value.as_bytes()),
        Value::Timestamp(value) => return fixed(tag::TIMESTAMP, &value.to_be_bytes()),
        Value::Text(value) => (tag::TEXT, value.as_bytes()),
        Value::Json(value) => (tag::JSON, value.as_str().as_bytes()),
        Value::Bytes(value) => (tag::BYTES, value.as_slice()),
    };
    fixed(
        tag,
        &u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes(),
    );
    out.extend(bytes);
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn damaged(&self) -> PayloadError {
        PayloadError::Damaged(self.at)
    }

    fn slice(&mut self, length: usize) -> Result<&[u8], PayloadError> {
        let end = self.at.saturating_add(length);
        let slice = self
            .bytes
            .get(self.at..end)
            .ok_or(PayloadError::Damaged(self.at))?;
        self.at = end;
        Ok(slice)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PayloadError> {
        let at = self.at;
        self.slice(N)?
            .try_into()
            .map_err(|_| PayloadError::Damaged(at))
    }

    fn text(&mut self, length: usize) -> Result<String, PayloadError> {
        let at = self.at;
        String::from_utf8(self.slice(length)?.to_vec()).map_err(|_| PayloadError::Damaged(at))
    }

    fn length(&mut self) -> Result<usize, PayloadError> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
    }

    fn value(&mut self) -> Result<Value, PayloadError> {
        let at = self.at;
        let [tag] = self.array()?;
        Ok(match tag {
            tag::NULL => Value::Null(ColumnType::Text),
            tag::BOOL => Value::Bool(self.array()? != [0]),
            tag::INT4 => Value::Int4(i32::from_be_bytes(self.array()?)),
            tag::INT8 => Value::Int8(i64::from_be_bytes(self.array()?)),
            tag::UINT8 => Value::UInt8(u64::from_be_bytes(self.array()?)),
            tag::FLOAT4 => Value::Float4(f32::from_be_bytes(self.array()?)),
            tag::FLOAT8 => Value::Float8(f64::from_be_bytes(self.array()?)),
            tag::UUID => Value::Uuid(Uuid::from_bytes(self.array()?)),
            tag::TIMESTAMP => Value::Timestamp(i64::from_be_bytes(self.array()?)),
            tag::TEXT => {
                let length = self.length()?;
                Value::Text(self.text(length)?)
            }
            tag::BYTES => {
                let length = self.length()?;
                Value::Bytes(self.slice(length)?.to_vec())
            }
            tag::JSON => {
                let length = self.length()?;
                let text = self.text(length)?;
                Value::Json(Json::parse(&text).map_err(|_| PayloadError::Damaged(at))?)
            }
            _ => return Err(PayloadError::Damaged(at)),
        })
    }
}

/// Gives a payload's values by name, in the order of a record's columns.
struct PayloadSource<'a> {
    payload: &'a Payload,
    columns: std::slice::Iter<'static, Column>,
}

impl PayloadSource<'_> {
    fn next(&mut self) -> Option<&Value> {
        let name = self.columns.next()?.name;
        self.payload
            .columns
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }
}

macro_rules! source_methods {
    ($($method:ident, $rust:ty, $variant:ident;)*) => {$(
        fn $method(&mut self) -> Result<Option<$rust>, DecodeError> {
            match self.next() {
                None | Some(Value::Null(_)) => Ok(None),
                Some(Value::$variant(value)) => Ok(Some(value.clone())),
                Some(other) => Err(DecodeError::invalid(format!("the payload holds {other:?}"))),
            }
        }
    )*};
}

impl ColumnSource for PayloadSource<'_> {
    source_methods! {
        bool, bool, Bool;
        int4, i32, Int4;
        int8, i64, Int8;
        uint8, u64, UInt8;
        float4, f32, Float4;
        float8, f64, Float8;
        text, String, Text;
        bytes, Vec<u8>, Bytes;
        uuid, Uuid, Uuid;
        timestamp, i64, Timestamp;
        json, Json, Json;
    }
}

/// A payload as JSON, for people: bytes in hexadecimal, times in RFC 3339, NaN as text.
impl serde::Serialize for Payload {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.columns
                .iter()
                .map(|(name, value)| (name, Shown(value))),
        )
    }
}

impl Payload {
    /// One value as JSON, in the same way.
    pub fn shown(value: &Value) -> impl serde::Serialize + '_ {
        Shown(value)
    }
}

struct Shown<'a>(&'a Value);

impl serde::Serialize for Shown<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null(_) => serializer.serialize_none(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int4(value) => serializer.serialize_i32(*value),
            Value::Int8(value) => serializer.serialize_i64(*value),
            Value::UInt8(value) => serializer.serialize_u64(*value),
            Value::Float4(value) if value.is_finite() => serializer.serialize_f32(*value),
            Value::Float4(value) => serializer.collect_str(value),
            Value::Float8(value) if value.is_finite() => serializer.serialize_f64(*value),
            Value::Float8(value) => serializer.collect_str(value),
            Value::Text(value) => serializer.serialize_str(value),
            Value::Bytes(value) => {
                let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
                serializer.serialize_str(&hex)
            }
            Value::Uuid(value) => serializer.collect_str(value),
            Value::Timestamp(micros) => match crate::Timestamp::from_micros_and_nanos(*micros, 0) {
                Ok(time) => serializer.collect_str(&time),
                Err(_) => serializer.serialize_i64(*micros),
            },
            Value::Json(value) => value.serialize(serializer),
        }
    }
}
