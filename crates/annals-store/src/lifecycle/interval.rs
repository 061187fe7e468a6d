//! Ages as people write them.

use std::{fmt, str::FromStr, time::Duration};

use annals_record::{Timestamp, TimestampMicros};
use jiff::{Span, Unit, tz::TimeZone};

use super::LifecycleError;

/// Longest age: beyond it nobody means one.
const MAX_MONTHS: i64 = 12_000;
const MAX_DAYS: i64 = 366_000;
const MAX_MICROS: i64 = 1_000 * 366 * 86_400 * 1_000_000;

/// An interval of time above zero: months and days of the calendar in UTC, and microseconds. Read from `90 days`,
/// `7d`, `12 hours`, `1 year 6 months` or `P1Y6M`, shown in a form that PostgreSQL reads too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    months: i64,
    days: i64,
    micros: i64,
}

impl Interval {
    /// So many days.
    #[must_use]
    pub const fn days(days: u16) -> Self {
        Self {
            months: 0,
            days: days as i64,
            micros: 0,
        }
    }

    /// That long; whole days are days.
    #[must_use]
    pub fn from_duration(duration: Duration) -> Option<Self> {
        let micros = i64::try_from(duration.as_micros()).ok()?;
        const DAY: i64 = 86_400_000_000;
        let days = if micros % DAY == 0 { micros / DAY } else { 0 };
        let interval = Self {
            months: 0,
            days,
            micros: micros - days * DAY,
        };
        (interval.is_positive() && interval.is_bounded()).then_some(interval)
    }

    /// The time that is so long before another one; `None` where there is none.
    #[must_use]
    pub fn before(&self, time: Timestamp) -> Option<Timestamp> {
        let zoned = jiff::Timestamp::from_microsecond(time.unix_micros()).ok()?;
        let span = Span::new()
            .try_months(self.months)
            .and_then(|span| span.try_days(self.days))
            .and_then(|span| span.try_microseconds(self.micros))
            .ok()?;
        let before = zoned.to_zoned(TimeZone::UTC).checked_sub(span).ok()?;
        TimestampMicros::from_unix_micros(before.timestamp().as_microsecond())
            .ok()
            .map(Timestamp::from)
    }

    /// How long it is when a month has 30 days: for what happens every so often.
    #[must_use]
    pub fn as_duration(&self) -> Duration {
        let days = self.months.saturating_mul(30).saturating_add(self.days);
        let micros = days
            .saturating_mul(86_400_000_000)
            .saturating_add(self.micros);
        Duration::from_micros(micros.unsigned_abs())
    }

    /// Its length in microseconds, unless it has months, which have no one length.
    #[must_use]
    pub fn fixed_micros(&self) -> Option<i64> {
        let days = self.days.checked_mul(86_400_000_000)?;
        days.checked_add(self.micros).filter(|_| self.months == 0)
    }

    fn is_positive(&self) -> bool {
        self.months >= 0
            && self.days >= 0
            && self.micros >= 0
            && (self.months > 0 || self.days > 0 || self.micros > 0)
    }

    fn is_bounded(&self) -> bool {
        self.months <= MAX_MONTHS && self.days <= MAX_DAYS && self.micros <= MAX_MICROS
    }
}

impl FromStr for Interval {
    type Err = LifecycleError;

    fn from_str(text: &str) -> Result<Self, LifecycleError> {
        let refused = |problem| LifecycleError::Interval {
            text: text.chars().take(64).collect(),
            problem,
        };
        let number = text.trim();
        if number.is_empty() {
            return Err(refused("it is empty"));
        }
        if number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refused("a number alone says no unit"));
        }
        let span: Span = number
            .parse()
            .map_err(|_| refused("it is not numbers with units behind them"))?;
        let months = i64::from(span.get_years())
            .checked_mul(12)
            .and_then(|months| months.checked_add(span.get_months().into()));
        let days = i64::from(span.get_weeks())
            .checked_mul(7)
            .and_then(|days| days.checked_add(span.get_days().into()));
        let time = Span::new()
            .try_hours(span.get_hours())
            .and_then(|time| time.try_minutes(span.get_minutes()))
            .and_then(|time| time.try_seconds(span.get_seconds()))
            .and_then(|time| time.try_milliseconds(span.get_milliseconds()))
            .and_then(|time| time.try_microseconds(span.get_microseconds()))
            .and_then(|time| time.total(Unit::Microsecond));
        let (Some(months), Some(days), Ok(micros)) = (months, days, time) else {
            return Err(refused("it is longer than 1,000 years"));
        };
        let interval = Self {
            months,
            days,
            micros: micros as i64,
        };
        if !interval.is_positive() {
            return Err(refused("it is not above zero"));
        }
        if !interval.is_bounded() {
            return Err(refused("it is longer than 1,000 years"));
        }
        Ok(interval)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.micros / 1_000_000;
        let parts = [
            (self.months / 12, "year"),
            (self.months % 12, "month"),
            (self.days, "day"),
            (seconds / 3_600, "hour"),
            (seconds % 3_600 / 60, "minute"),
            (seconds % 60, "second"),
            (self.micros % 1_000_000, "microsecond"),
        ];
        let mut first = true;
        for (number, unit) in parts.into_iter().filter(|(number, _)| *number > 0) {
            let space = if first { "" } else { " " };
            let plural = if number == 1 { "" } else { "s" };
            write!(f, "{space}{number} {unit}{plural}")?;
            first = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ages_are_read_as_people_write_them() {
        for (text, shown) in [
            ("90 days", "90 days"),
            ("7d", "7 days"),
            ("2 weeks", "14 days"),
            ("1 year 6 months", "1 year 6 months"),
            ("P1Y6M", "1 year 6 months"),
            ("12h", "12 hours"),
            ("90m", "1 hour 30 minutes"),
            ("500ms", "500000 microseconds"),
        ] {
            assert_eq!(text.parse::<Interval>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_age_says_why() {
        for (text, problem) in [
            ("", "empty"),
            ("90", "no unit"),
            ("soon", "numbers with units"),
            ("3 fortnights", "numbers with units"),
            ("-3 days", "above zero"),
            ("3 days ago", "above zero"),
            ("0 days", "above zero"),
            ("5000 years", "1,000 years"),
            ("1 day'; DROP TABLE spans; --", "numbers with units"),
        ] {
            let error = text.parse::<Interval>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        let march = "2026-03-31T12:00:00Z".parse::<Timestamp>().unwrap();
        let before = "1 month"
            .parse::<Interval>()
            .unwrap()
            .before(march)
            .unwrap();
        assert_eq!(before.to_string(), "2026-02-28T12:00:00Z");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_as_the_same(months in 0..12_000_i64, days in 0..366_000_i64, micros in 0..i64::from(u32::MAX) * 100) {
            let interval = Interval { months, days, micros };
            prop_assume!(interval.is_positive());
            prop_assert_eq!(interval.to_string().parse::<Interval>().unwrap(), interval);
        }
    }
}
