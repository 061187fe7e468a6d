//! How subscriptions end, and that nothing is left of them.

use annals_events::{Error, NewNamespace};

use super::*;

on_every_backend!(
    a_deleted_namespace_ends_its_subscriptions,
    another_server_s_deletion_ends_them_too,
    a_cleared_namespace_ends_its_subscriptions_and_begins_anew,
    a_namespace_that_was_made_again_is_another,
    tasks_end_with_those_who_wanted_them,
);

mod on_servers {
    use super::*;

    annals_testkit::on_every_server!(the_listening_connection_ends_with_the_last_subscription);
}

async fn ended(subscription: &mut Subscription) -> Error {
    let ended = within(async {
        loop {
            if let Err(error) = subscription.pokes().await {
                return error;
            }
        }
    });
    ended.await
}

fn is_gone(error: &Error) -> bool {
    matches!(error, Error::NamespaceNotFound { id } if id == "test")
}

async fn a_deleted_namespace_ends_its_subscriptions(database: TestDatabase) {
    let (events, namespace) = namespace(&database).await;
    write(&namespace, "a-1", 0).await;
    let mut live = namespace.subscribe(Selection::All { from: 0 });
    assert_eq!(pokes(&mut live, 1).await.len(), 1);
    let mut joining = namespace.subscribe(Selection::Live { from: 0 });
    events.delete_namespace("test").await.unwrap();
    for subscription in [&mut live, &mut joining] {
        for _ in 0..2 {
            let error = ended(subscription).await;
            assert!(is_gone(&error), "{error:?}");
            assert!(is_gone(&within(subscription.messages()).await.unwrap_err()));
        }
    }
    let mut late = namespace.subscribe(Selection::All { from: 0 });
    assert!(is_gone(&ended(&mut late).await));
}

async fn another_server_s_deletion_ends_them_too(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let other = server(&database).await;
    write(&namespace, "a-1", 0).await;
    let mut live = namespace.subscribe(Selection::All { from: 0 });
    let mut waiting = namespace.subscribe(of_category("b", 0, None));
    assert_eq!(pokes(&mut live, 1).await.len(), 1);
    is_silent(&mut waiting).await;
    other.delete_namespace("test").await.unwrap();
    for subscription in [&mut live, &mut waiting] {
        let error = ended(subscription).await;
        assert!(is_gone(&error), "{error:?}");
    }
}

async fn a_cleared_namespace_ends_its_subscriptions_and_begins_anew(database: TestDatabase) {
    let (_events, here) = namespace(&database).await;
    let elsewhere = server(&database).await.namespace("test").await.unwrap();
    for who_clears in [&here, &elsewhere] {
        write_many(&here, &names("a", 2), 40).await;
        let mut live = here.subscribe(Selection::All { from: 0 });
        assert_eq!(pokes(&mut live, 40).await.len(), 40);
        who_clears.clear().await.unwrap();
        let error = ended(&mut live).await;
        assert!(matches!(error, Error::PlacesBeganAnew { .. }), "{error:?}");
        let mut again = here.subscribe(Selection::All { from: 0 });
        assert_eq!(write(&here, "a-1", 0).await.global_position, 1);
        assert_eq!(places(&pokes(&mut again, 1).await), [1]);
        here.clear().await.unwrap();
    }
}

async fn a_namespace_that_was_made_again_is_another(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let other = server(&database).await;
    write_many(&namespace, &names("a", 2), 3).await;
    let mut live = namespace.subscribe(Selection::All { from: 0 });
    assert_eq!(pokes(&mut live, 3).await.len(), 3);
    other.delete_namespace("test").await.unwrap();
    other
        .create_namespace(NewNamespace::new("test"))
        .await
        .unwrap();
    let error = ended(&mut live).await;
    assert!(
        matches!(
            error,
            Error::PlacesBeganAnew { .. } | Error::NamespaceNotFound { .. }
        ),
        "{error:?}"
    );
}

fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("not yet: {what}");
}

async fn tasks_end_with_those_who_wanted_them(database: TestDatabase) {
    let store = database.store().await;
    store.health().await.unwrap();
    let without = tasks();
    let events = annals_events::Events::new(store.clone(), annals_events::EventsOptions::default());
    let events = events.await.unwrap();
    events
        .create_namespace(NewNamespace::new("test"))
        .await
        .unwrap();
    let namespace = events.namespace("test").await.unwrap();
    write(&namespace, "a-1", 0).await;
    let unfollowed = tasks();
    for _ in 0..3 {
        let mut subscriptions = Vec::new();
        for _ in 0..10 {
            let mut subscription = namespace.subscribe(Selection::All { from: 0 });
            assert!(!pokes(&mut subscription, 1).await.is_empty());
            subscriptions.push(subscription);
        }
        // One task looks, and one listens where there is something to hear.
        assert!(tasks() <= unfollowed + 6, "{unfollowed} {}", tasks());
        drop(subscriptions);
        eventually("the end of what followed", async || tasks() <= unfollowed).await;
    }
    let never_used = namespace.subscribe(Selection::Live { from: 0 });
    drop(never_used);
    drop((events, namespace));
    eventually("the end of all", async || tasks() <= without).await;
    store.close().await;
}

async fn the_listening_connection_ends_with_the_last_subscription(database: TestDatabase) {
    let (_events, namespace) = namespace(&database).await;
    let listening = "SELECT count(*) FROM pg_stat_activity
                      WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    let mut one = namespace.subscribe(Selection::All { from: 0 });
    let mut two = namespace.subscribe(Selection::Live { from: 0 });
    assert_eq!(database.number(listening).await, 0);
    one.ready().await.unwrap();
    two.ready().await.unwrap();
    eventually("listening", async || database.number(listening).await == 1).await;
    drop(one);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(database.number(listening).await, 1);
    drop(two);
    eventually("silence", async || database.number(listening).await == 0).await;
}
