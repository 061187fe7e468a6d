//! From each level to the next longer one.

use annals_record::TimestampMicros;

use super::{RollupError, TooMuch, VolumeMean};
use crate::{
    Bar, Error, Result,
    timeframe::{Timeframe, Zone},
};

/// The levels through which minutes become longer bars of one symbol, all of them at once.
#[derive(Debug)]
pub(crate) struct Cascade {
    /// The shortest first; the last is what was asked for.
    stages: Vec<Stage>,
    zone: Zone,
}

#[derive(Debug)]
struct Stage {
    timeframe: Timeframe,
    open: Option<Open>,
}

/// A longer bar that is not finished.
#[derive(Debug)]
struct Open {
    /// What is known of it; `volume` and `vwap` are told by `mean`.
    bar: Bar,
    mean: VolumeMean,
    /// The last bar's, for want of volume.
    vwap: f64,
    end: TimestampMicros,
}

/// Is told every bar that is finished, of which timeframe it is, and whether that is the one asked for.
pub(crate) type Finished<'a> = dyn FnMut(Timeframe, &Bar, bool) + 'a;

impl Cascade {
    pub(crate) fn new(timeframe: Timeframe, zone: Zone) -> Self {
        use Timeframe::{D1, H1, M1, M5, M15};
        let levels: &[Timeframe] = match timeframe {
            M1 => &[M1],
            M5 => &[M5],
            M15 => &[M5, M15],
            H1 => &[M5, M15, H1],
            D1 => &[M5, M15, D1],
        };
        let stage = |timeframe: &Timeframe| Stage {
            timeframe: *timeframe,
            open: None,
        };
        Self {
            stages: levels.iter().map(stage).collect(),
            zone,
        }
    }

    /// The time range of the longest bar that a time is part of.
    pub(crate) fn range_of(&self, time: TimestampMicros) -> (TimestampMicros, TimestampMicros) {
        let longest = self.longest();
        let start = longest.start_of(time, &self.zone);
        (start, longest.end_of(time, &self.zone))
    }

    /// Whether a time that is not before `start` is part of the longest bar from there to `end`.
    pub(crate) fn is_within(
        &self,
        start: TimestampMicros,
        end: TimestampMicros,
        time: TimestampMicros,
    ) -> bool {
        is_within(self.longest(), &self.zone, start, end, time)
    }

    fn longest(&self) -> Timeframe {
        self.stages
            .last()
            .map_or(Timeframe::M1, |stage| stage.timeframe)
    }

    /// Takes a bar of a timeframe, which must not be before the one before. On an error, what was not
    /// finished of the bar's time range is of no use any more.
    pub(crate) fn push(
        &mut self,
        timeframe: Timeframe,
        bar: &Bar,
        finished: &mut Finished<'_>,
    ) -> Result<()> {
        let stage = self.stage_for(timeframe, bar.timestamp)?;
        self.close(finished, |place, open, of, zone| {
            // A bar that stands for all of its minutes has none of them below it.
            place < stage || !is_within(of, zone, open.bar.timestamp, open.end, bar.timestamp)
        })?;
        self.add(stage, bar)
    }

    /// Ends every bar as far as it got.
    pub(crate) fn finish(&mut self, finished: &mut Finished<'_>) -> Result<()> {
        self.close(finished, |_, _, _, _| true)
    }

    /// Which stage makes its bars from those of a timeframe.
    fn stage_for(&self, timeframe: Timeframe, time: TimestampMicros) -> Result<usize> {
        let last = self.stages.len().saturating_sub(1);
        if timeframe == Timeframe::M1 {
            let is_odd = self.longest() == Timeframe::D1 && time < self.zone.quarters_since();
            return Ok(if is_odd { last } else { 0 });
        }
        if timeframe == self.longest() {
            return Ok(last);
        }
        // Bars of a level go into the stage of the next one.
        let places = self
            .stages
            .iter()
            .position(|stage| stage.timeframe == timeframe);
        places.map(|place| place + 1).ok_or(Error::Question {
            field: "the timeframe of a part",
            needs: "one that the longer bar is made from",
        })
    }

    /// Finishes bars from the shortest on, and hands each to the next stage.
    fn close(
        &mut self,
        finished: &mut Finished<'_>,
        ends: impl Fn(usize, &Open, Timeframe, &Zone) -> bool,
    ) -> Result<()> {
        let last = self.stages.len().saturating_sub(1);
        for place in 0..self.stages.len() {
            let Some(stage) = self.stages.get_mut(place) else {
                continue;
            };
            let is_over = |open: &mut Open| ends(place, open, stage.timeframe, &self.zone);
            let Some(done) = stage.open.take_if(is_over) else {
                continue;
            };
            let done = done.finish();
            finished(stage.timeframe, &done, place == last);
            if place < last {
                self.add(place + 1, &done)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, place: usize, bar: &Bar) -> Result<()> {
        let Some(stage) = self.stages.get_mut(place) else {
            return Ok(());
        };
        match &mut stage.open {
            Some(open) => open.add(bar)?,
            None => {
                let mut open = Open {
                    bar: Bar {
                        timestamp: stage.timeframe.start_of(bar.timestamp, &self.zone),
                        ..bar.clone()
                    },
                    mean: VolumeMean::new(),
                    vwap: bar.vwap,
                    end: stage.timeframe.end_of(bar.timestamp, &self.zone),
                };
                open.add(bar)?;
                stage.open = Some(open);
            }
        }
        Ok(())
    }
}

fn is_within(
    timeframe: Timeframe,
    zone: &Zone,
    start: TimestampMicros,
    end: TimestampMicros,
    time: TimestampMicros,
) -> bool {
    // The last time range ends where all times do, which its last bar does not come before.
    time < end || timeframe.start_of(time, zone) == start
}

impl Open {
    fn add(&mut self, bar: &Bar) -> Result<(), RollupError> {
        self.mean
            .add(bar.vwap, bar.volume)
            .map_err(|TooMuch| RollupError::Volume {
                symbol: self.bar.symbol.clone(),
                timestamp: self.bar.timestamp,
            })?;
        self.vwap = bar.vwap;
        let whole = &mut self.bar;
        whole.high = whole.high.max(bar.high);
        whole.low = whole.low.min(bar.low);
        whole.close = bar.close;
        whole.opened_at = whole.opened_at.or(bar.opened_at);
        whole.closed_at = bar.closed_at.or(whole.closed_at);
        Ok(())
    }

    fn finish(self) -> Bar {
        Bar {
            volume: self.mean.volume(),
            vwap: self.mean.mean().unwrap_or(self.vwap),
            ..self.bar
        }
    }
}
