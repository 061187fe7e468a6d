//! Which tables there are: their sizes, the messages of a namespace, and help by examples.

use annals_testkit::{Backend, TestDatabase, on_every_backend};
use serde_json::json;

use super::Place;
use crate::program::annals;

on_every_backend!(
    stats_have_every_table_and_their_total,
    messages_of_a_namespace_are_a_table,
);

async fn stats_have_every_table_and_their_total(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[("api", 3), ("api", 1)]);
    let stats = place.json(&["stats"]);
    let tables = stats["tables"].as_array().unwrap();
    let labels: Vec<_> = tables
        .iter()
        .map(|one| one["table"].as_str().unwrap())
        .collect();
    for known in ["spans", "bars_1m", "bars_5m", "bars_15m", "bars_1h"] {
        assert!(labels.contains(&known), "{labels:?}");
    }
    let sum: u64 = tables
        .iter()
        .map(|one| one["total_bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(stats["total"]["total_bytes"], sum, "{stats}");
    assert!(sum > 0, "{stats}");
    let spans = &place.json(&["stats", "spans"])["tables"][0];
    assert_eq!(
        spans["chunks"],
        if place.has_chunks() { 2 } else { 0 },
        "{spans}"
    );
    if database.backend == Backend::Sqlite {
        assert_eq!(
            (&stats["rows_are_counted"], &spans["rows"]),
            (&json!(true), &json!(2))
        );
    }
    let text = place.ok(&["stats"]);
    assert!(text.lines().last().unwrap().starts_with("total "), "{text}");
    assert!(!place.ok(&["stats", "spans"]).contains("total "), "{text}");
}

async fn messages_of_a_namespace_are_a_table(database: TestDatabase) {
    let place = Place::of(&database);
    place.ok(&["events", "create", "orders"]);
    place.ok(&["events", "create", "an odd: name"]);
    place.ok(&[
        "events",
        "write",
        "order-1",
        "Placed",
        "{}",
        "--namespace",
        "orders",
    ]);
    for of in [&["events:orders"][..], &["--namespace", "orders"]] {
        let stats = place.json(&[&["stats"], of].concat());
        assert_eq!(stats["tables"][0]["table"], "events:orders", "{stats}");
    }
    let set = [
        "policy",
        "set",
        "retention",
        "--after",
        "1 year",
        "--namespace",
    ];
    for namespace in ["orders", "an odd: name"] {
        place.ok(&[&set[..], &[namespace]].concat());
        let label = format!("events:{namespace}");
        assert_eq!(place.policies("retention", &label)[0]["interval"], "1 year");
    }
    let unknown = place.refused(&["stats", "--namespace", "odrers"]);
    assert!(
        unknown.contains("events:odrers") && unknown.contains("events:orders"),
        "{unknown}"
    );
    if place.has_chunks() {
        let chunks = place.json(&["chunks", "list", "--namespace", "orders", "--count"]);
        assert_eq!(chunks["chunks"][0]["rows"], 1, "{chunks}");
        place.ok(&["chunks", "interval", "--namespace", "orders", "1 day"]);
        let name = chunks["chunks"][0]["name"].as_str().unwrap();
        let export = [
            "chunks",
            "export",
            "--namespace",
            "orders",
            name,
            "--output",
            "-",
        ];
        assert_eq!(place.ok(&export).lines().count(), 2);
    }
}

#[test]
fn help_teaches_by_examples() {
    let directory = tempfile::tempdir().unwrap();
    for command in [
        &["chunks"][..],
        &["chunks", "list"],
        &["chunks", "compress"],
        &["chunks", "decompress"],
        &["chunks", "drop"],
        &["chunks", "export"],
        &["chunks", "interval"],
        &["policy"],
        &["policy", "set", "compression"],
        &["policy", "set", "retention"],
        &["policy", "set", "refresh"],
        &["policy", "show"],
        &["policy", "remove"],
        &["policy", "run"],
        &["stats"],
        &["delete"],
    ] {
        let help = annals(directory.path(), None, &[command, &["--help"]].concat());
        assert_eq!(help.code, 0, "{help:?}");
        let example = format!("annals {}", command.join(" "));
        let (_, examples) = help.out.rsplit_once("\n\n").unwrap();
        assert!(help.out.contains(&example), "{}", help.out);
        assert!(examples.lines().count() < 8, "{}", help.out);
    }
}
