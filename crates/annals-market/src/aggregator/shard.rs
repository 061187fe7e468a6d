//! The symbols that share a lock.

use std::collections::{HashMap, VecDeque};

use annals_record::TimestampMicros;

use super::{
    Tick,
    part::{Part, end_of},
};
use crate::Bar;

/// The open parts of some of the symbols.
#[derive(Debug, Default)]
pub(super) struct Shard {
    symbols: HashMap<String, Minutes>,
}

/// The minutes of one symbol that have open parts.
#[derive(Debug, Default)]
struct Minutes {
    /// The one that trades now.
    running: Option<Running>,
    /// Earlier ones, in the order in which they were opened, which all have a part.
    late: VecDeque<Part>,
}

/// The minute that trades now. It stays so while a checkpoint has its trades.
#[derive(Debug)]
struct Running {
    minute: TimestampMicros,
    part: Option<Part>,
}

/// What bounds a shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Symbols.
    pub(super) symbols: usize,
    /// Late minutes of each.
    pub(super) late_minutes: usize,
}

impl Shard {
    /// Takes a trade of `minute`. Minutes that ended at `closed_until` (microseconds) or before are
    /// closed. Says whether the trade was late.
    pub(super) fn feed(
        &mut self,
        tick: &Tick,
        minute: TimestampMicros,
        closed_until: i64,
        bounds: Bounds,
        out: &mut Vec<Bar>,
    ) -> bool {
        if let Some(minutes) = self.symbols.get_mut(&tick.symbol) {
            return minutes.feed(tick, minute, closed_until, bounds.late_minutes, out);
        }
        // Parts can be given out at any time without loss, so a full shard begins anew. To look
        // for the symbol that traded least recently would cost more at every new symbol.
        if self.symbols.len() >= bounds.symbols {
            self.flush(out);
        }
        self.symbols.entry(tick.symbol.clone()).or_default().feed(
            tick,
            minute,
            closed_until,
            bounds.late_minutes,
            out,
        )
    }

    /// Gives out the parts of minutes that ended at `closed_until` (microseconds) or before, and
    /// forgets symbols that have no others.
    pub(super) fn close(&mut self, closed_until: i64, out: &mut Vec<Bar>) {
        self.symbols.retain(|symbol, minutes| {
            minutes.close(symbol, closed_until, out);
            // Late minutes stay where another thread's clock was ahead of this one's.
            minutes.running.is_some() || !minutes.late.is_empty()
        });
    }

    /// Gives out every part; running minutes stay the running ones.
    pub(super) fn checkpoint(&mut self, out: &mut Vec<Bar>) {
        for (symbol, minutes) in &mut self.symbols {
            minutes.give_all(symbol, out);
        }
    }

    /// Gives out every part, and forgets the symbols.
    pub(super) fn flush(&mut self, out: &mut Vec<Bar>) {
        for (symbol, mut minutes) in self.symbols.drain() {
            minutes.give_all(&symbol, out);
        }
    }

    /// How many parts are open.
    pub(super) fn parts(&self) -> usize {
        let parts = |minutes: &Minutes| {
            let running = minutes.running.as_ref().and_then(|it| it.part.as_ref());
            minutes.late.len() + usize::from(running.is_some())
        };
        self.symbols.values().map(parts).sum()
    }
}

impl Minutes {
    fn feed(
        &mut self,
        tick: &Tick,
        minute: TimestampMicros,
        closed_until: i64,
        late_minutes: usize,
        out: &mut Vec<Bar>,
    ) -> bool {
        match &mut self.running {
            Some(running) if minute == running.minute => {
                match &mut running.part {
                    Some(part) => add(part, tick, out),
                    empty => *empty = Some(Part::new(minute, tick)),
                }
                return false;
            }
            Some(running) if minute < running.minute => {}
            None if end_of(minute) <= closed_until => {}
            _ => {
                let part = Some(Part::new(minute, tick));
                let earlier = self.running.replace(Running { minute, part });
                give(earlier.and_then(|it| it.part), &tick.symbol, out);
                return false;
            }
        }
        match self.late.iter_mut().find(|part| part.minute() == minute) {
            Some(part) => add(part, tick, out),
            None => {
                self.late.push_back(Part::new(minute, tick));
                if self.late.len() > late_minutes {
                    give(self.late.pop_front(), &tick.symbol, out);
                }
            }
        }
        true
    }

    fn close(&mut self, symbol: &str, closed_until: i64, out: &mut Vec<Bar>) {
        let closed = |minute| end_of(minute) <= closed_until;
        for _ in 0..self.late.len() {
            match self.late.pop_front() {
                Some(part) if !closed(part.minute()) => self.late.push_back(part),
                part => give(part, symbol, out),
            }
        }
        if self.running.as_ref().is_some_and(|it| closed(it.minute)) {
            give(self.running.take().and_then(|it| it.part), symbol, out);
        }
    }

    fn give_all(&mut self, symbol: &str, out: &mut Vec<Bar>) {
        for part in self.late.drain(..) {
            give(Some(part), symbol, out);
        }
        if let Some(running) = &mut self.running {
            give(running.part.take(), symbol, out);
        }
    }
}

fn give(part: Option<Part>, symbol: &str, out: &mut Vec<Bar>) {
    out.extend(part.map(|part| part.into_bar(symbol.to_owned())));
}

/// Adds a trade to its minute's part. A part that would have more volume than a bar can hold is given
/// out, and the trade begins another.
fn add(part: &mut Part, tick: &Tick, out: &mut Vec<Bar>) {
    if part.add(tick).is_err() {
        let full = std::mem::replace(part, Part::new(part.minute(), tick));
        give(Some(full), &tick.symbol, out);
    }
}

#[cfg(test)]
mod tests {
    use annals_record::Timestamp;

    use super::*;
    use crate::{aggregator::TickKind, timeframe::MINUTE};

    /// Feeds a trade of the minute 0 while minutes are closed that ended at `closed_until`.
    fn feed(shard: &mut Shard, closed_until: i64) -> bool {
        let tick = Tick {
            symbol: "AAPL".to_owned(),
            price: 1.0,
            size: 1,
            timestamp: Timestamp::default(),
            kind: TickKind::Trade,
        };
        let bounds = Bounds {
            symbols: 1,
            late_minutes: 1,
        };
        let mut out = Vec::new();
        let late = shard.feed(&tick, tick.minute(), closed_until, bounds, &mut out);
        assert_eq!(out, []);
        late
    }

    #[test]
    fn a_symbol_without_open_minutes_is_forgotten() {
        let (mut shard, mut out) = (Shard::default(), Vec::new());
        assert!(!feed(&mut shard, 0));
        shard.checkpoint(&mut out);
        shard.close(MINUTE - 1, &mut out);
        assert_eq!((out.len(), shard.symbols.len()), (1, 1));
        shard.close(MINUTE, &mut out);
        assert_eq!((out.len(), shard.symbols.len()), (1, 0));
    }

    #[test]
    fn a_clock_that_is_behind_anothers_loses_no_late_minute() {
        let (mut shard, mut out) = (Shard::default(), Vec::new());
        assert!(feed(&mut shard, MINUTE));
        shard.close(MINUTE - 1, &mut out);
        assert_eq!((out.len(), shard.parts()), (0, 1));
        shard.close(MINUTE, &mut out);
        assert_eq!((out.len(), shard.parts()), (1, 0));
    }
}
