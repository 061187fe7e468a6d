//! Real input: calls of models as the libraries tell of them that instrument such calls have the same
//! columns, tokens and cost.

use annals_testkit::{TestDatabase, on_every_backend};

use crate::{
    program::Run,
    serving::{Served, is_wanted, script},
};

on_every_backend!(a_call_of_a_model_is_the_same_whoever_tells_of_it);

/// A library, and how many calls of its program there are at least.
const LIBRARIES: [(&str, usize); 5] = [
    ("openai-v2", 6),
    ("openinference", 8),
    ("openllmetry", 8),
    ("langfuse", 9),
    ("vercel", 6),
];

async fn a_call_of_a_model_is_the_same_whoever_tells_of_it(database: TestDatabase) {
    if !is_wanted("python") {
        return;
    }
    let has_node = is_wanted("javascript");
    let served = Served::start(&database);
    let [http, _, otlp_http] = served.addresses();
    let mut programs = script("python/python.sh");
    programs.args(["llm_dialects.py", &http, &otlp_http]);
    if has_node {
        programs.arg(script("javascript/node.sh").get_program());
    }
    let run = Run::from(programs.output().unwrap());
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    // A library that is forgotten, or a program that does nothing, would pass unseen.
    for (library, least) in LIBRARIES {
        let calls = run.out.lines().find_map(|line| {
            let line = line.strip_prefix(library)?.strip_prefix(": ")?;
            let calls = line.strip_suffix(" calls are as they should be")?;
            calls.parse::<usize>().ok()
        });
        let is_left_out = library == "vercel" && !has_node;
        assert!(is_left_out || calls >= Some(least), "{library}: {run:?}");
    }
    let report = served.stop();
    let otlp = &report["roads"]["otlp"];
    assert_eq!(otlp["accepted"], otlp["committed"], "{report}");
    assert!(otlp["lost"] == 0 && otlp["parked"] == 0, "{report}");
}
