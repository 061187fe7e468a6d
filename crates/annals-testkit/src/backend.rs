//! A fresh database on each backend.

use std::{future::Future, net::SocketAddr};

use annals_store::{DatabaseConfig, Store};

use crate::proxy::FaultProxy;
use crate::server::{self, Cluster, Flavor};

/// Where a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file in a temporary directory.
    Sqlite,
    /// Plain PostgreSQL.
    Postgres,
    /// PostgreSQL with TimescaleDB.
    Timescale,
}

/// A database that is gone after the test, unless the test failed.
#[derive(Debug)]
pub struct TestDatabase {
    /// Where it is.
    pub backend: Backend,
    /// Its URL.
    pub url: String,
    directory: Option<tempfile::TempDir>,
}

impl Backend {
    /// The flavor of server that it needs; none for SQLite.
    #[must_use]
    pub const fn flavor(self) -> Option<Flavor> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some(Flavor::Postgres),
            Self::Timescale => Some(Flavor::Timescale),
        }
    }

    /// Whether tests are to run on it.
    #[must_use]
    pub fn enabled(self) -> bool {
        self.flavor().is_none_or(server::enabled)
    }

    /// Makes a fresh database.
    pub async fn database(self) -> TestDatabase {
        let Some(flavor) = self.flavor() else {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let url = format!("sqlite:{}", directory.path().join("annals.db").display());
            return TestDatabase {
                backend: self,
                url,
                directory: Some(directory),
            };
        };
        let url = match server::override_url() {
            Some(server) => server::create_database_at(&server, flavor).await,
            None => match Cluster::shared(flavor) {
                Ok(cluster) => cluster
                    .create_database()
                    .await
                    .map(|name| cluster.url(&name)),
                Err(error) => Err(error),
            },
        };
        let url = url.unwrap_or_else(|error| panic!("no {flavor} database for this test: {error}"));
        TestDatabase {
            backend: self,
            url,
            directory: None,
        }
    }
}

impl TestDatabase {
    /// Connects to it.
    pub async fn store(&self) -> Store {
        self.store_in("public").await
    }

    /// Connects to it, with tables in a schema (or with a prefix) of that name.
    pub async fn store_in(&self, schema: &str) -> Store {
        let config = DatabaseConfig::at(&self.url)
            .expect("a test's URL")
            .with_schema(schema);
        Store::connect(&config).await.expect("a test's database")
    }

    /// Connects to it with changed settings.
    pub async fn store_with(&self, change: impl FnOnce(&mut DatabaseConfig)) -> Store {
        let mut config = DatabaseConfig::at(&self.url).expect("a test's URL");
        change(&mut config);
        Store::connect(&config).await.expect("a test's database")
    }

    /// A database that somebody else made, on a server of a test's own for example.
    #[must_use]
    pub fn at(backend: Backend, url: String) -> Self {
        Self {
            backend,
            url,
            directory: None,
        }
    }

    /// The same database by way of a proxy, which this starts; not for SQLite.
    pub async fn behind_proxy(&self) -> (FaultProxy, Self) {
        let options: sqlx::postgres::PgConnectOptions = self.url.parse().expect("a test's URL");
        let host = options.get_host().parse().expect("an address");
        let proxy = FaultProxy::start(SocketAddr::new(host, options.get_port()))
            .await
            .expect("a proxy");
        let server = format!("{host}:{}/", options.get_port());
        let url = self.url.replacen(&server, &format!("{}/", proxy.addr()), 1);
        assert_ne!(url, self.url, "the URL names the server in another way");
        (proxy, Self::at(self.backend, url))
    }

    async fn drop_it(self) {
        if self.directory.is_none() {
            // Left over when it fails; the server goes with the process.
            let _ = server::drop_database_at(&self.url).await;
        }
    }
}

/// Runs a test on a backend, in a runtime of its own; says so when the backend is not enabled.
pub fn run<F: Future<Output = ()>>(backend: Backend, test: impl FnOnce(TestDatabase) -> F) {
    if !backend.enabled() {
        println!("skipped: ANNALS_TEST_BACKENDS does not name {backend:?}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let database = backend.database().await;
        let (url, flavor) = (database.url.clone(), database.backend);
        let keep = database.directory;
        test(TestDatabase {
            backend: flavor,
            url: url.clone(),
            directory: None,
        })
        .await;
        TestDatabase {
            backend: flavor,
            url,
            directory: keep,
        }
        .drop_it()
        .await;
    });
}

/// Stamps tests out: one of each name for each backend, in modules `sqlite`, `postgres` and
/// `timescale`.
#[macro_export]
macro_rules! on_every_backend {
    ($($(#[$attribute:meta])* $name:ident),* $(,)?) => {
        $crate::on_every_backend!(@one sqlite, Sqlite, $($(#[$attribute])* $name),*);
        $crate::on_every_backend!(@one postgres, Postgres, $($(#[$attribute])* $name),*);
        $crate::on_every_backend!(@one timescale, Timescale, $($(#[$attribute])* $name),*);
    };
    (@one $module:ident, $backend:ident, $($(#[$attribute:meta])* $name:ident),*) => {
        mod $module {
            $(
                #[test]
                $(#[$attribute])*
                fn $name() {
                    $crate::backend::run($crate::Backend::$backend, super::$name);
                }
            )*
        }
    };
}

/// As [`on_every_backend!`], for what only servers have.
#[macro_export]
macro_rules! on_every_server {
    ($($name:ident),* $(,)?) => {
        $crate::on_every_backend!(@one postgres, Postgres, $($name),*);
        $crate::on_every_backend!(@one timescale, Timescale, $($name),*);
    };
}

/// A lock that keeps everybody from writing to a table.
#[derive(Debug)]
pub struct TableLock(Locked);

#[derive(Debug)]
enum Locked {
    Sqlite(annals_store::rusqlite::Connection),
    Server(Box<sqlx::PgConnection>),
}

impl TableLock {
    /// Lets writers go on.
    pub async fn release(self) {
        match self.0 {
            Locked::Sqlite(connection) => connection.execute_batch("ROLLBACK").expect("a rollback"),
            Locked::Server(mut connection) => {
                sqlx::raw_sql("ROLLBACK")
                    .execute(&mut *connection)
                    .await
                    .expect("a rollback");
            }
        }
    }
}

impl TestDatabase {
    fn file(&self) -> &str {
        self.url.strip_prefix("sqlite:").expect("an SQLite URL")
    }

    /// Runs statements past the store, as somebody else would.
    pub async fn execute(&self, sql: &str) {
        use sqlx::Connection as _;
        if self.backend == Backend::Sqlite {
            let connection =
                annals_store::rusqlite::Connection::open(self.file()).expect("a connection");
            connection
                .execute_batch(sql)
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
            return;
        }
        let mut connection = sqlx::PgConnection::connect(&self.url)
            .await
            .expect("a connection");
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql)
            .execute(&mut connection)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// One number, asked past the store.
    pub async fn number(&self, sql: &str) -> i64 {
        use sqlx::Connection as _;
        if self.backend == Backend::Sqlite {
            let connection =
                annals_store::rusqlite::Connection::open(self.file()).expect("a connection");
            let number = connection.query_row(sql, [], |row| row.get(0));
            return number.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        let mut connection = sqlx::PgConnection::connect(&self.url)
            .await
            .expect("a connection");
        let number = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned()));
        number
            .fetch_one(&mut connection)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Keeps everybody from writing to a table until the lock is released.
    pub async fn lock_table(&self, table: &str) -> TableLock {
        use sqlx::Connection as _;
        if self.backend == Backend::Sqlite {
            let connection =
                annals_store::rusqlite::Connection::open(self.file()).expect("a connection");
            connection
                .execute_batch("BEGIN IMMEDIATE")
                .expect("the write lock");
            return TableLock(Locked::Sqlite(connection));
        }
        let mut connection = sqlx::PgConnection::connect(&self.url)
            .await
            .expect("a connection");
        let sql = sqlx::AssertSqlSafe(format!("BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE"));
        sqlx::raw_sql(sql)
            .execute(&mut connection)
            .await
            .expect("the table's lock");
        TableLock(Locked::Server(Box::new(connection)))
    }
}

impl TestDatabase {
    /// Runs a query past the store, as somebody with psql would, and gives its first column as text.
    pub async fn query(&self, sql: &str) -> Vec<String> {
        use sqlx::{Connection as _, Row as _};
        let mut connection = sqlx::PgConnection::connect(&self.url)
            .await
            .expect("a connection");
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        let rows = sqlx::raw_sql(sql).fetch_all(&mut connection).await;
        let rows = rows.unwrap_or_else(|error| panic!("{error}"));
        rows.iter().map(|row| row.get_unchecked(0)).collect()
    }
}
