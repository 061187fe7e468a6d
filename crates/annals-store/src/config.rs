//! Settings: one table of names and defaults, read from flags, environment and file in this order.

mod settings;
mod table;
mod target;
mod units;

use std::{num::NonZeroU32, path::Path, time::Duration};

pub use settings::{Origin, Sources};
pub use table::{SETTINGS, Setting};
pub use target::{SqliteTarget, Target};
pub use units::parse_duration;

/// Why a setting cannot be used. No variant shows a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value that the setting cannot have.
    #[error("{name} ({origin}) is {shown}, but must be {expected}")]
    Invalid {
        /// The setting's name.
        name: &'static str,
        /// Where the value came from.
        origin: Origin,
        /// The value, unless it may hold a secret.
        shown: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A URL of a database that cannot be understood.
    #[error(
        "{name} ({origin}) is no URL of a database: {problem}; write sqlite:PATH, sqlite::memory: or postgres://USER:PASSWORD@HOST:PORT/NAME"
    )]
    Url {
        /// The setting's name.
        name: &'static str,
        /// Where the value came from.
        origin: Origin,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The configuration file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration file is not TOML.
    #[error("{path} is not TOML")]
    Toml {
        /// The file.
        path: String,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// The configuration file has a setting that there is not.
    #[error("{path} sets {name:?}, which is no setting{}", suggestion(.nearest))]
    Unknown {
        /// The file.
        path: String,
        /// The name in it.
        name: String,
        /// A setting with a similar name.
        nearest: Option<&'static str>,
    },
}

fn suggestion(nearest: &Option<&'static str>) -> String {
    nearest
        .map(|name| format!("; did you mean {name:?}?"))
        .unwrap_or_default()
}

/// Which kind of database to expect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatabaseType {
    /// Find out.
    #[default]
    Auto,
    /// SQLite.
    Sqlite,
    /// PostgreSQL; TimescaleDB is not used even where it is installed.
    Postgres,
    /// PostgreSQL with TimescaleDB; anything else is an error.
    Timescale,
}

/// How many connections are kept, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Connections open at most.
    pub max_connections: NonZeroU32,
    /// Connections kept open when nothing happens.
    pub min_connections: u32,
    /// Idle connections kept at most; one that would be more is closed when it is given back.
    pub max_idle: u32,
    /// Age at which a connection is closed when it is given back.
    pub max_lifetime: Duration,
    /// How long connecting may take, and waiting for a connection.
    pub connect_timeout: Duration,
    /// How long one attempt at a batch may take before its connection is given up and the batch is
    /// tried again on another.
    pub attempt_timeout: Duration,
}

/// Which database, and how to connect to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DatabaseConfig {
    /// The database.
    pub target: Target,
    /// Which kind to expect.
    pub database_type: DatabaseType,
    /// PostgreSQL: the schema in which tables live. SQLite: the prefix of their names, with
    /// `public` meaning none.
    pub schema: String,
    /// The pool.
    pub pool: PoolConfig,
}

impl DatabaseConfig {
    /// The database at `url`, with every other setting at its default.
    ///
    /// # Errors
    ///
    /// `url` is no URL of a database.
    pub fn at(url: &str) -> Result<Self, ConfigError> {
        Self::from_sources(&Sources::empty().with_flag("DATABASE_URL", url))
    }

    /// Reads flags, then the environment, then `annals.toml` in the working directory if there is
    /// one, then the defaults.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be used, by name and origin.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_sources(&Sources::empty().with_process(Path::new("annals.toml"))?)
    }

    /// Reads given sources.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be used, by name and origin.
    pub fn from_sources(sources: &Sources) -> Result<Self, ConfigError> {
        let pool = PoolConfig {
            max_connections: sources.parse("DB_MAX_CONNECTIONS", "a whole number above zero")?,
            min_connections: sources.parse("DB_MIN_CONNECTIONS", "a whole number")?,
            max_idle: sources.parse("DB_MAX_IDLE_CONNS", "a whole number")?,
            max_lifetime: sources.duration("DB_CONN_MAX_LIFETIME")?,
            connect_timeout: sources.duration("DB_CONNECT_TIMEOUT")?,
            attempt_timeout: sources.duration("DB_ATTEMPT_TIMEOUT")?,
        };
        let database_type = sources.choice(
            "DB_TYPE",
            &[
                ("auto", DatabaseType::Auto),
                ("sqlite", DatabaseType::Sqlite),
                ("postgres", DatabaseType::Postgres),
                ("timescale", DatabaseType::Timescale),
            ],
            "auto, sqlite, postgres or timescale",
        )?;
        let schema = sources.checked(
            "DB_SCHEMA",
            is_identifier,
            "a name of letters, digits and _",
        )?;
        Ok(Self {
            target: target::from_sources(sources)?,
            database_type,
            schema,
            pool,
        })
    }

    /// Whether somebody chose a database, rather than leaving it at SQLite in the working directory.
    #[must_use]
    pub fn is_chosen(sources: &Sources) -> bool {
        target::is_chosen(sources)
    }

    /// Puts tables into another schema (PostgreSQL) or gives their names a prefix (SQLite).
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }
}

/// A name that needs no surprise in any tool: what schemas may be called.
fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && name.len() <= 48
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests;
