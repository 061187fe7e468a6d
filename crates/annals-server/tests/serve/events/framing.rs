//! How calls are framed, and what they are answered with.

use http::Method;

use super::{TOKEN, assert_rows, call, in_memory, refused};
use crate::client::{get, post, request, send, whole};

#[tokio::test]
async fn what_is_no_call_is_refused() {
    let served = in_memory().await;
    for (body, status, code, message) in [
        ("", 400, "INVALID_REQUEST", "Malformed JSON request"),
        ("{}", 400, "INVALID_REQUEST", "Malformed JSON request"),
        (
            "\"sys.version\"",
            400,
            "INVALID_REQUEST",
            "Malformed JSON request",
        ),
        (
            "[\"sys.version\"",
            400,
            "INVALID_REQUEST",
            "Malformed JSON request",
        ),
        ("[]", 400, "INVALID_REQUEST", "Missing method name"),
        ("null", 400, "INVALID_REQUEST", "Missing method name"),
        (
            "[7]",
            400,
            "INVALID_REQUEST",
            "Method name must be a string",
        ),
        (
            "[[\"sys.version\"]]",
            400,
            "INVALID_REQUEST",
            "Method name must be a string",
        ),
        (
            "[\"sys.nothing\"]",
            404,
            "METHOD_NOT_FOUND",
            "Unknown method: sys.nothing",
        ),
        (
            "[\"ns.rotateToken\"]",
            404,
            "METHOD_NOT_FOUND",
            "Unknown method: ns.rotateToken",
        ),
    ] {
        let answer = call(&served, body).await;
        let told = refused(&answer, status);
        assert_eq!(
            (told.0.as_str(), told.1.as_str()),
            (code, message),
            "{body}"
        );
        assert!(answer.text().ends_with("}\n"));
        let details = &answer.json()["error"]["details"];
        assert_eq!(
            details["error"].is_string(),
            message.starts_with("Malformed"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_answer_is_json_that_ends_in_a_newline() {
    let served = in_memory().await;
    let answer = call(&served, "[\"sys.version\", \"surplus\"]").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(answer.header("server").starts_with("Annals/"));
    assert!(answer.text().ends_with("\"\n"));
    let version = answer.json().as_str().unwrap().to_owned();
    let parts: Vec<u64> = version
        .split('.')
        .map(|part| part.parse().unwrap())
        .collect();
    assert_eq!(parts.len(), 3, "{version}");
    // Whatever the request says that it is.
    let authorization = format!("Bearer {TOKEN}");
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "nonsense",
    ] {
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", media),
        ];
        assert_eq!(
            post(served.http, "/rpc", &headers, "[\"sys.version\"]")
                .await
                .status,
            200
        );
    }
}

#[tokio::test]
async fn another_method_is_refused_after_the_token() {
    let served = in_memory().await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let asked = request(method.clone(), "/rpc", &[], whole(""));
        let (code, _) = refused(&send(served.http, asked).await, 401);
        assert_eq!(code, "AUTH_REQUIRED");
        let path = format!("/rpc?token={TOKEN}");
        let asked = request(method, &path, &[], whole(""));
        let told = refused(&send(served.http, asked).await, 405);
        assert_eq!(
            told,
            (
                "INVALID_REQUEST".to_owned(),
                "Only POST method allowed".to_owned()
            )
        );
    }
}

#[tokio::test]
async fn what_is_not_served_is_told_in_the_contract_s_form() {
    let served = in_memory().await;
    for path in [
        "/nothing",
        "/rpc/",
        "/subscribe/stream/a-1",
        "/debug/pprof/",
    ] {
        let answer = get(served.http, path).await;
        let told = refused(&answer, 404);
        assert_eq!(
            told,
            ("NOT_FOUND".to_owned(), "Endpoint not found".to_owned()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn health_and_version_answer_any_method_without_a_token() {
    let served = in_memory().await;
    for method in [Method::GET, Method::POST, Method::PUT] {
        let ask =
            async |path| send(served.http, request(method.clone(), path, &[], whole(""))).await;
        let health = ask("/health").await;
        assert_eq!(health.header("content-type"), "application/json");
        assert_eq!(health.found(), serde_json::json!({ "status": "ok" }));
        let version = ask("/version").await.found();
        assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    }
}

#[tokio::test]
async fn an_argument_of_the_wrong_shape_is_refused_by_its_name() {
    let served = in_memory().await;
    for (body, told) in [
        (r#"["stream.write"]"#, "stream name"),
        (r#"["stream.write", ""]"#, "stream name"),
        (r#"["stream.write", 7, {}]"#, "stream name"),
        (
            r#"["stream.write", "a\u0000", {"type":"T","data":{}}]"#,
            "stream name",
        ),
        (r#"["stream.write", "a"]"#, "message"),
        (r#"["stream.write", "a", "b"]"#, "message"),
        (r#"["stream.write", "a", {"data":{}}]"#, "type"),
        (r#"["stream.write", "a", {"type":"","data":{}}]"#, "type"),
        (
            r#"["stream.write", "a", {"type":"\ud800","data":{}}]"#,
            "type",
        ),
        (r#"["stream.write", "a", {"type":"T"}]"#, "data"),
        (r#"["stream.write", "a", {"type":"T","data":null}]"#, "data"),
        (r#"["stream.write", "a", {"type":"T","data":[]}]"#, "data"),
        (
            r#"["stream.write", "a", {"type":"T","data":{"x":"\u0000"}}]"#,
            "data",
        ),
        (
            r#"["stream.write", "a", {"type":"T","data":{"x":"\udc00"}}]"#,
            "data",
        ),
        (
            r#"["stream.write", "a", {"type":"T","data":{"x":1e401}}]"#,
            "data",
        ),
        (
            r#"["stream.write", "a", {"type":"T","data":{},"metadata":7}]"#,
            "metadata",
        ),
        (
            r#"["stream.write", "a", {"type":"T","data":{}}, null]"#,
            "options",
        ),
        (
            r#"["stream.write", "a", {"type":"T","data":{}}, {"id":"x"}]"#,
            "id",
        ),
        (
            r#"["stream.write", "a", {"type":"T","data":{}}, {"id":null}]"#,
            "id",
        ),
        (
            r#"["stream.write", "a", {"type":"T","data":{}}, {"expectedVersion":null}]"#,
            "expectedVersion",
        ),
        (
            r#"["stream.write", "a", {"type":"T","data":{}}, {"expectedVersion":1e19}]"#,
            "expectedVersion",
        ),
        (r#"["stream.get"]"#, "stream name"),
        (r#"["stream.get", "a", []]"#, "options"),
        (r#"["stream.get", "a", {"position":"0"}]"#, "position"),
        (
            r#"["stream.get", "a", {"globalPosition":null}]"#,
            "globalPosition",
        ),
        (r#"["stream.get", "a", {"batchSize":10001}]"#, "batchSize"),
        (r#"["stream.get", "a", {"batchSize":-2}]"#, "batchSize"),
        (r#"["stream.last"]"#, "stream name"),
        (r#"["stream.last", "a", {"type":7}]"#, "type"),
        (r#"["stream.version"]"#, "stream name"),
        (r#"["category.get"]"#, "category"),
        (r#"["category.get", "a", {"correlation":7}]"#, "correlation"),
        (r#"["category.get", "a", {"batchSize":10001}]"#, "batchSize"),
        (
            r#"["category.get", "a", {"consumerGroup":{"member":0}}]"#,
            "consumerGroup",
        ),
        (
            r#"["category.get", "a", {"consumerGroup":{"member":2,"size":2}}]"#,
            "consumerGroup",
        ),
        (r#"["ns.create"]"#, "namespace id"),
        (r#"["ns.create", "n", {"description":7}]"#, "description"),
        (r#"["ns.create", "n", {"metadata":7}]"#, "metadata"),
        (r#"["ns.create", "n", {"token":"x"}]"#, "token"),
        (r#"["ns.delete", ""]"#, "namespace id"),
        (r#"["ns.info"]"#, "namespace id"),
        (r#"["ns.streams", {"limit":0}]"#, "limit"),
        (r#"["ns.streams", {"limit":1001}]"#, "limit"),
        (r#"["ns.streams", {"prefix":7}]"#, "prefix"),
    ] {
        let (code, message) = refused(&call(&served, body).await, 400);
        assert_eq!(code, "INVALID_REQUEST", "{body}");
        assert!(message.contains(told), "{body}: {message}");
    }
    assert_rows(&served, &[("[\"ns.streams\"]", 200, "[]")]).await;
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused_with_their_place() {
    let served = in_memory().await;
    let body = b"[\"stream.write\", \"a\", {\"type\":\"T\",\"data\":{\"x\":\"\xff\"}}]";
    let path = format!("/rpc?token={TOKEN}");
    let answer = post(served.http, &path, &[], body.to_vec()).await;
    refused(&answer, 400);
    let told = answer.json()["error"]["details"]["error"].to_string();
    assert!(
        told.contains("UTF-8") && told.contains("data of argument 2"),
        "{told}"
    );
}

#[tokio::test]
async fn a_call_may_be_packed() {
    let served = in_memory().await;
    let authorization = format!("Bearer {TOKEN}");
    let body = zstd::encode_all(&b"[\"sys.version\"]"[..], 1).unwrap();
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-encoding", "zstd"),
    ];
    assert_eq!(
        post(served.http, "/rpc", &headers, body.clone())
            .await
            .status,
        200
    );
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-encoding", "br"),
    ];
    let (code, _) = refused(&post(served.http, "/rpc", &headers, body).await, 415);
    assert_eq!(code, "INVALID_REQUEST");
}
