//! Trades of one symbol in one minute that were not given out yet.

use annals_record::{Timestamp, TimestampMicros};

use super::Tick;
use crate::{
    Bar,
    rollup::{TooMuch, VolumeMean},
    timeframe::MINUTE,
};

/// What is known of one minute's trades since its last part; never of none.
#[derive(Debug)]
pub(super) struct Part {
    minute: TimestampMicros,
    first: Trade,
    last: Trade,
    high: f64,
    low: f64,
    mean: VolumeMean,
}

#[derive(Clone, Copy, Debug)]
struct Trade {
    at: Timestamp,
    price: f64,
}

impl Part {
    /// The part of one trade.
    pub(super) fn new(minute: TimestampMicros, tick: &Tick) -> Self {
        let trade = Trade {
            at: tick.timestamp,
            price: tick.price,
        };
        let mut mean = VolumeMean::new();
        // Of one size the sum is always told.
        let _ = mean.add(tick.price, tick.size);
        Self {
            minute,
            first: trade,
            last: trade,
            high: tick.price,
            low: tick.price,
            mean,
        }
    }

    /// When its minute began.
    pub(super) const fn minute(&self) -> TimestampMicros {
        self.minute
    }

    /// Adds a trade of its minute, unless its volume cannot be told then.
    pub(super) fn add(&mut self, tick: &Tick) -> Result<(), TooMuch> {
        self.mean.add(tick.price, tick.size)?;
        let trade = Trade {
            at: tick.timestamp,
            price: tick.price,
        };
        if trade.at < self.first.at {
            self.first = trade;
        }
        if trade.at >= self.last.at {
            self.last = trade;
        }
        self.high = self.high.max(tick.price);
        self.low = self.low.min(tick.price);
        Ok(())
    }

    /// The part as a bar.
    pub(super) fn into_bar(self, symbol: String) -> Bar {
        Bar {
            symbol,
            timestamp: self.minute,
            open: self.first.price,
            high: self.high,
            low: self.low,
            close: self.last.price,
            volume: self.mean.volume(),
            vwap: self.mean.mean().unwrap_or(self.last.price),
            opened_at: Some(TimestampMicros::floor(self.first.at)),
            closed_at: Some(TimestampMicros::floor(self.last.at)),
        }
    }
}

/// When the minute ends that began at `minute`, in microseconds.
pub(super) const fn end_of(minute: TimestampMicros) -> i64 {
    minute.unix_micros().saturating_add(MINUTE)
}
