//! Servers that are killed while many write.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering::SeqCst},
    },
};

use annals_testkit::{TestDatabase, on_every_server, server::Options};

use super::*;

on_every_server!(
    rows_without_a_key_outlive_a_killed_server_once,
    rows_with_a_key_outlive_a_killed_server_once,
);

async fn rows_without_a_key_outlive_a_killed_server_once(database: TestDatabase) {
    killed_again_and_again::<Note>(&database).await;
}

async fn rows_with_a_key_outlive_a_killed_server_once(database: TestDatabase) {
    killed_again_and_again::<Gauge>(&database).await;
}

const KILLS: u64 = 6;
const ROWS: i64 = 5;

async fn killed_again_and_again<R: Numbered>(like: &TestDatabase) {
    let (cluster, database) = own_server(like, Options::new()).await;
    let (proxy, behind) = database.behind_proxy().await;
    let store = store_of::<R>(&behind).await;
    // Answers take their time, so that a server often dies with some on their way: committed, and
    // nobody was told.
    proxy.delay(Duration::from_millis(2));
    let writer = hasty_writer::<R>(&store, |options| {
        options.connections = size(6);
        options.batch_rows = size(20);
        options.queue_rows = size(200);
    });
    let writer = Arc::new(writer.await);
    let next = Arc::new(AtomicI64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for task in 0..12 {
        let (writer, next, stop) = (Arc::clone(&writer), Arc::clone(&next), Arc::clone(&stop));
        tasks.push(tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            while !stop.load(SeqCst) {
                let first = next.fetch_add(ROWS, SeqCst);
                let rows = numbered::<R>(first..first + ROWS);
                // Half of them wait for their rows, half for a ticket.
                let written = match task % 2 {
                    0 => writer.write(rows).await,
                    _ => writer.enqueue(rows).await.unwrap().await,
                };
                let written = written.unwrap();
                assert_eq!((written.committed, written.parked), (ROWS as usize, 0));
                acknowledged.extend(first..first + ROWS);
            }
            acknowledged
        }));
    }
    for kill in 1..=KILLS {
        // In the middle of it: rows were committed since the last time, and more are on their way.
        let before = writer.report().committed;
        eventually("progress", async || {
            writer.report().committed > before + 100
        })
        .await;
        pause(kill * 7 % 5).await;
        proxy.cut();
        tokio::task::block_in_place(|| cluster.kill()).unwrap();
        pause(kill % 3 * 60).await;
        tokio::task::block_in_place(|| cluster.start_again()).unwrap();
    }
    stop.store(true, SeqCst);
    let mut acknowledged = BTreeSet::new();
    for task in tasks {
        acknowledged.extend(within(task).await.unwrap());
    }
    let report = Arc::into_inner(writer).unwrap().shutdown(PATIENCE).await;
    assert_balanced(&report);
    assert_eq!((report.lost, report.parked, report.returned), (0, 0, 0));
    assert_eq!(report.committed, acknowledged.len() as u64);
    assert_eq!(stored::<R>(&store).await, Vec::from_iter(acknowledged));
    store.close().await;
}
