//! How what cannot be is refused, with exit code 2 and the way out.

use annals_store::Edition;
use annals_testkit::{Backend, TestDatabase, on_every_backend};
use serde_json::Value;

use super::{Place, edition};
use crate::program::annals;

on_every_backend!(
    what_cannot_be_asked_for_is_exit_code_2,
    before_the_first_migration_they_say_what_to_do,
    who_may_not_is_told_whom_to_connect_as,
);

async fn what_cannot_be_asked_for_is_exit_code_2(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[("api", 100)]);
    for wrong in ["90", "soon", "-1 day", "0 days", "2000 years", ""] {
        for command in [
            &["policy", "set", "retention", "spans", "--yes", "--after"][..],
            &["chunks", "drop", "spans", "--yes", "--older-than"],
            &["delete", "spans", "--only", "api", "--yes", "--older-than"],
            &["policy", "set", "refresh", "bars_1m", "--every"],
            &["chunks", "interval", "spans"],
        ] {
            let said = place.refused(&[command, &[wrong]].concat());
            assert!(!said.is_empty(), "{command:?} {wrong}");
        }
    }
    let said = place.refused(&["chunks", "drop", "spans", "--older-than", "90"]);
    assert!(
        said.contains("no unit") && said.contains("90 days"),
        "{said}"
    );
    for command in [
        &["chunks", "list", "spnas"][..],
        &["stats", "spnas"],
        &["policy", "show", "spnas"],
        &["policy", "run", "spnas", "--yes"],
        &[
            "policy",
            "set",
            "retention",
            "spnas",
            "--after",
            "1 day",
            "--yes",
        ],
        &["policy", "remove", "retention", "spnas", "--yes"],
        &["delete", "spnas", "--only", "api", "--yes"],
        &[
            "chunks",
            "drop",
            "dead_letters",
            "--older-than",
            "1 day",
            "--yes",
        ],
    ] {
        let said = place.refused(command);
        assert!(said.contains("spans, metric_data_points"), "{said}");
    }
    // Longer bars are made of all symbols' minutes.
    for more in ["--dry-run", "--yes"] {
        let of_one = ["policy", "set", "retention", "bars_1m", "--after", "1 day"];
        let said = place.refused(&[&of_one[..], &["--only", "AAPL", more]].concat());
        assert!(said.contains("annals delete"), "{said}");
    }
    // Spans are not made into anything.
    let said = place.refused(&["policy", "set", "refresh", "spans", "--every", "1 minute"]);
    assert!(said.contains("spans"), "{said}");
    for command in [
        &["chunks", "list"][..],
        &["chunks", "list", "spans", "--namespace", "orders"],
        &["chunks", "decompress", "spans"],
        &[
            "chunks",
            "decompress",
            "spans",
            "--all",
            "--from",
            "2026-01-01",
        ],
        &["chunks", "decompress", "spans", "--from", "yesterday"],
        &[
            "chunks",
            "decompress",
            "spans",
            "--from",
            "2026-01-02",
            "--until",
            "2026-01-01",
        ],
        &["delete", "spans", "--yes"],
        &["policy", "set", "retention", "spans"],
        &["policy", "remove", "everything", "spans", "--yes"],
    ] {
        place.refused(command);
    }
    assert_eq!(place.spans().await, 1);
    assert_eq!(place.policies("retention", "spans"), [] as [Value; 0]);
    // Others keep their code.
    assert_eq!(place.run(&["traces", "get", "ffff"]).code, 1);
}

async fn before_the_first_migration_they_say_what_to_do(database: TestDatabase) {
    let place = Place::before_migrations(&database);
    for command in [
        &["stats"][..],
        &["stats", "spans"],
        &[
            "policy",
            "set",
            "retention",
            "spans",
            "--after",
            "1 day",
            "--yes",
        ],
        &["delete", "spans", "--only", "api", "--yes"],
    ] {
        let said = place.refused(command);
        assert!(said.contains("annals migrate up"), "{command:?}: {said}");
    }
}

async fn who_may_not_is_told_whom_to_connect_as(database: TestDatabase) {
    if database.backend == Backend::Sqlite {
        // Whoever has the file has it all.
        return;
    }
    let place = Place::of(&database).with_spans(&[("api", 100), ("api", 1)]);
    let (scheme, rest) = database.url.split_once("://").unwrap();
    let (_, server) = rest.split_once('@').unwrap();
    let name = server.split_once('/').unwrap().1;
    let name = name.split('?').next().unwrap();
    let role = format!("reader_{name}");
    // No CREATE: who reads makes nothing.
    database
        .execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'reading';
             GRANT USAGE ON SCHEMA public TO {role};
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
             REVOKE CREATE ON SCHEMA public FROM PUBLIC"
        ))
        .await;
    let reader = TestDatabase::at(
        database.backend,
        format!("{scheme}://{role}:reading@{server}"),
    );
    let place_of_reader = Place::before_migrations(&reader);
    let mut commands = vec![
        &["delete", "spans", "--only", "api", "--yes"][..],
        &[
            "policy",
            "set",
            "retention",
            "spans",
            "--after",
            "1 day",
            "--yes",
        ],
    ];
    if place.has_chunks() {
        commands.push(&["chunks", "drop", "spans", "--older-than", "1 day", "--yes"]);
        commands.push(&["chunks", "interval", "spans", "1 hour"]);
    }
    if edition(&database).await == Edition::TimescaleCommunity {
        commands.push(&["chunks", "compress", "spans", "--older-than", "1 day"]);
    }
    for command in commands {
        let said = place_of_reader.refused(command);
        assert!(said.contains("owner"), "{command:?}: {said}");
    }
    assert_eq!(place.spans().await, 2);
    assert_eq!(place.policies("retention", "spans"), [] as [Value; 0]);
    database
        .execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

#[test]
fn a_server_that_is_not_there_is_exit_code_2_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = Some("postgres://ann@127.0.0.1:1/annals");
    let run = annals(directory.path(), nowhere, &["stats"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert_eq!(
        annals(directory.path(), nowhere, &["traces", "list"]).code,
        1
    );
}
