//! Spans as they age, and the directory that follows them.

use std::time::Duration;

use annals_store::{
    Interval, Lifecycle,
    lifecycle::Expiry,
    sqlx::{Connection as _, PgConnection, raw_sql},
};
use annals_telemetry::{Error, Span, SpanFilter, SpanStore, Spans};
use annals_testkit::{Backend, TestDatabase, on_community, on_every_backend, on_every_server};

use crate::spans::{at, open, span};

on_every_backend!(
    a_trace_is_gone_when_its_spans_are,
    a_trace_that_reaches_beyond_what_is_gone_keeps_its_row,
    a_span_that_comes_late_is_found_until_it_is_gone_too,
    more_traces_go_than_fit_one_step,
    a_trace_is_gone_when_its_service_was_deleted,
    no_span_loses_its_row_while_late_ones_come_and_old_ones_go,
);

mod with_locks {
    use super::*;

    on_every_server!(a_late_span_that_is_not_committed_yet_keeps_its_row);
}

const DAY: i64 = 86_400_000_000_000;

/// The life of spans on the tenth day, when those of the days before the third are older than seven.
fn life(spans: &Spans) -> Lifecycle {
    spans.lifecycle().at(at(10 * DAY))
}

fn days(days: u16) -> Interval {
    Interval::days(days)
}

async fn expire(spans: &Spans, older_than: u16) -> Expiry {
    life(spans)
        .expire(&days(older_than), false, &mut |_| {})
        .await
        .unwrap()
}

/// A trace of one span on each of ten days.
async fn ten_days(database: &TestDatabase) -> Spans {
    let spans = open(database).await;
    let batch = (0..10).map(|day| Span {
        model_name: Some("m".into()),
        ..span(&format!("t{day}"), "s", day * DAY + 1)
    });
    assert_eq!(
        spans.write_batch(batch.collect()).await.unwrap().committed,
        10
    );
    spans
}

async fn is_gone(spans: &Spans, trace_id: &str) -> bool {
    let error = match spans.get_trace(trace_id).await {
        Ok(found) => panic!("{} spans of {trace_id}", found.len()),
        Err(error) => error,
    };
    assert!(matches!(error, Error::TraceNotFound { .. }), "{error}");
    spans.trace(trace_id).await.unwrap().is_none()
}

/// Spans by the listing and by the percentiles.
async fn counted(spans: &Spans) -> (usize, u64) {
    let listed = spans.list_spans(SpanFilter::default()).await.unwrap();
    let latency = spans.latency("m", at(0), at(10 * DAY)).await.unwrap();
    (listed.rows.len(), latency.sample_count)
}

async fn a_trace_is_gone_when_its_spans_are(database: TestDatabase) {
    let spans = ten_days(&database).await;
    let dry = life(&spans).expire(&days(7), true, &mut |_| {}).await;
    assert_eq!(dry.unwrap().followed, 0);
    assert_eq!(counted(&spans).await, (10, 10));
    let expiry = expire(&spans, 7).await;
    assert_eq!((expiry.followed, expiry.left), (3, 0), "{expiry:?}");
    for day in 0..10 {
        let trace_id = format!("t{day}");
        if day < 3 {
            assert!(is_gone(&spans, &trace_id).await);
        } else {
            assert_eq!(spans.get_trace(&trace_id).await.unwrap().len(), 1);
            assert_eq!(spans.trace(&trace_id).await.unwrap().unwrap().span_count, 1);
        }
    }
    assert_eq!(counted(&spans).await, (7, 7));
    let again = expire(&spans, 7).await;
    assert_eq!((again.chunks, again.rows, again.followed), (0, 0, 0));
}

async fn a_trace_that_reaches_beyond_what_is_gone_keeps_its_row(database: TestDatabase) {
    let spans = ten_days(&database).await;
    let lasting = Span {
        duration_nanos: 2_000_000,
        ..span("lasting", "s", 3 * DAY - 1_000_000)
    };
    let batch = vec![
        span("across", "a", 3 * DAY - 1_000_000),
        span("across", "b", 3 * DAY + 1_000_000),
        lasting,
    ];
    assert_eq!(spans.write_batch(batch).await.unwrap().committed, 3);
    let before = spans.trace("across").await.unwrap().unwrap();
    assert_eq!(expire(&spans, 7).await.followed, 3);
    let left = spans.get_trace("across").await.unwrap();
    assert_eq!((left.len(), &*left[0].span_id), (1, "b"));
    // The row says what was stored.
    assert_eq!(spans.trace("across").await.unwrap().unwrap(), before);
    // Nothing is left of a span that began in time that is gone and ended in time that is not.
    assert!(!is_gone(&spans, "lasting").await);
    // Rows that began before the next range go with it.
    assert_eq!(expire(&spans, 6).await.followed, 3);
    for trace_id in ["across", "lasting", "t3"] {
        assert!(is_gone(&spans, trace_id).await);
    }
}

async fn a_span_that_comes_late_is_found_until_it_is_gone_too(database: TestDatabase) {
    let spans = ten_days(&database).await;
    expire(&spans, 7).await;
    spans.write(span("t1", "late", DAY + 5_000)).await.unwrap();
    assert_eq!(spans.get_trace("t1").await.unwrap()[0].span_id, "late");
    assert_eq!(spans.trace("t1").await.unwrap().unwrap().span_count, 1);
    assert_eq!(expire(&spans, 7).await.followed, 1);
    assert!(is_gone(&spans, "t1").await);
    assert_eq!(counted(&spans).await, (7, 7));
}

async fn more_traces_go_than_fit_one_step(database: TestDatabase) {
    let spans = open(&database).await;
    let batch = (0..21_000)
        .map(|n| span(&format!("t{n}"), "s", n * 1_000))
        .chain([span("kept", "s", 9 * DAY)]);
    assert_eq!(
        spans.write_batch(batch.collect()).await.unwrap().committed,
        21_001
    );
    assert_eq!(expire(&spans, 7).await.followed, 21_000);
    assert_eq!(database.number("SELECT count(*) FROM traces").await, 1);
    assert_eq!(spans.get_trace("kept").await.unwrap().len(), 1);
}

async fn a_trace_is_gone_when_its_service_was_deleted(database: TestDatabase) {
    let spans = ten_days(&database).await;
    let of = |service: &str, span: Span| Span {
        service_name: service.into(),
        ..span
    };
    let batch = vec![
        Span {
            parent_span_id: Some("root".into()),
            ..of("db", span("mixed", "child", DAY + 5))
        },
        of("db", span("old", "s", DAY)),
        of("db", span("young", "s", 9 * DAY)),
        span("mixed", "root", DAY),
    ];
    assert_eq!(spans.write_batch(batch).await.unwrap().committed, 4);
    let delete = |service: &'static str, age: Option<u16>| {
        let life = life(&spans);
        async move {
            let age = age.map(days);
            life.delete_of(service, age.as_ref(), false, &mut |_| {})
                .await
                .unwrap()
        }
    };
    assert_eq!(delete("db", Some(7)).await, 2);
    assert!(is_gone(&spans, "old").await);
    assert_eq!(spans.get_trace("young").await.unwrap().len(), 1);
    assert_eq!(spans.get_trace("mixed").await.unwrap().len(), 1);
    assert_eq!(delete("db", None).await, 1);
    assert!(is_gone(&spans, "young").await);
    assert!(spans.trace("mixed").await.unwrap().is_some());
    assert_eq!(delete("api", None).await, 11);
    assert_eq!(database.number("SELECT count(*) FROM traces").await, 0);
    assert_eq!(delete("api", None).await, 0);
}

/// Traces that have spans and no row.
const ORPHANS: &str = "SELECT count(*) FROM spans
     WHERE NOT EXISTS (SELECT 1 FROM traces WHERE traces.trace_id = spans.trace_id)";

async fn no_span_loses_its_row_while_late_ones_come_and_old_ones_go(database: TestDatabase) {
    let spans = ten_days(&database).await;
    let late = |round: i64| async move {
        let spans = open(&database).await;
        for n in 0..40 {
            let batch = (0..50)
                .map(|trace| {
                    let start = (trace % 3) * DAY + n * 1_000_000 + round;
                    span(&format!("late{trace}"), &format!("{round}-{n}"), start)
                })
                .collect();
            assert_eq!(spans.write_batch(batch).await.unwrap().committed, 50);
        }
        database
    };
    let expiring = async {
        for _ in 0..20 {
            // It may meet a writer and leave a chunk for the next time.
            let _ = life(&spans).expire(&days(7), false, &mut |_| {}).await;
            tokio::task::yield_now().await;
        }
    };
    let (database, ()) = tokio::join!(late(1), expiring);
    assert_eq!(database.number(ORPHANS).await, 0);
    expire(&spans, 7).await;
    assert_eq!(counted(&spans).await, (7, 7));
    assert_eq!(database.number("SELECT count(*) FROM traces").await, 7);
}

/// Somebody's transaction, which has written and is not committed.
async fn begun(database: &TestDatabase, sql: &'static str) -> PgConnection {
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    raw_sql(sql).execute(&mut connection).await.unwrap();
    connection
}

/// Waits until a session of the database waits for a lock.
async fn until_somebody_waits(database: &TestDatabase) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..2_000 {
        if database.number(waiting).await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nobody waits");
}

async fn a_late_span_that_is_not_committed_yet_keeps_its_row(database: TestDatabase) {
    let spans = ten_days(&database).await;
    if database.backend == Backend::Timescale {
        // By somebody else, since our own drop would wait for whoever writes into the chunks.
        life(&spans).reconcile().await.unwrap();
        let drop = "SELECT drop_chunks('spans', older_than => '2025-01-04'::timestamptz)";
        assert_eq!(database.query(drop).await.len(), 3);
    }
    let mut writer = begun(
        &database,
        "BEGIN;
         INSERT INTO spans (trace_id, span_id, service_name, operation_name, start_time, duration_nanos)
         VALUES ('t1', 'late', 'api', 'GET /', '2025-01-02 00:00:00.000001+00', 1000);
         UPDATE traces SET span_count = span_count + 1 WHERE trace_id = 't1'",
    )
    .await;
    let follower = tokio::spawn({
        let life = life(&spans);
        let chunks = database.backend == Backend::Timescale;
        async move {
            if chunks {
                life.reconcile().await.map(|_| ())
            } else {
                life.expire(&days(7), false, &mut |_| {}).await.map(|_| ())
            }
        }
    });
    until_somebody_waits(&database).await;
    raw_sql("COMMIT").execute(&mut writer).await.unwrap();
    follower.await.unwrap().unwrap();
    let found = spans.get_trace("t1").await.unwrap();
    assert_eq!((found.len(), &*found[0].span_id), (1, "late"));
    assert!(spans.trace("t1").await.unwrap().is_some());
    for trace_id in ["t0", "t2"] {
        assert!(is_gone(&spans, trace_id).await);
    }
}

/// Spans of two services on each of three days, and all but the last day's compressed.
async fn compressed(database: &TestDatabase, of_each: i64) -> (Spans, Vec<Span>) {
    let spans = open(database).await;
    let mut batch = Vec::new();
    for day in 0..3 {
        for n in 0..of_each {
            for service in ["api", "db"] {
                let start = day * DAY + n * 1_000_000;
                batch.push(Span {
                    service_name: service.into(),
                    model_name: Some("m".into()),
                    duration_nanos: n + 1,
                    ..span(&format!("t{day}-{n}"), service, start)
                });
            }
        }
    }
    let written = spans.write_batch(batch.clone()).await.unwrap();
    assert_eq!(written.committed, batch.len());
    let life = spans.lifecycle().at(at(3 * DAY));
    let done = life.compress_chunks(&days(1), false, &mut |_| {}).await;
    assert_eq!(done.unwrap().len(), 2);
    (spans, batch)
}

async fn compressed_chunks(spans: &Spans) -> u64 {
    let stats = spans.lifecycle().compression_stats().await.unwrap();
    stats.compressed_chunks
}

#[test]
fn compressed_spans_are_read_retried_and_added_to() {
    on_community(|database| async move {
        let (spans, batch) = compressed(&database, 100).await;
        assert_eq!(compressed_chunks(&spans).await, 2);
        // Late ones and all of those before, again.
        spans.write(span("t0-7", "late", 7_000_500)).await.unwrap();
        let again = spans.write_batch(batch.clone()).await.unwrap();
        assert_eq!((again.committed, again.parked), (batch.len(), 0));
        assert_eq!(
            database.number("SELECT count(*) FROM spans").await,
            batch.len() as i64 + 1
        );
        let trace = spans.get_trace("t0-7").await.unwrap();
        let ids: Vec<&str> = trace.iter().map(|span| &*span.span_id).collect();
        assert_eq!(ids, ["api", "db", "late"]);
        assert_eq!(trace[0], batch[14]);
        assert_eq!(spans.trace("t0-7").await.unwrap().unwrap().span_count, 3);
        let listed = spans
            .list_spans(SpanFilter {
                service_name: Some("db".into()),
                until: Some(at(2 * DAY - 1)),
                limit: Some(10),
                ..SpanFilter::default()
            })
            .await
            .unwrap();
        let expected: Vec<Span> = batch[200..400].iter().rev().step_by(2).cloned().collect();
        assert_eq!(listed.rows, expected[..10]);
        let latency = spans.latency("m", at(0), at(DAY)).await.unwrap();
        assert_eq!(
            (latency.sample_count, latency.p50_nanos, latency.p99_nanos),
            (200, 50, 99)
        );
        // Compressed chunks are dropped like others, and the directory follows.
        let life = spans.lifecycle().at(at(3 * DAY));
        let expiry = life.expire(&days(1), false, &mut |_| {}).await.unwrap();
        assert_eq!((expiry.chunks, expiry.followed), (2, 200));
        assert_eq!(spans.get_trace("t2-7").await.unwrap().len(), 2);
    });
}

#[test]
fn the_spans_of_a_service_are_deleted_from_compressed_chunks_in_parts() {
    on_community(|database| async move {
        database
            .execute(
                "DO $$ BEGIN
                     EXECUTE format('ALTER DATABASE %I SET
                         timescaledb.max_tuples_decompressed_per_dml_transaction = 2000',
                         current_database());
                 END $$",
            )
            .await;
        let (spans, batch) = compressed(&database, 5_000).await;
        let each = batch.len() as u64 / 2;
        let life = spans.lifecycle().at(at(3 * DAY));
        let dry = life.delete_of("db", None, true, &mut |_| {}).await.unwrap();
        assert_eq!(dry, each);
        // Those of the first day, which is older than two days.
        let old = life
            .delete_of("db", Some(&days(2)), false, &mut |_| {})
            .await;
        assert_eq!(old.unwrap(), each / 3);
        let mut told = 0;
        let rest = life
            .delete_of("db", None, false, &mut |rows| told += rows)
            .await
            .unwrap();
        assert_eq!(rest, each / 3 * 2);
        assert!(told > 0);
        let count = |sql: &'static str| database.number(sql);
        assert_eq!(
            count("SELECT count(*) FROM spans WHERE service_name = 'db'").await,
            0
        );
        assert_eq!(count("SELECT count(*) FROM spans").await, each as i64);
        let again = life.delete_of("db", None, false, &mut |_| {}).await;
        assert_eq!(again.unwrap(), 0);
    });
}
