//! The table of settings.

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name, as an environment variable; in the file it is the same in lower case.
    pub name: &'static str,
    /// Names under which predecessors knew it.
    pub aliases: &'static [&'static str],
    /// Names of predecessors that win over its own: where they are set, a program of theirs is replaced.
    pub first: &'static [&'static str],
    /// Its value when nobody sets it; empty for none.
    pub default: &'static str,
    /// What it does.
    pub about: &'static str,
    secret: bool,
}

impl Setting {
    /// A setting whose value anybody may see.
    #[must_use]
    pub const fn new(
        name: &'static str,
        aliases: &'static [&'static str],
        default: &'static str,
        about: &'static str,
    ) -> Self {
        Self {
            name,
            aliases,
            first: &[],
            default,
            about,
            secret: false,
        }
    }

    /// A setting whose value is never shown.
    #[must_use]
    pub const fn secret(
        name: &'static str,
        aliases: &'static [&'static str],
        about: &'static str,
    ) -> Self {
        Self {
            name,
            aliases,
            first: &[],
            default: "",
            about,
            secret: true,
        }
    }

    /// With names that win over its own.
    #[must_use]
    const fn after(mut self, first: &'static [&'static str]) -> Self {
        self.first = first;
        self
    }

    /// Whether its value must not be shown.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        self.secret
    }

    /// Every name that it goes by, the one that wins first.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let own = std::iter::once(self.name);
        let others = self.aliases.iter().copied();
        self.first.iter().copied().chain(own).chain(others)
    }
}

/// Every setting of the database, with its default.
pub const SETTINGS: &[Setting] = &[
    Setting::secret(
        "DATABASE_URL",
        &["DB_URL"],
        "the database: sqlite:PATH, sqlite::memory: or postgres://…; wins over DB_HOST and its kin, and without any of them it is sqlite:annals.db; EVENTODB_DB_URL wins over it",
    )
    .after(&["EVENTODB_DB_URL"]),
    Setting::new(
        "DB_TYPE",
        &[],
        "auto",
        "which kind of database to expect: auto, sqlite, postgres, timescale; EVENTODB_DB_TYPE wins over it",
    )
    .after(&["EVENTODB_DB_TYPE"]),
    Setting::new(
        "DB_DATA_DIR",
        &["EVENTODB_DATA_DIR"],
        "",
        "directory of SQLite's file where that is not named by an absolute path; the working directory without it",
    ),
    Setting::new(
        "DB_HOST",
        &[],
        "localhost",
        "host of the PostgreSQL server, or the directory of its socket",
    ),
    Setting::new("DB_PORT", &[], "5432", "port of the PostgreSQL server"),
    Setting::new("DB_NAME", &[], "annals", "name of the database"),
    Setting::new("DB_USER", &[], "postgres", "user"),
    Setting::secret(
        "DB_PASSWORD",
        &[],
        "password; none for peer, trust and certificate authentication",
    ),
    Setting::new(
        "DB_SSL_MODE",
        &["DB_SSLMODE"],
        "prefer",
        "TLS: disable, allow, prefer, require, verify-ca, verify-full",
    ),
    Setting::new(
        "DB_SSL_ROOT_CERT",
        &[],
        "",
        "file with the certificates to trust instead of the system's",
    ),
    Setting::new("DB_SSL_CERT", &[], "", "file with a client certificate"),
    Setting::new(
        "DB_SSL_KEY",
        &[],
        "",
        "file with the client certificate's key",
    ),
    Setting::new(
        "DB_APP_NAME",
        &[],
        "annals",
        "application name that the server shows",
    ),
    Setting::new(
        "DB_SCHEMA",
        &[],
        "public",
        "schema of the tables; on SQLite a prefix of their names, public meaning none",
    ),
    Setting::new(
        "DB_MAX_CONNECTIONS",
        &["DB_POOL_MAX_CONNECTIONS", "DB_MAX_OPEN_CONNS"],
        "20",
        "connections open at most",
    ),
    Setting::new(
        "DB_MIN_CONNECTIONS",
        &["DB_POOL_MIN_CONNECTIONS"],
        "0",
        "connections kept open when nothing happens",
    ),
    Setting::new(
        "DB_MAX_IDLE_CONNS",
        &["DB_MAX_IDLE_CONNECTIONS"],
        "5",
        "idle connections kept at most",
    ),
    Setting::new(
        "DB_CONN_MAX_LIFETIME",
        &["DB_POOL_MAX_LIFETIME"],
        "30m",
        "age at which a connection is replaced",
    ),
    Setting::new(
        "DB_CONNECT_TIMEOUT",
        &["DB_POOL_CONNECT_TIMEOUT"],
        "10s",
        "how long connecting, or waiting for a connection, may take",
    ),
    Setting::new(
        "DB_ATTEMPT_TIMEOUT",
        &[],
        "60s",
        "how long one attempt at writing a batch may take before it is tried again on another connection",
    ),
];
