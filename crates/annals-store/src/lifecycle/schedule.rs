//! Who runs policies, and when.
//!
//! Any number of servers look; each run has one runner. A job is a row of `annals_jobs`, and whoever is to run it
//! claims it in one statement that succeeds only if it is due and in nobody's hands. The claim is renewed while
//! the job runs and ends by itself when its holder is killed. Times are those of the database.
//!
//! # Metrics
//!
//! | Name | Kind |
//! |---|---|
//! | `annals_jobs_total{table,kind,outcome}` | counter, runs of this process: `done` or `failed` |
//! | `annals_chunks_dropped_total{table}` | counter, chunks that this process dropped |
//! | `annals_rows_expired_total{table}` | counter, rows that this process deleted by age |

mod claim;

use std::{sync::Arc, time::Duration};

use annals_record::{Record, Timestamp, TimestampMicros, Uuid};
use futures_util::future::BoxFuture;
use metrics::counter;
use tokio::time::MissedTickBehavior;

use super::{
    AgingTable, Lifecycle, Policy, PolicyKind, PolicyStatus,
    policy::{Done, Settings},
};
use crate::{Error, LifecycleError, Result, Store};
use claim::Claim;

/// How long a job stays in the hands of somebody who does not answer any more.
const LEASE: Duration = Duration::from_secs(20);

/// A start that is so far in the future is one of before the clock was moved back. One that is less may be of
/// somebody who was faster since we looked at the clock.
const AHEAD: Duration = Duration::from_secs(60);

/// When a run of which something had to wait comes again, unless it does so sooner anyway.
const AGAIN: Duration = Duration::from_secs(15);

/// How often chunks that others dropped are looked for, where something follows from it.
const RECONCILED: Duration = Duration::from_secs(60);

/// How often layout and the database's own policies are looked after.
const APPLIED: Duration = Duration::from_secs(3_600);

/// Retention runs every tenth of its age, but between these.
const RETENTION_RUNS: (Duration, Duration) =
    (Duration::from_millis(500), Duration::from_secs(3_600));

/// Tells which tables there are: asked at every turn, since namespaces come and go.
pub trait Tables: Send + Sync + 'static {
    /// Every table that ages.
    fn tables(&self) -> BoxFuture<'_, Result<Vec<AgingTable>>>;
}

/// Tables that are always the same.
impl Tables for Vec<AgingTable> {
    fn tables(&self) -> BoxFuture<'_, Result<Vec<AgingTable>>> {
        Box::pin(async { Ok(self.clone()) })
    }
}

/// One thing that is run every so often.
#[derive(Clone, Debug)]
struct Job {
    table: AgingTable,
    what: What,
    every: Duration,
}

#[derive(Clone, Debug)]
enum What {
    Policy(Policy),
    /// Looks for chunks that others dropped.
    Reconcile,
    /// Looks after layout and the database's own policies.
    Apply,
}

/// What waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// What is made of rows: often, and soon done.
    Refresh,
    /// Everything else.
    Upkeep,
}

impl Job {
    fn lane(&self) -> Lane {
        match &self.what {
            What::Policy(policy) if policy.kind == PolicyKind::Refresh => Lane::Refresh,
            _ => Lane::Upkeep,
        }
    }

    fn kind(&self) -> &'static str {
        match &self.what {
            What::Policy(policy) => policy.kind.as_str(),
            What::Reconcile => "reconciliation",
            What::Apply => "layout",
        }
    }

    fn owner(&self) -> &str {
        match &self.what {
            What::Policy(policy) => policy.owner.as_deref().unwrap_or_default(),
            _ => "",
        }
    }
}

/// Runs policies that are due, beside any number of others on the same database.
#[derive(Clone)]
pub struct Scheduler {
    store: Store,
    tables: Arc<dyn Tables>,
    lease: Duration,
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

impl Scheduler {
    /// A scheduler of these tables.
    pub fn new(store: Store, tables: impl Tables) -> Self {
        Self {
            store,
            tables: Arc::new(tables),
            lease: LEASE,
        }
    }

    /// How long a job stays in the hands of somebody who does not answer any more; 20 s when not said.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Looks for what is due at every turn, and runs it, until the future is dropped; a step in the middle is
    /// rolled back then.
    pub async fn keep(self, every: Duration) {
        // What is made of rows does not wait for an expiry that takes an hour.
        tokio::join!(
            self.keep_lane(Lane::Refresh, every),
            self.keep_lane(Lane::Upkeep, every)
        );
    }

    async fn keep_lane(&self, lane: Lane, every: Duration) {
        let mut clock = tokio::time::interval(every);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            if let Err(error) = self.turn_of(lane).await {
                tracing::warn!(error = error.report(), "policies wait for the next turn");
            }
        }
    }

    /// One turn; gives the number of jobs that ran here.
    ///
    /// # Errors
    ///
    /// The database could not be asked what is due. What fails in a job is kept with it and logged.
    pub async fn turn(&self) -> Result<u64> {
        Ok(self.turn_of(Lane::Refresh).await? + self.turn_of(Lane::Upkeep).await?)
    }

    async fn turn_of(&self, lane: Lane) -> Result<u64> {
        let tables = self.tables.tables().await?;
        let settings = Settings::read(&self.store).await?;
        let jobs = tables.iter().flat_map(|table| self.jobs(table, &settings));
        let jobs: Vec<Job> = jobs.filter(|job| job.lane() == lane).collect();
        if jobs.is_empty() {
            return Ok(0);
        }
        let runs = Runs::read(&self.store).await?;
        let now = self.store.backend().now().await?;
        let mut ran = 0;
        for job in jobs.into_iter().filter(|job| runs.is_due(job, now)) {
            if let Some(claim) = Claim::take(&self.store, &job, self.lease).await? {
                let outcome = self.run(&job).await;
                self.tell(&job, &outcome);
                ran += 1;
                settle(claim, &outcome, job.every).await?;
            }
        }
        Ok(ran)
    }

    /// What there is to run for a table.
    fn jobs(&self, table: &AgingTable, settings: &Settings) -> Vec<Job> {
        let job = |what, every| Job {
            table: table.clone(),
            what,
            every,
        };
        let capabilities = self.store.capabilities();
        let mut jobs = Vec::new();
        if capabilities.columnstore() {
            jobs.push(job(What::Apply, APPLIED));
        }
        if capabilities.hypertables() && table.derived().is_some() {
            jobs.push(job(What::Reconcile, RECONCILED));
        }
        for (policy, _) in settings.of(table) {
            if let Some(every) = period(&policy) {
                jobs.push(job(What::Policy(policy), every));
            }
        }
        jobs
    }

    async fn run(&self, job: &Job) -> Result<Done> {
        let lifecycle = self.store.lifecycle(job.table.clone());
        match &job.what {
            What::Policy(policy) => lifecycle.run_policy(policy).await,
            What::Reconcile => Ok(match lifecycle.reconcile().await?.len() {
                0 => Done::nothing(),
                ranges => Done::whole(format!("{ranges} ranges were dropped by others")),
            }),
            What::Apply => lifecycle
                .apply_policies()
                .await
                .map(|()| Done::whole("as it should be".to_owned())),
        }
    }

    fn tell(&self, job: &Job, outcome: &Result<Done>) {
        let (table, kind) = (job.table.label().to_owned(), job.kind());
        let told = if outcome.is_ok() { "done" } else { "failed" };
        counter!("annals_jobs_total", "table" => table.clone(), "kind" => kind, "outcome" => told)
            .increment(1);
        match outcome {
            Ok(done) => tracing::debug!(table, kind, done = done.said, "a policy ran"),
            Err(error) if is_busy(outcome) => {
                tracing::info!(table, kind, "a policy waits: {error}")
            }
            Err(error) => tracing::warn!(table, kind, error = error.report(), "a policy failed"),
        }
    }
}

/// Somebody is at it by hand: the next turn will do.
fn is_busy(outcome: &Result<Done>) -> bool {
    matches!(outcome, Err(Error::Lifecycle(error)) if matches!(**error, LifecycleError::Busy { .. }))
}

/// Notes what came of a run, unless somebody else was at the table and it has to come again.
async fn settle(claim: Claim, outcome: &Result<Done>, every: Duration) -> Result<()> {
    if is_busy(outcome) {
        claim.leave().await
    } else {
        claim.end(outcome, every).await
    }
}

/// How often a policy runs here; none of what the database runs, or nobody.
fn period(policy: &Policy) -> Option<Duration> {
    let interval = policy.interval.as_ref()?.as_duration();
    match policy.kind {
        PolicyKind::Compression => None,
        PolicyKind::Refresh => Some(interval),
        PolicyKind::Retention => Some((interval / 10).clamp(RETENTION_RUNS.0, RETENTION_RUNS.1)),
    }
}

/// Runs a policy now, due or not, and notes it as a run that was due is.
pub(super) async fn run_now(lifecycle: &Lifecycle, policy: &Policy) -> Result<String> {
    let store = lifecycle.store();
    let job = Job {
        table: lifecycle.table().clone(),
        what: What::Policy(policy.clone()),
        every: Duration::ZERO,
    };
    let Some(claim) = Claim::take(store, &job, LEASE).await? else {
        return Err(LifecycleError::Busy {
            table: lifecycle.table().label().to_owned(),
            purpose: format!("a server that runs its policy of {}", policy.kind),
            until: store.backend().now().await? + LEASE,
        }
        .into());
    };
    let outcome = lifecycle.run_policy(policy).await;
    settle(claim, &outcome, job.every).await?;
    Ok(outcome?.said)
}

/// A row of `annals_jobs`.
#[derive(Clone, Debug, Record)]
#[record(crate = "annals_record", table = "annals_jobs")]
struct Row {
    table_schema: String,
    table_name: String,
    kind: String,
    owner: String,
    holder: Option<Uuid>,
    held_until: Option<TimestampMicros>,
    started_at: Option<TimestampMicros>,
    ended_at: Option<TimestampMicros>,
    outcome: Option<String>,
    failed: bool,
    runs: i64,
    failures: i64,
}

/// How jobs went.
#[derive(Debug)]
pub(super) struct Runs(Vec<Row>);

impl Runs {
    pub(super) async fn read(store: &Store) -> Result<Self> {
        Ok(Self(store.query::<Row>().fetch().await?.rows))
    }

    fn of(&self, table: &AgingTable, kind: &str, owner: &str) -> Option<&Row> {
        self.0.iter().find(|row| {
            row.table_schema == table.names().schema()
                && row.table_name == table.descriptor().table
                && row.kind == kind
                && row.owner == owner
        })
    }

    /// Whether claiming is worth the try.
    fn is_due(&self, job: &Job, now: Timestamp) -> bool {
        let Some(row) = self.of(&job.table, job.kind(), job.owner()) else {
            return true;
        };
        if row.holder.is_some() {
            // Whoever had it in hand was killed, and has not done it.
            return row
                .held_until
                .is_none_or(|until| Timestamp::from(until) <= now);
        }
        row.started_at.is_none_or(|started| {
            let started = Timestamp::from(started);
            started + job.every <= now || started > now + AHEAD
        })
    }

    /// Says how a policy went.
    pub(super) fn tell(&self, table: &AgingTable, status: &mut PolicyStatus) {
        let policy = &status.policy;
        let owner = policy.owner.as_deref().unwrap_or_default();
        let Some(row) = self.of(table, policy.kind.as_str(), owner) else {
            return;
        };
        status.last_run = row.ended_at.map(Timestamp::from);
        status.last_outcome = row.outcome.clone();
        status.has_failed = row.failed;
        let every = period(policy);
        status.next_run = row
            .started_at
            .zip(every)
            .map(|(started, every)| Timestamp::from(started) + every);
    }
}
