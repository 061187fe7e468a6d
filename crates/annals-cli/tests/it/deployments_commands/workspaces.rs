//! Workspaces: which one is meant, and their beginning and end.

use annals_deploy::{Intake, OtelSpan};
use annals_record::Timestamp;
use annals_testkit::{Backend, TestDatabase, on_every_backend};
use serde_json::json;

use super::Place;
use crate::deployed::{OTHER, WORKSPACE, deployed, deployments, workspace};

on_every_backend!(
    the_only_workspace_need_not_be_named,
    workspaces_are_made_listed_and_deleted,
    rows_of_a_workspace_are_deleted_by_age_and_owner,
    spans_that_their_table_refused_are_replayed,
);

async fn the_only_workspace_need_not_be_named(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let place = Place::of(&database);
    let list = ["deployments", "list"];
    let told = place.refused(&list);
    assert!(told.contains("annals workspaces create"), "{told}");
    place.ok(&["workspaces", "create", WORKSPACE, "--name", "Shop\u{1b}[2J"]);
    place.ok(&list);
    deployed(&deployments, OTHER).await;
    let told = place.refused(&list);
    for expected in [
        WORKSPACE,
        OTHER,
        "--workspace",
        "ANNALS_WORKSPACE",
        "Shop\\u{1b}",
    ] {
        assert!(told.contains(expected), "{told}");
    }
    let named = place.json(&[&list[..], &["--workspace", OTHER]].concat());
    assert_eq!(named["traces"].as_array().unwrap().len(), 1);
    let place = place.with("ANNALS_WORKSPACE", OTHER);
    assert_eq!(place.json(&list)["traces"].as_array().unwrap().len(), 1);
    // What is said wins over what is set.
    let named = place.json(&[&list[..], &["--workspace", WORKSPACE]].concat());
    assert_eq!(named["traces"], json!([]));
    let told = place.refused(&[&list[..], &["--workspace", "shop"]].concat());
    assert!(told.contains("\"shop\" is no UUID"), "{told}");
}

async fn workspaces_are_made_listed_and_deleted(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let place = Place::of(&database);
    assert!(place.ok(&["workspaces", "list"]).contains("no workspaces"));
    let made = place.ok(&["workspaces", "create"]);
    assert_eq!(made.trim().len(), 36, "{made}");
    let named = place.json(&["workspaces", "create", WORKSPACE, "--name", "Shop"]);
    assert_eq!(
        (&named["id"], &named["name"]),
        (&json!(WORKSPACE), &json!("Shop"))
    );
    let first = place.json(&["workspaces", "list", "--limit", "1"]);
    let next = first["next"].as_str().unwrap();
    let second = place.json(&["workspaces", "list", "--after", next]);
    assert_eq!(second["workspaces"].as_array().unwrap().len(), 1);
    assert!(place.ok(&["workspaces", "list"]).contains("Shop"));

    deployed(&deployments, WORKSPACE).await;
    let delete = ["workspaces", "delete", WORKSPACE];
    let unasked = place.refused(&delete);
    assert!(unasked.contains("--yes"), "{unasked}");
    let spans = "SELECT count(*) FROM deployment_trace_span";
    assert_eq!(database.number(spans).await, 8);
    let deleted = place.json(&[&delete[..], &["--yes"]].concat());
    assert_eq!(deleted, json!({ "id": WORKSPACE, "deleted_spans": 8 }));
    assert_eq!(database.number(spans).await, 0);
    let gone = place.refused(&[&delete[..], &["--yes"]].concat());
    assert!(gone.contains("there is no workspace"), "{gone}");
    let told = place.ok(&["workspaces", "delete", made.trim(), "--yes"]);
    assert!(told.contains("with 0 spans"), "{told}");
}

async fn rows_of_a_workspace_are_deleted_by_age_and_owner(database: TestDatabase) {
    let deployments = deployments(&database).await;
    for workspace in [WORKSPACE, OTHER] {
        deployed(&deployments, workspace).await;
    }
    let place = Place::of(&database);
    let delete = ["delete", "deployment_trace_span", "--only", WORKSPACE];
    let would = place.ok(&[&delete[..], &["--dry-run"]].concat());
    assert!(would.contains("8 rows would be deleted"), "{would}");
    let old = place.ok(&[&delete[..], &["--older-than", "90 days", "--yes"]].concat());
    assert!(old.contains("nothing to do"), "{old}");
    let all = place.json(&[&delete[..], &["--yes"]].concat());
    assert_eq!(all["rows"], 8, "{all}");
    let left = "SELECT count(*) FROM deployment_trace_span";
    assert_eq!(database.number(left).await, 8);
    let set = [
        "policy",
        "set",
        "retention",
        "deployment_trace_span",
        "--after",
        "90 days",
    ];
    place.ok(&[&set[..], &["--only", OTHER, "--yes"]].concat());
    let shown = place.json(&["policy", "show", "deployment_trace_span"]);
    let policies = shown["policies"].as_array().unwrap();
    assert!(
        policies
            .iter()
            .any(|policy| policy["kind"] == "retention" && policy["only"] == OTHER),
        "{shown}"
    );
}

async fn spans_that_their_table_refused_are_replayed(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let place = Place::of(&database);
    let (rule, no_rule) = match database.backend {
        Backend::Sqlite => (
            "CREATE TRIGGER rule BEFORE INSERT ON deployment_trace_span WHEN NEW.name = 'bad'
             BEGIN SELECT RAISE(ABORT, 'bad is not welcome'); END",
            "DROP TRIGGER rule",
        ),
        _ => (
            "ALTER TABLE deployment_trace_span ADD CONSTRAINT rule CHECK (name <> 'bad')",
            "ALTER TABLE deployment_trace_span DROP CONSTRAINT rule",
        ),
    };
    database.execute(rule).await;
    let spans = ["good", "bad"].map(|name| OtelSpan::new("t", name, name, Timestamp::now()));
    let rows = Intake::default()
        .rows(spans.into(), Some(workspace(WORKSPACE)))
        .unwrap();
    deployments
        .create_workspace(workspace(WORKSPACE), None)
        .await
        .unwrap();
    let written = deployments.write_each(rows).await.unwrap();
    assert_eq!((written.committed, written.parked), (1, 1), "{written:?}");
    let listed = place.json(&["dead-letters", "list", "--table", "deployment_trace_span"]);
    let id = listed["dead_letters"][0]["id"].as_str().unwrap();
    let shown = place.json(&["dead-letters", "show", id]);
    assert_eq!(shown["record"]["name"], "bad", "{shown}");
    database.execute(no_rule).await;
    let replayed = place.ok(&["dead-letters", "replay", "--all"]);
    assert!(replayed.contains("replayed 1"), "{replayed}");
    let tree = place.json(&["deployments", "show", "t"]);
    assert_eq!(tree["roots"].as_array().unwrap().len(), 2, "{tree}");
}
