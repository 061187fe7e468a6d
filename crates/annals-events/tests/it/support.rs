//! What tests share: namespaces with messages in them.

use annals_events::{
    Append, CategoryQuery, Events, From, Message, Namespace, NewMessage, NewNamespace, Place,
    StreamQuery,
};
use annals_record::Json;
use annals_testkit::TestDatabase;

/// A server on a database, and a namespace in it.
pub(crate) async fn namespace(database: &TestDatabase) -> (Events, Namespace) {
    let events = server(database).await;
    events
        .create_namespace(NewNamespace::new("test"))
        .await
        .unwrap();
    let namespace = events.namespace("test").await.unwrap();
    (events, namespace)
}

/// One more server on a database.
pub(crate) async fn server(database: &TestDatabase) -> Events {
    Events::open(&database.url).await.unwrap()
}

pub(crate) fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

/// A message whose data is a number.
pub(crate) fn numbered(number: usize) -> NewMessage {
    NewMessage::new("Numbered", json(&format!("{{\"n\":{number}}}")))
}

/// Writes one numbered message.
pub(crate) async fn write(namespace: &Namespace, stream: &str, number: usize) -> Place {
    namespace
        .write_message(stream, numbered(number), None)
        .await
        .unwrap()
}

/// Writes many, spread over `streams` by their numbers, some hundreds at a time.
pub(crate) async fn write_many(namespace: &Namespace, streams: &[String], count: usize) {
    let numbers: Vec<usize> = (0..count).collect();
    for part in numbers.chunks(500) {
        let append =
            |number: &usize| Append::one(&streams[number % streams.len()], numbered(*number));
        let appends = part.iter().map(append).collect();
        namespace.write_messages(appends).await.unwrap();
    }
}

pub(crate) fn stream(name: &str) -> StreamQuery {
    StreamQuery {
        stream: name.to_owned(),
        from: From::Position(0),
        limit: None,
    }
}

pub(crate) fn category(name: &str) -> CategoryQuery {
    CategoryQuery {
        category: name.to_owned(),
        from: 1,
        limit: None,
        correlation: None,
        group: None,
    }
}

/// Places in the namespace.
pub(crate) fn global(messages: &[Message]) -> Vec<i64> {
    messages.iter().map(|m| m.place.global_position).collect()
}

/// Positions in streams.
pub(crate) fn positions(messages: &[Message]) -> Vec<i64> {
    messages.iter().map(|m| m.place.position).collect()
}
