//! A job in one's hands.

use std::time::Duration;

use annals_record::{ColumnType, Uuid, Value};
use tokio::task::JoinHandle;

use super::{AGAIN, AHEAD, Job};
use crate::{Result, Store, lifecycle::policy::Done};

/// A job that this process runs, until the value is dropped or ended.
pub(super) struct Claim {
    store: Store,
    place: Vec<Value>,
    renewing: JoinHandle<()>,
    is_ended: bool,
}

const TAKE: &str = "\
    INSERT INTO {annals_jobs} AS job
        (table_schema, table_name, kind, owner, holder, started_at, held_until, failed, runs, failures)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $9, 0, 0)
    ON CONFLICT (table_schema, table_name, kind, owner) DO UPDATE
       SET holder = excluded.holder, started_at = excluded.started_at, held_until = excluded.held_until
     WHERE CASE WHEN job.holder IS NOT NULL THEN job.held_until <= $6
                ELSE job.started_at IS NULL OR job.started_at <= $8 OR job.started_at > $10 END";

const RENEW: &str = "\
    UPDATE {annals_jobs} SET held_until = $6
     WHERE table_schema = $1 AND table_name = $2 AND kind = $3 AND owner = $4 AND holder = $5";

const END: &str = "\
    UPDATE {annals_jobs}
       SET holder = NULL, held_until = NULL, ended_at = $6, outcome = $7, failed = $8,
           runs = runs + 1, failures = failures + $9, started_at = COALESCE($10, started_at)
     WHERE table_schema = $1 AND table_name = $2 AND kind = $3 AND owner = $4 AND holder = $5";

const LEAVE: &str = "\
    UPDATE {annals_jobs} SET holder = NULL, held_until = NULL, started_at = NULL
     WHERE table_schema = $1 AND table_name = $2 AND kind = $3 AND owner = $4 AND holder = $5";

impl Claim {
    /// Claims a job that is due; none when somebody else was faster.
    pub(super) async fn take(store: &Store, job: &Job, lease: Duration) -> Result<Option<Self>> {
        let now = store.backend().now().await?;
        let texts = [
            job.table.names().schema(),
            job.table.descriptor().table,
            job.kind(),
            job.owner(),
        ];
        let mut place: Vec<Value> = texts.map(|text| Value::Text(text.to_owned())).to_vec();
        place.push(Value::Uuid(Uuid::new_v4()));
        let mut values = place.clone();
        values.extend([
            Value::Timestamp(now.unix_micros()),
            Value::Timestamp((now + lease).unix_micros()),
            Value::Timestamp((now - job.every).unix_micros()),
            Value::Bool(false),
            Value::Timestamp((now + AHEAD).unix_micros()),
        ]);
        let taken = store
            .backend()
            .execute(store.names().statement(TAKE), values)
            .await?;
        if taken == 0 {
            return Ok(None);
        }
        let renewing = tokio::spawn(renew(store.clone(), place.clone(), lease));
        Ok(Some(Self {
            store: store.clone(),
            place,
            renewing,
            is_ended: false,
        }))
    }

    /// Notes what came of it. When something had to wait, the run counts as one that is due again soon.
    pub(super) async fn end(mut self, outcome: &Result<Done>, every: Duration) -> Result<()> {
        self.renewing.abort();
        self.is_ended = true;
        let now = self.store.backend().now().await?;
        let (text, failed) = match outcome {
            Ok(done) => (done.said.clone(), false),
            Err(error) => (error.report(), true),
        };
        let mut values = self.place.clone();
        values.extend([
            Value::Timestamp(now.unix_micros()),
            Value::Text(text.chars().take(500).filter(|c| *c != '\0').collect()),
            Value::Bool(failed),
            Value::Int8(i64::from(failed)),
            match outcome {
                Ok(done) if done.waits && every > AGAIN => {
                    Value::Timestamp((now - every + AGAIN).unix_micros())
                }
                _ => Value::Null(ColumnType::Timestamp),
            },
        ]);
        self.store
            .backend()
            .execute(self.store.names().statement(END), values)
            .await?;
        Ok(())
    }
}

impl Claim {
    /// Leaves the job to whoever is next.
    pub(super) async fn leave(mut self) -> Result<()> {
        self.renewing.abort();
        self.is_ended = true;
        let sql = self.store.names().statement(LEAVE);
        self.store
            .backend()
            .execute(sql, self.place.clone())
            .await?;
        Ok(())
    }
}

impl Drop for Claim {
    /// Left in the middle, as when a server stops: the next one need not wait for the lease's end.
    fn drop(&mut self) {
        self.renewing.abort();
        if self.is_ended {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (store, place) = (self.store.clone(), self.place.clone());
            runtime.spawn(async move {
                let _ = store
                    .backend()
                    .execute(store.names().statement(LEAVE), place)
                    .await;
            });
        }
    }
}

async fn renew(store: Store, place: Vec<Value>, lease: Duration) {
    loop {
        tokio::time::sleep(lease / 4).await;
        let Ok(now) = store.backend().now().await else {
            continue;
        };
        let mut values = place.clone();
        values.push(Value::Timestamp((now + lease).unix_micros()));
        // A database that is away for a moment is asked again.
        let _ = store
            .backend()
            .execute(store.names().statement(RENEW), values)
            .await;
    }
}
