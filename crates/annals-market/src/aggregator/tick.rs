//! One tick of a feed.

use annals_record::{Timestamp, TimestampMicros};

use crate::timeframe::{MINUTE, Timeframe, Zone};

/// What a feed says happened to a symbol.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// What was traded; any text.
    pub symbol: String,
    /// The price, in the symbol's currency.
    pub price: f64,
    /// How much, in units of what is traded.
    pub size: i64,
    /// When, by the exchange's clock.
    pub timestamp: Timestamp,
    /// What happened.
    pub kind: TickKind,
}

/// What a tick tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TickKind {
    /// Something changed hands.
    Trade,
    /// Somebody would like to.
    Quote,
}

/// Why a tick is none; one for each rule.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TickError {
    /// Nobody knows what was traded.
    #[error("the symbol is empty")]
    Symbol,
    /// A text that no database holds.
    #[error("the symbol contains U+0000, which PostgreSQL's text cannot hold")]
    SymbolNul,
    /// A price that is none.
    #[error("the price is {price}, which is no finite number")]
    Price {
        /// The price.
        price: f64,
    },
    /// Less than nothing was traded.
    #[error("the size {size} is below zero")]
    Size {
        /// The size.
        size: i64,
    },
    /// A time whose minute began before all times.
    #[error("the minute of {timestamp} began before the earliest time, 1677-09-21T00:12:43Z")]
    Timestamp {
        /// The time.
        timestamp: Timestamp,
    },
}

impl Tick {
    /// Checks every rule: a symbol, a finite price, no size below zero, a time whose minute is one.
    ///
    /// The sign of the price is free, as it is in a bar: spreads and some futures trade below zero. A
    /// size of zero is a price without volume.
    ///
    /// # Errors
    ///
    /// The first rule that does not hold.
    pub fn check(&self) -> Result<(), TickError> {
        if self.symbol.is_empty() {
            return Err(TickError::Symbol);
        }
        if self.symbol.contains('\0') {
            return Err(TickError::SymbolNul);
        }
        if !self.price.is_finite() {
            return Err(TickError::Price { price: self.price });
        }
        if self.size < 0 {
            return Err(TickError::Size { size: self.size });
        }
        if self.minute().unix_micros().rem_euclid(MINUTE) != 0 {
            return Err(TickError::Timestamp {
                timestamp: self.timestamp,
            });
        }
        Ok(())
    }

    /// When the minute began in which it happened.
    pub(super) fn minute(&self) -> TimestampMicros {
        Timeframe::M1.start_of(TimestampMicros::floor(self.timestamp), &Zone::utc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_error() {
        let tick = Tick {
            symbol: "CL".to_owned(),
            price: -37.63,
            size: 0,
            timestamp: Timestamp::MAX,
            kind: TickKind::Trade,
        };
        assert_eq!(tick.check(), Ok(()));
        type Change = fn(&mut Tick);
        let cases: [(Change, &str); 6] = [
            (|tick| tick.symbol.clear(), "the symbol is empty"),
            (
                |tick| tick.symbol.push('\0'),
                "the symbol contains U+0000, which PostgreSQL's text cannot hold",
            ),
            (
                |tick| tick.price = f64::NAN,
                "the price is NaN, which is no finite number",
            ),
            (
                |tick| tick.price = f64::INFINITY,
                "the price is inf, which is no finite number",
            ),
            (|tick| tick.size = -1, "the size -1 is below zero"),
            (
                |tick| tick.timestamp = Timestamp::MIN,
                "the minute of 1677-09-21T00:12:43.145224192Z began before the earliest time, \
                 1677-09-21T00:12:43Z",
            ),
        ];
        for (change, message) in cases {
            let mut tick = tick.clone();
            change(&mut tick);
            assert_eq!(tick.check().unwrap_err().to_string(), message);
        }
    }
}
