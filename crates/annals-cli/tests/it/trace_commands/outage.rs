//! The server goes away and comes back: nothing of a job is lost, and no job is failed by it.

use annals_testkit::{TestDatabase, on_every_backend};

use super::{Machine, free, serve_at};
use crate::deployed::{SECRET, WORKSPACE, deployed, deployments, externally, token};

on_every_backend!(a_server_that_was_killed_has_everything_after_its_return);

async fn a_server_that_was_killed_has_everything_after_its_return(database: TestDatabase) {
    let deployed = deployed(&deployments(&database).await, WORKSPACE).await;
    let http = free();
    let machine = Machine::new(http);
    let token = token(machine.directory.path(), SECRET, WORKSPACE, &deployed);
    let machine = machine.with_token(&token);
    let statuses = || {
        externally(&database, |span| {
            format!("{} {}", span.name, span.status.as_deref().unwrap())
        })
    };

    let mut server = serve_at(&database, http);
    machine.ok(&["start", "Deploy"]);
    machine.ok(&["metadata", "commit", "abc"]);
    server.signal("KILL");
    server.end();
    // A running deployment can be seen while the server is away, and after it.
    assert_eq!(statuses().await, ["Deploy running"]);

    // The job goes on, and is told.
    for arguments in [
        &["step", "Apply", "pass"][..],
        &["start", "Verify"],
        &["metadata", "pods", "3"],
        &["step", "Pods", "fail", "--message", "2/3 ready"],
        &["end"],
    ] {
        let run = machine.trace(arguments);
        assert_eq!(run.code, 0, "{run:?}");
        let is_told = run.err.contains("warning") && run.err.contains("kept in");
        assert!(is_told && run.err.contains("annals trace flush"), "{run:?}");
    }
    // What must deliver cannot, and says where it is kept.
    let end = machine.trace(&["end", "--wait", "0s"]);
    assert!(
        end.code == 1 && end.err.contains("annals trace flush"),
        "{end:?}"
    );
    let state = machine.state();
    assert!(end.err.contains(state.to_str().unwrap()), "{end:?}");
    let text = std::fs::read_to_string(&state).unwrap();
    assert!(!text.contains(token.split('.').next().unwrap()), "{text}");

    let server = serve_at(&database, http);
    machine.ok(&["flush"]);
    assert_eq!(
        statuses().await,
        [
            "Deploy failed",
            "Apply completed",
            "Verify failed",
            "Pods failed"
        ]
    );
    let events = "SELECT count(*) FROM deployment_trace_span
                  WHERE name = 'Verify' AND CAST(events AS TEXT) LIKE '%pods%'";
    assert_eq!(database.number(events).await, 1);
    assert_eq!(machine.kept(), Vec::<std::path::PathBuf>::new());
    // There is nothing to do any more, and that is well.
    machine.ok(&["flush"]);

    // What waits for a server has it when it comes in time.
    drop(server);
    let run = machine.trace(&["step", "Cleanup", "pass"]);
    assert_eq!(run.code, 0, "{run:?}");
    let flushed = std::thread::scope(|scope| {
        let flush = scope.spawn(|| machine.trace(&["flush", "--wait", "60s"]));
        let _server = serve_at(&database, http);
        flush.join().unwrap()
    });
    assert_eq!((flushed.code, flushed.err.as_str()), (0, ""), "{flushed:?}");
    let cleanup = "SELECT count(*) FROM deployment_trace_span WHERE name = 'Cleanup'";
    assert_eq!(database.number(cleanup).await, 1);
    // All of it is one trace, though its file was gone in between.
    let traces =
        "SELECT count(DISTINCT trace_id) FROM deployment_trace_span WHERE phase = 'external'";
    assert_eq!(database.number(traces).await, 1);
}

#[test]
fn a_server_that_says_nothing_is_waited_for_once() {
    // Connections are made by the system, and nobody ever answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let machine = Machine::new(silent.local_addr().unwrap()).with_token("no.token");
    let first = machine.trace(&["start", "Deploy"]);
    assert!(
        first.code == 0 && first.err.contains("does not answer within"),
        "{first:?}"
    );
    let then = machine.trace(&["step", "Apply", "pass"]);
    assert!(
        then.code == 0 && then.err.contains("a short while ago"),
        "{then:?}"
    );
    assert!(then.err.contains("2 spans are kept in"), "{then:?}");
    // What must deliver tries all the same.
    let end = machine.trace(&["end", "--wait", "0s"]);
    assert!(
        end.code == 1 && end.err.contains("does not answer within"),
        "{end:?}"
    );
}
