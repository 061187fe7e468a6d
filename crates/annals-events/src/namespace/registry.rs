//! The registry: a row for each namespace.

use annals_record::{Timestamp, TimestampMicros};
use annals_store::{
    Access, Error as StoreError, Names, Store, Work, rusqlite,
    rusqlite::OptionalExtension as _,
    sqlx::{self, Row as _},
};
use futures_util::future::{BoxFuture, FutureExt as _};

use super::NamespaceSummary;
use crate::{Error, Result};

/// The schema of the registry, apart from all others.
const SCHEMA: &str = "eventodb_store";

/// A row of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) token_hash: String,
    pub(crate) schema: String,
    pub(crate) description: String,
    /// Seconds since 1970.
    pub(crate) created_at: i64,
}

impl Entry {
    fn created_at(&self) -> TimestampMicros {
        let time = Timestamp::from_unix_seconds(self.created_at).unwrap_or(Timestamp::MIN);
        TimestampMicros::floor(time)
    }

    /// As the listing tells it.
    pub(crate) fn summary(&self, message_count: i64) -> NamespaceSummary {
        NamespaceSummary {
            id: self.id.clone(),
            description: self.description.clone(),
            created_at: self.created_at(),
            message_count,
        }
    }

    fn from_postgres(row: &sqlx::postgres::PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get(0)?,
            token_hash: row.try_get(1)?,
            schema: row.try_get(2)?,
            description: row.try_get::<Option<String>, _>(3)?.unwrap_or_default(),
            created_at: row.try_get(4)?,
        })
    }

    fn from_sqlite(row: &rusqlite::Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            id: row.get(0)?,
            token_hash: row.get(1)?,
            schema: row.get(2)?,
            description: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
            created_at: row.get(4)?,
        })
    }
}

/// Makes the registry where there is none.
pub(crate) async fn create_registry(store: &Store) -> Result<()> {
    store.run(Access::Write, CreateRegistry).await
}

/// The namespace of an id.
pub(crate) async fn find(store: &Store, id: &str) -> Result<Option<Entry>> {
    store.run(Access::Read, Find(id.to_owned())).await
}

/// All namespaces, the newest first; none where there is no registry.
pub(crate) async fn list(store: &Store) -> Result<Vec<Entry>> {
    store.run(Access::Read, List).await
}

/// Enters a namespace whose id, schema and token nobody has; tells whether it did.
pub(super) async fn enter_postgres(
    connection: &mut sqlx::PgConnection,
    names: &Names,
    entry: &Entry,
) -> Result<bool> {
    let sql = "INSERT INTO {namespaces} (id, token_hash, schema_name, description, created_at)
               VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT DO NOTHING";
    let done = sqlx::query(names.within(SCHEMA).statement(sql))
        .bind(&entry.id)
        .bind(&entry.token_hash)
        .bind(&entry.schema)
        .bind(&entry.description)
        .bind(entry.created_at)
        .execute(connection)
        .await
        .map_err(StoreError::statement("entering a namespace"))?;
    Ok(done.rows_affected() == 1)
}

/// See [`enter_postgres`].
pub(super) fn enter_sqlite(
    connection: &rusqlite::Connection,
    names: &Names,
    entry: &Entry,
) -> Result<bool> {
    let sql = "INSERT INTO {namespaces} (id, token_hash, schema_name, description, created_at)
               VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT DO NOTHING";
    let values = (
        &entry.id,
        &entry.token_hash,
        &entry.schema,
        &entry.description,
        entry.created_at,
    );
    let done = connection
        .execute(names.within(SCHEMA).statement(sql).as_str(), values)
        .map_err(StoreError::statement("entering a namespace"))?;
    Ok(done == 1)
}

/// Takes a namespace's row out and gives its schema. Others who want it wait for the transaction.
pub(super) async fn leave_postgres(
    connection: &mut sqlx::PgConnection,
    names: &Names,
    id: &str,
) -> Result<Option<String>> {
    let sql = "DELETE FROM {namespaces} WHERE id = $1 RETURNING schema_name";
    sqlx::query_scalar(names.within(SCHEMA).statement(sql))
        .bind(id)
        .fetch_optional(connection)
        .await
        .map_err(StoreError::statement("deleting a namespace"))
        .map_err(Error::from)
}

/// See [`leave_postgres`].
pub(super) fn leave_sqlite(
    connection: &rusqlite::Connection,
    names: &Names,
    id: &str,
) -> Result<Option<String>> {
    let sql = "DELETE FROM {namespaces} WHERE id = $1 RETURNING schema_name";
    connection
        .query_row(names.within(SCHEMA).statement(sql).as_str(), [id], |row| {
            row.get(0)
        })
        .optional()
        .map_err(StoreError::statement("deleting a namespace"))
        .map_err(Error::from)
}

struct CreateRegistry;

impl Work for CreateRegistry {
    type Output = ();
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            // Two servers that start at once would both make the schema, and one would fail.
            sqlx::query("SELECT pg_advisory_xact_lock(hashtext('annals: eventodb_store'))")
                .execute(&mut *connection)
                .await
                .map_err(StoreError::statement("waiting to make the registry"))?;
            let sql = names.statement(include_str!("../../sql/registry/postgres.sql"));
            sqlx::raw_sql(sql)
                .execute(connection)
                .await
                .map_err(StoreError::statement("making the registry"))?;
            Ok(())
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, names: &Names) -> Result<()> {
        let sql = names.statement(include_str!("../../sql/registry/sqlite.sql"));
        connection
            .execute_batch(sql.as_str())
            .map_err(StoreError::statement("making the registry"))?;
        Ok(())
    }
}

/// Gives a namespace another token; tells whether there is such a namespace.
pub(crate) async fn renew_token(store: &Store, id: &str, token_hash: String) -> Result<bool> {
    let renew = RenewToken {
        id: id.to_owned(),
        token_hash,
    };
    store.run(Access::Statement, renew).await
}

const RENEW_TOKEN: &str = "UPDATE {namespaces} SET token_hash = $2 WHERE id = $1";

struct RenewToken {
    id: String,
    token_hash: String,
}

impl Work for RenewToken {
    type Output = bool;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<bool>> {
        async move {
            let done = sqlx::query(names.within(SCHEMA).statement(RENEW_TOKEN))
                .bind(self.id)
                .bind(self.token_hash)
                .execute(connection)
                .await
                .map_err(StoreError::statement("renewing a token"))?;
            Ok(done.rows_affected() == 1)
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, names: &Names) -> Result<bool> {
        let sql = names.within(SCHEMA).statement(RENEW_TOKEN);
        let done = connection
            .execute(sql.as_str(), (self.id, self.token_hash))
            .map_err(StoreError::statement("renewing a token"))?;
        Ok(done == 1)
    }
}

const FIND: &str = "SELECT id, token_hash, schema_name, description, created_at
                      FROM {namespaces} WHERE id = $1";

struct Find(String);

impl Work for Find {
    type Output = Option<Entry>;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<Option<Entry>>> {
        async move {
            let row = sqlx::query(names.within(SCHEMA).statement(FIND))
                .bind(self.0)
                .fetch_optional(connection)
                .await
                .map_err(StoreError::statement("reading a namespace"))?;
            let entry = row.as_ref().map(Entry::from_postgres).transpose();
            Ok(entry.map_err(StoreError::statement("reading a namespace"))?)
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, names: &Names) -> Result<Option<Entry>> {
        let sql = names.within(SCHEMA).statement(FIND);
        let entry = connection
            .query_row(sql.as_str(), [self.0], Entry::from_sqlite)
            .optional();
        Ok(entry.map_err(StoreError::statement("reading a namespace"))?)
    }
}

/// Whether there is a registry: nothing makes one by looking.
const EXISTS: &str = "SELECT to_regclass('{namespaces}') IS NOT NULL";
const EXISTS_ON_SQLITE: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND '\"' || name || '\"' = '{namespaces}')";

const LIST: &str = "SELECT id, token_hash, schema_name, description, created_at
                      FROM {namespaces} ORDER BY created_at DESC, id";

struct List;

impl Work for List {
    type Output = Vec<Entry>;
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        names: &'a Names,
    ) -> BoxFuture<'a, Result<Vec<Entry>>> {
        async move {
            let names = names.within(SCHEMA);
            let list = async {
                let exists = sqlx::query_scalar(names.statement(EXISTS));
                if !exists.fetch_one(&mut *connection).await? {
                    return Ok(Vec::new());
                }
                let rows = sqlx::query(names.statement(LIST))
                    .fetch_all(connection)
                    .await?;
                rows.iter().map(Entry::from_postgres).collect()
            };
            let entries: Result<_, sqlx::Error> = list.await;
            Ok(entries.map_err(StoreError::statement("listing namespaces"))?)
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, names: &Names) -> Result<Vec<Entry>> {
        let names = names.within(SCHEMA);
        let list = || {
            let exists = names.statement(EXISTS_ON_SQLITE);
            if !connection.query_row(exists.as_str(), [], |row| row.get(0))? {
                return Ok(Vec::new());
            }
            let sql = names.statement(LIST);
            let mut statement = connection.prepare_cached(sql.as_str())?;
            let entries = statement.query_map([], Entry::from_sqlite)?;
            entries.collect::<Result<_, _>>()
        };
        Ok(list().map_err(StoreError::statement::<rusqlite::Error>(
            "listing namespaces",
        ))?)
    }
}
