//! From what a longer bar is read: stored bars, and minutes where those are ahead of them.

use crate::{
    Bar, Result, Timeframe, Zone,
    changed::{joined, pending},
    dropped::{common, read_of_minutes},
    level::{Ask, STEP, behind, hour_of, source_of},
    tx::Tx,
};

/// The parts of a time range, each of which is read from one table.
#[derive(Debug)]
pub(crate) struct Parts {
    timeframe: Timeframe,
    /// Where minutes are read, in order.
    minutes: Vec<(i64, i64)>,
    /// What is left to read.
    from: i64,
    until: i64,
}

impl Parts {
    /// Those between two times, in microseconds, the second excluded. Must be asked in the transaction in
    /// which they are read.
    pub(crate) async fn between<T: Tx>(
        tx: &mut T,
        symbol: &str,
        timeframe: Timeframe,
        zone: &Zone,
        (from, until): (i64, i64),
    ) -> Result<Self> {
        if timeframe == Timeframe::M1 {
            let minutes = vec![(from, until)];
            return Ok(Self {
                timeframe,
                minutes,
                from,
                until,
            });
        }
        let mut minutes = pending(tx, symbol, from, until).await?;
        if timeframe == Timeframe::D1 {
            // Days from before clocks were on quarters of an hour are made from minutes.
            minutes.push((i64::MIN, zone.quarters_since().unix_micros()));
        }
        let asked = [(hour_of(from).0, hour_of(until).1)];
        let behind = common(&joined(minutes), &asked);
        Ok(Self {
            timeframe,
            minutes: read_of_minutes(tx, symbol, behind).await?,
            from,
            until,
        })
    }

    /// What to read first of all that is left, for so many longer bars; none when nothing is.
    pub(crate) fn first(&self, bars: usize) -> Option<Ask> {
        if self.from >= self.until {
            return None;
        }
        let next = self.minutes.iter().find(|(_, end)| *end > self.from);
        let (level, until) = match next {
            Some((start, end)) if *start <= self.from => (Timeframe::M1, *end),
            Some((start, _)) => (self.stored(), *start),
            None => (self.stored(), self.until),
        };
        Some(Ask {
            level,
            from: self.from,
            until: until.min(self.until),
            limit: self.limit(level, bars),
        })
    }

    /// What to read last of all that is left.
    pub(crate) fn last(&self, bars: usize) -> Option<Ask> {
        if self.from >= self.until {
            return None;
        }
        let next = self
            .minutes
            .iter()
            .rev()
            .find(|(start, _)| *start < self.until);
        let (level, from) = match next {
            Some((start, end)) if *end >= self.until => (Timeframe::M1, *start),
            Some((_, end)) => (self.stored(), *end),
            None => (self.stored(), self.from),
        };
        Some(Ask {
            level,
            from: from.max(self.from),
            until: self.until,
            limit: self.limit(level, bars),
        })
    }

    /// Goes on behind what was found of the [`first`](Self::first).
    pub(crate) fn pass_first(&mut self, ask: Ask, found: &[Bar]) {
        self.from = match found.last() {
            Some(bar) if found.len() >= ask.limit => behind(ask.level, bar.timestamp.unix_micros()),
            _ => ask.until,
        };
    }

    /// Goes on before what was found of the [`last`](Self::last).
    pub(crate) fn pass_last(&mut self, ask: Ask, found: &[Bar]) {
        self.until = match found.last() {
            Some(bar) if found.len() >= ask.limit => bar.timestamp.unix_micros(),
            _ => ask.from,
        };
    }

    const fn stored(&self) -> Timeframe {
        source_of(self.timeframe).0
    }

    fn limit(&self, level: Timeframe, bars: usize) -> usize {
        if level == Timeframe::M1 && self.timeframe != Timeframe::M1 {
            return STEP;
        }
        bars.saturating_mul(source_of(self.timeframe).1)
            .clamp(1, STEP)
    }
}
