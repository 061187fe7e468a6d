//! What the benches want to know of a family.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use fastrand::Rng;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};

use crate::report::median;

/// Reads of one kind in a round.
const READS: usize = 10;

/// A family, filled.
pub(super) struct Family {
    pub(super) name: &'static str,
    /// Its hypertable.
    pub(super) table: String,
    /// The column of time.
    pub(super) time: &'static str,
    pub(super) rows: usize,
    /// Tables that are there for its rows.
    pub(super) beside: Vec<Beside>,
    pub(super) layouts: Vec<Layout>,
    /// Asked in SQL while layouts compete.
    pub(super) questions: Vec<Question>,
    /// Read through the library.
    pub(super) reads: Vec<Read>,
}

/// A table beside the hypertable.
pub(super) struct Beside {
    pub(super) table: String,
    /// Segments and order, where it is a hypertable that may be compressed too.
    pub(super) layout: Option<Layout>,
    /// Which of its rows go with the expired ones; none for a table that outlives them.
    pub(super) expired: Option<String>,
}

impl Beside {
    pub(super) fn lasting(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            layout: None,
            expired: None,
        }
    }
}

/// How chunks are compressed.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) segment_by: &'static str,
    pub(super) order_by: &'static str,
    /// What batches are found by beside that; the server's choice where it is not told.
    pub(super) sparse: Option<&'static str>,
    /// Whether long values are packed by LZ4 and not by PostgreSQL's pglz.
    pub(super) lz4: bool,
    /// An expression for a column `bucket`, in a copy that has one.
    pub(super) bucket: Option<&'static str>,
    pub(super) wins: bool,
}

impl Layout {
    pub(super) const fn new(segment_by: &'static str, order_by: &'static str) -> Self {
        Self {
            segment_by,
            order_by,
            sparse: None,
            lz4: true,
            bucket: None,
            wins: false,
        }
    }

    pub(super) const fn sparse(mut self, sparse: &'static str) -> Self {
        self.sparse = Some(sparse);
        self
    }

    pub(super) const fn pglz(mut self) -> Self {
        self.lz4 = false;
        self
    }

    pub(super) const fn bucket(mut self, expression: &'static str) -> Self {
        self.bucket = Some(expression);
        self
    }

    pub(super) const fn wins(mut self) -> Self {
        self.wins = true;
        self
    }
}

/// A statement for a table of this name; with the bucket that a value of the column `bucket` is made of in it where
/// the table has buckets.
pub(super) type Sql = Box<dyn Fn(&mut Rng, &Asked<'_>) -> String>;

/// Of which table something is asked.
pub(super) struct Asked<'table> {
    pub(super) table: &'table str,
    /// The expression of its buckets, if it has some.
    pub(super) bucket: Option<&'static str>,
}

impl Asked<'_> {
    /// The condition that leads to a bucket: the expression of a value in place of the column.
    pub(super) fn bucket_of(&self, column: &str, value: &str) -> String {
        self.bucket.map_or_else(String::new, |expression| {
            let of_value = expression.replace(column, &format!("'{value}'"));
            format!(" AND bucket = ({of_value})")
        })
    }
}

pub(super) struct Question {
    pub(super) name: &'static str,
    pub(super) sql: Sql,
}

type Answer = Pin<Box<dyn Future<Output = usize>>>;

/// A read through the library; gives the rows that it found.
pub(super) struct Read {
    pub(super) name: &'static str,
    pub(super) ask: Box<dyn Fn(&mut Rng) -> Answer>,
}

/// What a read took, in milliseconds.
pub(super) struct Timed {
    pub(super) name: &'static str,
    pub(super) median: f64,
    /// Rows that it gave, as the median.
    pub(super) rows: f64,
}

impl Family {
    /// The winner.
    pub(super) fn layout(&self) -> &Layout {
        let mut layouts = self.layouts.iter();
        layouts.find(|layout| layout.wins).expect("a winner")
    }

    /// Reads through the library. The first round is for the caches.
    pub(super) async fn time_reads(&self, rounds: usize) -> Vec<Timed> {
        let mut timed = Vec::new();
        for read in &self.reads {
            let mut taken = Taken::default();
            for round in 0..=rounds {
                let mut rng = Rng::with_seed(round as u64);
                for _ in 0..READS {
                    let began = Instant::now();
                    let rows = (read.ask)(&mut rng).await;
                    taken.add(round, began.elapsed(), rows);
                }
            }
            timed.push(taken.timed(read.name));
        }
        timed
    }

    /// Asks in SQL. The first round is for the caches.
    pub(super) async fn time_questions(
        &self,
        connection: &mut PgConnection,
        asked: &Asked<'_>,
        rounds: usize,
    ) -> Vec<Timed> {
        let mut timed = Vec::new();
        for question in &self.questions {
            let mut taken = Taken::default();
            for round in 0..=rounds {
                let mut rng = Rng::with_seed(round as u64);
                for _ in 0..READS {
                    let sql = (question.sql)(&mut rng, asked);
                    let began = Instant::now();
                    let rows = connection.fetch_all(AssertSqlSafe(sql.as_str())).await;
                    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
                    taken.add(round, began.elapsed(), rows.len());
                }
            }
            timed.push(taken.timed(question.name));
        }
        timed
    }
}

#[derive(Default)]
struct Taken {
    times: Vec<f64>,
    rows: Vec<f64>,
}

impl Taken {
    fn add(&mut self, round: usize, time: Duration, rows: usize) {
        assert!(rows > 0, "a read that finds nothing");
        if round > 0 {
            self.times.push(time.as_secs_f64() * 1e3);
            self.rows.push(rows as f64);
        }
    }

    fn timed(&self, name: &'static str) -> Timed {
        Timed {
            name,
            median: median(&self.times),
            rows: median(&self.rows),
        }
    }
}
