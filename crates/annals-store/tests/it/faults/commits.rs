//! COMMITs whose answer is lost, or late, or never meant.

use annals_store::{DeadLetter, Written};
use annals_testkit::{TestDatabase, on_every_server};

use super::*;

on_every_server!(
    a_commit_whose_answer_is_lost_counts_once,
    rows_that_commit_together_count_once_though_the_answer_is_lost,
    a_commit_whose_answer_is_lost_counts_once_though_the_server_is_away_next,
    the_ledger_knows_which_rows_a_lost_commit_parked,
    a_single_row_whose_commit_is_in_doubt_counts_once,
    a_retry_waits_for_a_commit_that_is_still_on_its_way,
    a_retry_writes_when_the_first_commit_never_comes,
    a_replay_whose_answer_is_lost_counts_once,
);

fn committed(rows: usize) -> Written {
    Written {
        committed: rows,
        parked: 0,
    }
}

async fn ledger_entries(database: &TestDatabase) -> i64 {
    database.number("SELECT count(*) FROM annals_ledger").await
}

async fn a_commit_whose_answer_is_lost_counts_once(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let store = store_of::<Note>(&behind).await;
    let writer = hasty_writer::<Note>(&store, |_| {}).await;
    for round in 1..=5 {
        proxy.swallow_commit_reply(1);
        let rows = numbered(round * 10..round * 10 + 3);
        assert_eq!(within(writer.write(rows)).await.unwrap(), committed(3));
        assert_eq!(proxy.replies_swallowed(), round as u64);
    }
    assert_eq!(stored::<Note>(&store).await.len(), 15);
    assert_eq!(ledger_entries(&database).await, 5);
    let report = writer.shutdown(PATIENCE).await;
    assert_eq!((report.accepted, report.committed), (15, 15));
}

/// They have no key: a part of them, or all of them twice, would be seen.
async fn rows_that_commit_together_count_once_though_the_answer_is_lost(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let store = store_of::<Note>(&behind).await;
    let writer = hasty_writer::<Note>(&store, |_| {}).await;
    for round in 0..3 {
        proxy.swallow_commit_reply(1);
        let first = round * 150;
        // Over more chunks than other batches take.
        let rows = (first..first + 150).map(|number| Note {
            at: at(number * 86_400),
            number,
        });
        within(writer.write_whole(rows.collect())).await.unwrap();
    }
    assert_eq!(proxy.replies_swallowed(), 3);
    assert_eq!(stored::<Note>(&store).await, Vec::from_iter(0..450));
    assert_eq!(ledger_entries(&database).await, 3);
    assert_balanced(&writer.shutdown(PATIENCE).await);
}

/// What the retry meets says nothing about the first attempt: it must not become a new batch.
async fn a_commit_whose_answer_is_lost_counts_once_though_the_server_is_away_next(
    database: TestDatabase,
) {
    let (proxy, behind) = database.behind_proxy().await;
    let store = store_of::<Note>(&behind).await;
    let writer = hasty_writer::<Note>(&store, |options| {
        options.retry_delay = Duration::from_millis(200);
        options.retry_delay_max = Duration::from_millis(200);
    })
    .await;
    proxy.swallow_commit_reply(1);
    let ticket = writer.enqueue(numbered(0..3)).await.unwrap();
    eventually("the commit", async || proxy.replies_swallowed() == 1).await;
    proxy.refuse();
    proxy.cut();
    let before = proxy.connections_accepted();
    eventually("retries", async || {
        proxy.connections_accepted() > before + 2
    })
    .await;
    proxy.admit();
    assert_eq!(within(ticket).await.unwrap(), committed(3));
    assert_eq!(stored::<Note>(&store).await, [0, 1, 2]);
    assert_eq!(ledger_entries(&database).await, 1);
    let report = writer.shutdown(PATIENCE).await;
    assert_eq!((report.accepted, report.committed), (3, 3));
}

async fn the_ledger_knows_which_rows_a_lost_commit_parked(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let store = store_of::<Note>(&behind).await;
    database
        .execute("ALTER TABLE notes ADD CONSTRAINT even CHECK (number % 2 = 0)")
        .await;
    let writer = hasty_writer::<Note>(&store, |_| {}).await;
    proxy.swallow_commit_reply(1);
    let written = within(writer.write(numbered(0..10))).await.unwrap();
    assert_eq!((written.committed, written.parked), (5, 5));
    assert_eq!(proxy.replies_swallowed(), 1);
    assert_eq!(stored::<Note>(&store).await, [0, 2, 4, 6, 8]);
    let letters = store.dead_letters().list().fetch().await.unwrap().rows;
    let mut rows: Vec<i32> = letters.iter().map(|letter| letter.batch_row).collect();
    rows.sort_unstable();
    assert_eq!(rows, [1, 3, 5, 7, 9]);
    let report = writer.shutdown(PATIENCE).await;
    assert_eq!(
        (report.accepted, report.committed, report.parked),
        (10, 5, 5)
    );
}

async fn a_single_row_whose_commit_is_in_doubt_counts_once(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let store = store_of::<Note>(&behind).await;
    let writer = hasty_writer::<Note>(&store, |_| {}).await;
    proxy.swallow_commit_reply(1);
    assert_eq!(
        within(writer.write(numbered([7]))).await.unwrap(),
        committed(1)
    );
    assert_eq!(
        (proxy.replies_swallowed(), stored::<Note>(&store).await),
        (1, vec![7])
    );
}

/// Connections of the store that wait for a lock at the ledger.
const WAITING_AT_LEDGER: &str = "
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%annals_ledger%'
       AND pid <> pg_backend_pid()";

async fn a_retry_waits_for_a_commit_that_is_still_on_its_way(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let store = store_of::<Note>(&behind).await;
    let writer = hasty_writer::<Note>(&store, |_| {}).await;
    proxy.hold_commits(1);
    let ticket = writer.enqueue(numbered(0..3)).await.unwrap();
    within(proxy.wait_held(1)).await;
    proxy.cut();
    eventually("the retry", async || {
        database.number(WAITING_AT_LEDGER).await == 1
    })
    .await;
    assert_eq!(writer.report().committed, 0);
    proxy.release_commits();
    assert_eq!(within(ticket).await.unwrap(), committed(3));
    assert_eq!(stored::<Note>(&store).await, [0, 1, 2]);
    assert_eq!(ledger_entries(&database).await, 1);
}

async fn a_retry_writes_when_the_first_commit_never_comes(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let store = store_of::<Note>(&behind).await;
    let writer = hasty_writer::<Note>(&store, |_| {}).await;
    proxy.hold_commits(1);
    let ticket = writer.enqueue(numbered(0..3)).await.unwrap();
    within(proxy.wait_held(1)).await;
    proxy.cut();
    eventually("the retry", async || {
        database.number(WAITING_AT_LEDGER).await == 1
    })
    .await;
    // The transaction whose COMMIT is in the proxy dies, and the COMMIT arrives at nobody.
    let killed = database
        .number(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
              WHERE datname = current_database() AND state = 'idle in transaction'",
        )
        .await;
    assert_eq!(killed, 1);
    assert_eq!(within(ticket).await.unwrap(), committed(3));
    proxy.release_commits();
    assert_eq!(stored::<Note>(&store).await, [0, 1, 2]);
    assert_eq!(ledger_entries(&database).await, 1);
}

async fn a_replay_whose_answer_is_lost_counts_once(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let store = store_of::<Note>(&behind).await;
    database
        .execute("ALTER TABLE notes ADD CONSTRAINT none CHECK (number < 0)")
        .await;
    let writer = hasty_writer::<Note>(&store, |options| {
        options.retry_delay = Duration::from_millis(200);
        options.retry_delay_max = Duration::from_millis(200);
    })
    .await;
    assert_eq!(
        within(writer.write(numbered(0..4))).await.unwrap().parked,
        4
    );
    database
        .execute("ALTER TABLE notes DROP CONSTRAINT none")
        .await;
    let letters: Vec<DeadLetter> = store.dead_letters().list().fetch().await.unwrap().rows;
    proxy.swallow_commit_reply(1);
    let (replayed, ()) = tokio::join!(within(writer.replay(letters)), async {
        eventually("the commit", async || proxy.replies_swallowed() == 1).await;
        proxy.refuse();
        proxy.cut();
        let before = proxy.connections_accepted();
        eventually("retries", async || {
            proxy.connections_accepted() > before + 2
        })
        .await;
        proxy.admit();
    });
    let replayed = replayed.unwrap();
    assert_eq!((replayed.committed, replayed.refused), (4, 0));
    assert_eq!(stored::<Note>(&store).await, [0, 1, 2, 3]);
    assert_eq!(store.dead_letters().list().count().await.unwrap(), 0);
}
