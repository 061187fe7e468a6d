//! The newest bars of one symbol or of many.

use annals_record::{Json, Value};
use annals_store::{Access, Store, sql::Dialect};

use crate::{
    Bar, Error, Result, Timeframe, Zone, level,
    longer::Parts,
    rollup::Rollup,
    tx::{Tx, scripted},
};

/// The newest `limit` bars of a symbol, the oldest of them first.
pub(crate) async fn of_symbol(
    store: &Store,
    symbol: &str,
    timeframe: Timeframe,
    zone: &Zone,
    limit: u32,
) -> Result<Vec<Bar>> {
    if timeframe == Timeframe::M1 {
        let query = store.query::<Bar>().filter(Bar::SYMBOL.eq(symbol));
        let query = query.order(Bar::TIMESTAMP.desc()).limit(limit.into());
        let mut bars = query.fetch().await?.rows;
        bars.reverse();
        return Ok(bars);
    }
    let newest = Newest {
        symbol: symbol.to_owned(),
        timeframe,
        zone: zone.clone(),
        wanted: usize::try_from(limit).unwrap_or(usize::MAX),
    };
    store.run(Access::Read, newest).await
}

/// The newest longer bars, in one transaction that sees one state of the database.
struct Newest {
    symbol: String,
    timeframe: Timeframe,
    zone: Zone,
    wanted: usize,
}

scripted!(Newest => Vec<Bar>);

impl Newest {
    async fn script<T: Tx>(self, tx: &mut T) -> Result<Vec<Bar>> {
        let all = (i64::MIN, i64::MAX);
        let mut parts = Parts::between(tx, &self.symbol, self.timeframe, &self.zone, all).await?;
        // Backwards, and rolled up as soon as a bar is whole, so that a step is held at most and not years.
        let mut done: Vec<Vec<Bar>> = Vec::new();
        let mut whole = 0;
        let mut rest: Vec<(Timeframe, Bar)> = Vec::new();
        while whole < self.wanted
            && let Some(ask) = parts.last(self.wanted.saturating_sub(whole).saturating_add(1))
        {
            let found = level::read(tx, &self.symbol, ask, true).await?;
            parts.pass_last(ask, &found);
            rest.extend(found.into_iter().map(|bar| (ask.level, bar)));
            let Some((_, oldest)) = rest.last() else {
                continue;
            };
            let end = self.timeframe.end_of(oldest.timestamp, &self.zone);
            let newer = rest.partition_point(|(_, bar)| bar.timestamp >= end);
            let bars = self.roll_up(rest.drain(..newer))?;
            whole += bars.len();
            done.push(bars);
        }
        let oldest = self.roll_up(rest.into_iter())?;
        done.push(oldest);
        done.reverse();
        let mut bars = done.concat();
        let spare = bars.len().saturating_sub(self.wanted);
        Ok(bars.split_off(spare))
    }

    /// Longer bars of bars that come newest first.
    fn roll_up(&self, bars: impl DoubleEndedIterator<Item = (Timeframe, Bar)>) -> Result<Vec<Bar>> {
        let mut rollup = Rollup::new(self.timeframe, self.zone.clone());
        let mut longer = Vec::new();
        for (level, bar) in bars.rev() {
            longer.extend(rollup.push_of(level, &bar)?);
        }
        longer.extend(rollup.finish());
        Ok(longer)
    }
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
