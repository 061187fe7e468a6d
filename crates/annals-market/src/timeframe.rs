//! How long a bar is, and where it begins and ends.

mod zone;

use std::{fmt, str::FromStr};

use annals_record::{Timestamp, TimestampMicros};

pub use zone::Zone;

use crate::{Error, Result};

/// Microseconds of a minute.
pub(crate) const MINUTE: i64 = 60_000_000;

/// Microseconds of an hour.
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// How long a bar is.
///
/// Minutes and hours are counted from the UTC epoch, in every zone alike, so that a bar of an hour has
/// 60 minutes on the days when clocks change too, and means the same whoever asks for it. All zones
/// now in use differ from UTC by quarters of an hour: 1m, 5m and 15m fall on the wall clock
/// everywhere, and 1h does in the zones of whole hours. In Kathmandu (+05:45) a bar of an hour begins
/// at a quarter past.
///
/// Days are those of a [`Zone`]: the wall clock decides what belongs to a trading day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timeframe {
    /// One minute.
    M1,
    /// Five minutes.
    M5,
    /// A quarter of an hour.
    M15,
    /// One hour.
    H1,
    /// One day of a zone: 23, 24 or 25 hours, and whatever else its clocks once did.
    D1,
}

impl Timeframe {
    /// Every timeframe, the shortest first.
    pub const ALL: [Self; 5] = [Self::M1, Self::M5, Self::M15, Self::H1, Self::D1];

    /// `1m`, `5m`, `15m`, `1h` or `1d`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::M1 => "1m",
            Self::M5 => "5m",
            Self::M15 => "15m",
            Self::H1 => "1h",
            Self::D1 => "1d",
        }
    }

    /// When the bar began that `time` is part of. Only days ask the zone.
    ///
    /// A day begins with the first instant at which the zone's clocks show its date: midnight, or
    /// where that is skipped, what the clocks show next. A time at which clocks that were put back
    /// show the date before once more belongs to the day that has begun.
    ///
    /// What would lie before all times is the earliest time.
    #[must_use]
    pub fn start_of(self, time: TimestampMicros, zone: &Zone) -> TimestampMicros {
        match self.micros() {
            Some(length) => {
                let micros = time.unix_micros();
                nearest(micros - micros.rem_euclid(length))
            }
            None => zone.day(time).start,
        }
    }

    /// When the bar ends that `time` is part of, which is when the next one begins.
    ///
    /// What would lie after all times is the latest time; only there is the end not after `time`.
    #[must_use]
    pub fn end_of(self, time: TimestampMicros, zone: &Zone) -> TimestampMicros {
        match self.micros() {
            Some(length) => {
                let micros = time.unix_micros();
                nearest(micros - micros.rem_euclid(length) + length)
            }
            None => zone.day(time).end,
        }
    }

    /// Microseconds, of those that are always as long.
    const fn micros(self) -> Option<i64> {
        match self {
            Self::M1 => Some(MINUTE),
            Self::M5 => Some(5 * MINUTE),
            Self::M15 => Some(15 * MINUTE),
            Self::H1 => Some(60 * MINUTE),
            Self::D1 => None,
        }
    }
}

/// The time that is `micros` after the epoch, or the one closest to it.
fn nearest(micros: i64) -> TimestampMicros {
    let end = if micros < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    TimestampMicros::from_unix_micros(micros).unwrap_or_else(|_| TimestampMicros::floor(end))
}

impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Exactly as [`Timeframe::as_str`] writes it: `1M` is a month elsewhere.
impl FromStr for Timeframe {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|timeframe| timeframe.as_str() == text)
            .ok_or_else(|| Error::Timeframe {
                text: text.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> TimestampMicros {
        TimestampMicros::floor(text.parse().unwrap())
    }

    #[test]
    fn what_is_written_is_read() {
        for timeframe in Timeframe::ALL {
            assert_eq!(
                timeframe.to_string().parse::<Timeframe>().unwrap(),
                timeframe
            );
        }
        for text in ["1M", "1D", "2m", " 1m", "", "60m"] {
            assert_eq!(
                text.parse::<Timeframe>().unwrap_err().to_string(),
                format!("{text:?} is no timeframe: write 1m, 5m, 15m, 1h or 1d")
            );
        }
    }

    #[test]
    fn minutes_and_hours_are_counted_from_the_epoch_in_every_zone() {
        let cases = [
            (
                Timeframe::M1,
                "2024-03-10T14:37:00Z",
                "2024-03-10T14:38:00Z",
            ),
            (
                Timeframe::M5,
                "2024-03-10T14:35:00Z",
                "2024-03-10T14:40:00Z",
            ),
            (
                Timeframe::M15,
                "2024-03-10T14:30:00Z",
                "2024-03-10T14:45:00Z",
            ),
            (
                Timeframe::H1,
                "2024-03-10T14:00:00Z",
                "2024-03-10T15:00:00Z",
            ),
        ];
        for zone in ["UTC", "Asia/Kathmandu", "America/New_York"] {
            let zone = Zone::named(zone).unwrap();
            for (timeframe, start, end) in cases {
                let within = time("2024-03-10T14:37:29.999999Z");
                assert_eq!(timeframe.start_of(within, &zone), time(start));
                assert_eq!(timeframe.end_of(within, &zone), time(end));
            }
        }
        let before_1970 = time("1969-12-31T23:59:59.999999Z");
        assert_eq!(
            Timeframe::M5.start_of(before_1970, &Zone::utc()),
            time("1969-12-31T23:55:00Z")
        );
    }

    #[test]
    fn beyond_the_ends_of_time_it_stops() {
        let earliest = TimestampMicros::floor(Timestamp::MIN);
        let latest = TimestampMicros::floor(Timestamp::MAX);
        for name in ["UTC", "America/New_York", "Pacific/Kiritimati"] {
            let zone = Zone::named(name).unwrap();
            for timeframe in Timeframe::ALL {
                assert_eq!(timeframe.start_of(earliest, &zone), earliest);
                assert_eq!(timeframe.end_of(latest, &zone), latest);
                assert!(timeframe.start_of(latest, &zone) < latest);
                assert!(timeframe.end_of(earliest, &zone) > earliest);
            }
        }
    }

    proptest! {
        #[test]
        fn bars_follow_each_other_without_gap_or_overlap(
            micros in -9_000_000_000_000_000_i64..9_000_000_000_000_000,
            timeframe in prop::sample::select(Timeframe::ALL.to_vec()),
            zone in prop::sample::select(vec![
                "UTC", "America/New_York", "America/Sao_Paulo", "America/St_Johns",
                "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca",
            ]),
        ) {
            let zone = Zone::named(zone).unwrap();
            let time = TimestampMicros::from_unix_micros(micros).unwrap();
            let (start, end) = (timeframe.start_of(time, &zone), timeframe.end_of(time, &zone));
            prop_assert!(start <= time && time < end);
            let last = nearest(end.unix_micros() - 1);
            for within in [start, last] {
                prop_assert_eq!(timeframe.start_of(within, &zone), start);
                prop_assert_eq!(timeframe.end_of(within, &zone), end);
            }
            prop_assert_eq!(timeframe.start_of(end, &zone), end);
            prop_assert_eq!(timeframe.end_of(nearest(start.unix_micros() - 1), &zone), start);
        }
    }
}
