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
pub struct Zone {
    rules: TimeZone,
    /// Since when its days begin on quarters of an hour, in microseconds.
    quarters_since: i64,
}

/// Microseconds of a quarter of an hour, and its seconds.
const QUARTER: (i64, i32) = (15 * MINUTE, 15 * 60);

impl Zone {
    /// UTC, whose days are all 24 hours long.
    #[must_use]
    pub const fn utc() -> Self {
        Self {
            rules: TimeZone::UTC,
            quarters_since: i64::MIN,
        }
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
            .map(Self::of)
            .ok_or_else(|| Error::Zone {
                name: name.to_owned(),
            })
    }

    fn of(rules: TimeZone) -> Self {
        let mut zone = Self {
            rules,
            quarters_since: i64::MIN,
        };
        zone.quarters_since = zone.last_odd_day().map_or(i64::MIN, |day| day.end);
        zone
    }

    /// The last day after which none begins or ends between two quarters of an hour. Such days were when
    /// a place had its own sun's time; today's zones differ from UTC by quarters.
    fn last_odd_day(&self) -> Option<Range<i64>> {
        // Rules without an end repeat each year: a century beyond now shows all of them.
        let far = jiff::Timestamp::from_second(7_258_118_400).ok()?;
        let mut earliest: Option<i64> = None;
        for change in self.rules.preceding(far) {
            let at = change.timestamp().as_microsecond();
            let day = self.day_micros(at)?;
            let begins_odd = day.start == at && at.rem_euclid(QUARTER.0) != 0;
            if change.offset().seconds() % QUARTER.1 != 0 {
                return self.odd_until(earliest);
            }
            if begins_odd {
                return Some(day);
            }
            earliest = Some(at);
        }
        let first = earliest.map_or(far, |at| {
            jiff::Timestamp::from_microsecond(at - 1).unwrap_or(jiff::Timestamp::MIN)
        });
        if self.rules.to_offset(first).seconds() % QUARTER.1 == 0 {
            return None;
        }
        self.odd_until(earliest)
    }

    /// The day of the change that put an end to odd clocks; the end of all times when none did.
    fn odd_until(&self, change: Option<i64>) -> Option<Range<i64>> {
        match change {
            Some(at) => self.day_micros(at),
            None => Some(i64::MAX..i64::MAX),
        }
    }

    /// Since when every day begins and ends on a quarter of an hour.
    pub(crate) fn quarters_since(&self) -> TimestampMicros {
        nearest(self.quarters_since)
    }

    /// Its name in IANA's database, in that database's spelling.
    #[must_use]
    pub fn name(&self) -> &str {
        self.rules.iana_name().unwrap_or("UTC")
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
        let date = self.rules.to_datetime(time).date();
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
        let first = self.rules.to_ambiguous_timestamp(midnight);
        let instant = match first.offset() {
            // Midnight was skipped, and the day begins when clocks were put forward: sooner than
            // midnight would have been, unless they were put forward at midnight itself.
            AmbiguousOffset::Gap { after, .. } => {
                let before_the_gap = after.to_timestamp(midnight).ok()?;
                self.rules.following(before_the_gap).next()?.timestamp()
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
    fn days_begin_on_quarters_since_clocks_do() {
        for (name, since) in [
            ("America/New_York", "1883-11-19T05:00:00Z"),
            ("Asia/Kathmandu", "1919-12-31T18:30:00Z"),
            ("Africa/Monrovia", "1972-01-08T00:00:00Z"),
            ("Australia/Lord_Howe", "1895-01-31T14:00:00Z"),
        ] {
            let zone = Zone::named(name).unwrap();
            assert_eq!(zone.quarters_since().to_string(), since, "{name}");
        }
        let earliest = TimestampMicros::floor(annals_record::Timestamp::MIN);
        assert_eq!(Zone::utc().quarters_since(), earliest);
        assert_eq!(Zone::named("Etc/UTC").unwrap().quarters_since(), earliest);
    }

    #[test]
    fn no_day_of_any_zone_is_odd_since() {
        for name in jiff::tz::db().available() {
            let Ok(zone) = Zone::named(name.as_str()) else {
                continue;
            };
            let since = zone.quarters_since().unix_micros();
            // The last was Kiritimati's, in 1979.
            assert!(since < 315_532_800_000_000, "{name}");
            let far = jiff::Timestamp::from_second(4_102_444_800).unwrap();
            for change in zone.rules.preceding(far) {
                let at = change.timestamp().as_microsecond();
                for day in [-1, 0, 1].map(|days| zone.day_micros(at + days * 86_400_000_000)) {
                    let start = day.unwrap().start;
                    assert!(start < since || start % QUARTER.0 == 0, "{name} {start}");
                }
            }
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
                zone.rules.to_datetime(time).date()
            };
            let transitions = zone
                .rules
                .following(earliest)
                .map(|change| change.timestamp());
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
