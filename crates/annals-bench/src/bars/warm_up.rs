//! What a service reads when it starts: the newest bars of every symbol.

use annals_market::{BarStore as _, Bars, BarsOptions};

use super::{COLUMNS, FLAVORS, SYMBOLS, burst, empty, symbol};
use crate::{
    Options,
    bed::{Bed, execute},
    measure::{Clock, Turn, Way, contest},
    report::{Report, thousands},
};

/// What the longest indicator needs.
const BARS: usize = 200;

/// Minutes that are in the table.
const MINUTES: usize = 390;

/// What one statement must reach of COPY's rate.
const OF_COPY: f64 = 0.8;

/// How many times the rate of single queries it must reach.
const OF_SINGLE: f64 = 2.0;

#[derive(Clone, Copy, Debug)]
enum How {
    Psql,
    Each,
    OneStatement,
}

pub(crate) async fn run(options: &Options, report: &mut Report) {
    report.heading("Warm-up of every symbol", "bars");
    report.paragraph(&format!(
        "The newest {BARS} bars of each of {} symbols, of which the table has {MINUTES} (VACUUM ANALYZE, all \
         of it in memory). Ceiling: `psql \\copy (the same statement) … (format binary)` into a file. A query \
         for each symbol is `get_latest_bars`, one after the other; one statement is `get_latest_bars_of`, \
         whose clock runs until every bar is decoded.",
        thousands(SYMBOLS as f64),
    ));
    let symbols: Vec<String> = (0..SYMBOLS).map(symbol).collect();
    let files = tempfile::tempdir().expect("a temporary directory");
    let file = files.path().join("bars.copy");
    let names: Vec<String> = symbols.iter().map(|name| format!("\"{name}\"")).collect();
    let copy = format!(
        "\\copy (SELECT bar.* FROM jsonb_array_elements_text('[{}]') WITH ORDINALITY AS asked (symbol, place) \
         CROSS JOIN LATERAL (SELECT {COLUMNS} FROM bars_1m WHERE symbol = asked.symbol \
         ORDER BY timestamp DESC LIMIT {BARS}) AS bar ORDER BY asked.place, bar.timestamp) \
         to '{}' with (format binary)",
        names.join(","),
        file.display(),
    );
    for flavor in FLAVORS {
        let bed = Bed::start(flavor, false).await;
        report.server(bed.version().await);
        let bars = load(&bed).await;
        let turn = async |how| -> Turn {
            match how {
                How::Psql => bed.metered(async { psql(&bed, &copy) }).await,
                How::Each => bed.metered(each(&bars, &symbols)).await,
                How::OneStatement => bed.metered(one_statement(&bars, &symbols)).await,
            }
        };
        let title = format!("warm-up on {flavor}");
        let ways = vec![
            Way {
                name: "psql \\copy of the same statement, binary",
                how: How::Psql,
                goal: None,
            },
            Way {
                name: "library, a query for each symbol",
                how: How::Each,
                goal: None,
            },
            Way {
                name: "library, one statement",
                how: How::OneStatement,
                goal: Some(OF_COPY),
            },
        ];
        let result = contest(&title, options.rounds, ways, turn).await;
        report.paragraph(&format!("On {}:", bed.version().await));
        report.contest(&result, 0);
        report.paragraph("The same rounds against a query for each symbol:");
        report.contest(&result.with_goal(OF_SINGLE), 1);
    }
}

async fn load(bed: &Bed) -> Bars {
    empty(bed).await;
    let bars = Bars::new(bed.store().await, BarsOptions::default())
        .await
        .expect("a store of bars");
    let mut rng = fastrand::Rng::with_seed(5);
    for minute in 0..MINUTES {
        let written = bars.write_bars(burst(minute, &mut rng)).await;
        assert_eq!(written.expect("bars are written").committed, SYMBOLS);
    }
    execute(
        &mut bed.connect().await,
        "VACUUM ANALYZE bars_1m".to_owned(),
    )
    .await;
    bars
}

fn psql(bed: &Bed, copy: &str) -> Turn {
    let clock = Clock::start();
    let wall = bed.psql(copy);
    clock.stop_children(SYMBOLS * BARS, wall)
}

async fn each(bars: &Bars, symbols: &[String]) -> Turn {
    let clock = Clock::start();
    let mut found = 0;
    for symbol in symbols {
        let latest = bars.get_latest_bars(symbol, BARS as u32).await;
        found += latest.expect("bars").len();
    }
    assert_eq!(found, SYMBOLS * BARS);
    clock.stop(found)
}

async fn one_statement(bars: &Bars, symbols: &[String]) -> Turn {
    let clock = Clock::start();
    let latest = bars.get_latest_bars_of(symbols, BARS as u32).await;
    let found = latest.expect("bars");
    let turn = clock.stop(found.len());
    assert_eq!(found.len(), SYMBOLS * BARS);
    turn
}
