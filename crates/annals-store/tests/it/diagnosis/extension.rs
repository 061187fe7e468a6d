//! What only TimescaleDB has: hypertables, chunks, an extension, jobs.

use annals_store::{Severity, config::DatabaseType};
use annals_testkit::{Backend, TestDatabase, backend::run, on_community, server::Options};

use super::{Probe, look, made, of};
use crate::faults::own_server;

#[test]
fn a_table_made_before_the_extension_is_told_with_the_statement_that_converts_it() {
    run(Backend::Timescale, a_table_made_before_the_extension);
}

#[test]
fn chunks_of_another_length_are_a_note() {
    run(Backend::Timescale, chunks_of_another_length);
}

#[test]
fn a_database_without_the_extension_that_is_loaded_is_a_note() {
    run(Backend::Timescale, an_extension_that_is_not_used);
}

#[test]
fn more_chunks_than_there_is_room_for_locks_are_told() {
    run(Backend::Timescale, many_chunks);
}

async fn a_table_made_before_the_extension(database: TestDatabase) {
    let plain = database
        .store_with(|config| config.database_type = DatabaseType::Postgres)
        .await;
    plain.create_table::<Probe>().await.unwrap();
    let note = look(&plain).await;
    assert!(
        note.iter()
            .any(|one| one.what.contains("DB_TYPE is postgres")),
        "{note:?}"
    );
    database
        .execute("INSERT INTO probes (probe, at, at_nanos, number) VALUES ('a', '2026-01-05', 0, 1), ('a', '2026-01-09', 0, 2)")
        .await;
    let store = database.store().await;
    let found = of(&store, "schema").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].severity, Severity::Fault);
    let (_, statement) = found[0].way_out.split_once(": ").unwrap();
    database.execute(statement).await;
    assert_eq!(
        look(&store)
            .await
            .iter()
            .filter(|one| one.subject == "schema")
            .count(),
        0
    );
    let chunks =
        "SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'probes'";
    assert_eq!(database.number(chunks).await, 2);
}

async fn chunks_of_another_length(database: TestDatabase) {
    let store = made(&database).await;
    database
        .execute("SELECT set_chunk_time_interval('probes', INTERVAL '7 days')")
        .await;
    let found = look(&store).await;
    let note = found.iter().find(|one| one.subject == "schema").unwrap();
    assert_eq!(note.severity, Severity::Note);
    assert!(
        note.what.contains("7 days") && note.what.contains("24 hours"),
        "{note:?}"
    );
}

async fn an_extension_that_is_not_used(database: TestDatabase) {
    database.execute("DROP EXTENSION timescaledb").await;
    let store = made(&database).await;
    let found = look(&store).await;
    let note = found.iter().find(|one| one.subject == "version").unwrap();
    assert_eq!(note.severity, Severity::Note);
    assert!(
        note.way_out.contains("CREATE EXTENSION timescaledb"),
        "{note:?}"
    );
}

async fn many_chunks(database: TestDatabase) {
    let options = Options::new()
        .conf("max_connections = 20")
        .conf("max_locks_per_transaction = 10");
    let (_cluster, database) = own_server(&database, options).await;
    let store = made(&database).await;
    for day in (0..108).step_by(12) {
        database
            .execute(&format!(
                "INSERT INTO probes (probe, at, at_nanos, number)
                 SELECT 'a', '2026-01-05Z'::timestamptz + n * interval '1 day', 0, 1
                   FROM generate_series({day}, {day} + 11) AS n"
            ))
            .await;
    }
    let found = of(&store, "settings").await;
    let told = found.iter().find(|one| one.what.contains("locks"));
    let told = told.unwrap_or_else(|| panic!("{found:?}"));
    assert!(
        told.what.contains("108 chunks") && told.what.contains("room for 200"),
        "{told:?}"
    );
    // None of them holds anything to speak of.
    let found = of(&store, "chunks").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]
            .way_out
            .contains("annals chunks interval probes '30 days'"),
        "{found:?}"
    );
}

#[test]
fn a_job_of_the_database_that_fails_is_told_with_its_reason() {
    on_community(async |database| {
        let store = made(&database).await;
        // As TimescaleDB enters it when a job fails; a server with many databases may have no worker for ours.
        database
            .execute(
                "CREATE PROCEDURE failing(job_id int, config jsonb) LANGUAGE sql AS 'SELECT 1 / 0';
                 SELECT add_job('failing', '1 day', initial_start => now() + interval '1 day');
                 UPDATE _timescaledb_internal.bgw_job_stat
                    SET last_start = now(), last_finish = now(), last_run_success = false
                  WHERE job_id = 1000;
                 INSERT INTO _timescaledb_internal.bgw_job_stat_history (job_id, execution_finish, succeeded, data)
                 VALUES (1000, now(), false, '{\"error_data\": {\"message\": \"no moon tonight\"}}')",
            )
            .await;
        let found = of(&store, "policies").await;
        let told = found.iter().find(|one| one.what.contains("(failing)"));
        let told = told.unwrap_or_else(|| panic!("{found:?}"));
        assert!(told.what.ends_with("no moon tonight"), "{told:?}");
        assert!(told.way_out.contains("CALL run_job(1000)"), "{told:?}");
    });
}
