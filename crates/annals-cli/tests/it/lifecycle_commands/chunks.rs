//! Chunks by command line: listed, dropped, exported, and of another length from now on.

use annals_record::Timestamp;
use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::json;

use super::{Place, edition};

on_every_backend!(
    chunks_are_listed_and_dropped_after_a_question,
    a_chunk_is_exported_once_and_the_same_each_time,
    chunks_that_begin_from_now_on_have_another_length,
);

async fn chunks_are_listed_and_dropped_after_a_question(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[("api", 100), ("api", 98), ("api", 1)]);
    let drop = ["chunks", "drop", "spans", "--older-than", "90 days"];
    if !place.has_chunks() {
        let edition = edition(&database).await.to_string();
        for command in [&["chunks", "list", "spans"][..], &drop] {
            let said = place.refused(command);
            assert!(
                said.contains("TimescaleDB") && said.contains(&edition),
                "{said}"
            );
        }
        assert_eq!(place.spans().await, 3);
        return;
    }
    let listed = place.json(&["chunks", "list", "spans", "--count"]);
    let chunks = listed["chunks"].as_array().unwrap();
    assert_eq!(chunks.len(), 3, "{listed}");
    for chunk in chunks {
        assert_eq!(chunk["rows"], 1, "{chunk}");
        assert_eq!(chunk["state"], "hot", "{chunk}");
        assert!(chunk["bytes"].as_u64().unwrap() > 0, "{chunk}");
        assert!(chunk["range_start"].as_str() < chunk["range_end"].as_str());
    }
    assert_eq!(listed["totals"]["chunks"], 3, "{listed}");
    assert_eq!(listed["totals"]["rows"], 3, "{listed}");
    let text = place.ok(&["chunks", "list", "spans"]);
    let first = chunks[0]["name"].as_str().unwrap();
    let day = chunks[0]["range_start"]
        .as_str()
        .unwrap()
        .split_once('T')
        .unwrap()
        .0;
    let line = text.lines().find(|line| line.contains(first)).unwrap();
    // Where a day begins, the day says it all.
    assert!(
        line.contains(&format!("{day} ")) && line.contains("hot"),
        "{text}"
    );
    assert!(
        text.lines()
            .last()
            .unwrap()
            .starts_with("3 chunks, 0 compressed"),
        "{text}"
    );

    let would = place.ok(&[&drop[..], &["--dry-run"]].concat());
    assert_eq!(would.matches("would drop ").count(), 2, "{would}");
    assert!(would.contains("2 chunks would be dropped"), "{would}");
    let unasked = place.refused(&drop);
    assert!(unasked.contains("--yes"), "{unasked}");
    assert_eq!(place.spans().await, 3);

    let dropped = place.json(&[&drop[..], &["--yes"]].concat());
    assert_eq!(
        (&dropped["chunks"], &dropped["left"]),
        (&json!(2), &json!(0)),
        "{dropped}"
    );
    assert_eq!(dropped["steps"][0]["outcome"], "dropped", "{dropped}");
    assert_eq!(dropped["steps"][0]["chunk"]["name"], first, "{dropped}");
    assert!(dropped["bytes"].as_u64().unwrap() > 0, "{dropped}");
    assert_eq!(place.spans().await, 1);
    // Nothing is left to ask about.
    let again = place.ok(&drop);
    assert!(again.contains("nothing to do"), "{again}");
    // A trace whose spans are gone is gone.
    let traces = place.json(&["traces", "list"]);
    assert_eq!(traces["traces"].as_array().unwrap().len(), 1, "{traces}");
}

async fn a_chunk_is_exported_once_and_the_same_each_time(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[("api", 3), ("a \"b\", c", 3), ("api", 1)]);
    if !place.has_chunks() {
        place.refused(&["chunks", "export", "spans", "any", "--output", "c.csv"]);
        assert!(!place.directory.path().join("c.csv").exists());
        return;
    }
    let listed = place.json(&["chunks", "list", "spans", "--count"]);
    let chunks = listed["chunks"].as_array().unwrap();
    let chunk = chunks.iter().find(|chunk| chunk["rows"] == 2);
    // Three days ago two spans began within a moment, which may be two days.
    let Some(chunk) = chunk else { return };
    let name = chunk["name"].as_str().unwrap();
    let export = ["chunks", "export", "spans", name, "--output"];
    let report = place.json(&[&export[..], &["c.csv"]].concat());
    let file = std::fs::read_to_string(place.directory.path().join("c.csv")).unwrap();
    assert_eq!(report["rows"], 2, "{report}");
    assert_eq!(report["bytes"], file.len(), "{report}");
    let hash = report["sha256"].as_str().unwrap();
    assert_eq!(hash.len(), 64, "{report}");
    assert_eq!(file.lines().count(), 3, "{file}");
    assert!(file.lines().next().unwrap().contains("trace_id"), "{file}");
    assert!(file.contains(r#""a ""b"", c""#), "{file}");

    let again = place.refused(&[&export[..], &["c.csv"]].concat());
    assert!(
        again.contains("c.csv") && again.contains("--force"),
        "{again}"
    );
    let forced = place.ok(&[&export[..], &["c.csv", "--force"]].concat());
    assert!(
        forced.contains("2 rows") && forced.contains(hash),
        "{forced}"
    );
    let piped = place.run(&[&export[..], &["-"]].concat());
    assert_eq!((piped.code, &piped.out), (0, &file));
    assert!(piped.err.contains(hash), "{piped:?}");

    let unknown = place.refused(&["chunks", "export", "spans", "nope", "--output", "n.csv"]);
    assert!(unknown.contains("annals chunks list spans"), "{unknown}");
    let json = place.refused(&[&export[..], &["-", "--json"]].concat());
    assert!(json.contains("--output FILE"), "{json}");
    let mut files: Vec<_> = std::fs::read_dir(place.directory.path()).unwrap().collect();
    files.retain(|file| {
        !file
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains(".db")
    });
    assert_eq!(files.len(), 2, "something was left: {files:?}");
}

async fn chunks_that_begin_from_now_on_have_another_length(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[("api", 10)]);
    let set = ["chunks", "interval", "spans", "12 hours"];
    if !place.has_chunks() {
        place.refused(&set);
        return;
    }
    let told = place.ok(&set);
    assert!(told.contains("12 hours"), "{told}");
    // Done again, it is done.
    place.ok(&set);
    let place = place.with_spans(&[("api", 1)]);
    let listed = place.json(&["chunks", "list", "spans"]);
    let long = |n: usize| {
        let at = |end: &str| -> Timestamp {
            listed["chunks"][n][end].as_str().unwrap().parse().unwrap()
        };
        at("range_end").duration_since(at("range_start")).as_secs()
    };
    assert_eq!((long(0), long(1)), (86_400, 43_200), "{listed}");
}
