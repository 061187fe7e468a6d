//! `annals events`, straight in the database.

use annals_events::{Events, EventsOptions};
use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::{Value, json};

use crate::{
    program::{Run, annals},
    serving::Program,
};

on_every_backend!(
    a_namespace_is_made_written_read_and_deleted,
    what_sql_broke_is_found_and_mended,
    what_is_written_is_followed,
);

struct Place<'a> {
    directory: tempfile::TempDir,
    database: &'a TestDatabase,
}

impl<'a> Place<'a> {
    /// With a namespace `shop`.
    fn of(database: &'a TestDatabase) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Self {
            directory,
            database,
        };
        let made = place.json(&["create", "shop", "--description", "what was bought"]);
        let token = made["token"].as_str().unwrap();
        assert!(token.starts_with("ns_c2hvcA_"), "{made}");
        place
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let arguments = [&["events"], arguments].concat();
        annals(self.directory.path(), Some(&self.database.url), &arguments)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).json()
    }

    fn write(&self, stream: &str, data: &str) -> Value {
        self.json(&["write", stream, "Placed", data, "--namespace", "shop"])
    }
}

async fn a_namespace_is_made_written_read_and_deleted(database: TestDatabase) {
    let place = Place::of(&database);
    let first = place.write("order-1", r#"{"n":12345678901234567890,"who":"日本🦀"}"#);
    assert_eq!(
        first,
        json!({ "stream": "order-1", "position": 0, "global_position": 1 })
    );
    let of = ["--namespace", "shop"];
    let again = [
        &["write", "order-1", "Paid", "{}", "--expect", "0"][..],
        &of,
    ]
    .concat();
    assert!(place.run(&again).out.contains("order-1 is at version 1"));
    let conflict = place.run(&again);
    assert!(
        conflict.code == 1 && conflict.err.contains("is at version 1"),
        "{conflict:?}"
    );
    let bad = place.run(&["write", "order-1", "T", "[1]"]);
    assert_ne!(bad.code, 0, "{bad:?}");
    place.write("item-1", "{}");

    let namespaces = place.json(&["namespaces"]);
    assert_eq!(namespaces["namespaces"][0]["id"], "shop", "{namespaces}");
    assert_eq!(namespaces["namespaces"][0]["messages"], 3);
    let streams = place.json(&[&["streams", "--limit", "1"][..], &of].concat());
    assert_eq!(streams["streams"][0]["stream"], "item-1", "{streams}");
    let next = streams["next"].as_str().unwrap();
    let streams = place.run(&[&["streams", "--after", next][..], &of].concat());
    assert!(streams.out.contains("order-1") && !streams.out.contains("item-1"));
    let categories = place.json(&[&["categories"][..], &of].concat());
    assert_eq!(
        categories["categories"][1],
        json!({ "category": "order", "streams": 1, "messages": 2 })
    );

    let lines = place.run(&[&["get", "--json"][..], &of].concat()).out;
    assert_eq!(lines.lines().count(), 3, "{lines}");
    let line = lines.lines().next().unwrap();
    assert!(
        line.contains("12345678901234567890") && line.contains("日本🦀"),
        "{line}"
    );
    let page = place.run(&[&["get", "order-1", "--limit", "1"][..], &of].concat());
    assert!(page.out.contains("more: --from 1"), "{page:?}");
    let page = place.run(&[&["get", "order-1", "--from", "1"][..], &of].concat());
    assert!(
        page.out.contains("Paid") && !page.out.contains("Placed"),
        "{page:?}"
    );
    let page = place.run(&[&["get", "--category", "item"][..], &of].concat());
    assert!(
        page.out.contains("item-1") && !page.out.contains("order-1"),
        "{page:?}"
    );
    let page = place.run(&[&["get", "--category", "item-1"][..], &of].concat());
    assert!(page.code == 1 && page.err.contains("item-1"), "{page:?}");

    let unasked = place.run(&["delete", "shop"]);
    assert!(
        unasked.code == 1 && unasked.err.contains("--yes"),
        "{unasked:?}"
    );
    let deleted = place.json(&["delete", "shop", "--yes"]);
    assert_eq!(deleted["messages"], 3, "{deleted}");
    let gone = place.run(&["get", "--namespace", "shop"]);
    assert!(
        gone.code == 1 && gone.err.contains("annals events namespaces"),
        "{gone:?}"
    );
}

async fn what_sql_broke_is_found_and_mended(database: TestDatabase) {
    let place = Place::of(&database);
    place.write("order-1", "{}");
    place.write("order-1", "{}");
    let verified = place.run(&["verify", "shop"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(verified.out.contains("nothing is wrong"), "{verified:?}");
    let store = database.store().await;
    let events = Events::new(store.clone(), EventsOptions::default())
        .await
        .unwrap();
    let schema = events.namespace("shop").await.unwrap().schema().to_owned();
    let heads = store.names().within(&schema).table("stream_heads");
    database
        .execute(&format!("UPDATE {heads} SET position = 0"))
        .await;
    let verified = place.run(&["verify", "shop"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    assert!(verified.out.contains("order-1"), "{verified:?}");
    let faults = place.run(&["verify", "shop", "--json"]);
    let found: Value = serde_json::from_str(&faults.out).unwrap();
    assert_eq!(
        (faults.code, found["faults"].as_array().unwrap().len()),
        (1, 1)
    );
    let rebuilt = place.json(&["rebuild-heads", "shop"]);
    assert_eq!(rebuilt["streams"], 1, "{rebuilt}");
    assert_eq!(place.run(&["verify", "shop"]).code, 0);
    assert_eq!(place.run(&["verify", "nowhere"]).code, 1);
}

async fn what_is_written_is_followed(database: TestDatabase) {
    let place = Place::of(&database);
    place.write("order-1", r#"{"n":1}"#);
    place.write("item-1", r#"{"n":2}"#);
    let followed = "events tail --category order --from 0 --namespace shop --json";
    let tail = Program::start(
        tempfile::tempdir().unwrap(),
        &[("DATABASE_URL", &database.url)],
        &followed.split_whitespace().collect::<Vec<_>>(),
    );
    let next = || tail.json_line();
    assert_eq!(next()["data"], json!({ "n": 1 }));
    // By another process, as is the normal way.
    place.write("item-2", r#"{"n":3}"#);
    place.write("order-2", r#"{"n":4}"#);
    assert_eq!(next()["data"], json!({ "n": 4 }));
}
