//! Tables, chunks and migrations as PostgreSQL and TimescaleDB describe them.

use std::time::Duration;

use annals_record::Descriptor;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

use super::Postgres;
use crate::{
    Error, MigrationError, Result,
    ddl::{ColumnShape, TableShape},
    migrate::{Applied, Change, MigrationStatus, Plan, Step},
    sql::{Sql, quoted},
};

/// What every program that migrates this schema locks.
const LOCK: &str = "SELECT pg_advisory_lock(hashtextextended('annals migrations ' || $1, 0))";
const UNLOCK: &str = "SELECT pg_advisory_unlock(hashtextextended('annals migrations ' || $1, 0))";

impl Postgres {
    /// Runs a script in one transaction, alone among migrations of this schema.
    pub(crate) async fn run_script(&self, script: Sql) -> Result<()> {
        let mut connection = self.locked().await?;
        let done = self.in_transaction(&mut connection, script).await;
        self.unlock(connection).await;
        done.map_err(Error::statement("running a script"))
    }

    pub(crate) async fn migrate(&self, plan: &Plan<'_>) -> Result<Vec<MigrationStatus>> {
        let mut connection = self.locked().await?;
        let done = self.run_steps(&mut connection, plan).await;
        self.unlock(connection).await;
        done
    }

    async fn run_steps(
        &self,
        connection: &mut PgConnection,
        plan: &Plan<'_>,
    ) -> Result<Vec<MigrationStatus>> {
        let table = self.names.table("annals_migrations");
        let script = Sql::vouched(format!(
            "CREATE TABLE IF NOT EXISTS {table} (
                 position   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                 set_name   text NOT NULL,
                 version    integer NOT NULL,
                 file       text NOT NULL,
                 checksum   uuid NOT NULL,
                 applied_at timestamptz NOT NULL DEFAULT now(),
                 UNIQUE (set_name, version)
             )"
        ));
        self.in_transaction(connection, script)
            .await
            .map_err(Error::statement("making the table of migrations"))?;
        let steps = plan(&self.read_applied(connection).await?)?;
        for step in &steps {
            self.run_step(connection, step)
                .await
                .map_err(|source| MigrationError::Failed {
                    set: step.set,
                    file: step.migration.file,
                    source: Box::new(Error::Statement {
                        doing: "migrating",
                        source: source.into(),
                    }),
                })?;
        }
        Ok(steps.iter().map(Step::status).collect())
    }

    async fn run_step(
        &self,
        connection: &mut PgConnection,
        step: &Step,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = connection.begin().await?;
        self.set_search_path(&mut transaction).await?;
        let migration = step.migration;
        match step.change {
            Change::Add => {
                transaction
                    .execute(sqlx::raw_sql(migration.postgres_up))
                    .await?;
                if self.capabilities.hypertables() {
                    transaction
                        .execute(sqlx::raw_sql(migration.timescale_up))
                        .await?;
                }
                let sql = "INSERT INTO {annals_migrations} (set_name, version, file, checksum) VALUES ($1, $2, $3, $4)";
                sqlx::query(self.names.statement(sql))
                    .bind(step.set)
                    .bind(i32::try_from(migration.version()).unwrap_or_default())
                    .bind(migration.file)
                    .bind(migration.checksum())
                    .execute(&mut *transaction)
                    .await?;
            }
            Change::Remove => {
                transaction
                    .execute(sqlx::raw_sql(migration.postgres_down))
                    .await?;
                let sql = "DELETE FROM {annals_migrations} WHERE set_name = $1 AND version = $2";
                sqlx::query(self.names.statement(sql))
                    .bind(step.set)
                    .bind(i32::try_from(migration.version()).unwrap_or_default())
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        transaction.commit().await
    }

    pub(crate) async fn applied_migrations(&self) -> Result<Vec<Applied>> {
        let table = self.table_shape("annals_migrations").await?;
        if table.columns.is_empty() {
            return Ok(Vec::new());
        }
        let mut connection = self.acquire().await?;
        self.read_applied(&mut connection).await
    }

    async fn read_applied(&self, connection: &mut PgConnection) -> Result<Vec<Applied>> {
        let sql = "SELECT set_name, version, checksum FROM {annals_migrations} ORDER BY position";
        let rows = sqlx::query(self.names.statement(sql))
            .fetch_all(connection)
            .await;
        let rows = rows.map_err(Error::statement("reading which migrations have run"))?;
        let read = |row: &sqlx::postgres::PgRow| -> Result<Applied, sqlx::Error> {
            Ok(Applied {
                set: row.try_get(0)?,
                version: u32::try_from(row.try_get::<i32, _>(1)?).unwrap_or(u32::MAX),
                checksum: row.try_get(2)?,
            })
        };
        rows.iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(Error::statement("reading which migrations have run"))
    }

    /// A connection that holds the lock of migrations, with the schema made.
    async fn locked(&self) -> Result<PgConnection> {
        // Detached: a session lock must not go back to the pool with its connection.
        let mut connection = self.acquire().await?.detach();
        let locked = sqlx::query(LOCK)
            .bind(self.names.schema())
            .execute(&mut connection)
            .await;
        locked.map_err(Error::statement("locking migrations"))?;
        let exists = sqlx::query("SELECT to_regnamespace($1) IS NOT NULL")
            .bind(quoted(self.names.schema()))
            .fetch_one(&mut connection)
            .await
            .and_then(|row| row.try_get::<bool, _>(0))
            .map_err(Error::statement("looking for the schema"))?;
        if !exists {
            let create = Sql::vouched(format!("CREATE SCHEMA {}", quoted(self.names.schema())));
            sqlx::query(create)
                .execute(&mut connection)
                .await
                .map_err(Error::statement("making the schema"))?;
        }
        Ok(connection)
    }

    async fn unlock(&self, mut connection: PgConnection) {
        // The lock ends with the session in any case; closing is a courtesy.
        let _ = sqlx::query(UNLOCK)
            .bind(self.names.schema())
            .execute(&mut connection)
            .await;
        let _ = connection.close().await;
    }

    async fn in_transaction(
        &self,
        connection: &mut PgConnection,
        script: Sql,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = connection.begin().await?;
        self.set_search_path(&mut transaction).await?;
        transaction.execute(sqlx::raw_sql(script)).await?;
        transaction.commit().await
    }

    /// Names without a schema mean the store's, and functions of the extension are found.
    async fn set_search_path(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let extension = self
            .capabilities
            .timescale
            .as_ref()
            .map(|extension| extension.schema.as_str());
        let path: Vec<String> = [Some(self.names.schema()), extension, Some("public")]
            .into_iter()
            .flatten()
            .map(quoted)
            .collect();
        let sql = Sql::vouched(format!("SET LOCAL search_path TO {}", path.join(", ")));
        sqlx::query(sql).execute(connection).await.map(|_| ())
    }

    pub(crate) async fn table_shape(&self, table: &str) -> Result<TableShape> {
        let full = self.names.table(table);
        let mut connection = self.acquire().await?;
        let doing = "reading a table's columns";
        let columns = sqlx::query(
            "SELECT attname::text, format_type(atttypid, atttypmod), NOT attnotnull
               FROM pg_attribute
              WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
              ORDER BY attnum",
        )
        .bind(&full)
        .fetch_all(&mut *connection)
        .await
        .map_err(Error::statement(doing))?;
        let unique = sqlx::query(
            "SELECT array_agg(attname::text ORDER BY place)
               FROM pg_index, unnest(indkey::int2[]) WITH ORDINALITY AS part(number, place), pg_attribute
              WHERE indrelid = to_regclass($1) AND indisunique AND indpred IS NULL
                AND attrelid = indrelid AND attnum = part.number
              GROUP BY indexrelid",
        )
        .bind(&full)
        .fetch_all(&mut *connection)
        .await
        .map_err(Error::statement(doing))?;
        let column = |row: &sqlx::postgres::PgRow| -> Result<ColumnShape, sqlx::Error> {
            Ok(ColumnShape {
                name: row.try_get(0)?,
                ty: row.try_get(1)?,
                nullable: row.try_get(2)?,
            })
        };
        Ok(TableShape {
            columns: columns
                .iter()
                .map(column)
                .collect::<Result<_, _>>()
                .map_err(Error::statement(doing))?,
            unique: unique
                .iter()
                .map(|row| row.try_get(0))
                .collect::<Result<_, _>>()
                .map_err(Error::statement(doing))?,
        })
    }

    /// The range of a chunk in microseconds; `None` when the table is no hypertable.
    pub(crate) async fn chunk_interval(&self, descriptor: &Descriptor) -> Result<Option<i64>> {
        if !self.capabilities.hypertables() || descriptor.time.is_none() {
            return Ok(None);
        }
        let row = sqlx::query(
            "SELECT (extract(epoch FROM time_interval) * 1000000)::bigint
               FROM timescaledb_information.dimensions
              WHERE hypertable_schema = $1 AND hypertable_name = $2 AND dimension_number = 1",
        )
        .bind(self.names.schema())
        .bind(descriptor.table)
        .fetch_optional(&mut *self.acquire().await?)
        .await
        .map_err(Error::statement("reading the range of a chunk"))?;
        let interval = row.map(|row| row.try_get(0)).transpose();
        Ok(interval
            .map_err(Error::statement("reading the range of a chunk"))?
            .flatten())
    }

    /// Time ranges of compressed chunks, in microseconds, ends excluded.
    pub(crate) async fn compressed_ranges(
        &self,
        descriptor: &Descriptor,
    ) -> Result<Vec<(i64, i64)>> {
        let rows = sqlx::query(
            "SELECT (extract(epoch FROM range_start) * 1000000)::bigint, (extract(epoch FROM range_end) * 1000000)::bigint
               FROM timescaledb_information.chunks
              WHERE hypertable_schema = $1 AND hypertable_name = $2 AND is_compressed",
        )
        .bind(self.names.schema())
        .bind(descriptor.table)
        .fetch_all(&mut *self.acquire().await?)
        .await
        .map_err(Error::statement("reading which chunks are compressed"))?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<Result<_, sqlx::Error>>()
            .map_err(Error::statement("reading which chunks are compressed"))
    }

    pub(crate) async fn forget_batches(&self, older_than: Duration) -> Result<u64> {
        let sql = self.names.statement(
            "DELETE FROM {annals_ledger} WHERE committed_at < now() - make_interval(secs => $1)",
        );
        let done = sqlx::query(sql)
            .bind(older_than.as_secs_f64())
            .execute(&mut *self.acquire().await?)
            .await;
        Ok(done
            .map_err(Error::statement("shortening the ledger"))?
            .rows_affected())
    }
}
