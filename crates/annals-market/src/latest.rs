//! The newest bars of one symbol or of many.

use std::collections::VecDeque;

use annals_record::{Json, Value};
use annals_store::{Store, sql::Dialect};

use crate::{Bar, Error, Result, Timeframe, Zone, rollup::roll_up};

/// Bars of a minute that are read at once for longer bars.
const STEP: u64 = 10_000;

/// The newest `limit` bars of a symbol, the oldest of them first.
pub(crate) async fn of_symbol(
    store: &Store,
    symbol: &str,
    timeframe: Timeframe,
    zone: &Zone,
    limit: u32,
) -> Result<Vec<Bar>> {
    let query = || {
        store
            .query::<Bar>()
            .filter(Bar::SYMBOL.eq(symbol))
            .order(Bar::TIMESTAMP.desc())
    };
    if timeframe == Timeframe::M1 {
        let mut bars = query().limit(limit.into()).fetch().await?.rows;
        bars.reverse();
        return Ok(bars);
    }
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut minutes: VecDeque<Bar> = VecDeque::new();
    let (mut starts, mut oldest) = (0, None);
    // The bar that is one too many ends the one before it, which then is whole.
    while starts <= wanted {
        let query = match minutes.front() {
            Some(first) => query().filter(Bar::TIMESTAMP.lt(first.timestamp)),
            None => query(),
        };
        let page = query.limit(STEP).fetch().await?.rows;
        if page.is_empty() {
            break;
        }
        for minute in page {
            let start = timeframe.start_of(minute.timestamp, zone);
            if oldest != Some(start) {
                (starts, oldest) = (starts + 1, Some(start));
            }
            minutes.push_front(minute);
        }
    }
    let mut bars = roll_up(minutes, timeframe, zone)?;
    let spare = bars.len().saturating_sub(wanted);
    Ok(bars.split_off(spare))
}

/// The newest `limit` bars of each symbol, in the symbols' order, of each the oldest first.
pub(crate) async fn of_symbols(store: &Store, symbols: &[String], limit: u32) -> Result<Vec<Bar>> {
    let names = store.names();
    let sql = match names.dialect() {
        Dialect::Sqlite => names.statement(include_str!("latest.sqlite.sql")),
        _ => names.statement(include_str!("latest.postgres.sql")),
    };
    let symbols =
        Json::try_from(&serde_json::Value::from(symbols)).map_err(|_| Error::Question {
            field: "a symbol",
            needs: "text",
        })?;
    let values = vec![Value::Json(symbols), Value::Int8(limit.into())];
    Ok(store.fetch(sql, values).await?)
}
