//! What becomes of data as it ages, on every backend as far as that backend goes.

mod community;
mod derived;
mod scheduling;

use std::time::Duration;

use annals_record::{Record, Timestamp};
use annals_store::{
    AgingTable, Error, Interval, Lifecycle, LifecycleError, Store,
    lifecycle::{Expired, Expiry, Policy, PolicyKind},
};
use annals_testkit::{Backend, TestDatabase, on_every_backend};

on_every_backend!(
    what_is_old_goes_and_what_is_young_stays,
    a_dry_run_tells_what_would_go_and_changes_nothing,
    rows_of_one_owner_go_in_bounded_steps,
    policies_survive_a_restart_and_a_migration_down_and_up,
    what_a_backend_cannot_do_is_one_sentence_with_the_way_out,
    two_operators_cannot_fight,
    a_policy_that_cannot_be_is_refused_and_nothing_changes,
    a_table_that_is_not_there_is_named,
    a_clock_that_is_moved_back_makes_nothing_old,
    sizes_are_told,
    a_user_who_does_not_own_the_table_is_told_who_does,
);

#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "readings",
    time = "at",
    key("sensor", "at"),
    on_conflict = "update",
    chunk = "1 day",
    segment_by = "sensor",
    order_by = "at desc",
    index("at desc"),
    index("number")
)]
pub(crate) struct Reading {
    pub(crate) sensor: String,
    pub(crate) at: Timestamp,
    pub(crate) number: i64,
}

pub(crate) const DAY: i64 = 86_400;

/// Noon of the day on which tests take place.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_seconds(1_700_006_400 / DAY * DAY + DAY / 2).unwrap()
}

/// A time so many days before.
pub(crate) fn days_ago(days: i64, seconds: i64) -> Timestamp {
    now() - Duration::from_secs((days * DAY).unsigned_abs())
        + Duration::from_secs(seconds.unsigned_abs())
}

pub(crate) fn reading(sensor: &str, days: i64, second: i64) -> Reading {
    Reading {
        sensor: sensor.to_owned(),
        at: days_ago(days, second),
        number: days * 1_000 + second,
    }
}

/// Ten days with a hundred readings each of two sensors.
pub(crate) async fn ten_days(database: &TestDatabase) -> Store {
    let store = database.store().await;
    store.create_table::<Reading>().await.unwrap();
    let rows = (0..10).flat_map(|day| {
        (0..100).flat_map(move |second| ["a", "b"].map(|sensor| reading(sensor, day, second)))
    });
    write(&store, rows.collect()).await;
    store
}

pub(crate) async fn write(store: &Store, rows: Vec<Reading>) {
    let writer = store.writer::<Reading>().await.unwrap();
    let count = rows.len();
    let written = writer.write(rows).await.unwrap();
    assert_eq!((written.committed, written.parked), (count, 0));
    writer.shutdown(Duration::from_secs(60)).await;
}

pub(crate) fn life(store: &Store) -> Lifecycle {
    store
        .lifecycle(AgingTable::of::<Reading>(store.names()))
        .at(now())
}

pub(crate) fn age(text: &str) -> Interval {
    text.parse().unwrap()
}

pub(crate) async fn rows(store: &Store) -> u64 {
    store.query::<Reading>().count().await.unwrap()
}

pub(crate) async fn oldest(store: &Store) -> Timestamp {
    let page = store
        .query::<Reading>()
        .order(Reading::AT.asc())
        .limit(1)
        .fetch()
        .await
        .unwrap();
    page.rows[0].at
}

async fn expire(life: &Lifecycle, older: &str) -> Expiry {
    life.expire(&age(older), false, &mut |_| {}).await.unwrap()
}

fn has_chunks(database: &TestDatabase) -> bool {
    database.backend == Backend::Timescale
}

async fn what_is_old_goes_and_what_is_young_stays(database: TestDatabase) {
    let store = ten_days(&database).await;
    let life = life(&store);
    let done = expire(&life, "4 days").await;
    if has_chunks(&database) {
        // Whole chunks of a day: the one that reaches beyond stays. Noon of day 4 is no chunk's end.
        assert_eq!((done.chunks, done.rows, done.left), (5, 0, 0));
        assert_eq!(oldest(&store).await, days_ago(4, 0));
        assert_eq!(rows(&store).await, 5 * 200);
        assert!(done.bytes > 0);
    } else {
        // Row by row, to the microsecond: of day 4 noon itself stays.
        assert_eq!((done.chunks, done.rows, done.left), (0, 5 * 200, 0));
        assert_eq!(oldest(&store).await, days_ago(4, 0));
        assert_eq!(done.until, Some(days_ago(4, 0)));
    }
    let again = expire(&life, "4 days").await;
    assert_eq!((again.chunks, again.rows), (0, 0));
    // What comes late is old already, and goes the next time.
    write(&store, vec![reading("late", 9, 7)]).await;
    assert_eq!(rows(&store).await, 5 * 200 + 1);
    let late = expire(&life, "4 days").await;
    assert_eq!(late.chunks + late.rows, 1);
    assert_eq!(rows(&store).await, 5 * 200);
}

async fn a_dry_run_tells_what_would_go_and_changes_nothing(database: TestDatabase) {
    let store = ten_days(&database).await;
    let life = life(&store);
    let mut told = Vec::new();
    let would = life
        .expire(&age("4 days"), true, &mut |step: &Expired| {
            told.push(step.clone())
        })
        .await
        .unwrap();
    assert_eq!(rows(&store).await, 2_000);
    if has_chunks(&database) {
        assert_eq!((would.chunks, told.len()), (5, 5));
        assert!(told.iter().all(|step| matches!(step, Expired::Due(_))));
        // The oldest first.
        let starts = told.iter().map(|step| match step {
            Expired::Due(chunk) => chunk.range_start,
            _ => unreachable!(),
        });
        assert!(starts.is_sorted());
    } else {
        assert_eq!(told, [Expired::DueRows(1_000)]);
        assert_eq!(would.rows, 1_000);
    }
    let did = expire(&life, "4 days").await;
    assert_eq!(
        (did.chunks, did.rows, did.until),
        (would.chunks, would.rows, would.until)
    );
}

async fn rows_of_one_owner_go_in_bounded_steps(database: TestDatabase) {
    let store = ten_days(&database).await;
    // More than one step has.
    let many = (0..25_000).map(|second| reading("many", 2, second));
    write(&store, many.collect()).await;
    let life = life(&store);
    let mut steps = Vec::new();
    let gone = life
        .delete_of("many", None, true, &mut |_| {})
        .await
        .unwrap();
    assert_eq!((gone, rows(&store).await), (25_000, 27_000));
    let gone = life
        .delete_of("many", None, false, &mut |rows: &u64| steps.push(*rows))
        .await
        .unwrap();
    assert_eq!((gone, rows(&store).await), (25_000, 2_000));
    assert!(
        steps.len() >= 3 && steps.iter().all(|step| *step <= 10_001),
        "{steps:?}"
    );
    let gone = life
        .delete_of("a", Some(&age("4 days")), false, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(gone, 5 * 100);
    let left = store
        .query::<Reading>()
        .filter(Reading::SENSOR.eq("b"))
        .count()
        .await
        .unwrap();
    assert_eq!((left, rows(&store).await), (1_000, 1_500));
    assert_eq!(
        life.delete_of("nobody", None, false, &mut |_| {})
            .await
            .unwrap(),
        0
    );
}

fn retention(text: &str) -> Policy {
    Policy::retention(age(text))
}

async fn policies_survive_a_restart_and_a_migration_down_and_up(database: TestDatabase) {
    let store = ten_days(&database).await;
    life(&store)
        .set_policy(&retention("90 days"))
        .await
        .unwrap();
    let of_one = Policy {
        owner: Some("a".to_owned()),
        ..retention("1 year 2 months")
    };
    life(&store).set_policy(&of_one).await.unwrap();
    life(&store)
        .set_policy(&retention("30 days"))
        .await
        .unwrap();
    store.close().await;

    let store = database.store().await;
    let shown = life(&store).policies().await.unwrap();
    let found: Vec<&Policy> = shown.iter().map(|status| &status.policy).collect();
    assert_eq!(found, [&retention("30 days"), &of_one]);
    assert!(
        shown
            .iter()
            .all(|status| status.is_set && status.runner == Some("annals serve"))
    );

    store.migrator(&[]).down(2).await.unwrap();
    store.migrator(&[]).up().await.unwrap();
    let shown = life(&store).policies().await.unwrap();
    assert_eq!(shown.len(), 2);
    assert!(
        life(&store)
            .remove_policy(PolicyKind::Retention, Some("a"))
            .await
            .unwrap()
    );
    assert!(
        !life(&store)
            .remove_policy(PolicyKind::Retention, Some("a"))
            .await
            .unwrap()
    );
    assert_eq!(life(&store).policies().await.unwrap().len(), 1);
}

async fn what_a_backend_cannot_do_is_one_sentence_with_the_way_out(database: TestDatabase) {
    let store = ten_days(&database).await;
    let life = life(&store);
    let week = age("7 days");
    let compress = life
        .compress_chunks(&week, false, &mut |_| {})
        .await
        .map(|_| ());
    let policy = Policy {
        kind: PolicyKind::Compression,
        owner: None,
        interval: Some(week.clone()),
    };
    let compression = life.set_policy(&policy).await;
    if !store.capabilities().columnstore() {
        for error in [compress.unwrap_err(), compression.unwrap_err()] {
            let text = error.to_string();
            assert!(text.contains("Community edition"), "{text}");
            assert!(
                text.contains(&store.capabilities().edition().to_string()),
                "{text}"
            );
            assert_eq!(text.lines().count(), 1);
        }
        assert!(life.policies().await.unwrap().is_empty());
    }
    let chunks = life.chunks(true).await;
    if has_chunks(&database) {
        let chunks = chunks.unwrap();
        assert_eq!(chunks.len(), 10);
        assert!(
            chunks
                .iter()
                .all(|chunk| chunk.rows == Some(200) && chunk.bytes > 0)
        );
        life.set_chunk_interval(&age("12 hours")).await.unwrap();
        assert_eq!(
            life.chunk_interval().await.unwrap(),
            Some(12 * 3_600_000_000)
        );
        let error = life.set_chunk_interval(&age("1 month")).await.unwrap_err();
        assert!(error.to_string().contains("months are not"), "{error}");
    } else {
        for error in [
            chunks.unwrap_err(),
            life.drop_chunks(&week, false, &mut |_| {})
                .await
                .unwrap_err(),
            life.set_chunk_interval(&week).await.unwrap_err(),
            life.export_chunk("any", &mut Vec::new()).await.unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains("annals policy set retention"), "{text}");
        }
        assert_eq!(life.chunk_interval().await.unwrap(), None);
    }
    assert_eq!(rows(&store).await, 2_000);
}

async fn two_operators_cannot_fight(database: TestDatabase) {
    let store = ten_days(&database).await;
    let life = life(&store);
    let (at_work, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let (one, other) = (life.clone(), life.clone());
    // The first one is held in the middle of its first step's report.
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let first = tokio::task::spawn(async move {
        let mut is_first = true;
        one.expire(&age("4 days"), false, &mut move |_| {
            if std::mem::take(&mut is_first) {
                at_work.send(()).unwrap();
                tokio::task::block_in_place(|| wait.recv().unwrap());
            }
        })
        .await
    });
    begun.recv().await.unwrap();
    let error = other
        .expire(&age("1 day"), false, &mut |_| {})
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Lifecycle(error) if matches!(**error, LifecycleError::Busy { .. })),
        "{error}"
    );
    go_on.send(()).unwrap();
    let done = first.await.unwrap().unwrap();
    assert!(done.chunks == 5 || done.rows == 1_000);
    // It is given back.
    expire(&other, "1 day").await;
}

async fn a_policy_that_cannot_be_is_refused_and_nothing_changes(database: TestDatabase) {
    let store = ten_days(&database).await;
    let life = life(&store);
    for (policy, why) in [
        (
            Policy {
                kind: PolicyKind::Refresh,
                owner: None,
                interval: Some(age("10s")),
            },
            "nothing is made of its rows",
        ),
        (
            Policy {
                kind: PolicyKind::Refresh,
                owner: Some("a".to_owned()),
                interval: Some(age("10s")),
            },
            "only retention",
        ),
        (
            Policy {
                owner: Some(String::new()),
                ..retention("1 day")
            },
            "empty",
        ),
    ] {
        let error = life.set_policy(&policy).await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    assert!(life.policies().await.unwrap().is_empty());
}

async fn a_table_that_is_not_there_is_named(database: TestDatabase) {
    let store = database.store().await;
    store.migrator(&[]).up().await.unwrap();
    let life = life(&store);
    let errors = [
        life.table_size().await.map(|_| ()),
        life.expire(&age("1 day"), true, &mut |_| {})
            .await
            .map(|_| ()),
    ];
    for error in errors {
        let text = error.unwrap_err().report();
        assert!(text.contains("readings"), "{text}");
    }
}

async fn a_clock_that_is_moved_back_makes_nothing_old(database: TestDatabase) {
    let store = ten_days(&database).await;
    let table = || AgingTable::of::<Reading>(store.names());
    // The end of day 4's chunk, to the hour.
    let end = days_ago(3, 0) - Duration::from_secs(DAY.unsigned_abs() / 2);
    let at = |time| store.lifecycle(table()).at(time);
    let four_days = Duration::from_secs(4 * DAY.unsigned_abs());
    let right = end + four_days;
    let back = at(right - Duration::from_secs(3_600));
    let would = back
        .expire(&age("4 days"), true, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(would.chunks, if has_chunks(&database) { 5 } else { 0 });
    let then = at(right)
        .expire(&age("4 days"), true, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(then.chunks, if has_chunks(&database) { 6 } else { 0 });
    assert!(then.rows >= would.rows);
}

async fn sizes_are_told(database: TestDatabase) {
    let store = ten_days(&database).await;
    if database.backend != Backend::Sqlite {
        database.execute("ANALYZE readings").await;
    }
    let size = life(&store).table_size().await.unwrap();
    assert_eq!(size.rows, Some(2_000));
    assert!(size.table_bytes > 2_000 * 16 && size.index_bytes > 0);
    assert!(size.total_bytes >= size.table_bytes + size.index_bytes);
    assert_eq!(size.chunks, if has_chunks(&database) { 10 } else { 0 });
    let stats = life(&store).compression_stats().await.unwrap();
    assert_eq!((stats.compressed_chunks, stats.ratio()), (0, None));
}

async fn a_user_who_does_not_own_the_table_is_told_who_does(database: TestDatabase) {
    if database.backend == Backend::Sqlite {
        // Whoever may write the file owns it.
        return;
    }
    let store = ten_days(&database).await;
    let role = format!("guest_{}", annals_record::Uuid::new_v4().simple());
    database
        .execute(&format!(
            "CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
             REVOKE DELETE ON readings FROM {role}"
        ))
        .await;
    let url = database.url.replacen("postgres@", &format!("{role}@"), 1);
    assert_ne!(url, database.url, "{url}");
    let guest = Store::open(&url).await.unwrap();
    let life = life(&guest);
    let mut errors = vec![life.set_policy(&retention("1 day")).await.unwrap_err()];
    errors.push(
        life.expire(&age("4 days"), false, &mut |_| {})
            .await
            .unwrap_err(),
    );
    errors.push(
        life.delete_of("a", None, false, &mut |_| {})
            .await
            .unwrap_err(),
    );
    if has_chunks(&database) {
        errors.push(
            life.drop_chunks(&age("4 days"), false, &mut |_| {})
                .await
                .unwrap_err(),
        );
    }
    for error in errors {
        let text = error.to_string();
        assert!(text.contains(&role) && text.contains("owner"), "{text}");
    }
    assert_eq!(rows(&store).await, 2_000);
    guest.close().await;
    database
        .execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}
