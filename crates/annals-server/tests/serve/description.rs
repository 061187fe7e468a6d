//! `/openapi.json` describes what is served, and makes sense in itself.

use serde_json::Value;

use crate::{
    client::{get, post},
    deployments::WORKSPACE,
    serving,
};

/// Where every `$ref` in a value points to.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(target) if name == "$ref" => found.push(target),
                    other => references(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_path_is_described_and_every_reference_leads_somewhere() {
    let served = serving::in_memory(&[]).await;
    let document = get(served.http, "/openapi.json").await.found();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let described: Vec<&str> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    for path in [
        "/",
        "/health",
        "/ready",
        "/version",
        "/metrics",
        "/spans",
        "/traces",
        "/traces/{id}",
        "/models",
        "/models/{name}/latency",
        "/models/{name}/regression",
        "/models/{name}/analysis",
        "/bars",
        "/bars/{symbol}",
        "/bars/{symbol}/latest",
        "/bars/{symbol}/gaps",
        "/symbols",
        "/workspaces",
        "/workspaces/{id}",
        "/workspaces/{id}/traces",
        "/workspaces/{id}/traces/{trace}",
        "/workspaces/{id}/traces/{trace}/tree",
        "/workspaces/{id}/traces/{trace}/spans/{span}/children",
        "/workspaces/{id}/spans",
        "/workspaces/{id}/spans/roots",
        "/workspaces/{id}/releases/{release}/spans",
        "/workspaces/{id}/release-targets/{key}/spans",
        "/workspaces/{id}/release-targets/{key}/why",
        "/workspaces/{id}/jobs/{job}/spans",
        "/workspaces/{id}/failures",
        "/workspaces/{id}/phases",
        "/admin/tables",
        "/admin/tables/{label}",
        "/admin/tables/{label}/chunks",
        "/admin/tables/{label}/chunks/{chunk}/export",
        "/admin/tables/{label}/policies",
        "/admin/policies",
    ] {
        assert!(described.contains(&path), "{path} is not in {described:?}");
        let get = &document["paths"][path]["get"];
        assert!(get["responses"]["200"].is_object(), "{path}");
    }
    let mut targets = Vec::new();
    references(&document, &mut targets);
    assert!(!targets.is_empty());
    for target in targets {
        let pointer = target.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{target}");
    }
}

#[tokio::test]
async fn every_path_that_is_described_is_served() {
    let served = serving::in_memory(&[]).await;
    let document = get(served.http, "/openapi.json").await.found();
    for (path, methods) in document["paths"].as_object().unwrap() {
        // Closed without a token: what is served there is looked at in `admin`.
        if path.starts_with("/admin/") {
            continue;
        }
        if methods["get"].is_null() {
            let answer = post(served.http, path, &[], "").await;
            // Who has no trace token hears nothing else.
            let is_external = path == "/api/traces/spans";
            let expected = if is_external { 401 } else { 415 };
            assert_eq!(answer.status, expected, "{path}");
            continue;
        }
        if path.starts_with("/workspaces/") {
            let asked = path.replace("{id}", WORKSPACE).replace(['{', '}'], "");
            let error = get(served.http, &asked).await.refusal(404);
            assert!(error.contains(WORKSPACE), "{path}: {error}");
            continue;
        }
        if path == "/logs/follow" {
            // It has no end; this much of it has.
            get(served.http, "/logs/follow?limit=1").await.refusal(400);
            continue;
        }
        let mut asked = path.replace("{id}", "x").replace("{name}", "m");
        asked = asked.replace("{symbol}", "A");
        if path == "/bars" {
            asked += "?symbols=A";
        }
        let answer = get(served.http, &asked).await;
        let is_unknown = matches!(path.as_str(), "/traces/{id}" | "/metrics-data/{name}");
        let expected = if is_unknown { 404 } else { 200 };
        assert_eq!(answer.status, expected, "{path}");
    }
}

#[tokio::test]
async fn every_parameter_of_a_question_is_described() {
    let served = serving::in_memory(&[]).await;
    let document = get(served.http, "/openapi.json").await.found();
    for (path, names) in [
        (
            "/spans",
            &[
                "service", "model", "since", "until", "limit", "order", "cursor",
            ][..],
        ),
        (
            "/logs",
            &[
                "service",
                "severity",
                "since",
                "until",
                "trace",
                "span",
                "text",
                "attribute",
                "event",
                "scope",
                "order",
                "limit",
                "cursor",
            ][..],
        ),
        (
            "/models/{name}/latency",
            &["name", "window", "until", "version"],
        ),
        (
            "/bars/{symbol}",
            &[
                "symbol",
                "timeframe",
                "start",
                "end",
                "limit",
                "cursor",
                "zone",
            ],
        ),
        (
            "/bars/{symbol}/latest",
            &["symbol", "timeframe", "limit", "zone"],
        ),
        ("/bars/{symbol}/gaps", &["symbol", "start", "end"]),
        ("/bars", &["symbols", "symbol", "limit"]),
        ("/symbols", &["since"]),
        ("/workspaces", &["limit", "cursor"]),
        (
            "/workspaces/{id}/traces",
            &[
                "id",
                "deployment_id",
                "release_id",
                "release_target_key",
                "job_id",
                "trigger",
                "status",
                "since",
                "until",
                "limit",
                "cursor",
            ],
        ),
        (
            "/workspaces/{id}/spans",
            &[
                "id",
                "phase",
                "status",
                "node_type",
                "deployment_id",
                "name",
                "since",
                "cursor",
            ],
        ),
        (
            "/workspaces/{id}/phases",
            &["id", "deployment_id", "since", "until"],
        ),
        (
            "/workspaces/{id}/failures",
            &["id", "since", "until", "limit", "cursor"],
        ),
        ("/admin/tables/{label}/chunks", &["label", "count"]),
    ] {
        let parameters = document["paths"][path]["get"]["parameters"].as_array();
        let described: Vec<&str> = parameters
            .unwrap()
            .iter()
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        for name in names {
            assert!(described.contains(name), "{path} {name}: {described:?}");
        }
    }
}

#[tokio::test]
async fn bodies_are_described_with_every_media_type_and_field() {
    let served = serving::in_memory(&[]).await;
    let document = get(served.http, "/openapi.json").await.found();
    for (path, media, item, required) in [
        (
            "/bars",
            &["application/json", "application/x-ndjson", "text/csv"][..],
            "BarInput",
            &[
                "symbol",
                "timestamp",
                "open",
                "high",
                "low",
                "close",
                "volume",
            ][..],
        ),
        (
            "/ticks",
            &["application/json", "application/x-ndjson"],
            "TickInput",
            &["symbol", "price", "size", "timestamp"],
        ),
        (
            "/workspaces/{id}/spans",
            &["application/json", "application/x-protobuf"],
            "DeploymentSpanInput",
            &["trace_id", "span_id", "name", "start_time"],
        ),
        (
            "/api/traces/spans",
            &["application/json", "application/x-protobuf"],
            "DeploymentSpansInput",
            &["spans"],
        ),
    ] {
        let post = &document["paths"][path]["post"];
        let described = post["requestBody"]["content"].as_object().unwrap();
        let described: Vec<&str> = described.keys().map(String::as_str).collect();
        assert_eq!(described, media, "{path}");
        assert!(post["responses"]["429"].is_object(), "{path}");
        let schema = &document["components"]["schemas"][item];
        assert_eq!(schema["required"], serde_json::json!(required), "{schema}");
    }
    let ticks = &document["paths"]["/ticks"]["post"];
    assert!(ticks["responses"]["202"].is_object());
    assert!(ticks["description"].as_str().unwrap().contains("in memory"));
}

#[tokio::test]
async fn what_operators_do_is_described_and_served_in_the_same_way() {
    let token = "correct-horse-battery";
    let settings = [("API_TOKEN", token), ("LIFECYCLE_INTERVAL", "off")];
    let served = serving::in_memory(&settings).await;
    let document = get(served.http, "/openapi.json").await.found();
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let mut roads = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/admin/") {
            continue;
        }
        for (method, road) in methods.as_object().unwrap() {
            let mut asked = path.replace("{label}", "spans");
            asked = asked.replace("{kind}", "retention").replace("{chunk}", "x");
            let method = method.to_uppercase().parse().unwrap();
            let body = crate::client::whole(if road["requestBody"].is_null() {
                ""
            } else {
                "{}"
            });
            let asked = crate::client::request(method, &asked, &headers, body);
            let status = crate::client::send(served.http, asked).await.status;
            // SQLite has no chunks; a body that says nothing is refused.
            let expected = match &road["requestBody"] {
                Value::Null if path.contains("chunks") => 501,
                Value::Null => 200,
                _ => 400,
            };
            assert_eq!(status, expected, "{path}");
            assert!(road["responses"]["200"].is_object(), "{path}");
            assert_eq!(road["tags"][0], "admin");
            roads += 1;
        }
    }
    assert_eq!(roads, 14);
}
