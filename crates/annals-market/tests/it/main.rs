//! The behaviour suite of bars, on every backend.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod closing;
mod community;
mod conflicts;
mod dropping;
mod feeding;
mod outage;
mod public_sql;
mod reading;
mod recent;
mod refreshing;
mod rollups;
mod writing;

use annals_market::{Bar, Bars, BarsOptions, MIGRATIONS};
use annals_record::{Timestamp, TimestampMicros};
use annals_testkit::TestDatabase;

/// 2026-01-05T14:30:00Z, when New York's exchange opens on a Monday.
pub(crate) const T0: i64 = 1_767_623_400;

/// So many minutes after [`T0`].
pub(crate) fn minute(n: i64) -> TimestampMicros {
    TimestampMicros::from_unix_micros((T0 + n * 60) * 1_000_000).unwrap()
}

pub(crate) fn time(n: i64) -> Timestamp {
    minute(n).into()
}

/// A bar whose values follow from its minute.
pub(crate) fn bar(symbol: &str, n: i64) -> Bar {
    let price = 100.0 + n as f64;
    let ohlc = [price, price + 2.0, price - 2.0, price + 1.0];
    Bar::new(symbol, minute(n), ohlc, 10 + n, price + 0.5).unwrap()
}

pub(crate) async fn open(database: &TestDatabase) -> Bars {
    Bars::open(&database.url).await.unwrap()
}

/// With options.
pub(crate) async fn open_with(database: &TestDatabase, options: BarsOptions) -> Bars {
    let store = database.store().await;
    store.migrator(&[&MIGRATIONS]).up().await.unwrap();
    Bars::new(store, options).await.unwrap()
}
