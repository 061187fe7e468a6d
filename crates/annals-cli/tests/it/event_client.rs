//! A client of the event store that shares no code with it.

use annals_testkit::{TestDatabase, on_every_backend};

use crate::{
    program::Run,
    serving::{is_wanted, script},
};

on_every_backend!(a_client_in_javascript_finds_everything_as_it_should_be);

async fn a_client_in_javascript_finds_everything_as_it_should_be(database: TestDatabase) {
    if !is_wanted("javascript") {
        return;
    }
    let mut client = script("javascript/events.js");
    client.args([env!("CARGO_BIN_EXE_annals"), &database.url]);
    let run = Run::from(client.output().unwrap());
    assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
    // A script that forgets most of what it does would pass unseen.
    let found = run
        .out
        .lines()
        .filter(|line| line.starts_with("as it should be: "));
    assert_eq!(found.count(), 6, "{}", run.out);
}
