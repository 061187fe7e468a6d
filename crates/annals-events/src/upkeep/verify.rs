//! Whether a namespace is as it must be.

use annals_store::{
    Access, Error as StoreError, Names, Store, Work, rusqlite,
    sqlx::{self, Row as _},
};
use futures_util::future::{BoxFuture, FutureExt as _};

use super::Verified;
use crate::{Error, Result};

const COUNTS: &str = include_str!("../../sql/upkeep/counts.sql");
const FAULTS: &str = include_str!("../../sql/upkeep/faults.sql");

/// Reads every message once.
pub(crate) async fn verify(store: &Store, names: &Names) -> Result<Verified> {
    store.run(Access::Read, Verify(names.clone())).await
}

struct Verify(Names);

impl Work for Verify {
    type Output = Verified;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<Verified>> {
        async move {
            let read = async {
                let counts = sqlx::query(self.0.statement(COUNTS))
                    .fetch_one(&mut *connection)
                    .await?;
                Ok(Verified {
                    messages: counts.try_get(0)?,
                    streams: counts.try_get(1)?,
                    forgotten_ids: counts.try_get(2)?,
                    global_position: counts.try_get(3)?,
                    faults: sqlx::query_scalar(self.0.statement(FAULTS))
                        .fetch_all(&mut *connection)
                        .await?,
                })
            };
            let read: Result<_, sqlx::Error> = read.await;
            Ok(read.map_err(StoreError::statement("verifying"))?)
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, _names: &Names) -> Result<Verified> {
        let read = || {
            let sql = self.0.statement(FAULTS);
            let mut faults = connection.prepare_cached(sql.as_str())?;
            let faults = faults
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            connection.query_row(self.0.statement(COUNTS).as_str(), [], |row| {
                Ok(Verified {
                    messages: row.get(0)?,
                    streams: row.get(1)?,
                    forgotten_ids: row.get(2)?,
                    global_position: row.get(3)?,
                    faults,
                })
            })
        };
        Ok(read().map_err(StoreError::statement::<rusqlite::Error>("verifying"))?)
    }
}
