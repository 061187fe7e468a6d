//! Migrations go forwards and back, on empty and on filled tables.

use annals_record::{Record, Timestamp};
use annals_store::{DeadLetter, Error, MigrationError};
use annals_testkit::{TestDatabase, on_every_backend};

on_every_backend!(
    up_is_done_once_and_down_undoes_it,
    a_newer_database_is_refused,
    the_kernel_tables_fit_their_records,
    a_table_that_does_not_fit_is_named_with_the_difference,
    many_programs_may_migrate_at_once,
);

async fn up_is_done_once_and_down_undoes_it(database: TestDatabase) {
    let store = database.store().await;
    assert!(
        store
            .migrator(&[])
            .status()
            .await
            .unwrap()
            .iter()
            .all(|one| !one.applied)
    );
    for _ in 0..2 {
        let done = store.migrator(&[]).up().await.unwrap();
        assert_eq!(
            done.iter().map(|one| one.file.as_str()).collect::<Vec<_>>(),
            ["0001_kernel", "0002_lifecycle"]
        );
        assert!(store.migrator(&[]).up().await.unwrap().is_empty());
        assert!(
            store
                .migrator(&[])
                .status()
                .await
                .unwrap()
                .iter()
                .all(|one| one.applied)
        );
        let undone = store.migrator(&[]).down(2).await.unwrap();
        assert_eq!(undone.len(), 2);
        assert!(store.migrator(&[]).down(1).await.unwrap().is_empty());
        assert!(store.check_table::<DeadLetter>().await.is_err());
    }
}

async fn a_newer_database_is_refused(database: TestDatabase) {
    let store = database.store().await;
    store.migrator(&[]).up().await.unwrap();
    let checksum = "00000000-0000-0000-0000-000000000000";
    let (column, value) = match database.backend {
        annals_testkit::Backend::Sqlite => (", applied_at", ", 0"),
        _ => ("", ""),
    };
    database
        .execute(&format!(
            "INSERT INTO annals_migrations (set_name, version, file, checksum{column})
             VALUES ('kernel', 9999, '9999_future', '{checksum}'{value})"
        ))
        .await;
    for result in [
        store.migrator(&[]).up().await.err(),
        store.migrator(&[]).down(1).await.err(),
        store.migrator(&[]).status().await.err(),
    ] {
        let error = result.unwrap();
        assert!(
            matches!(
                &error,
                Error::Migration(MigrationError::Newer { version: 9999, .. })
            ),
            "{error}"
        );
    }
}

async fn the_kernel_tables_fit_their_records(database: TestDatabase) {
    let store = database.store().await;
    store.migrator(&[]).up().await.unwrap();
    store.check_table::<DeadLetter>().await.unwrap();
}

#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "readings",
    time = "at",
    key("sensor", "at")
)]
struct Reading {
    sensor: String,
    at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "readings",
    time = "at",
    key("sensor", "at")
)]
struct WiderReading {
    sensor: String,
    at: Timestamp,
    celsius: f64,
}

async fn a_table_that_does_not_fit_is_named_with_the_difference(database: TestDatabase) {
    let store = database.store().await;
    store.create_table::<Reading>().await.unwrap();
    store.create_table::<Reading>().await.unwrap();
    let error = store.create_table::<WiderReading>().await.unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, Error::TableMismatch { .. }));
    assert!(
        message.contains("readings") && message.contains("celsius"),
        "{message}"
    );
}

async fn many_programs_may_migrate_at_once(database: TestDatabase) {
    let mut programs = Vec::new();
    for _ in 0..4 {
        let store = database.store().await;
        programs.push(tokio::spawn(async move {
            store.create_table::<Reading>().await
        }));
    }
    for program in programs {
        program.await.unwrap().unwrap();
    }
}
