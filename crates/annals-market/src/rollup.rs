//! Longer bars from shorter ones.

pub(crate) mod cascade;
mod mean;

use annals_record::TimestampMicros;

pub(crate) use cascade::Cascade;
pub(crate) use mean::{TooMuch, VolumeMean};

use crate::{
    Bar, Result,
    timeframe::{Timeframe, Zone},
};

/// Makes longer bars of one symbol from its bars of a minute, which come in order of time.
///
/// | Column | Of the longer bar |
/// |---|---|
/// | `timestamp` | where its time range begins, by [`Timeframe::start_of`] |
/// | `open`, `close` | of the first and of the last bar |
/// | `high`, `low` | highest and lowest |
/// | `volume` | sum |
/// | `vwap` | mean of `vwap`, weighted by volume; without any volume, the last bar's |
/// | `opened_at`, `closed_at` | the first and the last that is known |
///
/// It goes level by level: bars of 5m are made from minutes, those of 15m from those of 5m, and those of
/// an hour and of a day from those of 15m. A mean of means by volume is the mean of all, but for the last
/// digit, and so the numbers are the same whether a shorter level was stored before or not. Days of times
/// when a place's clocks were not on quarters of an hour (none has been since 1979) are made from minutes.
///
/// A bar of a minute belongs to where its minute begins. Time ranges without bars have none. Holds one
/// bar of each level, however many come.
#[derive(Debug)]
pub struct Rollup {
    cascade: Cascade,
    /// What was taken last.
    latest: Option<(String, TimestampMicros)>,
    /// Volume of the longer bar that is not finished, and when that began and ends.
    volume: i64,
    within: Option<(TimestampMicros, TimestampMicros)>,
}

/// Why a bar is not part of a longer one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RollupError {
    /// It is earlier than the one before.
    #[error("the bar of {symbol:?} at {timestamp} came after one at {latest}: sort bars by time")]
    Order {
        /// Its symbol.
        symbol: String,
        /// When it began.
        timestamp: TimestampMicros,
        /// When the one before began.
        latest: TimestampMicros,
    },
    /// It is of another symbol.
    #[error("a bar of {symbol:?} came among those of {expected:?}: roll up one symbol at a time")]
    Symbol {
        /// Its symbol.
        symbol: String,
        /// The symbol of the ones before.
        expected: String,
    },
    /// Together with those before, it has a volume that no bar can hold.
    #[error("the volume of {symbol:?} since {timestamp} is more than 64 bits can hold")]
    Volume {
        /// The symbol.
        symbol: String,
        /// When the longer bar began.
        timestamp: TimestampMicros,
    },
}

impl Rollup {
    /// Nothing yet.
    #[must_use]
    pub fn new(timeframe: Timeframe, zone: Zone) -> Self {
        Self {
            cascade: Cascade::new(timeframe, zone),
            latest: None,
            volume: 0,
            within: None,
        }
    }

    /// Takes a bar; gives the longer bar that is finished by it.
    ///
    /// Bars of one time are parts of one bar, and count in the order in which they come.
    ///
    /// # Errors
    ///
    /// [`Error::Rollup`](crate::Error::Rollup) when the bar is earlier than the one before, of another
    /// symbol, or has too large a volume. It is not taken then, and nothing changes.
    pub fn push(&mut self, bar: &Bar) -> Result<Option<Bar>> {
        self.push_of(Timeframe::M1, bar)
    }

    /// Takes a bar of a shorter timeframe, or of the same, that was rolled up before and stands for all
    /// minutes of its time range. Gives the longer bar that is finished by it.
    ///
    /// Of days, bars of 15m and of 5m are parts; those of 1h are not.
    ///
    /// # Errors
    ///
    /// Those of [`push`](Self::push), and [`Error::Question`](crate::Error::Question) for a bar of a
    /// timeframe that the longer bar is not made from.
    pub fn push_of(&mut self, timeframe: Timeframe, bar: &Bar) -> Result<Option<Bar>> {
        if let Some((symbol, latest)) = &self.latest {
            check(symbol, *latest, bar)?;
        }
        let (within, volume) = match self.within {
            Some((start, end)) if self.cascade.is_within(start, end, bar.timestamp) => {
                ((start, end), self.volume)
            }
            _ => (self.cascade.range_of(bar.timestamp), 0),
        };
        // Checked here, before anything is taken: what the levels below sum up is part of it.
        let volume = volume
            .checked_add(bar.volume)
            .ok_or_else(|| RollupError::Volume {
                symbol: bar.symbol.clone(),
                timestamp: within.0,
            })?;
        let mut finished = None;
        self.cascade
            .push(timeframe, bar, &mut |_, longer, is_asked| {
                if is_asked {
                    finished = Some(longer.clone());
                }
            })?;
        (self.within, self.volume) = (Some(within), volume);
        match &mut self.latest {
            Some((_, latest)) => *latest = bar.timestamp,
            None => self.latest = Some((bar.symbol.clone(), bar.timestamp)),
        }
        Ok(finished)
    }

    /// The last longer bar, as far as it got; none when no bar came.
    #[must_use]
    pub fn finish(mut self) -> Option<Bar> {
        let mut last = None;
        // What the levels hold was counted when it came, and fits.
        let _ = self.cascade.finish(&mut |_, longer, is_asked| {
            if is_asked {
                last = Some(longer.clone());
            }
        });
        last
    }
}

fn check(symbol: &str, latest: TimestampMicros, bar: &Bar) -> Result<(), RollupError> {
    if bar.symbol != symbol {
        return Err(RollupError::Symbol {
            symbol: bar.symbol.clone(),
            expected: symbol.to_owned(),
        });
    }
    if bar.timestamp < latest {
        return Err(RollupError::Order {
            symbol: bar.symbol.clone(),
            timestamp: bar.timestamp,
            latest,
        });
    }
    Ok(())
}

/// Longer bars of one symbol's bars of a minute, which come in order of time. See [`Rollup`].
///
/// # Errors
///
/// Those of [`Rollup::push`], at the first bar that is refused.
pub fn roll_up(
    bars: impl IntoIterator<Item = Bar>,
    timeframe: Timeframe,
    zone: &Zone,
) -> Result<Vec<Bar>> {
    let mut rollup = Rollup::new(timeframe, zone.clone());
    let mut longer = Vec::new();
    for bar in bars {
        longer.extend(rollup.push(&bar)?);
    }
    longer.extend(rollup.finish());
    Ok(longer)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use annals_record::Timestamp;
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn micros(micros: i64) -> TimestampMicros {
        TimestampMicros::from_unix_micros(micros).unwrap()
    }

    fn bar(minute: i64, ohlc: [f64; 4], volume: i64, vwap: f64) -> Bar {
        Bar::new("AAPL", micros(minute * MINUTE), ohlc, volume, vwap).unwrap()
    }

    #[test]
    fn five_minutes_become_one_bar() {
        let bars = [
            bar(5, [150.0, 151.0, 149.5, 150.5], 100, 150.0),
            bar(6, [150.5, 152.0, 150.0, 151.0], 200, 151.0),
            bar(9, [151.0, 151.5, 148.0, 149.0], 300, 149.0),
            bar(10, [149.0, 149.0, 149.0, 149.0], 1, 149.0),
        ];
        let vwap = (150.0 * 100.0 + 151.0 * 200.0 + 149.0 * 300.0) / 600.0;
        let expected = [
            bar(5, [150.0, 152.0, 148.0, 149.0], 600, vwap),
            bars[3].clone(),
        ];
        let longer = roll_up(bars, Timeframe::M5, &Zone::utc()).unwrap();
        assert_eq!(longer, expected);
    }

    #[test]
    fn a_longer_bar_comes_out_when_the_next_begins() {
        let mut rollup = Rollup::new(Timeframe::M5, Zone::utc());
        let flat = |minute| bar(minute, [1.0; 4], 1, 1.0);
        assert_eq!(rollup.push(&flat(0)).unwrap(), None);
        assert_eq!(rollup.push(&flat(4)).unwrap(), None);
        let first = rollup.push(&flat(7)).unwrap().unwrap();
        assert_eq!((first.timestamp, first.volume), (micros(0), 2));
        let last = rollup.finish().unwrap();
        assert_eq!((last.timestamp, last.volume), (micros(5 * MINUTE), 1));
        assert_eq!(Rollup::new(Timeframe::D1, Zone::utc()).finish(), None);
    }

    #[test]
    fn without_volume_the_last_vwap_stays() {
        let bars = [
            bar(0, [1.0, 2.0, 1.0, 2.0], 0, 1.5),
            bar(1, [2.0, 3.0, 2.0, 3.0], 0, 2.5),
        ];
        let longer = roll_up(bars, Timeframe::H1, &Zone::utc()).unwrap();
        assert_eq!((longer[0].vwap, longer[0].volume), (2.5, 0));
    }

    #[test]
    fn the_first_and_last_trade_that_are_known_are_kept() {
        let mut bars: Vec<Bar> = (0..4).map(|at| bar(at, [1.0; 4], 1, 1.0)).collect();
        bars[1].opened_at = Some(micros(61_000_000));
        bars[1].closed_at = Some(micros(62_000_000));
        bars[2].opened_at = Some(micros(121_000_000));
        bars[2].closed_at = Some(micros(122_000_000));
        let longer = roll_up(bars, Timeframe::M15, &Zone::utc()).unwrap();
        assert_eq!(longer[0].opened_at, Some(micros(61_000_000)));
        assert_eq!(longer[0].closed_at, Some(micros(122_000_000)));
    }

    #[test]
    fn a_day_is_the_exchanges() {
        let start: Timestamp = "2024-11-03T04:00:00Z".parse().unwrap();
        let start = start.unix_micros() / MINUTE;
        let bars = (0..26 * 60).map(|at| bar(start + at, [1.0; 4], 1, 1.0));
        let zone = Zone::named("America/New_York").unwrap();
        let days = roll_up(bars, Timeframe::D1, &zone).unwrap();
        let volumes: Vec<i64> = days.iter().map(|day| day.volume).collect();
        assert_eq!(volumes, [25 * 60, 60]);
        assert_eq!(days[0].timestamp.unix_micros(), start * MINUTE);
    }

    #[test]
    fn a_refused_bar_changes_nothing() {
        let mut rollup = Rollup::new(Timeframe::M5, Zone::utc());
        let first = bar(7, [1.0; 4], i64::MAX, 1.0);
        rollup.push(&first).unwrap();
        let cases = [
            (
                bar(6, [1.0; 4], 1, 1.0),
                "the bar of \"AAPL\" at 1970-01-01T00:06:00Z came after one at \
                 1970-01-01T00:07:00Z: sort bars by time",
            ),
            (
                bar(8, [2.0; 4], 1, 1.0),
                "the volume of \"AAPL\" since 1970-01-01T00:05:00Z is more than 64 bits can hold",
            ),
            (
                Bar {
                    symbol: "MSFT".to_owned(),
                    ..bar(8, [2.0; 4], 1, 1.0)
                },
                "a bar of \"MSFT\" came among those of \"AAPL\": roll up one symbol at a time",
            ),
        ];
        for (bar, message) in cases {
            assert_eq!(rollup.push(&bar).unwrap_err().to_string(), message);
        }
        let expected = Bar {
            timestamp: micros(5 * MINUTE),
            ..first
        };
        assert_eq!(rollup.finish(), Some(expected));
    }

    #[test]
    fn the_last_bar_of_all_times_is_taken() {
        let last = TimestampMicros::floor(Timestamp::MAX);
        let bar = Bar {
            timestamp: last,
            ..bar(0, [1.0; 4], 1, 1.0)
        };
        for timeframe in Timeframe::ALL {
            let longer = roll_up([bar.clone(), bar.clone()], timeframe, &Zone::utc()).unwrap();
            assert_eq!(longer.len(), 1);
            assert_eq!(longer[0].volume, 2);
        }
    }

    #[test]
    fn a_part_that_a_longer_bar_is_not_made_from_is_refused() {
        let zone = Zone::utc();
        let hour = bar(0, [1.0; 4], 1, 1.0);
        for (timeframe, part) in [
            (Timeframe::D1, Timeframe::H1),
            (Timeframe::M5, Timeframe::M15),
            (Timeframe::M1, Timeframe::M5),
        ] {
            let mut rollup = Rollup::new(timeframe, zone.clone());
            let error = rollup.push_of(part, &hour).unwrap_err();
            assert!(error.to_string().contains("timeframe of a part"), "{error}");
            assert_eq!(rollup.finish(), None);
        }
    }

    /// A bar whose prices are whole cents; `vwap` too, so that a mean can be told exactly.
    fn any_bar() -> impl Strategy<Value = (i64, Bar)> {
        let cents = || -100_000_i64..1_000_000;
        let at = prop::option::of(0..MINUTE);
        (
            0..200_000_i64,
            [cents(), cents(), cents(), cents()],
            0..1_000_000_i64,
            at,
        )
            .prop_map(|(minute, mut prices, volume, at)| {
                let [open, close, ..] = prices;
                prices.sort_unstable();
                let [low, vwap, _, high] = prices;
                let price = |cents: i64| cents as f64 / 100.0;
                let ohlc = [price(open), price(high), price(low), price(close)];
                let mut bar = bar(minute, ohlc, volume, price(vwap));
                bar.opened_at = at.map(|at| micros(minute * MINUTE + at / 2));
                bar.closed_at = at.map(|at| micros(minute * MINUTE + at));
                (vwap, bar)
            })
    }

    /// The longer bars of `bars`, by definition. The first of each pair is the bar's `vwap` in cents.
    fn grouped(bars: &[(i64, Bar)], timeframe: Timeframe, zone: &Zone) -> Vec<Bar> {
        let mut groups: BTreeMap<TimestampMicros, Vec<&(i64, Bar)>> = BTreeMap::new();
        for bar in bars {
            let start = timeframe.start_of(bar.1.timestamp, zone);
            groups.entry(start).or_default().push(bar);
        }
        let whole = |(start, bars): (TimestampMicros, Vec<&(i64, Bar)>)| {
            let volume: i64 = bars.iter().map(|(_, bar)| bar.volume).sum();
            let worth: i128 = bars
                .iter()
                .map(|(cents, bar)| i128::from(*cents) * i128::from(bar.volume))
                .sum();
            let vwap = if volume == 0 {
                bars[bars.len() - 1].1.vwap
            } else {
                worth as f64 / (volume as f64 * 100.0)
            };
            Bar {
                symbol: "AAPL".to_owned(),
                timestamp: start,
                open: bars[0].1.open,
                high: bars
                    .iter()
                    .map(|(_, bar)| bar.high)
                    .fold(f64::MIN, f64::max),
                low: bars.iter().map(|(_, bar)| bar.low).fold(f64::MAX, f64::min),
                close: bars[bars.len() - 1].1.close,
                volume,
                vwap,
                opened_at: bars.iter().find_map(|(_, bar)| bar.opened_at),
                closed_at: bars.iter().rev().find_map(|(_, bar)| bar.closed_at),
            }
        };
        groups.into_iter().map(whole).collect()
    }

    proptest! {
        #[test]
        fn longer_bars_are_what_their_definition_says(
            mut bars in prop::collection::vec(any_bar(), 0..200),
            timeframe in prop::sample::select(Timeframe::ALL.to_vec()),
            zone in prop::sample::select(vec!["UTC", "America/New_York", "Asia/Kathmandu"]),
        ) {
            let zone = Zone::named(zone).unwrap();
            bars.sort_by_key(|(_, bar)| bar.timestamp);
            let expected = grouped(&bars, timeframe, &zone);
            let bars: Vec<Bar> = bars.into_iter().map(|(_, bar)| bar).collect();
            let volume: i64 = bars.iter().map(|bar| bar.volume).sum();
            let longer = roll_up(bars, timeframe, &zone).unwrap();
            prop_assert_eq!(longer.len(), expected.len());
            prop_assert_eq!(longer.iter().map(|bar| bar.volume).sum::<i64>(), volume);
            for (longer, expected) in longer.into_iter().zip(expected) {
                // Prices of both signs cancel, so what matters is the size of what was summed.
                prop_assert!((longer.vwap - expected.vwap).abs() <= 1e-11, "{}", longer.vwap);
                let vwap = expected.vwap;
                prop_assert_eq!(Bar { vwap, ..longer }, expected);
            }
        }

        /// Whatever was stored of the levels in between, hour by hour.
        #[test]
        fn longer_bars_are_the_same_from_any_mix_of_levels(
            minutes in prop::collection::btree_map(0..3_000_i64, any_bar(), 1..600),
            sources in prop::collection::vec(0..4_usize, 51),
            timeframe in prop::sample::select(Timeframe::ALL[1..].to_vec()),
            zone in prop::sample::select(vec![
                "UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Monrovia",
            ]),
        ) {
            let zone = Zone::named(zone).unwrap();
            let is_odd = timeframe == Timeframe::D1 && zone.quarters_since() > micros(0);
            let minutes: Vec<Bar> = minutes
                .into_iter()
                .map(|(minute, (_, bar))| Bar { timestamp: micros(minute * MINUTE), ..bar })
                .collect();
            let expected = roll_up(minutes.clone(), timeframe, &zone).unwrap();
            let levels: Vec<Timeframe> = match timeframe {
                _ if is_odd => vec![Timeframe::M1],
                Timeframe::D1 => vec![Timeframe::M1, Timeframe::M5, Timeframe::M15],
                other => Timeframe::ALL.into_iter().filter(|level| *level <= other).collect(),
            };
            let mut rollup = Rollup::new(timeframe, zone.clone());
            let mut longer = Vec::new();
            for hour in 0..51 {
                let of_hour = minutes.iter().filter(|bar| {
                    bar.timestamp.unix_micros() / (60 * MINUTE) == hour as i64
                });
                let level = levels[sources[hour] % levels.len()];
                let parts = roll_up(of_hour.cloned(), level, &Zone::utc()).unwrap();
                for part in parts {
                    longer.extend(rollup.push_of(level, &part).unwrap());
                }
            }
            longer.extend(rollup.finish());
            prop_assert_eq!(longer, expected);
        }

        #[test]
        fn bars_of_a_minute_stay_what_they_are(
            bars in prop::collection::btree_map(0..1_000_000_i64, any_bar(), 0..50),
        ) {
            let bars: Vec<Bar> = bars
                .into_iter()
                .map(|(minute, (_, bar))| Bar { timestamp: micros(minute * MINUTE), ..bar })
                .collect();
            let same = roll_up(bars.clone(), Timeframe::M1, &Zone::utc()).unwrap();
            prop_assert_eq!(same, bars);
        }
    }
}
