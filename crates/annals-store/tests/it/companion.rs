//! Which rows a companion is told of.

use std::sync::{Arc, Mutex};

use annals_record::Record;
use annals_store::{Companion, Names, Writer, WriterOptions, rusqlite, sqlx};
use annals_testkit::{Backend, TestDatabase, on_every_backend};
use futures_util::future::{BoxFuture, FutureExt as _};

on_every_backend!(
    new_rows_alone_are_told_unless_all_are_wanted,
    a_refused_row_is_never_told,
    the_statements_of_a_companion_end_with_its_batch,
);

#[derive(Clone, Debug, PartialEq, Record)]
#[record(
    crate = "annals_record",
    table = "told",
    key("name"),
    on_conflict = "update"
)]
struct Row {
    name: i64,
    value: i64,
}

fn rows(names: impl IntoIterator<Item = i64>, value: i64) -> Vec<Row> {
    names.into_iter().map(|name| Row { name, value }).collect()
}

/// Remembers what it is told, and can fail.
#[derive(Default)]
struct Listening {
    all: bool,
    fails: bool,
    told: Mutex<Vec<i64>>,
}

impl Listening {
    fn hear(&self, rows: &[&Row]) {
        self.told
            .lock()
            .unwrap()
            .extend(rows.iter().map(|row| row.name));
    }

    fn told(&self) -> Vec<i64> {
        let mut told = std::mem::take(&mut *self.told.lock().unwrap());
        told.sort_unstable();
        told
    }
}

impl Companion<Row> for Listening {
    fn wants_every_row(&self) -> bool {
        self.all
    }

    fn apply_postgres<'a>(
        &'a self,
        _: &'a mut sqlx::PgConnection,
        _: &'a Names,
        rows: Vec<&'a Row>,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        self.hear(&rows);
        let done = if self.fails {
            Err(sqlx::Error::RowNotFound)
        } else {
            Ok(())
        };
        async move { done }.boxed()
    }

    fn apply_sqlite(
        &self,
        _: &rusqlite::Connection,
        _: &Names,
        rows: Vec<&Row>,
    ) -> Result<(), rusqlite::Error> {
        self.hear(&rows);
        if self.fails {
            return Err(rusqlite::Error::QueryReturnedNoRows);
        }
        Ok(())
    }
}

async fn writer(database: &TestDatabase, listening: &Arc<Listening>) -> Writer<Row> {
    let store = database.store().await;
    store.create_table::<Row>().await.unwrap();
    let mut options = WriterOptions::default();
    options.max_retries = Some(1);
    store
        .writer_with(options, Some(Arc::clone(listening) as Arc<_>))
        .await
        .unwrap()
}

async fn new_rows_alone_are_told_unless_all_are_wanted(database: TestDatabase) {
    for (all, base) in [(false, 0), (true, 100)] {
        let listening = Arc::new(Listening {
            all,
            ..Listening::default()
        });
        let writer = writer(&database, &listening).await;
        let wanted = |names: Vec<i64>| if all { names } else { Vec::new() };
        let write = async |rows: Vec<Row>| {
            let count = rows.len();
            assert_eq!(writer.write(rows).await.unwrap().committed, count);
            listening.told()
        };
        let names = || (base..base + 10).collect::<Vec<i64>>();
        // By COPY, by the staging table, with nothing that changes, and one row alone.
        assert_eq!(write(rows(names(), 1)).await, names());
        assert_eq!(write(rows(names(), 2)).await, wanted(names()));
        assert_eq!(write(rows(names(), 2)).await, wanted(names()));
        assert_eq!(write(rows([base], 3)).await, wanted(vec![base]));
        assert_eq!(write(rows([base], 3)).await, wanted(vec![base]));
        assert_eq!(write(rows([base + 10], 3)).await, [base + 10]);
        let mixed = write(rows(base + 8..base + 13, 4)).await;
        let expected = if all { base + 8 } else { base + 11 };
        assert_eq!(mixed, (expected..base + 13).collect::<Vec<_>>());
    }
}

async fn a_refused_row_is_never_told(database: TestDatabase) {
    for (all, base) in [(false, 0), (true, 100)] {
        let listening = Arc::new(Listening {
            all,
            ..Listening::default()
        });
        let writer = writer(&database, &listening).await;
        if !all {
            let sql = match database.backend {
                Backend::Sqlite => {
                    "CREATE TRIGGER positive BEFORE INSERT ON told WHEN NEW.value < 0
                     BEGIN SELECT RAISE(ABORT, 'below zero'); END"
                }
                _ => "ALTER TABLE told ADD CONSTRAINT positive CHECK (value >= 0)",
            };
            database.execute(sql).await;
        }
        let mut batch = rows(base..base + 5, 1);
        batch[2].value = -1;
        let written = writer.write(batch).await.unwrap();
        assert_eq!((written.committed, written.parked), (4, 1));
        assert_eq!(listening.told(), [base, base + 1, base + 3, base + 4]);
        let written = writer.write(rows([base + 7], -1)).await.unwrap();
        assert_eq!((written.committed, written.parked), (0, 1));
        assert_eq!(listening.told(), Vec::<i64>::new());
    }
}

async fn the_statements_of_a_companion_end_with_its_batch(database: TestDatabase) {
    let listening = Arc::new(Listening {
        all: true,
        fails: true,
        ..Listening::default()
    });
    let writer = writer(&database, &listening).await;
    assert!(writer.write(rows(0..3, 1)).await.is_err());
    let store = database.store().await;
    assert_eq!(store.query::<Row>().fetch().await.unwrap().rows, []);
}
