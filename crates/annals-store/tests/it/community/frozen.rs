//! Chunks that are frozen for a while: their rows wait, and nobody waits for them.

use super::*;

fn on_day(day: i64, numbers: std::ops::Range<i64>) -> Vec<Note> {
    numbers
        .map(|number| Note {
            at: at(day * DAY),
            number,
        })
        .collect()
}

async fn old_chunks(database: &TestDatabase, verb: &str) {
    let chunks = "SELECT show_chunks('notes', older_than => '2023-11-16'::timestamptz) AS chunk";
    let sql = format!("SELECT _timescaledb_functions.{verb}_chunk(chunk) FROM ({chunks}) AS old");
    database.execute(&sql).await;
}

/// A table of which the chunk of day 0 is frozen.
async fn partly_frozen(database: &TestDatabase) -> (Store, Writer<Note>) {
    let store = store_of::<Note>(database).await;
    let writer = hasty_writer::<Note>(&store, |options| {
        options.hold_delay = Duration::from_millis(100);
        options.connections = size(1);
    })
    .await;
    assert_eq!(writer.write(on_day(0, 0..1)).await.unwrap().committed, 1);
    old_chunks(database, "freeze").await;
    (store, writer)
}

/// Five rows for the frozen chunk and one for another, in one request.
fn mixed(first: i64) -> Vec<Note> {
    [on_day(0, first..first + 5), on_day(3, first + 5..first + 6)].concat()
}

#[test]
fn rows_for_a_frozen_chunk_wait_and_others_pass() {
    on_community(|database| async move {
        let (store, writer) = partly_frozen(&database).await;
        let mut held = Vec::new();
        for n in 0..10 {
            held.push(writer.enqueue(mixed(100 + n * 10)).await.unwrap());
        }
        for n in 0..20 {
            let hot = on_day(3, 1_000 + n * 10..1_010 + n * 10);
            assert_eq!(within(writer.write(hot)).await.unwrap().committed, 10);
        }
        eventually("the hot rows", async || {
            stored::<Note>(&store).await.len() == 211
        })
        .await;
        let report = writer.report();
        assert_eq!((report.committed, report.held, report.parked), (211, 50, 0));
        old_chunks(&database, "unfreeze").await;
        for ticket in held {
            assert_eq!(within(ticket).await.unwrap().committed, 6);
        }
        assert_eq!(stored::<Note>(&store).await.len(), 261);
    });
}

#[test]
fn a_shutdown_reports_rows_of_a_frozen_chunk_as_lost() {
    on_community(|database| async move {
        let (store, writer) = partly_frozen(&database).await;
        let ticket = writer.enqueue(mixed(10)).await.unwrap();
        let report = within(writer.shutdown(Duration::from_millis(500))).await;
        assert_balanced(&report);
        assert_eq!((report.committed, report.lost), (2, 5));
        let error = within(ticket).await.unwrap_err();
        assert!(matches!(error, WriteError::Lost { rows: 6 }), "{error}");
        old_chunks(&database, "unfreeze").await;
        assert_eq!(stored::<Note>(&store).await, [0, 15]);
    });
}

#[test]
fn a_shutdown_waits_for_a_chunk_that_thaws_in_time() {
    on_community(|database| async move {
        let (store, writer) = partly_frozen(&database).await;
        let ticket = writer.enqueue(mixed(10)).await.unwrap();
        let (report, ()) = tokio::join!(within(writer.shutdown(PATIENCE)), async {
            pause(300).await;
            old_chunks(&database, "unfreeze").await;
        });
        assert_balanced(&report);
        assert_eq!((report.committed, report.lost), (7, 0));
        assert_eq!(within(ticket).await.unwrap().committed, 6);
        assert_eq!(stored::<Note>(&store).await, [0, 10, 11, 12, 13, 14, 15]);
    });
}
