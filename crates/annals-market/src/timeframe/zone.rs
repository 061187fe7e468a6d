//! The days of a time zone.

use std::{fmt, ops::Range};

use annals_record::TimestampMicros;
use jiff::{
    civil::{Date, Time},
    tz::{AmbiguousOffset, TimeZone},
};

use super::{MINUTE, nearest};
use crate::{Error, Result};

/// The zone whose wall clocks say when a day begins; cheap to clone.
///
/// The rules are part of this program (IANA's database, by `jiff`), so a machine without one gives the
/// same days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC, whose days are all 24 hours long.
    #[must_use]
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The zone of a name in IANA's database, such as `America/New_York`, in upper or lower case.
    ///
    /// # Errors
    ///
    /// [`Error::Zone`] when there is none of that name.
    pub fn named(name: &str) -> Result<Self> {
        TimeZone::get(name)
            .ok()
            // `Etc/Unknown` is found, and is no zone.
            .filter(|zone| zone.iana_name().is_some())
            .map(Self)
            .ok_or_else(|| Error::Zone {
                name: name.to_owned(),
            })
    }

    /// Its name in IANA's database, in that database's spelling.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The day that `time` is part of. See [`Timeframe::start_of`](super::Timeframe::start_of).
    pub(super) fn day(&self, time: TimestampMicros) -> Range<TimestampMicros> {
        let micros = time.unix_micros();
        let day = self.day_micros(micros).unwrap_or_else(|| {
            // Dates end in the years -9999 and 9999, which no time comes near.
            let start = micros - micros.rem_euclid(24 * 60 * MINUTE);
            start..start + 24 * 60 * MINUTE
        });
        nearest(day.start)..nearest(day.end)
    }

    fn day_micros(&self, micros: i64) -> Option<Range<i64>> {
        let time = jiff::Timestamp::from_microsecond(micros).ok()?;
        let date = self.0.to_datetime(time).date();
        let tomorrow = date.tomorrow().ok()?;
        let next = self.first_instant(tomorrow)?;
        if micros < next {
            return Some(self.first_instant(date)?..next);
        }
        // Clocks were put back over midnight, as they were in Newfoundland at one minute past: they
        // show the date before again, after a day that has begun and will not begin twice.
        Some(next..self.first_instant(tomorrow.tomorrow().ok()?)?)
    }

    /// The first instant at which clocks show `date` or, of a date that was skipped, a later one; in
    /// microseconds.
    fn first_instant(&self, date: Date) -> Option<i64> {
        let midnight = date.to_datetime(Time::midnight());
        let first = self.0.to_ambiguous_timestamp(midnight);
        let instant = match first.offset() {
            // Midnight was skipped, and the day begins when clocks were put forward: sooner than
            // midnight would have been, unless they were put forward at midnight itself.
            AmbiguousOffset::Gap { after, .. } => {
                let before_the_gap = after.to_timestamp(midnight).ok()?;
                self.0.following(before_the_gap).next()?.timestamp()
            }
            // Of two midnights the earlier.
            _ => first.compatible().ok()?,
        };
        Some(instant.as_microsecond())
    }
}

impl Default for Zone {
    /// UTC.
    fn default() -> Self {
        Self::utc()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(zone: &str, within: &str) -> [String; 2] {
        let time = TimestampMicros::floor(within.parse().unwrap());
        let day = Zone::named(zone).unwrap().day(time);
        [day.start.to_string(), day.end.to_string()]
    }

    #[test]
    fn a_zone_is_known_by_name() {
        assert_eq!(
            Zone::named("america/new_york").unwrap().name(),
            "America/New_York"
        );
        assert_eq!(Zone::default().to_string(), "UTC");
        for name in ["", "America", "Nowhere/Here", "+05:30", "Etc/Unknown"] {
            assert_eq!(
                Zone::named(name).unwrap_err().to_string(),
                format!(
                    "{name:?} is no time zone: write a name of the IANA database, such as \
                     America/New_York"
                )
            );
        }
    }

    #[test]
    fn a_day_goes_from_midnight_to_midnight_of_the_wall_clock() {
        let cases = [
            // 24 hours, and offsets that are no whole hours.
            [
                "UTC",
                "2024-05-01T12:00:00Z",
                "2024-05-01T00:00:00Z",
                "2024-05-02T00:00:00Z",
            ],
            [
                "Asia/Kathmandu",
                "2024-05-01T18:14:59Z",
                "2024-04-30T18:15:00Z",
                "2024-05-01T18:15:00Z",
            ],
            [
                "Asia/Kathmandu",
                "2024-05-01T18:15:00Z",
                "2024-05-01T18:15:00Z",
                "2024-05-02T18:15:00Z",
            ],
            // Kathmandu went from +05:30 to +05:45 at the midnight that began 1986, which was skipped.
            [
                "Asia/Kathmandu",
                "1985-12-31T18:30:00Z",
                "1985-12-31T18:30:00Z",
                "1986-01-01T18:15:00Z",
            ],
            // 23 and 25 hours.
            [
                "America/New_York",
                "2024-03-10T12:00:00Z",
                "2024-03-10T05:00:00Z",
                "2024-03-11T04:00:00Z",
            ],
            [
                "America/New_York",
                "2024-11-03T12:00:00Z",
                "2024-11-03T04:00:00Z",
                "2024-11-04T05:00:00Z",
            ],
            [
                "Europe/London",
                "2024-03-31T12:00:00Z",
                "2024-03-31T00:00:00Z",
                "2024-03-31T23:00:00Z",
            ],
            [
                "Europe/London",
                "2024-10-27T12:00:00Z",
                "2024-10-26T23:00:00Z",
                "2024-10-28T00:00:00Z",
            ],
            // Midnight was skipped: 23 hours that begin at 01:00.
            [
                "America/Sao_Paulo",
                "2018-11-04T12:00:00Z",
                "2018-11-04T03:00:00Z",
                "2018-11-05T02:00:00Z",
            ],
            [
                "America/Sao_Paulo",
                "2018-11-04T02:59:59Z",
                "2018-11-03T03:00:00Z",
                "2018-11-04T03:00:00Z",
            ],
            // Clocks were put back at midnight: the last hour of the day came twice.
            [
                "America/Sao_Paulo",
                "2018-02-18T02:30:00Z",
                "2018-02-17T02:00:00Z",
                "2018-02-18T03:00:00Z",
            ],
            // Midnight came twice.
            [
                "America/Havana",
                "2024-11-03T04:30:00Z",
                "2024-11-03T04:00:00Z",
                "2024-11-04T05:00:00Z",
            ],
            // Clocks were put back at one minute past midnight, to the date before.
            [
                "America/St_Johns",
                "2010-11-07T02:29:59Z",
                "2010-11-06T02:30:00Z",
                "2010-11-07T02:30:00Z",
            ],
            [
                "America/St_Johns",
                "2010-11-07T02:30:30Z",
                "2010-11-07T02:30:00Z",
                "2010-11-08T03:30:00Z",
            ],
            [
                "America/St_Johns",
                "2010-11-07T03:00:00Z",
                "2010-11-07T02:30:00Z",
                "2010-11-08T03:30:00Z",
            ],
            // Clocks were put forward from half past 23 to half past 0.
            [
                "America/Toronto",
                "1919-03-31T12:00:00Z",
                "1919-03-31T04:30:00Z",
                "1919-04-01T04:00:00Z",
            ],
            // There was no 30 December.
            [
                "Pacific/Apia",
                "2011-12-30T09:59:59Z",
                "2011-12-29T10:00:00Z",
                "2011-12-30T10:00:00Z",
            ],
            [
                "Pacific/Apia",
                "2011-12-30T10:00:00Z",
                "2011-12-30T10:00:00Z",
                "2011-12-31T10:00:00Z",
            ],
        ];
        for [zone, within, start, end] in cases {
            assert_eq!(day(zone, within), [start, end], "{zone} at {within}");
        }
    }

    #[test]
    fn at_every_change_of_every_zone_days_follow_each_other_and_begin_with_their_date() {
        let earliest = jiff::Timestamp::from_second(-6_000_000_000).unwrap();
        let latest = jiff::Timestamp::from_second(2_300_000_000).unwrap();
        let mut changes = 0;
        for name in jiff::tz::db().available() {
            // The database has it under no name of a place.
            let Ok(zone) = Zone::named(name.as_str()) else {
                continue;
            };
            let date = |micros| {
                let time = jiff::Timestamp::from_microsecond(micros).unwrap();
                zone.0.to_datetime(time).date()
            };
            let transitions = zone.0.following(earliest).map(|change| change.timestamp());
            for change in transitions.take_while(|time| *time < latest) {
                changes += 1;
                for offset in [-1, 0, 12 * 60 * MINUTE] {
                    let micros = change.as_microsecond() + offset;
                    let Range { start, end } = zone.day_micros(micros).unwrap();
                    let context = format!("{name} at {change} and {offset}: {start} to {end}");
                    assert!(start <= micros && micros < end, "{context}");
                    assert!(date(start) > date(start - 1), "{context}");
                    assert_eq!(zone.day_micros(start), Some(start..end), "{context}");
                    assert_eq!(zone.day_micros(end - 1), Some(start..end), "{context}");
                    assert_eq!(zone.day_micros(end).unwrap().start, end, "{context}");
                    assert_eq!(zone.day_micros(start - 1).unwrap().end, start, "{context}");
                }
            }
        }
        assert!(changes > 10_000, "only {changes} changes were looked at");
    }
}
