//! Networks that lose packets: sockets stay open, and nobody answers.

use annals_testkit::{TestDatabase, on_every_server};

use super::*;

on_every_server!(
    a_batch_on_a_stalled_connection_is_tried_again_on_another,
    a_commit_on_a_stalled_connection_counts_once,
    a_paused_server_only_delays,
);

fn impatient(config: &mut DatabaseConfig) {
    config.pool.connect_timeout = Duration::from_millis(300);
    config.pool.attempt_timeout = Duration::from_millis(300);
}

const IN_TRANSACTION: &str = "
    SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()";

async fn a_batch_on_a_stalled_connection_is_tried_again_on_another(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    store_of::<Note>(&database).await;
    let store = behind.store_with(impatient).await;
    let writer = hasty_writer::<Note>(&store, |options| options.connections = size(1)).await;
    let lock = database.lock_table("notes").await;
    let ticket = writer.enqueue(numbered(0..3)).await.unwrap();
    eventually("rows on their way", async || {
        database.number(IN_TRANSACTION).await > 0
    })
    .await;
    proxy.stall();
    lock.release().await;
    let before = proxy.connections_accepted();
    eventually("new connections", async || {
        proxy.connections_accepted() > before + 1
    })
    .await;
    assert_eq!(writer.report().committed, 0);
    proxy.flow();
    assert_eq!(within(ticket).await.unwrap().committed, 3);
    assert_eq!(stored::<Note>(&store).await, [0, 1, 2]);
}

async fn a_commit_on_a_stalled_connection_counts_once(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    store_of::<Note>(&database).await;
    let store = behind.store_with(impatient).await;
    let writer = hasty_writer::<Note>(&store, |options| options.connections = size(1)).await;
    proxy.hold_commits(1);
    let ticket = writer.enqueue(numbered(0..3)).await.unwrap();
    within(proxy.wait_held(1)).await;
    proxy.stall();
    proxy.release_commits();
    let before = proxy.connections_accepted();
    eventually("new connections", async || {
        proxy.connections_accepted() > before + 1
    })
    .await;
    proxy.flow();
    assert_eq!(within(ticket).await.unwrap().committed, 3);
    assert_eq!(stored::<Note>(&store).await, [0, 1, 2]);
    assert_eq!(
        database.number("SELECT count(*) FROM annals_ledger").await,
        1
    );
}

async fn a_paused_server_only_delays(like: TestDatabase) {
    let (cluster, database) = own_server(&like, Default::default()).await;
    store_of::<Note>(&database).await;
    let store = database.store_with(impatient).await;
    let writer = hasty_writer::<Note>(&store, |_| {}).await;
    let mut tickets = vec![writer.enqueue(numbered(0..3)).await.unwrap()];
    cluster.pause().unwrap();
    for n in 1..10 {
        tickets.push(writer.enqueue(numbered(n * 3..n * 3 + 3)).await.unwrap());
    }
    // Longer than an attempt may take, so that the server comes back to connections given up.
    pause(1_000).await;
    cluster.resume().unwrap();
    for ticket in tickets {
        assert_eq!(within(ticket).await.unwrap().committed, 3);
    }
    assert_eq!(stored::<Note>(&store).await, Vec::from_iter(0..30));
}
