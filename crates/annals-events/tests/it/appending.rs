//! Appends: versions, ids, groups, and what is left when something fails.

use std::{collections::HashSet, time::Duration};

use annals_events::{
    Append, Error, Events, EventsOptions, Namespace, NewMessage, NewNamespace, Place,
};
use annals_record::Json;
use annals_testkit::{TestDatabase, on_every_backend};
use uuid::Uuid;

on_every_backend!(
    positions_are_gapless_and_global_positions_grow,
    one_of_fifty_writers_wins_each_version,
    a_repeated_id_gets_the_first_answer,
    an_id_of_another_message_is_a_conflict,
    several_messages_are_written_together_or_not_at_all,
    two_servers_on_one_namespace_never_share_a_place,
    what_no_database_holds_is_refused_and_harms_nobody,
    a_write_to_a_deleted_namespace_says_so,
    a_namespace_that_is_made_anew_begins_anew,
    a_write_that_is_given_up_before_its_turn_is_not_written,
);

pub(crate) async fn namespace(database: &TestDatabase) -> (Events, Namespace) {
    let events = events(database).await;
    events
        .create_namespace(NewNamespace::new("app"))
        .await
        .unwrap();
    let namespace = events.namespace("app").await.unwrap();
    (events, namespace)
}

pub(crate) async fn events(database: &TestDatabase) -> Events {
    let store = database.store().await;
    Events::new(store, EventsOptions::default()).await.unwrap()
}

pub(crate) fn message(data: &str) -> NewMessage {
    NewMessage::new("Happened", Json::parse(data).unwrap())
}

fn place(position: i64, global_position: i64) -> Place {
    Place {
        position,
        global_position,
    }
}

async fn positions_are_gapless_and_global_positions_grow(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    assert_eq!(namespace.stream_version("account-1").await.unwrap(), None);
    let first = namespace
        .write_message("account-1", message("{}"), Some(-1))
        .await
        .unwrap();
    assert_eq!(first, place(0, 1));
    let other = namespace
        .write_message("account-2", message("{}"), None)
        .await
        .unwrap();
    assert_eq!(other, place(0, 2));
    let second = namespace
        .write_message("account-1", message("{}"), Some(0))
        .await
        .unwrap();
    assert_eq!(second, place(1, 3));
    let error = namespace
        .write_message("account-1", message("{}"), Some(0))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::VersionConflict { stream, expected: 0, actual: 1 } if stream == "account-1"),
        "{error}"
    );
    let error = namespace
        .write_message("account-3", message("{}"), Some(0))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::VersionConflict { actual: -1, .. }));
    assert_eq!(
        namespace.stream_version("account-1").await.unwrap(),
        Some(1)
    );
    let verified = namespace.verify().await.unwrap();
    assert_eq!(verified.faults, [] as [&str; 0]);
    assert_eq!((verified.messages, verified.streams), (3, 2));
    assert_eq!((verified.forgotten_ids, verified.global_position), (0, 3));
}

async fn one_of_fifty_writers_wins_each_version(database: TestDatabase) {
    const ROUNDS: i64 = 10;
    let (_events, namespace) = namespace(&database).await;
    for round in 0..ROUNDS {
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let namespace = namespace.clone();
            writers.spawn(async move {
                namespace
                    .write_message("account-1", message("{}"), Some(round - 1))
                    .await
            });
        }
        let answers = writers.join_all().await;
        let won: Vec<Place> = answers
            .iter()
            .filter_map(|answer| answer.as_ref().ok().copied())
            .collect();
        assert_eq!(won, [place(round, round + 1)]);
        for error in answers.into_iter().filter_map(Result::err) {
            assert!(
                matches!(error, Error::VersionConflict { expected, actual, .. }
                    if expected == round - 1 && actual == round),
                "{error}"
            );
        }
    }
    assert_eq!(namespace.verify().await.unwrap().messages, ROUNDS);
}

async fn a_repeated_id_gets_the_first_answer(database: TestDatabase) {
    let (events, namespace) = namespace(&database).await;
    let once = message("{\"n\": 1.0, \"big\": 12345678901234567890}").with_id(Uuid::from_u128(7));
    let first = namespace
        .write_message("account-1", once.clone(), Some(-1))
        .await
        .unwrap();
    for n in 0..5 {
        namespace
            .write_message("account-1", message(&format!("{{\"n\":{n}}}")), None)
            .await
            .unwrap();
    }
    // By the server that wrote it, by another one, and by one that started after it.
    let another = self::events(&database).await;
    for events in [&events, &another, &self::events(&database).await] {
        let namespace = events.namespace("app").await.unwrap();
        for expected in [None, Some(-1), Some(99)] {
            let again = namespace
                .write_message("account-1", once.clone(), expected)
                .await
                .unwrap();
            assert_eq!(again, first);
        }
    }
    // Many at once, among others.
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..40 {
        let namespace = namespace.clone();
        let message = match n % 2 {
            0 => message("{\"same\":true}").with_id(Uuid::from_u128(8)),
            _ => message("{}"),
        };
        writers.spawn(async move {
            let place = namespace.write_message("account-2", message, None).await;
            (n % 2 == 0).then_some(place.unwrap())
        });
    }
    let places: HashSet<_> = writers
        .join_all()
        .await
        .into_iter()
        .flatten()
        .map(|place| place.global_position)
        .collect();
    assert_eq!(places.len(), 1);
    let verified = namespace.verify().await.unwrap();
    assert_eq!((verified.messages, verified.faults.len()), (6 + 21, 0));
}

async fn an_id_of_another_message_is_a_conflict(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let id = Uuid::from_u128(7);
    let once = message("{\"n\":1}").with_id(id);
    namespace
        .write_message("account-1", once.clone(), None)
        .await
        .unwrap();
    let others = [
        ("account-2", once.clone()),
        ("account-1", message("{\"n\":2}").with_id(id)),
        ("account-1", message("{\"n\":1.0}").with_id(id)),
        (
            "account-1",
            NewMessage {
                kind: "Other".to_owned(),
                ..once.clone()
            },
        ),
        (
            "account-1",
            once.clone().with_metadata(Json::empty_object()),
        ),
    ];
    for (stream, message) in others {
        let error = namespace
            .write_message(stream, message, None)
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::IdConflict { id: of } if of == id),
            "{error}"
        );
    }
    assert_eq!(namespace.verify().await.unwrap().messages, 1);
}

async fn several_messages_are_written_together_or_not_at_all(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let append = |stream: &str, expected: i64, messages: usize| {
        let messages = vec![message("{}"); messages];
        Append {
            messages,
            ..Append::one(stream, message("{}"))
        }
        .expecting(expected)
    };
    let places = namespace
        .write_messages(vec![
            append("a-1", -1, 2),
            append("b-1", -1, 1),
            append("a-1", 1, 1),
        ])
        .await
        .unwrap();
    assert_eq!(places, [place(0, 1), place(1, 2), place(0, 3), place(2, 4)]);
    let error = namespace
        .write_messages(vec![append("c-1", -1, 3), append("a-1", 1, 1)])
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::VersionConflict { actual: 2, .. }),
        "{error}"
    );
    assert_eq!(namespace.stream_version("c-1").await.unwrap(), None);
    let next = namespace.write_message("c-1", message("{}"), None).await;
    assert_eq!(next.unwrap(), place(0, 5));
    assert_eq!(namespace.write_messages(Vec::new()).await.unwrap(), []);
    assert_eq!(namespace.verify().await.unwrap().faults, [] as [&str; 0]);
}

async fn two_servers_on_one_namespace_never_share_a_place(database: TestDatabase) {
    const WRITES: i64 = 60;
    let (first, _) = namespace(&database).await;
    let second = events(&database).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8_i64 {
        let events = if writer % 2 == 0 { &first } else { &second };
        let namespace = events.namespace("app").await.unwrap();
        writers.spawn(async move {
            let mut places = Vec::new();
            for n in 0..WRITES {
                let stream = format!("account-{}", (writer + n) % 5);
                let message = message(&format!("{{\"writer\":{writer},\"n\":{n}}}"));
                places.push(
                    namespace
                        .write_message(&stream, message, None)
                        .await
                        .unwrap(),
                );
            }
            // A writer's own messages are in its order.
            assert!(places.is_sorted_by_key(|place| place.global_position));
            places
        });
    }
    let places = writers.join_all().await.concat();
    let globals: HashSet<i64> = places.iter().map(|place| place.global_position).collect();
    assert_eq!(globals, (1..=8 * WRITES).collect());
    let namespace = first.namespace("app").await.unwrap();
    let verified = namespace.verify().await.unwrap();
    assert_eq!((verified.messages, verified.faults.len()), (8 * WRITES, 0));
}

async fn what_no_database_holds_is_refused_and_harms_nobody(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let bad = [
        ("a\0", message("{}"), "the stream name"),
        ("", message("{}"), "the stream name"),
        (
            "a",
            NewMessage {
                kind: String::new(),
                ..message("{}")
            },
            "the message type",
        ),
        ("a", message("[1]"), "data"),
        ("a", message("{\"x\":\"\\u0000\"}"), "data"),
    ];
    for (stream, message, of) in bad {
        let error = namespace
            .write_message(stream, message, None)
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::Invalid { field, .. } if field == of),
            "{error}"
        );
    }
    assert_eq!(namespace.verify().await.unwrap().messages, 0);
    let all = "{\"text\":\"日本語 🎉 é\",\"n\":1.10,\"deep\":{\"\":[null,true,\"\"]}}";
    let place = namespace
        .write_message("日本語-🎉+é", message(all), None)
        .await;
    assert_eq!(place.unwrap(), self::place(0, 1));
    let stored = namespace
        .last_message("日本語-🎉+é", None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.data, Json::parse(all).unwrap().as_str());
}

async fn a_write_to_a_deleted_namespace_says_so(database: TestDatabase) {
    let (events, namespace) = namespace(&database).await;
    namespace
        .write_message("a", message("{}"), None)
        .await
        .unwrap();
    assert_eq!(events.delete_namespace("app").await.unwrap(), 1);
    let error = namespace
        .write_message("a", message("{}"), None)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::NamespaceNotFound { id } if id == "app"),
        "{error}"
    );
    let error = events.namespace("app").await.unwrap_err();
    assert!(matches!(error, Error::NamespaceNotFound { .. }));
    let error = events.delete_namespace("app").await.unwrap_err();
    assert!(matches!(error, Error::NamespaceNotFound { .. }));
}

async fn a_namespace_that_is_made_anew_begins_anew(database: TestDatabase) {
    let (events, namespace) = namespace(&database).await;
    let other = self::events(&database).await;
    let stale = other.namespace("app").await.unwrap();
    for writer in [&namespace, &stale] {
        writer
            .write_message("a", message("{}"), None)
            .await
            .unwrap();
    }
    // The stale server remembers a namespace with two messages; this one has two others.
    events.delete_namespace("app").await.unwrap();
    events
        .create_namespace(NewNamespace::new("app"))
        .await
        .unwrap();
    let namespace = events.namespace("app").await.unwrap();
    for stream in ["b", "c"] {
        namespace
            .write_message(stream, message("{}"), None)
            .await
            .unwrap();
    }
    let place = stale.write_message("a", message("{}"), None).await.unwrap();
    assert_eq!(place, self::place(0, 3));
    assert_eq!(namespace.verify().await.unwrap().faults, [] as [&str; 0]);
    // Cleared and filled to the same place by another, it is not what it was either.
    namespace.clear().await.unwrap();
    for stream in ["x", "y", "z"] {
        namespace
            .write_message(stream, message("{}"), None)
            .await
            .unwrap();
    }
    let place = stale
        .write_message("a", message("{}"), Some(-1))
        .await
        .unwrap();
    assert_eq!(place, self::place(0, 4));
    assert_eq!(namespace.verify().await.unwrap().faults, [] as [&str; 0]);
}

async fn a_write_that_is_given_up_before_its_turn_is_not_written(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    {
        let write = namespace.write_message("a", message("{}"), None);
        tokio::pin!(write);
        // Polled once: it is on its way and not committed.
        let _ = tokio::time::timeout(Duration::ZERO, write).await;
    }
    let second = namespace
        .write_message("b", message("{}"), None)
        .await
        .unwrap();
    let written = namespace.verify().await.unwrap().messages;
    assert_eq!(second.global_position, written);
}
