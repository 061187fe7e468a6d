//! Where a search goes on, as a text that a client can keep.
//!
//! It carries the window: one that moved with the clock from page to page would be another search.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use annals_record::{ColumnType, Payload, Timestamp, Value};
use annals_store::Error;

use super::{Place, TraceSearch, TraceWindow};

/// A place, and the window that was looked at from the first page on.
pub(super) struct Cursor {
    pub(super) window: Option<TraceWindow>,
    pub(super) place: Place,
}

/// Tells searches apart, so that a cursor is not used with another one.
pub(super) fn fingerprint(search: &TraceSearch) -> i64 {
    // Keys are fixed: a cursor must mean the same in every process.
    let mut hasher = DefaultHasher::new();
    format!("{search:?}").hash(&mut hasher);
    hasher.finish().cast_signed()
}

impl Cursor {
    pub(super) fn write(self, fingerprint: i64) -> String {
        let end = |end: Option<Timestamp>| {
            end.map_or(Value::Null(ColumnType::Int8), |time| {
                Value::Int8(time.unix_nanos())
            })
        };
        let window = self.window;
        let payload = Payload::from_values([
            Value::Int8(fingerprint),
            end(window.and_then(|window| window.since)),
            end(window.and_then(|window| window.until)),
            Value::Bool(window.is_some_and(|window| window.is_defaulted)),
            Value::Int8(self.place.time.unix_nanos()),
            Value::Text(self.place.trace),
            Value::Text(self.place.span),
        ]);
        payload
            .to_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    pub(super) fn read(text: &str, fingerprint: i64) -> Result<Self, Error> {
        let broken = || Error::Cursor {
            problem: "is not one that this program gave out",
        };
        let payload = bytes(text)
            .and_then(|bytes| Payload::from_bytes(&bytes).ok())
            .ok_or_else(broken)?;
        let values: Vec<&Value> = payload.columns().iter().map(|(_, value)| value).collect();
        let [
            Value::Int8(given),
            since @ (Value::Int8(_) | Value::Null(_)),
            until @ (Value::Int8(_) | Value::Null(_)),
            Value::Bool(is_defaulted),
            Value::Int8(time),
            Value::Text(trace),
            Value::Text(span),
        ] = values.as_slice()
        else {
            return Err(broken());
        };
        if *given != fingerprint {
            return Err(Error::Cursor {
                problem: "belongs to another query",
            });
        }
        let end = |value: &Value| match value {
            Value::Int8(nanos) => Some(Timestamp::from_unix_nanos(*nanos)),
            _ => None,
        };
        let (since, until) = (end(since), end(until));
        Ok(Self {
            window: (since.is_some() || until.is_some()).then_some(TraceWindow {
                since,
                until,
                is_defaulted: *is_defaulted,
            }),
            place: Place {
                time: Timestamp::from_unix_nanos(*time),
                trace: trace.clone(),
                span: span.clone(),
            },
        })
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_another_search_s_is_refused() {
        let place = Place {
            time: Timestamp::from_unix_nanos(-5),
            trace: "t é".into(),
            span: String::new(),
        };
        let window = Some(TraceWindow {
            since: Some(Timestamp::from_unix_nanos(7)),
            until: None,
            is_defaulted: true,
        });
        let text = Cursor {
            window,
            place: place.clone(),
        }
        .write(3);
        let read = Cursor::read(&text, 3).unwrap();
        assert_eq!((read.window, read.place), (window, place));
        for (text, fingerprint) in [
            (text.as_str(), 4),
            ("", 3),
            ("zz", 3),
            ("0", 3),
            ("é0", 3),
            ("00ff", 3),
        ] {
            assert!(Cursor::read(text, fingerprint).is_err(), "{text}");
        }
    }
}
