//! One small request at a time on a server without other traffic, against one bare commit.
//!
//! A request of one span cannot be faster than the commit that it waits for. The ratio says what
//! everything else costs: protocol, mapping, queue, ledger, directory.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use annals_telemetry::Span;
use annals_testkit::server::Flavor;
use bytes::Bytes;
use sqlx::{Connection as _, PgConnection};

use super::{
    client::{Answer, Grpc, Http},
    program::Program,
    requests::{Export, framed},
};
use crate::{
    Options,
    bed::{Bed, execute},
    data::Plan,
    report::{Report, median, spread, two_digits},
};

/// Requests and commits before the clock: connections, prepared statements, caches.
const WARMING: usize = 50;

/// The narrow table of the bare commit.
const TABLE: &str = "CREATE TABLE bench_commits (id bigint PRIMARY KEY)";

/// What takes turns.
const WAYS: [&str; 3] = [
    "bare INSERT and COMMIT",
    "annals serve, OTLP/gRPC",
    "annals serve, OTLP/HTTP",
];

/// Milliseconds of one round of one way.
#[derive(Clone, Copy, Debug)]
struct Latencies {
    p50: f64,
    p99: f64,
}

/// Whoever commits one narrow row at a time.
enum Bare {
    Sqlite(rusqlite::Connection),
    Postgres(PgConnection),
}

pub(crate) async fn run(options: &Options, report: &mut Report) {
    report.heading("One small request at a time", "serve");
    report.paragraph(&format!(
        "The release program `annals serve` without other traffic, one connection, and requests of one \
         span, each sent when the one before is answered: {} a round and way, after {WARMING} that do not \
         count. Each is a transaction of its own on disk, with ledger and directory. Beside it an INSERT \
         of one row into a table of one bigint, prepared and committed by itself, in the same database \
         from the bench's process. SQLite: WAL, synchronous=FULL; servers: fsync on. p50 is \
         the median of a round, p99 by nearest rank; the last column compares the p50 of the same round.",
        options.requests,
    ));
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut table = Vec::new();

    let file = home.path().join("bench.db");
    let url = format!("sqlite:{}", file.display());
    let program = Program::start(options, &url, home.path());
    let bare = Bare::sqlite(&file);
    let version = format!("SQLite {}", rusqlite::version());
    table.extend(rounds(options, &version, program, bare).await);
    report.server(version);

    for flavor in [Flavor::Postgres, Flavor::Timescale] {
        let bed = Bed::start(flavor, true).await;
        bed.empty(&plan(options)).await;
        let version = bed.version().await;
        let program = Program::start(options, &bed.url, home.path());
        let bare = Bare::postgres(bed.connect().await).await;
        table.extend(rounds(options, &version, program, bare).await);
        report.server(version);
    }
    let head = [
        "database",
        "way",
        "p50, ms",
        "p99, ms",
        "times the bare commit's p50",
    ];
    report.table(&head, &table);
}

/// As many spans as all rounds of both roads send, each with an id of its own.
fn plan(options: &Options) -> Plan {
    Plan::one_day(2 * (WARMING + options.rounds * options.requests))
}

/// All rounds on one database; who begins changes from round to round. Gives the table's rows.
async fn rounds(
    options: &Options,
    database: &str,
    program: Program,
    mut bare: Bare,
) -> Vec<Vec<String>> {
    let spans: Vec<Span> = plan(options).spans().collect();
    let mut messages = spans
        .iter()
        .map(|span| Export::of(std::slice::from_ref(span)).message);
    let mut grpc = Grpc::connect(program.otlp_grpc).await;
    let mut http = Http::connect(program.otlp_http).await;
    let mut results: [Vec<Latencies>; 3] = Default::default();
    let mut commits = 0..;
    for round in 0..=options.rounds {
        let count = if round == 0 {
            WARMING
        } else {
            options.requests
        };
        for place in 0..WAYS.len() {
            let way = (round + place) % WAYS.len();
            let times = match way {
                0 => bare.commit(commits.by_ref().take(count)).await,
                1 => by_grpc(&mut grpc, messages.by_ref().take(count)).await,
                _ => by_http(&mut http, messages.by_ref().take(count)).await,
            };
            let latencies = Latencies::of(&times);
            eprintln!(
                "latency on {database}, round {round} of {}, {}: p50 {:.3} ms, p99 {:.3}",
                options.rounds, WAYS[way], latencies.p50, latencies.p99,
            );
            if round > 0 {
                results[way].push(latencies);
            }
        }
    }
    let said = program.stop();
    let committed = said["roads"]["otlp"]["committed"].as_u64();
    assert_eq!(committed, u64::try_from(spans.len()).ok(), "{said}");
    bare.close().await;
    shown(database, &results)
}

fn shown(database: &str, results: &[Vec<Latencies>; 3]) -> Vec<Vec<String>> {
    let rows = WAYS.iter().zip(results).enumerate();
    rows.map(|(number, (way, rounds))| {
        let times = rounds.iter().zip(&results[0]);
        vec![
            database.to_owned(),
            (*way).to_owned(),
            spread(rounds.iter().map(|round| round.p50), two_digits),
            spread(rounds.iter().map(|round| round.p99), two_digits),
            if number == 0 {
                "1".to_owned()
            } else {
                spread(times.map(|(own, bare)| own.p50 / bare.p50), two_digits)
            },
        ]
    })
    .collect()
}

async fn by_grpc(grpc: &mut Grpc, messages: impl Iterator<Item = Bytes>) -> Vec<Duration> {
    let messages: Vec<Bytes> = messages.map(|message| framed(&message)).collect();
    let mut times = Vec::with_capacity(messages.len());
    for message in messages {
        let began = Instant::now();
        let answer = grpc.export(message).await;
        times.push(began.elapsed());
        assert_eq!(answer, Answer::Kept, "an idle server takes a span");
    }
    times
}

async fn by_http(http: &mut Http, messages: impl Iterator<Item = Bytes>) -> Vec<Duration> {
    let messages: Vec<Bytes> = messages.collect();
    let mut times = Vec::with_capacity(messages.len());
    for message in messages {
        let began = Instant::now();
        http.export(message).await;
        times.push(began.elapsed());
    }
    times
}

impl Latencies {
    fn of(times: &[Duration]) -> Self {
        let mut times: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        Self {
            p50: median(&times),
            p99: times[(times.len() * 99).div_ceil(100) - 1],
        }
    }
}

impl Bare {
    fn sqlite(file: &Path) -> Self {
        let connection = rusqlite::Connection::open(file).expect("a connection");
        let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";
        connection.execute_batch(pragmas).expect("pragmas");
        connection.execute_batch(TABLE).expect("a table");
        Self::Sqlite(connection)
    }

    async fn postgres(mut connection: PgConnection) -> Self {
        execute(&mut connection, TABLE.to_owned()).await;
        Self::Postgres(connection)
    }

    async fn commit(&mut self, ids: impl Iterator<Item = i64>) -> Vec<Duration> {
        let mut times = Vec::new();
        for id in ids {
            let began = Instant::now();
            match self {
                Self::Sqlite(connection) => {
                    let mut insert = connection
                        .prepare_cached("INSERT INTO bench_commits VALUES (?1)")
                        .expect("a statement");
                    insert.execute([id]).expect("a row");
                }
                Self::Postgres(connection) => {
                    sqlx::query("INSERT INTO bench_commits VALUES ($1)")
                        .bind(id)
                        .execute(connection)
                        .await
                        .expect("a row");
                }
            }
            times.push(began.elapsed());
        }
        times
    }

    async fn close(self) {
        match self {
            Self::Sqlite(connection) => connection.close().expect("a goodbye"),
            Self::Postgres(connection) => connection.close().await.expect("a goodbye"),
        }
    }
}
