//! A burst at every minute: one bar of every symbol at once.

use std::path::Path;

use annals_market::{Bar, BarStore as _, Bars, BarsOptions, Conflict};
use sqlx::{AssertSqlSafe, PgConnection, SqlSafeStr as _, SqlStr};

use super::{COLUMNS, FLAVORS, SYMBOLS, burst, count, empty};
use crate::{
    Options,
    bed::{Bed, SETTINGS, execute},
    measure::{Clock, Turn, Way, contest},
    report::{Report, thousands},
};

/// What upserting must reach of COPY's rate.
pub(super) const OF_COPY: f64 = 0.5;

/// How many times the rate of single rows it must reach.
const OF_ROWS: f64 = 6.0;

#[derive(Clone, Copy, Debug)]
enum How {
    Psql,
    RowByRow,
    Library(Conflict),
    /// With every bar there already, and changed.
    Again(Conflict),
}

pub(crate) async fn run(options: &Options, report: &mut Report) {
    let mut rng = fastrand::Rng::with_seed(4);
    let bursts: Vec<Vec<Bar>> = (0..options.bursts).map(|n| burst(n, &mut rng)).collect();
    let corrected: Vec<Vec<Bar>> = bursts.iter().map(|burst| changed(burst)).collect();
    report.heading("Bursts of bars", "bars");
    report.paragraph(&format!(
        "{} bursts of {} bars, one of each symbol, into `bars_1m` with its key and its index; each burst is \
         answered before the next one is handed over. The library has its default settings (batches of \
         1,000 bars, each a transaction with an entry in the ledger, on two connections). Ceiling: `psql \
         \\copy … (format binary)`, one COPY and one transaction a burst. Row by row: one prepared INSERT \
         … ON CONFLICT … DO UPDATE for each bar, a burst in one transaction. fsync on; {}.",
        options.bursts,
        thousands(SYMBOLS as f64),
        SETTINGS.join(", "),
    ));
    let files = tempfile::tempdir().expect("a temporary directory");
    for flavor in FLAVORS {
        let bed = Bed::start(flavor, true).await;
        report.server(bed.version().await);
        empty(&bed).await;
        write(&bed, Conflict::Replace, &bursts).await;
        export(&bed, files.path(), &bursts);
        let turn = async |how| -> Turn {
            empty(&bed).await;
            let turn = match how {
                How::Psql => bed.metered(copy(&bed, files.path(), bursts.len())).await,
                How::RowByRow => bed.metered(row_by_row(&bed, &bursts)).await,
                How::Library(conflict) => bed.metered(write(&bed, conflict, &bursts)).await,
                How::Again(conflict) => {
                    write(&bed, conflict, &bursts).await;
                    bed.metered(write(&bed, conflict, &corrected)).await
                }
            };
            let rows = count(&mut bed.connect().await, "SELECT count(*) FROM bars_1m").await;
            assert_eq!(usize::try_from(rows), Ok(bursts.len() * SYMBOLS));
            turn
        };
        let title = format!("bursts on {flavor}");
        let result = contest(&title, options.rounds, ways(), turn).await;
        report.paragraph(&format!("On {}:", bed.version().await));
        report.contest(&result, 0);
        report.paragraph("The same rounds against row by row:");
        report.contest(&result.with_goal(OF_ROWS), 1);
    }
}

fn ways() -> Vec<Way<How>> {
    let library = |name, how, goal| Way { name, how, goal };
    vec![
        library("psql \\copy, binary", How::Psql, None),
        library("row by row, a transaction a burst", How::RowByRow, None),
        library(
            "library, replace",
            How::Library(Conflict::Replace),
            Some(OF_COPY),
        ),
        library(
            "library, merge",
            How::Library(Conflict::Merge),
            Some(OF_COPY),
        ),
        library(
            "library, replace, every bar corrected",
            How::Again(Conflict::Replace),
            None,
        ),
        library(
            "library, merge, every bar a second part",
            How::Again(Conflict::Merge),
            None,
        ),
    ]
}

fn changed(burst: &[Bar]) -> Vec<Bar> {
    let change = |bar: &Bar| Bar {
        volume: bar.volume + 1,
        ..bar.clone()
    };
    burst.iter().map(change).collect()
}

pub(super) async fn write(bed: &Bed, conflict: Conflict, bursts: &[Vec<Bar>]) -> Turn {
    let options = BarsOptions::default().with_conflict(conflict);
    let bars = Bars::new(bed.store().await, options)
        .await
        .expect("a store of bars");
    let bursts = bursts.to_vec();
    let rows = bursts.len() * SYMBOLS;
    let clock = Clock::start();
    for burst in bursts {
        let written = bars.write_bars(burst).await.expect("bars are written");
        assert_eq!(written.committed, SYMBOLS);
    }
    let turn = clock.stop(rows);
    bars.close(std::time::Duration::from_secs(60)).await;
    turn
}

/// A file for each burst, of the rows that are in the table.
pub(super) fn export(bed: &Bed, files: &Path, bursts: &[Vec<Bar>]) {
    for (number, burst) in bursts.iter().enumerate() {
        let minute = burst
            .first()
            .map(|bar| bar.timestamp.to_string())
            .unwrap_or_default();
        bed.psql(&format!(
            "\\copy (SELECT {COLUMNS} FROM bars_1m WHERE timestamp = '{minute}') to '{}' with (format binary)",
            file(files, number)
        ));
    }
}

fn file(files: &Path, number: usize) -> String {
    files.join(format!("{number}.copy")).display().to_string()
}

pub(super) async fn copy(bed: &Bed, files: &Path, bursts: usize) -> Turn {
    let clock = Clock::start();
    let commands: Vec<String> = (0..bursts)
        .map(|number| {
            format!(
                "\\copy bars_1m ({COLUMNS}) from '{}' with (format binary)",
                file(files, number)
            )
        })
        .collect();
    let wall = bed.psql_all(&commands);
    clock.stop_children(bursts * SYMBOLS, wall)
}

async fn row_by_row(bed: &Bed, bursts: &[Vec<Bar>]) -> Turn {
    let mut connection = bed.connect().await;
    let sql = AssertSqlSafe(
        "INSERT INTO bars_1m (symbol, timestamp, open, high, low, close, volume, vwap)
         VALUES ($1, to_timestamp($2), $3, $4, $5, $6, $7, $8)
         ON CONFLICT (symbol, timestamp) DO UPDATE SET open = EXCLUDED.open, high = EXCLUDED.high,
         low = EXCLUDED.low, close = EXCLUDED.close, volume = EXCLUDED.volume, vwap = EXCLUDED.vwap",
    )
    .into_sql_str();
    let clock = Clock::start();
    for burst in bursts {
        execute(&mut connection, "BEGIN".to_owned()).await;
        for bar in burst {
            insert(&mut connection, sql.clone(), bar).await;
        }
        execute(&mut connection, "COMMIT".to_owned()).await;
    }
    clock.stop(bursts.len() * SYMBOLS)
}

async fn insert(connection: &mut PgConnection, sql: SqlStr, bar: &Bar) {
    let done = sqlx::query(sql)
        .bind(&bar.symbol)
        .bind((bar.timestamp.unix_micros() / 1_000_000) as f64)
        .bind(bar.open)
        .bind(bar.high)
        .bind(bar.low)
        .bind(bar.close)
        .bind(bar.volume)
        .bind(bar.vwap)
        .execute(connection)
        .await;
    done.expect("a row");
}
