//! Where a reader goes on after it was away.

use annals_record::{Record, Value};
use annals_store::{Access, Error as StoreError, Names, Store, Work, rusqlite, sqlx};
use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{Error, Result, message::check_text};

const LOAD: &str = r#"SELECT "position" FROM {subscription_checkpoints} WHERE name = $1"#;

const STORE: &str = r#"
    INSERT INTO {subscription_checkpoints} (name, "position") VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET "position" = excluded."position""#;

const ADVANCE: &str = r#"
    INSERT INTO {subscription_checkpoints} AS known (name, "position") VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET "position" = excluded."position"
     WHERE excluded."position" > known."position""#;

const FORGET: &str = "DELETE FROM {subscription_checkpoints} WHERE name = $1";

/// A position under a name, kept in the namespace: the one from which a reader goes on.
///
/// Nothing is stored unless somebody asks. Whoever stores behind the last message that it has dealt with meets
/// no message twice, save those that it dealt with and did not store; whoever deals with a message and stores in
/// one transaction of its own keeps its position there instead.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    store: Store,
    names: Names,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Record)]
#[record(crate = "annals_record", table = "subscription_checkpoints")]
struct Row {
    position: i64,
}

impl Checkpoint {
    pub(crate) fn new(store: &Store, names: &Names, name: &str) -> Self {
        Self {
            store: store.clone(),
            names: names.clone(),
            name: name.to_owned(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The position that was stored last.
    ///
    /// # Errors
    ///
    /// The name is empty or no text that a database holds, or the database failed.
    pub async fn load(&self) -> Result<Option<i64>> {
        check_text("the checkpoint's name", &self.name)?;
        let values = vec![Value::Text(self.name.clone())];
        let rows: Vec<Row> = self.store.fetch(self.names.statement(LOAD), values).await?;
        Ok(rows.first().map(|row| row.position))
    }

    /// Stores a position, whatever was stored before. It is durable once this returns.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub async fn store(&self, position: i64) -> Result<()> {
        self.write(STORE, Some(position)).await
    }

    /// Stores a position unless a higher one is stored, by whomever: of several readers that take over from each
    /// other a late one puts nobody back.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub async fn advance(&self, position: i64) -> Result<()> {
        self.write(ADVANCE, Some(position)).await
    }

    /// Forgets it.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub async fn forget(&self) -> Result<()> {
        self.write(FORGET, None).await
    }

    async fn write(&self, sql: &'static str, position: Option<i64>) -> Result<()> {
        check_text("the checkpoint's name", &self.name)?;
        let write = Write {
            names: self.names.clone(),
            sql,
            name: self.name.clone(),
            position,
        };
        self.store.run(Access::Statement, write).await
    }
}

struct Write {
    names: Names,
    sql: &'static str,
    name: String,
    position: Option<i64>,
}

impl Work for Write {
    type Output = ();
    type Error = Error;

    fn run_postgres<'a>(
        self,
        connection: &'a mut sqlx::PgConnection,
        _names: &'a Names,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let mut query = sqlx::query(self.names.statement(self.sql)).bind(self.name);
            if let Some(position) = self.position {
                query = query.bind(position);
            }
            query
                .execute(connection)
                .await
                .map_err(StoreError::statement("storing a checkpoint"))?;
            Ok(())
        }
        .boxed()
    }

    fn run_sqlite(self, connection: &rusqlite::Connection, _names: &Names) -> Result<()> {
        let sql = self.names.statement(self.sql);
        let done = match self.position {
            Some(position) => connection.execute(sql.as_str(), (self.name, position)),
            None => connection.execute(sql.as_str(), (self.name,)),
        };
        done.map_err(StoreError::statement("storing a checkpoint"))?;
        Ok(())
    }
}
