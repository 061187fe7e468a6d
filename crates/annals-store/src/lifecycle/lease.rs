//! One at a time on a table.
//!
//! A lease is a row with a time at which it ends, so that it works by way of any pooler, on SQLite, and for
//! somebody who was killed. Times are those of the database, which all servers share. Whoever destroys something
//! asks in the same transaction, with the row locked, whether the lease is still his ([`Fence`]).

use std::time::Duration;

use annals_record::{Record, Timestamp, TimestampMicros, Uuid, Value};
use tokio::task::JoinHandle;

use super::LifecycleError;
use crate::{Error, Names, Result, Store};

/// How long a lease lasts unless it is renewed.
const LASTS: Duration = Duration::from_secs(30);

/// How often it is renewed.
const RENEWED: Duration = Duration::from_secs(8);

/// A table that is in our hands, until the value is dropped or given back.
#[derive(Debug)]
pub(super) struct Lease {
    store: Store,
    fence: Fence,
    renewing: JoinHandle<()>,
    is_given_back: bool,
}

/// What tells in a transaction that a lease is still ours.
#[derive(Clone, Debug)]
pub(super) struct Fence {
    pub(super) name: String,
    pub(super) holder: Uuid,
    label: String,
}

/// A row of `annals_leases`.
#[derive(Clone, Debug, Record)]
#[record(crate = "annals_record", table = "annals_leases", key("name"))]
struct Row {
    name: String,
    holder: Uuid,
    purpose: String,
    expires_at: TimestampMicros,
}

impl Lease {
    /// Takes a table in hand, or says who has it.
    pub(super) async fn take(
        store: &Store,
        table: &super::AgingTable,
        purpose: &str,
    ) -> Result<Self> {
        let fence = Fence {
            name: table.full_name(),
            holder: Uuid::new_v4(),
            label: table.label().to_owned(),
        };
        let now = store.backend().now().await?;
        let sql = store.names().statement(
            "INSERT INTO {annals_leases} AS lease (name, holder, purpose, expires_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (name) DO UPDATE
                SET holder = excluded.holder, purpose = excluded.purpose, expires_at = excluded.expires_at
              WHERE lease.expires_at <= $5",
        );
        let values = vec![
            Value::Text(fence.name.clone()),
            Value::Uuid(fence.holder),
            Value::Text(purpose.to_owned()),
            Value::Timestamp((now + LASTS).unix_micros()),
            Value::Timestamp(now.unix_micros()),
        ];
        if store.backend().execute(sql, values).await? == 0 {
            return Err(Self::busy(store, &fence).await?);
        }
        let renewing = tokio::spawn(renew(store.clone(), fence.clone()));
        Ok(Self {
            store: store.clone(),
            fence,
            renewing,
            is_given_back: false,
        })
    }

    async fn busy(store: &Store, fence: &Fence) -> Result<Error> {
        let row = store
            .query::<Row>()
            .filter(Row::NAME.eq(fence.name.as_str()))
            .fetch()
            .await?
            .rows
            .into_iter()
            .next();
        let (purpose, until) = match row {
            Some(row) => (row.purpose, row.expires_at.into()),
            // Given back this very moment.
            None => ("somebody else".to_owned(), Timestamp::now()),
        };
        Ok(LifecycleError::Busy {
            table: fence.label.clone(),
            purpose,
            until,
        }
        .into())
    }

    pub(super) fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Gives the table back. A lease that is dropped instead is given back as soon as that can be done.
    pub(super) async fn give_back(mut self) {
        self.renewing.abort();
        self.is_given_back = true;
        release(self.store.clone(), self.fence.clone()).await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
        if self.is_given_back {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(release(self.store.clone(), self.fence.clone()));
        }
    }
}

async fn renew(store: Store, fence: Fence) {
    loop {
        tokio::time::sleep(RENEWED).await;
        let Ok(now) = store.backend().now().await else {
            continue;
        };
        let sql = store.names().statement(
            "UPDATE {annals_leases} SET expires_at = $3 WHERE name = $1 AND holder = $2",
        );
        let values = vec![
            Value::Text(fence.name.clone()),
            Value::Uuid(fence.holder),
            Value::Timestamp((now + LASTS).unix_micros()),
        ];
        // A database that is away for a moment is asked again; one that is away for long ends the lease.
        let _ = store.backend().execute(sql, values).await;
    }
}

async fn release(store: Store, fence: Fence) {
    let sql = store
        .names()
        .statement("DELETE FROM {annals_leases} WHERE name = $1 AND holder = $2");
    let values = vec![Value::Text(fence.name), Value::Uuid(fence.holder)];
    // Otherwise it ends by itself.
    let _ = store.backend().execute(sql, values).await;
}

impl Fence {
    /// Fails unless the lease is still ours, and keeps it so until the transaction ends.
    pub(super) async fn hold_postgres(
        &self,
        connection: &mut sqlx::PgConnection,
        names: &Names,
    ) -> Result<()> {
        let sql = names
            .statement("SELECT 1 FROM {annals_leases} WHERE name = $1 AND holder = $2 FOR UPDATE");
        let held = sqlx::query(sql)
            .bind(&self.name)
            .bind(self.holder)
            .fetch_optional(connection)
            .await
            .map_err(Error::statement("asking whether the table is still ours"))?;
        self.held(held.is_some())
    }

    /// Fails unless the lease is ours at this moment.
    pub(super) async fn ask_postgres(
        &self,
        connection: &mut sqlx::PgConnection,
        names: &Names,
    ) -> Result<()> {
        let sql = names.statement("SELECT 1 FROM {annals_leases} WHERE name = $1 AND holder = $2");
        let held = sqlx::query(sql)
            .bind(&self.name)
            .bind(self.holder)
            .fetch_optional(connection)
            .await
            .map_err(Error::statement("asking whether the table is still ours"))?;
        self.held(held.is_some())
    }

    /// The same on SQLite, where nobody else writes meanwhile.
    pub(super) fn hold_sqlite(
        &self,
        connection: &rusqlite::Connection,
        names: &Names,
    ) -> Result<()> {
        let sql = names.statement(
            "SELECT EXISTS (SELECT 1 FROM {annals_leases} WHERE name = $1 AND holder = $2)",
        );
        let held = connection
            .query_row(sql.as_str(), (&self.name, self.holder.to_string()), |row| {
                row.get(0)
            })
            .map_err(Error::statement("asking whether the table is still ours"))?;
        self.held(held)
    }

    fn held(&self, held: bool) -> Result<()> {
        if held {
            return Ok(());
        }
        Err(LifecycleError::TakenOver {
            table: self.label.clone(),
        }
        .into())
    }
}
