//! Shutting down while rows are on their way.

use annals_store::WriteError;
use annals_testkit::{Backend, TestDatabase, on_every_backend, on_every_server};

use super::*;

mod any {
    use super::*;
    on_every_backend!(
        a_shutdown_with_enough_time_commits_everything,
        a_shutdown_that_runs_out_of_time_reports_what_it_lost,
    );
    use super::{
        a_shutdown_that_runs_out_of_time_reports_what_it_lost,
        a_shutdown_with_enough_time_commits_everything,
    };
}

on_every_server!(a_commit_in_flight_at_the_deadline_is_reported_as_lost);

async fn a_shutdown_with_enough_time_commits_everything(database: TestDatabase) {
    let store = store_of::<Note>(&database).await;
    let writer = hasty_writer::<Note>(&store, |options| options.batch_rows = size(10)).await;
    let lock = database.lock_table("notes").await;
    let mut tickets = Vec::new();
    for n in 0..50 {
        tickets.push(writer.enqueue(numbered(n * 4..n * 4 + 4)).await.unwrap());
    }
    let (report, ()) = tokio::join!(writer.shutdown(PATIENCE), async {
        pause(100).await;
        lock.release().await;
    });
    assert_balanced(&report);
    assert_eq!((report.committed, report.held, report.lost), (200, 0, 0));
    for ticket in tickets {
        assert_eq!(ticket.await.unwrap().committed, 4);
    }
    assert_eq!(stored::<Note>(&store).await, Vec::from_iter(0..200));
}

async fn a_shutdown_that_runs_out_of_time_reports_what_it_lost(database: TestDatabase) {
    let store = store_of::<Note>(&database).await;
    let writer = hasty_writer::<Note>(&store, |options| options.batch_rows = size(10)).await;
    assert_eq!(writer.write(numbered([1_000])).await.unwrap().committed, 1);
    let lock = database.lock_table("notes").await;
    let mut tickets = Vec::new();
    for n in 0..50 {
        tickets.push(writer.enqueue(numbered(n * 4..n * 4 + 4)).await.unwrap());
    }
    let report = within(writer.shutdown(Duration::from_millis(300))).await;
    assert_balanced(&report);
    assert_eq!(
        (report.accepted, report.committed, report.lost),
        (201, 1, 200),
        "{report:?}"
    );
    for ticket in tickets {
        let error = within(ticket).await.unwrap_err();
        assert!(matches!(error, WriteError::Lost { rows: 4 }), "{error}");
    }
    lock.release().await;
    if database.backend == Backend::Sqlite {
        // What the thread had in its hands may still be committed, whole; nothing else, and
        // nothing twice.
        eventually("the thread", async || {
            store
                .delete::<Note>(annals_record::Filter::any([]))
                .await
                .is_ok()
        })
        .await;
        let stored = stored::<Note>(&store).await;
        let late = stored.len() as i64 - 1;
        assert!(late <= 10 && late % 4 == 0, "{stored:?}");
        assert_eq!(stored, Vec::from_iter((0..late).chain([1_000])));
        return;
    }
    eventually("the server has let go", async || {
        let busy = "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'annals'
                       AND state <> 'idle'";
        database.number(busy).await == 0
    })
    .await;
    assert_eq!(stored::<Note>(&store).await, [1_000]);
}

async fn a_commit_in_flight_at_the_deadline_is_reported_as_lost(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let store = store_of::<Note>(&behind).await;
    let writer = hasty_writer::<Note>(&store, |options| options.connections = size(1)).await;
    proxy.hold_commits(1);
    let ticket = writer.enqueue(numbered(0..3)).await.unwrap();
    within(proxy.wait_held(1)).await;
    let waiting = writer.enqueue(numbered(10..15)).await.unwrap();
    let report = within(writer.shutdown(Duration::from_millis(50))).await;
    assert_balanced(&report);
    assert_eq!(
        (report.accepted, report.committed, report.lost),
        (8, 0, 8),
        "{report:?}"
    );
    assert!(matches!(ticket.await, Err(WriteError::Lost { rows: 3 })));
    assert!(matches!(waiting.await, Err(WriteError::Lost { rows: 5 })));
    // "Lost" is "not known": the COMMIT was out, and arrives. What had not left does not.
    proxy.release_commits();
    eventually("the commit", async || {
        stored::<Note>(&store).await.len() == 3
    })
    .await;
    assert_eq!(stored::<Note>(&store).await, [0, 1, 2]);
}
