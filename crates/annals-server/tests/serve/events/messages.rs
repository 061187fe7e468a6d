//! Writing messages, and reading them as they were written.

use std::collections::BTreeSet;

use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::{Value, json};

use super::{assert_rows, call, on, refused, result};

on_every_backend!(
    a_message_is_written_and_read,
    a_stream_must_be_at_the_version_that_was_expected,
    a_retry_with_the_same_id_gets_the_first_answer,
    an_array_is_written_all_or_nothing,
    documents_come_back_with_every_digit,
    all_of_unicode_comes_back,
    many_who_write_at_once_get_places_of_their_own,
);

const ID: &str = "018f0000-0000-7000-8000-00000000000a";

async fn a_message_is_written_and_read(database: TestDatabase) {
    let served = on(&database).await;
    assert_rows(
        &served,
        &[
            (r#"["stream.version", "account-1"]"#, 200, "null"),
            (r#"["stream.last", "account-1"]"#, 200, "null"),
            (r#"["stream.get", "account-1"]"#, 200, "[]"),
            (
                r#"["stream.write", "account-1", {"type":"Opened","data":{"x":1}}, {}]"#,
                200,
                r#"{"position":0,"globalPosition":1}"#,
            ),
            (
                r#"["stream.write", "account-1", {"type":"Moved","data":{},"metadata":{"m":null}},
                    {"id":"018F0000-0000-7000-8000-00000000000A"}]"#,
                200,
                r#"{"position":1,"globalPosition":2}"#,
            ),
            (
                r#"["stream.write", "account-2", {"type":"Opened","data":{},"metadata":null}]"#,
                200,
                r#"{"position":0,"globalPosition":3}"#,
            ),
            (
                r#"["stream.get", "account-1"]"#,
                200,
                r#"[["*","Opened",0,1,{"x":1},null,"*time"],
                    ["018f0000-0000-7000-8000-00000000000a","Moved",1,2,{},{"m":null},"*time"]]"#,
            ),
            (
                r#"["category.get", "account"]"#,
                200,
                r#"[["*","account-1","Opened",0,1,{"x":1},null,"*time"],
                    ["*","account-1","Moved",1,2,{},{"m":null},"*time"],
                    ["*","account-2","Opened",0,3,{},null,"*time"]]"#,
            ),
            (r#"["stream.version", "account-1"]"#, 200, "1"),
            (
                r#"["stream.last", "account-1"]"#,
                200,
                r#"["*","Moved",1,2,{},{"m":null},"*time"]"#,
            ),
        ],
    )
    .await;
}

async fn a_stream_must_be_at_the_version_that_was_expected(database: TestDatabase) {
    let served = on(&database).await;
    let write = |version: &str| {
        format!(
            r#"["stream.write", "a-1", {{"type":"T","data":{{}}}}, {{"expectedVersion":{version}}}]"#
        )
    };
    // What is expected, what is answered, and where the stream really is.
    for (version, place, actual) in [
        ("0", None, -1),
        ("-1", Some(0), 0),
        ("-1", None, 0),
        ("1", None, 0),
        ("0.0", Some(1), 1),
        ("0", None, 1),
        ("1.9", Some(2), 2),
        ("-2", None, 2),
    ] {
        let answer = call(&served, &write(version)).await;
        if let Some(place) = place {
            assert_eq!(answer.status, 200, "{version}: {}", answer.text());
            assert_eq!(answer.json()["position"], place);
            continue;
        }
        let (code, message) = refused(&answer, 409);
        assert_eq!(code, "STREAM_VERSION_CONFLICT");
        let expected = format!("Expected version {version}, stream is at version {actual}");
        assert_eq!(message, expected);
        let details = json!({ "expected": version.parse::<i64>().unwrap(), "actual": actual });
        assert_eq!(answer.json()["error"]["details"], details);
    }
}

async fn a_retry_with_the_same_id_gets_the_first_answer(database: TestDatabase) {
    let served = on(&database).await;
    let write = |stream: &str, data: &str| {
        format!(r#"["stream.write", "{stream}", {{"type":"T","data":{data}}}, {{"id":"{ID}"}}]"#)
    };
    let first = result(&served, &write("a-1", r#"{"x":1,"y":[2]}"#)).await;
    assert_eq!(
        result(&served, &write("a-1", r#"{"y":[2],"x":1}"#)).await,
        first
    );
    for (stream, data) in [("a-2", r#"{"x":1,"y":[2]}"#), ("a-1", r#"{"x":2}"#)] {
        let (code, message) = refused(&call(&served, &write(stream, data)).await, 409);
        assert!(code.contains("CONFLICT"), "{code}");
        assert!(message.contains(ID), "{message}");
    }
    assert_rows(&served, &[(r#"["stream.version", "a-1"]"#, 200, "0")]).await;
}

async fn an_array_is_written_all_or_nothing(database: TestDatabase) {
    let served = on(&database).await;
    let two = r#"[{"type":"A","data":{}},{"type":"B","data":{},"id":"018f0000-0000-7000-8000-00000000000a"}]"#;
    let write = |options: &str| format!(r#"["stream.write", "a-1", {two}, {options}]"#);
    assert_rows(
        &served,
        &[
            (
                &write(r#"{"expectedVersion":0}"#),
                409,
                "STREAM_VERSION_CONFLICT",
            ),
            (
                &write(r#"{"expectedVersion":-1}"#),
                200,
                r#"[{"position":0,"globalPosition":1},{"position":1,"globalPosition":2}]"#,
            ),
            // The second has the id of one that is there, and the first is new.
            (&write("{}"), 409, "MESSAGE_ID_CONFLICT"),
            (r#"["stream.write", "a-1", []]"#, 400, "INVALID_REQUEST"),
            (r#"["stream.version", "a-1"]"#, 200, "1"),
        ],
    )
    .await;
}

async fn documents_come_back_with_every_digit(database: TestDatabase) {
    let served = on(&database).await;
    for (index, (data, kept)) in [
        (r#"{"x":9007199254740993}"#, "9007199254740993"),
        (
            r#"{"x":123456789012345678901234567890}"#,
            "123456789012345678901234567890",
        ),
        (r#"{"x":1.0}"#, "1.0"),
        (r#"{"x":2.50}"#, "2.50"),
        (r#"{"x":-0.1}"#, "-0.1"),
        (r#"{"x":1e2}"#, "100"),
        (r#"{"x":0.30000000000000004}"#, "0.30000000000000004"),
        (r#"{"x":1,"x":[null,true,"",{}]}"#, "[null,true,\"\",{}]"),
        (r#"{"x":"<>&\"\\\/\b"}"#, r#""<>&\"\\/\b""#),
    ]
    .into_iter()
    .enumerate()
    {
        let write = format!(
            r#"["stream.write", "n-{index}", {{"type":"T","data":{data},"metadata":{data}}}]"#
        );
        result(&served, &write).await;
        let answer = call(&served, &format!(r#"["stream.get", "n-{index}"]"#)).await;
        // White space apart, which databases are free in.
        let text = answer.text().replace(": ", ":").replace(", ", ",");
        let document = format!("{{\"x\":{kept}}}");
        assert_eq!(text.matches(&document).count(), 2, "{data}: {text}");
    }
    let depth = annals_record::Json::MAX_DEPTH - 1;
    let nested = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    for (depth, status) in [(depth, 200), (depth + 1, 400)] {
        let data = nested(depth);
        let write = format!(r#"["stream.write", "d-1", {{"type":"T","data":{data}}}]"#);
        assert_eq!(call(&served, &write).await.status, status, "{depth}");
    }
    let large = format!("{{\"x\":\"{}\"}}", "é".repeat(100_000));
    let write = format!(r#"["stream.write", "d-2", {{"type":"T","data":{large}}}]"#);
    result(&served, &write).await;
    let back = result(&served, r#"["stream.last", "d-2"]"#).await;
    assert_eq!(back[4], serde_json::from_str::<Value>(&large).unwrap());
}

async fn all_of_unicode_comes_back(database: TestDatabase) {
    let served = on(&database).await;
    for name in [
        "日本語-1",
        "emoji-😀",
        "café-é",
        "Ümläut",
        "a b-c d",
        "rtl-\u{5d0}",
        "quote-\"'",
    ] {
        let quoted = json!(name).to_string();
        let message = json!({ "type": name, "data": { name: name }, "metadata": { "m": name } });
        result(&served, &format!("[\"stream.write\", {quoted}, {message}]")).await;
        let back = result(
            &served,
            &format!("[\"stream.last\", {quoted}, {{\"type\":{quoted}}}]"),
        )
        .await;
        assert_eq!(back[1], name);
        assert_eq!(
            (&back[4], &back[5]),
            (&json!({ name: name }), &json!({ "m": name }))
        );
    }
    // An escape for what needs none, and a pair of surrogates.
    let write = r#"["stream.write", "esc-1", {"type":"\u0041","data":{"\u0061":"\ud83d\ude00"}}]"#;
    result(&served, write).await;
    let back = result(&served, r#"["stream.last", "esc-1"]"#).await;
    assert_eq!((&back[1], &back[4]), (&json!("A"), &json!({ "a": "😀" })));
}

async fn many_who_write_at_once_get_places_of_their_own(database: TestDatabase) {
    let served = on(&database).await;
    let write = r#"["stream.write", "a-1", {"type":"T","data":{}}]"#;
    let answers = (0..40).map(|_| result(&served, write));
    let answers = futures_util::future::join_all(answers).await;
    let of = |name: &str| -> BTreeSet<i64> {
        answers
            .iter()
            .map(|answer| answer[name].as_i64().unwrap())
            .collect()
    };
    assert_eq!(of("position"), (0..40).collect());
    assert_eq!(of("globalPosition").len(), 40);
    let one = r#"["stream.write", "b-1", {"type":"T","data":{}}, {"expectedVersion":-1}]"#;
    let answers = futures_util::future::join_all((0..10).map(|_| call(&served, one))).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    let lost = answers.iter().filter(|answer| answer.status == 409).count();
    assert_eq!((won, lost), (1, 9));
}
