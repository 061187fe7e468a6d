//! Compression as a policy of the database itself, on the Community edition.

use annals_record::{Timestamp, TimestampMicros};
use sqlx::{Connection as _, PgConnection, Row as _};

use super::PolicyStatus;
use crate::{
    Error, Result,
    lifecycle::{Interval, Lifecycle},
};

/// The database's own policy on a table, whoever made it.
const STATUS: &str = "\
    SELECT (job.config ->> 'compress_after')::text,
           (extract(epoch FROM stats.last_run_started_at + stats.last_run_duration) * 1000000)::bigint,
           stats.last_run_status::text,
           (extract(epoch FROM CASE WHEN isfinite(stats.next_start) THEN stats.next_start END) * 1000000)::bigint,
           (SELECT error.err_message FROM timescaledb_information.job_errors AS error
             WHERE error.job_id = job.job_id ORDER BY error.start_time DESC LIMIT 1)
      FROM timescaledb_information.jobs AS job
      LEFT JOIN timescaledb_information.job_stats AS stats ON stats.job_id = job.job_id
     WHERE job.hypertable_schema = $1 AND job.hypertable_name = $2 AND job.proc_name = 'policy_compression'
     LIMIT 1";

const DOING: &str = "setting the database's own policy";

impl Lifecycle {
    /// Says how the database's own policy is doing.
    pub(super) async fn native_status(&self, status: &mut PolicyStatus) -> Result<()> {
        let mut connection = self.hypertable("compression").await?;
        let doing = || Error::statement("asking for the database's own policy");
        let row = sqlx::query(STATUS)
            .bind(self.table.names().schema())
            .bind(self.table.descriptor().table)
            .fetch_optional(&mut *connection)
            .await
            .map_err(doing())?;
        let Some(row) = row else {
            return Ok(());
        };
        let read = || -> Result<_, sqlx::Error> {
            Ok((
                row.try_get::<Option<i64>, _>(1)?,
                row.try_get::<Option<String>, _>(2)?,
                row.try_get::<Option<i64>, _>(3)?,
                row.try_get::<Option<String>, _>(4)?,
            ))
        };
        let (last, outcome, next, failure) = read().map_err(doing())?;
        let time = |micros: Option<i64>| -> Option<Timestamp> {
            Some(TimestampMicros::from_unix_micros(micros?).ok()?.into())
        };
        status.runner = Some("the database");
        status.has_failed = outcome.as_deref() == Some("Failed");
        status.last_outcome = match outcome {
            Some(_) if status.has_failed => failure,
            Some(outcome) => Some(outcome.to_lowercase()),
            None => None,
        };
        status.last_run = time(last);
        status.next_run = time(next);
        Ok(())
    }

    /// Makes the database's own policy what ours is. A default gives way to one that somebody made by SQL.
    pub(super) async fn make_native(
        &self,
        connection: &mut PgConnection,
        after: Option<&Interval>,
        is_set: bool,
    ) -> Result<()> {
        let doing = || Error::statement(DOING);
        let mut transaction = connection.begin().await.map_err(doing())?;
        let found: Option<Option<String>> = sqlx::query_scalar(STATUS)
            .bind(self.table.names().schema())
            .bind(self.table.descriptor().table)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(doing())?;
        let wanted = after.map(ToString::to_string);
        let is_right = match (&found, &wanted) {
            (None, None) => true,
            (Some(_), Some(_)) if !is_set => true,
            (Some(Some(found)), Some(wanted)) => {
                sqlx::query_scalar("SELECT $1::text::interval = $2::text::interval")
                    .bind(found)
                    .bind(wanted)
                    .fetch_one(&mut *transaction)
                    .await
                    .map_err(doing())?
            }
            _ => false,
        };
        if is_right {
            return Ok(());
        }
        if found.is_some() {
            let sql =
                "CALL {timescale}.remove_columnstore_policy($1::text::regclass, if_exists => TRUE)";
            sqlx::query(self.statement(sql))
                .bind(self.table.full_name())
                .execute(&mut *transaction)
                .await
                .map_err(doing())?;
        }
        if let Some(wanted) = wanted {
            let sql = "CALL {timescale}.add_columnstore_policy($1::text::regclass, after => $2::text::interval, if_not_exists => TRUE)";
            sqlx::query(self.statement(sql))
                .bind(self.table.full_name())
                .bind(wanted)
                .execute(&mut *transaction)
                .await
                .map_err(doing())?;
        }
        transaction.commit().await.map_err(doing())
    }
}
