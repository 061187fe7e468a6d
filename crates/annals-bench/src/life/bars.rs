//! Bars of a minute, and the longer ones that are rolled up of them.

use std::{sync::Arc, time::Instant};

use annals_market::{Bar, BarRange, BarStore as _, Bars, BarsOptions};
use annals_record::{Timestamp, TimestampMicros};
use fastrand::Rng;

use super::{
    BEGIN, LENGTH,
    family::{Asked, Beside, Family, Layout, Question, Read},
    ground::Ground,
};

const DAY: i64 = 86_400;

/// Minutes that the library is handed in one call.
const TOGETHER: i64 = 20;

const BY_SYMBOL: Layout = Layout::new("symbol", "timestamp DESC");

const LAYOUTS: [Layout; 4] = [
    BY_SYMBOL.pglz(),
    BY_SYMBOL.wins(),
    Layout::new("", "symbol, timestamp"),
    Layout::new("", "timestamp DESC, symbol"),
];

/// As many symbols as make five bars for each span.
pub(super) const fn symbols(life_rows: usize) -> usize {
    life_rows.div_ceil(2_000)
}

/// A market in which every symbol is traded in every minute, at prices that wander.
struct Market {
    rng: Rng,
    symbols: Vec<Symbol>,
}

struct Symbol {
    name: String,
    /// In cents.
    price: i64,
    /// Traded in a minute, about.
    volume: f64,
}

impl Market {
    fn open(symbols: usize) -> Self {
        let mut rng = Rng::with_seed(11);
        let symbol = |number| Symbol {
            name: name(number),
            price: rng.i64(500..50_000),
            volume: 10_f64.powf(1.5 + 3.0 * rng.f64()),
        };
        let symbols = (0..symbols).map(symbol).collect();
        Self { rng, symbols }
    }

    /// The bars of the minute that begins at this second.
    fn minute(&mut self, second: i64) -> Vec<Bar> {
        let rng = &mut self.rng;
        let timestamp = micros(second * 1_000_000);
        let bar = |symbol: &mut Symbol| {
            // A ten-thousandth or so in a minute, and at least a cent.
            let most = (symbol.price / 1_500).max(2);
            let open = (symbol.price + rng.i64(-1..=1)).max(100);
            let close = (open + rng.i64(-most..=most)).max(100);
            let high = open.max(close) + rng.i64(0..=most / 2);
            let low = open.min(close) - rng.i64(0..=most / 2);
            symbol.price = close;
            let volume = (symbol.volume * 4_f64.powf(rng.f64() + rng.f64() - 1.0)).ceil();
            // As vendors give it: four digits.
            let vwap = low as f64 + (high - low) as f64 * rng.f64();
            let dollars = [open, high, low, close].map(|cents| cents as f64 / 100.0);
            let bar = Bar::new(
                symbol.name.clone(),
                timestamp,
                dollars,
                volume as i64,
                (vwap * 100.0).round() / 1e4,
            );
            let (first, last) = (rng.i64(0..5_000_000), rng.i64(54_000_000..60_000_000));
            Bar {
                opened_at: Some(micros(second * 1_000_000 + first)),
                closed_at: Some(micros(second * 1_000_000 + last)),
                ..bar.expect("a bar")
            }
        };
        self.symbols.iter_mut().map(bar).collect()
    }
}

fn micros(micros: i64) -> TimestampMicros {
    TimestampMicros::from_unix_micros(micros).expect("a time")
}

fn name(number: usize) -> String {
    format!("SYM{number:04}")
}

/// Writes bars by the library and rolls all of them up.
pub(super) async fn load(ground: &Ground, life_rows: usize) -> Family {
    let began = Instant::now();
    ground
        .run("SELECT set_chunk_time_interval('bars_1m', INTERVAL '1 day')")
        .await;
    let symbols = symbols(life_rows);
    let bars = Bars::new(ground.store().await, BarsOptions::default())
        .await
        .expect("a store of bars");
    let mut market = Market::open(symbols);
    let minutes = LENGTH.as_secs().cast_signed() / 60;
    for first in (0..minutes).step_by(20) {
        let call: Vec<Bar> = (first..minutes.min(first + TOGETHER))
            .flat_map(|minute| market.minute(BEGIN + minute * 60))
            .collect();
        let (rows, written) = (call.len(), bars.write_bars(call).await);
        assert_eq!(written.expect("bars are written").committed, rows);
    }
    eprintln!("bars loaded in {:.0?}", began.elapsed());
    let later = Timestamp::from_unix_nanos((BEGIN + 8 * DAY) * 1_000_000_000);
    while bars.refresh(later).await.expect("a refresh").entries > 0 {}
    for table in ["bars_1m", "bars_5m", "bars_15m", "bars_1h", "bars_changed"] {
        ground.run(format!("VACUUM ANALYZE {table}")).await;
    }
    ground.run("CHECKPOINT").await;
    eprintln!("bars loaded and rolled up in {:.0?}", began.elapsed());
    let longer = |table: &str| Beside {
        layout: Some(BY_SYMBOL),
        ..Beside::lasting(table)
    };
    Family {
        name: "bars",
        table: "bars_1m".to_owned(),
        time: "timestamp",
        rows: symbols * usize::try_from(minutes).unwrap_or_default(),
        beside: vec![
            longer("bars_5m"),
            longer("bars_15m"),
            longer("bars_1h"),
            Beside::lasting("bars_changed"),
        ],
        layouts: LAYOUTS.to_vec(),
        questions: questions(symbols),
        reads: reads(Arc::new(bars), symbols),
    }
}

/// Midnight of one of the whole days.
fn midnight(rng: &mut Rng) -> i64 {
    (BEGIN / DAY + rng.i64(1..7)) * DAY
}

fn questions(symbols: usize) -> Vec<Question> {
    let day = move |rng: &mut Rng, asked: &Asked<'_>| {
        let begin = midnight(rng);
        format!(
            "SELECT * FROM {} WHERE symbol = '{}' AND timestamp >= to_timestamp({begin}) \
             AND timestamp < to_timestamp({}) ORDER BY timestamp",
            asked.table,
            name(rng.usize(..symbols)),
            begin + DAY
        )
    };
    let newest = move |rng: &mut Rng, asked: &Asked<'_>| {
        format!(
            "SELECT * FROM {} WHERE symbol = '{}' ORDER BY timestamp DESC LIMIT 200",
            asked.table,
            name(rng.usize(..symbols))
        )
    };
    let minute = |rng: &mut Rng, asked: &Asked<'_>| {
        format!(
            "SELECT * FROM {} WHERE timestamp = to_timestamp({})",
            asked.table,
            midnight(rng) + rng.i64(0..1_440) * 60
        )
    };
    vec![
        Question {
            name: "a day of a symbol",
            sql: Box::new(day),
        },
        Question {
            name: "newest 200 of a symbol",
            sql: Box::new(newest),
        },
        Question {
            name: "a minute of all symbols",
            sql: Box::new(minute),
        },
    ]
}

fn reads(bars: Arc<Bars>, symbols: usize) -> Vec<Read> {
    let newest = Arc::clone(&bars);
    vec![
        Read {
            name: "get_bars, a day of a symbol",
            ask: Box::new(move |rng| {
                let (bars, begin) = (Arc::clone(&bars), midnight(rng));
                let range = BarRange::new(
                    name(rng.usize(..symbols)),
                    micros(begin * 1_000_000).into(),
                    micros((begin + DAY - 60) * 1_000_000).into(),
                );
                Box::pin(async move { bars.get_bars(range).await.expect("bars").bars.len() })
            }),
        },
        Read {
            name: "get_latest_bars, 200 of a symbol",
            ask: Box::new(move |rng| {
                let (bars, symbol) = (Arc::clone(&newest), name(rng.usize(..symbols)));
                Box::pin(async move {
                    let latest = bars.get_latest_bars(&symbol, 200).await;
                    latest.expect("bars").len()
                })
            }),
        },
    ]
}
