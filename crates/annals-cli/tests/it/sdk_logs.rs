//! Real clients of a running server: what Python's logging says by the official SDK comes back, and is followed.

use annals_testkit::{TestDatabase, on_every_backend};

use crate::{
    program::Run,
    serving::{Served, is_wanted, script},
};

on_every_backend!(the_python_sdk_reads_back_what_was_logged);

async fn the_python_sdk_reads_back_what_was_logged(database: TestDatabase) {
    if !is_wanted("python") {
        return;
    }
    let served = Served::start(&database);
    let mut script = script("python/python.sh");
    script.arg("send_logs.py").args(served.addresses());
    let run = Run::from(script.output().unwrap());
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    // A road that it forgets, or a comparison that shrinks, would pass unseen.
    let compared: Vec<usize> = run
        .out
        .lines()
        .filter_map(|line| {
            let (_, answers) = line.split_once(": 16 log records, ")?;
            answers.strip_suffix(" answers are the same")?.parse().ok()
        })
        .collect();
    assert_eq!(compared.len(), 4, "{}", run.out);
    assert!(
        compared.iter().all(|answers| *answers >= 100),
        "{}",
        run.out
    );
    let report = served.stop();
    let logs = &report["roads"]["logs"];
    assert_eq!(logs["accepted"], 4 * 16, "{report}");
    assert_eq!(logs["committed"], 4 * 16, "{report}");
    assert!(logs["lost"] == 0 && logs["parked"] == 0, "{report}");
}
