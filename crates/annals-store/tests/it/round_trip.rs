//! Any record that can be built survives every write path.

use std::time::Duration;

use annals_record::{Filter, Record};
use annals_store::{Store, Writer};
use annals_testkit::{
    TestDatabase,
    generate::{self, Everything, same},
    on_every_backend,
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

on_every_backend!(
    a_record_survives_the_single_road,
    records_survive_the_fast_road,
    records_survive_the_road_of_few,
    records_survive_the_careful_road,
    records_survive_parking_and_replay,
    a_nul_survives_where_the_backend_can_hold_it,
);

/// Draws from a strategy: an asynchronous test cannot run inside proptest's own loop.
fn draw<T: std::fmt::Debug>(count: usize, strategy: impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::default();
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

async fn store(database: &TestDatabase) -> (Store, Writer<Everything>) {
    let store = database.store().await;
    store.create_table::<Everything>().await.unwrap();
    let writer = store.writer().await.unwrap();
    (store, writer)
}

async fn assert_stored(store: &Store, expected: &[Everything]) {
    let page = store
        .query::<Everything>()
        .order(Everything::ID.asc())
        .fetch()
        .await
        .unwrap();
    assert_eq!(page.rows.len(), expected.len());
    for (read, written) in page.rows.iter().zip(expected) {
        assert!(same(read, written), "read    {read:?}\nwritten {written:?}");
    }
}

async fn a_record_survives_the_single_road(database: TestDatabase) {
    let (store, writer) = store(&database).await;
    let mut records = draw(1, generate::many(60)).remove(0);
    for record in &records {
        let written = writer.write(vec![record.clone()]).await.unwrap();
        assert_eq!((written.committed, written.parked), (1, 0));
    }
    records.sort_by_key(|record| record.id);
    assert_stored(&store, &records).await;
}

async fn records_survive_the_fast_road(database: TestDatabase) {
    let (store, writer) = store(&database).await;
    // More than go by INSERT.
    let records = draw(1, generate::many(2_000)).remove(0);
    let written = writer.write(records.clone()).await.unwrap();
    assert_eq!((written.committed, written.parked), (2_000, 0));
    assert_stored(&store, &records).await;
}

/// Few rows, of which half are there already with other content.
async fn records_survive_the_road_of_few(database: TestDatabase) {
    replace_half(&database, 200).await;
}

/// The same of so many that they are copied and, since keys are there, go through staging.
async fn records_survive_the_careful_road(database: TestDatabase) {
    replace_half(&database, 2_000).await;
}

async fn replace_half(database: &TestDatabase, count: usize) {
    let (store, writer) = store(database).await;
    let records = draw(1, generate::many(count)).remove(0);
    let mut before: Vec<_> = draw(count / 2, generate::everything());
    for (old, new) in before.iter_mut().zip(&records) {
        (old.id, old.at) = (new.id, new.at);
    }
    assert_eq!(writer.write(before).await.unwrap().committed, count / 2);
    for _ in 0..2 {
        let written = writer.write(records.clone()).await.unwrap();
        assert_eq!((written.committed, written.parked), (count, 0));
        assert_stored(&store, &records).await;
    }
}

async fn records_survive_parking_and_replay(database: TestDatabase) {
    let (store, writer) = store(&database).await;
    // A rule that nothing fulfils: the table refuses every row.
    let constraint = Constraint::on(&store, &database).await;
    let records = draw(1, generate::many(50)).remove(0);
    let written = writer.write(records.clone()).await.unwrap();
    assert_eq!((written.committed, written.parked), (0, 50));
    let letters = store.dead_letters().list().fetch().await.unwrap().rows;
    assert_eq!(letters.len(), 50);

    // While the rule stands, replaying changes nothing but the count of attempts.
    let replayed = writer.replay(letters.clone()).await.unwrap();
    assert_eq!((replayed.committed, replayed.refused), (0, 50));
    let again = store.dead_letters().list().fetch().await.unwrap().rows;
    assert_eq!(again.len(), 50);
    assert!(again.iter().all(|letter| letter.attempts == 2), "{again:?}");

    constraint.lift(&store, &database).await;
    let replayed = writer.replay(again).await.unwrap();
    assert_eq!((replayed.committed, replayed.refused), (50, 0));
    assert_stored(&store, &records).await;
    assert_eq!(store.dead_letters().list().count().await.unwrap(), 0);
    // A second replay of the same letters doubles nothing.
    let again = writer.replay(letters).await.unwrap();
    assert_eq!((again.committed, again.refused, again.gone), (0, 0, 50));
    assert_stored(&store, &records).await;
}

async fn a_nul_survives_where_the_backend_can_hold_it(database: TestDatabase) {
    let (store, writer) = store(&database).await;
    let mut records = draw(1, generate::many(3)).remove(0);
    records[1].text = "a\0b".into();
    let written = writer.write(records.clone()).await.unwrap();
    if database.backend == annals_testkit::Backend::Sqlite {
        assert_eq!((written.committed, written.parked), (3, 0));
        assert_stored(&store, &records).await;
        return;
    }
    assert_eq!((written.committed, written.parked), (2, 1));
    let letter = store
        .dead_letters()
        .list()
        .fetch()
        .await
        .unwrap()
        .rows
        .remove(0);
    assert_eq!(letter.column_name.as_deref(), Some("text"));
    assert_eq!(letter.table_name, Everything::DESCRIPTOR.table);
    // The payload keeps what the table could not.
    assert!(same(
        &letter.content().unwrap().to_record().unwrap(),
        &records[1]
    ));
    let refusal = store.check(&records[1]).unwrap_err();
    assert_eq!(refusal.column, "text");
    assert_eq!(
        store.dead_letters().purge(Filter::all([])).await.unwrap(),
        1
    );
    let report = writer.shutdown(Duration::from_secs(5)).await;
    assert_eq!(
        (report.accepted, report.committed, report.parked),
        (3, 2, 1)
    );
}

/// A rule on the table that no row fulfils.
struct Constraint;

impl Constraint {
    async fn on(store: &Store, database: &TestDatabase) -> Self {
        let table = store.names().table("everything");
        let sql = match database.backend {
            annals_testkit::Backend::Sqlite => format!(
                "CREATE TRIGGER no BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'nothing is welcome'); END"
            ),
            _ => format!("ALTER TABLE {table} ADD CONSTRAINT no CHECK (id IS NULL) NOT VALID"),
        };
        database.execute(&sql).await;
        Self
    }

    async fn lift(self, store: &Store, database: &TestDatabase) {
        let table = store.names().table("everything");
        let sql = match database.backend {
            annals_testkit::Backend::Sqlite => "DROP TRIGGER no".to_owned(),
            _ => format!("ALTER TABLE {table} DROP CONSTRAINT no"),
        };
        database.execute(&sql).await;
    }
}
