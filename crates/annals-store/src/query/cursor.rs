//! A place in an ordered result, as a text that a client can keep.

use std::hash::{DefaultHasher, Hash, Hasher};

use annals_record::{ColumnType, Direction, Payload, Predicate, Record, Value};

use crate::{Error, Result};

/// Tells queries apart, so that a cursor is not used with another one.
pub(crate) fn fingerprint<R: Record>(filters: &[Predicate], order: &[(usize, Direction)]) -> u64 {
    // Keys are fixed: a cursor must mean the same in every process.
    let mut hasher = DefaultHasher::new();
    R::DESCRIPTOR.table.hash(&mut hasher);
    format!("{filters:?}").hash(&mut hasher);
    order.hash(&mut hasher);
    hasher.finish()
}

/// Writes a cursor: hexadecimal of the fingerprint and the values.
pub(crate) fn encode(fingerprint: u64, values: &[Value]) -> String {
    let payload = Payload::from_values(values.iter().cloned()).to_bytes();
    fingerprint
        .to_be_bytes()
        .iter()
        .chain(&payload)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Reads a cursor that [`encode`] wrote for the same query, ordered by columns of these types.
pub(crate) fn decode(
    text: &str,
    fingerprint: u64,
    types: impl ExactSizeIterator<Item = Option<ColumnType>>,
) -> Result<Vec<Value>> {
    let broken = || Error::Cursor {
        problem: "is not one that this program gave out",
    };
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return Err(broken());
    }
    let bytes: Option<Vec<u8>> = text
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| {
            std::str::from_utf8(pair)
                .ok()
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        })
        .collect();
    let bytes = bytes.ok_or_else(broken)?;
    let (given, payload) = bytes.split_first_chunk::<8>().ok_or_else(broken)?;
    if u64::from_be_bytes(*given) != fingerprint {
        return Err(Error::Cursor {
            problem: "belongs to another query",
        });
    }
    let payload = Payload::from_bytes(payload).map_err(|_| broken())?;
    let values: Vec<Value> = payload
        .columns()
        .iter()
        .map(|(_, value)| value.clone())
        .collect();
    let fits = |(value, ty): (&Value, Option<ColumnType>)| ty.is_some_and(|ty| value.is_of(ty));
    if values.len() == types.len() && values.iter().zip(types).all(fits) {
        Ok(values)
    } else {
        Err(broken())
    }
}
