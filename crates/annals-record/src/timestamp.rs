//! Instants: with nanoseconds, and in whole microseconds.

use std::{
    fmt,
    ops::{Add, Sub},
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// An instant in nanoseconds since 1970-01-01T00:00:00Z, from the year 1677 to 2262.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why something is not a [`Timestamp`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TimestampError {
    /// Before 1677 or after 2262.
    #[error(
        "the time lies outside 1677-09-21 to 2262-04-11, which nanoseconds in 64 bits can hold"
    )]
    OutOfRange,
    /// Not in the form of RFC 3339.
    #[error("{text:?} is not a time like 2026-11-21T09:30:00Z (RFC 3339)")]
    Syntax {
        /// What was given.
        text: String,
        /// What the parser said.
        source: time::error::Parse,
    },
}

impl Timestamp {
    /// The earliest instant.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest instant.
    pub const MAX: Self = Self(i64::MAX);

    /// The instant `nanos` after the epoch.
    #[must_use]
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The instant `seconds` after the epoch.
    ///
    /// # Errors
    ///
    /// It lies outside the range.
    pub fn from_unix_seconds(seconds: i64) -> Result<Self, TimestampError> {
        seconds
            .checked_mul(1_000_000_000)
            .map(Self)
            .ok_or(TimestampError::OutOfRange)
    }

    /// The instant `micros` microseconds and `nanos` nanoseconds after the epoch.
    ///
    /// # Errors
    ///
    /// It lies outside the range.
    pub fn from_micros_and_nanos(micros: i64, nanos: i32) -> Result<Self, TimestampError> {
        let nanos = i128::from(micros) * 1_000 + i128::from(nanos);
        i64::try_from(nanos)
            .map(Self)
            .map_err(|_| TimestampError::OutOfRange)
    }

    /// The present, by this machine's clock.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// Whole microseconds since the epoch, rounded towards the past.
    #[must_use]
    pub const fn unix_micros(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Nanoseconds (0 to 999) since the last whole microsecond.
    #[must_use]
    pub const fn subsec_micro_nanos(self) -> i32 {
        self.0.rem_euclid(1_000) as i32
    }

    /// The time from `earlier` to this instant; zero when `earlier` is later.
    #[must_use]
    pub fn duration_since(self, earlier: Self) -> Duration {
        let nanos = i128::from(self.0) - i128::from(earlier.0);
        Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }
}

fn saturating_nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Stops at [`Timestamp::MAX`].
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(saturating_nanos(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    /// Stops at [`Timestamp::MIN`].
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(saturating_nanos(duration)))
    }
}

/// RFC 3339 in UTC, with as many digits of the second as there are.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0))
            .ok()
            .and_then(|time| time.format(&Rfc3339).ok())
            .ok_or(fmt::Error)?;
        f.write_str(&text)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time =
            OffsetDateTime::parse(text, &Rfc3339).map_err(|source| TimestampError::Syntax {
                text: text.to_owned(),
                source,
            })?;
        i64::try_from(time.unix_timestamp_nanos())
            .map(Self)
            .map_err(|_| TimestampError::OutOfRange)
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = TimestampError;

    fn try_from(time: SystemTime) -> Result<Self, Self::Error> {
        i64::try_from(OffsetDateTime::from(time).unix_timestamp_nanos())
            .map(Self)
            .map_err(|_| TimestampError::OutOfRange)
    }
}

/// An instant in whole microseconds, for columns that need no nanoseconds (a bar's minute).
///
/// A separate type, so that nanoseconds are given up where a value is made and never on the way to
/// a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimestampMicros(Timestamp);

impl TimestampMicros {
    /// The instant `micros` microseconds after the epoch.
    ///
    /// # Errors
    ///
    /// It lies outside the range of [`Timestamp`].
    pub fn from_unix_micros(micros: i64) -> Result<Self, TimestampError> {
        Timestamp::from_micros_and_nanos(micros, 0).map(Self)
    }

    /// The last whole microsecond at or before `time`; at the very beginning of the range, where
    /// there is none, the first one after it.
    #[must_use]
    pub const fn floor(time: Timestamp) -> Self {
        match time.0.checked_sub(time.0.rem_euclid(1_000)) {
            Some(nanos) => Self(Timestamp(nanos)),
            None => Self(Timestamp(time.0 + (1_000 - time.0.rem_euclid(1_000)))),
        }
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn unix_micros(self) -> i64 {
        self.0.unix_micros()
    }
}

impl From<TimestampMicros> for Timestamp {
    fn from(time: TimestampMicros) -> Self {
        time.0
    }
}

impl fmt::Display for TimestampMicros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_survive_text_and_the_split_at_the_microsecond() {
        for nanos in [
            0,
            1,
            999,
            1_000,
            -1,
            -999,
            -1_001,
            i64::MAX,
            i64::MIN,
            1_700_000_000_123_456_789,
        ] {
            let time = Timestamp::from_unix_nanos(nanos);
            let split =
                Timestamp::from_micros_and_nanos(time.unix_micros(), time.subsec_micro_nanos());
            assert_eq!(split.unwrap(), time);
            assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        }
    }

    #[test]
    fn a_time_that_is_not_rfc_3339_says_what_one_looks_like() {
        let message = "yesterday".parse::<Timestamp>().unwrap_err().to_string();
        assert!(
            message.contains("yesterday") && message.contains("RFC 3339"),
            "{message}"
        );
    }
}
