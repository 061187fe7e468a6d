//! Compression by command line: there, or refused with the edition.

use annals_store::Edition;
use annals_testkit::{TestDatabase, on_community, on_every_backend};
use serde_json::Value;

use super::{Place, edition, migrate_down};

on_every_backend!(compression_is_there_or_is_refused_with_the_edition);

async fn compression_is_there_or_is_refused_with_the_edition(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[("api", 10)]);
    let edition = edition(&database).await;
    if edition == Edition::TimescaleCommunity {
        // What it does there has a test of its own.
        return;
    }
    for command in [
        &["chunks", "compress", "spans", "--older-than", "7 days"][..],
        &[
            "chunks",
            "compress",
            "spans",
            "--older-than",
            "7 days",
            "--dry-run",
        ],
        &["chunks", "decompress", "spans", "--all"],
        &["policy", "set", "compression", "spans", "--after", "7 days"],
    ] {
        let said = place.refused(command);
        assert!(said.contains("Community edition"), "{said}");
        assert!(said.contains(&edition.to_string()), "{said}");
    }
    assert_eq!(place.spans().await, 1);
}

#[test]
fn chunks_are_compressed_and_made_rows_again() {
    on_community(async |database| {
        let place = Place::of(&database).with_spans(&[("api", 30), ("api", 29), ("api", 1)]);
        let older = ["chunks", "compress", "spans", "--older-than", "7 days"];
        let would = place.ok(&[&older[..], &["--dry-run"]].concat());
        assert_eq!(would.matches("would compress ").count(), 2, "{would}");
        let chunks = || {
            let listed = place.json(&["chunks", "list", "spans", "--count"]);
            listed["chunks"].as_array().unwrap().clone()
        };
        assert!(chunks().iter().all(|chunk| chunk["state"] == "hot"));
        let name = chunks()[0]["name"].as_str().unwrap().to_owned();
        let export = ["chunks", "export", "spans", &name, "--output"];
        let hot = place.json(&[&export[..], &["hot.csv"]].concat());

        let compressed = place.json(&older);
        assert_eq!(compressed["chunks"], 2, "{compressed}");
        assert_eq!(compressed["steps"][0]["outcome"], "done", "{compressed}");
        assert_eq!(compressed["steps"][0]["chunk"]["name"], name.as_str());
        let states: Vec<Value> = chunks()
            .iter()
            .map(|chunk| chunk["state"].clone())
            .collect();
        assert_eq!(states, ["compressed", "compressed", "hot"]);
        assert!(chunks()[0]["bytes_before"].as_u64().unwrap() > 0);
        let again = place.ok(&older);
        assert!(again.contains("nothing to do"), "{again}");
        let listed = place.ok(&["chunks", "list", "spans"]);
        assert!(listed.contains("3 chunks, 2 compressed"), "{listed}");
        let stats = place.json(&["stats", "spans"]);
        assert_eq!(stats["tables"][0]["compressed_chunks"], 2, "{stats}");
        assert!(
            stats["tables"][0]["before_bytes"].as_u64().unwrap() > 0,
            "{stats}"
        );
        assert!(stats["tables"][0]["ratio"].as_f64().is_some(), "{stats}");
        // The same rows have the same hash.
        let cold = place.json(&[&export[..], &["cold.csv"]].concat());
        assert_eq!(cold["sha256"], hot["sha256"]);

        let nothing = place.run(&["chunks", "decompress", "spans", "--until", "2001-01-01"]);
        assert!(nothing.out.contains("nothing to do"), "{nothing:?}");
        let would = place.ok(&["chunks", "decompress", "spans", "--all", "--dry-run"]);
        assert!(would.contains("2 chunks would be decompressed"), "{would}");
        let rows = place.run(&["chunks", "decompress", "spans", "--all"]);
        assert!(
            rows.code == 0 && rows.out.contains("2 chunks decompressed"),
            "{rows:?}"
        );
        // The default policy would take them up again.
        assert!(
            rows.err.contains("annals policy remove compression spans"),
            "{rows:?}"
        );
        assert!(chunks().iter().all(|chunk| chunk["state"] == "hot"));
    });
}

#[test]
fn a_policy_of_compression_is_the_databases_own() {
    on_community(async |database| {
        let place = Place::of(&database);
        let default = place.policies("compression", "spans");
        assert_eq!(default.len(), 1, "{default:?}");
        assert_eq!(default[0]["is_set"], false, "{default:?}");
        assert_eq!(default[0]["runner"], "the database", "{default:?}");
        let jobs = "SELECT count(*) FROM timescaledb_information.jobs
                    WHERE hypertable_name = 'spans' AND config::text LIKE '%72:00:00%'";
        let told = place.ok(&[
            "policy",
            "set",
            "compression",
            "spans",
            "--after",
            "72 hours",
        ]);
        assert!(told.contains("by the database itself"), "{told}");
        assert_eq!(database.number(jobs).await, 1);
        // Down and up: the policy is in force again.
        migrate_down(&place);
        assert_eq!(database.number(jobs).await, 0);
        place.ok(&["migrate", "up"]);
        assert_eq!(database.number(jobs).await, 1);
        place.ok(&["policy", "remove", "compression", "spans", "--yes"]);
        assert_eq!(database.number(jobs).await, 0);
    });
}
