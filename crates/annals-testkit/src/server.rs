//! Private PostgreSQL servers for tests: started in a fraction of a second, killed and paused at
//! will, and gone with the test process even when that is killed itself.
//!
//! A [`Cluster`] is a copy of an `initdb` that is made once and kept in the cache directory. It
//! listens on a loopback port of its own and nowhere else. Which servers a run has is for whoever
//! starts it to say: [`enabled`] reads `ANNALS_TEST_BACKENDS`, and what is enabled and cannot be
//! started is a failure, not a skip.
//!
//! | Variable | Means | Unset |
//! |---|---|---|
//! | `ANNALS_TEST_BACKENDS` | comma list of `sqlite`, `postgres`, `timescale` | `sqlite` |
//! | `ANNALS_TEST_DATABASE_URL` | a running server for the tests that share one | clusters of our own |
//! | `ANNALS_PG_BINDIR` | where `initdb` and `postgres` are | newest in `/usr/lib/postgresql`, then `PATH` |
//! | `ANNALS_TIMESCALE_ROOT` | root file system with TimescaleDB; `/` is this one | `annals/timescaledb-root` in the cache directory |
//!
//! The cache directory is `$XDG_CACHE_HOME` or `$HOME/.cache`. PostgreSQL does not run as root, so
//! root runs it as the user `postgres`.

mod certificate;
mod cluster;
mod database;
mod error;
mod guard;
mod installation;
mod options;
mod process;
mod template;
#[cfg(test)]
mod tests;

use std::env;
use std::fmt;

pub use cluster::Cluster;
pub use database::{create_database_at, drop_database_at};
pub use error::ServerError;
pub use options::{Auth, Options, PASSWORD, Tls};

/// Which server a cluster runs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Flavor {
    /// PostgreSQL without extensions.
    Postgres,
    /// PostgreSQL with TimescaleDB.
    Timescale,
}

impl Flavor {
    /// The name in `ANNALS_TEST_BACKENDS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Timescale => "timescale",
        }
    }
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether this run has to test on `flavor`.
pub fn enabled(flavor: Flavor) -> bool {
    env::var("ANNALS_TEST_BACKENDS")
        .is_ok_and(|list| list.split(',').any(|name| name.trim() == flavor.name()))
}

/// The server that somebody brought for the tests that share one.
pub fn override_url() -> Option<String> {
    env::var("ANNALS_TEST_DATABASE_URL")
        .ok()
        .filter(|url| !url.is_empty())
}
