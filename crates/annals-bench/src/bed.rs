//! A server of our own with empty tables, and psql as its client.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use annals_store::Store;
use annals_telemetry::MIGRATIONS;
use annals_testkit::server::{Cluster, Flavor, Options};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    cpu,
    data::Plan,
    measure::{Clock, Turn},
};

/// What every server of a bench is told. WAL files are kept, so that no run pays for making them.
pub(crate) const SETTINGS: [&str; 7] = [
    "shared_buffers = 1GB",
    "max_wal_size = 8GB",
    "min_wal_size = 4GB",
    "checkpoint_timeout = 1h",
    "synchronous_commit = on",
    "autovacuum = off",
    "jit = off",
];

/// A server, and one database with our tables.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) cluster: Cluster,
    pub(crate) url: String,
    postmaster: u32,
}

impl Bed {
    /// Starts a server.
    pub(crate) async fn start(flavor: Flavor, fsync: bool) -> Self {
        let options = SETTINGS
            .into_iter()
            .fold(Options::new().fsync(fsync), Options::conf);
        let cluster =
            Cluster::start(flavor, options).unwrap_or_else(|error| panic!("no {flavor}: {error}"));
        let url = database(&cluster).await;
        let mut connection = PgConnection::connect(&url).await.expect("a connection");
        let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&mut connection)
            .await
            .expect("a number");
        let postmaster = cpu::parent_of(backend.unsigned_abs());
        connection.close().await.expect("a goodbye");
        Self {
            cluster,
            url,
            postmaster,
        }
    }

    /// Takes a turn, and adds what the server used for it.
    pub(crate) async fn metered(&self, turn: impl Future<Output = Turn>) -> Turn {
        let before = cpu::of_family(self.postmaster);
        let turn = turn.await;
        Turn {
            // A process of the server that ends meanwhile may take its time with it.
            server: Some(cpu::of_family(self.postmaster).saturating_sub(before)),
            ..turn
        }
    }

    /// What the server says that it is.
    pub(crate) async fn version(&self) -> String {
        let mut connection = self.connect().await;
        let server: String = sqlx::query_scalar("SHOW server_version")
            .fetch_one(&mut connection)
            .await
            .expect("a version");
        let extension = "SELECT extversion || ' ' || current_setting('timescaledb.license')
                           FROM pg_extension WHERE extname = 'timescaledb'";
        let extension: Option<String> = sqlx::query_scalar(extension)
            .fetch_optional(&mut connection)
            .await
            .expect("a version");
        // Debian puts the version of its package behind that of the server.
        let server = server.split(' ').next().unwrap_or_default();
        match extension {
            Some(extension) => format!("PostgreSQL {server} with TimescaleDB {extension}"),
            None => format!("PostgreSQL {server}"),
        }
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url)
            .await
            .expect("a connection")
    }

    pub(crate) async fn store(&self) -> Store {
        Store::open(&self.url).await.expect("a store")
    }

    /// Makes the tables empty, with the chunks of `plan` in place, and all of it on disk.
    pub(crate) async fn empty(&self, plan: &Plan) {
        empty(&self.url, plan).await;
    }

    /// Fails unless a table has so many rows.
    pub(crate) async fn expect_rows(&self, what: &'static str, rows: usize) {
        let mut connection = self.connect().await;
        let found: i64 = sqlx::query_scalar(what)
            .fetch_one(&mut connection)
            .await
            .expect("a count");
        assert_eq!(usize::try_from(found), Ok(rows), "{what}");
    }

    /// Writes all spans to a file of binary COPY.
    pub(crate) async fn export(&self, file: &Path) {
        psql(
            &self.url,
            &format!("\\copy spans to '{}' with (format binary)", file.display()),
        );
    }

    /// Runs one command of psql, and gives the time that psql took for it.
    pub(crate) fn psql(&self, command: &str) -> Duration {
        psql(&self.url, command)
    }

    /// Runs commands in one session of psql, and gives the time that psql took for them.
    pub(crate) fn psql_all(&self, commands: &[String]) -> Duration {
        psql_all(&self.url, commands)
    }

    /// The ceiling: psql copies a file into the table. The clock is psql's own, of the COPY alone.
    pub(crate) async fn import(&self, file: &Path, rows: usize) -> Turn {
        let clock = Clock::start();
        let wall = psql(
            &self.url,
            &format!(
                "\\copy spans from '{}' with (format binary)",
                file.display()
            ),
        );
        clock.stop_children(rows, wall)
    }
}

/// Makes a database with our tables.
pub(crate) async fn database(cluster: &Cluster) -> String {
    let name = cluster
        .create_database()
        .await
        .unwrap_or_else(|error| panic!("no database: {error}"));
    let url = cluster.url(&name);
    let store = Store::open(&url).await.expect("a store");
    store
        .migrator(&[&MIGRATIONS, &annals_market::MIGRATIONS])
        .up()
        .await
        .expect("migrations");
    store.close().await;
    url
}

/// Makes the tables of a database empty, with the chunks of `plan` in place, and all of it on disk.
pub(crate) async fn empty(url: &str, plan: &Plan) {
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    execute(
        &mut connection,
        "TRUNCATE spans, traces, annals_ledger".to_owned(),
    )
    .await;
    let hypertable = "SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'";
    let extensions: i64 = sqlx::query_scalar(hypertable)
        .fetch_one(&mut connection)
        .await
        .expect("a count");
    if extensions > 0 {
        // A row makes its chunk, and leaves it when it goes.
        let one_a_day = format!(
            "INSERT INTO spans (trace_id, span_id, service_name, operation_name, start_time, duration_nanos)
             SELECT 'none', 'none', 'none', 'none', day, 0
               FROM generate_series(date_trunc('day', '{}'::timestamptz), '{}'::timestamptz, '1 day') AS day",
            plan.begin,
            plan.end(),
        );
        execute(&mut connection, one_a_day).await;
        let truncate = "SELECT 'TRUNCATE ' || string_agg(chunk::text, ', ') FROM show_chunks('spans') AS chunk";
        let truncate: String = sqlx::query_scalar(truncate)
            .fetch_one(&mut connection)
            .await
            .expect("chunks");
        execute(&mut connection, truncate).await;
    }
    execute(&mut connection, "CHECKPOINT".to_owned()).await;
    connection.close().await.expect("a goodbye");
}

/// Runs statements that were made of literals and names only.
pub(crate) async fn execute(connection: &mut PgConnection, sql: String) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.as_str()))
        .execute(connection)
        .await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// Runs one command of psql, and gives the time that psql took for it.
fn psql(url: &str, command: &str) -> Duration {
    psql_all(url, &[command.to_owned()])
}

fn psql_all(url: &str, commands: &[String]) -> Duration {
    let mut psql = Command::new(psql_program());
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
        psql.env_remove(name);
    }
    psql.env("LC_ALL", "C")
        .args(["-X", "-v", "ON_ERROR_STOP=1", "-c", "\\timing on"]);
    for command in commands {
        psql.args(["-c", command]);
    }
    psql.arg(url);
    let done = psql
        .output()
        .expect("psql, of the package postgresql-client");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success(),
        "{commands:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    let times = said
        .lines()
        .filter_map(|line| line.strip_prefix("Time: ")?.split(' ').next()?.parse().ok());
    let times: Vec<f64> = times.collect();
    assert_eq!(times.len(), commands.len(), "psql's times: {said}");
    Duration::from_secs_f64(times.iter().sum::<f64>() / 1_000.0)
}

/// From where the server's programs were asked to be taken, if it is there.
fn psql_program() -> PathBuf {
    let beside = env::var_os("ANNALS_PG_BINDIR").map(|bindir| Path::new(&bindir).join("psql"));
    beside
        .filter(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from("psql"))
}
