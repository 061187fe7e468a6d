//! Reading streams and categories, with every option.

use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::{Value, json};

use super::{assert_rows, on, result};
use crate::serving::Served;

on_every_backend!(
    a_stream_is_read_from_where_it_was_asked,
    a_category_is_read_from_where_it_was_asked,
    groups_divide_a_category_by_the_md5_of_ids,
    what_there_is_can_be_listed,
);

async fn write(served: &Served, stream: &str, kind: &str, metadata: Value) {
    let message = json!({ "type": kind, "data": {}, "metadata": metadata });
    let body = json!(["stream.write", stream, message]).to_string();
    result(served, &body).await;
}

/// Global positions of what a read gives.
async fn places(served: &Served, body: &str, column: usize) -> Vec<i64> {
    let messages = result(served, body).await;
    let messages = messages.as_array().unwrap();
    messages
        .iter()
        .map(|message| message[column].as_i64().unwrap())
        .collect()
}

async fn a_stream_is_read_from_where_it_was_asked(database: TestDatabase) {
    let served = on(&database).await;
    // Of every two global positions one is of the stream.
    for kind in ["A", "B", "A", "C"] {
        write(&served, "a-1", kind, json!({})).await;
        write(&served, "b-1", kind, json!({})).await;
    }
    for (options, expected) in [
        ("{}", vec![1, 3, 5, 7]),
        (r#"{"position":2}"#, vec![5, 7]),
        (r#"{"position":2.7}"#, vec![5, 7]),
        (r#"{"position":-5}"#, vec![1, 3, 5, 7]),
        (r#"{"position":4}"#, vec![]),
        (r#"{"position":9223372036854775807}"#, vec![]),
        (r#"{"globalPosition":3}"#, vec![3, 5, 7]),
        (r#"{"globalPosition":4,"position":0}"#, vec![5, 7]),
        (r#"{"batchSize":2}"#, vec![1, 3]),
        (r#"{"batchSize":0}"#, vec![]),
        (r#"{"batchSize":-1}"#, vec![1, 3, 5, 7]),
        (r#"{"batchSize":10000,"position":3}"#, vec![7]),
    ] {
        let body = format!(r#"["stream.get", "a-1", {options}]"#);
        assert_eq!(places(&served, &body, 3).await, expected, "{options}");
    }
    for (options, expected) in [
        ("{}", r#"["*","C",3,7,{},{},"*time"]"#),
        (r#"{"type":"A"}"#, r#"["*","A",2,5,{},{},"*time"]"#),
        (r#"{"type":"a"}"#, "null"),
        (r#"{"type":""}"#, "null"),
    ] {
        let body = format!(r#"["stream.last", "a-1", {options}]"#);
        assert_rows(&served, &[(&body, 200, expected)]).await;
    }
}

async fn a_category_is_read_from_where_it_was_asked(database: TestDatabase) {
    let served = on(&database).await;
    let by = |stream: &str| json!({ "correlationStreamName": stream });
    write(&served, "a-1", "T", by("order-1")).await;
    write(&served, "b-1", "T", json!({})).await;
    write(&served, "a-2", "T", by("orders-1")).await;
    write(&served, "a:command-1", "T", json!({})).await;
    write(&served, "a", "T", by("order")).await;
    for (category, options, expected) in [
        ("a", "{}", vec![1, 3, 5]),
        ("a", r#"{"position":0}"#, vec![1, 3, 5]),
        ("a", r#"{"position":3}"#, vec![3, 5]),
        ("a", r#"{"globalPosition":4,"position":1}"#, vec![5]),
        ("a", r#"{"batchSize":2}"#, vec![1, 3]),
        ("a", r#"{"batchSize":0}"#, vec![]),
        ("a", r#"{"batchSize":-1}"#, vec![1, 3, 5]),
        ("a", r#"{"correlation":"order"}"#, vec![1, 5]),
        ("a", r#"{"correlation":"order-1"}"#, vec![]),
        ("a", r#"{"correlation":""}"#, vec![]),
        ("a:command", "{}", vec![4]),
        ("a-1", "{}", vec![]),
        ("nothing", "{}", vec![]),
        ("", "{}", vec![1, 2, 3, 4, 5]),
        ("", r#"{"position":4,"batchSize":1}"#, vec![4]),
    ] {
        let body = format!(r#"["category.get", "{category}", {options}]"#);
        assert_eq!(
            places(&served, &body, 4).await,
            expected,
            "{category} {options}"
        );
    }
}

async fn groups_divide_a_category_by_the_md5_of_ids(database: TestDatabase) {
    let served = on(&database).await;
    let streams = [
        "g-0", "g-1", "g-2", "g-3", "g-4", "g-123", "g-abc", "g-é", "g-123+x", "g",
    ];
    for stream in streams {
        write(&served, stream, "T", json!({})).await;
    }
    // Members of a group of three, stream by stream; the last is in no group.
    let members = [1, 0, 1, 2, 0, 1, 2, 2, 1];
    for member in 0..3 {
        let group = format!(r#"{{"consumerGroup":{{"member":{member},"size":3}}}}"#);
        let body = format!(r#"["category.get", "g", {group}]"#);
        let expected: Vec<i64> = members
            .iter()
            .zip(1..)
            .filter(|(of, _)| **of == member)
            .map(|(_, place)| place)
            .collect();
        assert_eq!(places(&served, &body, 4).await, expected, "{member}");
        // The filter comes before the number.
        let one = body.replace("}}]", "},\"batchSize\":1}]");
        assert_eq!(places(&served, &one, 4).await, expected[..1], "{member}");
    }
}

async fn what_there_is_can_be_listed(database: TestDatabase) {
    let served = on(&database).await;
    for stream in ["b-1", "a-1", "a-1", "a_2", "a-2", "ax2"] {
        write(&served, stream, "T", json!({})).await;
    }
    let names = |expected: &[&str]| json!(expected);
    for (options, expected) in [
        ("{}", names(&["a-1", "a-2", "a_2", "ax2", "b-1"])),
        (r#"{"limit":2}"#, names(&["a-1", "a-2"])),
        (r#"{"limit":2,"cursor":"a-2"}"#, names(&["a_2", "ax2"])),
        (r#"{"prefix":"a-"}"#, names(&["a-1", "a-2"])),
        // What a LIKE would take for wildcards is none.
        (r#"{"prefix":"a_"}"#, names(&["a_2"])),
        (r#"{"prefix":"%"}"#, names(&[])),
        (
            r#"{"prefix":"a","cursor":"a-1","limit":1000}"#,
            names(&["a-2", "a_2", "ax2"]),
        ),
    ] {
        let streams = result(&served, &format!("[\"ns.streams\", {options}]")).await;
        let found: Vec<Value> = streams
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["stream"].clone())
            .collect();
        assert_eq!(Value::Array(found), expected, "{options}");
    }
    assert_rows(
        &served,
        &[
            (
                r#"["ns.streams", {"prefix":"a-1"}]"#,
                200,
                r#"[{"stream":"a-1","version":1,"lastActivity":"*time"}]"#,
            ),
            (
                "[\"ns.categories\"]",
                200,
                r#"[{"category":"a","streamCount":2,"messageCount":3},
                    {"category":"a_2","streamCount":1,"messageCount":1},
                    {"category":"ax2","streamCount":1,"messageCount":1},
                    {"category":"b","streamCount":1,"messageCount":1}]"#,
            ),
        ],
    )
    .await;
    let streams = result(&served, "[\"ns.streams\"]").await;
    let activity = streams[0]["lastActivity"].as_str().unwrap();
    assert!(!activity.contains('.'), "no fraction: {activity}");
}
