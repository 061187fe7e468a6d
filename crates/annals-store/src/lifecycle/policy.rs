//! What is to happen at which age, kept in the database.

mod native;

use std::fmt;

use annals_record::{ColumnType, Record, Timestamp, Value};

use super::{
    AgingTable, Interval, Lifecycle, LifecycleError,
    schedule::{Runs, run_now},
};
use crate::{Dialect, Error, Result, Store};

/// What a policy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PolicyKind {
    /// Compresses chunks that are older.
    Compression,
    /// Lets rows go that are older.
    Retention,
    /// Makes what is made of a table's rows, every so often.
    Refresh,
}

impl PolicyKind {
    /// In lower case, as the database keeps it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compression => "compression",
            Self::Retention => "retention",
            Self::Refresh => "refresh",
        }
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is to happen to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What.
    pub kind: PolicyKind,
    /// Of whose rows alone: a value of the column by which the table is segmented. Retention only.
    pub owner: Option<String>,
    /// At which age, or every how often; `None` for never, which wins over a table's default.
    pub interval: Option<Interval>,
}

impl Policy {
    /// Rows of the whole table go at this age.
    #[must_use]
    pub fn retention(age: Interval) -> Self {
        Self {
            kind: PolicyKind::Retention,
            owner: None,
            interval: Some(age),
        }
    }

    /// Chunks are compressed at this age.
    #[must_use]
    pub fn compression(age: Interval) -> Self {
        Self {
            kind: PolicyKind::Compression,
            owner: None,
            interval: Some(age),
        }
    }
}

/// A policy, where it comes from, and how it went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyStatus {
    /// The policy.
    pub policy: Policy,
    /// Set by somebody, rather than the table's default.
    pub is_set: bool,
    /// Who runs it: `annals serve`, or `the database`; nobody where it cannot run here.
    pub runner: Option<&'static str>,
    /// When it last ended, by the database's clock.
    pub last_run: Option<Timestamp>,
    /// What came of that, in a few words: what was done, or the error.
    pub last_outcome: Option<String>,
    /// Whether that was an error.
    pub has_failed: bool,
    /// When it is due next.
    pub next_run: Option<Timestamp>,
}

/// What a run did.
#[derive(Clone, Debug)]
pub(super) struct Done {
    /// In a few words.
    pub(super) said: String,
    /// Some of it has to wait, and not for long.
    pub(super) waits: bool,
}

impl Done {
    pub(super) fn nothing() -> Self {
        Self::whole("nothing to do".to_owned())
    }

    pub(super) fn whole(said: String) -> Self {
        Self { said, waits: false }
    }
}

/// A row of `annals_policies`.
#[derive(Clone, Debug, Record)]
#[record(crate = "annals_record", table = "annals_policies")]
pub(super) struct Row {
    pub(super) table_schema: String,
    pub(super) table_name: String,
    pub(super) kind: String,
    pub(super) owner: String,
    pub(super) period: Option<String>,
}

impl PolicyKind {
    fn parse(text: &str) -> Option<Self> {
        [Self::Compression, Self::Retention, Self::Refresh]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// What somebody set, and what tables have by default.
#[derive(Debug, Default)]
pub(super) struct Settings(Vec<Row>);

impl Settings {
    /// Those of every table.
    pub(super) async fn read(store: &Store) -> Result<Self> {
        Ok(Self(store.query::<Row>().fetch().await?.rows))
    }

    /// The policies of a table, and whether each was set by somebody.
    pub(super) fn of(&self, table: &AgingTable) -> Vec<(Policy, bool)> {
        let set = self.0.iter().filter(|row| {
            row.table_schema == table.names().schema() && row.table_name == table.descriptor().table
        });
        let set = set.filter_map(|row| {
            // A newer program may know kinds, and write intervals, that this one does not.
            let interval = row.period.as_deref().map(str::parse).transpose().ok()?;
            let owner = Some(row.owner.clone()).filter(|owner| !owner.is_empty());
            let kind = PolicyKind::parse(&row.kind)?;
            Some((
                Policy {
                    kind,
                    owner,
                    interval,
                },
                true,
            ))
        });
        let mut policies: Vec<(Policy, bool)> = set.collect();
        for (kind, interval) in [
            (PolicyKind::Compression, table.default_compress_after()),
            (PolicyKind::Refresh, table.default_refresh_every()),
        ] {
            let is_set = policies.iter().any(|(policy, _)| policy.kind == kind);
            if let Some(interval) = interval.filter(|_| !is_set) {
                let policy = Policy {
                    kind,
                    owner: None,
                    interval: Some(interval.clone()),
                };
                policies.push((policy, false));
            }
        }
        policies.sort_by(|(a, _), (b, _)| (a.kind, &a.owner).cmp(&(b.kind, &b.owner)));
        policies
    }
}

impl Lifecycle {
    /// Sets a policy, in place of the one of its kind and owner that there was; on the Community edition
    /// compression becomes a policy of the database itself.
    ///
    /// # Errors
    ///
    /// A table of this kind or this backend cannot have it, or the database failed.
    pub async fn set_policy(&self, policy: &Policy) -> Result<()> {
        self.check_policy(policy).await?;
        let policy = &Policy {
            owner: self.owner_named(policy.owner.as_deref())?,
            ..policy.clone()
        };
        self.keep_policy(policy).await?;
        self.forget_run(policy).await?;
        if policy.kind == PolicyKind::Compression {
            self.apply_policies().await?;
        }
        Ok(())
    }

    /// Whether the table can have a policy here; changes nothing.
    ///
    /// # Errors
    ///
    /// Why not, or the database failed.
    pub async fn check_policy(&self, policy: &Policy) -> Result<()> {
        let refused = |why| LifecycleError::Policy {
            table: self.table.label().to_owned(),
            kind: policy.kind,
            why,
        };
        if policy.owner.is_some() && policy.kind != PolicyKind::Retention {
            return Err(
                refused("only retention can be of one owner's rows; leave the owner out").into(),
            );
        }
        if policy.owner.as_deref() == Some("") {
            return Err(refused("an owner's name cannot be empty").into());
        }
        match policy.kind {
            PolicyKind::Compression => {
                let mut connection = self.columnstore("compression").await?;
                self.check_owner(&mut connection).await?;
            }
            PolicyKind::Retention => {
                if policy.owner.is_some() && self.table.owner_column().is_none() {
                    return Err(refused(
                        "it has no column that says whose a row is; leave the owner out",
                    )
                    .into());
                }
                self.owner_named(policy.owner.as_deref())?;
                if let (Some(why), Some(_)) = (self.table.whole_only(), &policy.owner) {
                    return Err(refused(why).into());
                }
                if let Some(mut connection) = self.postgres().await? {
                    self.check_owner(&mut connection).await?;
                }
            }
            PolicyKind::Refresh => {
                if self.table.refresh().is_none() {
                    return Err(refused("nothing is made of its rows").into());
                }
            }
        }
        Ok(())
    }

    /// An owner as the table's column has it, if there is one.
    fn owner_named(&self, owner: Option<&str>) -> Result<Option<String>> {
        let named = owner.map(|owner| self.table.owner_named(owner));
        Ok(named.transpose()?)
    }

    async fn keep_policy(&self, policy: &Policy) -> Result<()> {
        let now = self.store.backend().now().await?;
        let sql =
            "INSERT INTO {annals_policies} (table_schema, table_name, kind, owner, period, set_at)
                   VALUES ($1, $2, $3, $4, $5, $6)
                   ON CONFLICT (table_schema, table_name, kind, owner) DO UPDATE
                      SET period = excluded.period, set_at = excluded.set_at";
        let mut values = self.place_of(policy.kind, policy.owner.as_deref());
        values.push(match &policy.interval {
            Some(interval) => Value::Text(interval.to_string()),
            None => Value::Null(ColumnType::Text),
        });
        values.push(Value::Timestamp(now.unix_micros()));
        let sql = self.store.names().statement(sql);
        self.store.backend().execute(sql, values).await?;
        Ok(())
    }

    /// What was run under another setting says nothing about when this one is due.
    async fn forget_run(&self, policy: &Policy) -> Result<()> {
        let sql = "UPDATE {annals_jobs} SET started_at = NULL
                    WHERE table_schema = $1 AND table_name = $2 AND kind = $3 AND owner = $4";
        let values = self.place_of(policy.kind, policy.owner.as_deref());
        let sql = self.store.names().statement(sql);
        self.store.backend().execute(sql, values).await?;
        Ok(())
    }

    /// The first four columns of policies and jobs.
    fn place_of(&self, kind: PolicyKind, owner: Option<&str>) -> Vec<Value> {
        let table = &self.table;
        [
            table.names().schema(),
            table.descriptor().table,
            kind.as_str(),
            owner.unwrap_or_default(),
        ]
        .map(|text| Value::Text(text.to_owned()))
        .to_vec()
    }

    /// Takes a policy away; gives whether there was one. A default that is taken away stays away: it is
    /// kept as `never`, and setting brings it back.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn remove_policy(&self, kind: PolicyKind, owner: Option<&str>) -> Result<bool> {
        let owner = self.owner_named(owner)?;
        let owner = owner.as_deref();
        let found = Settings::read(&self.store)
            .await?
            .of(&self.table)
            .into_iter();
        let mut found =
            found.filter(|(policy, _)| policy.kind == kind && policy.owner.as_deref() == owner);
        let was_there = found
            .next()
            .is_some_and(|(policy, _)| policy.interval.is_some());
        let has_default = match kind {
            PolicyKind::Compression => self.table.default_compress_after().is_some(),
            PolicyKind::Refresh => self.table.default_refresh_every().is_some(),
            PolicyKind::Retention => false,
        };
        if kind == PolicyKind::Compression && self.store.capabilities().columnstore() {
            let mut connection = self.columnstore("compression").await?;
            self.check_owner(&mut connection).await?;
        }
        if has_default {
            let never = Policy {
                kind,
                owner: None,
                interval: None,
            };
            self.keep_policy(&never).await?;
        } else {
            let sql = "DELETE FROM {annals_policies}
                        WHERE table_schema = $1 AND table_name = $2 AND kind = $3 AND owner = $4";
            let sql = self.store.names().statement(sql);
            self.store
                .backend()
                .execute(sql, self.place_of(kind, owner))
                .await?;
        }
        if kind == PolicyKind::Compression && self.store.capabilities().columnstore() {
            self.apply_policies().await?;
        }
        Ok(was_there)
    }

    /// Forgets everything that is kept of a table that is gone for good, so that another one of its name begins
    /// anew: policies, how they went, chunks that were seen.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn forget(&self) -> Result<()> {
        let all = [
            "DELETE FROM {annals_policies} WHERE table_schema = $1 AND table_name = $2",
            "DELETE FROM {annals_jobs} WHERE table_schema = $1 AND table_name = $2",
        ];
        let chunks = "DELETE FROM {annals_chunks} WHERE table_schema = $1 AND table_name = $2";
        let chunks = Some(chunks).filter(|_| self.table.names().dialect() == Dialect::Postgres);
        for sql in all.into_iter().chain(chunks) {
            let table = [self.table.names().schema(), self.table.descriptor().table];
            let values = table.map(|text| Value::Text(text.to_owned())).to_vec();
            let sql = self.store.names().statement(sql);
            match self.store.backend().execute(sql, values).await {
                // The kernel's own tables are not there: then nothing is kept.
                Err(error) if matches!(error.code().as_deref(), Some("42P01" | "SQLITE_1")) => {}
                done => drop(done?),
            }
        }
        Ok(())
    }

    /// The table's policies, defaults included.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn policies(&self) -> Result<Vec<PolicyStatus>> {
        let settings = Settings::read(&self.store).await?.of(&self.table);
        let runs = Runs::read(&self.store).await?;
        let has_columnstore = self.store.capabilities().columnstore();
        let mut policies = Vec::new();
        for (policy, is_set) in settings {
            if policy.kind == PolicyKind::Compression && !has_columnstore && !is_set {
                continue;
            }
            let mut status = PolicyStatus {
                runner: policy.interval.as_ref().map(|_| "annals serve"),
                policy,
                is_set,
                last_run: None,
                last_outcome: None,
                has_failed: false,
                next_run: None,
            };
            if status.policy.kind == PolicyKind::Compression {
                status.runner = None;
                if has_columnstore {
                    self.native_status(&mut status).await?;
                }
            } else {
                runs.tell(&self.table, &mut status);
            }
            policies.push(status);
        }
        Ok(policies)
    }

    /// Brings the database in line with the policies: layout of compressed chunks and the database's own policy
    /// on the Community edition. For a table that was just made.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn apply_policies(&self) -> Result<()> {
        if !self.store.capabilities().columnstore() {
            return Ok(());
        }
        let settings = Settings::read(&self.store).await?.of(&self.table);
        let compression = settings
            .into_iter()
            .find(|(policy, _)| policy.kind == PolicyKind::Compression);
        let mut connection = match self.columnstore("compression").await {
            Ok(connection) => connection,
            // An ordinary table, or an extension that is too old: `annals doctor` says so.
            Err(Error::Lifecycle(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        match compression {
            Some((policy, is_set)) => {
                self.lay_out(&mut connection).await?;
                self.make_native(&mut connection, policy.interval.as_ref(), is_set)
                    .await
            }
            None => Ok(()),
        }
    }

    /// Runs the table's policies now, due or not, and tells each with what came of it. The database's own are
    /// run here too.
    ///
    /// # Errors
    ///
    /// The policies could not be read.
    pub async fn run_policies(&self) -> Result<Vec<(Policy, Result<String>)>> {
        let mut settings = Settings::read(&self.store).await?.of(&self.table);
        // What goes need not be compressed before.
        settings.sort_by_key(|(policy, _)| policy.kind != PolicyKind::Retention);
        let mut done = Vec::new();
        for (policy, is_set) in settings {
            let is_here = policy.kind != PolicyKind::Compression
                || is_set
                || self.store.capabilities().columnstore();
            if policy.interval.is_some() && is_here {
                let outcome = run_now(self, &policy).await;
                done.push((policy, outcome));
            }
        }
        Ok(done)
    }

    /// Runs one policy, and says in a few words what it did.
    pub(super) async fn run_policy(&self, policy: &Policy) -> Result<Done> {
        let Some(interval) = &policy.interval else {
            return Ok(Done::nothing());
        };
        match (policy.kind, &policy.owner) {
            (PolicyKind::Compression, _) => {
                let done = self.compress_chunks(interval, false, &mut |_| {}).await?;
                let compressed = done
                    .iter()
                    .filter(|one| matches!(one.conversion, super::Conversion::Done { .. }));
                Ok(match compressed.count() {
                    0 => Done::nothing(),
                    count => Done::whole(format!("compressed {count} chunks")),
                })
            }
            (PolicyKind::Retention, None) => {
                let done = self.expire(interval, false, &mut |_| {}).await?;
                Ok(Done {
                    said: done.to_string(),
                    waits: done.waits,
                })
            }
            (PolicyKind::Retention, Some(owner)) => {
                let rows = self
                    .delete_of(owner, Some(interval), false, &mut |_| {})
                    .await?;
                Ok(match rows {
                    0 => Done::nothing(),
                    rows => Done::whole(format!("deleted {rows} rows")),
                })
            }
            (PolicyKind::Refresh, _) => {
                let Some(refresh) = self.table.refresh() else {
                    return Ok(Done::nothing());
                };
                let now = self.now().await?;
                let done = refresh.refresh(&self.store, now).await?;
                Ok(done.map_or_else(Done::nothing, Done::whole))
            }
        }
    }
}
