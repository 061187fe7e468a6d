//! One bar of one minute.

use annals_record::{Record, Timestamp, TimestampMicros};

/// Microseconds of a minute.
const MINUTE: i64 = 60_000_000;

/// What was traded of one symbol in one minute, as a row of `bars_1m`.
///
/// Prices are in the symbol's currency, the volume in units of what is traded (shares, contracts).
/// The first eight columns are those of the stock scanner's table, by name and type.
///
/// The same struct carries longer bars (see [`rollup`](crate::rollup)), whose `timestamp` is where
/// their time range begins.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "bars_1m",
    time = "timestamp",
    key("symbol", "timestamp"),
    on_conflict = "update",
    chunk = "7 days",
    segment_by = "symbol",
    order_by = "timestamp desc",
    index("timestamp desc")
)]
pub struct Bar {
    /// What was traded; any text.
    pub symbol: String,
    /// When the minute began.
    pub timestamp: TimestampMicros,
    /// Price of the first trade.
    #[record(merge = "first by opened_at")]
    pub open: f64,
    /// Highest price.
    #[record(merge = "max")]
    pub high: f64,
    /// Lowest price.
    #[record(merge = "min")]
    pub low: f64,
    /// Price of the last trade.
    #[record(merge = "last by closed_at")]
    pub close: f64,
    /// How much was traded.
    #[record(merge = "sum")]
    pub volume: i64,
    /// Mean price, weighted by volume.
    #[record(merge = "mean by volume")]
    pub vwap: f64,
    /// When the first trade was, where that is known. Parts of a bar are then merged to the same bar in
    /// whatever order they come; else the part that came first counts as the first.
    #[record(merge = "min")]
    pub opened_at: Option<TimestampMicros>,
    /// When the last trade was, where that is known.
    #[record(merge = "max")]
    pub closed_at: Option<TimestampMicros>,
}

/// Why a bar is none; one for each rule.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BarError {
    /// Nobody knows what was traded.
    #[error("the symbol is empty")]
    Symbol,
    /// A text that no database holds.
    #[error("the symbol contains U+0000, which PostgreSQL's text cannot hold")]
    SymbolNul,
    /// A time between two minutes.
    #[error("the timestamp {timestamp} is not on the minute")]
    Timestamp {
        /// The timestamp.
        timestamp: Timestamp,
    },
    /// A price that is none.
    #[error("{field} is {value}, which is no finite number")]
    NotFinite {
        /// Which price.
        field: &'static str,
        /// Its value.
        value: f64,
    },
    /// The highest price is not the highest.
    #[error("high {high} is below low {low}")]
    HighBelowLow {
        /// The highest price.
        high: f64,
        /// The lowest price.
        low: f64,
    },
    /// A price that was never traded at.
    #[error("{field} {value} is outside of low {low} to high {high}")]
    Outside {
        /// Which price.
        field: &'static str,
        /// Its value.
        value: f64,
        /// The lowest price.
        low: f64,
        /// The highest price.
        high: f64,
    },
    /// Less than nothing was traded.
    #[error("the volume {volume} is below zero")]
    Volume {
        /// The volume.
        volume: i64,
    },
}

impl Bar {
    /// A bar whose trades' times are not known, checked.
    ///
    /// `ohlc` is open, high, low and close.
    ///
    /// # Errors
    ///
    /// The first rule that does not hold; see [`check`](Self::check).
    pub fn new(
        symbol: impl Into<String>,
        timestamp: TimestampMicros,
        ohlc: [f64; 4],
        volume: i64,
        vwap: f64,
    ) -> Result<Self, BarError> {
        let [open, high, low, close] = ohlc;
        let bar = Self {
            symbol: symbol.into(),
            timestamp,
            open,
            high,
            low,
            close,
            volume,
            vwap,
            opened_at: None,
            closed_at: None,
        };
        bar.check()?;
        Ok(bar)
    }

    /// Takes in another part of the same bar, by the rules by which the table merges rows. `false`, and
    /// nothing has changed, when the volume of both is more than a bar can hold.
    ///
    /// Two parts that are equal are two parts.
    pub fn absorb(&mut self, later: &Self) -> bool {
        let Some(volume) = self.volume.checked_add(later.volume) else {
            return false;
        };
        let is_before = |a: Option<TimestampMicros>, b: Option<TimestampMicros>| {
            a.zip(b).is_some_and(|(a, b)| a < b)
        };
        if is_before(later.opened_at, self.opened_at) {
            self.open = later.open;
        }
        if !is_before(later.closed_at, self.closed_at) {
            self.close = later.close;
        }
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.vwap = if volume == 0 {
            later.vwap
        } else {
            (self.vwap * self.volume as f64 + later.vwap * later.volume as f64) / volume as f64
        };
        self.volume = volume;
        self.opened_at = [self.opened_at, later.opened_at]
            .into_iter()
            .flatten()
            .min();
        self.closed_at = [self.closed_at, later.closed_at]
            .into_iter()
            .flatten()
            .max();
        true
    }

    /// Checks every rule: a symbol, a timestamp on the minute, finite prices, `high` not below `low`,
    /// `open` and `close` between them, no volume below zero.
    ///
    /// The sign of prices is free, since spreads and some futures trade below zero. `vwap` is not held
    /// against `low` and `high`, because its last digit is rounded and sources count differently.
    ///
    /// # Errors
    ///
    /// The first rule that does not hold.
    pub fn check(&self) -> Result<(), BarError> {
        if self.symbol.is_empty() {
            return Err(BarError::Symbol);
        }
        if self.symbol.contains('\0') {
            return Err(BarError::SymbolNul);
        }
        if self.timestamp.unix_micros().rem_euclid(MINUTE) != 0 {
            return Err(BarError::Timestamp {
                timestamp: self.timestamp.into(),
            });
        }
        let prices = [
            ("open", self.open),
            ("high", self.high),
            ("low", self.low),
            ("close", self.close),
            ("vwap", self.vwap),
        ];
        if let Some((field, value)) = prices.into_iter().find(|(_, value)| !value.is_finite()) {
            return Err(BarError::NotFinite { field, value });
        }
        let (high, low) = (self.high, self.low);
        if high < low {
            return Err(BarError::HighBelowLow { high, low });
        }
        for (field, value) in [("open", self.open), ("close", self.close)] {
            if !(low..=high).contains(&value) {
                return Err(BarError::Outside {
                    field,
                    value,
                    low,
                    high,
                });
            }
        }
        if self.volume < 0 {
            return Err(BarError::Volume {
                volume: self.volume,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar() -> Bar {
        let timestamp = TimestampMicros::from_unix_micros(1_700_000_040_000_000).unwrap();
        Bar::new("AAPL", timestamp, [150.0, 151.0, 149.0, 150.5], 425, 150.2).unwrap()
    }

    #[test]
    fn every_rule_has_its_error() {
        let second = TimestampMicros::from_unix_micros(1_700_000_041_000_000).unwrap();
        type Change = fn(&mut Bar);
        let cases: [(Change, &str); 9] = [
            (|bar| bar.symbol.clear(), "the symbol is empty"),
            (
                |bar| bar.symbol.push('\0'),
                "the symbol contains U+0000, which PostgreSQL's text cannot hold",
            ),
            (
                |bar| bar.open = f64::NAN,
                "open is NaN, which is no finite number",
            ),
            (
                |bar| bar.vwap = f64::INFINITY,
                "vwap is inf, which is no finite number",
            ),
            (|bar| bar.high = 148.0, "high 148 is below low 149"),
            (
                |bar| bar.open = 148.9,
                "open 148.9 is outside of low 149 to high 151",
            ),
            (
                |bar| bar.close = 151.1,
                "close 151.1 is outside of low 149 to high 151",
            ),
            (|bar| bar.volume = -1, "the volume -1 is below zero"),
            (
                |bar| bar.low = f64::NEG_INFINITY,
                "low is -inf, which is no finite number",
            ),
        ];
        for (change, message) in cases {
            let mut bar = bar();
            change(&mut bar);
            assert_eq!(bar.check().unwrap_err().to_string(), message);
        }
        let off = Bar {
            timestamp: second,
            ..bar()
        };
        assert_eq!(
            off.check().unwrap_err().to_string(),
            "the timestamp 2023-11-14T22:14:01Z is not on the minute"
        );
    }

    #[test]
    fn what_markets_do_is_a_bar() {
        let mut bar = bar();
        bar.volume = 0;
        (bar.open, bar.high, bar.low, bar.close) = (-37.63, -37.63, -40.32, -40.32);
        assert_eq!(bar.check(), Ok(()));
        bar.symbol = "A symbol of more than ten letters, and of any: 茅台".to_owned();
        bar.timestamp = TimestampMicros::from_unix_micros(-60_000_000).unwrap();
        assert_eq!(bar.check(), Ok(()));
    }
}
