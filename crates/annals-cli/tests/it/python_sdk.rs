//! Real input: spans of the official OpenTelemetry Python SDK come back equal.

use annals_testkit::{TestDatabase, on_every_backend};

use crate::{
    program::Run,
    serve_sdks::assert_compared,
    serving::{is_wanted, script},
};

on_every_backend!(spans_of_the_python_sdk_come_back_equal);

async fn spans_of_the_python_sdk_come_back_equal(database: TestDatabase) {
    if !is_wanted("python") {
        return;
    }
    let output = script("python/run.sh")
        .arg(env!("CARGO_BIN_EXE_annals"))
        .env("DATABASE_URL", &database.url)
        .output()
        .unwrap();
    let run = Run::from(output);
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    assert_compared(&run, "tests/python: ", (8, 900));
}
