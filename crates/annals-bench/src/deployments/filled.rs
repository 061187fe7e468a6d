//! What is in a table, so that two can be known to have the same.

use std::time::Duration;

use sqlx::PgConnection;

/// A table that was filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    pub(super) rows: usize,
    /// Of the ids, whatever their order.
    sum: i64,
    pub(super) wall: Duration,
}

impl Filled {
    pub(super) async fn of(connection: &mut PgConnection, wall: Duration) -> Self {
        let sql =
            "SELECT count(*), coalesce(sum(('x' || left(id::text, 8))::bit(32)::bigint), 0)::bigint
                     FROM deployment_trace_span";
        let (rows, sum): (i64, i64) = sqlx::query_as(sql)
            .fetch_one(connection)
            .await
            .expect("a count");
        Self {
            rows: usize::try_from(rows).expect("a count"),
            sum,
            wall,
        }
    }

    pub(super) fn assert_same(&self, other: &Self) {
        assert_eq!(
            (self.rows, self.sum),
            (other.rows, other.sum),
            "the same rows in both tables"
        );
    }

    /// Rows in a second.
    pub(super) fn rate(&self) -> f64 {
        self.rows as f64 / self.wall.as_secs_f64()
    }
}
