//! Imports: what is taken, what comes back on the way, and what goes wrong inside the stream.

use std::time::Duration;

use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use uuid::Uuid;

use super::{TOKEN, call, fits, in_memory, on, refused, result};
use crate::{
    client::{Answer, post},
    serving::{self, Served, within},
};

on_every_backend!(
    what_is_imported_is_there_as_it_was,
    batches_are_told_and_stay_when_a_later_one_fails,
    a_place_that_is_taken_is_refused,
    an_import_by_force_begins_anew,
    who_hangs_up_at_the_head_of_the_answer_has_everything_imported,
);

fn line(stream: &str, position: i64, global: i64) -> String {
    json!({
        "id": Uuid::from_u128((u128::from(global.unsigned_abs()) << 64) | 1).to_string(),
        "stream": stream,
        "type": "T",
        "pos": position,
        "gpos": global,
        "data": { "x": global },
        "meta": null,
        "time": "2024-01-02T03:04:05.123456Z",
    })
    .to_string()
}

/// Lines of one stream.
fn lines(count: i64) -> Vec<String> {
    (0..count)
        .map(|position| line("a-1", position, position + 1))
        .collect()
}

async fn import(served: &Served, query: &str, body: impl Into<bytes::Bytes>) -> Answer {
    post(
        served.http,
        &format!("/import?token={TOKEN}{query}"),
        &[],
        body,
    )
    .await
}

/// The events of an import that began.
fn events(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let text = answer.text().strip_suffix("\n\n").unwrap();
    let read = |event: &str| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
    text.split("\n\n").map(read).collect()
}

async fn imported(served: &Served, query: &str, body: String) -> Vec<Value> {
    events(&import(served, query, body).await)
}

async fn what_is_imported_is_there_as_it_was(database: TestDatabase) {
    let served = on(&database).await;
    let records = [
        json!({"id":"018f0000-0000-7000-8000-00000000000a","stream":"a-1","type":"A","pos":0,"gpos":3,
            "data":{"x":[null]},"meta":{"m":1},"time":"2024-01-02T03:04:05.123456Z"}),
        json!({"id":"018f0000-0000-7000-8000-00000000000b","stream":"b-1","type":"B","pos":0,"gpos":5,
            "data":{},"meta":null,"time":"2024-01-02T04:04:06+01:00"}),
        json!({"id":"018f0000-0000-7000-8000-00000000000c","stream":"a-1","type":"C","pos":1,"gpos":9,
            "data":{},"time":"2024-01-02T03:04:07Z"}),
    ];
    let body = records.map(|record| record.to_string()).join("\n\n") + "\n";
    let told = imported(&served, "", body).await;
    let done: Value = json!([{ "done": true, "imported": 3, "elapsed": "*" }]);
    assert!(fits(&done, &Value::Array(told.clone())), "{told:?}");
    let elapsed = told[0]["elapsed"].as_str().unwrap();
    let seconds = elapsed.strip_suffix('s').unwrap();
    assert!(seconds.parse::<f64>().is_ok() && seconds.split('.').nth(1).unwrap().len() == 1);
    let all = result(&served, r#"["category.get", ""]"#).await;
    let expected = json!([
        ["018f0000-0000-7000-8000-00000000000a", "a-1", "A", 0, 3, {"x":[null]}, {"m":1},
            "2024-01-02T03:04:05.123456Z"],
        ["018f0000-0000-7000-8000-00000000000b", "b-1", "B", 0, 5, {}, null, "2024-01-02T03:04:06Z"],
        ["018f0000-0000-7000-8000-00000000000c", "a-1", "C", 1, 9, {}, null, "2024-01-02T03:04:07Z"],
    ]);
    assert_eq!(all, expected);
    // What is written next comes behind it.
    let next = result(
        &served,
        r#"["stream.write", "a-1", {"type":"T","data":{}}]"#,
    )
    .await;
    assert_eq!(next["position"], 2);
    assert!(next["globalPosition"].as_i64().unwrap() > 9, "{next}");
    // An empty one is one too.
    let told = imported(&served, "", "\n \n".to_owned()).await;
    assert_eq!(
        told,
        [json!({ "done": true, "imported": 0, "elapsed": "0.0s" })]
    );
}

async fn batches_are_told_and_stay_when_a_later_one_fails(database: TestDatabase) {
    let served = on(&database).await;
    let mut body = lines(2_500);
    body[2_200] = "{nonsense".to_owned();
    let told = imported(&served, "", body.join("\n")).await;
    let expected = json!([
        { "imported": 1_000, "gpos": 1_000 },
        { "imported": 2_000, "gpos": 2_000 },
        { "error": "INVALID_JSON", "message": "*", "line": 2_201 },
    ]);
    assert!(fits(&expected, &Value::Array(told.clone())), "{told:?}");
    assert_eq!(result(&served, r#"["stream.version", "a-1"]"#).await, 1_999);
    let rest = lines(2_500).split_off(2_000).join("\r\n");
    let told = imported(&served, "", rest).await;
    assert_eq!(told[0]["imported"], 500);
    assert_eq!(result(&served, r#"["stream.version", "a-1"]"#).await, 2_499);
}

async fn a_place_that_is_taken_is_refused(database: TestDatabase) {
    let served = on(&database).await;
    imported(&served, "", lines(3).join("\n")).await;
    let fresh = |stream: &str, position: i64, global: i64| {
        line(stream, position, global).replacen("-0000-0000-", "-0000-00ff-", 1)
    };
    for body in [
        // The same global position, the same position, and the same id.
        fresh("b-1", 0, 2),
        fresh("a-1", 1, 50),
        line("b-1", 0, 2).replace("\"gpos\":2", "\"gpos\":60"),
    ] {
        let told = imported(&served, "", body.clone()).await;
        let expected = json!([{ "error": "POSITION_EXISTS", "message": "*" }]);
        assert!(
            fits(&expected, &Value::Array(told.clone())),
            "{body}: {told:?}"
        );
    }
    let all = result(&served, r#"["category.get", ""]"#).await;
    assert_eq!(all.as_array().unwrap().len(), 3);
}

async fn an_import_by_force_begins_anew(database: TestDatabase) {
    let served = on(&database).await;
    for stream in ["a-1", "z-1"] {
        result(
            &served,
            &format!(r#"["stream.write", "{stream}", {{"type":"Old","data":{{}}}}]"#),
        )
        .await;
    }
    let told = imported(&served, "&force=true", lines(2).join("\n")).await;
    assert_eq!(told[0]["imported"], 2);
    assert_eq!(
        result(&served, r#"["stream.version", "z-1"]"#).await,
        Value::Null
    );
    let all = result(&served, r#"["category.get", ""]"#).await;
    assert_eq!(
        (all.as_array().unwrap().len(), &all[0][2]),
        (2, &json!("T"))
    );
    imported(&served, "&force=true", String::new()).await;
    let first = result(
        &served,
        r#"["stream.write", "a-1", {"type":"T","data":{}}]"#,
    )
    .await;
    assert_eq!(first, json!({ "position": 0, "globalPosition": 1 }));
}

/// Clients of EventoDB look at the status alone, as its server answers once all is over.
async fn who_hangs_up_at_the_head_of_the_answer_has_everything_imported(database: TestDatabase) {
    let served = on(&database).await;
    for (count, force) in [(3, ""), (2_500, "&force=true")] {
        let mut stream = TcpStream::connect(served.http).await.unwrap();
        let body = lines(count).join("\n");
        let request = format!(
            "POST /import?token={TOKEN}{force} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        within(async {
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
        })
        .await;
        assert!(head.starts_with(b"HTTP/1.1 200 "));
        drop(stream);
        let version = result(&served, r#"["stream.version", "a-1"]"#).await;
        assert_eq!(version, json!(count - 1));
    }
}

#[tokio::test]
async fn a_line_that_cannot_be_taken_is_named() {
    // Where requests are small, lines have their customary bound.
    let settings = [("EVENTODB_TOKEN", TOKEN), ("MAX_REQUEST_BYTES", "16KiB")];
    let served = serving::in_memory(&settings).await;
    let good = line("a-1", 0, 1);
    let change = |from: &str, to: &str| {
        let changed = good.replace(from, to);
        assert_ne!(changed, good);
        changed
    };
    for (bad, code) in [
        ("nonsense".to_owned(), "INVALID_JSON"),
        ("[]".to_owned(), "INVALID_JSON"),
        (change("2024-01-02T", "yesterday"), "INVALID_RECORD"),
        (change("\"pos\":0", "\"pos\":-1"), "INVALID_RECORD"),
        (change("\"gpos\":1", "\"gpos\":0"), "INVALID_RECORD"),
        (change("\"data\":{\"x\":1}", "\"data\":7"), "INVALID_RECORD"),
        (change("\"x\":1", "\"x\":\"\\u0000\""), "INVALID_RECORD"),
        (
            change("\"stream\":\"a-1\"", "\"stream\":\"\""),
            "INVALID_RECORD",
        ),
        (" ".repeat((1 << 20) + 1), "READ_ERROR"),
    ] {
        let body = format!("\n{}\n{bad}\n{good}", line("z-1", 0, 99));
        let told = imported(&served, "", body).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(
            (&told[0]["error"], &told[0]["line"]),
            (&json!(code), &json!(3)),
            "{told:?}"
        );
        assert_eq!(call(&served, "[\"ns.streams\"]").await.text(), "[]\n");
    }
}

#[tokio::test]
async fn an_import_is_sent_unpacked() {
    let served = in_memory().await;
    let path = format!("/import?token={TOKEN}");
    let answer = post(served.http, &path, &[("content-encoding", "gzip")], "").await;
    assert_eq!(refused(&answer, 415).0, "INVALID_REQUEST");
}

#[tokio::test]
async fn an_import_may_be_larger_than_a_request_and_is_told_about_while_it_arrives() {
    let settings = [("EVENTODB_TOKEN", TOKEN), ("MAX_REQUEST_BYTES", "16KiB")];
    let served = serving::in_memory(&settings).await;
    let mut stream = TcpStream::connect(served.http).await.unwrap();
    let head = format!(
        "POST /import?token={TOKEN} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let body = lines(400).join("\n") + "\n";
    assert!(body.len() > 32 << 10, "{}", body.len());
    let chunk = format!("{:x}\r\n{body}\r\n", body.len());
    stream.write_all(chunk.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within(async {
        while !String::from_utf8_lossy(&answer).contains("\"imported\":") {
            stream.read_buf(&mut answer).await.unwrap();
        }
    })
    .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    within(async {
        while !String::from_utf8_lossy(&answer).contains("\"done\":true,\"imported\":400") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn an_import_that_stops_arriving_is_ended() {
    let settings = [("EVENTODB_TOKEN", TOKEN), ("READ_TIMEOUT", "1s")];
    let served = serving::in_memory(&settings).await;
    let mut stream = TcpStream::connect(served.http).await.unwrap();
    let head = format!(
        "POST /import?token={TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{{\"id\":"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        answer.contains("READ_ERROR") && answer.contains("READ_TIMEOUT"),
        "{answer}"
    );
}
