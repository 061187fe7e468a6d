//! Message ids whose window is over.

use std::time::Duration;

use annals_record::Timestamp;
use annals_store::{
    Access, Error as StoreError, Names, Store, Work, rusqlite, sql::PgTimestamp, sqlx,
};
use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{Error, Result};

/// Ids that are forgotten in one transaction, so that appends wait for little.
const STEP: i64 = 10_000;

const POSTGRES: &str = "\
    DELETE FROM {message_ids}
     WHERE ctid = ANY (ARRAY(SELECT ctid FROM {message_ids} WHERE \"time\" < $1 LIMIT $2))";

/// Ids come in the order of time, so the oldest are the first rows.
const SQLITE: &str = "\
    DELETE FROM {message_ids}
     WHERE rowid IN (SELECT rowid FROM {message_ids} ORDER BY rowid LIMIT $2)
       AND time < $1";

/// Forgets ids that are older than the window; gives their number.
pub(crate) async fn forget_ids(store: &Store, names: &Names, window: Duration) -> Result<u64> {
    let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
    let before = Timestamp::now().unix_micros().saturating_sub(window);
    let mut forgotten = 0;
    loop {
        let step = Forget {
            names: names.clone(),
            before,
        };
        let rows = store.run(Access::Statement, step).await?;
        forgotten += rows;
        if rows < STEP.unsigned_abs() {
            return Ok(forgotten);
        }
    }
}

struct Forget {
    names: Names,
    before: i64,
}

impl Work for Forget {
    type Output = u64;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<u64>> {
        async move {
            let done = sqlx::query(self.names.statement(POSTGRES))
                .bind(PgTimestamp(self.before))
                .bind(STEP)
                .execute(connection)
                .await
                .map_err(StoreError::statement("forgetting message ids"))?;
            Ok(done.rows_affected())
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, _names: &Names) -> Result<u64> {
        let rows = connection
            .execute(self.names.statement(SQLITE).as_str(), (self.before, STEP))
            .map_err(StoreError::statement("forgetting message ids"))?;
        Ok(rows as u64)
    }
}
