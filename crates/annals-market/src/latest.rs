//! The newest bars of one symbol or of many.

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
    // Backwards, and rolled up as soon as a bar is whole, so that a step is held at most and not years.
    let mut parts: Vec<Vec<Bar>> = Vec::new();
    let mut whole = 0;
    let mut minutes: Vec<Bar> = Vec::new();
    while whole < wanted {
        let query = match minutes.last() {
            Some(oldest) => query().filter(Bar::TIMESTAMP.lt(oldest.timestamp)),
            None => query(),
        };
        let step = query.limit(STEP).fetch().await?.rows;
        let Some(oldest) = step.last() else { break };
        let start = timeframe.start_of(oldest.timestamp, zone);
        minutes.extend(step);
        let rest =
            minutes.partition_point(|minute| minute.timestamp >= timeframe.end_of(start, zone));
        let done: Vec<Bar> = minutes.drain(..rest).rev().collect();
        let bars = roll_up(done, timeframe, zone)?;
        whole += bars.len();
        parts.push(bars);
    }
    minutes.reverse();
    parts.push(roll_up(minutes, timeframe, zone)?);
    parts.reverse();
    let mut bars = parts.concat();
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
