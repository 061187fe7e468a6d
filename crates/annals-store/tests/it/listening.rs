//! Hearing of what others do.

use std::time::Duration;

use annals_store::{Heard, Listener};
use annals_testkit::{Backend, TestDatabase, on_every_backend};

on_every_backend!(
    notifications_are_heard_and_a_lost_connection_is_told,
    a_closed_store_hears_nothing_more,
);

async fn next(listener: &mut Listener) -> Heard {
    let heard = tokio::time::timeout(Duration::from_secs(20), listener.next()).await;
    heard.expect("something is heard")
}

async fn is_silent(listener: &mut Listener) {
    let heard = tokio::time::timeout(Duration::from_millis(100), listener.next()).await;
    assert!(heard.is_err(), "{heard:?}");
}

async fn notifications_are_heard_and_a_lost_connection_is_told(database: TestDatabase) {
    // Its connection is none of the pool's.
    let store = database
        .store_with(|config| config.pool.max_connections = std::num::NonZeroU32::MIN)
        .await;
    let mut listener = store.listen("news “of” test");
    if database.backend == Backend::Sqlite {
        return is_silent(&mut listener).await;
    }
    assert_eq!(next(&mut listener).await, Heard::Begun);
    is_silent(&mut listener).await;
    let notify = |payload: &str| format!("SELECT pg_notify('news “of” test', '{payload}')");
    for round in 0..3 {
        for payload in ["one", "", "日本"] {
            database.execute(&notify(payload)).await;
        }
        database.execute("SELECT pg_notify('other', 'no')").await;
        for payload in ["one", "", "日本"] {
            let heard = Heard::Notification(payload.to_owned());
            assert_eq!(next(&mut listener).await, heard, "{round}");
        }
        store.health().await.unwrap();
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                     WHERE datname = current_database() AND query LIKE 'LISTEN%'";
        assert_eq!(database.number(kill).await, 1);
        database.execute(&notify("missed")).await;
        assert_eq!(next(&mut listener).await, Heard::Begun);
        is_silent(&mut listener).await;
    }
}

async fn a_closed_store_hears_nothing_more(database: TestDatabase) {
    let store = database.store().await;
    let mut listener = store.listen("news");
    if database.backend != Backend::Sqlite {
        assert_eq!(next(&mut listener).await, Heard::Begun);
    }
    let closing = tokio::spawn(async move { store.close().await });
    is_silent(&mut listener).await;
    closing.await.unwrap();
    if database.backend != Backend::Sqlite {
        let listening = "SELECT count(*) FROM pg_stat_activity
                          WHERE datname = current_database() AND query LIKE '%LISTEN%' AND pid <> pg_backend_pid()";
        for _ in 0..100 {
            is_silent(&mut listener).await;
            if database.number(listening).await == 0 {
                return;
            }
        }
        panic!("the connection is open still");
    }
}
