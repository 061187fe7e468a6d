//! From the minutes of many symbols to their longer bars, hour by hour.

use std::collections::{BTreeMap, HashMap};

use crate::{
    Bar, Error, Result, Timeframe, Zone,
    level::{STORED, hour_of},
    rollup::Cascade,
};

/// Takes minutes, each symbol's in order of time; holds what is open of one hour.
#[derive(Debug, Default)]
pub(super) struct Fold {
    hour: Option<i64>,
    /// Of each symbol of the hour; none where its bars cannot be made.
    open: HashMap<String, Option<Cascade>>,
    made: [Vec<Bar>; 3],
    held: BTreeMap<(String, i64), String>,
    minutes: u64,
}

/// Longer bars.
#[derive(Debug, Default)]
pub(super) struct Folded {
    /// Of each stored level, by symbol and time.
    pub(super) made: [Vec<Bar>; 3],
    /// Symbols' hours that no bars can be made of, and why.
    pub(super) held: BTreeMap<(String, i64), String>,
    /// Minutes that were taken.
    pub(super) minutes: u64,
}

impl Fold {
    pub(super) fn push(&mut self, minute: &Bar) -> Result<()> {
        let (hour, _) = hour_of(minute.timestamp.unix_micros());
        if self.hour != Some(hour) {
            self.close();
            self.hour = Some(hour);
        }
        self.minutes += 1;
        if !self.open.contains_key(&minute.symbol) {
            let cascade = Cascade::new(Timeframe::H1, Zone::utc());
            self.open.insert(minute.symbol.clone(), Some(cascade));
        }
        let Some(open) = self.open.get_mut(&minute.symbol) else {
            return Ok(());
        };
        let Some(cascade) = open else {
            return Ok(());
        };
        let made = &mut self.made;
        let pushed = cascade.push(Timeframe::M1, minute, &mut |level, bar, _| {
            keep(made, level, bar);
        });
        match pushed {
            Err(Error::Rollup(error)) => {
                *open = None;
                let key = (minute.symbol.clone(), hour);
                self.held.insert(key, error.to_string());
                Ok(())
            }
            other => other,
        }
    }

    /// Everything that was made.
    pub(super) fn finish(mut self) -> Folded {
        self.close();
        let held = self.held;
        for bars in &mut self.made {
            if !held.is_empty() {
                bars.retain(|bar| !held.contains_key(&hour_key(bar)));
            }
            bars.sort_unstable_by(|a, b| (&a.symbol, a.timestamp).cmp(&(&b.symbol, b.timestamp)));
        }
        Folded {
            made: self.made,
            held,
            minutes: self.minutes,
        }
    }

    fn close(&mut self) {
        let hour = self.hour.unwrap_or_default();
        for (symbol, cascade) in self.open.drain() {
            let made = &mut self.made;
            let closed = cascade
                .map(|mut cascade| cascade.finish(&mut |level, bar, _| keep(made, level, bar)));
            if let Some(Err(error)) = closed {
                self.held.insert((symbol, hour), error.to_string());
            }
        }
    }
}

fn keep(made: &mut [Vec<Bar>; 3], level: Timeframe, bar: &Bar) {
    let place = STORED.iter().position(|stored| *stored == level);
    if let Some(bars) = place.and_then(|place| made.get_mut(place)) {
        bars.push(bar.clone());
    }
}

/// The symbol's hour that a bar is part of.
pub(super) fn hour_key(bar: &Bar) -> (String, i64) {
    (bar.symbol.clone(), hour_of(bar.timestamp.unix_micros()).0)
}
