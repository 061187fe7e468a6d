//! What only servers have: settings, roles, connections.

use std::time::Duration;

use annals_store::{Diagnosis, Severity, Store};
use annals_testkit::{TestDatabase, on_every_server, server::Options};

use super::{look, made, of};
use crate::faults::own_server;

on_every_server!(
    a_server_that_forgets_what_it_acknowledged_is_at_fault,
    a_server_with_room_for_few_connections_is_told,
    who_may_not_look_at_something_is_told_which,
    who_does_not_own_the_tables_is_told_who_does,
    a_server_that_is_gone_is_an_error_and_no_finding,
);

/// The same database as another user, whom this makes.
async fn as_user(database: &TestDatabase, user: &str) -> Store {
    database.execute(&format!("CREATE ROLE {user} LOGIN")).await;
    let url = database.url.replacen("postgres@", &format!("{user}@"), 1);
    TestDatabase::at(database.backend, url).store().await
}

fn of_fsync(found: &[Diagnosis]) -> Vec<&str> {
    let of_settings = found
        .iter()
        .filter(|one| one.severity == Severity::Fault && one.subject == "settings");
    of_settings.map(|one| one.what.as_str()).collect()
}

async fn a_server_that_forgets_what_it_acknowledged_is_at_fault(database: TestDatabase) {
    let options = Options::new()
        .conf("full_page_writes = off")
        .conf("synchronous_commit = off");
    let (_cluster, database) = own_server(&database, options).await;
    let found = look(&made(&database).await).await;
    let faults = of_fsync(&found);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(
        faults[0].starts_with("fsync is off") && faults[1].starts_with("full_page_writes is off")
    );
    // Our own sessions do not take it over.
    let note = found
        .iter()
        .find(|one| one.what.starts_with("synchronous_commit is off"));
    assert_eq!(note.unwrap().severity, Severity::Note);
    // What comes first matters most.
    assert!(found.is_sorted_by(|one, next| one.severity >= next.severity));
}

async fn a_server_with_room_for_few_connections_is_told(database: TestDatabase) {
    let options = Options::new()
        .fsync(true)
        .conf("max_connections = 30")
        .conf("superuser_reserved_connections = 3");
    let (_cluster, database) = own_server(&database, options).await;
    let found = of(&made(&database).await, "connection").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].what.contains("room for 27") && found[0].way_out.contains("to 13 or less"),
        "{found:?}"
    );
    let small = database
        .store_with(|config| config.pool.max_connections = 13.try_into().unwrap())
        .await;
    assert_eq!(of(&small, "connection").await, []);
}

async fn who_may_not_look_at_something_is_told_which(database: TestDatabase) {
    let (_cluster, database) = own_server(&database, Options::new()).await;
    made(&database).await;
    database
        .execute("REVOKE ALL ON annals_ledger FROM public")
        .await;
    let reader = as_user(&database, "reader").await;
    database
        .execute("GRANT SELECT ON annals_migrations, annals_dead_letters, probes TO reader")
        .await;
    let found = look(&reader).await;
    let note = found.iter().find(|one| one.subject == "ledger").unwrap();
    assert_eq!(note.severity, Severity::Note);
    assert!(
        note.what.contains("annals_ledger") && note.way_out.contains("privilege"),
        "{note:?}"
    );
}

async fn who_does_not_own_the_tables_is_told_who_does(database: TestDatabase) {
    let (_cluster, database) = own_server(&database, Options::new()).await;
    made(&database).await;
    let writer = as_user(&database, "writer").await;
    database
        .execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO writer")
        .await;
    let found = of(&writer, "connection").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].what.contains("probes belongs to \"postgres\""),
        "{found:?}"
    );
    database.execute("GRANT postgres TO writer").await;
    assert_eq!(of(&writer, "connection").await, []);
}

async fn a_server_that_is_gone_is_an_error_and_no_finding(database: TestDatabase) {
    let (cluster, database) = own_server(&database, Options::new()).await;
    made(&database).await;
    let store = database
        .store_with(|config| config.pool.connect_timeout = Duration::from_millis(500))
        .await;
    tokio::task::block_in_place(|| cluster.stop_fast()).unwrap();
    let error = store.diagnose(&[], &[], &[]).await.unwrap_err();
    assert!(error.is_absence(), "{error}");
}
