//! What an append costs as a namespace grows, and a read of a stream.

use std::time::{Duration, Instant};

use annals_events::{From, Namespace, StreamQuery};
use sqlx::{AssertSqlSafe, Connection as _};

use super::{FLAVORS, STREAMS, message, namespace, stream};
use crate::{
    Options,
    bed::{Bed, execute},
    report::{Report, median, thousands, two_digits, verdict},
};

/// How many times the cost in a small namespace an append to a large one may have.
const GROWN: f64 = 1.3;

/// Appends of one measurement, one after the other.
const APPENDS: usize = 3_000;

/// Messages of one read.
const READ: u64 = 100;

/// The most that the median read may take.
const FAST: Duration = Duration::from_millis(1);

pub(crate) async fn run(options: &Options, report: &mut Report) {
    report.heading("Events as a namespace grows", "events");
    report.paragraph(&format!(
        "{} appends of one writer to a namespace of {} messages and to one of {}, in turns; and reads of {READ} \
         messages of a stream of each.",
        thousands(APPENDS as f64),
        thousands(options.small_rows as f64),
        thousands(options.large_rows as f64),
    ));
    for flavor in FLAVORS {
        let bed = Bed::start(flavor, true).await;
        report.server(bed.version().await);
        let small = filled(&bed, "small", options.small_rows).await;
        let large = filled(&bed, "large", options.large_rows).await;
        let mut ratios = Vec::new();
        let mut rows = Vec::new();
        for round in 0..options.rounds {
            let mut rng = fastrand::Rng::with_seed(round as u64);
            let of_small = appends(&small, &mut rng).await;
            let of_large = appends(&large, &mut rng).await;
            let ratio = of_large.as_secs_f64() / of_small.as_secs_f64();
            eprintln!("{flavor}: {of_small:?} and {of_large:?}, {ratio:.2}");
            ratios.push(ratio);
            let micros = |time: Duration| format!("{:.0} µs", time.as_secs_f64() * 1e6);
            rows.push(vec![
                format!("{}", round + 1),
                micros(of_small),
                micros(of_large),
                two_digits(ratio),
            ]);
        }
        report.paragraph(&format!(
            "On {}: at most {GROWN} times: {}.",
            bed.version().await,
            verdict(median(&ratios) <= GROWN, &two_digits(median(&ratios)))
        ));
        report.table(&["round", "small", "large", "ratio"], &rows);
        for (what, namespace, messages) in [
            ("small", &small, options.small_rows),
            ("large", &large, options.large_rows),
        ] {
            let read = reads(namespace, messages / STREAMS).await;
            eprintln!("{flavor}, {what}: {read:?} a read");
            let told = format!("{} ms", two_digits(read.as_secs_f64() * 1e3));
            report.paragraph(&format!(
                "A read of {} messages of a stream of the {what} one, median; below {} ms: {}.",
                READ.min(messages as u64 / STREAMS as u64),
                FAST.as_millis(),
                verdict(read < FAST, &told)
            ));
        }
    }
}

/// A namespace with so many messages over a year, made in the server.
async fn filled(bed: &Bed, id: &str, messages: usize) -> Namespace {
    let namespace = namespace(bed, id).await;
    let schema = namespace.schema();
    let mut connection = bed.connect().await;
    let fill = format!(
        "INSERT INTO {schema}.messages (time, global_position, position, stream_name, type, data, id, category)
         SELECT now() - INTERVAL '365 days' * (1 - n::float8 / {messages}), n, (n - 1) / {STREAMS},
                'account0-' || (n - 1) % {STREAMS}, 'Deposited', '{}', gen_random_uuid(), 'account0'
           FROM generate_series(1, {messages}) AS n",
        super::DATA
    );
    execute(&mut connection, fill).await;
    connection.close().await.expect("a goodbye");
    namespace.rebuild_heads().await.expect("heads");
    let mut connection = bed.connect().await;
    for table in ["messages", "stream_heads", "message_ids"] {
        sqlx::raw_sql(AssertSqlSafe(format!("VACUUM ANALYZE {schema}.{table}")))
            .execute(&mut connection)
            .await
            .expect("a vacuum");
    }
    execute(&mut connection, "CHECKPOINT".to_owned()).await;
    namespace
}

/// The mean time of an append.
async fn appends(namespace: &Namespace, rng: &mut fastrand::Rng) -> Duration {
    let began = Instant::now();
    for _ in 0..APPENDS {
        namespace
            .write_message(&stream(rng, 1), message(), None)
            .await
            .expect("a place");
    }
    began.elapsed() / u32::try_from(APPENDS).expect("a small number")
}

/// The median time of a read of a stream of so many messages.
async fn reads(namespace: &Namespace, length: usize) -> Duration {
    let mut rng = fastrand::Rng::with_seed(1);
    let length = length as u64;
    let last = length.saturating_sub(READ).cast_signed();
    let mut times = Vec::new();
    for _ in 0..500 {
        let query = StreamQuery {
            stream: stream(&mut rng, 1),
            from: From::Position(rng.i64(0..=last)),
            limit: Some(READ),
        };
        let began = Instant::now();
        let messages = namespace.stream(query).await.expect("messages");
        times.push(began.elapsed().as_secs_f64());
        assert!(messages.len() as u64 >= READ.min(length));
    }
    Duration::from_secs_f64(median(&times))
}
