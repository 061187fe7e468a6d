//! What follows in other tables when rows are gone by age.

use std::sync::{Arc, Mutex};

use annals_record::Timestamp;
use annals_store::{
    AgingTable, Lifecycle, Names, Store,
    lifecycle::{Derived, Emptied},
    rusqlite, sqlx,
};
use annals_testkit::{TestDatabase, on_every_backend};
use futures_util::future::{BoxFuture, FutureExt as _};

use super::*;

on_every_backend!(
    what_follows_is_told_once_rows_are_gone,
    rows_that_may_not_go_yet_stay,
    a_family_that_fails_keeps_the_rows_and_is_asked_again,
    what_was_not_followed_before_a_crash_is_followed_after_it,
    chunks_that_others_dropped_are_followed_too,
);

/// Notes what it is told.
#[derive(Clone, Default)]
struct Notes {
    noted: Arc<Mutex<Vec<Emptied>>>,
    followed: Arc<Mutex<Vec<Emptied>>>,
    allowed: Option<Timestamp>,
    fails: Arc<Mutex<bool>>,
    /// Ends before it follows, as a process that is killed does.
    is_killed: Arc<Mutex<bool>>,
}

impl Derived for Notes {
    fn prepare<'a>(
        &'a self,
        _store: &'a Store,
        _names: &'a Names,
        until: Timestamp,
    ) -> BoxFuture<'a, annals_store::Result<Timestamp>> {
        let allowed = self.allowed.map_or(until, |allowed| until.min(allowed));
        async move { Ok(allowed) }.boxed()
    }

    fn emptied_postgres<'a>(
        &'a self,
        _connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
        emptied: Emptied,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        async move {
            if *self.fails.lock().unwrap() {
                return Err(sqlx::Error::WorkerCrashed);
            }
            self.noted.lock().unwrap().push(emptied);
            Ok(())
        }
        .boxed()
    }

    fn emptied_sqlite(
        &self,
        _connection: &rusqlite::Connection,
        _names: &Names,
        emptied: Emptied,
    ) -> Result<(), rusqlite::Error> {
        if *self.fails.lock().unwrap() {
            return Err(rusqlite::Error::InvalidQuery);
        }
        self.noted.lock().unwrap().push(emptied);
        Ok(())
    }

    fn follow<'a>(
        &'a self,
        _store: &'a Store,
        _names: &'a Names,
        emptied: Emptied,
    ) -> BoxFuture<'a, annals_store::Result<u64>> {
        if *self.is_killed.lock().unwrap() {
            return async { Err(Error::Family("killed".into())) }.boxed();
        }
        self.followed.lock().unwrap().push(emptied);
        async move { Ok(1) }.boxed()
    }
}

fn life_with(store: &Store, notes: &Notes) -> Lifecycle {
    let table = AgingTable::of::<Reading>(store.names()).with_derived(notes.clone());
    store.lifecycle(table).at(now())
}

/// Midnight before a day's readings.
fn midnight(days: i64) -> Timestamp {
    days_ago(days, 0) - Duration::from_secs(DAY.unsigned_abs() / 2)
}

async fn what_follows_is_told_once_rows_are_gone(database: TestDatabase) {
    let store = ten_days(&database).await;
    let notes = Notes::default();
    let done = life_with(&store, &notes)
        .expire(&age("4 days"), false, &mut |_| {})
        .await
        .unwrap();
    let followed = notes.followed.lock().unwrap().clone();
    assert_eq!(followed.last().unwrap().from, None);
    let end = if has_chunks(&database) {
        midnight(4)
    } else {
        days_ago(4, 0)
    };
    assert_eq!(followed.last().unwrap().until, end);
    assert_eq!(done.followed, followed.len() as u64);
    // In the transaction before, and never of what was not told in it.
    assert!(
        notes
            .noted
            .lock()
            .unwrap()
            .iter()
            .all(|noted| noted.until <= end)
    );
    assert!(!notes.noted.lock().unwrap().is_empty());
}

async fn rows_that_may_not_go_yet_stay(database: TestDatabase) {
    let store = ten_days(&database).await;
    let notes = Notes {
        allowed: Some(midnight(7)),
        ..Notes::default()
    };
    life_with(&store, &notes)
        .expire(&age("4 days"), false, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(oldest(&store).await, days_ago(7, 0));
    assert!(
        notes
            .noted
            .lock()
            .unwrap()
            .iter()
            .all(|noted| noted.until <= midnight(7))
    );
}

async fn a_family_that_fails_keeps_the_rows_and_is_asked_again(database: TestDatabase) {
    let store = ten_days(&database).await;
    let notes = Notes::default();
    *notes.fails.lock().unwrap() = true;
    let life = life_with(&store, &notes);
    life.expire(&age("4 days"), false, &mut |_| {})
        .await
        .unwrap_err();
    assert_eq!(rows(&store).await, 2_000);
    *notes.fails.lock().unwrap() = false;
    life.expire(&age("4 days"), false, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(oldest(&store).await, days_ago(4, 0));
}

async fn chunks_that_others_dropped_are_followed_too(database: TestDatabase) {
    let store = ten_days(&database).await;
    let notes = Notes::default();
    let life = life_with(&store, &notes);
    assert_eq!(life.reconcile().await.unwrap(), []);
    if !has_chunks(&database) {
        return;
    }
    // The oldest two, and one in the middle.
    for (from, until) in [(9, 7), (5, 4)] {
        let (from, until) = (midnight(from), midnight(until));
        database
            .execute(&format!(
                "SELECT drop_chunks('readings', older_than => '{until}'::timestamptz, newer_than => '{from}'::timestamptz)"
            ))
            .await;
    }
    let expected = [
        Emptied {
            from: None,
            until: midnight(7),
        },
        Emptied {
            from: Some(midnight(5)),
            until: midnight(4),
        },
    ];
    assert_eq!(life.reconcile().await.unwrap(), expected);
    assert_eq!(*notes.followed.lock().unwrap(), expected);
    assert_eq!(*notes.noted.lock().unwrap(), expected);
    assert_eq!(life.reconcile().await.unwrap(), []);
    // What we drop ourselves is not missed.
    life.expire(&age("3 days"), false, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(life.reconcile().await.unwrap(), []);
}

async fn what_was_not_followed_before_a_crash_is_followed_after_it(database: TestDatabase) {
    let store = ten_days(&database).await;
    let notes = Notes::default();
    *notes.is_killed.lock().unwrap() = true;
    let life = life_with(&store, &notes);
    life.expire(&age("4 days"), false, &mut |_| {})
        .await
        .unwrap_err();
    assert!(rows(&store).await < 2_000, "something is gone");
    assert_eq!(*notes.followed.lock().unwrap(), []);
    *notes.is_killed.lock().unwrap() = false;
    if has_chunks(&database) {
        // One chunk was gone; whoever looks next misses it.
        let emptied = Emptied {
            from: None,
            until: midnight(8),
        };
        assert_eq!(life.reconcile().await.unwrap(), [emptied]);
        assert_eq!(*notes.followed.lock().unwrap(), [emptied]);
    } else {
        // The rows are gone, and the next run follows all the same.
        let done = life
            .expire(&age("4 days"), false, &mut |_| {})
            .await
            .unwrap();
        assert_eq!((done.rows, done.followed), (0, 1));
        assert_eq!(notes.followed.lock().unwrap()[0].until, days_ago(4, 0));
    }
}
