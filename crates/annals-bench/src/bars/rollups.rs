//! Longer bars: read where they are stored and where they are not, kept up beside a burst, and made of an
//! hour of every symbol.

use std::time::Duration;

use annals_market::{Bar, BarRange, BarStore as _, Bars, BarsOptions, Timeframe, Zone, refresh};
use annals_record::{Timestamp, TimestampMicros};
use annals_store::WriterOptions;

use super::{FLAVORS, OPENING, SYMBOLS, burst, bursts, empty};
use crate::{
    Options,
    bed::{Bed, SETTINGS, execute},
    measure::{Clock, Turn, Way, contest},
    report::{Report, thousands},
};

/// Symbols of which a year is read, one at a time.
const READ_SYMBOLS: usize = 20;

/// Days of a year, and traded minutes of each.
const YEAR: (i64, i64) = (365, 390);

/// Reads in one turn.
const READS: usize = 5;

/// How many times faster reading stored bars must be than rolling minutes up.
const OF_MINUTES: f64 = 5.0;

/// What bursts with the queue must reach of those without.
const OF_BARE: f64 = 0.85;

pub(crate) async fn run(options: &Options, report: &mut Report) {
    reads(options, report).await;
    beside_bursts(options, report).await;
    hours(options, report).await;
}

const fn way<W>(name: &'static str, how: W, goal: Option<f64>) -> Way<W> {
    Way { name, how, goal }
}

/// Long after every bar.
fn later() -> Timestamp {
    let micros = OPENING + 800 * 86_400_000_000;
    TimestampMicros::from_unix_micros(micros)
        .expect("a time")
        .into()
}

async fn refresh_all(bars: &Bars) -> u64 {
    let mut minutes = 0;
    loop {
        let done = bars.refresh(later()).await.expect("a refresh");
        assert!(!done.is_busy);
        if done.entries == 0 {
            return minutes;
        }
        minutes += done.minutes;
    }
}

#[derive(Clone, Copy, Debug)]
enum Read {
    Pending(Timeframe),
    Stored(Timeframe),
}

async fn reads(options: &Options, report: &mut Report) {
    let (days, minutes) = YEAR;
    report.heading("Longer bars of a year", "rollups");
    report.paragraph(&format!(
        "All bars of 15m or 1h of one of {READ_SYMBOLS} symbols, of each of which the table has {} minutes: \
         {minutes} a day of {days} days (VACUUM ANALYZE, all of it in memory). {READS} symbols a turn, one after the \
         other; rows are longer bars. Not stored: everything has an entry in the queue, so that minutes are read \
         and rolled up here, as it was before longer bars were stored. Stored: the queue is empty.",
        thousands((days * minutes) as f64),
    ));
    for flavor in FLAVORS {
        let bed = Bed::start(flavor, false).await;
        report.server(bed.version().await);
        let bars = year(&bed).await;
        report.paragraph(&format!("On {}:", bed.version().await));
        for timeframe in [Timeframe::M15, Timeframe::H1] {
            let turn = async |how| -> Turn {
                let sql = match how {
                    Read::Pending(_) => {
                        "TRUNCATE bars_changed; INSERT INTO bars_changed (first_minute, last_minute)
                         SELECT min(timestamp), max(timestamp) FROM bars_1m"
                    }
                    Read::Stored(_) => "TRUNCATE bars_changed",
                };
                execute(&mut bed.connect().await, sql.to_owned()).await;
                let (Read::Pending(timeframe) | Read::Stored(timeframe)) = how;
                bed.metered(read(&bars, timeframe)).await
            };
            let ways = vec![
                way("not stored", Read::Pending(timeframe), None),
                way("stored", Read::Stored(timeframe), Some(OF_MINUTES)),
            ];
            let title = format!("a year of {timeframe} on {flavor}");
            let result = contest(&title, options.rounds, ways, turn).await;
            report.paragraph(&format!("{timeframe}:"));
            report.contest(&result, 0);
        }
    }
}

/// A year of minutes, and all longer bars of it.
async fn year(bed: &Bed) -> Bars {
    empty(bed).await;
    let (days, minutes) = YEAR;
    let sql = format!(
        "INSERT INTO bars_1m
         SELECT 'SYMBOL' || symbol, to_timestamp({}) + day * interval '1 day' + minute * interval '1 minute',
                100 + minute % 17, 120 + minute % 13, 90 - minute % 11, 101 + minute % 7,
                minute * 7 % 1000, 100 + minute % 97 / 97.0
           FROM generate_series(0, {days} - 1) AS day, generate_series(0, {minutes} - 1) AS minute,
                generate_series(1, {READ_SYMBOLS}) AS symbol",
        OPENING / 1_000_000,
    );
    execute(&mut bed.connect().await, sql).await;
    let bars = Bars::new(bed.store().await, BarsOptions::default())
        .await
        .expect("a store of bars");
    let marked = refresh::mark_changed(bars.store(), None, None, None).await;
    assert!(marked.expect("a range").is_some());
    assert_eq!(
        refresh_all(&bars).await,
        (days * minutes).unsigned_abs() * READ_SYMBOLS as u64
    );
    let tables = "VACUUM ANALYZE bars_1m, bars_5m, bars_15m, bars_1h, bars_changed";
    execute(&mut bed.connect().await, tables.to_owned()).await;
    bars
}

async fn read(bars: &Bars, timeframe: Timeframe) -> Turn {
    let of_day = match timeframe {
        Timeframe::H1 => 7,
        _ => 26,
    };
    let start: Timestamp = TimestampMicros::from_unix_micros(OPENING - 3_600_000_000)
        .expect("a time")
        .into();
    let clock = Clock::start();
    let mut found = 0;
    for symbol in 1..=READS {
        let range = BarRange::new(format!("SYMBOL{symbol}"), start, later());
        let range = range.with_timeframe(timeframe, Zone::utc());
        found += bars.get_bars(range).await.expect("bars").bars.len();
    }
    let turn = clock.stop(found);
    assert_eq!(found, READS * YEAR.0.unsigned_abs() as usize * of_day);
    turn
}

#[derive(Clone, Copy, Debug)]
enum Burst {
    Psql,
    Bare,
    Queue,
}

/// What the queue costs a writer.
async fn beside_bursts(options: &Options, report: &mut Report) {
    let mut rng = fastrand::Rng::with_seed(6);
    let bursts: Vec<Vec<Bar>> = (0..options.bursts).map(|n| burst(n, &mut rng)).collect();
    report.heading("The queue of changed minutes beside bursts", "rollups");
    report.paragraph(&format!(
        "{} bursts of {} bars, as in the bench `bars`. With the queue is the library as it is: an entry in each of \
         the {} transactions of a burst. Without it the same writer has no statements beside it. fsync on; {}.",
        options.bursts,
        thousands(SYMBOLS as f64),
        SYMBOLS / BarsOptions::default().writer.batch_rows.get(),
        SETTINGS.join(", "),
    ));
    let files = tempfile::tempdir().expect("a temporary directory");
    for flavor in FLAVORS {
        let bed = Bed::start(flavor, true).await;
        report.server(bed.version().await);
        empty(&bed).await;
        let _ = bare(&bed, &bursts).await;
        bursts::export(&bed, files.path(), &bursts);
        let turn = async |how| -> Turn {
            empty(&bed).await;
            match how {
                Burst::Psql => {
                    let copied = bursts::copy(&bed, files.path(), bursts.len());
                    bed.metered(copied).await
                }
                Burst::Bare => bed.metered(bare(&bed, &bursts)).await,
                Burst::Queue => {
                    let written = bursts::write(&bed, annals_market::Conflict::Replace, &bursts);
                    bed.metered(written).await
                }
            }
        };
        let ways = vec![
            way("library, without the queue", Burst::Bare, None),
            way("library, with the queue", Burst::Queue, Some(OF_BARE)),
            way("psql \\copy, binary", Burst::Psql, None),
        ];
        let title = format!("the queue on {flavor}");
        let result = contest(&title, options.rounds, ways, turn).await;
        report.paragraph(&format!("On {}:", bed.version().await));
        report.contest(&result, 0);
        report.paragraph("The same rounds against COPY:");
        report.contest(&result.with_goal(bursts::OF_COPY), 2);
    }
}

/// The writer of bars as it would be if nobody had to know of them.
async fn bare(bed: &Bed, bursts: &[Vec<Bar>]) -> Turn {
    let store = bed.store().await;
    let options: WriterOptions = BarsOptions::default().writer;
    let writer = store
        .writer_with::<Bar>(options, None)
        .await
        .expect("a writer");
    let bursts = bursts.to_vec();
    let rows = bursts.len() * SYMBOLS;
    let clock = Clock::start();
    for burst in bursts {
        let written = writer.write(burst).await.expect("bars are written");
        assert_eq!(written.committed, SYMBOLS);
    }
    let turn = clock.stop(rows);
    writer.shutdown(Duration::from_secs(60)).await;
    turn
}

#[derive(Clone, Copy, Debug)]
enum Hour {
    Write,
    Refresh,
    Correct,
}

/// An hour of every symbol: written, rolled up, and rolled up again after one correction.
async fn hours(options: &Options, report: &mut Report) {
    let mut rng = fastrand::Rng::with_seed(7);
    // The exchange opens at half past, so that the hour that begins half an hour later is whole.
    let hour: Vec<Vec<Bar>> = (30..90).map(|n| burst(n, &mut rng)).collect();
    report.heading("Rolling up an hour of every symbol", "rollups");
    report.paragraph(&format!(
        "60 bursts of {} bars written by the library, and the refresh of that hour, which reads them, makes 17 \
         longer bars of each symbol and stores them, in one transaction. Rows are minutes in both. One correction: \
         a bar of that hour is written again with another volume, and its hour is refreshed; rows are minutes \
         that are read, 60. fsync on.",
        thousands(SYMBOLS as f64),
    ));
    for flavor in FLAVORS {
        let bed = Bed::start(flavor, true).await;
        report.server(bed.version().await);
        let turn = async |how| -> Turn { one_hour(&bed, &hour, how).await };
        let ways = vec![
            way("written", Hour::Write, None),
            way("refreshed", Hour::Refresh, None),
            way("one correction, written and refreshed", Hour::Correct, None),
        ];
        let title = format!("an hour on {flavor}");
        let result = contest(&title, options.rounds, ways, turn).await;
        report.paragraph(&format!("On {}:", bed.version().await));
        report.contest(&result, 0);
    }
}

async fn one_hour(bed: &Bed, hour: &[Vec<Bar>], how: Hour) -> Turn {
    empty(bed).await;
    let written = bed
        .metered(bursts::write(bed, annals_market::Conflict::Replace, hour))
        .await;
    if matches!(how, Hour::Write) {
        return written;
    }
    let bars = Bars::new(bed.store().await, BarsOptions::default())
        .await
        .expect("a store of bars");
    let rows = hour.len() * SYMBOLS;
    let refreshed = async {
        let clock = Clock::start();
        let minutes = refresh_all(&bars).await;
        assert_eq!(usize::try_from(minutes), Ok(rows));
        clock.stop(rows)
    };
    let refreshed = bed.metered(refreshed).await;
    if matches!(how, Hour::Refresh) {
        return refreshed;
    }
    let mut correction = hour[30][SYMBOLS / 2].clone();
    correction.volume += 1;
    let corrected = async {
        let clock = Clock::start();
        let written = bars.write_bars(vec![correction]).await.expect("a bar");
        assert_eq!(written.committed, 1);
        assert_eq!(refresh_all(&bars).await, 60);
        clock.stop(60)
    };
    bed.metered(corrected).await
}
