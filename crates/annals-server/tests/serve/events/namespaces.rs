//! Namespaces: made, listed, told about and deleted; they share nothing.

use std::time::Duration;

use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::json;

use super::{TOKEN, assert_rows, call_as, on, refused, result};

on_every_backend!(
    a_namespace_lives_from_its_making_to_its_end,
    namespaces_share_nothing,
    the_server_tells_how_it_is,
);

async fn a_namespace_lives_from_its_making_to_its_end(database: TestDatabase) {
    let served = on(&database).await;
    // The listing is by time, in whole seconds.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let given = annals_events::Token::random("shop").reveal().to_owned();
    let create = format!(
        r#"["ns.create", "shop", {{"description":"D","metadata":{{}},"token":"{given}"}}]"#
    );
    let made = format!(r#"{{"namespace":"shop","token":"{given}","createdAt":"*time"}}"#);
    assert_rows(
        &served,
        &[
            (r#"["ns.info", "shop"]"#, 404, "NAMESPACE_NOT_FOUND"),
            (r#"["ns.delete", "shop"]"#, 404, "NAMESPACE_NOT_FOUND"),
            (&create, 200, &made),
            (&create, 409, "NAMESPACE_EXISTS"),
            (
                r#"["ns.info", "shop"]"#,
                200,
                r#"{"namespace":"shop","description":"D","createdAt":"*time","messageCount":0,
                    "streamCount":0,"lastActivity":null}"#,
            ),
        ],
    )
    .await;
    for stream in ["a-1", "a-1", "b-1"] {
        let write = format!(r#"["stream.write", "{stream}", {{"type":"T","data":{{}}}}]"#);
        assert_eq!(call_as(served.http, &given, &write).await.status, 200);
    }
    assert_rows(
        &served,
        &[
            (
                r#"["ns.info", "shop"]"#,
                200,
                r#"{"namespace":"shop","description":"D","createdAt":"*time","messageCount":3,
                    "streamCount":2,"lastActivity":"*time"}"#,
            ),
            (
                "[\"ns.list\"]",
                200,
                r#"[{"namespace":"shop","description":"D","createdAt":"*time","messageCount":3},
                    {"namespace":"default","description":"Default namespace","createdAt":"*time",
                     "messageCount":0}]"#,
            ),
            (
                r#"["ns.delete", "shop"]"#,
                200,
                r#"{"namespace":"shop","deletedAt":"*time","messagesDeleted":3}"#,
            ),
            (r#"["ns.delete", "shop"]"#, 404, "NAMESPACE_NOT_FOUND"),
        ],
    )
    .await;
    let (code, _) = refused(
        &call_as(served.http, &given, "[\"sys.version\"]").await,
        403,
    );
    assert_eq!(code, "AUTH_UNAUTHORIZED");
    // One that has no token yet gets one, whatever it is called.
    for id in ["shop", "what? _-", "日本語", "Ünï"] {
        let made = result(&served, &json!(["ns.create", id]).to_string()).await;
        let token = made["token"].as_str().unwrap();
        assert_eq!(made["namespace"], id);
        let answer = call_as(served.http, token, r#"["stream.version", "a-1"]"#).await;
        assert_eq!((answer.status, answer.text()), (200, "null\n"), "{id}");
    }
}

async fn namespaces_share_nothing(database: TestDatabase) {
    let served = on(&database).await;
    let made = result(&served, r#"["ns.create", "other"]"#).await;
    let other = made["token"].as_str().unwrap();
    let write = r#"["stream.write", "a-1", {"type":"T","data":{}}, {"expectedVersion":-1,
        "id":"018f0000-0000-7000-8000-00000000000a"}]"#;
    for token in [TOKEN, other] {
        let answer = call_as(served.http, token, write).await;
        assert_eq!(answer.json(), json!({ "position": 0, "globalPosition": 1 }));
    }
    for token in [TOKEN, other] {
        let all = call_as(served.http, token, r#"["category.get", ""]"#)
            .await
            .found();
        assert_eq!(all.as_array().unwrap().len(), 1);
        let streams = call_as(served.http, token, "[\"ns.streams\"]")
            .await
            .found();
        assert_eq!(streams.as_array().unwrap().len(), 1);
    }
}

async fn the_server_tells_how_it_is(database: TestDatabase) {
    let served = on(&database).await;
    let health = result(&served, "[\"sys.health\"]").await;
    assert_eq!(health["status"], "ok");
    let backend = format!("{:?}", database.backend).to_lowercase();
    assert_eq!(health["backend"], backend.as_str());
    assert!(health["connections"].as_u64().unwrap() > 0, "{health}");
}
