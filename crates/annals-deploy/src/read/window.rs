//! Which stretch of time a question is about, and how many rows it gives at most.

use std::time::Duration;

use annals_record::{Timestamp, TimestampMicros, Value};

use super::Asked;
use crate::{Error, Result};

/// Rows of a page when nobody says how many.
const DEFAULT_LIMIT: u32 = 100;

/// Rows of a page at most.
const MAX_LIMIT: u32 = 1_000;

pub(super) const DAY: Duration = Duration::from_secs(86_400);
pub(super) const WEEK: Duration = Duration::from_secs(7 * 86_400);
pub(super) const QUARTER: Duration = Duration::from_secs(90 * 86_400);

/// From `since`, up to `until` and without it; in whole microseconds, as the column has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) since: TimestampMicros,
    pub(super) until: TimestampMicros,
}

impl Window {
    /// The window that was asked for, or else so much before its end.
    pub(super) fn of(asked: &Asked, usual: Duration) -> Result<Self> {
        let until = asked.until.unwrap_or_else(Timestamp::now);
        let since = asked.since.unwrap_or_else(|| until - usual);
        if since > until && asked.until.is_some() {
            return Err(Error::Question {
                field: "since",
                needs: "must not be later than `until`",
            });
        }
        Ok(Self {
            since: TimestampMicros::floor(since),
            // A beginning in the future, by a clock that is ahead, is a window without anything in it.
            until: TimestampMicros::floor(until.max(since)),
        })
    }

    /// Both ends, as they are bound.
    pub(super) fn values(self) -> [Value; 2] {
        [self.since, self.until].map(|end| Value::Timestamp(end.unix_micros()))
    }
}

/// How many rows a page has.
pub(super) fn limit(asked: &Asked) -> usize {
    let limit = asked.limit.filter(|limit| *limit > 0);
    limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_unix_nanos(micros * 1_000)
    }

    fn micros(window: Window) -> (i64, i64) {
        (window.since.unix_micros(), window.until.unix_micros())
    }

    #[test]
    fn a_window_is_what_was_asked_for_or_so_much_before_its_end() {
        let asked = |since: Option<i64>, until: Option<i64>| Asked {
            since: since.map(at),
            until: until.map(at),
            ..Asked::default()
        };
        let day = 86_400_000_000;
        let of = |since, until| Window::of(&asked(since, until), DAY).map(micros);
        assert_eq!(of(Some(5), Some(9)).ok(), Some((5, 9)));
        assert_eq!(of(None, Some(3 * day)).ok(), Some((2 * day, 3 * day)));
        assert_eq!(of(Some(9), Some(9)).ok(), Some((9, 9)));
        assert!(of(Some(10), Some(9)).is_err());
        let now = Timestamp::now().unix_micros();
        let ahead = now + day;
        assert_eq!(of(Some(ahead), None).ok(), Some((ahead, ahead)));
        assert!(of(None, None).is_ok_and(|(since, until)| until >= now && until - since == day));
        assert!(of(None, Some(i64::MIN / 1_000)).is_ok_and(|(since, until)| since <= until));
    }

    #[test]
    fn a_page_has_100_rows_unless_asked_and_never_more_than_1000() {
        let of = |rows| {
            limit(&Asked {
                limit: rows,
                ..Asked::default()
            })
        };
        let rows = [None, Some(0), Some(7), Some(1_000), Some(u32::MAX)].map(of);
        assert_eq!(rows, [100, 100, 7, 1_000, 1_000]);
    }
}
