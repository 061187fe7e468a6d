//! Measures what the store costs against the raw ceiling of the same database, in the same run.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`data`] | spans as they come from services that talk to language models |
//! | [`bed`] | a server of our own with empty tables, and psql as its client |
//! | [`measure`] | rounds in which the ways take turns, and what a round cost |
//! | [`library`] | the timed part of every write through the library |
//! | [`ingest`], [`connections`], [`inserts`], [`sqlite`], [`trace`] | the benches of the library |
//! | [`bars`] | the benches of bars: bursts, the warm-up of a service, and longer bars |
//! | [`events`] | the benches of the event store |
//! | [`deployments`] | the benches of deployment traces, against the predecessor's table |
//! | [`life`] | the life of data: compressing it, reading it then, and letting it go |
//! | [`observability`] | a month of agents' spans: asking, writing with everything switched on, and costs |
//! | [`serve`] | the benches of the program `annals serve`, from outside |
//! | [`report`], [`machine`] | tables, goals, and where they were measured |
//!
//! `scripts/bench` builds this and writes `bench/RESULTS.md`.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot be run must fail loudly"
)]

mod bare;
mod bars;
mod bed;
mod connections;
mod cpu;
mod data;
mod deployments;
mod events;
mod ingest;
mod inserts;
mod library;
mod life;
mod machine;
mod measure;
mod observability;
mod report;
mod serve;
mod sqlite;
mod trace;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use report::Report;

/// Measures writing and reading against the raw ceiling of the same database, in the same run.
#[derive(Clone, Debug, Parser)]
struct Options {
    /// Which bench to run.
    #[arg(value_enum)]
    bench: Bench,
    /// Spans that one run writes.
    #[arg(long, env = "ANNALS_BENCH_ROWS", default_value_t = 500_000, value_parser = above_zero)]
    rows: usize,
    /// Rounds; in each every way has one turn.
    #[arg(long, env = "ANNALS_BENCH_ROUNDS", default_value_t = 5, value_parser = above_zero)]
    rounds: usize,
    /// Spans that the library is handed in one call.
    #[arg(long, default_value_t = 10_000, value_parser = above_zero)]
    call_rows: usize,
    /// Spans of the smaller database of the trace bench.
    #[arg(long, env = "ANNALS_BENCH_SMALL_ROWS", default_value_t = 100_000, value_parser = above_zero)]
    small_rows: usize,
    /// Spans of the larger database of the trace bench: about 2 KiB of disk each.
    #[arg(long, env = "ANNALS_BENCH_LARGE_ROWS", default_value_t = 5_000_000, value_parser = above_zero)]
    large_rows: usize,
    /// Lookups of a trace in one round.
    #[arg(long, env = "ANNALS_BENCH_LOOKUPS", default_value_t = 500, value_parser = above_zero)]
    lookups: usize,
    /// Spans of one request under full load.
    #[arg(long, default_value_t = 512, value_parser = above_zero)]
    request_spans: usize,
    /// Small requests of one round, each sent when the one before is answered.
    #[arg(long, env = "ANNALS_BENCH_REQUESTS", default_value_t = 500, value_parser = above_zero)]
    requests: usize,
    /// Bursts of 10,000 bars in one round.
    #[arg(long, env = "ANNALS_BENCH_BURSTS", default_value_t = 50, value_parser = above_zero)]
    bursts: usize,
    /// Spans of `life`, beside which it has as many bars and events as it says.
    #[arg(long, env = "ANNALS_BENCH_LIFE_ROWS", default_value_t = 1_000_000, value_parser = above_zero)]
    life_rows: usize,
    /// A Community server on which `life`, `deployments` and `observability` may make databases of their own: postgres://user@host:port/database.
    #[arg(long, env = "ANNALS_BENCH_COMMUNITY_URL")]
    community_url: Option<String>,
    /// Spans of `deployments`, over 90 days.
    #[arg(long, env = "ANNALS_BENCH_DEPLOYMENT_ROWS", default_value_t = 2_000_000, value_parser = above_zero)]
    deployment_rows: usize,
    /// Spans of `observability`, over 30 days: about 1.6 KB of disk each.
    #[arg(long, env = "ANNALS_BENCH_OBSERVABILITY_SPANS", default_value_t = 10_000_000, value_parser = above_zero)]
    observability_spans: usize,
    /// Traces that they are of.
    #[arg(long, env = "ANNALS_BENCH_OBSERVABILITY_TRACES", default_value_t = 1_000_000, value_parser = above_zero)]
    observability_traces: usize,
    /// Servers of its own on which `observability` runs.
    #[arg(long, value_delimiter = ',', default_value = "postgres,timescale")]
    observability_servers: Vec<String>,
    /// What `observability` measures there: ingest, indexes, month.
    #[arg(long, value_delimiter = ',', default_value = "ingest,indexes,month")]
    observability_parts: Vec<String>,
    /// Starts of the program, on a fresh database and on an existing one.
    #[arg(long, env = "ANNALS_BENCH_STARTS", default_value_t = 20, value_parser = above_zero)]
    starts: usize,
    /// The program `annals`; by default the one beside this program.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Where to write the report; it is printed anyway.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Bench {
    /// All of them.
    All,
    /// The library against psql's binary \copy of the same rows.
    Ingest,
    /// The library against prepared INSERTs of single rows.
    Inserts,
    /// Two connections against one.
    Connections,
    /// The library against prepared INSERTs of the bare driver, on SQLite.
    Sqlite,
    /// Traces by id, in a small and in a large database.
    Trace,
    /// Bars: bursts of every symbol, and the warm-up of a service.
    Bars,
    /// Longer bars: reading, the queue beside bursts, and rolling up.
    Rollups,
    /// Events: appends against a function of Message DB's shape, growth, reads.
    Events,
    /// Deployment traces: reads, writes and bytes against the predecessor's table, and what recording costs.
    Deployments,
    /// The life of data: compressing it, reading it then, and letting it go.
    Life,
    /// A month of agents' spans: reads, costs, and writing with everything switched on against `\copy`.
    Observability,
    /// `annals serve`: load, small requests, memory and start.
    Serve,
}

impl Options {
    fn runs(&self, bench: Bench) -> bool {
        self.bench == bench || self.bench == Bench::All
    }
}

fn above_zero(text: &str) -> Result<usize, String> {
    match text.replace('_', "").parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("expected a whole number above zero".to_owned()),
    }
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let mut report = Report::new(&options);
    if options.runs(Bench::Ingest) {
        ingest::run(&options, &mut report).await;
    }
    if options.runs(Bench::Inserts) {
        inserts::run(&options, &mut report).await;
    }
    if options.runs(Bench::Connections) {
        connections::run(&options, &mut report).await;
    }
    if options.runs(Bench::Sqlite) {
        sqlite::run(&options, &mut report).await;
    }
    if options.runs(Bench::Trace) {
        trace::run(&options, &mut report).await;
    }
    if options.runs(Bench::Bars) {
        bars::run(&options, &mut report).await;
    }
    if options.runs(Bench::Rollups) {
        bars::rollups::run(&options, &mut report).await;
    }
    if options.runs(Bench::Events) {
        events::run(&options, &mut report).await;
    }
    if options.runs(Bench::Deployments) {
        deployments::run(&options, &mut report).await;
    }
    if options.runs(Bench::Life) {
        life::run(&options, &mut report).await;
    }
    if options.runs(Bench::Observability) {
        observability::run(&options, &mut report).await;
    }
    if options.runs(Bench::Serve) {
        serve::run(&options, &mut report).await;
    }
    let text = report.finish();
    if let Some(out) = &options.out {
        std::fs::write(out, &text).expect("the report's file");
    }
    print!("{text}");
}
