//! Several servers on one database, and writers that are none.

use std::time::Instant;

use super::*;

on_every_backend!(what_another_server_writes_comes);

mod on_servers {
    use super::*;

    annals_testkit::on_every_server!(
        news_of_another_server_come_faster_than_anybody_looks,
        a_lost_listening_connection_costs_a_delay,
        a_pool_of_one_is_enough,
    );
}

async fn what_another_server_writes_comes(database: TestDatabase) {
    let (_events, here) = namespace(&database).await;
    let elsewhere = server(&database).await.namespace("test").await.unwrap();
    write_many(&elsewhere, &names("a", 2), 5).await;
    let mut all = here.subscribe(Selection::All { from: 0 });
    let mut live = here.subscribe(Selection::Live { from: 0 });
    live.ready().await.unwrap();
    assert_eq!(places(&pokes(&mut all, 5).await), [1, 2, 3, 4, 5]);
    for number in 0..3 {
        write(&elsewhere, "a-1", number).await;
        write(&here, "a-1", number).await;
    }
    assert_eq!(places(&pokes(&mut all, 6).await), [6, 7, 8, 9, 10, 11]);
    assert_eq!(places(&pokes(&mut live, 6).await), [6, 7, 8, 9, 10, 11]);
    write(&elsewhere, "a-1", 3).await;
    assert_eq!(places(&pokes(&mut all, 1).await), [12]);
}

async fn news_of_another_server_come_faster_than_anybody_looks(database: TestDatabase) {
    let (_events, here) = namespace(&database).await;
    let elsewhere = server(&database).await.namespace("test").await.unwrap();
    let mut all = here.subscribe(Selection::All { from: 0 });
    write(&elsewhere, "a-1", 0).await;
    pokes(&mut all, 1).await;
    // Listening has begun by now.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut delays = Vec::new();
    for number in 0..20 {
        tokio::time::sleep(Duration::from_millis(33)).await;
        let begun = Instant::now();
        if number % 2 == 0 {
            write(&elsewhere, "a-1", number).await;
        } else {
            let sql = format!(
                "SELECT {}.write_message(NULL, 'a-1', 'T', '{{}}')",
                here.schema()
            );
            database.execute(&sql).await;
        }
        pokes(&mut all, 1).await;
        delays.push(begun.elapsed());
    }
    delays.sort_unstable();
    assert!(delays[10] < Duration::from_millis(250), "{delays:?}");
}

const KILL_LISTENERS: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                               WHERE datname = current_database() AND query LIKE 'LISTEN%'";

async fn a_lost_listening_connection_costs_a_delay(database: TestDatabase) {
    let (_events, here) = namespace(&database).await;
    let elsewhere = server(&database).await.namespace("test").await.unwrap();
    let mut all = here.subscribe(Selection::All { from: 0 });
    let mut killed = 0;
    for number in 0..12 {
        killed += database.number(KILL_LISTENERS).await;
        let place = write(&elsewhere, "a-1", number).await;
        assert_eq!(places(&pokes(&mut all, 1).await), [place.global_position]);
    }
    assert!(killed > 3, "{killed}");
    // And it comes back.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(database.number(KILL_LISTENERS).await, 1);
}

async fn a_pool_of_one_is_enough(database: TestDatabase) {
    let (_events, elsewhere) = namespace(&database).await;
    let store = database
        .store_with(|config| config.pool.max_connections = std::num::NonZeroU32::MIN)
        .await;
    let options = annals_events::EventsOptions::default();
    let events = annals_events::Events::new(store, options).await.unwrap();
    let here = events.namespace("test").await.unwrap();
    let mut all = here.subscribe(Selection::All { from: 0 });
    for number in 0..5 {
        write(&elsewhere, "a-1", number).await;
        write(&here, "a-1", number).await;
    }
    assert_eq!(messages(&mut all, 10).await.len(), 10);
}
