//! Real input: spans of the official OpenTelemetry Python SDK come back equal.

use std::{path::Path, process::Command, sync::Mutex};

use annals_testkit::{TestDatabase, on_every_backend};

use crate::program::Run;

on_every_backend!(spans_of_the_python_sdk_come_back_equal);

/// The virtual environment is made once, by whoever comes first.
static ENVIRONMENT: Mutex<()> = Mutex::new(());

async fn spans_of_the_python_sdk_come_back_equal(database: TestDatabase) {
    let wanted = std::env::var("ANNALS_TEST_SDKS").unwrap_or_default();
    if !wanted.split(',').any(|sdk| sdk == "python") {
        println!("skipped: ANNALS_TEST_SDKS does not name python; scripts/test does");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/run.sh");
    let alone = ENVIRONMENT.lock();
    let output = Command::new("bash")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_annals"))
        .env("DATABASE_URL", &database.url)
        .output()
        .unwrap();
    drop(alone);
    let run = Run::from(output);
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
}
