//! A place in a listing, as a text that a client can keep: the listing, its window, and the last row.

use std::hash::{DefaultHasher, Hash, Hasher};

use annals_record::{Payload, Record, Timestamp, TimestampMicros, Value};

use super::window::Window;
use crate::{Error, Result, WorkspaceId};

/// What tells one listing from another, so that a cursor is not used with another one: the question, its workspace and
/// what it was narrowed to, but not the window, which the cursor brings along.
pub(super) fn fingerprint(question: &str, workspace: WorkspaceId, narrowed: &[Value]) -> u64 {
    // Keys are fixed: a cursor must mean the same in every process.
    let mut hasher = DefaultHasher::new();
    (question, workspace).hash(&mut hasher);
    format!("{narrowed:?}").hash(&mut hasher);
    hasher.finish()
}

/// The last row of a page, by what rows are ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start_time: Timestamp,
    pub(super) trace_id: String,
    pub(super) span_id: String,
}

impl Place {
    /// As it is bound: microseconds, nanoseconds, trace, span.
    pub(super) fn values(&self) -> [Value; 4] {
        [
            Value::Timestamp(self.start_time.unix_micros()),
            Value::Int4(self.start_time.subsec_micro_nanos()),
            Value::Text(self.trace_id.clone()),
            Value::Text(self.span_id.clone()),
        ]
    }
}

/// What a cursor holds.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "cursor")]
struct Held {
    fingerprint: u64,
    since: TimestampMicros,
    until: TimestampMicros,
    start_time: Timestamp,
    trace_id: String,
    span_id: String,
}

/// Writes a cursor: hexadecimal, which every URL and header takes as it is.
pub(super) fn written(fingerprint: u64, window: Window, place: Place) -> String {
    let held = Held {
        fingerprint,
        since: window.since,
        until: window.until,
        start_time: place.start_time,
        trace_id: place.trace_id,
        span_id: place.span_id,
    };
    let bytes = Payload::of(&held).to_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a cursor that [`written`] gave for the same listing.
pub(super) fn read(text: &str, fingerprint: u64) -> Result<(Window, Place)> {
    let held = bytes(text)
        .and_then(|bytes| Payload::from_bytes(&bytes).ok())
        .and_then(|payload| payload.to_record::<Held>().ok())
        .ok_or_else(|| refused("is not one that this program gave out"))?;
    if held.fingerprint != fingerprint {
        return Err(refused("belongs to another query"));
    }
    let window = Window {
        since: held.since,
        until: held.until,
    };
    let place = Place {
        start_time: held.start_time,
        trace_id: held.trace_id,
        span_id: held.span_id,
    };
    Ok((window, place))
}

fn refused(problem: &'static str) -> Error {
    annals_store::Error::Cursor { problem }.into()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use annals_record::Uuid;

    use super::*;

    fn example() -> (Window, Place) {
        let at = |micros| TimestampMicros::from_unix_micros(micros).unwrap_or_default();
        let window = Window {
            since: at(-5),
            until: at(7),
        };
        let place = Place {
            start_time: Timestamp::from_unix_nanos(-4_999),
            trace_id: "trace \u{2014} \u{1f680}".into(),
            span_id: String::new(),
        };
        (window, place)
    }

    #[test]
    fn a_cursor_comes_back_as_it_went_and_only_to_its_own_listing() {
        let (window, place) = example();
        let text = written(42, window, place.clone());
        assert!(text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(read(&text, 42).ok(), Some((window, place)));
        let error = read(&text, 43).map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| error.contains("another query")));
    }

    #[test]
    fn what_is_no_cursor_is_refused_whatever_it_is() {
        let (window, place) = example();
        let text = written(42, window, place);
        for cut in 0..text.len() {
            assert!(text.get(..cut).is_none_or(|part| read(part, 42).is_err()));
        }
        for odd in ["x", "zz", "00", "+1", "é", "ff\0f", &format!("{text}00")] {
            assert!(read(odd, 42).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn a_listing_is_told_by_question_workspace_and_what_it_was_narrowed_to() {
        let workspace = |n| WorkspaceId::from(Uuid::from_u128(n));
        let text = |text: &str| [Value::Text(text.to_owned())];
        let one = fingerprint("spans", workspace(1), &text("a"));
        assert_eq!(one, fingerprint("spans", workspace(1), &text("a")));
        assert_ne!(one, fingerprint("roots", workspace(1), &text("a")));
        assert_ne!(one, fingerprint("spans", workspace(2), &text("a")));
        assert_ne!(one, fingerprint("spans", workspace(1), &text("b")));
    }
}
