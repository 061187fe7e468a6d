//! Which database: a URL, or the parts of one.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::{ConfigError, Sources};

/// A database, with what it takes to connect to it.
#[derive(Clone)]
#[non_exhaustive]
pub enum Target {
    /// SQLite.
    Sqlite(SqliteTarget),
    /// PostgreSQL, with TimescaleDB or without.
    Postgres(Box<PgConnectOptions>),
}

/// Where an SQLite database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqliteTarget {
    /// In memory, and gone with the store.
    Memory,
    /// In a file, made when it is missing.
    File(PathBuf),
}

/// Names the database and shows no secret.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(SqliteTarget::Memory) => f.write_str("SQLite in memory"),
            Self::Sqlite(SqliteTarget::File(path)) => write!(f, "SQLite at {}", path.display()),
            Self::Postgres(options) => write!(
                f,
                "PostgreSQL at {}:{}, database {:?}, user {:?}",
                options.get_host(),
                options.get_port(),
                options.get_database().unwrap_or(options.get_username()),
                options.get_username(),
            ),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The settings of which any makes the database a PostgreSQL server.
const PARTS: &[&str] = &["DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD"];

pub(super) fn is_chosen(sources: &Sources) -> bool {
    sources.is_set("DATABASE_URL") || PARTS.iter().any(|name| sources.is_set(name))
}

pub(super) fn from_sources(sources: &Sources) -> Result<Target, ConfigError> {
    match sources.get("DATABASE_URL") {
        Some((url, origin)) => {
            let target = parse_url(url, data_dir(sources)).map_err(|problem| ConfigError::Url {
                name: "DATABASE_URL",
                origin,
                problem,
            })?;
            Ok(match target {
                // What the URL says wins; what it leaves open comes from the other settings.
                Target::Postgres(options) => {
                    let query = url.split_once('?').map_or("", |(_, query)| query);
                    let said = |names: &[&str]| {
                        let mut keys = query.split('&').filter_map(|part| part.split('=').next());
                        keys.any(|key| names.contains(&key))
                    };
                    Target::Postgres(Box::new(shared_options(*options, sources, said)?))
                }
                sqlite => sqlite,
            })
        }
        None if PARTS.iter().any(|name| sources.is_set(name)) => {
            let port = sources.parse("DB_PORT", "a port from 1 to 65535")?;
            let text = |name| sources.get(name).map_or("", |(value, _)| value);
            let mut options = PgConnectOptions::new_without_pgpass()
                .host(text("DB_HOST"))
                .port(port)
                .database(text("DB_NAME"))
                .username(text("DB_USER"));
            if sources.is_set("DB_PASSWORD") {
                options = options.password(text("DB_PASSWORD"));
            }
            Ok(Target::Postgres(Box::new(shared_options(
                options,
                sources,
                |_| false,
            )?)))
        }
        None => Ok(sqlite_file(FILE, data_dir(sources))),
    }
}

/// SQLite's file where nobody names one.
const FILE: &str = "annals.db";

fn data_dir(sources: &Sources) -> Option<&Path> {
    sources.get("DB_DATA_DIR").map(|(path, _)| Path::new(path))
}

/// A file in the directory for data, unless it names its own.
fn sqlite_file(path: &str, directory: Option<&Path>) -> Target {
    let path = directory.map_or_else(|| path.into(), |directory| directory.join(path));
    Target::Sqlite(SqliteTarget::File(path))
}

/// Application name and TLS, which a URL may leave to the other settings; `said` tells whether it
/// says one of several names for the same.
fn shared_options(
    mut options: PgConnectOptions,
    sources: &Sources,
    said: impl Fn(&[&str]) -> bool,
) -> Result<PgConnectOptions, ConfigError> {
    if !said(&["application_name"])
        && let Some((name, _)) = sources.get("DB_APP_NAME")
    {
        options = options.application_name(name);
    }
    if !said(&["sslmode", "ssl-mode"]) {
        options = options.ssl_mode(sources.choice(
            "DB_SSL_MODE",
            &[
                ("disable", PgSslMode::Disable),
                ("allow", PgSslMode::Allow),
                ("prefer", PgSslMode::Prefer),
                ("require", PgSslMode::Require),
                ("verify-ca", PgSslMode::VerifyCa),
                ("verify-full", PgSslMode::VerifyFull),
            ],
            "disable, allow, prefer, require, verify-ca or verify-full",
        )?);
    }
    if !said(&["sslrootcert", "ssl-root-cert", "ssl-ca"])
        && let Some(path) = sources.readable_file("DB_SSL_ROOT_CERT")?
    {
        options = options.ssl_root_cert(path);
    }
    if !said(&["sslcert", "ssl-cert"])
        && let Some(path) = sources.readable_file("DB_SSL_CERT")?
    {
        options = options.ssl_client_cert(path);
    }
    if !said(&["sslkey", "ssl-key"])
        && let Some(path) = sources.readable_file("DB_SSL_KEY")?
    {
        options = options.ssl_client_key(path);
    }
    Ok(options)
}

/// Understands a URL; the error never repeats it, since it may hold a password.
fn parse_url(url: &str, directory: Option<&Path>) -> Result<Target, &'static str> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return match path {
            ":memory:" => Ok(Target::Sqlite(SqliteTarget::Memory)),
            "" if directory.is_some() => Ok(sqlite_file(FILE, directory)),
            "" => Err("it names no file"),
            path if path.contains('?') => Err("parameters after ? are not understood for SQLite"),
            path => Ok(sqlite_file(path, directory)),
        };
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return PgConnectOptions::from_str(url)
            .map(|options| Target::Postgres(Box::new(options)))
            .map_err(|_| "its parts cannot be told apart (in a password, write @ as %40, / as %2F and # as %23)");
    }
    if url.starts_with("pebble:") {
        return Err(
            "Pebble is a storage engine of EventoDB's that Annals has not; `annals export` there and `annals import` here bring the messages over",
        );
    }
    Err("it begins neither with sqlite: nor with postgres://")
}
