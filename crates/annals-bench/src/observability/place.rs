//! Where it is measured: a server of our own, or a Community server that one was told of.

use annals_store::Store;
use annals_telemetry::MIGRATIONS;
use annals_testkit::server::{Flavor, create_database_at, drop_database_at};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgRow};

use super::plan::{DAY, Plan};
use crate::bed::{Bed, execute};

/// A database with our tables.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) url: String,
    /// The server, where it is our own.
    pub(super) bed: Option<Bed>,
}

/// What the families of this crate keep of spans.
pub(super) const TABLES: [&str; 6] = [
    "spans",
    "traces",
    "usage_hourly",
    "usage_daily_user",
    "usage_daily_conversation",
    "usage_days",
];

impl Place {
    /// A server of our own, with fsync.
    pub(super) async fn own(flavor: Flavor) -> Self {
        let bed = Bed::start(flavor, true).await;
        Self {
            url: bed.url.clone(),
            bed: Some(bed),
        }
    }

    /// A database of our own on somebody's server.
    pub(super) async fn community(server: &str) -> Self {
        let url = create_database_at(server, Flavor::Timescale)
            .await
            .unwrap_or_else(|error| panic!("no database: {error}"));
        let place = Self { url, bed: None };
        // As on servers of our own: compiling costs more than it gains in each of these statements.
        place
            .run("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET jit = off', current_database()); END $$")
            .await;
        let store = place.store().await;
        store
            .migrator(&[&MIGRATIONS])
            .up()
            .await
            .expect("migrations");
        store.close().await;
        place
    }

    pub(super) async fn version(&self) -> String {
        if let Some(bed) = &self.bed {
            return bed.version().await;
        }
        let sql = "SELECT format('PostgreSQL %s with TimescaleDB %s Community (fsync %s, shared_buffers %s)',
                                 split_part(current_setting('server_version'), ' ', 1), extversion,
                                 current_setting('fsync'), current_setting('shared_buffers'))
                     FROM pg_extension WHERE extname = 'timescaledb'";
        sqlx::query_scalar(sql)
            .fetch_one(&mut self.connect().await)
            .await
            .expect("a version")
    }

    pub(super) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url)
            .await
            .expect("a connection")
    }

    pub(super) async fn store(&self) -> Store {
        Store::open(&self.url).await.expect("a store")
    }

    /// Runs statements of literals and names only, in a session of their own.
    pub(super) async fn run(&self, sql: impl Into<String>) {
        let mut connection = self.connect().await;
        execute(&mut connection, sql.into()).await;
        connection.close().await.expect("a goodbye");
    }

    /// Rows of a statement of literals and names only.
    pub(super) async fn rows<T>(&self, sql: &str) -> Vec<T>
    where
        T: for<'row> sqlx::FromRow<'row, PgRow> + Send + Unpin,
    {
        sqlx::query_as(AssertSqlSafe(sql))
            .fetch_all(&mut self.connect().await)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The number that a statement gives.
    pub(super) async fn number(&self, sql: &str) -> f64 {
        let rows: Vec<(f64,)> = self.rows(&format!("SELECT ({sql})::float8")).await;
        rows.first().map_or(0.0, |row| row.0)
    }

    /// Makes all tables empty, with the chunks of a plan in place: who makes one stops everybody else who would.
    pub(super) async fn empty(&self, plan: &Plan) {
        self.run(format!("TRUNCATE {}, annals_ledger", TABLES.join(", ")))
            .await;
        let has_chunks = "SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'";
        if self.number(has_chunks).await > 0.0 {
            // A row makes its chunk, and leaves it when it goes.
            let one_a_day = format!(
                "INSERT INTO spans (trace_id, span_id, service_name, operation_name, start_time, duration_nanos)
                 SELECT 'none', 'none', 'none', 'none', day, 0
                   FROM generate_series(date_trunc('day', '{}'::timestamptz), '{}'::timestamptz, '1 day') AS day",
                plan.begin(),
                plan.end + DAY,
            );
            self.run(one_a_day).await;
            let truncate = "SELECT 'TRUNCATE ' || string_agg(chunk::text, ', ') FROM show_chunks('spans') AS chunk";
            let truncate: Vec<(String,)> = self.rows(truncate).await;
            self.run(truncate[0].0.clone()).await;
        }
        self.run("CHECKPOINT").await;
    }

    /// As after a night: statistics are there, and all of it is on disk.
    pub(super) async fn settle(&self) {
        self.run("VACUUM ANALYZE").await;
        self.run("CHECKPOINT").await;
    }

    /// Takes the database away, and the server where it is our own.
    pub(super) async fn end(self) {
        if self.bed.is_none() {
            drop_database_at(&self.url).await.expect("a database less");
        }
    }
}
