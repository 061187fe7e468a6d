//! Namespaces: apart from each other, whatever they are called, and reached by their token only.

use annals_events::{Error, NewNamespace, Token};
use annals_testkit::{TestDatabase, on_every_backend};

use crate::appending::{events, message};

on_every_backend!(
    ids_that_look_alike_share_nothing,
    a_token_reaches_its_own_namespace_only,
    a_renewed_token_is_the_only_one,
    the_listing_and_the_counts_are_real,
    the_same_namespace_is_made_once_however_many_try,
    a_new_server_finds_what_another_made,
);

async fn ids_that_look_alike_share_nothing(database: TestDatabase) {
    let events = events(&database).await;
    let long = "tenant ".repeat(20);
    let ids = [
        "a-b",
        "a_b",
        "A_B",
        "a.b",
        "日本語",
        "\"; DROP SCHEMA public; --",
        &format!("{long}1"),
        &format!("{long}2"),
    ];
    for id in ids {
        events
            .create_namespace(NewNamespace::new(id))
            .await
            .unwrap();
    }
    for (place, id) in ids.into_iter().enumerate() {
        let namespace = events.namespace(id).await.unwrap();
        for _ in 0..=place {
            namespace
                .write_message("account-1", message("{}"), None)
                .await
                .unwrap();
        }
    }
    for (place, id) in ids.into_iter().enumerate() {
        let namespace = events.namespace(id).await.unwrap();
        let version = namespace.stream_version("account-1").await.unwrap();
        assert_eq!(version, Some(i64::try_from(place).unwrap()));
        assert_eq!(
            events.delete_namespace(id).await.unwrap(),
            version.unwrap() + 1
        );
    }
    assert_eq!(events.namespaces().await.unwrap(), []);
}

async fn a_token_reaches_its_own_namespace_only(database: TestDatabase) {
    let events = events(&database).await;
    let (_, token) = events
        .create_namespace(NewNamespace::new("one"))
        .await
        .unwrap();
    let given = Token::random("two");
    let new = NewNamespace::new("two").with_token(given.clone());
    let (_, other) = events.create_namespace(new).await.unwrap();
    assert_eq!(other, given);
    let one = events.namespace("one").await.unwrap();
    assert!(one.admits(&token));
    assert!(!one.admits(&other));
    assert!(!one.admits(&Token::random("one")));
    let foreign = NewNamespace::new("three").with_token(token);
    let error = events.create_namespace(foreign).await.unwrap_err();
    assert!(matches!(error, Error::TokenRefused { .. }), "{error}");
}

async fn the_listing_and_the_counts_are_real(database: TestDatabase) {
    let events = events(&database).await;
    for id in ["one", "two"] {
        let new = NewNamespace::new(id).with_description(format!("number {id}"));
        events.create_namespace(new).await.unwrap();
    }
    let one = events.namespace("one").await.unwrap();
    for n in 0..5 {
        let stream = format!("account-{}", n % 2);
        one.write_message(&stream, message("{}"), None)
            .await
            .unwrap();
    }
    let info = one.info().await.unwrap();
    assert_eq!((info.summary.message_count, info.stream_count), (5, 2));
    assert!(info.last_activity.unwrap() >= info.summary.created_at);
    let listed = events.namespaces().await.unwrap();
    let mut counts: Vec<_> = listed
        .iter()
        .map(|summary| {
            (
                summary.id.as_str(),
                summary.description.as_str(),
                summary.message_count,
            )
        })
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [("one", "number one", 5), ("two", "number two", 0)]);
    let empty = events.namespace("two").await.unwrap().info().await.unwrap();
    assert_eq!((empty.stream_count, empty.last_activity), (0, None));
}

async fn the_same_namespace_is_made_once_however_many_try(database: TestDatabase) {
    let (one, two) = (events(&database).await, events(&database).await);
    let mut makers = tokio::task::JoinSet::new();
    for maker in 0..8 {
        let events = if maker % 2 == 0 {
            one.clone()
        } else {
            two.clone()
        };
        makers.spawn(async move { events.create_namespace(NewNamespace::new("app")).await });
    }
    let made = makers.join_all().await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    for error in made.into_iter().filter_map(Result::err) {
        assert!(matches!(error, Error::NamespaceExists { .. }), "{error}");
    }
}

async fn a_new_server_finds_what_another_made(database: TestDatabase) {
    let one = events(&database).await;
    let (_, token) = one
        .create_namespace(NewNamespace::new("app"))
        .await
        .unwrap();
    let two = events(&database).await;
    assert!(two.namespace("app").await.unwrap().admits(&token));
    two.delete_namespace("app").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let error = one.namespace("app").await.unwrap_err();
    assert!(matches!(error, Error::NamespaceNotFound { .. }));
}

async fn a_renewed_token_is_the_only_one(database: TestDatabase) {
    let events = events(&database).await;
    let (_, old) = events
        .create_namespace(NewNamespace::new("app"))
        .await
        .unwrap();
    let namespace = events.namespace("app").await.unwrap();
    namespace
        .write_message("a", message("{}"), None)
        .await
        .unwrap();
    let new = events.renew_token("app").await.unwrap();
    let namespace = events.namespace("app").await.unwrap();
    assert!(namespace.admits(&new) && !namespace.admits(&old));
    assert_eq!(namespace.stream_version("a").await.unwrap(), Some(0));
    let error = events.renew_token("nobody").await.unwrap_err();
    assert!(matches!(error, Error::NamespaceNotFound { .. }));
}
