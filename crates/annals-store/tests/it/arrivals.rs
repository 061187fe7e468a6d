//! Following a table: every row comes once, whatever was in progress when it was asked for.

use std::collections::BTreeSet;

use annals_record::{Filter, Record, TimestampMicros};
use annals_store::{ArrivalCursor, Error, Store};
use annals_testkit::{Backend, TestDatabase, on_every_backend};

on_every_backend!(
    pages_end_where_they_should_and_rows_come_once,
    a_cursor_goes_through_text,
    what_does_not_match_is_passed_over,
    a_transaction_that_commits_late_is_not_missed_and_delays_nobody,
    writers_beside_each_other_lose_nothing,
);

#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "notes", key("at", "number"))]
struct Note {
    at: TimestampMicros,
    number: i64,
}

async fn followed(database: &TestDatabase) -> Store {
    let store = database.store().await;
    if database.backend == Backend::Sqlite {
        let table = "CREATE TABLE notes (arrival INTEGER PRIMARY KEY AUTOINCREMENT,
                         at INTEGER NOT NULL, number INTEGER NOT NULL, UNIQUE (at, number)) STRICT";
        database.execute(table).await;
    } else {
        let table = "CREATE TABLE notes (at TIMESTAMPTZ, number BIGINT,
                         arrival BIGINT NOT NULL DEFAULT pg_current_xact_id()::text::bigint, PRIMARY KEY (at, number))";
        database.execute(table).await;
        database.execute("CREATE INDEX ON notes (arrival)").await;
    }
    store.create_table::<Note>().await.unwrap();
    store
}

fn note(number: i64) -> Note {
    // Later rows have earlier times.
    let at = TimestampMicros::from_unix_micros(1_700_000_000_000_000 - number).unwrap();
    Note { at, number }
}

async fn write(store: &Store, numbers: impl IntoIterator<Item = i64>) {
    let notes = numbers.into_iter().map(note).collect();
    let written = store.writer().await.unwrap().write(notes).await.unwrap();
    assert_eq!(written.parked, 0);
}

/// Everything that has come, in pages.
async fn come(store: &Store, cursor: &mut ArrivalCursor, limit: u64) -> Vec<i64> {
    let mut numbers = Vec::new();
    loop {
        let come = store
            .arrivals::<Note>(Filter::all([]), cursor, limit)
            .await
            .unwrap();
        assert!(come.rows.len() as u64 <= limit);
        numbers.extend(come.rows.iter().map(|note| note.number));
        *cursor = come.cursor;
        if come.is_all {
            return numbers;
        }
    }
}

async fn pages_end_where_they_should_and_rows_come_once(database: TestDatabase) {
    let store = followed(&database).await;
    write(&store, 0..10).await;
    let mut cursor = store.arrival_cursor::<Note>().await.unwrap();
    assert_eq!(come(&store, &mut cursor, 3).await, [0; 0], "it begins now");
    for limit in [1, 2, 3, 100] {
        let from = 100 * i64::try_from(limit).unwrap();
        write(&store, from..from + 6).await;
        write(&store, [from + 6]).await;
        let numbers: BTreeSet<i64> = {
            let came = come(&store, &mut cursor, limit).await;
            assert_eq!(came.len(), 7, "each once");
            came.into_iter().collect()
        };
        assert_eq!(numbers, (from..from + 7).collect());
        assert_eq!(come(&store, &mut cursor, limit).await, [0; 0]);
    }
}

async fn a_cursor_goes_through_text(database: TestDatabase) {
    let store = followed(&database).await;
    let mut cursor = store.arrival_cursor::<Note>().await.unwrap();
    write(&store, 0..5).await;
    let page = store
        .arrivals::<Note>(Filter::all([]), &cursor, 2)
        .await
        .unwrap();
    assert!(!page.is_all);
    for known in [&cursor, &page.cursor] {
        assert_eq!(&known.to_string().parse::<ArrivalCursor>().unwrap(), known);
    }
    let mut numbers: Vec<i64> = page.rows.iter().map(|note| note.number).collect();
    cursor = page.cursor.to_string().parse().unwrap();
    numbers.extend(come(&store, &mut cursor, 100).await);
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    let long = "1".repeat(100_000);
    for broken in [
        "",
        "x",
        "-1",
        "1:2",
        "5:2:",
        "1:9:4,3",
        "1:9:9",
        "1:9:;DROP",
        "1:9:~1:9:",
        "0:0:",
        &long,
    ] {
        let refused = broken.parse::<ArrivalCursor>();
        assert!(matches!(refused, Err(Error::Cursor { .. })), "{broken}");
    }
    let foreign = if database.backend == Backend::Sqlite {
        "1:9:"
    } else {
        "7"
    };
    let foreign = foreign.parse().unwrap();
    let refused = store.arrivals::<Note>(Filter::all([]), &foreign, 2).await;
    assert!(matches!(refused, Err(Error::Cursor { .. })), "{refused:?}");
}

async fn what_does_not_match_is_passed_over(database: TestDatabase) {
    let store = followed(&database).await;
    let mut cursor = store.arrival_cursor::<Note>().await.unwrap();
    let odd = || Filter::any([Note::NUMBER.eq(1_i64), Note::NUMBER.eq(3_i64)]);
    write(&store, 0..4).await;
    let mut numbers = Vec::new();
    loop {
        let come = store.arrivals(odd(), &cursor, 1).await.unwrap();
        numbers.extend(come.rows.iter().map(|note: &Note| note.number));
        cursor = come.cursor;
        if come.is_all {
            break;
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 3]);
    assert_eq!(
        come(&store, &mut cursor, 10).await,
        [0; 0],
        "nor does it come later"
    );
}

async fn a_transaction_that_commits_late_is_not_missed_and_delays_nobody(database: TestDatabase) {
    use annals_store::sqlx::{Connection as _, Executor as _};
    let store = followed(&database).await;
    if database.backend == Backend::Sqlite {
        // It has one writer at a time.
        return;
    }
    let mut cursor = store.arrival_cursor::<Note>().await.unwrap();
    let mut slow = annals_store::sqlx::PgConnection::connect(&database.url)
        .await
        .unwrap();
    let mut never = annals_store::sqlx::PgConnection::connect(&database.url)
        .await
        .unwrap();
    slow.execute("BEGIN").await.unwrap();
    slow.execute("INSERT INTO notes VALUES (now(), 1000)")
        .await
        .unwrap();
    never.execute("BEGIN").await.unwrap();
    never
        .execute("INSERT INTO notes VALUES (now(), 2000)")
        .await
        .unwrap();
    for round in 0..3 {
        write(&store, [round * 2, round * 2 + 1]).await;
        assert_eq!(
            come(&store, &mut cursor, 1).await.len(),
            2,
            "nobody waits for the slow one"
        );
    }
    slow.execute("INSERT INTO notes VALUES (now(), 1001)")
        .await
        .unwrap();
    // A page that is full is finished as it was begun: what commits in the middle of it comes behind it.
    write(&store, [10, 11, 12]).await;
    let page = store
        .arrivals::<Note>(Filter::all([]), &cursor, 2)
        .await
        .unwrap();
    slow.execute("COMMIT").await.unwrap();
    cursor = page.cursor;
    let mut numbers: Vec<i64> = page.rows.iter().map(|note| note.number).collect();
    numbers.extend(come(&store, &mut cursor, 1).await);
    numbers.extend(come(&store, &mut cursor, 1).await);
    numbers.sort_unstable();
    assert_eq!(numbers, [10, 11, 12, 1000, 1001]);
    never.execute("ROLLBACK").await.unwrap();
    assert_eq!(come(&store, &mut cursor, 1).await, [0; 0]);
}

async fn writers_beside_each_other_lose_nothing(database: TestDatabase) {
    let store = followed(&database).await;
    let mut cursor = store.arrival_cursor::<Note>().await.unwrap();
    let writers = (0..4_i64).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            let rows = store.writer::<Note>().await.unwrap();
            for round in 0..25 {
                let first = writer * 1_000 + round * 4;
                let notes = (first..first + 4).map(note).collect();
                assert_eq!(rows.write(notes).await.unwrap().parked, 0);
            }
        })
    });
    let mut writers: Vec<_> = writers.collect();
    let mut numbers = Vec::new();
    while !writers.is_empty() {
        writers.retain(|writer| !writer.is_finished());
        numbers.extend(come(&store, &mut cursor, 7).await);
    }
    numbers.extend(come(&store, &mut cursor, 7).await);
    let distinct: BTreeSet<i64> = numbers.iter().copied().collect();
    assert_eq!((numbers.len(), distinct.len()), (400, 400));
}
