//! Servers that are not there, not there yet, or not for us.

use std::sync::Arc;

use annals_store::{Error, Store};
use annals_testkit::{
    TestDatabase, on_every_server,
    server::{Auth, Options, PASSWORD},
};

use super::*;

on_every_server!(
    a_wrong_password_is_reported_at_once_and_without_the_password,
    a_database_that_does_not_exist_is_named,
    a_server_that_never_comes_is_reported_with_the_reason,
    a_server_that_comes_later_is_waited_for,
    rows_for_a_server_that_is_away_are_kept,
    writes_dropped_while_the_server_is_away_are_taken_back,
    writes_dropped_while_a_connection_is_awaited_are_taken_back,
);

fn is_refusal(error: &Error, code: &str) -> bool {
    matches!(error, Error::Connect { .. })
        && error.code().as_deref() == Some(code)
        && !error.is_transient()
}

async fn a_wrong_password_is_reported_at_once_and_without_the_password(like: TestDatabase) {
    let (_cluster, database) = own_server(&like, Options::new().auth(Auth::Password)).await;
    database.store().await.close().await;
    let (proxy, behind) = database.behind_proxy().await;
    let wrong = behind.url.replacen(PASSWORD, "swordfish", 1);
    let error = within(Store::open(&wrong)).await.unwrap_err();
    assert!(is_refusal(&error, "28P01"), "{error:?}");
    let report = error.report();
    assert!(
        report.contains("password authentication failed"),
        "{report}"
    );
    assert!(!report.contains("swordfish") && !format!("{error:?}").contains("swordfish"));
    assert_eq!(
        proxy.connections_accepted(),
        1,
        "knocking again opens no door"
    );
}

async fn a_database_that_does_not_exist_is_named(like: TestDatabase) {
    let (proxy, behind) = like.behind_proxy().await;
    let (server, _) = behind.url.split_once("annals_test").unwrap();
    let error = within(Store::open(&format!("{server}nowhere?sslmode=disable")))
        .await
        .unwrap_err();
    assert!(is_refusal(&error, "3D000"), "{error:?}");
    assert!(error.report().contains("\"nowhere\""), "{}", error.report());
    assert_eq!(proxy.connections_accepted(), 1);
}

async fn a_server_that_never_comes_is_reported_with_the_reason(like: TestDatabase) {
    let (cluster, database) = own_server(&like, Options::new()).await;
    tokio::task::block_in_place(|| cluster.stop_fast()).unwrap();
    let mut config = DatabaseConfig::at(&database.url).unwrap();
    config.pool.connect_timeout = Duration::from_millis(300);
    let error = within(Store::connect(&config)).await.unwrap_err();
    assert!(
        matches!(error, Error::Connect { .. }) && error.is_transient(),
        "{error:?}"
    );
    let report = error.report();
    assert!(
        report.contains("refused") && report.contains(&cluster.port().to_string()),
        "{report}"
    );
}

async fn a_server_that_comes_later_is_waited_for(like: TestDatabase) {
    let (cluster, database) = own_server(&like, Options::new()).await;
    let (proxy, behind) = database.behind_proxy().await;
    tokio::task::block_in_place(|| cluster.stop_fast()).unwrap();
    // One hears "connection refused", the other is let in and thrown out.
    let connecting = [database.url.clone(), behind.url].map(|url| {
        tokio::spawn(async move {
            let mut config = DatabaseConfig::at(&url).unwrap();
            config.pool.connect_timeout = PATIENCE;
            Store::connect(&config).await
        })
    });
    eventually("several attempts", async || {
        proxy.connections_accepted() > 2
    })
    .await;
    assert!(connecting.iter().all(|task| !task.is_finished()));
    tokio::task::block_in_place(|| cluster.start_again()).unwrap();
    for store in connecting {
        within(store)
            .await
            .unwrap()
            .unwrap()
            .health()
            .await
            .unwrap();
    }
}

async fn rows_for_a_server_that_is_away_are_kept(like: TestDatabase) {
    let (cluster, database) = own_server(&like, Options::new()).await;
    let store = store_of::<Note>(&database).await;
    let writer = hasty_writer::<Note>(&store, |_| {}).await;
    tokio::task::block_in_place(|| cluster.stop_fast()).unwrap();
    let mut tickets = Vec::new();
    for n in 0..20 {
        tickets.push(writer.enqueue(numbered([n])).await.unwrap());
    }
    pause(300).await;
    assert_balanced(&writer.report());
    assert_eq!((writer.report().held, writer.held()), (20, 20));
    eventually("known to be away", async || writer.away_for().is_some()).await;
    tokio::task::block_in_place(|| cluster.start_again()).unwrap();
    for ticket in tickets {
        assert_eq!(within(ticket).await.unwrap().committed, 1);
    }
    assert_eq!(stored::<Note>(&store).await, Vec::from_iter(0..20));
    assert_eq!((writer.held(), writer.away_for()), (0, None));
}

/// Drops writes that are in flight and that wait, beside rows that nobody takes back.
async fn dropped_while_away(store: &Store, leave: impl FnOnce(), come_back: impl FnOnce()) {
    let writer = hasty_writer::<Note>(store, |options| {
        options.connections = size(1);
        options.batch_rows = size(4);
    });
    let writer = Arc::new(writer.await);
    tokio::task::block_in_place(leave);
    let mut writes = Vec::new();
    let mut tickets = Vec::new();
    for n in 0..6 {
        let rows = numbered([n * 10, n * 10 + 1]);
        let before = writer.report().accepted;
        if n == 1 {
            tickets.push(writer.enqueue(rows).await.unwrap());
        } else {
            let writer = Arc::clone(&writer);
            writes.push(tokio::spawn(async move { writer.write(rows).await }));
        }
        eventually("taken", async || writer.report().accepted == before + 2).await;
    }
    for write in writes {
        write.abort();
        assert!(within(write).await.unwrap_err().is_cancelled());
    }
    tokio::task::block_in_place(come_back);
    for ticket in tickets {
        assert_eq!(within(ticket).await.unwrap().committed, 2);
    }
    assert_eq!(
        within(writer.write(numbered([99])))
            .await
            .unwrap()
            .committed,
        1
    );
    let report = Arc::into_inner(writer).unwrap().shutdown(PATIENCE).await;
    assert_balanced(&report);
    assert_eq!(
        (report.committed, report.returned, report.lost),
        (3, 10, 0),
        "{report:?}"
    );
    assert_eq!(stored::<Note>(store).await, [10, 11, 99]);
}

async fn writes_dropped_while_the_server_is_away_are_taken_back(database: TestDatabase) {
    let (proxy, behind) = database.behind_proxy().await;
    let store = store_of::<Note>(&behind).await;
    let leave = || {
        proxy.refuse();
        proxy.cut();
    };
    dropped_while_away(&store, leave, || proxy.admit()).await;
}

/// The driver knocks by itself while a connection is awaited, and gets one after the writes are gone.
async fn writes_dropped_while_a_connection_is_awaited_are_taken_back(like: TestDatabase) {
    let (cluster, database) = own_server(&like, Options::new()).await;
    let store = store_of::<Note>(&database).await;
    let (leave, come_back) = (
        || cluster.stop_fast().unwrap(),
        || cluster.start_again().unwrap(),
    );
    dropped_while_away(&store, leave, come_back).await;
}
