//! Rows of `metrics` whose points are gone by age.
//!
//! A metric without points goes when nobody has sent any for two days. Whoever sends points writes their metric first, anew
//! with each hour that begins, and that moves `last_seen`: a metric of which points are on their way was seen within the
//! hour, and is never old enough to go. Rows are locked and looked at again by the statement that deletes them, so that
//! one that is seen meanwhile stays.

use annals_record::{Record, Timestamp, TimestampMicros, Uuid, Value};
use annals_store::{
    Access, DriverError, Error, Names, Result, Store, Work,
    lifecycle::{Derived, Emptied},
    rusqlite,
    sql::PgTimestamp,
    sqlx,
};
use futures_util::future::{BoxFuture, FutureExt as _};

/// How long nobody may have sent points of a metric that goes.
const SILENT_MICROS: i64 = 2 * 86_400 * 1_000_000;

/// Rows of one transaction.
const STEP: usize = 1_000;

const FIND: &str =
    "SELECT id, last_seen FROM {metrics} WHERE last_seen < $1 AND id > $2 ORDER BY id LIMIT $3";

/// Lets rows of `metrics` go with their points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forget;

impl Derived for Forget {
    fn follow<'a>(
        &'a self,
        store: &'a Store,
        names: &'a Names,
        _: Emptied,
    ) -> BoxFuture<'a, Result<u64>> {
        forget(store, names, Timestamp::now().unix_micros() - SILENT_MICROS).boxed()
    }
}

/// A metric that may have to go.
#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "metrics")]
struct Silent {
    id: Uuid,
    last_seen: TimestampMicros,
}

async fn forget(store: &Store, names: &Names, before: i64) -> Result<u64> {
    let mut forgotten = 0;
    let mut after = Some(Uuid::nil());
    while let Some(id) = after {
        let values = vec![
            Value::Timestamp(before),
            Value::Uuid(id),
            Value::Int8(STEP as i64),
        ];
        let found: Vec<Silent> = store.fetch(names.statement(FIND), values).await?;
        after = found
            .last()
            .map(|last| last.id)
            .filter(|_| found.len() == STEP);
        let delete = Delete {
            names: names.clone(),
            ids: found.into_iter().map(|silent| silent.id).collect(),
            before,
        };
        forgotten += store.run(Access::Write, delete).await?;
    }
    Ok(forgotten)
}

/// Deletes those of some metrics that have no points and were not seen meanwhile.
struct Delete {
    names: Names,
    ids: Vec<Uuid>,
    before: i64,
}

fn failed<E: Into<DriverError>>() -> impl FnOnce(E) -> Error {
    Error::statement("letting metrics go with their points")
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
            let lock = "SELECT FROM {metrics} WHERE id = ANY($1) ORDER BY id FOR UPDATE";
            sqlx::query(self.names.statement(lock))
                .bind(&self.ids)
                .execute(&mut *connection)
                .await
                .map_err(failed())?;
            // Younger than the locks: what was committed before them is seen.
            let delete = "DELETE FROM {metrics} AS metric WHERE id = ANY($1) AND last_seen < $2 \
                          AND NOT EXISTS (SELECT FROM {metric_data_points} AS point WHERE point.metric_id = metric.id)";
            let deleted = sqlx::query(self.names.statement(delete))
                .bind(&self.ids)
                .bind(PgTimestamp(self.before))
                .execute(connection)
                .await
                .map_err(failed())?;
            Ok(deleted.rows_affected())
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, _names: &Names) -> Result<u64> {
        let delete = || {
            let sql = self.names.statement(
                "DELETE FROM {metrics} WHERE id = $1 AND last_seen < $2 \
                 AND NOT EXISTS (SELECT 1 FROM {metric_data_points} WHERE metric_id = $1)",
            );
            let mut statement = connection.prepare_cached(sql.as_str())?;
            let mut rows = 0;
            for id in &self.ids {
                rows += statement.execute((id.hyphenated().to_string(), self.before))?;
            }
            Ok(rows as u64)
        };
        delete().map_err(failed::<rusqlite::Error>())
    }
}
