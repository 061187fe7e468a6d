//! Policies: set, shown, taken away, and still there after a restart.

use annals_server::Stop;
use annals_testkit::{Backend, TestDatabase, on_community, on_every_backend};
use serde_json::{Value, json};

use super::{delete, get, on, put};
use crate::serving::Served;

on_every_backend!(
    a_policy_is_set_shown_and_taken_away,
    a_policy_of_one_owner_is_another_one,
    a_default_that_is_taken_away_stays_away,
    policies_survive_a_restart,
    what_a_table_cannot_have_is_refused_with_a_reason,
);

const BARS: &str = "/admin/tables/bars_1m/policies";
const SPANS: &str = "/admin/tables/spans/policies";

/// Those of a kind.
async fn of_kind(served: &Served, path: &str, kind: &str) -> Vec<Value> {
    let all = get(served, path).await.found();
    let all = all.as_array().unwrap().iter();
    let all = all.filter(|policy| policy["kind"] == kind);
    all.cloned().collect()
}

/// Every policy, without who runs it and how it went: servers see to that while they serve.
async fn what_is_to_happen(served: &Served, path: &str) -> Vec<Value> {
    let all = get(served, path).await.found();
    let all = all.as_array().unwrap().iter();
    let names = ["table", "kind", "only", "interval", "is_set"];
    let told = all.map(|policy| names.map(|name| policy[name].clone()));
    told.map(|policy| policy.to_vec().into()).collect()
}

async fn a_policy_is_set_shown_and_taken_away(database: TestDatabase) {
    let served = on(&database).await;
    let path = format!("{BARS}/retention");
    assert!(of_kind(&served, BARS, "retention").await.is_empty());
    for (asked, shown) in [
        ("90 days", "90 days"),
        ("P1Y6M", "1 year 6 months"),
        ("90 days", "90 days"),
        ("90 days", "90 days"),
    ] {
        let set = put(&served, &path, &json!({ "after": asked }))
            .await
            .found();
        assert_eq!(set["table"], "bars_1m");
        assert_eq!(set["kind"], "retention");
        assert_eq!(set["interval"], shown);
        assert_eq!(set["is_set"], true);
        assert_eq!(set["has_failed"], false);
        assert_eq!(set["runner"], "annals serve");
        let there = of_kind(&served, BARS, "retention").await;
        assert_eq!(there, [set]);
    }
    let mut of_bars = what_is_to_happen(&served, "/admin/policies").await;
    of_bars.retain(|policy| policy[0] == "bars_1m");
    assert_eq!(of_bars, what_is_to_happen(&served, BARS).await);
    assert_eq!(
        delete(&served, &path).await.found(),
        json!({ "removed": true })
    );
    assert_eq!(
        delete(&served, &path).await.found(),
        json!({ "removed": false })
    );
    assert!(of_kind(&served, BARS, "retention").await.is_empty());
    delete(&served, &format!("{path}?owner=A"))
        .await
        .refusal(400);
    delete(&served, &format!("{BARS}/rollup"))
        .await
        .refusal(400);
}

async fn a_policy_of_one_owner_is_another_one(database: TestDatabase) {
    let served = on(&database).await;
    let path = format!("{SPANS}/retention");
    let whole = put(&served, &path, &json!({ "after": "1 year" }))
        .await
        .found();
    let one = json!({ "after": "30 days", "only": "load/test & sons" });
    let one = put(&served, &path, &one).await.found();
    assert_eq!(one["only"], "load/test & sons");
    assert!(whole["only"].is_null());
    let both = of_kind(&served, SPANS, "retention").await;
    assert_eq!(both, [whole.clone(), one]);
    let removed = delete(&served, &format!("{path}?only=load%2Ftest%20%26%20sons")).await;
    assert_eq!(removed.found(), json!({ "removed": true }));
    assert_eq!(of_kind(&served, SPANS, "retention").await, [whole]);
}

async fn a_default_that_is_taken_away_stays_away(database: TestDatabase) {
    let served = on(&database).await;
    let path = format!("{BARS}/refresh");
    let default = of_kind(&served, BARS, "refresh").await;
    assert_eq!(default[0]["interval"], "10 seconds", "BARS_ROLLUP_INTERVAL");
    assert_eq!(default[0]["is_set"], false);
    assert_eq!(
        delete(&served, &path).await.found(),
        json!({ "removed": true })
    );
    for _ in 0..2 {
        let gone = of_kind(&served, BARS, "refresh").await;
        assert_eq!(gone[0]["interval"], Value::Null);
        assert_eq!(gone[0]["is_set"], true);
        assert_eq!(
            delete(&served, &path).await.found(),
            json!({ "removed": false })
        );
    }
    let set = put(&served, &path, &json!({ "every": "1m" })).await.found();
    assert_eq!(
        (&set["interval"], &set["is_set"]),
        (&json!("1 minute"), &json!(true))
    );
    let never = put(&served, &path, &json!({ "every": "never" }))
        .await
        .found();
    assert_eq!(never["interval"], Value::Null);
}

async fn policies_survive_a_restart(database: TestDatabase) {
    let served = on(&database).await;
    let path = format!("{BARS}/retention");
    put(&served, &path, &json!({ "after": "90 days" }))
        .await
        .found();
    let one = json!({ "after": "5 days", "only": "A" });
    put(&served, &format!("{SPANS}/retention"), &one)
        .await
        .found();
    delete(&served, &format!("{BARS}/refresh")).await.found();
    let events = "/admin/tables/events%3Adefault/policies";
    put(
        &served,
        &format!("{events}/retention"),
        &json!({ "after": "1 year" }),
    )
    .await
    .found();
    let before = what_is_to_happen(&served, "/admin/policies").await;
    served.tell(Stop::Drain);
    served.end().await;
    let served = on(&database).await;
    assert_eq!(what_is_to_happen(&served, "/admin/policies").await, before);
    // A migration down takes tables along, and leaves what people have set.
    served.tell(Stop::Drain);
    served.end().await;
    let store = database.store().await;
    let migrator = store.migrator(&annals_server::MIGRATIONS);
    migrator.down(usize::MAX).await.unwrap();
    let served = on(&database).await;
    assert_eq!(what_is_to_happen(&served, "/admin/policies").await, before);
}

async fn what_a_table_cannot_have_is_refused_with_a_reason(database: TestDatabase) {
    let served = on(&database).await;
    let path = "/admin/tables/spans/policies/refresh";
    let refused = put(&served, path, &json!({ "every": "10s" }))
        .await
        .refusal(400);
    assert!(
        refused.contains("spans") && refused.contains("refresh"),
        "{refused}"
    );
    let path = format!("{BARS}/refresh");
    let body = json!({ "every": "10s", "only": "A" });
    let refused = put(&served, &path, &body).await.refusal(400);
    assert!(refused.contains("retention"), "{refused}");
    // Longer bars are of all symbols in a range of time.
    let path = format!("{BARS}/retention");
    let body = json!({ "after": "90 days", "only": "A" });
    let refused = put(&served, &path, &body).await.refusal(400);
    assert!(refused.contains("bars_1m"), "{refused}");
    let path = format!("{BARS}/compression");
    let answer = put(&served, &path, &json!({ "after": "30 days" })).await;
    let edition = get(&served, "/version").await.found()["database"].to_string();
    if edition.contains("Community") {
        assert_eq!(answer.found()["runner"], "the database");
        return;
    }
    let refused = answer.refusal(501);
    assert!(refused.contains(edition.trim_matches('"')), "{refused}");
    assert!(refused.contains("Community"), "{refused}");
    assert!(of_kind(&served, BARS, "compression").await.is_empty());
    assert!(database.backend != Backend::Timescale || edition.contains("Apache"));
}

#[test]
fn compression_is_on_by_itself_where_the_database_can() {
    on_community(async |database| {
        let served = on(&database).await;
        let jobs = "SELECT count(*) FROM timescaledb_information.jobs
                     WHERE proc_name IN ('policy_compression', 'policy_columnstore')";
        let wanted = of_kind(&served, "/admin/policies", "compression").await;
        assert!(wanted.len() >= 6, "{wanted:#?}");
        // Though this server runs no policies: they are brought in line at the start.
        crate::serving::eventually("policies of the database", async || {
            database.number(jobs).await == wanted.len() as i64
        })
        .await;
        for (label, after) in [
            ("spans", "7 days"),
            ("bars_1m", "30 days"),
            ("bars_1h", "730 days"),
            ("events:default", "7 days"),
        ] {
            let path = format!("/admin/tables/{label}/policies");
            let policies = of_kind(&served, &path, "compression").await;
            assert_eq!(policies[0]["interval"], after, "{label}");
            assert_eq!(policies[0]["runner"], "the database");
        }
        let path = "/admin/tables/spans/policies/compression";
        let before = database.number(jobs).await;
        put(&served, path, &json!({ "after": "3 days" }))
            .await
            .found();
        assert_eq!(database.number(jobs).await, before);
        assert_eq!(
            delete(&served, path).await.found(),
            json!({ "removed": true })
        );
        assert_eq!(database.number(jobs).await, before - 1);
    });
}
