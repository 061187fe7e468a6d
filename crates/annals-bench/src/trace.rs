//! A trace by its id alone, in two databases whose sizes differ and whose answers should not.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use annals_store::Ticket;
use annals_telemetry::{SpanStore as _, Spans, SpansOptions};
use annals_testkit::server::Flavor;
use fastrand::Rng;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    Options,
    bed::{self, Bed, execute},
    data::{Plan, SPANS_PER_TRACE, trace_id},
    library::Road,
    report::{Report, median, spread, thousands, two_digits, verdict},
};

const DAYS: u64 = 30;
const GOAL: f64 = 2.0;
/// Lookups over which touched chunks are counted.
const COUNTED: usize = 20;

/// One of the two databases.
struct Subject {
    plan: Plan,
    url: String,
    spans: Spans,
    rounds: Vec<Latencies>,
}

/// Milliseconds of one round.
struct Latencies {
    median: f64,
    p95: f64,
}

pub(crate) async fn run(options: &Options, report: &mut Report) {
    // Nothing that is timed here writes.
    let bed = Bed::start(Flavor::Timescale, false).await;
    report.server(bed.version().await);
    let mut subjects = Vec::new();
    for rows in [options.small_rows, options.large_rows] {
        subjects.push(Subject::load(&bed, Plan::days(rows, DAYS)).await);
    }
    for round in 0..=options.rounds {
        for place in 0..subjects.len() {
            let count = subjects.len();
            let subject = &mut subjects[(round + place) % count];
            let latencies = subject.look_up(round, options.lookups).await;
            eprintln!(
                "trace, round {round} of {}, {} spans: median {:.3} ms",
                options.rounds,
                thousands(subject.plan.rows as f64),
                latencies.median,
            );
            // The first round is for the caches.
            if round > 0 {
                subject.rounds.push(latencies);
            }
        }
    }
    report.heading("A trace by id, without a time", "trace");
    report.paragraph(&format!(
        "Two databases on one server (TimescaleDB, {DAYS} chunks of a day, written by the library, \
         VACUUM ANALYZE), {SPANS_PER_TRACE} spans a trace. A round is {} lookups of random traces through \
         `Spans::get_trace`, one after the other; a first round does not count. Touched chunks are \
         counted by the server for {COUNTED} lookups (in `pg_stat_all_tables`), and shown by EXPLAIN of one.",
        options.lookups,
    ));
    let mut table = Vec::new();
    let small: Vec<f64> = subjects[0]
        .rounds
        .iter()
        .map(|round| round.median)
        .collect();
    for (number, subject) in subjects.iter().enumerate() {
        let medians = subject.rounds.iter().map(|round| round.median);
        let times: Vec<f64> = medians
            .clone()
            .zip(&small)
            .map(|(own, small)| own / small)
            .collect();
        let goal = format!("≤ {GOAL} times");
        table.push(vec![
            thousands(subject.plan.rows as f64),
            spread(medians, three_digits),
            spread(subject.rounds.iter().map(|round| round.p95), three_digits),
            if number == 0 {
                "1".to_owned()
            } else {
                spread(times.clone(), two_digits)
            },
            if number == 0 {
                String::new()
            } else {
                verdict(median(&times) <= GOAL, &goal)
            },
            spread(subject.touched().await, |chunks| format!("{chunks:.0}")),
            subject.explained().await,
        ]);
    }
    let head = [
        "spans",
        "median, ms",
        "95th percentile, ms",
        "times the small one's median",
        "goal",
        "chunks touched by a lookup",
        "chunks in EXPLAIN: with the directory's range; by id alone",
    ];
    report.table(&head, &table);
    for subject in subjects {
        subject.spans.shutdown(Duration::from_secs(60)).await;
    }
}

impl Subject {
    async fn load(bed: &Bed, plan: Plan) -> Self {
        let url = bed::database(&bed.cluster).await;
        bed::empty(&url, &plan).await;
        let store = annals_store::Store::open(&url).await.expect("a store");
        let road = Road {
            batch_rows: None,
            connections: 2,
            kept: true,
        };
        let spans = Spans::new(store, road.options()).await.expect("a writer");
        let began = Instant::now();
        let mut rows = plan.spans();
        let mut tickets: Vec<Ticket> = Vec::new();
        loop {
            let call: Vec<_> = rows.by_ref().take(10_000).collect();
            if call.is_empty() {
                break;
            }
            tickets.push(spans.writer().enqueue(call).await.expect("rows are taken"));
        }
        for ticket in tickets {
            assert_eq!(ticket.await.expect("rows are committed").parked, 0);
        }
        let mut connection = PgConnection::connect(&url).await.expect("a connection");
        execute(&mut connection, "VACUUM ANALYZE".to_owned()).await;
        execute(&mut connection, "CHECKPOINT".to_owned()).await;
        connection.close().await.expect("a goodbye");
        eprintln!(
            "trace, {} spans loaded in {:.0?}",
            thousands(plan.rows as f64),
            began.elapsed()
        );
        Self {
            plan,
            url,
            spans,
            rounds: Vec::new(),
        }
    }

    /// Ids of random traces that are there.
    fn ids(&self, seed: u64, count: usize) -> Vec<String> {
        let mut rng = Rng::with_seed(seed);
        // The last trace may be cut short.
        let whole = (self.plan.rows / SPANS_PER_TRACE).max(1) as u64;
        (0..count).map(|_| trace_id(rng.u64(..whole))).collect()
    }

    async fn look_up(&self, round: usize, lookups: usize) -> Latencies {
        let mut times = Vec::with_capacity(lookups);
        for id in self.ids(round as u64, lookups) {
            let began = Instant::now();
            let spans = self
                .spans
                .get_trace(&id)
                .await
                .expect("a trace that is there");
            times.push(began.elapsed().as_secs_f64() * 1e3);
            assert_eq!(spans.len(), SPANS_PER_TRACE.min(self.plan.rows));
        }
        times.sort_by(f64::total_cmp);
        Latencies {
            median: median(&times),
            p95: times[(times.len() * 95).div_ceil(100) - 1],
        }
    }

    /// For each of some lookups how many chunks it scanned, as the server counts.
    async fn touched(&self) -> Vec<f64> {
        let mut touched = Vec::with_capacity(COUNTED);
        for id in self.ids(u64::MAX, COUNTED) {
            let before = self.scans(None).await;
            let store = annals_store::Store::open(&self.url).await.expect("a store");
            let spans = Spans::new(store, SpansOptions::default())
                .await
                .expect("a store of spans");
            spans.get_trace(&id).await.expect("a trace that is there");
            // A session tells what it has counted when it ends at the latest.
            spans.shutdown(Duration::from_secs(60)).await;
            let after = self.scans(Some(&before)).await;
            let touches = after
                .iter()
                .filter(|(chunk, scans)| before.get(*chunk) != Some(*scans));
            touched.push(touches.count() as f64);
        }
        touched
    }

    /// Scans of each chunk so far; with `before`, once they are others and stay the same.
    async fn scans(&self, before: Option<&BTreeMap<String, i64>>) -> BTreeMap<String, i64> {
        let sql = "SELECT relname::text, COALESCE(idx_scan, 0) + COALESCE(seq_scan, 0) FROM pg_stat_all_tables
                    WHERE relid IN (SELECT chunk::oid FROM show_chunks('spans') AS chunk)";
        let mut last = BTreeMap::new();
        for _ in 0..200 {
            // A new session: within one, numbers may be those of its first look.
            let mut connection = PgConnection::connect(&self.url)
                .await
                .expect("a connection");
            let now: Vec<(String, i64)> = sqlx::query_as(sql)
                .fetch_all(&mut connection)
                .await
                .expect("counts");
            connection.close().await.expect("a goodbye");
            let now: BTreeMap<String, i64> = now.into_iter().collect();
            if now == last && before.is_none_or(|before| now != *before) {
                return now;
            }
            last = now;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server does not count scans of chunks");
    }

    async fn explained(&self) -> String {
        let id = trace_id(self.plan.traces() / 2);
        let trace = self
            .spans
            .trace(&id)
            .await
            .expect("an answer")
            .expect("a trace that is there");
        let by_id = format!("trace_id = '{id}'");
        let end = trace.end_time.expect("an end");
        let ranged = format!(
            "{by_id} AND start_time BETWEEN '{}' AND '{end}'",
            trace.start_time
        );
        format!(
            "{}; {}",
            self.chunks_in_plan(&ranged).await,
            self.chunks_in_plan(&by_id).await
        )
    }

    async fn chunks_in_plan(&self, condition: &str) -> usize {
        let sql = format!(
            "EXPLAIN (COSTS OFF) SELECT * FROM spans WHERE {condition} ORDER BY start_time, span_id"
        );
        let mut connection = PgConnection::connect(&self.url)
            .await
            .expect("a connection");
        let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&mut connection)
            .await
            .expect("a plan");
        connection.close().await.expect("a goodbye");
        let scans = lines.iter().filter(|line| line.contains(" on _hyper_"));
        scans
            .filter(|line| !line.contains("Bitmap Index Scan"))
            .count()
    }
}

fn three_digits(value: f64) -> String {
    format!("{value:.3}")
}
