//! A file that others lock, and a program that is killed while it writes.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use annals_testkit::{Backend, TestDatabase, backend, on_every_backend};

use super::*;

on_every_backend!(
    @one sqlite, Sqlite,
    writes_wait_for_another_program_and_then_commit,
    acknowledged_rows_are_there_when_the_file_is_opened_again
);

async fn writes_wait_for_another_program_and_then_commit(database: TestDatabase) {
    let store = store_of::<Note>(&database).await;
    let writer = hasty_writer::<Note>(&store, |_| {}).await;
    let lock = database.lock_table("notes").await;
    let mut tickets = Vec::new();
    for n in 0..10 {
        tickets.push(writer.enqueue(numbered([n])).await.unwrap());
    }
    pause(300).await;
    assert_eq!(writer.report().held, 10);
    // Who only reads does not wait.
    assert_eq!(within(stored::<Note>(&store)).await, [] as [i64; 0]);
    lock.release().await;
    for ticket in tickets {
        assert_eq!(within(ticket).await.unwrap().committed, 1);
    }
    assert_eq!(stored::<Note>(&store).await, Vec::from_iter(0..10));
}

async fn acknowledged_rows_are_there_when_the_file_is_opened_again(database: TestDatabase) {
    for round in 0..3 {
        let store = store_of::<Note>(&database).await;
        let writer = hasty_writer::<Note>(&store, |_| {}).await;
        let rows = numbered(round * 100..(round + 1) * 100);
        assert_eq!(writer.write(rows).await.unwrap().committed, 100);
        // Neither shut down nor closed.
        drop((writer, store));
    }
    let store = database.store().await;
    assert_eq!(stored::<Note>(&store).await, Vec::from_iter(0..300));
}

const FILE: &str = "ANNALS_TEST_FILE_OF_CHILD";

#[test]
#[ignore = "is started by the test below, in a process of its own"]
fn child_that_writes_until_it_is_killed() {
    let Ok(url) = std::env::var(FILE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let database = TestDatabase::at(Backend::Sqlite, url);
        let store = database.store().await;
        let writer = hasty_writer::<Note>(&store, |_| {}).await;
        for n in 0.. {
            assert_eq!(
                writer
                    .write(numbered(n * 10..n * 10 + 10))
                    .await
                    .unwrap()
                    .committed,
                10
            );
            eprintln!("acknowledged {}", n * 10 + 10);
        }
    });
}

#[test]
fn a_program_killed_while_it_writes_loses_nothing_that_it_acknowledged() {
    backend::run(Backend::Sqlite, |database| async move {
        store_of::<Note>(&database).await.close().await;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "faults::sqlite::child_that_writes_until_it_is_killed",
            ])
            .args(["--ignored", "--nocapture"])
            .env(FILE, &database.url)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut acknowledged = 0;
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            // What is not a number is what the runner says.
            let line = line.unwrap();
            let Some(rows) = line.strip_prefix("acknowledged ") else {
                continue;
            };
            acknowledged = rows.parse().unwrap();
            if acknowledged == 300 {
                // It goes on writing; lines that it got out before the end still count.
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success());
        assert!(acknowledged >= 300, "{acknowledged}");
        let store = database.store().await;
        let stored = stored::<Note>(&store).await;
        // A batch is there whole or not at all, and at most the last one unacknowledged.
        assert_eq!(stored.len() % 10, 0);
        assert_eq!(stored, Vec::from_iter(0..stored.len() as i64));
        assert!(stored.len() == acknowledged || stored.len() == acknowledged + 10);
        let fine = "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'";
        assert_eq!(database.number(fine).await, 1);
    });
}

#[test]
fn a_closed_file_has_its_log_in_it() {
    backend::run(Backend::Sqlite, |database| async move {
        let store = database.store().await;
        store.migrator(&[]).up().await.unwrap();
        let file = database.url.strip_prefix("sqlite:").unwrap();
        let log = format!("{file}-wal");
        assert!(std::fs::exists(&log).unwrap());
        store.close().await;
        assert!(!std::fs::exists(&log).unwrap());
    });
}
