//! Times as they are given on the command line.

use annals_market::{BarRange, Zone};
use annals_record::Timestamp;
use annals_server::bars::csv::{Clock, TimeError};

use super::command::{FrameArgs, RangeArgs};
use crate::error::CliError;

/// The clock of a zone.
pub(super) fn clock(zone: &Zone) -> Result<Clock, CliError> {
    Clock::of(zone).map_err(bad("--zone"))
}

/// When a range starts and ends, by two flags; the earliest and the latest time without them.
pub(super) fn between(
    clock: &Clock,
    start: Option<&str>,
    end: Option<&str>,
) -> Result<(Timestamp, Timestamp), CliError> {
    let start = start.map_or(Ok(Timestamp::MIN), |text| clock.read(text));
    let start = start.map_err(bad("--start"))?;
    let end = end.map_or(Ok(Timestamp::MAX), |text| clock.read_end(text));
    let end = end.map_err(bad("--end"))?;
    // Nothing would be there, which is no answer to what was meant.
    if end < start {
        return Err(CliError::EndBeforeStart);
    }
    Ok((start, end))
}

/// An error that names its flag.
pub(super) fn bad(flag: &'static str) -> impl Fn(TimeError) -> CliError {
    move |source| CliError::Time { flag, source }
}

/// The bars of a symbol that flags name; all of them where they say nothing.
pub(super) fn of(
    symbol: &str,
    range: &RangeArgs,
    frame: &FrameArgs,
    clock: &Clock,
) -> Result<BarRange, CliError> {
    let (start, end) = between(clock, range.start.as_deref(), range.end.as_deref())?;
    Ok(BarRange::new(symbol, start, end).with_timeframe(frame.timeframe, frame.zone.clone()))
}
