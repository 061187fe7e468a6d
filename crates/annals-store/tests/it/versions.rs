//! Versions of one row, of which the newest stays, in whatever order they come.

use annals_record::{Json, Record, TimestampMicros};
use annals_store::{Store, Writer, WriterOptions};
use annals_testkit::{TestDatabase, on_every_backend};
use proptest::{
    prelude::{Just, Strategy as _},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};

on_every_backend!(
    the_newest_version_stays_in_any_order_and_division,
    an_equal_version_changes_nothing,
    a_row_of_another_owner_is_no_version,
    the_newest_of_those_that_are_not_refused_stays,
);

#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "versions",
    key("name"),
    on_conflict = "newer by revision"
)]
struct Version {
    name: String,
    #[record(merge = "same")]
    owner: Option<String>,
    value: Option<Json>,
    revision: i64,
    #[record(merge = "min")]
    created_at: TimestampMicros,
}

fn version(name: &str, revision: i64) -> Version {
    Version {
        name: name.to_owned(),
        owner: Some("ann".to_owned()),
        value: Some(Json::parse(&revision.to_string()).unwrap()),
        revision,
        // Versions are older the newer they are, so that the smallest time is not the first one's.
        created_at: TimestampMicros::from_unix_micros(1_000 - revision).unwrap(),
    }
}

async fn store(database: &TestDatabase) -> Store {
    let store = database.store().await;
    store.create_table::<Version>().await.unwrap();
    store
}

async fn writer(store: &Store) -> Writer<Version> {
    let options = WriterOptions::default();
    store.writer_with(options, None).await.unwrap()
}

async fn stored(store: &Store) -> Vec<Version> {
    let query = store.query::<Version>().order(Version::NAME.asc());
    query.fetch().await.unwrap().rows
}

async fn the_newest_version_stays_in_any_order_and_division(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store).await;
    let orders = Just((0..8).collect::<Vec<i64>>()).prop_shuffle();
    let mut runner = TestRunner::deterministic();
    for division in [1, 2, 3, 8] {
        for round in 0..4 {
            let name = format!("{division}/{round}");
            let order = orders.new_tree(&mut runner).unwrap().current();
            for part in order.chunks(division) {
                let rows = part.iter().map(|n| version(&name, *n)).collect();
                let written = writer.write(rows).await.unwrap();
                assert_eq!((written.committed, written.parked), (part.len(), 0));
            }
            let found = store.query().filter(Version::NAME.eq(name.as_str()));
            let found: Vec<Version> = found.fetch().await.unwrap().rows;
            assert_eq!(found, [version(&name, 7)], "{order:?} by {division}");
        }
    }
}

async fn an_equal_version_changes_nothing(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store).await;
    let other = Version {
        value: None,
        created_at: TimestampMicros::from_unix_micros(0).unwrap(),
        ..version("a", 3)
    };
    let _ = writer.write(vec![version("a", 3)]).await.unwrap();
    let _ = writer.write(vec![other.clone()]).await.unwrap();
    let _ = writer.write(vec![other.clone(), other]).await.unwrap();
    assert_eq!(stored(&store).await, [version("a", 3)]);
}

async fn a_row_of_another_owner_is_no_version(database: TestDatabase) {
    let store = store(&database).await;
    let writer = writer(&store).await;
    let nobody = Version {
        owner: None,
        ..version("b", 1)
    };
    let _ = writer.write(vec![version("a", 1), nobody.clone()]).await;
    let thief = |name| Version {
        owner: Some("eve".to_owned()),
        ..version(name, 9)
    };
    let written = writer.write(vec![thief("a"), thief("b")]).await.unwrap();
    assert_eq!((written.committed, written.parked), (2, 0));
    assert_eq!(stored(&store).await, [version("a", 1), nobody.clone()]);
    let newer = Version {
        revision: 2,
        ..nobody
    };
    let _ = writer.write(vec![newer.clone()]).await.unwrap();
    assert_eq!(stored(&store).await.get(1), Some(&newer));
}

async fn the_newest_of_those_that_are_not_refused_stays(database: TestDatabase) {
    let store = store(&database).await;
    // Both kinds of databases refuse a row by its value here.
    database
        .execute(match store.names().dialect() {
            annals_store::Dialect::Postgres => "ALTER TABLE versions ADD CHECK (revision <> 7)",
            _ => {
                "CREATE TRIGGER seven BEFORE INSERT ON versions WHEN NEW.revision = 7
                 BEGIN SELECT RAISE(ABORT, 'not seven'); END"
            }
        })
        .await;
    let writer = writer(&store).await;
    let rows = [3, 7, 5, 4].map(|n| version("a", n)).to_vec();
    let written = writer.write(rows).await.unwrap();
    assert_eq!((written.committed, written.parked), (3, 1));
    assert_eq!(stored(&store).await, [version("a", 5)]);
}
