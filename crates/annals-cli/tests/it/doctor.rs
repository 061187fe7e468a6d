//! `annals doctor`: what it tells, and how it ends.

use annals_testkit::{
    Backend, TestDatabase, on_community, on_every_backend,
    server::{Cluster, Options},
};
use serde_json::Value;

use crate::program::{Run, annals};

on_every_backend!(
    a_fresh_database_is_well,
    before_the_first_migration_there_is_one_fault,
    versions_and_features_are_told_with_what_they_mean,
    a_table_that_somebody_changed_is_a_fault,
    dead_letters_are_advice_which_fails_on_demand,
    a_schema_of_its_own_is_looked_at,
);

struct Place {
    directory: tempfile::TempDir,
    url: String,
    /// Kept for as long as the test.
    _cluster: Option<Cluster>,
}

impl Place {
    /// On a server of the test's own, whose commits are safe: the one that tests share does not wait for its
    /// disk, which is a fault.
    async fn of(database: &TestDatabase) -> Self {
        let (cluster, url) = match database.backend.flavor() {
            None => (None, database.url.clone()),
            Some(flavor) => {
                let options = Options::new().fsync(true);
                let cluster =
                    tokio::task::block_in_place(|| Cluster::start(flavor, options)).unwrap();
                let url = cluster.url(&cluster.create_database().await.unwrap());
                (Some(cluster), url)
            }
        };
        Self {
            directory: tempfile::tempdir().unwrap(),
            url,
            _cluster: cluster,
        }
    }

    fn run(&self, arguments: &[&str]) -> Run {
        annals(self.directory.path(), Some(&self.url), arguments)
    }

    /// The code, and what was found of at least this severity.
    fn doctor(&self, severities: &[&str]) -> (i32, Vec<Value>) {
        let run = self.run(&["doctor", "--json"]);
        let report: Value = serde_json::from_str(&run.out).unwrap();
        let mut found = report["diagnosis"].as_array().unwrap().clone();
        found.retain(|one| {
            severities
                .iter()
                .any(|severity| one["severity"] == *severity)
        });
        (run.code, found)
    }

    async fn execute(&self, backend: Backend, sql: &str) {
        TestDatabase::at(backend, self.url.clone())
            .execute(sql)
            .await;
    }
}

async fn a_fresh_database_is_well(database: TestDatabase) {
    let place = Place::of(&database).await;
    assert_eq!(place.run(&["migrate", "up"]).code, 0);
    assert_eq!(place.run(&["events", "create", "orders"]).code, 0);
    let (code, found) = place.doctor(&["fault", "advice"]);
    // The known faults of an old version are all that there may be.
    let others: Vec<_> = found
        .iter()
        .filter(|one| one["subject"] != "version" || one["severity"] == "fault")
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert_eq!(code, 0);
    let strict = place.run(&["doctor", "--strict"]);
    assert_eq!(strict.code, i32::from(!found.is_empty()), "{strict:?}");
    assert_eq!(
        strict.out.contains("Nothing has to change."),
        found.is_empty(),
        "{strict:?}"
    );
    assert!(!strict.out.contains("could not be"), "{strict:?}");
}

async fn before_the_first_migration_there_is_one_fault(database: TestDatabase) {
    let place = Place::of(&database).await;
    let (code, found) = place.doctor(&["fault"]);
    assert_eq!((code, found.len()), (1, 1), "{found:?}");
    assert_eq!(found[0]["way_out"], "annals migrate up");
    let text = place.run(&["doctor"]);
    assert_eq!(text.code, 1);
    assert!(
        text.out.contains("\nFaults") && text.out.contains("\n    annals migrate up\n"),
        "{text:?}"
    );
}

async fn versions_and_features_are_told_with_what_they_mean(database: TestDatabase) {
    let place = Place::of(&database).await;
    assert_eq!(place.run(&["migrate", "up"]).code, 0);
    let doctor = place.run(&["doctor", "--json"]).json();
    assert!(doctor["server_version"].as_str().unwrap().contains('.'));
    assert_eq!(doctor["migrations"]["pending"], 0, "{doctor}");
    let features = doctor["features"].as_array().unwrap();
    assert!(
        features
            .iter()
            .all(|feature| !feature["means"].as_str().unwrap().is_empty())
    );
    let has_hypertables = features
        .iter()
        .any(|feature| feature["name"] == "hypertables" && feature["available"] == true);
    assert_eq!(has_hypertables, database.backend == Backend::Timescale);
    let text = place.run(&["doctor"]).out;
    assert!(text.contains("yes hypertables: ") || text.contains("no  hypertables: "));
}

async fn a_table_that_somebody_changed_is_a_fault(database: TestDatabase) {
    let place = Place::of(&database).await;
    assert_eq!(place.run(&["migrate", "up"]).code, 0);
    place
        .execute(
            database.backend,
            "ALTER TABLE spans DROP COLUMN trace_state; ALTER TABLE traces DROP COLUMN unpriced_calls",
        )
        .await;
    let (code, found) = place.doctor(&["fault"]);
    assert_eq!((code, found.len()), (1, 2), "{found:?}");
    for column in ["trace_state", "unpriced_calls"] {
        assert!(
            found
                .iter()
                .any(|one| one["what"].as_str().unwrap().contains(column)),
            "{found:?}"
        );
    }
}

async fn dead_letters_are_advice_which_fails_on_demand(database: TestDatabase) {
    let place = Place::of(&database).await;
    assert_eq!(place.run(&["migrate", "up"]).code, 0);
    let (parked_at, payload) = match database.backend {
        Backend::Sqlite => ("1767225600000000", "x'01'"),
        _ => ("'2026-01-01Z'", r"'\x01'"),
    };
    let id = "00000000-0000-0000-0000-000000000001";
    place
        .execute(
            database.backend,
            &format!(
                "INSERT INTO annals_dead_letters (id, table_name, reason, parked_at, parked_at_nanos, attempts,
                                                  batch_id, batch_row, payload)
                 VALUES ('{id}', 'spans', 'no', {parked_at}, 0, 1, '{id}', 0, {payload})"
            ),
        )
        .await;
    let (code, found) = place.doctor(&["advice"]);
    assert_eq!(code, 0);
    assert!(
        found.iter().any(|one| one["subject"] == "dead letters"),
        "{found:?}"
    );
    assert_eq!(place.run(&["doctor", "--strict"]).code, 1);
}

async fn a_schema_of_its_own_is_looked_at(database: TestDatabase) {
    let place = Place::of(&database).await;
    assert_eq!(place.run(&["--schema", "tenant", "migrate", "up"]).code, 0);
    assert_eq!(place.run(&["--schema", "tenant", "doctor"]).code, 0);
    assert_eq!(place.run(&["doctor"]).code, 1);
}

#[test]
fn a_community_server_is_well_but_for_what_its_operator_chose() {
    on_community(async |database| {
        let place = Place {
            directory: tempfile::tempdir().unwrap(),
            url: database.url,
            _cluster: None,
        };
        assert_eq!(place.run(&["migrate", "up"]).code, 0);
        assert_eq!(place.run(&["events", "create", "orders"]).code, 0);
        let (_, found) = place.doctor(&["fault", "advice"]);
        // Of the server, and not of what we made there.
        let ours: Vec<_> = found
            .iter()
            .filter(|one| one["subject"] != "version" && one["subject"] != "settings")
            // A server with many databases has no worker for the jobs of ours.
            .filter(|one| {
                !one["way_out"]
                    .as_str()
                    .unwrap()
                    .contains("background workers")
            })
            .collect();
        assert!(ours.is_empty(), "{ours:?}");
    });
}

#[test]
fn what_cannot_be_told_ends_with_2() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("annals.toml"),
        "db_connect_timeout = \"1s\"",
    )
    .unwrap();
    let url = "postgres://nobody@127.0.0.1:1/nothing";
    let run = annals(directory.path(), Some(url), &["doctor"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.err.contains("is the server running"), "{run:?}");
    let run = annals(directory.path(), Some("mysql://x"), &["doctor"]);
    assert_eq!(run.code, 2, "{run:?}");
    let help = annals(directory.path(), None, &["doctor", "--help"]).out;
    assert!(
        help.contains("Ends with") && help.contains("--strict"),
        "{help}"
    );
}
