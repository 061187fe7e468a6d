//! Attributes as JSON, without loss.
//!
//! | OTLP | JSON |
//! |---|---|
//! | string, bool, array | the same |
//! | int | a number without a point |
//! | double | a number with a point |
//! | NaN, the infinities, negative zero | `{"$double":"NaN"}`, `"Infinity"`, `"-Infinity"`, `"-0"`: JSON has no such numbers |
//! | bytes | `{"$bytes":"…"}`, base64 |
//! | map | an object; one whose only key begins with `$` is wrapped in `{"$map":…}` |
//! | no value | `null` |
//!
//! Two things are given up. OpenTelemetry calls attributes unordered, and so they are here. It also
//! demands unique keys; when a sender repeats one, its last value stays.
//!
//! A `string_value_strindex` belongs to profiles alone, and the protocol wants it read as no value.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value as Any,
};
use serde_json::{Map, Value};

use super::{FieldError, Problem, refusal::item};

/// Levels of arrays and maps that an attribute may have.
///
/// One map takes four levels of an OTLP/JSON document, and JSON readers stop at 127. Whatever is
/// accepted on one road has to go out on any other.
pub const MAX_NESTING: usize = 30;

const DOUBLE: &str = "$double";
const BYTES: &str = "$bytes";
const MAP: &str = "$map";

const BASE64_CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, BASE64_CONFIG);
const BASE64_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, BASE64_CONFIG);

/// Attributes as members of a JSON object. The object stands for itself, so no key needs wrapping.
///
/// # Errors
///
/// One is nested deeper than [`MAX_NESTING`].
pub fn encode(attributes: Vec<KeyValue>) -> Result<Map<String, Value>, FieldError> {
    attributes
        .into_iter()
        .enumerate()
        .map(|(i, KeyValue { key, value, .. })| {
            encode_value(value.unwrap_or_default(), 0)
                .map(|value| (key, value))
                .map_err(|TooDeep| {
                    FieldError::new(
                        item("attributes", i),
                        Problem::TooDeep { most: MAX_NESTING },
                    )
                })
        })
        .collect()
}

/// The attributes in a JSON object.
///
/// An object that [`encode`] made gives the same attributes again. From others, integers beyond 64
/// bits with a sign become texts, as OpenTelemetry asks.
#[must_use]
pub fn decode(object: Map<String, Value>) -> Vec<KeyValue> {
    object
        .into_iter()
        .map(|(key, value)| KeyValue {
            key,
            value: Some(decode_value(value)),
            ..KeyValue::default()
        })
        .collect()
}

/// A value that is no attribute, such as the body of a log record, in the same form.
///
/// # Errors
///
/// It is nested deeper than [`MAX_NESTING`]; the error names `field`.
pub fn encode_one(field: &'static str, value: AnyValue) -> Result<Value, FieldError> {
    encode_value(value, 0)
        .map_err(|TooDeep| FieldError::new(field, Problem::TooDeep { most: MAX_NESTING }))
}

/// The value of what [`encode_one`] made.
#[must_use]
pub fn decode_one(value: Value) -> AnyValue {
    decode_value(value)
}

/// The text of bytes in base64.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// The bytes of a base64 text in either alphabet, padded or not: protobuf's JSON allows all four.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    BASE64
        .decode(text)
        .or_else(|_| BASE64_URL_SAFE.decode(text))
        .ok()
}

/// The number that OTLP/JSON and this encoding have a word for.
pub(super) fn special_double(word: &str) -> Option<f64> {
    match word {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        "-0" => Some(-0.0),
        _ => None,
    }
}

/// OTLP/JSON's word for a number that JSON does not have.
pub(crate) fn special_word(double: f64) -> Option<&'static str> {
    if double.is_nan() {
        Some("NaN")
    } else if double == f64::INFINITY {
        Some("Infinity")
    } else if double == f64::NEG_INFINITY {
        Some("-Infinity")
    } else {
        None
    }
}

struct TooDeep;

fn encode_value(value: AnyValue, outside: usize) -> Result<Value, TooDeep> {
    Ok(match value.value {
        None | Some(Any::StringValueStrindex(_)) => Value::Null,
        Some(Any::StringValue(text)) => text.into(),
        Some(Any::BoolValue(bool)) => bool.into(),
        Some(Any::IntValue(int)) => int.into(),
        Some(Any::DoubleValue(double)) => encode_double(double),
        Some(Any::BytesValue(bytes)) => wrapped(BYTES, to_base64(&bytes)),
        Some(Any::ArrayValue(array)) => {
            let nesting = deeper(outside)?;
            let items = array
                .values
                .into_iter()
                .map(|item| encode_value(item, nesting));
            items.collect::<Result<Vec<_>, _>>()?.into()
        }
        Some(Any::KvlistValue(list)) => {
            let nesting = deeper(outside)?;
            let members = list.values.into_iter().map(|KeyValue { key, value, .. }| {
                Ok((key, encode_value(value.unwrap_or_default(), nesting)?))
            });
            let object = members.collect::<Result<Map<_, _>, _>>()?;
            // Judged on the object, where a key that was repeated stands once.
            let is_ambiguous = object.len() == 1 && object.keys().all(|key| key.starts_with('$'));
            if is_ambiguous {
                wrapped(MAP, object)
            } else {
                object.into()
            }
        }
    })
}

fn deeper(nesting: usize) -> Result<usize, TooDeep> {
    if nesting < MAX_NESTING {
        Ok(nesting + 1)
    } else {
        Err(TooDeep)
    }
}

fn encode_double(double: f64) -> Value {
    // The stored form of JSON knows no negative zero.
    let negative_zero = (double == 0.0 && double.is_sign_negative()).then_some("-0");
    match special_word(double).or(negative_zero) {
        Some(word) => wrapped(DOUBLE, word),
        None => double.into(),
    }
}

fn wrapped(key: &str, value: impl Into<Value>) -> Value {
    Value::Object(Map::from_iter([(key.to_owned(), value.into())]))
}

fn decode_value(value: Value) -> AnyValue {
    let value = match value {
        Value::Null => None,
        Value::Bool(bool) => Some(Any::BoolValue(bool)),
        Value::String(text) => Some(Any::StringValue(text)),
        Value::Number(number) => Some(match (number.as_i64(), number.as_f64()) {
            (Some(int), _) => Any::IntValue(int),
            (None, Some(double)) if number.is_f64() => Any::DoubleValue(double),
            _ => Any::StringValue(number.to_string()),
        }),
        Value::Array(items) => {
            let values = items.into_iter().map(decode_value).collect();
            Some(Any::ArrayValue(ArrayValue { values }))
        }
        Value::Object(object) => Some(decode_object(object)),
    };
    AnyValue { value }
}

fn decode_object(object: Map<String, Value>) -> Any {
    let mut members = object.iter();
    let unwrapped = match (members.next(), members.next()) {
        (Some((key, value)), None) => unwrap(key, value),
        _ => None,
    };
    unwrapped.unwrap_or_else(|| {
        Any::KvlistValue(KeyValueList {
            values: decode(object),
        })
    })
}

/// What a single member that begins with `$` stands for. Of records that did not come from OTLP it
/// may be an ordinary member, and then it stays one.
fn unwrap(key: &str, value: &Value) -> Option<Any> {
    match (key, value) {
        (DOUBLE, Value::String(word)) => special_double(word).map(Any::DoubleValue),
        (BYTES, Value::String(text)) => from_base64(text).map(Any::BytesValue),
        (MAP, Value::Object(object)) => Some(Any::KvlistValue(KeyValueList {
            values: decode(object.clone()),
        })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: Any) -> String {
        encode_value(AnyValue { value: Some(value) }, 0)
            .ok()
            .unwrap()
            .to_string()
    }

    fn map(members: &[(&str, i64)]) -> Any {
        let values = members
            .iter()
            .map(|(key, int)| KeyValue {
                key: (*key).to_owned(),
                value: Some(AnyValue {
                    value: Some(Any::IntValue(*int)),
                }),
                ..KeyValue::default()
            })
            .collect();
        Any::KvlistValue(KeyValueList { values })
    }

    #[test]
    fn each_type_has_a_form_of_its_own() {
        for (value, json) in [
            (Any::StringValue("a\"ü".to_owned()), r#""a\"ü""#),
            (Any::BoolValue(true), "true"),
            (Any::IntValue(i64::MAX), "9223372036854775807"),
            (Any::IntValue(1), "1"),
            (Any::DoubleValue(1.0), "1.0"),
            (Any::DoubleValue(f64::NAN), r#"{"$double":"NaN"}"#),
            (
                Any::DoubleValue(f64::NEG_INFINITY),
                r#"{"$double":"-Infinity"}"#,
            ),
            (Any::DoubleValue(-0.0), r#"{"$double":"-0"}"#),
            (Any::BytesValue(vec![0, 255]), r#"{"$bytes":"AP8="}"#),
            (Any::ArrayValue(ArrayValue::default()), "[]"),
            (Any::StringValueStrindex(3), "null"),
        ] {
            assert_eq!(encoded(value), json);
        }
    }

    #[test]
    fn a_map_that_looks_like_one_of_the_forms_is_wrapped() {
        assert_eq!(encoded(map(&[("$bytes", 1)])), r#"{"$map":{"$bytes":1}}"#);
        assert_eq!(encoded(map(&[("$x", 1), ("y", 2)])), r#"{"$x":1,"y":2}"#);
        assert_eq!(encoded(map(&[("a", 1)])), r#"{"a":1}"#);
    }

    #[test]
    fn of_a_repeated_key_the_last_value_stays() {
        assert_eq!(
            encoded(map(&[("a", 1), ("b", 2), ("a", 3)])),
            r#"{"a":3,"b":2}"#
        );
        assert_eq!(
            encoded(map(&[("$a", 1), ("$a", 2)])),
            r#"{"$map":{"$a":2}}"#
        );
    }

    #[test]
    fn what_only_resembles_a_form_stays_a_map() {
        let object = serde_json::from_str(r#"{"a":{"$double":"ten"},"b":{"$bytes":"?"}}"#).unwrap();
        for attribute in decode(object) {
            let value = attribute.value.unwrap().value;
            assert!(matches!(value, Some(Any::KvlistValue(_))), "{value:?}");
        }
    }

    #[test]
    fn an_integer_beyond_64_bits_with_a_sign_goes_out_as_text() {
        let object = serde_json::from_str(r#"{"a":18446744073709551615}"#).unwrap();
        let value = decode(object).remove(0).value.unwrap().value;
        assert_eq!(
            value,
            Some(Any::StringValue("18446744073709551615".to_owned()))
        );
    }

    #[test]
    fn base64_comes_in_either_alphabet_padded_or_not() {
        for text in ["+/8=", "+/8", "-_8=", "-_8"] {
            assert_eq!(from_base64(text), Some(vec![0xFB, 0xFF]), "{text}");
        }
        assert_eq!(from_base64("?"), None);
    }
}
