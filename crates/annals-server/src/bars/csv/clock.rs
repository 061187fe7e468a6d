//! Times as they are written.

use annals_market::{Timeframe, Zone};
use annals_record::{Timestamp, TimestampMicros};
use jiff::{
    civil::{Date, DateTime},
    tz::{AmbiguousOffset, TimeZone},
};

use super::row::excerpt;

/// The wall clock of a zone, by which times are read and told.
///
/// | What is written | What it means |
/// |---|---|
/// | `2026-01-05T14:30:00Z`, `2026-01-05 09:30:00-05:00` | RFC 3339; also with a blank for the T, without seconds, and with an offset of whole hours |
/// | `2026-01-05 09:30`, `2026-01-05T09:30:00` | the wall clock of the zone. Of two times at the end of summer time the earlier; what is skipped when it begins is refused |
/// | `2026-01-05`, `20260105` | where that day begins in the zone, as bars of a day do |
/// | a whole number of any length but 8 digits | since 1970-01-01T00:00:00Z: of less than 10^11 seconds, of less than 10^14 milliseconds, of less than 10^17 microseconds, else nanoseconds |
///
/// Milliseconds are thus told from seconds from March 1973 on; a sign before the number changes nothing.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: Zone,
    rules: TimeZone,
}

/// Why something is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// Nobody knows how to read it.
    #[error(
        "{text:?} is no time: write 2026-01-05T14:30:00Z, or 2026-01-05 14:30, 2026-01-05 or 20260105 by the clocks of {zone}, or a whole number of seconds, milliseconds, microseconds or nanoseconds since 1970"
    )]
    Unknown {
        /// What was given.
        text: String,
        /// The zone.
        zone: String,
    },
    /// The zone's clocks never showed it.
    #[error(
        "{text:?} was skipped by the clocks of {zone}, which were put forward: write it with its offset"
    )]
    Skipped {
        /// What was given.
        text: String,
        /// The zone.
        zone: String,
    },
    /// Too early or too late.
    #[error("{text:?} lies outside of the years 1677 to 2262")]
    OutOfRange {
        /// What was given.
        text: String,
    },
    /// The zone is not known here.
    #[error("the rules of the time zone {name:?} are not part of this program")]
    Zone {
        /// Its name.
        name: String,
    },
}

impl Clock {
    /// The clock of a zone.
    ///
    /// # Errors
    ///
    /// [`TimeError::Zone`], which no zone that [`Zone::named`] knows is known to cause.
    pub fn of(zone: &Zone) -> Result<Self, TimeError> {
        let rules = TimeZone::get(zone.name()).map_err(|_| TimeError::Zone {
            name: zone.name().to_owned(),
        })?;
        Ok(Self {
            zone: zone.clone(),
            rules,
        })
    }

    /// Reads a time.
    ///
    /// # Errors
    ///
    /// It is none of the forms in the table above, was skipped, or lies outside of a [`Timestamp`].
    pub fn read(&self, text: &str) -> Result<Timestamp, TimeError> {
        let text = text.trim();
        if let Some(date) = date(text) {
            let date = date.ok_or_else(|| self.unknown(text))?;
            return self.start_of(date, text).map(Timestamp::from);
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return since_1970(text).ok_or_else(|| out_of_range(text));
        }
        self.date_and_time(text)
    }

    /// Reads the end of a time range, which a date means all of the day by: its last microsecond. Any
    /// other time is that time.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    pub fn read_end(&self, text: &str) -> Result<Timestamp, TimeError> {
        let time = self.read(text)?;
        if date(text.trim()).is_none() {
            return Ok(time);
        }
        let end = Timeframe::D1.end_of(TimestampMicros::floor(time), &self.zone);
        Ok(Timestamp::from(end) - std::time::Duration::from_micros(1))
    }

    /// Tells a time as RFC 3339, with the offset of the zone; in UTC with a Z.
    ///
    /// RFC 3339 has no seconds of offset, so where clocks went by the sun it is told in UTC too.
    #[must_use]
    pub fn show(&self, time: TimestampMicros) -> String {
        let local = || {
            let instant = jiff::Timestamp::from_microsecond(time.unix_micros()).ok()?;
            let offset = self.rules.to_offset(instant);
            let is_told = offset.seconds() % 60 == 0 && self.zone != Zone::utc();
            is_told.then(|| instant.display_with_offset(offset).to_string())
        };
        local().unwrap_or_else(|| time.to_string())
    }

    /// Where a day begins.
    fn start_of(&self, date: Date, text: &str) -> Result<TimestampMicros, TimeError> {
        // Midnight may be skipped or come twice, where noon does neither, unless the whole day is skipped.
        let noon = self.at(date.at(12, 0, 0, 0), text)?;
        Ok(Timeframe::D1.start_of(TimestampMicros::floor(noon), &self.zone))
    }

    fn date_and_time(&self, text: &str) -> Result<Timestamp, TimeError> {
        let unknown = || self.unknown(text);
        let (day, rest) = text.split_at_checked(10).ok_or_else(unknown)?;
        date(day).flatten().ok_or_else(unknown)?;
        let clock = rest
            .strip_prefix(['T', 't', ' '])
            .filter(|clock| is_clock(clock))
            .ok_or_else(unknown)?;
        // jiff knows more ways to write times than may be meant here, and leaves out what it does not need.
        let both = format!("{day}T{clock}");
        if clock.contains(['Z', 'z', '+', '-']) {
            let time: jiff::Timestamp = both.parse().map_err(|_| unknown())?;
            return nanos(time).ok_or_else(|| out_of_range(text));
        }
        self.at(both.parse().map_err(|_| unknown())?, text)
    }

    /// The instant at which the clocks show this, the earlier of two.
    fn at(&self, shown: DateTime, text: &str) -> Result<Timestamp, TimeError> {
        let local = self.rules.to_ambiguous_timestamp(shown);
        if matches!(local.offset(), AmbiguousOffset::Gap { .. }) {
            return Err(TimeError::Skipped {
                text: excerpt(text).into_owned(),
                zone: self.zone.name().to_owned(),
            });
        }
        let time = local.earlier().ok();
        time.and_then(nanos).ok_or_else(|| out_of_range(text))
    }

    fn unknown(&self, text: &str) -> TimeError {
        TimeError::Unknown {
            text: excerpt(text).into_owned(),
            zone: self.zone.name().to_owned(),
        }
    }
}

/// `None` of what does not look like a date, `Some(None)` of one that no calendar has.
fn date(text: &str) -> Option<Option<Date>> {
    let number = |range| -> Option<i16> {
        let digits: &str = text.get(range)?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten()
    };
    let is_dash = |at| text.as_bytes().get(at) == Some(&b'-');
    let (month, day) = match text.len() {
        10 if is_dash(4) && is_dash(7) => (number(5..7)?, number(8..10)?),
        8 => (number(4..6)?, number(6..8)?),
        _ => return None,
    };
    let year = number(0..4)?;
    let [month, day] = [month, day].map(|number| i8::try_from(number).unwrap_or_default());
    Some(Date::new(year, month, day).ok())
}

/// That a text is `HH:MM` and whatever digits, fractions and offset follow.
fn is_clock(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 5
        && bytes.get(2) == Some(&b':')
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_digit() || b":.+-Zz".contains(byte))
}

/// The instant that a whole number means, by its size.
fn since_1970(text: &str) -> Option<Timestamp> {
    let number: i64 = text.parse().ok()?;
    let unit = match number.unsigned_abs() {
        0..100_000_000_000 => 1_000_000_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    };
    number.checked_mul(unit).map(Timestamp::from_unix_nanos)
}

fn nanos(time: jiff::Timestamp) -> Option<Timestamp> {
    let nanos = i64::try_from(time.as_nanosecond()).ok()?;
    Some(Timestamp::from_unix_nanos(nanos))
}

fn out_of_range(text: &str) -> TimeError {
    TimeError::OutOfRange {
        text: excerpt(text).into_owned(),
    }
}
