//! Policies that failed, or that nobody runs, and jobs of the database.

use std::time::Duration;

use annals_record::{Record, TimestampMicros};
use sqlx::{PgConnection, Row as _};

use super::{
    Asked, Diagnosis,
    Severity::{Advice, Fault, Note},
    quantity::{DAY, length, since},
};
use crate::{
    AgingTable, Edition, Error, LifecycleError, Result,
    lifecycle::{PolicyKind, PolicyStatus},
};

const SUBJECT: &str = "policies";

/// How long after its time a policy is one that nobody runs.
const LATE: Duration = DAY;

/// Told by TimescaleDB of a job for which there was no background worker.
const NO_WORKER: &str = "failed to start";

pub(super) async fn look(asked: &Asked<'_>) -> Result<Vec<Diagnosis>> {
    let now = asked.store.backend().now().await?.unix_micros();
    let mut found = Vec::new();
    let mut uncompressed = Vec::new();
    for table in asked.tables {
        let policies = match asked.store.lifecycle(table.clone()).policies().await {
            Ok(policies) => policies,
            // Told of as a fault of the schema.
            Err(Error::Lifecycle(error))
                if matches!(*error, LifecycleError::NoHypertable { .. }) =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        found.extend(policies.iter().filter_map(|one| of_policy(table, one, now)));
        let compresses = |one: &PolicyStatus| {
            one.policy.kind == PolicyKind::Compression && one.policy.interval.is_some()
        };
        if asked.capabilities.columnstore() && !policies.iter().any(compresses) {
            uncompressed.push(table.label());
        }
    }
    found.extend(never_run(asked, now).await?);
    if let Some(first) = uncompressed.first() {
        found.push(Diagnosis::new(
            Note,
            SUBJECT,
            format!("chunks of {} are never compressed", uncompressed.join(", ")),
            format!(
                "where rows should take less room: annals policy set compression {first} --after '7 days'"
            ),
        ));
    }
    Ok(found)
}

fn of_policy(table: &AgingTable, status: &PolicyStatus, now: i64) -> Option<Diagnosis> {
    let label = table.label();
    let kind = status.policy.kind;
    status.policy.interval.as_ref()?;
    let is_ours = status.runner == Some("annals serve");
    if status.has_failed {
        let outcome = status.last_outcome.as_deref().unwrap_or("no reason given");
        return Some(Diagnosis::new(
            Fault,
            SUBJECT,
            format!("the last {kind} of {label} failed: {outcome}"),
            match kind {
                _ if outcome.contains(NO_WORKER) => MORE_WORKERS.to_owned(),
                PolicyKind::Compression => {
                    format!("put that right; `annals chunks compress {label}` tries again")
                }
                _ => format!("put that right; `annals policy run {label}` tries again"),
            },
        ));
    }
    let late = since(status.next_run?.unix_micros(), now);
    if late <= LATE {
        return None;
    }
    // What is stored late is read from what it is made of meanwhile.
    let severity = match kind {
        PolicyKind::Refresh if !status.is_set => Note,
        _ => Advice,
    };
    let way_out = match is_ours {
        true => serve_or_run(label),
        false => MORE_WORKERS.to_owned(),
    };
    let runner = status.runner.unwrap_or("the database");
    Some(Diagnosis::new(
        severity,
        SUBJECT,
        format!(
            "{kind} of {label} is due for {}, and {runner} should have run it",
            length(late)
        ),
        way_out,
    ))
}

const MORE_WORKERS: &str = "give the server more background workers: max_worker_processes and timescaledb.max_background_workers in postgresql.conf, and a restart";

fn serve_or_run(label: &str) -> String {
    format!("run `annals serve` on this database, or `annals policy run {label}` from time to time")
}

/// A retention that was set and has not run yet.
#[derive(Clone, Debug, Record)]
#[record(crate = "annals_record", table = "annals_policies")]
struct Waiting {
    table_schema: String,
    table_name: String,
    owner: String,
    set_at: TimestampMicros,
}

async fn never_run(asked: &Asked<'_>, now: i64) -> Result<Vec<Diagnosis>> {
    let sql = asked.names.statement(
        "SELECT policy.table_schema, policy.table_name, policy.owner, policy.set_at
           FROM {annals_policies} AS policy
           LEFT JOIN {annals_jobs} AS job
                  ON job.table_schema = policy.table_schema AND job.table_name = policy.table_name
                 AND job.kind = policy.kind AND job.owner = policy.owner
          WHERE policy.kind = 'retention' AND policy.period IS NOT NULL AND job.started_at IS NULL
          ORDER BY 1, 2, 3",
    );
    let waiting: Vec<Waiting> = asked.store.fetch(sql, Vec::new()).await?;
    let told = waiting.iter().filter_map(|one| {
        let table = asked.tables.iter().find(|table| {
            table.names().schema() == one.table_schema && table.descriptor().table == one.table_name
        })?;
        let waits = since(one.set_at.unix_micros(), now);
        let of = match one.owner.as_str() {
            "" => String::new(),
            owner => format!("{owner:?} in "),
        };
        (waits > LATE).then(|| {
            Diagnosis::new(
                Advice,
                SUBJECT,
                format!(
                    "retention of {of}{} was set {} ago, and nobody has run it",
                    table.label(),
                    length(waits)
                ),
                serve_or_run(table.label()),
            )
        })
    });
    Ok(told.collect())
}

/// A job of the database whose last run failed.
#[derive(Debug)]
struct Job {
    id: i32,
    procedure: String,
    hypertable: Option<(String, String)>,
    message: Option<String>,
}

/// Jobs that others made; compression of tables of ours is a policy, and looked at as that.
pub(super) async fn look_at_jobs(
    connection: &mut PgConnection,
    asked: &Asked<'_>,
) -> Result<Vec<Diagnosis>> {
    if asked.capabilities.edition() != Edition::TimescaleCommunity {
        return Ok(Vec::new());
    }
    let sql = "SELECT jobs.job_id, jobs.proc_name::text, jobs.hypertable_schema::text, jobs.hypertable_name::text,
                      (SELECT err_message FROM timescaledb_information.job_errors AS errors
                        WHERE errors.job_id = jobs.job_id ORDER BY finish_time DESC LIMIT 1)
                 FROM timescaledb_information.jobs AS jobs
                 JOIN timescaledb_information.job_stats AS stats USING (job_id)
                WHERE stats.last_run_status = 'Failed' AND jobs.scheduled
                ORDER BY jobs.job_id";
    let doing = "looking for jobs that fail";
    let rows = sqlx::query(sql).fetch_all(connection).await;
    let rows = rows.map_err(Error::statement(doing))?;
    let mut found = Vec::new();
    for row in &rows {
        let read = || -> Result<Job, sqlx::Error> {
            let schema: Option<String> = row.try_get(2)?;
            Ok(Job {
                id: row.try_get(0)?,
                procedure: row.try_get(1)?,
                hypertable: schema.zip(row.try_get(3)?),
                message: row.try_get(4)?,
            })
        };
        let job = read().map_err(Error::statement(doing))?;
        if !is_policy_of_ours(asked, &job) {
            found.push(of_job(&job));
        }
    }
    Ok(found)
}

fn is_policy_of_ours(asked: &Asked<'_>, job: &Job) -> bool {
    job.procedure == "policy_compression"
        && job.hypertable.as_ref().is_some_and(|(schema, name)| {
            asked
                .tables
                .iter()
                .any(|table| table.names().schema() == schema && table.descriptor().table == name)
        })
}

fn of_job(job: &Job) -> Diagnosis {
    let of = job
        .hypertable
        .as_ref()
        .map_or_else(String::new, |(schema, name)| format!(" of {schema}.{name}"));
    let message = job.message.as_deref().unwrap_or("no reason given");
    Diagnosis::new(
        Advice,
        SUBJECT,
        format!(
            "the database's job {} ({}{of}) failed when it last ran: {message}",
            job.id, job.procedure
        ),
        match message.contains(NO_WORKER) {
            true => MORE_WORKERS.to_owned(),
            false => format!("put that right; CALL run_job({}) tries again", job.id),
        },
    )
}

#[cfg(test)]
mod tests {
    use annals_record::Timestamp;

    use super::*;
    use crate::{Interval, Names, lifecycle::Policy, sql::Dialect};

    #[derive(Clone, Debug, PartialEq, Record)]
    #[record(crate = "annals_record", table = "readings", time = "at")]
    struct Reading {
        at: Timestamp,
    }

    fn status(next_run: Option<Timestamp>, has_failed: bool) -> PolicyStatus {
        PolicyStatus {
            policy: Policy {
                kind: PolicyKind::Retention,
                owner: None,
                interval: Some(Interval::days(30)),
            },
            is_set: true,
            runner: Some("annals serve"),
            last_run: None,
            last_outcome: has_failed.then(|| "permission denied".to_owned()),
            has_failed,
            next_run,
        }
    }

    #[test]
    fn a_policy_that_failed_or_that_nobody_runs_is_told() {
        let table = AgingTable::of::<Reading>(&Names::new(Dialect::Sqlite, "public"));
        let now = Timestamp::now();
        let told = |status| of_policy(&table, &status, now.unix_micros());
        let failed = told(status(None, true)).unwrap();
        assert_eq!(failed.severity, Fault);
        assert!(failed.what.contains("permission denied"), "{failed:?}");
        assert_eq!(told(status(None, false)), None);
        assert_eq!(told(status(Some(now - LATE / 2), false)), None);
        let late = told(status(Some(now - LATE * 3), false)).unwrap();
        assert!(
            late.what.contains("3 days") && late.way_out.contains("annals serve"),
            "{late:?}"
        );
        let mut refresh = status(Some(now - LATE * 3), false);
        refresh.policy.kind = PolicyKind::Refresh;
        refresh.is_set = false;
        assert_eq!(told(refresh).unwrap().severity, Note);
        let mut starved = status(None, true);
        starved.policy.kind = PolicyKind::Compression;
        starved.last_outcome = Some("failed to start job 1000".into());
        let starved = told(starved).unwrap();
        assert!(
            starved.way_out.contains("max_worker_processes"),
            "{starved:?}"
        );
        let mut never = status(None, true);
        never.policy.interval = None;
        assert_eq!(told(never), None);
    }
}
