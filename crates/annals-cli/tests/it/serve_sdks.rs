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

async fn the_python_sdk_reads_back_what_it_sent(database: TestDatabase) {
    let arguments = ["python/python.sh", "send_spans.py"];
    let roads = ["gRPC: ", "gRPC, gzip: ", "HTTP: ", "HTTP, gzip: "];
    sdk_reads_back_what_it_sent("python", &arguments, &roads, &database);
}

async fn the_javascript_sdk_reads_back_what_it_sent(database: TestDatabase) {
    let roads = ["grpc: ", "proto: ", "proto-gzip: ", "json: ", "json-gzip: "];
    sdk_reads_back_what_it_sent("javascript", &["javascript/run.sh"], &roads, &database);
}

fn sdk_reads_back_what_it_sent(
    sdk: &str,
    command: &[&str],
    roads: &[&str],
    database: &TestDatabase,
) {
    if !is_wanted(sdk) {
        return;
    }
    let served = Served::start(database);
    let mut script = script(command[0]);
    script.args(&command[1..]).args(served.addresses());
    let run = Run::from(script.output().unwrap());
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    for road in roads {
        // A road that a script forgets would pass unseen.
        let line = run.out.lines().find(|line| line.starts_with(road));
        assert!(
            line.is_some_and(|line| line.ends_with("are the same, field by field")),
            "{run:?}"
        );
    }
    let report = served.stop();
    let otlp = &report["roads"]["otlp"];
    assert_eq!(otlp["accepted"], otlp["committed"], "{report}");
    assert!(otlp["lost"] == 0 && otlp["parked"] == 0, "{report}");
}
