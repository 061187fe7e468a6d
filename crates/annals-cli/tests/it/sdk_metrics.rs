//! Real clients of a running server: what the official Python SDK measures with every instrument it has comes back.

use annals_testkit::{TestDatabase, on_every_backend};

use crate::{
    program::Run,
    serving::{Served, is_wanted, script},
};

on_every_backend!(the_python_sdk_reads_back_what_it_measured);

async fn the_python_sdk_reads_back_what_it_measured(database: TestDatabase) {
    if !is_wanted("python") {
        return;
    }
    let served = Served::start(&database);
    let mut script = script("python/python.sh");
    script.arg("send_metrics.py").args(served.addresses());
    let run = Run::from(script.output().unwrap());
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    // A road that it forgets, or a comparison that shrinks, would pass unseen.
    let compared: Vec<usize> = run
        .out
        .lines()
        .filter_map(|line| {
            let (_, answers) = line.split_once(": 8 metrics, ")?;
            answers.strip_suffix(" answers are the same")?.parse().ok()
        })
        .collect();
    assert_eq!(compared.len(), 8, "{}", run.out);
    assert!(compared.iter().all(|answers| *answers >= 80), "{}", run.out);
    let report = served.stop();
    let metrics = &report["roads"]["metrics"];
    assert_eq!(metrics["accepted"], metrics["committed"], "{report}");
    assert!(metrics["accepted"].as_u64() > Some(8 * 12), "{report}");
    assert!(metrics["lost"] == 0 && metrics["parked"] == 0, "{report}");
}
