//! Rows of the directory whose spans are gone by age.
//!
//! When a range of time is emptied, a row of `traces` goes if it ended there and no span of it is left. A trace that
//! reaches beyond the range keeps its row until its end is gone too, and keeps its summary as it was written:
//! counts, times and status tell what was stored, not what is left.
//!
//! # Spans that come meanwhile
//!
//! A batch inserts its spans, then inserts or updates their rows of the directory, then commits. No row may be
//! deleted of which a committed span is there. One statement that deletes what has no span would do just that: it
//! waits for the batch that is updating the row, goes on with the row that the batch left, and looks for spans
//! in its own snapshot, from before the batch committed. So rows are locked by one statement, and looked at
//! and deleted by the next, whose snapshot is younger than the locks:
//!
//! - A batch that had touched the row before it was locked has ended, and its spans are seen. The row may
//!   have grown beyond the times in which spans are looked for; then it stays.
//! - A batch that comes to the row after it was locked waits. When the row is deleted, its `INSERT … ON CONFLICT`
//!   finds nothing in its way and makes the row anew, of its own spans, which are all that there are.
//!
//! Rows are locked in the order of their ids, as batches lock them, so that neither waits in a circle. SQLite has one
//! writer at a time.

use annals_record::{Record, Timestamp, TimestampMicros, Uuid, Value};
use annals_store::{
    Access, DriverError, Error, Names, Result, Store, Work,
    lifecycle::{Derived, Emptied},
    rusqlite,
    sql::PgTimestamp,
    sqlx,
};
use futures_util::future::{BoxFuture, FutureExt as _};

use crate::remembered;

/// Rows that are deleted in one transaction, so that batches wait for little.
const STEP: usize = 10_000;

/// Rows that are looked for at once: looking begins at the range's beginning each time.
const FOUND: i64 = 100_000;

/// Before any time that PostgreSQL holds.
const ANY_TIME: i64 = -210_866_803_200_000_000;

const INSIDE: &str = include_str!("forget/inside.sql");
const BEFORE: &str = include_str!("forget/before.sql");
const OWNER: &str = include_str!("forget/owner.sql");
const DELETE: &str = include_str!("forget/delete.postgres.sql");
const DELETE_ON_SQLITE: &str = include_str!("forget/delete.sqlite.sql");

/// Lets rows of `traces` go with their spans.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forget;

impl Derived for Forget {
    fn emptied_postgres<'a>(
        &'a self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
        emptied: Emptied,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        remembered::gone_postgres(connection, names, emptied.until).boxed()
    }

    fn emptied_sqlite(
        &self,
        connection: &rusqlite::Connection,
        names: &Names,
        emptied: Emptied,
    ) -> Result<(), rusqlite::Error> {
        remembered::gone_sqlite(connection, names, emptied.until)
    }

    fn follow<'a>(
        &'a self,
        store: &'a Store,
        names: &'a Names,
        emptied: Emptied,
    ) -> BoxFuture<'a, Result<u64>> {
        follow(store, names, emptied).boxed()
    }

    fn owner_deleted<'a>(
        &'a self,
        store: &'a Store,
        names: &'a Names,
        owner: &'a str,
        before: Timestamp,
    ) -> BoxFuture<'a, Result<u64>> {
        of_service(store, names, owner, before).boxed()
    }
}

/// A row that may have to go, and its times.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "traces")]
struct Found {
    id: Uuid,
    start_time: TimestampMicros,
    end_time: TimestampMicros,
}

async fn follow(store: &Store, names: &Names, emptied: Emptied) -> Result<u64> {
    let from = emptied.from.map_or(ANY_TIME, |from| from.unix_micros());
    let until = emptied.until.unix_micros();
    let range = || {
        vec![
            Value::Timestamp(from),
            Value::Timestamp(until),
            Value::Int8(FOUND),
        ]
    };
    let mut followed = 0;
    loop {
        let found: Vec<Found> = store.fetch(names.statement(INSIDE), range()).await?;
        let is_all = found.len() < FOUND as usize;
        let forgotten = forget(store, names, found).await?;
        followed += forgotten;
        // What had to stay has a span now and is not found again.
        if is_all || forgotten == 0 {
            break;
        }
    }
    if emptied.from.is_some() {
        followed += forget_each(store, names, BEFORE, range()).await?;
    }
    Ok(followed)
}

/// The rows of traces that had spans of one service only, and none is left. A trace whose other spans were deleted
/// before those of the service that it is called by keeps its row until its age is reached.
async fn of_service(store: &Store, names: &Names, service: &str, before: Timestamp) -> Result<u64> {
    store
        .run(Access::Write, remembered::Outdate(names.clone()))
        .await?;
    let values = vec![
        Value::Timestamp(before.unix_micros()),
        Value::Int8(FOUND),
        Value::Text(service.to_owned()),
    ];
    forget_each(store, names, OWNER, values).await
}

/// Deletes those of the rows that a statement finds by id, as its last value says behind which.
async fn forget_each(
    store: &Store,
    names: &Names,
    statement: &'static str,
    values: Vec<Value>,
) -> Result<u64> {
    let mut forgotten = 0;
    let mut after = Some(Uuid::nil());
    while let Some(id) = after {
        let mut values = values.clone();
        values.push(Value::Uuid(id));
        let found: Vec<Found> = store.fetch(names.statement(statement), values).await?;
        let is_all = found.len() < FOUND as usize;
        after = found.last().map(|last| last.id).filter(|_| !is_all);
        forgotten += forget(store, names, found).await?;
    }
    Ok(forgotten)
}

/// Deletes those of the rows that may go, in steps; gives their number.
async fn forget(store: &Store, names: &Names, mut found: Vec<Found>) -> Result<u64> {
    // Those of one step are of about one time, so that their spans are looked for in few chunks.
    found.sort_unstable_by_key(|row| row.start_time);
    let mut forgotten = 0;
    for step in found.chunks(STEP) {
        let (Some(from), Some(until)) = (
            step.iter().map(|row| row.start_time.unix_micros()).min(),
            step.iter().map(|row| row.end_time.unix_micros()).max(),
        ) else {
            break;
        };
        let delete = Delete {
            names: names.clone(),
            ids: step.iter().map(|row| row.id).collect(),
            from,
            until,
        };
        forgotten += store.run(Access::Write, delete).await?;
    }
    Ok(forgotten)
}

/// What a driver's failure becomes.
fn failed<E: Into<DriverError>>() -> impl FnOnce(E) -> Error {
    Error::statement("letting traces go with their spans")
}

/// Deletes rows of which no span is left between two times.
struct Delete {
    names: Names,
    ids: Vec<Uuid>,
    from: i64,
    until: i64,
}

impl Work for Delete {
    type Output = u64;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<u64>> {
        async move {
            let lock = "SELECT FROM {traces} WHERE id = ANY($1) ORDER BY id FOR UPDATE";
            sqlx::query(self.names.statement(lock))
                .bind(&self.ids)
                .execute(&mut *connection)
                .await
                .map_err(failed())?;
            let deleted = sqlx::query(self.names.statement(DELETE))
                .bind(&self.ids)
                .bind(PgTimestamp(self.from))
                .bind(PgTimestamp(self.until))
                .execute(connection)
                .await
                .map_err(failed())?;
            Ok(deleted.rows_affected())
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, _names: &Names) -> Result<u64> {
        let delete = || {
            let sql = self.names.statement(DELETE_ON_SQLITE);
            let mut statement = connection.prepare_cached(sql.as_str())?;
            let mut rows = 0;
            for id in &self.ids {
                let id = id.hyphenated().to_string();
                rows += statement.execute((id, self.from, self.until))?;
            }
            Ok(rows as u64)
        };
        delete().map_err(failed::<rusqlite::Error>())
    }
}
