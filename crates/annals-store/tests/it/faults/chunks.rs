//! Many chunks, and many who make them.

use annals_testkit::{TestDatabase, on_every_backend};

use super::*;

on_every_backend!(
    @one timescale, Timescale,
    a_request_over_two_thousand_chunks_commits_in_bounded_transactions,
    writers_that_make_the_same_chunks_at_once_all_succeed
);

const DAY: i64 = 86_400;

fn on_day(day: i64, number: i64) -> Note {
    Note {
        at: at(day * DAY),
        number,
    }
}

async fn a_request_over_two_thousand_chunks_commits_in_bounded_transactions(
    database: TestDatabase,
) {
    let store = store_of::<Note>(&database).await;
    let writer = hasty_writer::<Note>(&store, |_| {}).await;
    // Two rows a day, the days out of order.
    let notes: Vec<Note> = (0..4_000).map(|n| on_day(n * 7 % 2_000, n)).collect();
    let written = within(writer.write(notes)).await.unwrap();
    assert_eq!((written.committed, written.parked), (4_000, 0));
    assert_eq!(stored::<Note>(&store).await, Vec::from_iter(0..4_000));
    let chunks = "SELECT count(*) FROM timescaledb_information.chunks";
    assert_eq!(database.number(chunks).await, 2_000);
    // Every row that was written by one transaction carries its number.
    let most = "SELECT max(days) FROM (
                    SELECT count(DISTINCT at) AS days FROM notes GROUP BY xmin::text
                ) AS transactions";
    let most = database.number(most).await;
    assert!(most <= 100, "{most} chunks in one transaction");
    assert_eq!(
        database.number("SELECT count(*) FROM annals_ledger").await,
        20
    );
}

async fn writers_that_make_the_same_chunks_at_once_all_succeed(database: TestDatabase) {
    store_of::<Gauge>(&database).await;
    let gauge = |writer: i64, day: i64| Gauge {
        sensor: format!("w{writer}"),
        at: at(day * DAY),
        number: writer * 1_000 + day,
    };
    let mut tasks = Vec::new();
    for task in 0..4 {
        let store = database.store_with(hasty).await;
        tasks.push(tokio::spawn(async move {
            let writer = hasty_writer::<Gauge>(&store, |options| {
                options.batch_rows = size(5);
                options.connections = size(2);
            });
            let writer = writer.await;
            let mut days: Vec<i64> = (0..60).collect();
            if task % 2 == 1 {
                days.reverse();
            }
            for days in days.chunks(15) {
                let gauges = days.iter().map(|day| gauge(task, *day)).collect();
                assert_eq!(writer.write(gauges).await.unwrap().committed, 15);
            }
            writer.shutdown(PATIENCE).await
        }));
    }
    for task in tasks {
        let report = within(task).await.unwrap();
        assert_eq!((report.committed, report.parked), (60, 0));
    }
    let store = database.store().await;
    let expected: Vec<i64> = (0..4)
        .flat_map(|w| (0..60).map(move |day| w * 1_000 + day))
        .collect();
    assert_eq!(stored::<Gauge>(&store).await, expected);
}
