//! Many writers of every kind, some of whom fail, and readers who come at any time: each committed message
//! comes once, in order.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use super::*;

on_every_backend!(readers_of_many_writers_see_each_message_once_in_order);
mod on_servers {
    use super::*;

    annals_testkit::on_every_server!(writers_that_fail_leave_no_trace_and_hide_nobody);
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    async fn pause(&mut self, most_micros: u64) {
        tokio::time::sleep(Duration::from_micros(self.roll(most_micros))).await;
    }
}

/// A reader that begins somewhere at some time, and reads until it has read the last message.
async fn read(namespace: Namespace, seed: u64, done: Arc<AtomicBool>) {
    let mut dice = Dice(seed);
    dice.pause(600_000).await;
    let from = i64::try_from(dice.roll(150)).unwrap();
    let member = ConsumerGroup::new(i64::from(seed.is_multiple_of(3)), 2);
    let selection = match seed % 4 {
        0 => Selection::All { from },
        1 => of_category("a", from, None),
        2 => of_category("a", from, member),
        _ => Selection::Live { from },
    };
    let mut subscription = namespace.subscribe(selection.clone());
    let begun = if seed % 4 == 3 {
        subscription.ready().await.unwrap();
        None
    } else {
        Some(from)
    };
    let mut seen: Vec<i64> = Vec::new();
    let mut finished = false;
    loop {
        // Some are slow, some give up waiting.
        if seed.is_multiple_of(5) {
            dice.pause(40_000).await;
        }
        let patience = Duration::from_micros(500 + dice.roll(200_000));
        let by_message = seed % 2 == 1;
        let found = if by_message {
            let found = tokio::time::timeout(patience, subscription.messages()).await;
            found.map(|messages| global(&messages.unwrap()))
        } else {
            let found = tokio::time::timeout(patience, subscription.pokes()).await;
            found.map(|pokes| places(&pokes.unwrap()))
        };
        match found {
            Ok(found) => seen.extend(found),
            // Long enough after the last for every reader to have looked.
            Err(_) if finished => break,
            Err(_) if done.load(SeqCst) => {
                tokio::time::sleep(Duration::from_millis(1_500)).await;
                finished = true;
            }
            Err(_) => {}
        }
    }
    assert!(
        seen.is_sorted_by(|a, b| a < b),
        "{seed}: twice, or out of order: {seen:?}"
    );
    let all = namespace.category(category("")).await.unwrap();
    let wanted = |message: &&Message| match &selection {
        Selection::Category {
            category, group, ..
        } => {
            annals_events::name::category(&message.stream) == category
                && group.is_none_or(|group| group.reads(&message.stream))
        }
        _ => true,
    };
    let expected = all
        .iter()
        .filter(wanted)
        .map(|message| message.place.global_position);
    // Who sees only what is new begins with what came first.
    let begun = begun.unwrap_or_else(|| seen.first().copied().unwrap_or(i64::MAX));
    let expected: Vec<i64> = expected.filter(|place| *place >= begun).collect();
    assert_eq!(seen, expected, "{seed}: {selection:?}");
    assert!(seed % 4 == 3 || !seen.is_empty());
}

/// Writers on two servers with random pauses, and sixteen readers on each.
async fn storm(servers: [&Namespace; 2], others: impl Future<Output = ()>, messages: usize) {
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for seed in 0..32 {
        let namespace = servers[usize::from(seed % 8 < 4)].clone();
        readers.push(tokio::spawn(read(namespace, seed, Arc::clone(&done))));
    }
    let mut writers = Vec::new();
    for writer in 0..8_usize {
        let namespace = servers[writer % 2].clone();
        writers.push(tokio::spawn(async move {
            let mut dice = Dice(1_000 + writer as u64);
            for number in 0..messages {
                let kind = if dice.roll(4) == 0 { "b" } else { "a" };
                write(&namespace, &format!("{kind}-{}", dice.roll(12)), number).await;
                if dice.roll(3) == 0 {
                    dice.pause(8_000).await;
                }
            }
        }));
    }
    others.await;
    for writer in writers {
        within(writer).await.unwrap();
    }
    done.store(true, SeqCst);
    for reader in readers {
        within(reader).await.unwrap();
    }
}

async fn readers_of_many_writers_see_each_message_once_in_order(database: TestDatabase) {
    let (_events, here) = namespace(&database).await;
    let elsewhere = server(&database).await.namespace("test").await.unwrap();
    // SQLite lets one process wait for the other, for longer than a test should.
    let messages = if database.backend == Backend::Sqlite {
        40
    } else {
        150
    };
    storm([&here, &elsewhere], async {}, messages).await;
    let verified = here.verify().await.unwrap();
    assert_eq!(verified.faults, [""; 0]);
    assert_eq!(verified.messages, 8 * messages as i64);
}

async fn writers_that_fail_leave_no_trace_and_hide_nobody(database: TestDatabase) {
    let (_events, here) = namespace(&database).await;
    let elsewhere = server(&database).await.namespace("test").await.unwrap();
    let schema = here.schema();
    let by_sql = |stream: &str| {
        format!("SELECT {schema}.write_message(NULL, '{stream}', 'T', '{{\"by\": \"sql\"}}')")
    };
    let others = async {
        let mut dice = Dice(7);
        for round in 0..24 {
            let write = by_sql(&format!("a-{}", dice.roll(12)));
            let wait = format!("SELECT pg_sleep(0.0{})", dice.roll(9));
            match round % 4 {
                0 => database.execute(&write).await,
                1 => {
                    database
                        .execute(&format!("BEGIN; {write}; {wait}; ROLLBACK"))
                        .await
                }
                2 => {
                    database
                        .execute(&format!("BEGIN; {write}; {write}; {wait}; COMMIT"))
                        .await
                }
                // Killed while it holds the lock.
                _ => {
                    let held = format!("BEGIN; {write}; SELECT pg_sleep(20) /* held */");
                    let url = database.url.clone();
                    let backend = database.backend;
                    let held = tokio::spawn(async move {
                        // It fails when it is killed, as it should.
                        TestDatabase::at(backend, url).execute(&held).await;
                    });
                    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                                 WHERE datname = current_database() AND state = 'active'
                                   AND query LIKE '%pg_sleep(20) /* held%' AND pid <> pg_backend_pid()
                                   AND wait_event = 'PgSleep'";
                    within(async { while database.number(kill).await == 0 {} }).await;
                    held.await.unwrap_err();
                }
            }
            dice.pause(10_000).await;
        }
    };
    storm([&here, &elsewhere], others, 60).await;
    let verified = here.verify().await.unwrap();
    assert_eq!(verified.faults, [""; 0]);
    assert_eq!(verified.messages, 8 * 60 + 6 + 12);
}
