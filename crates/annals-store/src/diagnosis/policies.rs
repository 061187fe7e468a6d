//! Policies that failed, or that nobody runs, and jobs of the database.

use std::time::Duration;

use sqlx::{PgConnection, Row as _};

use super::{
    Asked, Diagnosis,
    Severity::{Advice, Fault, Note},
    quantity::{DAY, length, since},
};
use crate::{
    AgingTable, Edition, Error, Result,
    lifecycle::{PolicyKind, PolicyStatus},
};

const SUBJECT: &str = "policies";

/// How long after its time a policy is one that nobody runs.
const LATE: Duration = DAY;

pub(super) async fn look(asked: &Asked<'_>) -> Result<Vec<Diagnosis>> {
    let mut found = Vec::new();
    let mut uncompressed = Vec::new();
    for table in asked.tables {
        let lifecycle = asked.store.lifecycle(table.clone());
        let now = asked.store.backend().now().await?.unix_micros();
        let policies = lifecycle.policies().await?;
        found.extend(policies.iter().filter_map(|one| of_policy(table, one, now)));
        let compresses = |one: &PolicyStatus| {
            one.policy.kind == PolicyKind::Compression && one.policy.interval.is_some()
        };
        if asked.capabilities.columnstore() && !policies.iter().any(compresses) {
            uncompressed.push(table.label());
        }
    }
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
    if status.has_failed {
        let outcome = status.last_outcome.as_deref().unwrap_or("no reason given");
        return Some(Diagnosis::new(
            Fault,
            SUBJECT,
            format!("the last {kind} of {label} failed: {outcome}"),
            format!("put that right; `annals policy run {label}` tries again"),
        ));
    }
    let late = since(status.next_run?.unix_micros(), now);
    (late > LATE).then(|| {
        let runner = status.runner.unwrap_or("nobody");
        let way_out = match runner {
            "annals serve" => format!("run `annals serve` on this database, or `annals policy run {label}` from time to time"),
            _ => "see whether TimescaleDB's background workers run: timescaledb_information.job_stats".to_owned(),
        };
        Diagnosis::new(
            Advice,
            SUBJECT,
            format!("{kind} of {label} is due since {}, and {runner} should have run it", length(late)),
            way_out,
        )
    })
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
        format!("put that right; CALL run_job({}) tries again", job.id),
    )
}

#[cfg(test)]
mod tests {
    use annals_record::{Record, Timestamp};

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
        let mut never = status(None, true);
        never.policy.interval = None;
        assert_eq!(told(never), None);
    }
}
