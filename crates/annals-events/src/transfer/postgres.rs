//! Import and clearing on PostgreSQL.

use annals_store::{Error as StoreError, Names, Work, rusqlite, sql::PgTimestamp, sqlx};
use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Clear, Import, Record};
use crate::{Error, Result, name};

const LOCK: &str = "SELECT 1 FROM {message_counter} FOR UPDATE";

impl Work for Import {
    type Output = ();
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<()>> {
        async move { import(connection, &self.names, &self.records).await }.boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, _names: &Names) -> Result<()> {
        super::sqlite::import(connection, &self.names, &self.records)
    }
}

async fn import(
    connection: &mut sqlx::PgConnection,
    names: &Names,
    records: &[Record],
) -> Result<()> {
    macro_rules! column {
        ($record:ident => $value:expr) => {
            records.iter().map(|$record| $value).collect::<Vec<_>>()
        };
    }
    let doing = || StoreError::statement("importing");
    let global_positions = column!(record => record.place.global_position);
    let positions = column!(record => record.place.position);
    let streams = column!(record => record.stream.as_str());
    let ids = column!(record => record.id);
    sqlx::query(names.statement(LOCK))
        .execute(&mut *connection)
        .await
        .map_err(doing())?;
    let taken: Option<String> =
        sqlx::query_scalar(names.statement(include_str!("../../sql/import/taken.postgres.sql")))
            .bind(&global_positions)
            .bind(&streams)
            .bind(&positions)
            .bind(&ids)
            .fetch_optional(&mut *connection)
            .await
            .map_err(doing())?;
    if let Some(what) = taken {
        return Err(Error::PlaceTaken { what });
    }
    sqlx::query(names.statement(include_str!("../../sql/import/insert.postgres.sql")))
        .bind(column!(record => PgTimestamp(record.time.unix_micros())))
        .bind(global_positions)
        .bind(positions)
        .bind(streams)
        .bind(column!(record => record.kind.as_str()))
        .bind(column!(record => record.data.as_str()))
        .bind(column!(record => record.metadata.as_ref().map(annals_record::Json::as_str)))
        .bind(ids)
        .bind(column!(record => name::category(&record.stream)))
        .execute(connection)
        .await
        .map_err(doing())?;
    Ok(())
}

impl Work for Clear {
    type Output = ();
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let sql = self
                .0
                .statement(include_str!("../../sql/import/clear.postgres.sql"));
            sqlx::raw_sql(sql)
                .execute(connection)
                .await
                .map_err(StoreError::statement("clearing a namespace"))?;
            Ok(())
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, _names: &Names) -> Result<()> {
        let sql = self
            .0
            .statement(include_str!("../../sql/import/clear.sqlite.sql"));
        connection
            .execute_batch(sql.as_str())
            .map_err(StoreError::statement("clearing a namespace"))?;
        Ok(())
    }
}
