//! What a look at a database finds, and what it does not.

mod extension;
mod servers;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use annals_record::{Record, Timestamp};
use annals_store::{
    AgingTable, Diagnosis, Error, Interval, Names, Severity, Store,
    lifecycle::{Derived, Policy, PolicyKind},
};
use annals_testkit::{Backend, TestDatabase, on_every_backend};
use futures_util::future::BoxFuture;

on_every_backend!(
    a_table_that_is_as_its_record_says_is_well,
    a_database_without_tables_is_told_once,
    a_database_of_a_newer_program_is_told_and_left_alone,
    a_table_that_is_gone_is_a_fault,
    a_column_that_is_gone_is_a_fault,
    a_column_of_another_type_is_a_fault,
    an_index_that_is_gone_is_told_with_the_statement_that_makes_it,
    tables_in_a_schema_of_their_own_are_looked_at_there,
    dead_letters_are_told_by_table,
    a_ledger_that_nobody_shortens_is_told,
    a_policy_that_failed_is_a_fault_until_it_does_not,
    a_retention_that_nobody_runs_is_told,
    looking_changes_nothing,
);

#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "probes",
    time = "at",
    key("probe", "at"),
    chunk = "1 day",
    segment_by = "probe",
    index("number", "at desc")
)]
pub(crate) struct Probe {
    pub(crate) probe: String,
    pub(crate) at: Timestamp,
    pub(crate) number: i64,
    pub(crate) remark: Option<String>,
}

/// What is found about probes.
pub(crate) async fn look(store: &Store) -> Vec<Diagnosis> {
    let probes = AgingTable::of::<Probe>(store.names());
    store.diagnose(&[probes], &[], &[]).await.unwrap()
}

/// What is found about one subject, notes aside.
pub(crate) async fn of(store: &Store, subject: &str) -> Vec<Diagnosis> {
    let mut found = look(store).await;
    found.retain(|one| one.subject == subject && one.severity > Severity::Note);
    found
}

/// The one thing that is found about a subject.
async fn only(store: &Store, subject: &str, severity: Severity) -> Diagnosis {
    let mut found = of(store, subject).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let found = found.remove(0);
    assert_eq!(found.severity, severity, "{found:?}");
    found
}

pub(crate) async fn made(database: &TestDatabase) -> Store {
    let store = database.store().await;
    store.create_table::<Probe>().await.unwrap();
    store
}

async fn a_table_that_is_as_its_record_says_is_well(database: TestDatabase) {
    let store = made(&database).await;
    let found = look(&store).await;
    let wrong: Vec<_> = found
        .iter()
        // The servers of tests do not wait for their disks, may be of a version with known faults, and one with
        // many databases has too few workers.
        .filter(|one| !one.what.starts_with("fsync is off") && one.subject != "version")
        .filter(|one| !one.way_out.contains("max_worker_processes"))
        .filter(|one| one.severity > Severity::Note)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let untold = found
        .iter()
        .find(|one| one.what.contains("could not be looked at"));
    assert_eq!(untold, None);
}

async fn a_database_without_tables_is_told_once(database: TestDatabase) {
    let store = database.store().await;
    let found = only(&store, "schema", Severity::Fault).await;
    assert!(found.what.contains("kernel/0001_kernel"), "{found:?}");
    assert_eq!(found.way_out, "annals migrate up");
    for subject in ["ledger", "dead letters", "policies", "chunks", "indexes"] {
        assert_eq!(of(&store, subject).await, []);
    }
}

async fn a_database_of_a_newer_program_is_told_and_left_alone(database: TestDatabase) {
    let store = made(&database).await;
    let (column, value) = match database.backend {
        Backend::Sqlite => (", applied_at", ", 0"),
        _ => ("", ""),
    };
    database
        .execute(&format!(
            "INSERT INTO annals_migrations (set_name, version, file, checksum{column})
             VALUES ('kernel', 9999, '9999_future', '00000000-0000-0000-0000-000000000000'{value})"
        ))
        .await;
    let found = only(&store, "schema", Severity::Fault).await;
    assert!(found.what.contains("newer one"), "{found:?}");
}

async fn a_table_that_is_gone_is_a_fault(database: TestDatabase) {
    let store = made(&database).await;
    database.execute("DROP TABLE probes").await;
    let found = only(&store, "schema", Severity::Fault).await;
    assert!(found.what.contains("no table probes"), "{found:?}");
}

async fn a_column_that_is_gone_is_a_fault(database: TestDatabase) {
    let store = made(&database).await;
    database
        .execute("ALTER TABLE probes DROP COLUMN remark")
        .await;
    let found = only(&store, "schema", Severity::Fault).await;
    assert!(
        found.what.contains("probes") && found.what.contains("no column \"remark\""),
        "{found:?}"
    );
}

async fn a_column_of_another_type_is_a_fault(database: TestDatabase) {
    let store = made(&database).await;
    database
        .execute(
            "ALTER TABLE probes DROP COLUMN remark; ALTER TABLE probes ADD COLUMN remark integer",
        )
        .await;
    let found = only(&store, "schema", Severity::Fault).await;
    assert!(found.what.contains("its column \"remark\" is"), "{found:?}");
}

async fn an_index_that_is_gone_is_told_with_the_statement_that_makes_it(database: TestDatabase) {
    let store = made(&database).await;
    // One that begins with the same columns serves as well.
    database
        .execute(
            "CREATE INDEX longer ON probes (number, at, remark); DROP INDEX probes_number_at_idx",
        )
        .await;
    assert_eq!(of(&store, "schema").await, []);
    database.execute("DROP INDEX longer").await;
    // One that holds some rows only does not.
    database
        .execute("CREATE INDEX partial ON probes (number, at) WHERE number > 7")
        .await;
    let found = only(&store, "schema", Severity::Advice).await;
    assert!(found.what.contains("(number, at)"), "{found:?}");
    database.execute(&found.way_out).await;
    assert_eq!(of(&store, "schema").await, []);
}

async fn tables_in_a_schema_of_their_own_are_looked_at_there(database: TestDatabase) {
    made(&database).await;
    database
        .execute("ALTER TABLE probes DROP COLUMN remark")
        .await;
    let tenant = database.store_in("tenant").await;
    tenant.create_table::<Probe>().await.unwrap();
    assert_eq!(of(&tenant, "schema").await, []);
    let (drop, name) = match database.backend {
        Backend::Sqlite => ("DROP INDEX tenant_probes_number_at_idx", "tenant_probes"),
        _ => ("DROP INDEX tenant.probes_number_at_idx", "tenant.probes"),
    };
    database.execute(drop).await;
    let found = only(&tenant, "schema", Severity::Advice).await;
    assert!(found.what.starts_with(name), "{found:?}");
    database.execute(&found.way_out).await;
    assert_eq!(of(&tenant, "schema").await, []);
}

async fn dead_letters_are_told_by_table(database: TestDatabase) {
    let store = made(&database).await;
    let (parked_at, payload) = match database.backend {
        Backend::Sqlite => ("1767225600000000", "x'0102'"),
        _ => ("'2026-01-01Z'", r"'\x0102'"),
    };
    for (number, table) in [(1, "probes"), (2, "probes"), (3, "others")] {
        database
            .execute(&format!(
                "INSERT INTO annals_dead_letters (id, table_name, reason, parked_at, parked_at_nanos, attempts,
                                                  batch_id, batch_row, payload)
                 VALUES ('00000000-0000-0000-0000-00000000000{number}', '{table}', 'no', {parked_at}, 0, 1,
                         '00000000-0000-0000-0000-000000000000', {number}, {payload})"
            ))
            .await;
    }
    let found = of(&store, "dead letters").await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|one| one.severity == Severity::Advice));
    assert!(
        found[0].what.starts_with("1 row of others is parked"),
        "{found:?}"
    );
    assert!(
        found[1]
            .what
            .starts_with("2 rows of probes are parked, with 4 bytes"),
        "{found:?}"
    );
    assert!(
        found[1]
            .way_out
            .contains("annals dead-letters list --table probes")
    );
}

async fn a_ledger_that_nobody_shortens_is_told(database: TestDatabase) {
    let store = made(&database).await;
    let entry = async |number: u8, day: i64| {
        let committed_at = match database.backend {
            Backend::Sqlite => (day * 86_400_000_000).to_string(),
            _ => format!("to_timestamp({})", day * 86_400),
        };
        database
            .execute(&format!(
                "INSERT INTO annals_ledger (batch_id, row_count, committed_at)
                 VALUES ('00000000-0000-0000-0000-00000000000{number}', 1, {committed_at})"
            ))
            .await;
    };
    entry(1, 100).await;
    // Nobody wrote since: nobody had to forget.
    assert_eq!(of(&store, "ledger").await, []);
    entry(2, 104).await;
    let found = only(&store, "ledger", Severity::Advice).await;
    assert!(
        found.what.contains("2 entries") && found.what.contains("4 days"),
        "{found:?}"
    );
}

/// Lets no row go while it is on.
#[derive(Clone, Default)]
struct Refusing(Arc<AtomicBool>);

impl Derived for Refusing {
    fn prepare<'a>(
        &'a self,
        _: &'a Store,
        _: &'a Names,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<Timestamp, Error>> {
        let refuses = self.0.load(Ordering::Relaxed);
        Box::pin(async move {
            match refuses {
                true => Err(Error::Family("the moon is not right".into())),
                false => Ok(until),
            }
        })
    }
}

fn retention() -> Policy {
    Policy {
        kind: PolicyKind::Retention,
        owner: None,
        interval: Some(Interval::days(30)),
    }
}

async fn a_policy_that_failed_is_a_fault_until_it_does_not(database: TestDatabase) {
    let store = made(&database).await;
    let refusing = Refusing::default();
    let probes = AgingTable::of::<Probe>(store.names()).with_derived(refusing.clone());
    let lifecycle = store.lifecycle(probes);
    lifecycle.set_policy(&retention()).await.unwrap();
    assert_eq!(of(&store, "policies").await, []);
    let old = Probe {
        probe: "a".into(),
        at: Timestamp::now() - Duration::from_secs(90 * 86_400),
        number: 1,
        remark: None,
    };
    let writer = store.writer::<Probe>().await.unwrap();
    assert_eq!(writer.write(vec![old]).await.unwrap().committed, 1);
    refusing.0.store(true, Ordering::Relaxed);
    lifecycle.run_policies().await.unwrap();
    let found = only(&store, "policies", Severity::Fault).await;
    assert!(
        found.what.contains("retention of probes") && found.what.contains("the moon is not right"),
        "{found:?}"
    );
    refusing.0.store(false, Ordering::Relaxed);
    lifecycle.run_policies().await.unwrap();
    assert_eq!(of(&store, "policies").await, []);
}

async fn a_retention_that_nobody_runs_is_told(database: TestDatabase) {
    let store = made(&database).await;
    let lifecycle = store.lifecycle(AgingTable::of::<Probe>(store.names()));
    lifecycle.set_policy(&retention()).await.unwrap();
    assert_eq!(of(&store, "policies").await, []);
    let earlier = match database.backend {
        Backend::Sqlite => "set_at - 5 * 86400000000",
        _ => "set_at - interval '5 days'",
    };
    database
        .execute(&format!("UPDATE annals_policies SET set_at = {earlier}"))
        .await;
    let found = only(&store, "policies", Severity::Advice).await;
    assert!(
        found.what.contains("set 5 days ago") && found.way_out.contains("annals serve"),
        "{found:?}"
    );
    lifecycle.run_policies().await.unwrap();
    assert_eq!(of(&store, "policies").await, []);
    // It ran once, and never again.
    let (started, ended) = match database.backend {
        Backend::Sqlite => ("started_at - 9 * 86400000000", "ended_at - 9 * 86400000000"),
        _ => (
            "started_at - interval '9 days'",
            "ended_at - interval '9 days'",
        ),
    };
    database
        .execute(&format!(
            "UPDATE annals_jobs SET started_at = {started}, ended_at = {ended}"
        ))
        .await;
    let found = only(&store, "policies", Severity::Advice).await;
    assert!(
        found.what.starts_with("retention of probes is due for"),
        "{found:?}"
    );
}

async fn looking_changes_nothing(database: TestDatabase) {
    let store = database.store().await;
    look(&store).await;
    let tables = match database.backend {
        Backend::Sqlite => "SELECT count(*) FROM sqlite_schema",
        _ => "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
    };
    assert_eq!(database.number(tables).await, 0);
}
