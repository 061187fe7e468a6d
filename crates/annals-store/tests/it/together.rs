//! Rows that are written together or not at all.

use annals_record::{Record, TimestampMicros};
use annals_store::{Store, WriteError, Writer, WriterOptions};
use annals_testkit::{TestDatabase, on_every_backend};

on_every_backend!(
    all_rows_are_of_one_transaction_however_many_chunks_they_lie_in,
    one_refused_row_takes_all_others_with_it_and_nothing_is_parked,
    requests_beside_a_refused_one_are_not_harmed,
    more_than_a_batch_is_refused_before_anything_is_written,
    a_repetition_is_acknowledged_and_writes_nothing,
);

#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "together",
    time = "at",
    key("name", "at"),
    chunk = "1 day"
)]
struct Entry {
    name: String,
    at: TimestampMicros,
    number: i32,
}

fn entry(number: i32) -> Entry {
    let day = i64::from(number) * 86_400_000_000;
    Entry {
        name: format!("n{number}"),
        at: TimestampMicros::from_unix_micros(day).unwrap(),
        number,
    }
}

/// A store whose table refuses the number 13.
async fn store(database: &TestDatabase) -> Store {
    let store = database.store().await;
    store.create_table::<Entry>().await.unwrap();
    database
        .execute(match store.names().dialect() {
            annals_store::Dialect::Postgres => "ALTER TABLE together ADD CHECK (number <> 13)",
            _ => {
                "CREATE TRIGGER thirteen BEFORE INSERT ON together WHEN NEW.number = 13
                 BEGIN SELECT RAISE(ABORT, 'not thirteen'); END"
            }
        })
        .await;
    store
}

async fn writer(store: &Store) -> Writer<Entry> {
    store
        .writer_with(WriterOptions::default(), None)
        .await
        .unwrap()
}

async fn numbers(store: &Store) -> Vec<i32> {
    let query = store.query::<Entry>().order(Entry::NUMBER.asc());
    let rows = query.fetch().await.unwrap().rows;
    rows.into_iter().map(|row| row.number).collect()
}

async fn all_rows_are_of_one_transaction_however_many_chunks_they_lie_in(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store).await;
    // More chunks than a batch that may be divided ever takes.
    let rows: Vec<Entry> = (100..250).map(entry).collect();
    writer.write_whole(rows).await.unwrap();
    assert_eq!(numbers(&store).await, Vec::from_iter(100..250));
    assert_eq!(
        database.number("SELECT count(*) FROM annals_ledger").await,
        1
    );
    assert_eq!(
        database
            .number("SELECT sum(row_count) FROM annals_ledger")
            .await,
        150
    );
}

async fn one_refused_row_takes_all_others_with_it_and_nothing_is_parked(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store).await;
    for rows in [0..20, 12..15, 13..14] {
        let rows: Vec<Entry> = rows.map(entry).collect();
        let refused = writer.write_whole(rows).await.unwrap_err();
        assert!(matches!(refused, WriteError::Refused { .. }), "{refused}");
    }
    assert_eq!(numbers(&store).await, [0; 0]);
    let report = writer.report();
    assert_eq!((report.committed, report.parked), (0, 0));
    assert_eq!((report.accepted, report.returned, report.held), (24, 24, 0));
    for left in ["annals_dead_letters", "annals_ledger"] {
        let count = format!("SELECT count(*) FROM {left}");
        assert_eq!(database.number(&count).await, 0, "{left}");
    }
}

async fn requests_beside_a_refused_one_are_not_harmed(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store).await;
    let (first, refused, parked, last) = tokio::join!(
        writer.write_whole(vec![entry(1), entry(2)]),
        writer.write_whole(vec![entry(3), entry(13)]),
        writer.write(vec![entry(4), entry(13)]),
        writer.write_whole(vec![entry(5)]),
    );
    first.unwrap();
    refused.unwrap_err();
    let parked = parked.unwrap();
    assert_eq!((parked.committed, parked.parked), (1, 1));
    last.unwrap();
    assert_eq!(numbers(&store).await, [1, 2, 4, 5]);
}

async fn more_than_a_batch_is_refused_before_anything_is_written(database: TestDatabase) {
    let store = store(&database).await;
    let mut options = WriterOptions::default();
    options.batch_rows = std::num::NonZeroUsize::new(10).unwrap();
    let writer: Writer<Entry> = store.writer_with(options, None).await.unwrap();
    let refused = writer.write_whole((100..111).map(entry).collect()).await;
    assert!(matches!(
        refused,
        Err(WriteError::TooLarge { rows: 11, .. })
    ));
    writer
        .write_whole((100..110).map(entry).collect())
        .await
        .unwrap();
    assert_eq!(numbers(&store).await.len(), 10);
}

async fn a_repetition_is_acknowledged_and_writes_nothing(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store).await;
    let rows: Vec<Entry> = (100..120).map(entry).collect();
    for _ in 0..2 {
        writer.write_whole(rows.clone()).await.unwrap();
        let doubled = [rows.clone(), rows.clone()].concat();
        writer.write_whole(doubled).await.unwrap();
    }
    assert_eq!(numbers(&store).await, Vec::from_iter(100..120));
    writer.write_whole(Vec::new()).await.unwrap();
}
