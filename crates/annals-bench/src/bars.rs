//! Bars: bursts of a minute of every symbol, and the warm-up of a service that starts.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`bursts`] | writing, against COPY and against INSERTs of single rows |
//! | [`warm_up`] | the newest bars of every symbol, against a query for each and against COPY |
//! | [`rollups`] | longer bars: reading them stored and not, what the queue costs, and rolling up |

mod bursts;
pub(crate) mod rollups;
mod warm_up;

use annals_market::Bar;
use annals_record::TimestampMicros;
use annals_testkit::server::Flavor;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    Options,
    bed::{Bed, execute},
    report::Report,
};

/// Symbols of a large market.
const SYMBOLS: usize = 10_000;

/// 2026-01-05T14:30:00Z, a Monday on which New York's exchange opens.
const OPENING: i64 = 1_767_623_400_000_000;

/// Every column of the table, in its order.
const COLUMNS: &str =
    "symbol, timestamp, open, high, low, close, volume, vwap, opened_at, closed_at";

const FLAVORS: [Flavor; 2] = [Flavor::Postgres, Flavor::Timescale];

pub(crate) async fn run(options: &Options, report: &mut Report) {
    bursts::run(options, report).await;
    warm_up::run(options, report).await;
}

fn symbol(number: usize) -> String {
    format!("SYMBOL{number}")
}

/// A minute's bars, of every symbol.
fn burst(minute: usize, rng: &mut fastrand::Rng) -> Vec<Bar> {
    let micros = OPENING + minute as i64 * 60_000_000;
    let timestamp = TimestampMicros::from_unix_micros(micros).expect("a time");
    let bar = |number| {
        let cents = |rng: &mut fastrand::Rng| rng.u32(1_000..50_000) as f64 / 100.0;
        let (a, b) = (cents(rng), cents(rng));
        let (low, high) = (a.min(b), a.max(b));
        let ohlc = [a, high + 0.25, low - 0.25, b];
        let bar = Bar::new(
            symbol(number),
            timestamp,
            ohlc,
            rng.i64(0..1_000_000),
            (a + b) / 2.0,
        );
        Bar {
            opened_at: Some(timestamp),
            closed_at: Some(timestamp),
            ..bar.expect("a bar")
        }
    };
    (0..SYMBOLS).map(bar).collect()
}

/// Makes the table empty, with the chunk of a day in place, and all of it on disk.
async fn empty(bed: &Bed) {
    let mut connection = bed.connect().await;
    execute(
        &mut connection,
        "TRUNCATE bars_1m, bars_5m, bars_15m, bars_1h, bars_changed, annals_ledger".to_owned(),
    )
    .await;
    let first = format!(
        "INSERT INTO bars_1m VALUES ('none', to_timestamp({}), 0, 0, 0, 0, 0, 0); DELETE FROM bars_1m",
        OPENING / 1_000_000
    );
    execute(&mut connection, first).await;
    execute(&mut connection, "CHECKPOINT".to_owned()).await;
    connection.close().await.expect("a goodbye");
}

async fn count(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(connection)
        .await
        .expect("a count")
}
