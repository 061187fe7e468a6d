//! What is done to rows and chunks, step by step.

use annals_testkit::{Backend, TestDatabase, on_community, on_every_backend};
use serde_json::{Value, json};

use super::{count, done, get, old_and_new, on, post, put, spans_written};
use crate::serving::eventually;

on_every_backend!(
    what_is_old_expires_and_a_dry_run_only_tells,
    rows_of_one_owner_go,
    dropping_and_compressing_say_what_they_need,
);

/// What needs a server.
mod others {
    use super::{two_operators_do_not_fight, what_the_user_does_not_own_is_told_so};

    annals_testkit::on_every_server!(
        two_operators_do_not_fight,
        what_the_user_does_not_own_is_told_so,
    );
}

const TABLE: &str = "/admin/tables/bars_1m";

async fn ask(served: &crate::serving::Served, road: &str, body: Value) -> (Vec<Value>, Value) {
    done(&post(served, &format!("{TABLE}/{road}"), &body).await)
}

async fn what_is_old_expires_and_a_dry_run_only_tells(database: TestDatabase) {
    let served = on(&database).await;
    old_and_new(&served).await;
    let has_chunks = database.backend == Backend::Timescale;
    let dry = json!({ "older_than": "90 days", "dry_run": true });
    let (steps, totals) = ask(&served, "expire", dry.clone()).await;
    assert!(
        steps.iter().all(|step| step["outcome"] == "due"),
        "{steps:?}"
    );
    assert!(!steps.is_empty());
    assert_eq!(totals["dry_run"], true);
    assert_eq!(count(&database, "bars_1m").await, 30);
    let wet = json!({ "older_than": "90 days" });
    let (steps, again) = ask(&served, "expire", wet.clone()).await;
    let outcome = if has_chunks { "dropped" } else { "deleted" };
    assert!(
        steps.iter().all(|step| step["outcome"] == outcome),
        "{steps:?}"
    );
    for name in ["chunks", "rows", "left"] {
        assert_eq!(totals[name], again[name], "{name}");
    }
    if has_chunks {
        assert_eq!(again["chunks"], steps.len());
        let names: Vec<&Value> = steps.iter().map(|step| &step["chunk"]["name"]).collect();
        let chunks = get(&served, "/admin/tables/bars_1m/chunks").await.found();
        let mut left = chunks.as_array().unwrap().iter();
        assert!(left.all(|chunk| !names.contains(&&chunk["name"])));
    } else {
        assert_eq!(again["rows"], 20);
    }
    assert_eq!(count(&database, "bars_1m").await, 10);
    // Done again, there is nothing left to do.
    for body in [wet, dry] {
        let (steps, totals) = ask(&served, "expire", body).await;
        assert_eq!((&totals["chunks"], &totals["rows"]), (&json!(0), &json!(0)));
        assert!(steps.iter().all(|step| step["rows"] == 0), "{steps:?}");
    }
    let old = get(&served, "/admin/tables/spans").await.found();
    assert_eq!(old["rows"], 0);
}

async fn rows_of_one_owner_go(database: TestDatabase) {
    const STRANGE: &str = "'; DROP TABLE spans; --";
    let served = on(&database).await;
    for service in ["a", "bb"] {
        spans_written(&served, service, 400, 10).await;
        spans_written(&served, service, 2, 5).await;
    }
    spans_written(&served, STRANGE, 400, 3).await;
    for (body, rows, left) in [
        (
            json!({"only": "a", "older_than": "90 days", "dry_run": true}),
            10,
            33,
        ),
        (json!({"only": "a", "older_than": "90 days"}), 10, 23),
        (json!({"only": "a", "older_than": "90 days"}), 0, 23),
        (json!({"only": "nobody", "all": true}), 0, 23),
        (json!({"only": "", "all": true}), 0, 23),
        (json!({"only": "a", "all": true}), 5, 18),
        (json!({"only": STRANGE, "all": true}), 3, 15),
    ] {
        let answer = post(&served, "/admin/tables/spans/delete", &body).await;
        let (steps, totals) = done(&answer);
        assert_eq!(totals["rows"], rows, "{body}");
        let told: u64 = steps
            .iter()
            .map(|step| step["rows"].as_u64().unwrap())
            .sum();
        assert_eq!(told, rows, "{body}: {steps:?}");
        assert_eq!(count(&database, "spans").await, left, "{body}");
    }
    // Longer bars are of all symbols in a range of time, so that one symbol goes as a whole.
    old_and_new(&served).await;
    let aged = json!({"only": "A", "older_than": "90 days"});
    let refused = post(&served, &format!("{TABLE}/delete"), &aged).await;
    assert!(refused.refusal(400).contains("bars_1m"));
    assert_eq!(count(&database, "bars_1m").await, 30);
    let (_, totals) = ask(&served, "delete", json!({"only": "A", "all": true})).await;
    assert_eq!(totals["rows"], 15);
    let of_b = "SELECT count(*) FROM bars_1m WHERE symbol = 'B'";
    assert_eq!(database.number(of_b).await, 15);
}

async fn dropping_and_compressing_say_what_they_need(database: TestDatabase) {
    let served = on(&database).await;
    old_and_new(&served).await;
    let body = json!({ "older_than": "90 days" });
    let edition = get(&served, "/version").await.found()["database"].to_string();
    let edition = edition.trim_matches('"').to_owned();
    let all = json!({ "all": true });
    for (road, body) in [("compress", &body), ("decompress", &all)] {
        let answer = post(&served, &format!("{TABLE}/{road}"), body).await;
        if edition.contains("Community") {
            done(&answer);
            continue;
        }
        let refused = answer.refusal(501);
        assert!(refused.contains(&edition), "{road}: {refused}");
        assert!(refused.contains("Community"), "{road}: {refused}");
    }
    let answer = post(&served, &format!("{TABLE}/drop"), &body).await;
    if database.backend == Backend::Timescale {
        let (steps, totals) = done(&answer);
        assert!(steps.iter().all(|step| step["outcome"] == "dropped"));
        assert_eq!(totals["chunks"], steps.len());
        assert_eq!(count(&database, "bars_1m").await, 10);
    } else {
        let refused = answer.refusal(501);
        assert!(refused.contains(&edition), "{refused}");
        assert_eq!(count(&database, "bars_1m").await, 30);
    }
}

async fn two_operators_do_not_fight(database: TestDatabase) {
    let (one, other) = (on(&database).await, on(&database).await);
    old_and_new(&one).await;
    let lock = database.lock_table("bars_1m").await;
    let body = json!({ "older_than": "90 days" });
    let path = format!("{TABLE}/expire");
    let first = post(&one, &path, &body);
    let second = async {
        eventually("somebody has it in hand", async || {
            database.number("SELECT count(*) FROM annals_leases").await == 1
        })
        .await;
        let answer = post(&other, &path, &body).await;
        lock.release().await;
        answer
    };
    let (first, second) = tokio::join!(first, second);
    let refused = second.refusal(409);
    assert!(refused.contains("bars_1m"), "{refused}");
    done(&first);
    eventually("it is given back", async || {
        post(&other, &path, &body).await.status == 200
    })
    .await;
    assert_eq!(count(&database, "bars_1m").await, 10);
}

async fn what_the_user_does_not_own_is_told_so(database: TestDatabase) {
    let owner = on(&database).await;
    old_and_new(&owner).await;
    let role = format!("reader_{}", std::process::id());
    let url = database
        .url
        .replacen("//postgres@", &format!("//{role}@"), 1);
    assert_ne!(url, database.url, "the URL names the user in another way");
    let sql = format!(
        "DO $$
         DECLARE schema text;
         BEGIN
             BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END;
             EXECUTE format('GRANT ALL ON DATABASE %I TO {role}', current_database());
             FOR schema IN SELECT nspname FROM pg_namespace
                            WHERE nspname = 'public' OR nspname ~ '^(eventodb|tsdb)_' LOOP
                 EXECUTE format('GRANT ALL ON SCHEMA %I TO {role}', schema);
                 EXECUTE format('GRANT ALL ON ALL TABLES IN SCHEMA %I TO {role}', schema);
             END LOOP;
             REVOKE DELETE ON bars_1m FROM {role};
         END $$"
    );
    database.execute(&sql).await;
    let others = TestDatabase::at(database.backend, url);
    let settings = [
        ("API_TOKEN", super::TOKEN),
        ("LIFECYCLE_INTERVAL", "off"),
        ("MIGRATE_ON_START", "false"),
    ];
    let served = crate::serving::on(&others, &settings).await;
    let body = json!({ "older_than": "90 days" });
    let after = json!({ "after": "90 days" });
    let mut refused = vec![
        post(&served, &format!("{TABLE}/expire"), &body).await,
        put(&served, &format!("{TABLE}/policies/retention"), &after).await,
    ];
    if database.backend == Backend::Timescale {
        let interval = json!({ "interval": "1 day" });
        refused.push(put(&served, &format!("{TABLE}/chunk-interval"), &interval).await);
        refused.push(post(&served, &format!("{TABLE}/drop"), &body).await);
    }
    for answer in refused {
        let refused = answer.refusal(403);
        assert!(refused.contains("bars_1m"), "{refused}");
        assert!(refused.contains("owner"), "{refused}");
    }
    get(&served, "/admin/tables").await.found();
    assert_eq!(count(&database, "bars_1m").await, 30);
    drop(served);
    database
        .execute(&format!(
            "DROP OWNED BY {role}; REVOKE ALL ON SCHEMA public FROM {role}"
        ))
        .await;
}

#[test]
fn chunks_are_compressed_and_decompressed_one_by_one() {
    on_community(async |database| {
        let served = on(&database).await;
        old_and_new(&served).await;
        let body = json!({ "older_than": "90 days", "dry_run": true });
        let (due, totals) = ask(&served, "compress", body).await;
        assert!(due.iter().all(|step| step["outcome"] == "due"), "{due:?}");
        assert_eq!(totals["chunks"], due.len());
        let body = json!({ "older_than": "90 days" });
        let (steps, totals) = ask(&served, "compress", body.clone()).await;
        assert_eq!(steps.len(), due.len());
        for step in &steps {
            assert_eq!(step["outcome"], "done", "{step}");
            assert!(step["bytes"].as_u64().unwrap() > 0, "{step}");
            assert_eq!(step["chunk"]["state"], "hot");
        }
        assert_eq!(totals["chunks"], steps.len());
        assert!(totals["bytes_after"].as_u64().unwrap() > 0, "{totals}");
        let (again, totals) = ask(&served, "compress", body.clone()).await;
        assert_eq!((again.len(), &totals["chunks"]), (0, &json!(0)));
        let rows = get(&served, "/admin/tables/bars_1m/chunks?count=true")
            .await
            .found();
        let rows = rows.as_array().unwrap().iter();
        let rows: u64 = rows.map(|chunk| chunk["rows"].as_u64().unwrap()).sum();
        assert_eq!(rows, 30);
        // What is compressed can be deleted from, and the range that is asked for is what becomes rows.
        let (_, totals) = ask(&served, "delete", json!({"only": "B", "all": true})).await;
        assert_eq!(totals["rows"], 15);
        let from = steps[0]["chunk"]["range_end"].clone();
        let (some, _) = ask(&served, "decompress", json!({ "from": from })).await;
        assert_eq!(some.len(), steps.len() - 1, "{some:?}");
        let (rest, _) = ask(&served, "decompress", json!({ "all": true })).await;
        assert_eq!(rest.len(), 1, "{rest:?}");
        assert_eq!(rest[0]["chunk"]["name"], steps[0]["chunk"]["name"]);
        assert_eq!(count(&database, "bars_1m").await, 15);
        // Compressed chunks are dropped like others.
        ask(&served, "compress", body.clone()).await;
        let (dropped, _) = ask(&served, "drop", body).await;
        assert_eq!(dropped.len(), steps.len());
        assert_eq!(count(&database, "bars_1m").await, 5);
    });
}
