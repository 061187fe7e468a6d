//! Following: each record once, and none left out.

use std::{collections::BTreeSet, sync::Arc};

use annals_store::{ArrivalCursor, sqlx};
use annals_telemetry::{LogFilter, LogFollower, LogRecord, Logs, LogsOptions};
use annals_testkit::{Backend, TestDatabase, on_every_backend};

use super::{at, open, said};

on_every_backend!(
    what_comes_is_told_once_whatever_its_time,
    a_reader_who_comes_back_goes_on_where_it_was,
    writers_beside_each_other_and_transactions_that_hang_lose_nothing,
    what_does_not_match_is_not_told,
    the_same_request_again_is_no_news,
    a_cursor_of_another_filter_is_refused,
);

/// Follows until so many records have come.
async fn come(follower: &mut LogFollower, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    while bodies.len() < count {
        let new = follower.next().await.unwrap();
        assert!(!new.rows.is_empty());
        bodies.extend(new.rows.into_iter().map(|record| record.body.unwrap()));
    }
    bodies
}

async fn assert_nothing_more(follower: &mut LogFollower) {
    assert_eq!(follower.look().await.unwrap(), []);
}

fn all() -> LogFilter {
    LogFilter::default()
}

async fn what_comes_is_told_once_whatever_its_time(database: TestDatabase) {
    let logs = open(&database).await;
    let _ = logs.write(vec![said("api", "before", 0)]).await.unwrap();
    let now = logs.now().await.unwrap();
    for most in [1, 7, 500] {
        let mut follower = logs.follow(&all(), now.clone()).unwrap().with_most(most);
        let expected: BTreeSet<String> = (0..20).map(|n| n.to_string()).collect();
        if most == 1 {
            // All of one time but the last, which is far in the past.
            let records = (0..19).map(|n| said("api", &n.to_string(), 5));
            let _ = logs.write(records.collect()).await.unwrap();
            let old = said("api", "19", -100_000_000_000_000);
            let _ = logs.write(vec![old]).await.unwrap();
        }
        let came = come(&mut follower, 20).await;
        assert_eq!(came.len(), 20);
        assert_eq!(came.into_iter().collect::<BTreeSet<_>>(), expected);
        assert_nothing_more(&mut follower).await;
    }
}

async fn a_reader_who_comes_back_goes_on_where_it_was(database: TestDatabase) {
    let logs = open(&database).await;
    let mut cursor = logs.now().await.unwrap();
    let mut seen = Vec::new();
    for round in 0..5 {
        let records = (0..10).map(|n| said("api", &format!("{round}-{n}"), n));
        let _ = logs.write(records.collect()).await.unwrap();
        // Another process, that takes a few each time it comes.
        let other = open(&database).await;
        let mut follower = other.follow(&all(), cursor.clone()).unwrap().with_most(4);
        let new = follower.next().await.unwrap();
        seen.extend(new.rows.into_iter().map(|record| record.body.unwrap()));
        let text = new.cursor.to_string();
        cursor = text.parse::<ArrivalCursor>().unwrap();
    }
    let mut follower = logs.follow(&all(), cursor).unwrap().with_most(3);
    seen.extend(come(&mut follower, 50 - seen.len()).await);
    assert_nothing_more(&mut follower).await;
    assert_eq!(seen.len(), 50);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>().len(), 50);
}

async fn writers_beside_each_other_and_transactions_that_hang_lose_nothing(database: TestDatabase) {
    const WRITERS: usize = 4;
    const EACH: usize = 15;
    let logs = Arc::new(open(&database).await);
    // Whoever makes a chunk has others wait until its transaction ends.
    let first = [said("api", "first", 0), said("api", "first", -1)];
    let _ = logs.write(first.to_vec()).await.unwrap();
    let mut follower = logs.follow(&all(), logs.now().await.unwrap()).unwrap();
    follower = follower.with_most(5);
    let mut hanging = None;
    if database.backend != Backend::Sqlite {
        hanging = Some(hang(&database.url, "hanging").await);
        // This one never commits.
        drop(hang(&database.url, "gone").await);
    }
    let writers = (0..WRITERS).map(|writer| {
        let database = &database;
        async move {
            let logs = open(database).await;
            for n in 0..EACH {
                let body = format!("{writer}-{n}");
                // Later ones have earlier times.
                let time = -i64::try_from(n).unwrap();
                let written = logs.write(vec![said("api", &body, time)]).await.unwrap();
                assert_eq!(written.committed, 1);
            }
        }
    });
    let (came, _) = tokio::join!(
        come(&mut follower, WRITERS * EACH),
        futures_util::future::join_all(writers)
    );
    assert_eq!(came.iter().collect::<BTreeSet<_>>().len(), WRITERS * EACH);
    if let Some(mut hanging) = hanging {
        assert_nothing_more(&mut follower).await;
        use sqlx::Executor as _;
        hanging.execute("COMMIT").await.unwrap();
        assert_eq!(come(&mut follower, 1).await, ["hanging"]);
    }
    assert_nothing_more(&mut follower).await;
}

/// A transaction that has written a record, and is not at its end.
async fn hang(url: &str, body: &'static str) -> sqlx::PgConnection {
    use sqlx::{Connection as _, Executor as _};
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    let insert = sqlx::query(
        "INSERT INTO logs (id, timestamp, service_name, body) VALUES (gen_random_uuid(), '2025-01-01T00:00:01Z', 'api', $1)",
    );
    insert.bind(body).execute(&mut connection).await.unwrap();
    connection
}

async fn what_does_not_match_is_not_told(database: TestDatabase) {
    let logs = open(&database).await;
    let filter = LogFilter {
        service_name: Some("db".to_owned()),
        severity: Some(17),
        ..LogFilter::default()
    };
    let from = logs.now().await.unwrap();
    let mut follower = logs.follow(&filter, from).unwrap().with_most(1);
    let of = |service: &str, severity, body: &str| {
        LogRecord::new(service, at(0), severity, body).unwrap()
    };
    let records = vec![
        of("db", 17, "a"),
        of("api", 17, "no"),
        of("db", 16, "no"),
        of("db", 24, "b"),
    ];
    let _ = logs.write(records).await.unwrap();
    let came = come(&mut follower, 2).await;
    assert_eq!(came.into_iter().collect::<BTreeSet<_>>().len(), 2);
    assert_nothing_more(&mut follower).await;
}

async fn the_same_request_again_is_no_news(database: TestDatabase) {
    let logs = open(&database).await;
    let mut follower = logs.follow(&all(), logs.now().await.unwrap()).unwrap();
    let mut records = vec![said("api", "a", 0)];
    for _ in 0..3 {
        let _ = logs.write(records.clone()).await.unwrap();
    }
    assert_eq!(come(&mut follower, 1).await, ["a"]);
    records.push(said("api", "b", 0));
    let later = Logs::new(logs.store().clone(), LogsOptions::default());
    let _ = later.await.unwrap().write(records).await.unwrap();
    assert_eq!(come(&mut follower, 1).await, ["b"]);
    assert_nothing_more(&mut follower).await;
}

async fn a_cursor_of_another_filter_is_refused(database: TestDatabase) {
    let logs = open(&database).await;
    let mut follower = logs.follow(&all(), logs.now().await.unwrap()).unwrap();
    follower = follower.with_most(1);
    let _ = logs
        .write(vec![said("api", "a", 0), said("api", "b", 0)])
        .await
        .unwrap();
    follower.next().await.unwrap();
    let other = LogFilter {
        service_name: Some("api".to_owned()),
        ..LogFilter::default()
    };
    // On SQLite a place is one whatever is asked.
    if database.backend != Backend::Sqlite {
        let mut other = logs.follow(&other, follower.cursor().clone()).unwrap();
        assert!(other.look().await.is_err());
    }
    assert_eq!(come(&mut follower, 1).await.len(), 1);
}
