//! Where data lives: a database on the Community server, or an Apache server of our own.

use annals_store::Store;
use annals_telemetry::MIGRATIONS;
use annals_testkit::server::{Flavor, create_database_at, drop_database_at};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgRow};

use crate::bed::{Bed, execute};

/// A database with our tables.
pub(super) struct Ground {
    url: String,
    /// The server, where it is our own.
    bed: Option<Bed>,
}

impl Ground {
    /// A database of our own on somebody's server.
    pub(super) async fn community(server: &str) -> Self {
        let url = create_database_at(server, Flavor::Timescale)
            .await
            .unwrap_or_else(|error| panic!("no database: {error}"));
        let ground = Self { url, bed: None };
        let mut connection = ground.connect().await;
        // As on servers of our own: compiling costs more than it gains in each of these statements.
        let jit = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET jit = off', current_database()); END $$";
        execute(&mut connection, jit.to_owned()).await;
        let license: String = sqlx::query_scalar("SHOW timescaledb.license")
            .fetch_one(&mut connection)
            .await
            .expect("a licence");
        assert_eq!(
            license, "timescale",
            "ANNALS_BENCH_COMMUNITY_URL is of another edition"
        );
        let store = ground.store().await;
        let families = [&MIGRATIONS, &annals_market::MIGRATIONS];
        store.migrator(&families).up().await.expect("migrations");
        store.close().await;
        ground
    }

    /// A server of our own, with fsync.
    pub(super) async fn apache() -> Self {
        let bed = Bed::start(Flavor::Timescale, true).await;
        Self {
            url: bed.url.clone(),
            bed: Some(bed),
        }
    }

    pub(super) fn edition(&self) -> &'static str {
        match self.bed {
            Some(_) => "Apache",
            None => "Community",
        }
    }

    pub(super) fn is_community(&self) -> bool {
        self.bed.is_none()
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

    /// Takes the database away, and the server where it is our own.
    pub(super) async fn end(self) {
        if self.bed.is_none() {
            drop_database_at(&self.url).await.expect("a database less");
        }
    }
}
