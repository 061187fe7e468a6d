//! Trace and span ids: bytes in protobuf, lower-case hexadecimal in a record.

use super::{FieldError, Problem};

/// Bytes of a trace's id.
pub(crate) const TRACE: usize = 16;

/// Bytes of a span's id.
pub(crate) const SPAN: usize = 8;

/// The text of an id that has to be there.
pub(crate) fn required(
    bytes: &[u8],
    length: usize,
    field: &'static str,
) -> Result<String, FieldError> {
    if bytes.is_empty() {
        return Err(FieldError::new(field, Problem::Missing));
    }
    let text = of_length(bytes, length, field)?;
    if is_zero(bytes) {
        Err(FieldError::new(field, Problem::Zeros))
    } else {
        Ok(text)
    }
}

/// The text of an id that may be absent. Zeros mean that it is: so do some exporters mark a root.
pub(crate) fn optional(
    bytes: &[u8],
    length: usize,
    field: &'static str,
) -> Result<Option<String>, FieldError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let text = of_length(bytes, length, field)?;
    Ok(if is_zero(bytes) { None } else { Some(text) })
}

/// The text of a link's id. Links may point nowhere, with zeros or nothing for an id: SDKs have to
/// record them when they have attributes.
pub(crate) fn of_link(
    bytes: &[u8],
    length: usize,
    field: &'static str,
) -> Result<String, FieldError> {
    if bytes.is_empty() {
        Ok(String::new())
    } else {
        of_length(bytes, length, field)
    }
}

/// The bytes of an id that may be empty.
pub(super) fn bytes(text: &str, length: usize, field: &'static str) -> Result<Vec<u8>, FieldError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let bytes = from_hex(text).map_err(|problem| FieldError::new(field, problem))?;
    of_length(&bytes, length, field).map(|_| bytes)
}

/// The bytes of hexadecimal digits in either case.
pub(super) fn from_hex(text: &str) -> Result<Vec<u8>, Problem> {
    hex::decode(text).map_err(|_| Problem::Type {
        found: super::refusal::quote(text),
        expected: "an id in hexadecimal",
    })
}

fn of_length(bytes: &[u8], length: usize, field: &'static str) -> Result<String, FieldError> {
    if bytes.len() == length {
        Ok(hex::encode(bytes))
    } else {
        Err(FieldError::new(
            field,
            Problem::Length {
                found: bytes.len(),
                expected: length,
            },
        ))
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
