//! Streams, categories, groups and listings.

use annals_events::{
    Append, CategoryEntry, CategoryQuery, ConsumerGroup, From, NewMessage, StreamEntry, StreamList,
    StreamQuery,
};
use annals_testkit::{TestDatabase, on_every_backend};

use crate::support::*;

on_every_backend!(
    a_stream_is_read_by_its_positions,
    a_stream_is_read_by_global_positions_in_its_own_order,
    a_category_is_read_in_the_order_of_commits,
    what_is_written_comes_back_in_canonical_form,
    correlated_messages_are_found_by_category_of_the_stream_they_name,
    every_message_of_a_group_has_one_reader_and_limits_count_its_own,
    the_last_message_may_be_asked_for_by_type,
    the_last_message_is_the_last_that_is_kept,
    streams_are_listed_by_bytes_and_prefixes_are_literal,
    categories_and_counts_are_real,
    names_that_no_database_holds_are_nobody_s,
);

async fn a_stream_is_read_by_its_positions(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    for number in 0..5 {
        write(&namespace, "account-1", number).await;
        write(&namespace, "account-2", number).await;
    }
    let cases: [(i64, Option<u64>, &[i64]); 8] = [
        (0, None, &[0, 1, 2, 3, 4]),
        (-7, None, &[0, 1, 2, 3, 4]),
        (i64::MIN, Some(2), &[0, 1]),
        (3, None, &[3, 4]),
        (3, Some(1), &[3]),
        (0, Some(0), &[]),
        (5, None, &[]),
        (1, Some(u64::MAX), &[1, 2, 3, 4]),
    ];
    for (from, limit, expected) in cases {
        let query = StreamQuery {
            from: From::Position(from),
            limit,
            ..stream("account-1")
        };
        let found = namespace.stream(query).await.unwrap();
        assert_eq!(positions(&found), expected, "{from} {limit:?}");
        assert!(found.iter().all(|message| message.stream == "account-1"));
    }
    assert_eq!(namespace.stream(stream("account")).await.unwrap(), []);
    assert_eq!(
        namespace.stream_version("account-1").await.unwrap(),
        Some(4)
    );
    assert_eq!(namespace.stream_version("account-3").await.unwrap(), None);
}

async fn a_stream_is_read_by_global_positions_in_its_own_order(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    for number in 0..4 {
        write(&namespace, "a-1", number).await;
        write(&namespace, "b-1", number).await;
    }
    let cases: [(i64, Option<u64>, &[i64]); 5] = [
        (-1, None, &[1, 3, 5, 7]),
        (3, None, &[3, 5, 7]),
        (4, None, &[5, 7]),
        (4, Some(1), &[5]),
        (8, None, &[]),
    ];
    for (from, limit, expected) in cases {
        let query = StreamQuery {
            from: From::GlobalPosition(from),
            limit,
            ..stream("a-1")
        };
        let found = namespace.stream(query).await.unwrap();
        assert_eq!(global(&found), expected, "{from} {limit:?}");
    }
}

async fn a_category_is_read_in_the_order_of_commits(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    for name in [
        "account-1",
        "order-1",
        "account-2",
        "account",
        "account:command-1",
        "-1",
    ] {
        write(&namespace, name, 0).await;
    }
    let cases: [(&str, i64, Option<u64>, &[i64]); 9] = [
        ("account", 1, None, &[1, 3, 4]),
        ("account", 0, None, &[1, 3, 4]),
        ("account", -5, Some(1), &[1]),
        ("account", 2, None, &[3, 4]),
        ("account:command", 1, None, &[5]),
        ("account-1", 1, None, &[]),
        ("nothing", 1, None, &[]),
        ("", 1, None, &[1, 2, 3, 4, 5, 6]),
        ("", 3, Some(2), &[3, 4]),
    ];
    for (name, from, limit, expected) in cases {
        let query = CategoryQuery {
            from,
            limit,
            ..category(name)
        };
        let found = namespace.category(query).await.unwrap();
        assert_eq!(global(&found), expected, "{name} {from} {limit:?}");
    }
}

async fn what_is_written_comes_back_in_canonical_form(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let documents = [
        "{}",
        r#"{"b": 1, "a": [1, 2.50, -0, 1e3, 18446744073709551616], "aa": null}"#,
        r#"{"text": "a, b: c \" , \\\\ \u0001 \b\f\n\r\t / \u00e9 日本 🦀 \ud83e\udd80", "<&>": {"x": [[], {}]}}"#,
        r#"{"": "", "k , : ": " ", "t": true, "f": false, "n": 0.1e-5}"#,
    ];
    for (position, document) in documents.into_iter().enumerate() {
        let message = NewMessage::new("Typed, “so”", json(document)).with_metadata(json(document));
        let message = if position == 0 {
            NewMessage::new("Plain", json("{}"))
        } else {
            message
        };
        namespace.write_message("é-1", message, None).await.unwrap();
    }
    let found = namespace.stream(stream("é-1")).await.unwrap();
    assert_eq!(
        (&*found[0].kind, found[0].metadata.as_deref()),
        ("Plain", None)
    );
    for (message, document) in found.iter().zip(documents) {
        assert_eq!(message.data, json(document).as_str());
        assert_eq!(message.stream, "é-1");
    }
    for (message, document) in found.iter().zip(documents).skip(1) {
        assert_eq!(message.metadata.as_deref(), Some(json(document).as_str()));
        assert_eq!(message.kind, "Typed, “so”");
    }
    assert!(found.is_sorted_by_key(|message| message.time));
    assert_eq!(namespace.category(category("é")).await.unwrap(), found);
}

async fn correlated_messages_are_found_by_category_of_the_stream_they_name(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let named = [
        Some(r#"{"correlationStreamName":"order-1"}"#),
        Some(r#"{"correlationStreamName":"order-2-3"}"#),
        Some(r#"{"correlationStreamName":"order"}"#),
        Some(r#"{"correlationStreamName":"orders-1"}"#),
        Some(r#"{"correlationStreamName":""}"#),
        Some(r#"{"correlationStreamName":null}"#),
        Some("{}"),
        None,
    ];
    for (number, metadata) in named.into_iter().enumerate() {
        let mut message = numbered(number);
        message.metadata = metadata.map(json);
        let name = if number == 1 { "b-1" } else { "a-1" };
        namespace.write_message(name, message, None).await.unwrap();
    }
    type Case<'a> = (&'a str, &'a str, i64, Option<u64>, &'a [i64]);
    let cases: [Case<'_>; 8] = [
        ("a", "order", 1, None, &[1, 3]),
        ("b", "order", 1, None, &[2]),
        ("", "order", 1, None, &[1, 2, 3]),
        ("", "order", 2, Some(1), &[2]),
        ("a", "orders", 1, None, &[4]),
        ("a", "", 1, None, &[]),
        ("a", "order-1", 1, None, &[]),
        ("", "nothing", 1, None, &[]),
    ];
    for (name, correlation, from, limit, expected) in cases {
        let query = CategoryQuery {
            from,
            limit,
            correlation: Some(correlation.to_owned()),
            ..category(name)
        };
        let found = namespace.category(query).await.unwrap();
        assert_eq!(
            global(&found),
            expected,
            "{name} {correlation} {from} {limit:?}"
        );
    }
}

async fn every_message_of_a_group_has_one_reader_and_limits_count_its_own(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let mut streams: Vec<String> = (0..40)
        .map(|id| format!("account-{id}+{}", id % 3))
        .collect();
    streams.extend([
        "account".to_owned(),
        "account-".to_owned(),
        "account-é".to_owned(),
    ]);
    // More than one page where they are filtered here.
    write_many(&namespace, &streams, 2_500).await;
    let all = namespace.category(category("account")).await.unwrap();
    assert_eq!(all.len(), 2_500);
    for size in [1, 2, 3, 16, i64::MAX] {
        let mut of_all = Vec::new();
        for member in (0..size).take(16) {
            let group = ConsumerGroup::new(member, size).unwrap();
            let expected: Vec<_> = all
                .iter()
                .filter(|m| group.reads(&m.stream))
                .cloned()
                .collect();
            for name in ["account", ""] {
                let query = CategoryQuery {
                    group: Some(group),
                    ..category(name)
                };
                assert_eq!(namespace.category(query.clone()).await.unwrap(), expected);
                let limited = CategoryQuery {
                    limit: Some(7),
                    from: 700,
                    ..query
                };
                let rest = expected.iter().filter(|m| m.place.global_position >= 700);
                let rest: Vec<_> = rest.take(7).cloned().collect();
                assert_eq!(namespace.category(limited).await.unwrap(), rest);
            }
            of_all.extend(global(&expected));
        }
        if size < i64::MAX {
            let with_id = all.iter().filter(|m| m.stream != "account");
            let with_id: Vec<_> = with_id.map(|m| m.place.global_position).collect();
            of_all.sort_unstable();
            assert_eq!(of_all, with_id, "{size}");
        }
    }
    // A group and a correlation together.
    let correlated = numbered(0).with_metadata(json(r#"{"correlationStreamName":"order-1"}"#));
    let place = namespace
        .write_message("account-123", correlated, None)
        .await
        .unwrap();
    for name in ["account", ""] {
        for member in 0..2 {
            let query = CategoryQuery {
                group: ConsumerGroup::new(member, 2),
                correlation: Some("order".to_owned()),
                ..category(name)
            };
            let found = global(&namespace.category(query).await.unwrap());
            let expected = if member == 1 {
                vec![place.global_position]
            } else {
                vec![]
            };
            assert_eq!(found, expected, "{name:?} {member}");
        }
    }
}

async fn the_last_message_may_be_asked_for_by_type(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    for kind in ["A", "B", "A", "a"] {
        let message = NewMessage::new(kind, json("{}"));
        namespace.write_message("s-1", message, None).await.unwrap();
    }
    let cases = [
        ("s-1", None, Some(3)),
        ("s-1", Some("A"), Some(2)),
        ("s-1", Some("B"), Some(1)),
        ("s-1", Some("C"), None),
        ("s-2", None, None),
        ("s-2", Some("A"), None),
    ];
    for (name, kind, expected) in cases {
        let last = namespace.last_message(name, kind).await.unwrap();
        assert_eq!(
            last.map(|message| message.place.position),
            expected,
            "{name} {kind:?}"
        );
    }
}

async fn the_last_message_is_the_last_that_is_kept(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    // One that was imported is older than its place says.
    let records = [(1, 30), (0, 40)].map(|(position, place)| {
        let mut record = crate::importing::record("s-1", position, place);
        record.kind = format!("Imported{position}");
        record
    });
    namespace.import(records.into()).await.unwrap();
    let last = async || {
        let last = namespace.last_message("s-1", None).await.unwrap();
        last.map(|message| message.place.position)
    };
    assert_eq!(last().await, Some(1));
    write(&namespace, "s-1", 0).await;
    assert_eq!(last().await, Some(2));
    let table = crate::subscribing::table(&database, &namespace);
    for (position, expected) in [(2, Some(1)), (1, Some(0)), (0, None)] {
        database
            .execute(&format!("DELETE FROM {table} WHERE position = {position}"))
            .await;
        assert_eq!(last().await, expected);
        assert_eq!(namespace.stream_version("s-1").await.unwrap(), Some(2));
    }
}

async fn streams_are_listed_by_bytes_and_prefixes_are_literal(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let names = [
        "a%b",
        "a_b",
        "axb",
        "A-1",
        "a-1",
        "a-10",
        "a-2",
        "a",
        "b\u{10ffff}",
        "é",
        "日",
        "\u{1}",
    ];
    let appends = names.iter().map(|name| Append::one(*name, numbered(0)));
    namespace.write_messages(appends.collect()).await.unwrap();
    let last = write(&namespace, "a", 1).await;
    let mut sorted = names;
    sorted.sort_unstable();
    let list = async |prefix: &str, after: &str, limit| {
        let list = StreamList {
            prefix: prefix.to_owned(),
            after: after.to_owned(),
            limit,
        };
        let entries = namespace.streams(list).await.unwrap();
        Vec::from_iter(entries.into_iter().map(|entry| entry.stream))
    };
    assert_eq!(list("", "", 100).await, sorted);
    assert_eq!(list("a_", "", 100).await, ["a_b"]);
    assert_eq!(list("a%", "", 100).await, ["a%b"]);
    assert_eq!(list("a-", "", 100).await, ["a-1", "a-10", "a-2"]);
    assert_eq!(list("a-", "a-1", 100).await, ["a-10", "a-2"]);
    assert_eq!(list("a-", "a-1", 1).await, ["a-10"]);
    assert_eq!(list("a-", "Z", 1).await, ["a-1"]);
    assert_eq!(list("a-", "b", 100).await, [""; 0]);
    assert_eq!(list("b\u{10ffff}", "", 100).await, ["b\u{10ffff}"]);
    assert_eq!(list("z", "", 100).await, [""; 0]);
    assert_eq!(list("", "", 0).await, [""; 0]);
    // By pages of every size, each once.
    for limit in 1..5 {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let after = seen.last().cloned().unwrap_or_default();
            let page = list("", &after, limit).await;
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        assert_eq!(seen, sorted);
    }
    let entries = StreamList {
        prefix: "a".to_owned(),
        after: String::new(),
        limit: 1,
    };
    let message = namespace.last_message("a", None).await.unwrap().unwrap();
    assert_eq!(message.place, last);
    let expected = StreamEntry {
        stream: "a".to_owned(),
        version: 1,
        last_activity: message.time,
    };
    assert_eq!(namespace.streams(entries).await.unwrap(), [expected]);
}

async fn categories_and_counts_are_real(database: TestDatabase) {
    let (events, namespace) = namespace(&database).await;
    let info = namespace.info().await.unwrap();
    assert_eq!((info.summary.message_count, info.stream_count), (0, 0));
    assert_eq!(info.last_activity, None);
    assert_eq!(namespace.categories().await.unwrap(), []);
    for name in ["b-1", "b-2", "b-1", "B-1", "a", "é-1"] {
        write(&namespace, name, 0).await;
    }
    let entry = |category: &str, stream_count, message_count| CategoryEntry {
        category: category.to_owned(),
        stream_count,
        message_count,
    };
    let expected = [
        entry("B", 1, 1),
        entry("a", 1, 1),
        entry("b", 2, 3),
        entry("é", 1, 1),
    ];
    assert_eq!(namespace.categories().await.unwrap(), expected);
    let info = namespace.info().await.unwrap();
    assert_eq!((info.summary.message_count, info.stream_count), (6, 5));
    let last = namespace.last_message("é-1", None).await.unwrap().unwrap();
    assert_eq!(info.last_activity, Some(last.time));
    let summaries = events.namespaces().await.unwrap();
    assert_eq!(summaries, [info.summary]);
}

async fn names_that_no_database_holds_are_nobody_s(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    write(&namespace, "a-1", 0).await;
    assert_eq!(namespace.stream(stream("a\0")).await.unwrap(), []);
    assert_eq!(namespace.category(category("a\0")).await.unwrap(), []);
    let correlated = CategoryQuery {
        correlation: Some("\0".to_owned()),
        ..category("a")
    };
    assert_eq!(namespace.category(correlated).await.unwrap(), []);
    assert_eq!(
        namespace.last_message("a-1", Some("\0")).await.unwrap(),
        None
    );
    assert_eq!(namespace.stream_version("\0").await.unwrap(), None);
    let list = |prefix: &str, after: &str| StreamList {
        prefix: prefix.to_owned(),
        after: after.to_owned(),
        limit: 10,
    };
    assert_eq!(namespace.streams(list("\0", "")).await.unwrap(), []);
    assert_eq!(namespace.streams(list("", "a\0")).await.unwrap().len(), 1);
    assert_eq!(namespace.streams(list("", "a-1\0b")).await.unwrap(), []);
}
