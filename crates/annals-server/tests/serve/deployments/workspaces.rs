//! Making, finding, listing and deleting workspaces.

use annals_testkit::{TestDatabase, on_every_backend};
use http::Method;
use serde_json::{Value, json};

use super::{JSON, OTHER, WORKSPACE, each, found, on, span, stored, token, write_under, written};
use crate::{
    client::{Answer, get, post, request, send, whole},
    serving::Served,
};

on_every_backend!(
    a_workspace_is_made_named_and_found,
    workspaces_come_in_pages,
    a_workspace_goes_with_all_that_is_in_it,
);

async fn made(served: &Served, body: &Value) -> Answer {
    post(served.http, "/workspaces", &[JSON], body.to_string()).await
}

async fn delete(served: &Served, workspace: &str) -> Answer {
    let path = format!("/workspaces/{workspace}");
    send(served.http, request(Method::DELETE, &path, &[], whole(""))).await
}

async fn a_workspace_is_made_named_and_found(database: TestDatabase) {
    let served = on(&database).await;
    let named = made(&served, &json!({"id": WORKSPACE, "name": "Production 🚀"})).await;
    assert_eq!(named.status, 201, "{}", named.text());
    let first = named.json();
    assert_eq!(
        (&first["id"], &first["name"]),
        (&json!(WORKSPACE), &json!("Production 🚀"))
    );
    // What is there stays, but for a name that is given.
    for (body, name) in [
        (json!({"id": WORKSPACE}), "Production 🚀"),
        (json!({"id": WORKSPACE, "name": "prod"}), "prod"),
    ] {
        let again = made(&served, &body).await.found();
        assert_eq!(again["name"], name);
        assert_eq!(again["created_at"], first["created_at"]);
        assert_eq!(found(&served, WORKSPACE, "").await, again);
    }
    let random = made(&served, &json!({})).await;
    assert_eq!(random.status, 201);
    let random = random.json();
    assert!(random.get("name").is_none(), "{random}");
    found(&served, random["id"].as_str().unwrap(), "").await;
    // One that spans made has no name.
    written(&served, OTHER, &[span("t", "a", 10)]).await;
    assert!(found(&served, OTHER, "").await.get("name").is_none());
    assert_eq!(database.number("SELECT count(*) FROM workspace").await, 3);
    for (body, told) in [
        (json!({"id": "production"}), "is no UUID"),
        (json!({"name": ""}), "name"),
        (json!({"name": "x".repeat(257)}), "256"),
        (json!({"name": "a\0b"}), "name"),
        (json!({"title": "x"}), "title"),
        (json!([]), "no JSON object"),
    ] {
        let error = made(&served, &body).await.refusal(400);
        assert!(error.contains(told), "{body}: {error}");
    }
    assert_eq!(database.number("SELECT count(*) FROM workspace").await, 3);
}

async fn workspaces_come_in_pages(database: TestDatabase) {
    let served = on(&database).await;
    assert_eq!(get(served.http, "/workspaces").await.found(), json!([]));
    for _ in 0..5 {
        assert_eq!(made(&served, &json!({})).await.status, 201);
    }
    let mut path = "/workspaces?limit=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = get(served.http, &path).await;
        seen.extend(each(&page.found(), "id"));
        let next = page.header("annals-next-cursor");
        if next.is_empty() {
            break;
        }
        let link = format!("</workspaces?limit=2&cursor={next}>; rel=\"next\"");
        assert_eq!(page.header("link"), link);
        path = format!("/workspaces?limit=2&cursor={next}");
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    for (wrong, told) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=x", "cursor"),
        ("name=x", "name"),
    ] {
        let error = get(served.http, &format!("/workspaces?{wrong}")).await;
        assert!(error.refusal(400).contains(told), "{wrong}");
    }
}

async fn a_workspace_goes_with_all_that_is_in_it(database: TestDatabase) {
    let served = on(&database).await;
    written(&served, OTHER, &[span("theirs", "a", 10)]).await;
    let spans: Vec<Value> = (0..20)
        .map(|n| span("t", &format!("s{n}"), 1_000 + n))
        .collect();
    written(&served, WORKSPACE, &spans).await;
    let token = token(&served, WORKSPACE, "t", "s0", "").await;
    write_under(&served, &token, &[span("ci", "a", 10)])
        .await
        .found();
    assert_eq!(
        delete(&served, WORKSPACE).await.found(),
        json!({"deleted_spans": 21})
    );
    assert_eq!(stored(&database).await, 1);
    assert_eq!(
        database
            .number("SELECT count(*) FROM deployment_trace")
            .await,
        1
    );
    for path in ["", "/traces/t", "/spans"] {
        let path = format!("/workspaces/{WORKSPACE}{path}");
        get(served.http, &path).await.refusal(404);
    }
    delete(&served, WORKSPACE).await.refusal(404);
    delete(&served, "production").await.refusal(400);
    let theirs = found(&served, OTHER, "/traces/theirs").await;
    assert_eq!(each(&theirs, "span_id"), ["a"]);
    // Nothing of it is in the way of a new one.
    written(&served, WORKSPACE, &[span("t", "again", 10)]).await;
    assert_eq!(stored(&database).await, 2);
}
