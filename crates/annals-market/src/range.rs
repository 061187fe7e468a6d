//! Bars of one symbol in a time range, of a minute or longer.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use annals_record::{Timestamp, TimestampMicros};
use annals_store::{Access, Dialect, Store};

use crate::{
    Bar, BarPage, BarRange, Error, Result, Timeframe, Zone, level,
    longer::Parts,
    rollup::Rollup,
    tx::{Tx, scripted},
};

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
    // One more than wanted tells whether there is a next page.
    let most = wanted.saturating_add(1);
    let bars = if from < until {
        let read = Read {
            symbol,
            timeframe,
            zone,
            range: (from.unix_micros(), until.unix_micros()),
            most,
        };
        // Minutes are one table, and a page of them mostly one statement.
        let access = match store.names().dialect() {
            Dialect::Postgres if timeframe == Timeframe::M1 => Access::Statement,
            _ => Access::Read,
        };
        store.run(access, read).await?
    } else {
        Vec::new()
    };
    let mut page = BarPage { bars, next: None };
    if page.bars.len() > wanted {
        page.bars.truncate(wanted);
        let last = page.bars.last();
        page.next = last.map(|bar| format!("{question:016x}{}", bar.timestamp.unix_micros()));
    }
    Ok(page)
}

/// Bars of a range. Longer ones must be read in one transaction that sees one state of the database.
struct Read {
    symbol: String,
    timeframe: Timeframe,
    zone: Zone,
    range: (i64, i64),
    most: usize,
}

scripted!(Read => Vec<Bar>);

impl Read {
    async fn script<T: Tx>(self, tx: &mut T) -> Result<Vec<Bar>> {
        let parts = Parts::between(tx, &self.symbol, self.timeframe, &self.zone, self.range);
        let mut parts = parts.await?;
        let mut rollup = Rollup::new(self.timeframe, self.zone);
        let mut bars: Vec<Bar> = Vec::new();
        while bars.len() < self.most
            && let Some(ask) = parts.first(self.most.saturating_sub(bars.len()).saturating_add(1))
        {
            let found = level::read(tx, &self.symbol, ask, false).await?;
            parts.pass_first(ask, &found);
            for bar in &found {
                bars.extend(rollup.push_of(ask.level, bar)?);
            }
        }
        if bars.len() < self.most {
            bars.extend(rollup.finish());
        }
        bars.truncate(self.most);
        Ok(bars)
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
