//! Real clients of a running server: what the official OpenTelemetry SDKs send comes back equal, field by
//! field, by every exporter that they have.

use annals_testkit::{TestDatabase, on_every_backend};

use crate::{
    program::Run,
    serving::{Served, is_wanted, script},
};

on_every_backend!(
    the_python_sdk_reads_back_what_it_sent,
    the_javascript_sdk_reads_back_what_it_sent,
);

/// By which exporter, how many spans, and at least how many fields of them were compared.
type Road = (&'static str, (usize, usize));

async fn the_python_sdk_reads_back_what_it_sent(database: TestDatabase) {
    let command = ["python/python.sh", "send_spans.py"];
    let roads = ["gRPC: ", "gRPC, gzip: ", "HTTP: ", "HTTP, gzip: "].map(|road| (road, (8, 800)));
    let Some(run) = sdk_reads_back_what_it_sent("python", &command, &roads, &database) else {
        return;
    };
    // The comparison, which the SDKs share, was doubted too.
    let altered = run.out.lines().find_map(|line| {
        let line = line.strip_prefix("every one of ")?;
        line.strip_suffix(" alterations is seen")?.parse().ok()
    });
    assert!(altered > Some(2_000), "{run:?}");
}

async fn the_javascript_sdk_reads_back_what_it_sent(database: TestDatabase) {
    // JSON cannot carry some of the numbers, so those are not in its trace.
    let roads = [
        ("grpc: ", (6, 750)),
        ("proto: ", (6, 750)),
        ("proto-gzip: ", (6, 750)),
        ("json: ", (6, 680)),
        ("json-gzip: ", (6, 680)),
    ];
    sdk_reads_back_what_it_sent("javascript", &["javascript/run.sh"], &roads, &database);
}

fn sdk_reads_back_what_it_sent(
    sdk: &str,
    command: &[&str],
    roads: &[Road],
    database: &TestDatabase,
) -> Option<Run> {
    if !is_wanted(sdk) {
        return None;
    }
    let served = Served::start(database);
    let mut script = script(command[0]);
    script.args(&command[1..]).args(served.addresses());
    let run = Run::from(script.output().unwrap());
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    for (road, least) in roads {
        assert_compared(&run, road, *least);
    }
    let report = served.stop();
    let otlp = &report["roads"]["otlp"];
    let sent: usize = roads.iter().map(|(_, (spans, _))| spans).sum();
    assert_eq!(otlp["accepted"], sent, "{report}");
    assert_eq!(otlp["committed"], sent, "{report}");
    assert!(otlp["lost"] == 0 && otlp["parked"] == 0, "{report}");
    Some(run)
}

/// That a script says of a road that so many spans, and at least so many fields of them, are the same. A
/// road that it forgets, or a trace that shrinks, would pass unseen.
pub(crate) fn assert_compared(run: &Run, road: &str, (spans, least): (usize, usize)) {
    let compared = run.out.lines().find_map(|line| {
        let line = line
            .strip_prefix(road)?
            .strip_suffix(" fields are the same")?;
        let (spans, fields) = line.split_once(" spans with ")?;
        Some((spans.parse::<usize>().ok()?, fields.parse::<usize>().ok()?))
    });
    assert!(
        compared.is_some_and(|(found, fields)| found == spans && fields >= least),
        "{road}{compared:?}: {}",
        run.out
    );
}
