//! What only TimescaleDB's Community edition does: compressed chunks, and the late lane for them.
//!
//! See [`annals_testkit::on_community`] for where they run.

mod frozen;

use std::{sync::Arc, time::Duration};

use annals_store::{
    Store, WriteError, Writer,
    sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql},
};
use annals_testkit::{TestDatabase, on_community};

use crate::faults::*;

const DAY: i64 = 86_400;

/// One sensor, a row each second of a day, so that they are one segment once compressed.
fn gauge(day: i64, second: i64, number: i64) -> Gauge {
    Gauge {
        sensor: "s".into(),
        at: at(day * DAY + second),
        number,
    }
}

fn of_day(day: i64, seconds: std::ops::Range<i64>, number: i64) -> Vec<Gauge> {
    seconds.map(|second| gauge(day, second, number)).collect()
}

/// A table with 2,000 rows of day 0 in a compressed chunk, and 10 of day 1 in an open one.
async fn half_compressed(database: &TestDatabase, writer_knows: bool) -> (Store, Writer<Gauge>) {
    let store = store_of::<Gauge>(database).await;
    let writer = hasty_writer::<Gauge>(&store, |options| {
        options.hold_delay = Duration::from_millis(100);
    })
    .await;
    assert_eq!(
        writer
            .write(of_day(0, 0..2_000, 1))
            .await
            .unwrap()
            .committed,
        2_000
    );
    assert_eq!(
        writer.write(of_day(1, 0..10, 1)).await.unwrap().committed,
        10
    );
    database
        .execute(
            "ALTER TABLE gauges SET (timescaledb.compress, timescaledb.compress_segmentby = 'sensor',
                                     timescaledb.compress_orderby = 'at')",
        )
        .await;
    let chunk = chunk_of_day_0(database).await;
    database
        .execute(&format!("SELECT compress_chunk({chunk}::regclass)"))
        .await;
    if writer_knows {
        writer.refresh_lanes().await.unwrap();
    }
    (store, writer)
}

/// The chunk's number in the catalogue.
async fn chunk_of_day_0(database: &TestDatabase) -> String {
    let number = "SELECT (chunk_schema || '.' || chunk_name)::regclass::oid::bigint
                    FROM timescaledb_information.chunks WHERE hypertable_name = 'gauges'
                   ORDER BY range_start LIMIT 1";
    database.number(number).await.to_string()
}

async fn rows_with(store: &Store, number: i64) -> u64 {
    store
        .query::<Gauge>()
        .filter(Gauge::NUMBER.eq(number))
        .count()
        .await
        .unwrap()
}

#[test]
fn rows_for_compressed_chunks_are_written_and_updated() {
    on_community(|database| async move {
        for knows in [true, false] {
            let (store, writer) = half_compressed(&database, knows).await;
            // In one request: old keys and new ones in the compressed chunk, new ones in the open.
            let mut gauges = of_day(0, 500..600, 2);
            gauges.extend(of_day(0, 2_000..2_100, 2));
            gauges.extend(of_day(1, 5..15, 2));
            let written = within(writer.write(gauges)).await.unwrap();
            assert_eq!((written.committed, written.parked), (210, 0));
            assert_eq!(rows_with(&store, 1).await, 1_900 + 5);
            assert_eq!(rows_with(&store, 2).await, 210);
            let report = writer.shutdown(PATIENCE).await;
            assert_balanced(&report);
            assert_eq!(report.lost, 0);
            database.execute("DROP TABLE gauges").await;
        }
    });
}

#[test]
fn rows_without_a_key_reach_compressed_chunks_once() {
    on_community(|database| async move {
        let store = store_of::<Note>(&database).await;
        let writer = hasty_writer::<Note>(&store, |_| {}).await;
        assert_eq!(
            within(writer.write(numbered(0..500)))
                .await
                .unwrap()
                .committed,
            500
        );
        database
            .execute("ALTER TABLE notes SET (timescaledb.compress)")
            .await;
        database
            .execute("SELECT compress_chunk(chunk) FROM show_chunks('notes') AS chunk")
            .await;
        writer.refresh_lanes().await.unwrap();
        // More than the late lane takes into one transaction.
        assert_eq!(
            within(writer.write(numbered(500..3_000)))
                .await
                .unwrap()
                .committed,
            2_500
        );
        assert_eq!(stored::<Note>(&store).await, Vec::from_iter(0..3_000));
    });
}

#[test]
fn hot_rows_pass_rows_whose_compressed_chunk_is_locked() {
    on_community(|database| async move {
        let (store, writer) = half_compressed(&database, true).await;
        let chunk = chunk_of_day_0(&database).await;
        let mut lock = PgConnection::connect(&database.url).await.unwrap();
        let sql = format!(
            "BEGIN; DO $$ BEGIN
                 EXECUTE format('LOCK TABLE %s IN EXCLUSIVE MODE', {chunk}::regclass);
             END $$"
        );
        raw_sql(AssertSqlSafe(sql))
            .execute(&mut lock)
            .await
            .unwrap();
        let mut late = Vec::new();
        for n in 0..10 {
            // Each has a hot row, too, which needs not wait for the others.
            let mut gauges = of_day(0, n..n + 5, 2);
            gauges.push(gauge(2, n, 2));
            late.push(writer.enqueue(gauges).await.unwrap());
        }
        for n in 0..50 {
            let hot = of_day(1, 100 + n * 10..110 + n * 10, 3);
            assert_eq!(within(writer.write(hot)).await.unwrap().committed, 10);
        }
        eventually("the hot rows", async || {
            store
                .query::<Gauge>()
                .filter(Gauge::AT.at_least(at(2 * DAY)))
                .count()
                .await
                .unwrap()
                == 10
        })
        .await;
        assert_eq!(rows_with(&store, 3).await, 500);
        assert_eq!(rows_with(&store, 2).await, 10);
        assert_eq!(writer.report().held, 50);
        raw_sql("ROLLBACK").execute(&mut lock).await.unwrap();
        for ticket in late {
            assert_eq!(within(ticket).await.unwrap().committed, 6);
        }
        assert_eq!(rows_with(&store, 2).await, 10 + 14);
    });
}

#[test]
fn an_update_that_decompresses_more_than_allowed_is_written_all_the_same() {
    on_community(|database| async move {
        database
            .execute(
                "DO $$ BEGIN
                     EXECUTE format('ALTER DATABASE %I SET
                         timescaledb.max_tuples_decompressed_per_dml_transaction = 10',
                         current_database());
                 END $$",
            )
            .await;
        // The writer does not know that the chunk is compressed: it learns it from the error.
        let (store, writer) = half_compressed(&database, false).await;
        let limit = "SELECT current_setting(
                         'timescaledb.max_tuples_decompressed_per_dml_transaction')::bigint";
        assert_eq!(database.number(limit).await, 10);
        let written = within(writer.write(of_day(0, 700..900, 2))).await.unwrap();
        assert_eq!((written.committed, written.parked), (200, 0));
        assert_eq!(
            within(writer.write(of_day(0, 5..6, 2)))
                .await
                .unwrap()
                .committed,
            1
        );
        assert_eq!(
            (rows_with(&store, 1).await, rows_with(&store, 2).await),
            (1_809, 201)
        );
        // And when it does.
        writer.refresh_lanes().await.unwrap();
        assert_eq!(
            within(writer.write(of_day(0, 1_500..1_502, 3)))
                .await
                .unwrap()
                .committed,
            2
        );
        assert_eq!(rows_with(&store, 3).await, 2);
        let report = writer.shutdown(PATIENCE).await;
        assert_balanced(&report);
        assert_eq!((report.parked, report.lost), (0, 0));
    });
}

async fn freeze(database: &TestDatabase, chunk: &str, frozen: bool) {
    let verb = if frozen { "freeze" } else { "unfreeze" };
    database
        .execute(&format!(
            "SELECT _timescaledb_functions.{verb}_chunk({chunk}::regclass)"
        ))
        .await;
}

#[test]
fn rows_for_a_frozen_chunk_wait_and_others_pass() {
    on_community(|database| async move {
        for knows in [true, false] {
            let (store, writer) = half_compressed(&database, knows).await;
            let chunk = chunk_of_day_0(&database).await;
            freeze(&database, &chunk, true).await;
            let mut held = Vec::new();
            for n in 0..10 {
                let mut gauges = of_day(0, 3_000 + n * 5..3_005 + n * 5, 2);
                gauges.push(gauge(2, n, 2));
                held.push(writer.enqueue(gauges).await.unwrap());
            }
            for n in 0..20 {
                let hot = of_day(1, 100 + n * 10..110 + n * 10, 3);
                assert_eq!(within(writer.write(hot)).await.unwrap().committed, 10);
            }
            eventually("the hot rows", async || rows_with(&store, 2).await == 10).await;
            assert_eq!((writer.report().held, writer.report().parked), (50, 0));
            assert_eq!(rows_with(&store, 3).await, 200);
            freeze(&database, &chunk, false).await;
            for ticket in held {
                assert_eq!(within(ticket).await.unwrap().committed, 6);
            }
            assert_eq!(rows_with(&store, 2).await, 60);
            drop(writer);
            database.execute("DROP TABLE gauges").await;
        }
    });
}

#[test]
fn compressing_while_many_write_loses_and_doubles_nothing() {
    on_community(|database| async move {
        let store = store_of::<Note>(&database).await;
        let writer =
            Arc::new(hasty_writer::<Note>(&store, |options| options.batch_rows = size(50)).await);
        database
            .execute("ALTER TABLE notes SET (timescaledb.compress)")
            .await;
        let mut tasks = Vec::new();
        for task in 0..4_i64 {
            let writer = Arc::clone(&writer);
            tasks.push(tokio::spawn(async move {
                for n in 0..40 {
                    let first = task * 1_000 + n * 25;
                    let written = writer.write(numbered(first..first + 25)).await.unwrap();
                    assert_eq!((written.committed, written.parked), (25, 0));
                }
            }));
        }
        let mut changes = 0;
        while tasks.iter().any(|task| !task.is_finished()) {
            for verb in [
                "compress_chunk(chunk, true)",
                "decompress_chunk(chunk, true)",
            ] {
                let sql = format!("SELECT {verb} FROM show_chunks('notes') AS chunk");
                // It may meet a writer and be refused; the writer may not.
                let mut operator = PgConnection::connect(&database.url).await.unwrap();
                let done = raw_sql(AssertSqlSafe(sql)).execute(&mut operator).await;
                changes += usize::from(done.is_ok());
                writer.refresh_lanes().await.unwrap();
            }
        }
        for task in tasks {
            within(task).await.unwrap();
        }
        assert!(changes > 2, "{changes}");
        assert_eq!(stored::<Note>(&store).await, Vec::from_iter(0..4_000));
    });
}
