//! Bars of one symbol in a time range, of a minute or rolled up as they are read.

use annals_record::{Timestamp, TimestampMicros};
use annals_store::Store;

use crate::{Bar, BarPage, BarRange, Error, Result, Timeframe, Zone, rollup::Rollup};

/// Bars of a minute that are read at once.
const STEP: u64 = 10_000;

pub(crate) async fn read(store: &Store, range: BarRange) -> Result<BarPage> {
    let BarRange {
        symbol,
        start,
        end,
        timeframe,
        zone,
        limit,
        after,
    } = range;
    let Some(mut from) = first_start(timeframe, &zone, start) else {
        return Ok(BarPage::default());
    };
    if let Some(cursor) = after {
        from = from.max(timeframe.end_of(place(&cursor)?, &zone));
    }
    let until = timeframe.end_of(TimestampMicros::floor(end), &zone);
    let wanted = limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    });
    let mut rollup = Rollup::new(timeframe, zone);
    let mut bars = Vec::new();
    // One more than wanted tells whether there is a next page.
    while bars.len() <= wanted && from < until {
        let minutes = minutes(store, &symbol, from, until, step(timeframe, wanted)).await?;
        let Some(last) = minutes.last() else { break };
        from = Timeframe::M1.end_of(last.timestamp, &Zone::utc());
        for minute in &minutes {
            bars.extend(rollup.push(minute)?);
        }
    }
    if bars.len() <= wanted {
        bars.extend(rollup.finish());
    }
    let mut page = BarPage { bars, next: None };
    if page.bars.len() > wanted {
        page.bars.truncate(wanted);
        let last = page.bars.last();
        page.next = last.map(|bar| bar.timestamp.unix_micros().to_string());
    }
    Ok(page)
}

/// How many bars of a minute to read at once, when so many bars are wanted.
fn step(timeframe: Timeframe, wanted: usize) -> u64 {
    if timeframe == Timeframe::M1 {
        let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
        wanted.saturating_add(1).min(STEP)
    } else {
        STEP
    }
}

/// Where the first bar begins that begins at `start` or later; `None` when that is beyond all time.
fn first_start(timeframe: Timeframe, zone: &Zone, start: Timestamp) -> Option<TimestampMicros> {
    let floor = TimestampMicros::floor(start);
    let begin = timeframe.start_of(floor, zone);
    if Timestamp::from(begin) >= start {
        return Some(begin);
    }
    let next = timeframe.end_of(floor, zone);
    (Timestamp::from(next) >= start).then_some(next)
}

/// The bar after which a page begins.
fn place(cursor: &str) -> Result<TimestampMicros> {
    let micros = cursor.parse().ok();
    micros
        .and_then(|micros| TimestampMicros::from_unix_micros(micros).ok())
        .ok_or(Error::Question {
            field: "the cursor",
            needs: "one that the page before gave out",
        })
}

async fn minutes(
    store: &Store,
    symbol: &str,
    from: TimestampMicros,
    until: TimestampMicros,
    limit: u64,
) -> Result<Vec<Bar>> {
    let page = store
        .query::<Bar>()
        .filter(Bar::SYMBOL.eq(symbol))
        .filter(Bar::TIMESTAMP.at_least(from))
        .filter(Bar::TIMESTAMP.lt(until))
        .order(Bar::TIMESTAMP.asc())
        .limit(limit)
        .fetch()
        .await?;
    Ok(page.rows)
}
