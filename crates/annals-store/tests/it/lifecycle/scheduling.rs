//! Policies run when they are due, by one of any number of servers.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use annals_record::Timestamp;
use annals_store::{
    AgingTable, Store,
    lifecycle::{Derived, Refresh, Scheduler},
};
use annals_testkit::{TestDatabase, on_every_backend};
use futures_util::future::{BoxFuture, FutureExt as _};

use super::*;

on_every_backend!(
    each_run_has_one_runner,
    retention_runs_from_its_policy,
    a_job_of_somebody_who_was_killed_is_taken_over,
    what_fails_is_kept_with_the_policy,
    a_start_in_the_future_does_not_keep_a_job_from_running,
    what_had_to_wait_comes_again_within_a_minute,
);

/// Counts how often it is asked, and takes its time.
#[derive(Clone, Default)]
struct Counter {
    runs: Arc<AtomicU64>,
    hangs: bool,
    fails: bool,
}

impl Refresh for Counter {
    fn refresh<'a>(
        &'a self,
        _store: &'a Store,
        _now: Timestamp,
    ) -> BoxFuture<'a, annals_store::Result<Option<String>>> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        async move {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            if self.fails {
                return Err(Error::Family("there is no more ink".into()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(Some("made 3 things".to_owned()))
        }
        .boxed()
    }
}

fn table(store: &Store, counter: &Counter, every: &str) -> AgingTable {
    AgingTable::of::<Reading>(store.names()).with_refresh(counter.clone(), Some(age(every)))
}

async fn each_run_has_one_runner(database: TestDatabase) {
    let counter = Counter::default();
    let mut servers = Vec::new();
    let store = ten_days(&database).await;
    for _ in 0..3 {
        let store = database.store().await;
        let scheduler = Scheduler::new(store.clone(), vec![table(&store, &counter, "1 hour")]);
        servers.push(scheduler);
    }
    for _ in 0..5 {
        let turns = servers.iter().map(Scheduler::turn);
        for turn in futures_util::future::join_all(turns).await {
            turn.unwrap();
        }
    }
    assert_eq!(counter.runs.load(Ordering::SeqCst), 1);
    let life = store.lifecycle(table(&store, &counter, "1 hour"));
    let status = life.policies().await.unwrap().pop().unwrap();
    assert_eq!(status.last_outcome.as_deref(), Some("made 3 things"));
    assert!(!status.is_set && !status.has_failed);
    assert!(status.next_run > status.last_run);
    // A policy that is set anew is due at once.
    let sooner = Policy {
        kind: PolicyKind::Refresh,
        owner: None,
        interval: Some(age("30 minutes")),
    };
    life.set_policy(&sooner).await.unwrap();
    let turns = futures_util::future::join_all(servers.iter().map(Scheduler::turn)).await;
    assert!(turns.into_iter().all(|turn| turn.is_ok()));
    assert_eq!(counter.runs.load(Ordering::SeqCst), 2);
    // And one that is taken away is not due any more, though the table has it by default.
    life.remove_policy(PolicyKind::Refresh, None).await.unwrap();
    database
        .execute("UPDATE annals_jobs SET started_at = NULL")
        .await;
    servers[0].turn().await.unwrap();
    assert_eq!(counter.runs.load(Ordering::SeqCst), 2);
}

async fn retention_runs_from_its_policy(database: TestDatabase) {
    let store = database.store().await;
    store.create_table::<Reading>().await.unwrap();
    // By the clocks, as servers have them.
    let row = |days: u64| Reading {
        sensor: "a".to_owned(),
        at: Timestamp::now() - Duration::from_secs(days * DAY.unsigned_abs()),
        number: days.cast_signed(),
    };
    write(&store, vec![row(0), row(10), row(100)]).await;
    let table = || AgingTable::of::<Reading>(store.names());
    let scheduler = Scheduler::new(store.clone(), vec![table()]);
    scheduler.turn().await.unwrap();
    assert_eq!(rows(&store).await, 3);
    store
        .lifecycle(table())
        .set_policy(&retention("30 days"))
        .await
        .unwrap();
    scheduler.turn().await.unwrap();
    assert_eq!(rows(&store).await, 2);
    let of_one = Policy {
        owner: Some("a".to_owned()),
        ..retention("5 days")
    };
    store.lifecycle(table()).set_policy(&of_one).await.unwrap();
    scheduler.turn().await.unwrap();
    assert_eq!(rows(&store).await, 1);
}

async fn a_job_of_somebody_who_was_killed_is_taken_over(database: TestDatabase) {
    let store = ten_days(&database).await;
    let hanging = Counter {
        hangs: true,
        ..Counter::default()
    };
    let lease = Duration::from_millis(400);
    let first =
        Scheduler::new(store.clone(), vec![table(&store, &hanging, "1 second")]).with_lease(lease);
    let at_work = tokio::spawn(async move { first.turn().await });
    while hanging.runs.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let counter = Counter::default();
    let second =
        Scheduler::new(store.clone(), vec![table(&store, &counter, "1 second")]).with_lease(lease);
    // While it lives it renews its claim, however long it takes.
    tokio::time::sleep(lease * 3).await;
    second.turn().await.unwrap();
    assert_eq!(counter.runs.load(Ordering::SeqCst), 0);
    // Killed: nobody renews, and nobody gives anything back.
    let held = "UPDATE annals_jobs SET holder = '00000000-0000-0000-0000-000000000001' WHERE kind = 'refresh'";
    database.execute(held).await;
    at_work.abort();
    let _ = at_work.await;
    while counter.runs.load(Ordering::SeqCst) == 0 {
        second.turn().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(counter.runs.load(Ordering::SeqCst), 1);
}

async fn what_fails_is_kept_with_the_policy(database: TestDatabase) {
    let store = ten_days(&database).await;
    let failing = Counter {
        fails: true,
        ..Counter::default()
    };
    let scheduler = Scheduler::new(store.clone(), vec![table(&store, &failing, "1 hour")]);
    scheduler.turn().await.unwrap();
    let status = store
        .lifecycle(table(&store, &failing, "1 hour"))
        .policies()
        .await
        .unwrap();
    assert!(status[0].has_failed);
    assert_eq!(
        status[0].last_outcome.as_deref(),
        Some("there is no more ink")
    );
}

async fn a_start_in_the_future_does_not_keep_a_job_from_running(database: TestDatabase) {
    let store = ten_days(&database).await;
    let counter = Counter::default();
    let scheduler = Scheduler::new(store.clone(), vec![table(&store, &counter, "1 hour")]);
    scheduler.turn().await.unwrap();
    // The clock was an hour ahead then.
    let ahead = if database.backend == annals_testkit::Backend::Sqlite {
        "UPDATE annals_jobs SET started_at = started_at + 3600000000"
    } else {
        "UPDATE annals_jobs SET started_at = started_at + INTERVAL '1 hour'"
    };
    database.execute(ahead).await;
    scheduler.turn().await.unwrap();
    assert_eq!(counter.runs.load(Ordering::SeqCst), 2);
    scheduler.turn().await.unwrap();
    assert_eq!(counter.runs.load(Ordering::SeqCst), 2);
}

/// Lets nothing go, or all of it.
#[derive(Clone, Default)]
struct Gate(Arc<AtomicU64>);

impl Derived for Gate {
    fn prepare<'a>(
        &'a self,
        _store: &'a Store,
        _names: &'a annals_store::Names,
        until: Timestamp,
    ) -> BoxFuture<'a, annals_store::Result<Timestamp>> {
        let is_open = self.0.load(Ordering::SeqCst) > 0;
        async move { Ok(if is_open { until } else { Timestamp::MIN }) }.boxed()
    }
}

async fn what_had_to_wait_comes_again_within_a_minute(database: TestDatabase) {
    let store = ten_days(&database).await;
    let gate = Gate::default();
    let table = AgingTable::of::<Reading>(store.names()).with_derived(gate.clone());
    let life = store.lifecycle(table.clone());
    life.set_policy(&retention("90 days")).await.unwrap();
    let scheduler = Scheduler::new(store.clone(), vec![table]);
    scheduler.turn().await.unwrap();
    assert_eq!(rows(&store).await, 2_000);
    let status = life.policies().await.unwrap().pop().unwrap();
    assert!(status.last_outcome.unwrap().contains("wait"));
    gate.0.store(1, Ordering::SeqCst);
    scheduler.turn().await.unwrap();
    assert_eq!(rows(&store).await, 2_000);
    // A minute later; its period is an hour.
    let later = if database.backend == annals_testkit::Backend::Sqlite {
        "UPDATE annals_jobs SET started_at = started_at - 61000000"
    } else {
        "UPDATE annals_jobs SET started_at = started_at - INTERVAL '61 seconds'"
    };
    database.execute(later).await;
    scheduler.turn().await.unwrap();
    assert_eq!(rows(&store).await, 0);
}
