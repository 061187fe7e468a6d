//! The helpers that tests of the LLM storage crate begin and end with.

use annals_store::DatabaseConfig;
use annals_telemetry::Spans;

use crate::{Backend, TestDatabase};

/// A store with its tables, in a database of the test's own.
pub async fn setup_test_db(database: &TestDatabase) -> Spans {
    let config = DatabaseConfig::at(&database.url).expect("a test's URL");
    Spans::open(&database.url)
        .await
        .unwrap_or_else(|error| panic!("no tables for this test in {config:?}: {error}"))
}

/// Empties them. `trace_spans` and `trace_events` are views, which cannot be truncated: what is in them is in `spans`.
pub async fn cleanup_test_db(spans: &Spans) {
    use annals_record::Filter;
    let store = spans.store();
    let of_spans = store
        .delete::<annals_telemetry::Span>(Filter::all([]))
        .await;
    let of_traces = store
        .delete::<annals_telemetry::Trace>(Filter::all([]))
        .await;
    of_spans.and(of_traces).expect("an empty database");
}

impl TestDatabase {
    /// Runs a statement past the store that is to fail, and tells what the database says.
    pub async fn refused(&self, sql: &str) -> String {
        use sqlx::Connection as _;
        if self.backend == Backend::Sqlite {
            let file = self.url.strip_prefix("sqlite:").expect("an SQLite URL");
            let connection = annals_store::rusqlite::Connection::open(file).expect("a connection");
            return match connection.execute_batch(sql) {
                Ok(()) => panic!("it was to fail: {sql}"),
                Err(error) => error.to_string(),
            };
        }
        let mut connection = sqlx::PgConnection::connect(&self.url)
            .await
            .expect("a connection");
        let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
        match statement.execute(&mut connection).await {
            Ok(_) => panic!("it was to fail: {sql}"),
            Err(error) => error.to_string(),
        }
    }
}
