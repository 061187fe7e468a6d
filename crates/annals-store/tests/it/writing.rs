//! What a writer promises when nothing breaks but rows.

use std::{num::NonZeroUsize, time::Duration};

use annals_record::{Record, Timestamp};
use annals_store::{Error, Overflow, Store, WriteError, Writer, WriterOptions};
use annals_testkit::{Backend, TestDatabase, on_every_backend};

on_every_backend!(
    one_refused_row_in_ten_thousand_is_parked_and_the_others_commit,
    many_refused_rows_are_each_parked,
    the_same_key_twice_in_a_batch_leaves_the_last,
    a_row_that_gave_way_to_a_refused_one_is_written,
    writes_of_one_key_keep_their_order,
    a_missing_table_stops_with_an_error_and_keeps_enqueued_rows,
    a_full_queue_blocks,
    a_full_queue_rejects,
    a_full_queue_drops_the_oldest,
    shutdown_writes_what_is_held_and_reports,
    a_request_larger_than_the_queue_passes_in_parts,
    an_empty_write_is_done_at_once,
);

#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "bars",
    time = "at",
    key("symbol", "at"),
    on_conflict = "update"
)]
struct Bar {
    symbol: String,
    at: Timestamp,
    close: f64,
    volume: i64,
}

fn bar(n: usize) -> Bar {
    let at = Timestamp::from_unix_nanos(1_700_000_000_000_000_000 + n as i64 * 60_000_000_000);
    Bar {
        symbol: format!("S{}", n % 10),
        at,
        close: n as f64,
        volume: n as i64,
    }
}

fn size(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

async fn store(database: &TestDatabase) -> Store {
    let store = database.store().await;
    store.create_table::<Bar>().await.unwrap();
    store
}

async fn writer(store: &Store, change: impl FnOnce(&mut WriterOptions)) -> Writer<Bar> {
    let mut options = WriterOptions::default();
    change(&mut options);
    store.writer_with(options, None).await.unwrap()
}

/// Rows with a negative volume are refused from now on.
async fn refuse_negative_volumes(database: &TestDatabase) {
    let sql = match database.backend {
        Backend::Sqlite => {
            "CREATE TRIGGER positive BEFORE INSERT ON bars WHEN NEW.volume < 0
             BEGIN SELECT RAISE(ABORT, 'volume below zero'); END"
        }
        _ => "ALTER TABLE bars ADD CONSTRAINT positive CHECK (volume >= 0)",
    };
    database.execute(sql).await;
}

async fn allow_negative_volumes(database: &TestDatabase) {
    let sql = match database.backend {
        Backend::Sqlite => "DROP TRIGGER positive",
        _ => "ALTER TABLE bars DROP CONSTRAINT positive",
    };
    database.execute(sql).await;
}

async fn count(store: &Store) -> u64 {
    store.query::<Bar>().count().await.unwrap()
}

async fn one_refused_row_in_ten_thousand_is_parked_and_the_others_commit(database: TestDatabase) {
    let store = store(&database).await;
    refuse_negative_volumes(&database).await;
    let writer = writer(&store, |_| {}).await;
    let mut bars: Vec<Bar> = (0..10_000).map(bar).collect();
    bars[5_000].volume = -1;
    let written = writer.write(bars.clone()).await.unwrap();
    assert_eq!((written.committed, written.parked), (9_999, 1));
    assert_eq!(count(&store).await, 9_999);
    let letters = store.dead_letters().list().fetch().await.unwrap().rows;
    assert_eq!(letters.len(), 1);
    assert_eq!(
        letters[0].content().unwrap().to_record::<Bar>().unwrap(),
        bars[5_000]
    );
    assert_eq!(letters[0].batch_row, 5_000);
    if database.backend != Backend::Sqlite {
        assert_eq!(letters[0].code.as_deref(), Some("23514"));
        assert!(
            letters[0].reason.contains("positive"),
            "{}",
            letters[0].reason
        );
    }
    allow_negative_volumes(&database).await;
    assert_eq!(writer.replay(letters).await.unwrap().committed, 1);
    assert_eq!(count(&store).await, 10_000);
    assert_eq!(store.dead_letters().list().count().await.unwrap(), 0);
}

async fn many_refused_rows_are_each_parked(database: TestDatabase) {
    let store = store(&database).await;
    refuse_negative_volumes(&database).await;
    let writer = writer(&store, |_| {}).await;
    let mut bars: Vec<Bar> = (0..2_000).map(bar).collect();
    let bad: Vec<usize> = (0..2_000)
        .filter(|n| n % 37 == 0 || *n < 5 || *n > 1_990)
        .collect();
    bad.iter().for_each(|n| bars[*n].volume = -1);
    let written = writer.write(bars).await.unwrap();
    assert_eq!(
        (written.committed, written.parked),
        (2_000 - bad.len(), bad.len())
    );
    let mut rows: Vec<usize> = store
        .dead_letters()
        .list()
        .fetch()
        .await
        .unwrap()
        .rows
        .iter()
        .map(|l| l.batch_row as usize)
        .collect();
    rows.sort_unstable();
    assert_eq!(rows, bad);
}

async fn the_same_key_twice_in_a_batch_leaves_the_last(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store, |_| {}).await;
    let bars: Vec<Bar> = (0..300)
        .map(|n| Bar {
            close: n as f64,
            ..bar(n % 100)
        })
        .collect();
    for _ in 0..2 {
        let written = writer.write(bars.clone()).await.unwrap();
        assert_eq!((written.committed, written.parked), (300, 0));
        let rows = store
            .query::<Bar>()
            .order(Bar::AT.asc())
            .fetch()
            .await
            .unwrap()
            .rows;
        let closes: Vec<f64> = rows.iter().map(|bar| bar.close).collect();
        assert_eq!(closes, (200..300).map(f64::from).collect::<Vec<_>>());
    }
    // A nanosecond apart is the same key: the database keeps microseconds there.
    let near = |nanos: i64| Bar {
        at: Timestamp::from_unix_nanos(1_000_000 + nanos),
        close: nanos as f64,
        ..bar(0)
    };
    assert_eq!(
        writer
            .write(vec![near(1), near(2), near(999)])
            .await
            .unwrap()
            .committed,
        3
    );
    let first = store
        .query::<Bar>()
        .order(Bar::AT.asc())
        .limit(1)
        .fetch()
        .await
        .unwrap()
        .rows
        .remove(0);
    assert_eq!(first, near(999));
}

async fn a_row_that_gave_way_to_a_refused_one_is_written(database: TestDatabase) {
    let store = store(&database).await;
    refuse_negative_volumes(&database).await;
    let writer = writer(&store, |_| {}).await;
    let version = |volume| Bar { volume, ..bar(1) };
    let written = writer
        .write(vec![bar(0), version(1), version(2), version(-3), bar(2)])
        .await
        .unwrap();
    assert_eq!((written.committed, written.parked), (4, 1));
    let rows = store
        .query::<Bar>()
        .order(Bar::AT.asc())
        .fetch()
        .await
        .unwrap()
        .rows;
    assert_eq!(rows, [bar(0), version(2), bar(2)]);
}

async fn writes_of_one_key_keep_their_order(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store, |options| {
        options.connections = size(4);
        options.batch_rows = size(3);
    })
    .await;
    let mut tickets = Vec::new();
    for n in 0..200 {
        tickets.push(
            writer
                .enqueue(vec![Bar {
                    close: f64::from(n),
                    ..bar(n as usize % 2)
                }])
                .await
                .unwrap(),
        );
    }
    for ticket in tickets {
        assert_eq!(ticket.await.unwrap().committed, 1);
    }
    let rows = store
        .query::<Bar>()
        .order(Bar::AT.asc())
        .fetch()
        .await
        .unwrap()
        .rows;
    assert_eq!(
        rows.iter().map(|bar| bar.close).collect::<Vec<_>>(),
        [198.0, 199.0]
    );
}

async fn a_missing_table_stops_with_an_error_and_keeps_enqueued_rows(database: TestDatabase) {
    let store = database.store().await;
    store.migrator(&[]).up().await.unwrap();
    let writer = writer(&store, |options| {
        options.retry_delay_max = Duration::from_millis(50)
    })
    .await;
    let error = writer.write(vec![bar(0), bar(1)]).await.unwrap_err();
    let WriteError::Stopped { cause, .. } = &error else {
        panic!("{error}")
    };
    assert!(error.to_string().contains("put right"), "{error}");
    assert!(matches!(&**cause, Error::Statement { .. }), "{cause}");
    let ticket = writer.enqueue(vec![bar(0), bar(1)]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(writer.report().held, 2);
    store.create_table::<Bar>().await.unwrap();
    assert_eq!(ticket.await.unwrap().committed, 2);
    let report = writer.shutdown(Duration::from_secs(5)).await;
    assert_eq!(
        (
            report.accepted,
            report.committed,
            report.returned,
            report.lost
        ),
        (4, 2, 2, 0)
    );
}

/// Holds the table so that nothing can be written, while `during` runs.
async fn while_nothing_can_be_written<T>(
    database: &TestDatabase,
    during: impl Future<Output = T>,
) -> T {
    let lock = database.lock_table("bars").await;
    let result = during.await;
    lock.release().await;
    result
}

fn small(options: &mut WriterOptions) {
    options.queue_rows = size(10);
    options.batch_rows = size(5);
    options.connections = size(1);
}

async fn a_full_queue_blocks(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store, small).await;
    let late = while_nothing_can_be_written(&database, async {
        let mut tickets = Vec::new();
        for n in 0..10 {
            tickets.push(writer.enqueue(vec![bar(n)]).await.unwrap());
        }
        assert_eq!(writer.held(), 10);
        let late =
            tokio::time::timeout(Duration::from_millis(200), writer.enqueue(vec![bar(10)])).await;
        assert!(late.is_err(), "there was no room to take it");
        tickets
    })
    .await;
    for ticket in late {
        assert_eq!(ticket.await.unwrap().committed, 1);
    }
    let report = writer.shutdown(Duration::from_secs(10)).await;
    assert_eq!((report.accepted, report.committed), (10, 10));
}

async fn a_full_queue_rejects(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store, |options| {
        small(options);
        options.overflow = Overflow::Reject;
    })
    .await;
    let tickets = while_nothing_can_be_written(&database, async {
        let mut tickets = Vec::new();
        for n in 0..10 {
            tickets.push(writer.enqueue(vec![bar(n)]).await.unwrap());
        }
        let error = writer.write(vec![bar(10), bar(11)]).await.unwrap_err();
        assert!(
            matches!(
                error,
                WriteError::QueueFull {
                    held_rows: 10,
                    limit_rows: 10
                }
            ),
            "{error}"
        );
        assert!(annals_store::Error::from(error).is_transient());
        tickets
    })
    .await;
    for ticket in tickets {
        assert_eq!(ticket.await.unwrap().committed, 1);
    }
    let report = writer.shutdown(Duration::from_secs(10)).await;
    assert_eq!(
        (report.accepted, report.committed, report.refused),
        (10, 10, 2)
    );
}

async fn a_full_queue_drops_the_oldest(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store, |options| {
        small(options);
        options.overflow = Overflow::DropOldest;
    })
    .await;
    let tickets = while_nothing_can_be_written(&database, async {
        let mut tickets = vec![writer.enqueue(vec![bar(0)]).await.unwrap()];
        // The first is on its way, and what is on its way is not dropped.
        tokio::time::sleep(Duration::from_millis(300)).await;
        for n in 1..15 {
            tickets.push(writer.enqueue(vec![bar(n)]).await.unwrap());
        }
        tickets
    })
    .await;
    let mut outcomes = Vec::new();
    for ticket in tickets {
        outcomes.push(ticket.await);
    }
    assert!(outcomes[0].is_ok());
    for outcome in &outcomes[1..6] {
        assert!(
            matches!(outcome, Err(WriteError::Dropped { rows: 1 })),
            "{outcome:?}"
        );
    }
    assert!(outcomes[6..].iter().all(Result::is_ok), "{outcomes:?}");
    let report = writer.shutdown(Duration::from_secs(10)).await;
    assert_eq!(
        (report.accepted, report.committed, report.dropped),
        (15, 10, 5)
    );
}

async fn shutdown_writes_what_is_held_and_reports(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store, |options| options.batch_rows = size(100)).await;
    for n in 0..50 {
        drop(
            writer
                .enqueue((n * 20..(n + 1) * 20).map(bar).collect())
                .await
                .unwrap(),
        );
    }
    let report = writer.shutdown(Duration::from_secs(30)).await;
    assert_eq!(
        (report.accepted, report.committed, report.held, report.lost),
        (1_000, 1_000, 0, 0)
    );
    assert_eq!(count(&store).await, 1_000);
}

async fn a_request_larger_than_the_queue_passes_in_parts(database: TestDatabase) {
    let store = store(&database).await;
    let blocking = writer(&store, |options| {
        options.queue_rows = size(100);
        options.batch_rows = size(40);
    })
    .await;
    let written = blocking.write((0..1_000).map(bar).collect()).await.unwrap();
    assert_eq!((written.committed, written.parked), (1_000, 0));
    let rejecting = writer(&store, |options| {
        options.queue_rows = size(100);
        options.overflow = Overflow::Reject;
    })
    .await;
    let error = rejecting
        .write((0..1_000).map(bar).collect())
        .await
        .unwrap_err();
    assert!(
        matches!(error, WriteError::TooLarge { rows: 1_000, .. }),
        "{error}"
    );
}

async fn an_empty_write_is_done_at_once(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store, |_| {}).await;
    let written = writer.write(Vec::new()).await.unwrap();
    assert_eq!((written.committed, written.parked), (0, 0));
}
