//! `annals logs search` and `annals logs tail`.

use std::time::Duration;

use annals_record::Timestamp;
use annals_telemetry::{LogRecord, Logs, LogsOptions, MIGRATIONS};
use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::Value;

use crate::{
    program::{Run, annals},
    serving::Program,
};

on_every_backend!(
    logs_are_searched_by_every_flag,
    a_tail_begins_with_the_last_and_goes_on_until_it_is_interrupted,
);

fn run(database: &TestDatabase, arguments: &[&str]) -> Run {
    let directory = tempfile::tempdir().unwrap();
    annals(directory.path(), Some(&database.url), arguments)
}

async fn open(database: &TestDatabase) -> Logs {
    let store = database.store().await;
    store.migrator(&[&MIGRATIONS]).up().await.unwrap();
    Logs::new(store, LogsOptions::default()).await.unwrap()
}

fn said(minutes: u64, severity: i32, body: &str) -> LogRecord {
    let time = Timestamp::now() - Duration::from_secs(60 * minutes);
    LogRecord::new("shop", time, severity, body).unwrap()
}

async fn logs_are_searched_by_every_flag(database: TestDatabase) {
    let logs = open(&database).await;
    let records = vec![
        said(1, 9, "all is well"),
        said(2, 17, "out of stock").in_span("a".repeat(32), "b".repeat(16)),
        said(3, 13, "slow"),
    ];
    let written = logs.write(records).await.unwrap();
    assert_eq!(written.committed, 3);
    let search = |flags: &str| -> Vec<String> {
        let words: Vec<&str> = ["logs", "search", "--json"]
            .into_iter()
            .chain(flags.split_whitespace())
            .collect();
        let found = run(&database, &words).json();
        let records = found["logs"].as_array().unwrap().iter();
        records
            .map(|record| record["body"].as_str().unwrap().to_owned())
            .collect()
    };
    let trace = format!("--trace {}", "A".repeat(32));
    let span = format!("--span {} --since 1h", "b".repeat(16));
    for (flags, expected) in [
        ("", vec!["all is well", "out of stock", "slow"]),
        ("--oldest --limit 1", vec!["slow"]),
        ("--severity warn", vec!["out of stock", "slow"]),
        ("--severity 17", vec!["out of stock"]),
        ("--text WELL", vec!["all is well"]),
        (trace.as_str(), vec!["out of stock"]),
        (span.as_str(), vec!["out of stock"]),
        ("--since 150s", vec!["all is well", "out of stock"]),
        ("--service nobody", vec![]),
        ("--attribute user.id=7", vec![]),
    ] {
        assert_eq!(search(flags), expected, "{flags}");
    }
    let shown = run(&database, &["logs", "search", "--text", "stock"]);
    assert!(shown.err.contains("--since does"), "{shown:?}");
    assert!(
        shown.out.contains("ERROR  shop  out of stock  trace=aaaa"),
        "{shown:?}"
    );
    let wrong = run(&database, &["logs", "search", "--severity", "loud"]);
    assert!(
        wrong.code != 0 && wrong.err.contains("trace, debug"),
        "{wrong:?}"
    );
}

async fn a_tail_begins_with_the_last_and_goes_on_until_it_is_interrupted(database: TestDatabase) {
    let logs = open(&database).await;
    let records = vec![
        said(3, 17, "one"),
        said(2, 17, "two"),
        said(1, 9, "no error"),
    ];
    let written = logs.write(records).await.unwrap();
    assert_eq!(written.committed, 3);
    let flags = [
        "logs",
        "tail",
        "--severity",
        "error",
        "--lines",
        "1",
        "--json",
    ];
    let last = run(&database, &[&flags[..], &["--no-follow"]].concat());
    let last: Value = serde_json::from_str(last.out.trim()).unwrap();
    assert_eq!(last["body"], "two");
    let mut tail = Program::start(
        tempfile::tempdir().unwrap(),
        &[("DATABASE_URL", &database.url)],
        &flags,
    );
    let next = || tail.json_line()["body"].as_str().unwrap().to_owned();
    assert_eq!(next(), "two");
    // By another process, and of an earlier time.
    for body in ["three", "four"] {
        let written = logs
            .write(vec![said(100, 21, body), said(0, 9, "no")])
            .await;
        assert_eq!(written.unwrap().committed, 2);
        assert_eq!(next(), body);
    }
    // At once, while it may still be busy with the line.
    tail.signal("INT");
    assert!(tail.end().success(), "Ctrl-C is its normal end");
    assert_eq!(tail.line(), None);
}
