//! Which symbols were traded.

use annals_record::{Record, Timestamp, TimestampMicros, Value};
use annals_store::Store;

use crate::Result;

/// A symbol that was traded in a time range.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenSymbol {
    /// The symbol.
    pub symbol: String,
    /// Its bars of a minute in the range.
    pub bar_count: u64,
    /// When its last bar began.
    pub last_seen: TimestampMicros,
}

/// A row that the statement gives.
#[derive(Clone, Record)]
#[record(crate = "annals_record", table = "symbols")]
struct Row {
    symbol: String,
    bar_count: i64,
    last_seen: TimestampMicros,
}

/// Symbols with a bar that began at `since` or later, by name.
pub(crate) async fn seen_since(store: &Store, since: Timestamp) -> Result<Vec<SeenSymbol>> {
    let sql = store.names().statement(
        "SELECT symbol, count(*) AS bar_count, max(timestamp) AS last_seen
           FROM {bars_1m}
          WHERE timestamp >= $1
          GROUP BY symbol",
    );
    // Rounded up: what began before it is not asked for.
    let floor = TimestampMicros::floor(since);
    let micros = floor.unix_micros() + i64::from(Timestamp::from(floor) < since);
    let rows: Vec<Row> = store.fetch(sql, vec![Value::Timestamp(micros)]).await?;
    let mut symbols: Vec<SeenSymbol> = rows
        .into_iter()
        .map(|row| SeenSymbol {
            symbol: row.symbol,
            bar_count: row.bar_count.unsigned_abs(),
            last_seen: row.last_seen,
        })
        .collect();
    // Sorted here, because text sorts by the database's locale there.
    symbols.sort_by(|a, b| a.symbol.cmp(&b.symbol));
    Ok(symbols)
}
