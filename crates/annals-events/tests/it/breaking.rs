//! Acknowledged means committed, once, whatever is cut, stopped or held.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use annals_events::{Error, Events, EventsOptions, Namespace, Place};
use annals_store::{DatabaseConfig, Store, sqlx};
use annals_testkit::{TestDatabase, on_every_server};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::{
    public_sql::psql,
    support::{category, namespace, numbered},
};

on_every_server!(
    what_is_acknowledged_while_connections_are_cut_is_there_once,
    a_commit_whose_answer_is_lost_is_answered_and_not_repeated,
    while_somebody_holds_the_turn_others_wait_and_their_namespaces_do_not,
    an_append_that_is_not_answered_in_time_says_that_nobody_knows,
);

const WRITERS: usize = 16;

/// The place that each message id was told.
type Told = Arc<Mutex<HashMap<Uuid, Place>>>;

/// Writes messages with ids until `until`, and again whatever nobody knows.
async fn write_until(namespace: Namespace, told: Told, writer: usize, until: Instant) {
    let mut number = 0;
    while Instant::now() < until {
        number += 1;
        let id = Uuid::new_v4();
        let stream = format!("account-{}", (writer * 7 + number) % 40);
        let place = loop {
            let message = numbered(number).with_id(id);
            match namespace.write_message(&stream, message, None).await {
                Ok(place) => break place,
                Err(Error::OutcomeUnknown { .. } | Error::Store(_)) => {}
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(told.lock().await.insert(id, place), None);
    }
}

/// Every message that was told is where it was told, and there is no other.
async fn expect_exactly(namespace: &Namespace, told: &Told) {
    let told = told.lock().await;
    let stored = namespace.category(category("")).await.unwrap();
    let stored: HashMap<Uuid, Place> = stored.iter().map(|m| (m.id, m.place)).collect();
    assert_eq!(stored.len(), told.len());
    assert!(
        stored == *told,
        "some are not where it was said that they are"
    );
    let verified = namespace.verify().await.unwrap();
    assert_eq!(verified.faults, [] as [&str; 0]);
    assert_eq!(verified.global_position, i64::try_from(told.len()).unwrap());
}

async fn what_is_acknowledged_while_connections_are_cut_is_there_once(database: TestDatabase) {
    let (_events, direct) = namespace(&database).await;
    let (proxy, behind) = database.behind_proxy().await;
    let servers = [
        Events::open(&behind.url).await.unwrap(),
        Events::open(&behind.url).await.unwrap(),
    ];
    let told = Told::default();
    let until = Instant::now() + Duration::from_secs(6);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let namespace = servers[writer % 2].namespace("test").await.unwrap();
        writers.spawn(write_until(namespace, Arc::clone(&told), writer, until));
    }
    let mut turn = 0;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(150)).await;
        turn += 1;
        match turn % 4 {
            0 => proxy.cut_after_client_bytes(3_000),
            1 => proxy.swallow_commit_reply(1),
            _ => proxy.cut(),
        }
        // A backend that dies takes what it had not committed along.
        if turn % 5 == 0 {
            let kill = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity
                         WHERE pid <> pg_backend_pid() AND datname = current_database() AND state <> 'idle'";
            psql(&database, "public", kill).await.unwrap();
        }
    }
    proxy.heal();
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    assert!(told.lock().await.len() > 100, "hardly anything was written");
    expect_exactly(&direct, &told).await;
}

async fn a_commit_whose_answer_is_lost_is_answered_and_not_repeated(database: TestDatabase) {
    let (_events, direct) = namespace(&database).await;
    let (proxy, behind) = database.behind_proxy().await;
    let events = Events::open(&behind.url).await.unwrap();
    let namespace = events.namespace("test").await.unwrap();
    for number in 0..20 {
        // Without an id of its own: the sequencer's own retry must find it.
        proxy.cut_after_client_bytes(1_500 + 37 * number as u64);
        let place = namespace
            .write_message("account-1", numbered(number), None)
            .await
            .unwrap();
        assert_eq!(place.position, i64::try_from(number).unwrap());
    }
    proxy.heal();
    assert_eq!(direct.verify().await.unwrap().messages, 20);
}

async fn while_somebody_holds_the_turn_others_wait_and_their_namespaces_do_not(
    database: TestDatabase,
) {
    let (events, namespace) = namespace(&database).await;
    events
        .create_namespace(annals_events::NewNamespace::new("other"))
        .await
        .unwrap();
    let other = events.namespace("other").await.unwrap();
    for namespace in [&namespace, &other] {
        namespace
            .write_message("account-1", numbered(0), None)
            .await
            .unwrap();
    }
    let pool = sqlx::PgPool::connect(&database.url).await.unwrap();
    let mut transaction = pool.begin().await.unwrap();
    let write = format!(
        "SELECT {}.write_message(NULL, 'account-1', 'Held', '{{}}')",
        namespace.schema()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(write))
        .execute(&mut *transaction)
        .await
        .unwrap();
    let waiting = {
        let namespace = namespace.clone();
        tokio::spawn(async move {
            namespace
                .write_message("account-1", numbered(1), None)
                .await
        })
    };
    // The same category elsewhere: nobody is in the way.
    for number in 1..50 {
        other
            .write_message("account-1", numbered(number), None)
            .await
            .unwrap();
    }
    assert!(!waiting.is_finished());
    transaction.rollback().await.unwrap();
    let place = waiting.await.unwrap().unwrap();
    // What was rolled back left no hole.
    assert_eq!((place.position, place.global_position), (1, 2));
}

async fn an_append_that_is_not_answered_in_time_says_that_nobody_knows(database: TestDatabase) {
    let (_events, _) = namespace(&database).await;
    let (proxy, behind) = database.behind_proxy().await;
    let store = Store::connect(&DatabaseConfig::at(&behind.url).unwrap())
        .await
        .unwrap();
    let mut options = EventsOptions::default();
    options.patience = Duration::from_millis(300);
    let events = Events::new(store, options).await.unwrap();
    let namespace = events.namespace("test").await.unwrap();
    proxy.refuse();
    proxy.cut();
    let id = Uuid::new_v4();
    let error = namespace
        .write_message("account-1", numbered(1).with_id(id), None)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}");
    proxy.heal();
    let place = namespace
        .write_message("account-1", numbered(1).with_id(id), None)
        .await
        .unwrap();
    assert_eq!(place.global_position, 1);
}
