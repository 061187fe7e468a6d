//! Deployment traces age as other tables do: by `/admin`, each workspace as long as it wants.

use annals_testkit::{TestDatabase, on_every_backend};
use http::Method;
use serde_json::{Value, json};

use super::{JSON, OTHER, WORKSPACE, span, stored};
use crate::{
    client::{Answer, request, send, whole},
    serving::{self, Served},
};

on_every_backend!(
    a_workspace_is_kept_as_long_as_its_policy_says,
    the_table_is_among_those_that_operators_see,
);

const TOKEN: &str = "correct-horse-battery";
const TABLE: &str = "/admin/tables/deployment_trace_span";

async fn asked(served: &Served, method: Method, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str()), JSON];
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    send(served.http, request(method, path, &headers, whole(body))).await
}

async fn on(database: &TestDatabase) -> Served {
    let settings = [("API_TOKEN", TOKEN), ("LIFECYCLE_INTERVAL", "off")];
    serving::on(database, &settings).await
}

const DAY: u64 = 86_400_000;

/// Three spans of each workspace: of now, 60 and 120 days old.
async fn old_and_new(served: &Served) {
    for workspace in [WORKSPACE, OTHER] {
        let spans =
            [1_000, 60 * DAY, 120 * DAY].map(|age| span(&format!("{workspace} {age}"), "a", age));
        let path = format!("/workspaces/{workspace}/spans");
        let answer = asked(served, Method::POST, &path, &json!({ "spans": spans })).await;
        assert_eq!(answer.found()["accepted"], 3);
    }
}

async fn a_workspace_is_kept_as_long_as_its_policy_says(database: TestDatabase) {
    let served = on(&database).await;
    old_and_new(&served).await;
    let policy = format!("{TABLE}/policies/retention");
    for (only, after) in [(WORKSPACE, "30 days"), (OTHER, "90 days")] {
        let body = json!({ "after": after, "only": only });
        let set = asked(&served, Method::PUT, &policy, &body).await.found();
        assert_eq!(
            (&set["only"], &set["interval"]),
            (&json!(only), &json!(after))
        );
    }
    let wrong = json!({ "after": "30 days", "only": "production" });
    let error = asked(&served, Method::PUT, &policy, &wrong)
        .await
        .refusal(400);
    assert!(error.contains("production"), "{error}");
    let path = format!("{TABLE}/delete");
    let body = json!({ "only": WORKSPACE, "older_than": "30 days" });
    let answer = asked(&served, Method::POST, &path, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(stored(&database).await, 4);
    let left = format!("SELECT count(*) FROM deployment_trace_span WHERE workspace_id = '{OTHER}'");
    assert_eq!(database.number(&left).await, 3);
}

async fn the_table_is_among_those_that_operators_see(database: TestDatabase) {
    let served = on(&database).await;
    old_and_new(&served).await;
    let tables = asked(&served, Method::GET, "/admin/tables", &Value::Null)
        .await
        .found();
    assert!(
        tables.to_string().contains("deployment_trace_span"),
        "{tables}"
    );
    let body = json!({ "older_than": "90 days" });
    let answer = asked(&served, Method::POST, &format!("{TABLE}/expire"), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(stored(&database).await, 4);
    let metrics = asked(&served, Method::GET, "/metrics", &Value::Null).await;
    for told in ["road=\"deployments\"", "annals_spans_total"] {
        assert!(metrics.text().contains(told), "{told}");
    }
}
