//! OTLP/gRPC as fast as it is answered, against COPY of the same rows; memory under that load.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use annals_telemetry::Span;
use annals_testkit::server::Flavor;
use bytes::Bytes;
use tokio::task::JoinSet;

use super::{
    client::{Answer, Grpc},
    program::Program,
    requests::{Export, framed},
};
use crate::{
    Options,
    bed::{Bed, SETTINGS},
    data::Plan,
    library::{self, Road},
    measure::{Clock, Contest, Load, Turn, Way, contest},
    report::{Report, median, shares, spread, thousands, two_digits, verdict},
};

/// Connections of the generator: a handful of collectors.
const CONNECTIONS: usize = 4;

/// What the program must reach of COPY's rate.
const SHARE: f64 = 0.6;

/// Bytes that the program must stay below.
const MEMORY: f64 = 300e6;

/// How long a call that is told to come again waits; the server asks for a second.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
enum How {
    Psql,
    /// So many calls in flight on each connection.
    Serve(usize),
}

pub(crate) async fn run(options: &Options, report: &mut Report) {
    let plan = Plan::one_day(options.rows);
    let spans: Vec<Span> = plan.spans().collect();
    let exports = spans.chunks(options.request_spans).map(Export::of);
    let (messages, rows): (Vec<Bytes>, Vec<Vec<Span>>) = exports
        .map(|export| (framed(&export.message), export.rows))
        .unzip();
    let (messages, rows) = (Arc::new(messages), rows.concat());
    drop(spans);
    introduce(options, &messages, report);
    let files = tempfile::tempdir().expect("a temporary directory");
    let file = files.path().join("spans.copy");
    for flavor in [Flavor::Postgres, Flavor::Timescale] {
        let bed = Bed::start(flavor, true).await;
        report.server(bed.version().await);
        // A turn that does not count: it fills caches and makes WAL files, and on plain PostgreSQL the
        // ceiling's file.
        bed.empty(&plan).await;
        library::write(bed.store().await, Road::BARE, &rows, options.call_rows).await;
        if flavor == Flavor::Postgres {
            bed.export(&file).await;
        }
        let turn = async |how| -> Turn {
            bed.empty(&plan).await;
            let turn = match how {
                How::Psql => bed.metered(bed.import(&file, rows.len())).await,
                How::Serve(calls) => {
                    serve(options, &bed, files.path(), &messages, calls, rows.len()).await
                }
            };
            bed.expect_rows("SELECT count(*) FROM spans", rows.len())
                .await;
            turn
        };
        let title = format!("serve on {flavor}");
        let result = contest(&title, options.rounds, ways(), turn).await;
        report.paragraph(&format!("On {}:", bed.version().await));
        tell(&result, report);
    }
}

fn ways() -> Vec<Way<How>> {
    let serve = |name, calls| Way {
        name,
        how: How::Serve(calls),
        goal: Some(SHARE),
    };
    vec![
        Way {
            name: "psql \\copy, binary",
            how: How::Psql,
            goal: None,
        },
        serve("annals serve, 16 calls in flight", 16 / CONNECTIONS),
        serve("annals serve, 64 calls in flight", 64 / CONNECTIONS),
    ]
}

/// One turn of the program, started for it on an empty database.
async fn serve(
    options: &Options,
    bed: &Bed,
    home: &Path,
    messages: &Arc<Vec<Bytes>>,
    calls: usize,
    rows: usize,
) -> Turn {
    let program = Program::start(options, &bed.url, home);
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        connections.push(Grpc::connect(program.otlp_grpc).await);
    }
    let load = async {
        let before = program.cpu();
        let clock = Clock::start();
        let again = send(connections, messages, calls).await;
        let turn = clock.stop(rows);
        Turn {
            cpu: program.cpu() - before,
            load: Some(Load {
                generator: turn.cpu,
                peak: program.peak(),
                again,
            }),
            ..turn
        }
    };
    let turn = bed.metered(load).await;
    let said = program.stop();
    let committed = said["roads"]["otlp"]["committed"].as_u64();
    assert_eq!(committed, u64::try_from(rows).ok(), "{said}");
    bed.expect_rows("SELECT sum(span_count) FROM traces", rows)
        .await;
    turn
}

/// Sends every message once and waits for every answer; gives how often a call had to come again.
async fn send(connections: Vec<Grpc>, messages: &Arc<Vec<Bytes>>, calls: usize) -> usize {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for connection in connections {
        for _ in 0..calls {
            let (next, messages) = (Arc::clone(&next), Arc::clone(messages));
            let mut connection = connection.clone();
            tasks.spawn(async move {
                let mut again = 0;
                while let Some(message) = messages.get(next.fetch_add(1, Ordering::Relaxed)) {
                    while connection.export(message.clone()).await == Answer::Again {
                        again += 1;
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                again
            });
        }
    }
    tasks.join_all().await.into_iter().sum()
}

fn introduce(options: &Options, messages: &[Bytes], report: &mut Report) {
    let bytes: usize = messages.iter().map(Bytes::len).sum();
    report.heading("OTLP/gRPC against the ceiling", "serve");
    report.paragraph(&format!(
        "The release program `annals serve` with its default settings, started anew for each turn, and a \
         generator in another process: {CONNECTIONS} connections of HTTP/2 over loopback, each with an \
         equal part of the calls in flight, requests of {} spans ({} bytes a span) encoded beforehand. \
         The clock runs until the last answer, and a request is answered when its spans are committed; \
         every answer must be OK without partial success, and table and directory must have every span. \
         Ledger and directory are on, as always in a server. A call that is told to come again does so \
         after {PAUSE:?}; the last column counts them. Ceiling: `psql \\copy … (format binary)` of the \
         same rows as in `ingest`. Generator, program and database share the same cores, so that their \
         parts of the processor time say who would gain from a machine of its own. Peak memory is the \
         program's VmHWM; it also grows with how long the load lasts. fsync on; {}.",
        options.request_spans,
        thousands(bytes as f64 / options.rows as f64),
        SETTINGS.join(", "),
    ));
}

fn tell(result: &Contest<How>, report: &mut Report) {
    let head = [
        "way",
        "spans/s",
        "share",
        "goal",
        "generator CPU, µs a span",
        "program CPU, µs a span",
        "database CPU, µs a span",
        "parts of CPU time: generator, program, database",
        "peak memory, MB",
        "goal",
        "told to come again",
    ];
    let base = &result.turns[0];
    let mut rows = Vec::new();
    for (number, (way, turns)) in result.ways.iter().zip(&result.turns).enumerate() {
        let shares = shares(turns, base);
        let mut row = vec![
            way.name.to_owned(),
            spread(turns.iter().map(Turn::rate), thousands),
            if number == 0 {
                "1".to_owned()
            } else {
                spread(shares.clone(), two_digits)
            },
            way.goal.map_or_else(String::new, |goal| {
                verdict(median(&shares) >= goal, &format!("≥ {goal}"))
            }),
        ];
        row.extend(costs(turns));
        rows.push(row);
    }
    report.table(&head, &rows);
}

/// The columns of processor time and memory.
fn costs(turns: &[Turn]) -> Vec<String> {
    let per_span = |time: Duration, turn: &Turn| time.as_secs_f64() * 1e6 / turn.rows as f64;
    let loads: Option<Vec<Load>> = turns.iter().map(|turn| turn.load).collect();
    let client = spread(turns.iter().map(Turn::cpu_per_row), two_digits);
    let server = turns.iter().filter_map(Turn::server_per_row);
    let server = spread(server, two_digits);
    let Some(loads) = loads else {
        // psql reads a file: there is no generator, and it is the program.
        let none = String::new;
        return vec![none(), client, server, none(), none(), none(), none()];
    };
    let of_all = |part: fn(&Turn, &Load) -> Duration| {
        let parts = turns.iter().zip(&loads).map(|(turn, load)| {
            let all = load.generator + turn.cpu + turn.server.unwrap_or_default();
            100.0 * part(turn, load).as_secs_f64() / all.as_secs_f64()
        });
        format!("{:.0} %", median(&parts.collect::<Vec<f64>>()))
    };
    let generator = turns
        .iter()
        .zip(&loads)
        .map(|(turn, load)| per_span(load.generator, turn));
    let peaks: Vec<f64> = loads.iter().map(|load| load.peak as f64).collect();
    let highest = peaks.iter().copied().fold(0.0, f64::max);
    let again: usize = loads.iter().map(|load| load.again).sum();
    vec![
        spread(generator, two_digits),
        client,
        server,
        [
            of_all(|_, load| load.generator),
            of_all(|turn, _| turn.cpu),
            of_all(|turn, _| turn.server.unwrap_or_default()),
        ]
        .join(", "),
        spread(peaks.iter().map(|peak| peak / 1e6), two_digits),
        verdict(highest < MEMORY, "every round < 300"),
        thousands(again as f64),
    ]
}
