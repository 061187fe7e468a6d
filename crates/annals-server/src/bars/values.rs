//! Numbers, times and texts of a JSON object, refused by the name of their field.

use annals_record::{Timestamp, TimestampMicros};
use serde_json::value::RawValue;

/// Bytes of a symbol at most. It is a part of the key, for which an index has room for some thousand.
pub(super) const MAX_SYMBOL: usize = 256;

/// Characters of a bad value that its refusal repeats.
const SHOWN: usize = 60;

/// Integers that are times: milliseconds from 1973 to 2262. What else they could be means another time
/// than anybody has: seconds would be beyond the year 5138, microseconds in the first days of 1970.
const MILLIS: std::ops::RangeInclusive<i64> = 100_000_000_000..=9_223_372_036_854;

const TIME: &str = "a time as RFC 3339 has it, such as \"2026-01-31T09:30:00Z\", or whole milliseconds \
                    since 1970, from 100000000000 (1973) to 9223372036854 (2262)";

/// A field as it was written; `None` without it and for `null`.
pub(super) type Field<'a> = Option<&'a RawValue>;

fn given<'a>(name: &str, field: Field<'a>) -> Result<&'a RawValue, String> {
    field.ok_or_else(|| format!("{name} is missing"))
}

fn refusal(name: &str, value: &RawValue, expected: &str) -> String {
    let text = value.get();
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("{name} is {shown}{more}, but must be {expected}")
}

pub(super) fn text(name: &str, field: Field<'_>) -> Result<String, String> {
    let value = given(name, field)?;
    serde_json::from_str(value.get()).map_err(|_| refusal(name, value, "a text"))
}

pub(super) fn symbol(field: Field<'_>) -> Result<String, String> {
    let symbol = text("symbol", field)?;
    if symbol.len() > MAX_SYMBOL {
        return Err(too_long(&symbol));
    }
    Ok(symbol)
}

/// Why a symbol is none.
pub(super) fn too_long(symbol: &str) -> String {
    format!(
        "the symbol has {} bytes, but must have {MAX_SYMBOL} at most",
        symbol.len()
    )
}

pub(super) fn number(name: &str, field: Field<'_>) -> Result<f64, String> {
    let value = given(name, field)?;
    serde_json::from_str(value.get()).map_err(|_| refusal(name, value, "a finite number"))
}

/// A whole number; `425.0` is one too, since some languages write it so.
pub(super) fn whole(name: &str, field: Field<'_>) -> Result<i64, String> {
    let value = given(name, field)?;
    if let Ok(whole) = serde_json::from_str::<i64>(value.get()) {
        return Ok(whole);
    }
    // Beyond 2^53 a double is not exact, and nobody could say which whole number is meant.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    serde_json::from_str::<f64>(value.get())
        .ok()
        .filter(|number| number.fract() == 0.0 && number.abs() <= EXACT)
        .map(|number| number as i64)
        .ok_or_else(|| refusal(name, value, "a whole number of 64 bits"))
}

pub(super) fn time(name: &str, field: Field<'_>) -> Result<Timestamp, String> {
    let value = given(name, field)?;
    let time = if let Ok(millis) = serde_json::from_str::<i64>(value.get()) {
        MILLIS
            .contains(&millis)
            .then(|| Timestamp::from_unix_nanos(millis.saturating_mul(1_000_000)))
    } else {
        let text = serde_json::from_str::<String>(value.get()).ok();
        text.and_then(|text| text.parse().ok())
    };
    time.ok_or_else(|| refusal(name, value, TIME))
}

/// A time that is kept to the microsecond; finer digits are cut off.
pub(super) fn micros(name: &str, field: Field<'_>) -> Result<Option<TimestampMicros>, String> {
    if field.is_none() {
        return Ok(None);
    }
    time(name, field).map(|time| Some(TimestampMicros::floor(time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn integers_are_milliseconds_and_nothing_else() {
        let at = |text| time("timestamp", Some(raw(text)));
        assert_eq!(
            at("1700000040000").unwrap(),
            at("\"2023-11-14T22:14:00Z\"").unwrap()
        );
        assert!(at("9223372036854").is_ok());
        // Seconds, microseconds, nanoseconds; not whole; text of digits.
        for other in [
            "1700000040",
            "1700000040000000",
            "1700000040000000000",
            "0",
            "-1700000040000",
            "1700000040000.5",
            "1.70000004e12",
            "\"1700000040000\"",
            "true",
            "\"2023-11-14\"",
        ] {
            let error = at(other).unwrap_err();
            assert!(error.starts_with(&format!("timestamp is {other}, but must be")));
        }
    }

    #[test]
    fn whole_numbers_may_be_written_as_doubles_while_these_are_exact() {
        let whole = |text| whole("volume", Some(raw(text)));
        for (text, number) in [
            ("425", 425),
            ("425.0", 425),
            ("1e3", 1_000),
            ("9223372036854775807", i64::MAX),
            ("-1", -1),
        ] {
            assert_eq!(whole(text), Ok(number));
        }
        for text in ["0.5", "1e300", "9223372036854775808", "\"425\"", "[]"] {
            assert!(whole(text).unwrap_err().contains("volume"), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused_by_name_and_long_values_are_cut() {
        assert!(number("open", Some(raw("1e400"))).is_err());
        assert_eq!(number("open", None).unwrap_err(), "open is missing");
        let long = format!("\"{}\"", "é".repeat(1_000));
        let error = number("open", Some(raw(&long))).unwrap_err();
        assert!(error.starts_with("open is \"é") && error.len() < 200);
        let long = format!("\"{}\"", "A".repeat(MAX_SYMBOL + 1));
        assert!(symbol(Some(raw(&long))).unwrap_err().contains("257 bytes"));
    }
}
