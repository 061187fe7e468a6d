//! The stored key of a record, as bytes and as a hash.
//!
//! Stored means to the microsecond: two times that differ below it are one key to the database, and
//! a merge by nanoseconds would leave two rows for one key in a batch.

use std::hash::{BuildHasher, Hasher, RandomState};

use annals_record::{ColumnSink, ColumnSource, ColumnType, DecodeError, Json, Record, Uuid, Value};

/// The key's bytes; equal exactly when the stored keys are.
pub(crate) fn bytes<R: Record>(record: &R) -> Vec<u8> {
    let mut sink = KeySink::<R, Bytes> {
        column: 0,
        out: Bytes::default(),
        record: std::marker::PhantomData,
    };
    record.encode(&mut sink);
    sink.out.into_vec()
}

/// A hash of the key, the same for equal keys under one `state`.
pub(crate) fn hash<R: Record>(record: &R, state: &RandomState) -> u64 {
    let out = Hashed(state.build_hasher());
    let mut sink = KeySink::<R, Hashed<_>> {
        column: 0,
        out,
        record: std::marker::PhantomData,
    };
    record.encode(&mut sink);
    sink.out.0.finish()
}

/// Takes pieces of a key.
trait Pieces {
    fn piece(&mut self, bytes: &[u8]);
}

/// A key under construction.
#[derive(Default)]
pub(crate) struct Bytes(Vec<u8>);

impl Bytes {
    pub(crate) fn into_vec(self) -> Vec<u8> {
        self.0
    }

    /// Appends the next column of a row that holds key columns only.
    pub(crate) fn read(
        &mut self,
        source: &mut impl ColumnSource,
        ty: ColumnType,
    ) -> Result<(), DecodeError> {
        let value = match ty {
            ColumnType::Bool => source.bool()?.map(Value::Bool),
            ColumnType::Int4 | ColumnType::Nanos => source.int4()?.map(Value::Int4),
            ColumnType::Int8 => source.int8()?.map(Value::Int8),
            ColumnType::UInt8 => source.uint8()?.map(Value::UInt8),
            ColumnType::Float4 => source.float4()?.map(Value::Float4),
            ColumnType::Float8 => source.float8()?.map(Value::Float8),
            ColumnType::Bytes => source.bytes()?.map(Value::Bytes),
            ColumnType::Uuid => source.uuid()?.map(Value::Uuid),
            ColumnType::Timestamp => source.timestamp()?.map(Value::Timestamp),
            ColumnType::Json => source.json()?.map(Value::Json),
            _ => source.text()?.map(Value::Text),
        };
        value.unwrap_or(Value::Null(ty)).put(&mut All(self));
        Ok(())
    }
}

impl Pieces for Bytes {
    fn piece(&mut self, bytes: &[u8]) {
        // The length keeps ("a", "bc") apart from ("ab", "c").
        self.0
            .extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.0.extend(bytes);
    }
}

struct Hashed<H>(H);

impl<H: Hasher> Pieces for Hashed<H> {
    fn piece(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
        self.0.write_u8(0xff);
    }
}

/// Passes on every column.
struct All<'a>(&'a mut Bytes);

/// Passes on the key's columns.
struct KeySink<R, P> {
    column: usize,
    out: P,
    record: std::marker::PhantomData<R>,
}

impl<R: Record, P: Pieces> Take for KeySink<R, P> {
    #[inline]
    fn take(&mut self, bytes: &[u8]) {
        if R::DESCRIPTOR.key.contains(&self.column) {
            self.out.piece(bytes);
        }
        self.column += 1;
    }
}

impl Take for All<'_> {
    fn take(&mut self, bytes: &[u8]) {
        self.0.piece(bytes);
    }
}

/// A sink to which every value is bytes.
trait Take {
    fn take(&mut self, bytes: &[u8]);
}

/// Floats by value: what the database holds equal (0 and -0, any NaN) is one key.
fn float(value: f64) -> [u8; 8] {
    let value = if value.is_nan() {
        f64::NAN
    } else {
        value + 0.0
    };
    value.to_be_bytes()
}

macro_rules! sink {
    (($($generics:tt)*) $type:ty) => {
        impl<$($generics)*> ColumnSink for $type where Self: Take {
            fn null(&mut self, _ty: ColumnType) {
                self.take(&[]);
            }
            fn bool(&mut self, value: bool) {
                self.take(&[u8::from(value)]);
            }
            fn int4(&mut self, value: i32) {
                self.take(&value.to_be_bytes());
            }
            fn int8(&mut self, value: i64) {
                self.take(&value.to_be_bytes());
            }
            fn uint8(&mut self, value: u64) {
                self.take(&value.to_be_bytes());
            }
            fn float4(&mut self, value: f32) {
                self.take(&float(value.into()));
            }
            fn float8(&mut self, value: f64) {
                self.take(&float(value));
            }
            fn text(&mut self, value: &str) {
                self.take(value.as_bytes());
            }
            fn bytes(&mut self, value: &[u8]) {
                self.take(value);
            }
            fn uuid(&mut self, value: Uuid) {
                self.take(value.as_bytes());
            }
            fn timestamp(&mut self, micros: i64) {
                self.take(&micros.to_be_bytes());
            }
            fn json(&mut self, value: &Json) {
                self.take(value.as_str().as_bytes());
            }
        }
    };
}

sink!((R: Record, P: Pieces) KeySink<R, P>);
sink!(('a) All<'a>);

/// The time of a record in microseconds, if it has one.
pub(crate) fn time<R: Record>(record: &R) -> Option<i64> {
    at(record, R::DESCRIPTOR.time?)
}

/// What orders the versions of a record; the smallest of all for one that has no such column.
pub(crate) fn version<R: Record>(record: &R) -> i64 {
    let column = R::DESCRIPTOR.newer_by;
    column
        .and_then(|column| at(record, column))
        .unwrap_or(i64::MIN)
}

fn at<R: Record>(record: &R, position: usize) -> Option<i64> {
    let mut sink = At {
        position,
        column: 0,
        value: None,
    };
    record.encode(&mut sink);
    sink.value
}

/// Remembers the value of one column of eight bytes.
struct At {
    position: usize,
    column: usize,
    value: Option<i64>,
}

impl Take for At {
    #[inline]
    fn take(&mut self, bytes: &[u8]) {
        if self.column == self.position {
            self.value = bytes.try_into().ok().map(i64::from_be_bytes);
        }
        self.column += 1;
    }
}

sink!(() At);

/// Roughly how many bytes a record takes in memory and on the wire.
pub(crate) fn estimated_size<R: Record>(record: &R) -> usize {
    let mut size = Size(0);
    record.encode(&mut size);
    size.0
}

struct Size(usize);

impl Take for Size {
    #[inline]
    fn take(&mut self, bytes: &[u8]) {
        self.0 += bytes.len() + 4;
    }
}

sink!(() Size);
