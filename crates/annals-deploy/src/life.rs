//! What becomes of deployment traces as they age.
//!
//! Spans are kept until a policy says otherwise, of the whole table or of one workspace, and compressed when they are a
//! week old where the server can. Rows of the directory go with the last spans of their trace.
//!
//! # Spans that come late
//!
//! A row of the directory goes when all of its trace began before what is gone. A batch that brings a late span of such a
//! trace holds the row's lock until it commits, and rows that are locked are passed over; a batch that comes after makes
//! the row anew. In the worst case a late span has no row: it is found all the same, in every chunk.

use annals_record::{Timestamp, Uuid};
use annals_store::{
    Access, AgingTable, DriverError, Error, Interval, Names, Result, Store, Work,
    lifecycle::{Derived, Emptied},
    rusqlite,
    sql::PgTimestamp,
    sqlx,
};
use futures_util::future::{BoxFuture, FutureExt as _};

use crate::DeploymentSpan;

/// Days after which spans are compressed unless a policy says otherwise: those that arrive late have come by then, and what
/// is asked for most is read as rows.
const COMPRESSED_AFTER: u16 = 7;

/// Rows that are deleted in one transaction, so that batches wait for little.
const STEP: i64 = 10_000;

/// Before any time that PostgreSQL holds.
const ANY_TIME: i64 = -210_866_803_200_000_000;

const FORGET: &str = include_str!("life/forget.postgres.sql");
const FORGET_ON_SQLITE: &str = include_str!("life/forget.sqlite.sql");

/// The tables of this crate that age.
#[must_use]
pub fn tables(names: &Names) -> Vec<AgingTable> {
    vec![spans(names)]
}

pub(crate) fn spans(names: &Names) -> AgingTable {
    AgingTable::of::<DeploymentSpan>(names)
        .compressed_after(Some(Interval::days(COMPRESSED_AFTER)))
        .with_derived(Forget)
}

/// Lets rows of the directory go with the spans of their traces.
#[derive(Clone, Copy, Debug)]
struct Forget;

impl Derived for Forget {
    fn follow<'a>(
        &'a self,
        store: &'a Store,
        names: &'a Names,
        emptied: Emptied,
    ) -> BoxFuture<'a, Result<u64>> {
        let from = emptied.from.map_or(ANY_TIME, |from| from.unix_micros());
        forget(store, names, (from, emptied.until.unix_micros()), None).boxed()
    }

    fn owner_deleted<'a>(
        &'a self,
        store: &'a Store,
        names: &'a Names,
        owner: &'a str,
        before: Timestamp,
    ) -> BoxFuture<'a, Result<u64>> {
        async move {
            let workspace = Uuid::try_parse(owner).map_err(|error| Error::Family(error.into()))?;
            let range = (ANY_TIME, before.unix_micros());
            forget(store, names, range, Some(workspace)).await
        }
        .boxed()
    }
}

/// Deletes the rows of traces that lie within a range; gives their number.
async fn forget(
    store: &Store,
    names: &Names,
    (from, until): (i64, i64),
    workspace: Option<Uuid>,
) -> Result<u64> {
    let mut forgotten = 0;
    loop {
        let step = Step {
            names: names.clone(),
            from,
            until,
            workspace,
        };
        let rows = store.run(Access::Write, step).await?;
        forgotten += rows;
        if rows < STEP.unsigned_abs() {
            return Ok(forgotten);
        }
    }
}

struct Step {
    names: Names,
    from: i64,
    until: i64,
    workspace: Option<Uuid>,
}

fn failed<E: Into<DriverError>>() -> impl FnOnce(E) -> Error {
    Error::statement("letting traces go with their spans")
}

impl Work for Step {
    type Output = u64;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<u64>> {
        async move {
            let done = sqlx::query(self.names.statement(FORGET))
                .bind(PgTimestamp(self.from))
                .bind(PgTimestamp(self.until))
                .bind(self.workspace)
                .bind(STEP)
                .execute(connection)
                .await
                .map_err(failed())?;
            Ok(done.rows_affected())
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, _names: &Names) -> Result<u64> {
        let workspace = self.workspace.map(|id| id.hyphenated().to_string());
        let values = rusqlite::params![self.from, self.until, workspace, STEP];
        let sql = self.names.statement(FORGET_ON_SQLITE);
        let rows = connection
            .execute(sql.as_str(), values)
            .map_err(failed::<rusqlite::Error>())?;
        Ok(rows as u64)
    }
}
