//! Bars of one symbol in a time range, of a minute or rolled up as they are read.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

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
    let question = fingerprint(&symbol, timeframe, &zone);
    if let Some(cursor) = after {
        from = from.max(timeframe.end_of(place(&cursor, question)?, &zone));
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
        page.next = last.map(|bar| format!("{question:016x}{}", bar.timestamp.unix_micros()));
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

/// Tells questions apart, so that a cursor is not used with another one.
fn fingerprint(symbol: &str, timeframe: Timeframe, zone: &Zone) -> u64 {
    // Keys are fixed: a cursor must mean the same in every process.
    let mut hasher = DefaultHasher::new();
    (symbol, timeframe, zone.name()).hash(&mut hasher);
    hasher.finish()
}

/// The bar after which a page begins.
fn place(cursor: &str, question: u64) -> Result<TimestampMicros> {
    let refuse = |needs| Error::Question {
        field: "the cursor",
        needs,
    };
    let parts = cursor.split_at_checked(16).and_then(|(question, micros)| {
        let micros = TimestampMicros::from_unix_micros(micros.parse().ok()?).ok()?;
        Some((u64::from_str_radix(question, 16).ok()?, micros))
    });
    match parts {
        Some((of, place)) if of == question => Ok(place),
        Some(_) => Err(refuse("of the same symbol, timeframe and zone")),
        None => Err(refuse("one that the page before gave out")),
    }
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
