//! What only TimescaleDB's Community edition does: bars of compressed chunks.

use std::time::Duration;

use annals_market::{
    Bar, BarStore, Bars, BarsOptions, Conflict, Timeframe, Zone, refresh::mark_changed,
};
use annals_store::{
    Interval,
    sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql},
};
use annals_testkit::{TestDatabase, on_community};

use crate::{
    bar, minute, open_with,
    rollups::{assert_true, later, refresh_all, waiting},
    time,
};

/// A week later, in the next chunk but one.
const LATER: i64 = 14 * 1_440;

/// A compressed chunk with 200 minutes of 20 symbols, and a store that knows of it.
async fn compressed(database: &TestDatabase, conflict: Conflict) -> Bars {
    let bars = open_with(database, BarsOptions::default().with_conflict(conflict)).await;
    let all = (0..20).flat_map(|symbol| (0..200).map(move |n| bar(&format!("S{symbol}"), n)));
    let written = bars.write_bars(all.collect()).await.unwrap();
    assert_eq!(written.committed, 4_000);
    compress(database, "bars_1m").await;
    bars.writer().refresh_lanes().await.unwrap();
    bars
}

/// Of ten symbols one bar that is there and one that is not.
fn corrections() -> Vec<Bar> {
    let of_symbol = |symbol: i64| {
        let name = format!("S{symbol}");
        let there = Bar {
            volume: 1_000,
            ..bar(&name, 50)
        };
        [there, bar(&name, 300)]
    };
    (0..10).flat_map(of_symbol).collect()
}

#[test]
fn bars_of_compressed_chunks_are_replaced_merged_and_ignored() {
    for (conflict, volume) in [
        (Conflict::Replace, 1_000),
        (Conflict::Merge, 60 + 1_000),
        (Conflict::Ignore, 60),
    ] {
        on_community(|database| async move {
            let bars = compressed(&database, conflict).await;
            let mut batch = corrections();
            batch.push(bar("S0", LATER));
            let written = bars.write_bars(batch).await.unwrap();
            assert_eq!((written.committed, written.parked), (21, 0));
            for symbol in 0..20 {
                let name = format!("S{symbol}");
                let latest = bars.get_latest_bars(&name, 1_000).await.unwrap();
                let corrected = symbol < 10;
                let rows = 200 + usize::from(corrected) + usize::from(symbol == 0);
                assert_eq!(latest.len(), rows, "{name} {conflict:?}");
                let found = latest
                    .iter()
                    .find(|bar| bar.timestamp == minute(50))
                    .unwrap();
                assert_eq!(found.volume, if corrected { volume } else { 60 });
            }
        });
    }
}

#[test]
fn corrections_of_a_compressed_chunk_do_not_stall_the_running_minute() {
    on_community(|database| async move {
        let bars = compressed(&database, Conflict::Replace).await;
        let mut lock = PgConnection::connect(&database.url).await.unwrap();
        let chunk = "SELECT (chunk_schema || '.' || chunk_name)::regclass::oid::bigint
                       FROM timescaledb_information.chunks WHERE hypertable_name = 'bars_1m'
                      ORDER BY range_start LIMIT 1";
        let chunk = database.number(chunk).await;
        let sql = format!(
            "BEGIN; DO $$ BEGIN
                 EXECUTE format('LOCK TABLE %s IN EXCLUSIVE MODE', {chunk}::regclass);
             END $$"
        );
        raw_sql(AssertSqlSafe(sql))
            .execute(&mut lock)
            .await
            .unwrap();
        let late = bars.enqueue_bars(corrections()).await.unwrap();
        for n in 0..20 {
            let burst = (0..100)
                .map(|symbol| bar(&format!("S{symbol}"), LATER + n))
                .collect();
            let hot = tokio::time::timeout(Duration::from_secs(60), bars.write_bars(burst));
            assert_eq!(hot.await.unwrap().unwrap().committed, 100);
        }
        assert_eq!(bars.writer().report().held, 20);
        raw_sql("ROLLBACK").execute(&mut lock).await.unwrap();
        assert_eq!(late.ticket.await.unwrap().committed, 20);
    });
}

/// Compresses every chunk of a table.
async fn compress(database: &TestDatabase, table: &str) {
    database
        .execute(&format!(
            "ALTER TABLE {table} SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol',
                                      timescaledb.compress_orderby = 'timestamp DESC')"
        ))
        .await;
    let sql = format!("SELECT compress_chunk(chunk) FROM show_chunks('{table}') AS chunk");
    database.execute(&sql).await;
}

#[test]
fn corrections_of_compressed_chunks_reach_compressed_longer_bars() {
    on_community(|database| async move {
        let bars = compressed(&database, Conflict::Replace).await;
        let names: Vec<String> = (0..20).map(|symbol| format!("S{symbol}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_true(&bars, &names[..2], &["UTC"], false).await;
        refresh_all(&bars, later()).await;
        for table in ["bars_5m", "bars_15m", "bars_1h"] {
            compress(&database, table).await;
        }
        // More rows than one statement may decompress unless it is told otherwise.
        database
            .execute(
                "DO $$ BEGIN EXECUTE format(
                     'ALTER DATABASE %I SET timescaledb.max_tuples_decompressed_per_dml_transaction = 10',
                     current_database());
                 END $$",
            )
            .await;
        assert_true(&bars, &names, &["UTC", "America/New_York"], true).await;
        let other = open_with(&database, BarsOptions::default()).await;
        let written = other.write_bars(corrections()).await.unwrap();
        assert_eq!((written.committed, written.parked), (20, 0));
        assert_true(&other, &names, &["UTC", "America/New_York"], false).await;
        refresh_all(&other, later()).await;
        assert_eq!(waiting(&other).await, 0);
        assert_true(&other, &names, &["UTC", "America/New_York"], true).await;
        // All of them at once.
        mark_changed(other.store(), None, None, None).await.unwrap();
        refresh_all(&other, later()).await;
        assert_true(&other, &names, &["UTC"], false).await;
    });
}

#[test]
fn compressed_minutes_go_by_age_and_compressed_longer_bars_stay() {
    on_community(|database| async move {
        let bars = compressed(&database, Conflict::Replace).await;
        refresh_all(&bars, later()).await;
        for table in ["bars_5m", "bars_15m", "bars_1h"] {
            compress(&database, table).await;
        }
        let written = bars.write_bars(vec![bar("S0", LATER)]).await.unwrap();
        assert_eq!(written.committed, 1);
        let longer = async || {
            let mut all = Vec::new();
            for symbol in 0..20 {
                for timeframe in &Timeframe::ALL[1..] {
                    let name = format!("S{symbol}");
                    let zone = Zone::utc();
                    let found = bars.get_latest(&name, *timeframe, &zone, 1_000).await;
                    all.extend(found.unwrap());
                }
            }
            all
        };
        let before = longer().await;
        let minutes = bars.lifecycle(Timeframe::M1).unwrap().at(time(LATER));
        let week = Interval::days(7);
        let expired = minutes.expire(&week, false, &mut |_| {}).await.unwrap();
        assert_eq!((expired.chunks, expired.left), (1, 0));
        assert_eq!(bars.get_latest_bars("S1", 1_000).await.unwrap(), []);
        assert_eq!(longer().await, before);
        // Of hours that are stored; another one would be reopened.
        let mut late = corrections();
        for bar in &mut late {
            bar.timestamp = bar.timestamp.min(minute(205));
        }
        let written = bars.write_bars(late).await.unwrap();
        assert_eq!((written.committed, written.parked), (20, 0));
        assert_eq!(longer().await, before);
        refresh_all(&bars, later()).await;
        assert_eq!(longer().await, before);
        mark_changed(bars.store(), None, None, None).await.unwrap();
        refresh_all(&bars, later()).await;
        assert_eq!(longer().await, before);
        // And once more, with what came late.
        let expired = minutes.expire(&week, false, &mut |_| {}).await.unwrap();
        assert_eq!(expired.chunks, 1);
        assert_eq!(longer().await, before);
        minutes
            .delete_of("S0", None, false, &mut |_| {})
            .await
            .unwrap();
        let left = longer().await;
        assert!(left.iter().all(|bar| bar.symbol != "S0"));
        let others = before.into_iter().filter(|bar| bar.symbol != "S0");
        assert_eq!(left, others.collect::<Vec<Bar>>());
    });
}
