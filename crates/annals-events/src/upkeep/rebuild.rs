//! Heads, ids and the counter, made of the messages.

use annals_store::{Access, Error as StoreError, Names, Store, Work, rusqlite, sqlx};
use futures_util::future::{BoxFuture, FutureExt as _};

use super::Rebuilt;
use crate::{Error, Result};

const HEADS: &str = include_str!("../../sql/upkeep/rebuild_heads.sql");
const IDS: &str = include_str!("../../sql/upkeep/rebuild_ids.sql");

/// Nothing is taken back: a head stays where messages were dropped behind it.
pub(crate) async fn rebuild_heads(store: &Store, names: &Names) -> Result<Rebuilt> {
    store.run(Access::Write, Rebuild(names.clone())).await
}

struct Rebuild(Names);

impl Work for Rebuild {
    type Output = Rebuilt;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<Rebuilt>> {
        async move {
            let doing = || StoreError::statement("rebuilding heads");
            // Nobody appends meanwhile.
            sqlx::query(
                self.0
                    .statement("SELECT 1 FROM {message_counter} FOR UPDATE"),
            )
            .execute(&mut *connection)
            .await
            .map_err(doing())?;
            let streams = sqlx::query(self.0.statement(HEADS))
                .execute(&mut *connection)
                .await
                .map_err(doing())?;
            let ids = sqlx::query(self.0.statement(IDS))
                .execute(&mut *connection)
                .await
                .map_err(doing())?;
            let counter = include_str!("../../sql/upkeep/rebuild_counter.postgres.sql");
            let global_position = sqlx::query_scalar(self.0.statement(counter))
                .fetch_one(connection)
                .await
                .map_err(doing())?;
            Ok(Rebuilt {
                streams: streams.rows_affected(),
                ids: ids.rows_affected(),
                global_position,
            })
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, _names: &Names) -> Result<Rebuilt> {
        let rebuild = || {
            let streams = connection.execute(self.0.statement(HEADS).as_str(), [])?;
            let ids = connection.execute(self.0.statement(IDS).as_str(), [])?;
            let counter = include_str!("../../sql/upkeep/rebuild_counter.sqlite.sql");
            let counter = self.0.statement(counter);
            Ok(Rebuilt {
                streams: streams as u64,
                ids: ids as u64,
                global_position: connection.query_row(counter.as_str(), [], |row| row.get(0))?,
            })
        };
        Ok(rebuild().map_err(StoreError::statement::<rusqlite::Error>("rebuilding heads"))?)
    }
}
