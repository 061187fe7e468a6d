//! Tables and migrations on SQLite.

use std::{sync::Arc, time::Duration};

use annals_record::{Descriptor, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use super::Sqlite;
use crate::{
    MigrationError, Result,
    ddl::{ColumnShape, TableShape},
    migrate::{Applied, Change, MigrationStatus, Plan, Step},
    sql::{Names, Sql},
};

impl Sqlite {
    pub(crate) async fn run_script(&self, script: Sql) -> Result<()> {
        self.write("running a script", move |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(script.as_str())?;
            transaction.commit()
        })
        .await
    }

    pub(crate) async fn migrate(&self, plan: &Plan<'_>) -> Result<Vec<MigrationStatus>> {
        let names = self.names.clone();
        self.write("making the table of migrations", {
            let names = names.clone();
            move |connection| {
                connection.execute_batch(&names.fill(
                    "CREATE TABLE IF NOT EXISTS {annals_migrations} (
                         position   INTEGER PRIMARY KEY AUTOINCREMENT,
                         set_name   TEXT NOT NULL,
                         version    INTEGER NOT NULL,
                         file       TEXT NOT NULL,
                         checksum   TEXT NOT NULL,
                         applied_at INTEGER NOT NULL,
                         UNIQUE (set_name, version)
                     ) STRICT",
                ))
            }
        })
        .await?;
        let steps = Arc::new(plan(&self.applied_migrations().await?)?);
        for at in 0..steps.len() {
            let names = names.clone();
            let of_thread = Arc::clone(&steps);
            let done = self.write("migrating", move |connection| match of_thread.get(at) {
                Some(step) => run_step(connection, &names, step),
                None => Ok(()),
            });
            if let (Err(error), Some(step)) = (done.await, steps.get(at)) {
                let (set, file) = (step.set, step.migration.file);
                return Err(MigrationError::Failed {
                    set,
                    file,
                    source: Box::new(error),
                }
                .into());
            }
        }
        Ok(steps.iter().map(Step::status).collect())
    }

    pub(crate) async fn applied_migrations(&self) -> Result<Vec<Applied>> {
        if self
            .table_shape("annals_migrations")
            .await?
            .columns
            .is_empty()
        {
            return Ok(Vec::new());
        }
        let sql = self.names.statement(
            "SELECT set_name, version, checksum FROM {annals_migrations} ORDER BY position",
        );
        self.read("reading which migrations have run", move |connection| {
            let mut statement = connection.prepare(sql.as_str())?;
            let rows = statement.query_map([], |row| {
                Ok(Applied {
                    set: row.get(0)?,
                    version: row.get(1)?,
                    checksum: Uuid::parse_str(&row.get::<_, String>(2)?).unwrap_or_default(),
                })
            })?;
            rows.collect()
        })
        .await
    }

    pub(crate) async fn table_shape(&self, table: &str) -> Result<TableShape> {
        let table = format!("{}{table}", self.names.prefix());
        self.read("reading a table's columns", move |connection| {
            shape(connection, &table)
        })
        .await
    }

    pub(crate) async fn chunk_interval(&self, _descriptor: &Descriptor) -> Result<Option<i64>> {
        Ok(None)
    }

    pub(crate) async fn compressed_ranges(
        &self,
        _descriptor: &Descriptor,
    ) -> Result<Vec<(i64, i64)>> {
        Ok(Vec::new())
    }

    pub(crate) async fn forget_batches(&self, older_than: Duration) -> Result<u64> {
        let before = (Timestamp::now() - older_than).unix_micros();
        let sql = self
            .names
            .statement("DELETE FROM {annals_ledger} WHERE committed_at < ?1");
        self.write("shortening the ledger", move |connection| {
            connection
                .execute(sql.as_str(), [before])
                .map(|rows| rows as u64)
        })
        .await
    }
}

fn run_step(
    connection: &mut Connection,
    names: &Names,
    step: &Step,
) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let migration = step.migration;
    let version = migration.version();
    match step.change {
        Change::Add => {
            if has_run(&transaction, names, step)? {
                // Another process was faster.
                return Ok(());
            }
            transaction.execute_batch(&names.fill(migration.sqlite_up))?;
            let sql = names.fill(
                "INSERT INTO {annals_migrations} (set_name, version, file, checksum, applied_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            );
            let checksum = migration.checksum().to_string();
            let values = params![
                step.set,
                version,
                migration.file,
                checksum,
                Timestamp::now().unix_micros()
            ];
            transaction.execute(&sql, values)?;
        }
        Change::Remove => {
            transaction.execute_batch(&names.fill(migration.sqlite_down))?;
            let sql =
                names.fill("DELETE FROM {annals_migrations} WHERE set_name = ?1 AND version = ?2");
            transaction.execute(&sql, params![step.set, version])?;
        }
    }
    transaction.commit()
}

fn has_run(
    transaction: &Transaction<'_>,
    names: &Names,
    step: &Step,
) -> Result<bool, rusqlite::Error> {
    let sql = names.fill(
        "SELECT EXISTS (SELECT 1 FROM {annals_migrations} WHERE set_name = ?1 AND version = ?2)",
    );
    transaction.query_row(&sql, params![step.set, step.migration.version()], |row| {
        row.get(0)
    })
}

fn shape(connection: &Connection, table: &str) -> Result<TableShape, rusqlite::Error> {
    let mut statement = connection
        .prepare("SELECT name, type, \"notnull\", pk FROM pragma_table_info(?1) ORDER BY cid")?;
    let mut columns = Vec::new();
    let mut key: Vec<(i64, String)> = Vec::new();
    let mut rows = statement.query([table])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let place: i64 = row.get(3)?;
        if place > 0 {
            key.push((place, name.clone()));
        }
        columns.push(ColumnShape {
            name,
            ty: row.get(1)?,
            nullable: !row.get::<_, bool>(2)?,
        });
    }
    key.sort();
    let mut unique = vec![key.into_iter().map(|(_, name)| name).collect()];
    let mut indexes =
        connection.prepare("SELECT name FROM pragma_index_list(?1) WHERE \"unique\"")?;
    let names: Vec<String> = indexes
        .query_map([table], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for name in names {
        let mut parts =
            connection.prepare("SELECT name FROM pragma_index_info(?1) ORDER BY seqno")?;
        unique.push(
            parts
                .query_map([name], |row| row.get(0))?
                .collect::<Result<_, _>>()?,
        );
    }
    Ok(TableShape { columns, unique })
}
