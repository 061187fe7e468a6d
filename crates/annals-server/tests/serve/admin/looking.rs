//! Sizes, chunks, and what is not there.

use annals_testkit::{Backend, TestDatabase, on_community, on_every_backend};
use http::Method;
use serde_json::json;

use super::{asked, bars, count, delete, get, old_and_new, on, post, put, written};

on_every_backend!(
    every_table_is_measured,
    chunks_are_listed_where_there_are_chunks,
    chunks_are_as_long_as_was_asked_for,
    a_table_or_chunk_that_is_not_there_is_named,
);

async fn every_table_is_measured(database: TestDatabase) {
    let served = on(&database).await;
    old_and_new(&served).await;
    if database.backend != Backend::Sqlite {
        database.execute("ANALYZE bars_1m").await;
    }
    let all = get(&served, "/admin/tables").await.found();
    let labels = all
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["table"].as_str().unwrap());
    let labels: Vec<&str> = labels.collect();
    for label in [
        "spans",
        "bars_1m",
        "bars_5m",
        "bars_15m",
        "bars_1h",
        "events:default",
    ] {
        assert!(labels.contains(&label), "{labels:?}");
        let one = get(&served, &format!("/admin/tables/{label}"))
            .await
            .found();
        assert_eq!(one["table"], label);
        for name in [
            "table_bytes",
            "index_bytes",
            "toast_bytes",
            "total_bytes",
            "chunks",
        ] {
            assert!(one[name].is_u64(), "{name}: {one}");
        }
    }
    let bars = get(&served, "/admin/tables/bars_1m").await.found();
    assert_eq!(bars["rows"], 30, "{bars}");
    assert!(bars["total_bytes"].as_u64().unwrap() > 0, "{bars}");
    // Where the database compresses by itself, it may have begun with the old ones.
    let is_compressed = bars["compressed_chunks"] != 0;
    for name in ["before_bytes", "after_bytes", "ratio"] {
        let is_told = bars[name].as_f64().is_some_and(|told| told > 0.0);
        assert_eq!(is_told, is_compressed, "{name}: {bars}");
    }
    let has_chunks = bars["chunks"].as_u64().unwrap() > 0;
    assert_eq!(has_chunks, database.backend == Backend::Timescale, "{bars}");
    // A namespace's label is written as it is, or with its colon escaped.
    for path in [
        "/admin/tables/events:default",
        "/admin/tables/events%3Adefault",
    ] {
        assert_eq!(get(&served, path).await.found()["table"], "events:default");
    }
}

async fn chunks_are_listed_where_there_are_chunks(database: TestDatabase) {
    let served = on(&database).await;
    old_and_new(&served).await;
    let answer = get(&served, "/admin/tables/bars_1m/chunks?count=true").await;
    if database.backend != Backend::Timescale {
        let refused = answer.refusal(501);
        let edition = get(&served, "/version").await.found()["database"].to_string();
        assert!(refused.contains(edition.trim_matches('"')), "{refused}");
        assert!(refused.contains("TimescaleDB"), "{refused}");
        return;
    }
    let chunks = answer.found();
    let chunks = chunks.as_array().unwrap();
    assert!(chunks.len() >= 2, "{chunks:?}");
    let rows: u64 = chunks
        .iter()
        .map(|chunk| chunk["rows"].as_u64().unwrap())
        .sum();
    assert_eq!(rows, 30);
    for pair in chunks.windows(2) {
        let [first, second] = pair else { panic!() };
        assert!(first["range_end"].as_str() <= second["range_start"].as_str());
    }
    for chunk in chunks {
        assert_eq!(chunk["state"], "hot", "{chunk}");
        assert!(chunk["bytes"].as_u64().unwrap() > 0, "{chunk}");
        assert!(chunk["name"].is_string() && chunk["schema"].is_string());
    }
    let estimated = get(&served, "/admin/tables/bars_1m/chunks").await.found();
    assert_eq!(estimated.as_array().unwrap().len(), chunks.len());
}

async fn chunks_are_as_long_as_was_asked_for(database: TestDatabase) {
    let served = on(&database).await;
    let path = "/admin/tables/bars_1m/chunk-interval";
    let answer = put(&served, path, &json!({ "interval": "P1D" })).await;
    if database.backend != Backend::Timescale {
        assert!(answer.refusal(501).contains("TimescaleDB"));
        return;
    }
    assert_eq!(answer.found(), json!({ "interval": "1 day" }));
    // One each day.
    written(&served, &bars("A", 100, 10)).await;
    let chunks = get(&served, "/admin/tables/bars_1m/chunks").await.found();
    assert_eq!(chunks.as_array().unwrap().len(), 10, "{chunks}");
}

async fn a_table_or_chunk_that_is_not_there_is_named(database: TestDatabase) {
    let served = on(&database).await;
    let body = json!({ "older_than": "1 day" });
    for label in [
        "span",
        "events:nobody",
        "annals_policies",
        "bars_1m'; DROP",
        "ä",
    ] {
        let encoded: String = label.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let base = format!("/admin/tables/{encoded}");
        for path in ["", "/chunks", "/chunks/x/export", "/policies"] {
            let refused = get(&served, &format!("{base}{path}")).await.refusal(404);
            assert!(refused.contains(label), "{refused}");
            assert!(refused.contains("spans"), "{refused}");
        }
        for road in ["compress", "drop", "expire"] {
            post(&served, &format!("{base}/{road}"), &body)
                .await
                .refusal(404);
        }
        let path = format!("{base}/policies/retention");
        put(&served, &path, &json!({ "after": "1 day" }))
            .await
            .refusal(404);
        delete(&served, &path).await.refusal(404);
    }
    let answer = get(&served, "/admin/tables/spans/chunks/nothing/export").await;
    if database.backend == Backend::Timescale {
        let refused = answer.refusal(404);
        assert!(refused.contains("nothing"), "{refused}");
    } else {
        answer.refusal(501);
    }
    let answer = asked(&served, Method::GET, "/admin/tables/%FF", String::new()).await;
    answer.refusal(400);
    assert_eq!(count(&database, "bars_1m").await, 0);
}

#[test]
fn what_compression_saved_is_told() {
    on_community(async |database| {
        let served = on(&database).await;
        for day in 0..20 {
            written(&served, &bars("A", 400 + day, 500)).await;
        }
        let body = json!({ "older_than": "90 days" });
        let answer = post(&served, "/admin/tables/bars_1m/compress", &body).await;
        super::done(&answer);
        let bars = get(&served, "/admin/tables/bars_1m").await.found();
        assert!(bars["compressed_chunks"].as_u64().unwrap() > 0, "{bars}");
        assert!(bars["before_bytes"].as_u64().unwrap() > 0, "{bars}");
        assert!(bars["ratio"].as_f64().unwrap() > 0.0, "{bars}");
        let chunks = get(&served, "/admin/tables/bars_1m/chunks").await.found();
        assert_eq!(chunks[0]["state"], "compressed");
        assert!(chunks[0]["bytes_before"].as_u64().unwrap() > 0);
    });
}
