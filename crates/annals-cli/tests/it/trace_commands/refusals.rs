//! Tokens, spans and files that cannot be used: each says so, and nothing is stored.

use std::{path::PathBuf, time::Duration};

use annals_deploy::{Claims, TokenKeys};
use annals_record::Timestamp;
use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::Value;

use super::{Machine, free, serve};
use crate::{
    deployed::{
        Deployed, OTHER, SECRET, WORKSPACE, deployed, deployments, externally, token, workspace,
    },
    program::annals_with,
};

on_every_backend!(
    a_token_that_is_not_to_be_believed_stores_nothing,
    a_token_of_another_workspace_reaches_nothing_of_this_one,
    an_action_that_no_server_takes_harms_only_itself,
);

async fn a_token_that_is_not_to_be_believed_stores_nothing(database: TestDatabase) {
    let deployed = deployed(&deployments(&database).await, WORKSPACE).await;
    let served = serve(&database);
    let directory = tempfile::tempdir().unwrap();
    let good = token(directory.path(), SECRET, WORKSPACE, &deployed);
    let (payload, signature) = good.split_once('.').unwrap();
    let keys = TokenKeys::new(SECRET).unwrap();
    let claims = Claims::lasting(
        &deployed.trace_id,
        &deployed.job_span,
        "job-42",
        workspace(WORKSPACE),
        Duration::from_secs(3_600),
        Timestamp::now() - Duration::from_secs(7_200),
    );
    let expired = keys.sign(&claims).as_str().to_owned();
    // The payload of another token, with this one's signature.
    let (expired_payload, _) = expired.split_once('.').unwrap();
    let wrong_key = token(
        directory.path(),
        "another secret of 16 bytes",
        WORKSPACE,
        &deployed,
    );
    let count = "SELECT count(*) FROM deployment_trace_span";
    let before = database.number(count).await;
    for (token, status, told) in [
        (
            format!("{expired_payload}.{signature}"),
            401,
            "invalid signature",
        ),
        (expired.clone(), 401, "token expired"),
        (wrong_key, 401, "invalid signature"),
        (payload.to_owned(), 401, "invalid token format"),
        ("not.a-token".to_owned(), 401, "invalid"),
    ] {
        let machine = Machine::new(served.http).with_token(&token);
        for arguments in [&["start", "Deploy"][..], &["step", "Apply", "pass"]] {
            let run = machine.trace(arguments);
            assert_eq!(run.code, 2, "{told}: {run:?}");
            let says = run.err.contains(told) && run.err.contains(&format!("status {status}"));
            assert!(
                says && run.err.contains("nothing is kept"),
                "{told}: {run:?}"
            );
            assert!(!run.err.contains(&token), "{run:?}");
        }
        assert_eq!(machine.kept(), Vec::<PathBuf>::new(), "{told}");
        assert_eq!(database.number(count).await, before, "{told}");
    }
    // The one that is good is.
    Machine::new(served.http)
        .with_token(&good)
        .ok(&["step", "Apply", "pass"]);
    assert_eq!(database.number(count).await, before + 1);
}

async fn a_token_of_another_workspace_reaches_nothing_of_this_one(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let deployed = deployed(&deployments, WORKSPACE).await;
    let served = serve(&database);
    let directory = tempfile::tempdir().unwrap();
    let foreign = token(directory.path(), SECRET, OTHER, &deployed);
    let machine = Machine::new(served.http).with_token(&foreign);
    let told = machine.refused(&["step", "Apply", "pass"]);
    assert!(
        told.contains("status 403") && told.contains("is of another workspace"),
        "{told}"
    );
    let apply = "SELECT count(*) FROM deployment_trace_span WHERE name = 'Apply'";
    assert_eq!(database.number(apply).await, 0);
    let reads = deployments.workspace(workspace(WORKSPACE));
    assert_eq!(
        reads.tree(&deployed.trace_id).await.unwrap().walk().count(),
        8
    );

    // Nor has it when a span says that it is of this one.
    let mut machine = Machine::new(free()).with_token(&foreign);
    assert_eq!(machine.trace(&["step", "Steal", "pass"]).code, 0);
    change(&machine, |span| {
        span["attributes"]["ctrlplane.workspace_id"] = WORKSPACE.into();
    });
    machine.url = format!("http://{}", served.http);
    let told = machine.refused(&["flush"]);
    assert!(
        told.contains("status 403") && told.contains("workspace"),
        "{told}"
    );
    assert_eq!(machine.kept(), Vec::<PathBuf>::new());
    let stolen = "SELECT count(*) FROM deployment_trace_span WHERE name = 'Steal'";
    assert_eq!(database.number(stolen).await, 0);
}

/// Changes what is kept of the last span, as somebody could who owns the file.
fn change(machine: &Machine, change: impl Fn(&mut Value)) {
    let state = machine.state();
    let mut document: Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
    let spans = document["spans"].as_array_mut().unwrap();
    change(&mut spans.last_mut().unwrap()["span"]);
    std::fs::write(state, document.to_string()).unwrap();
}

async fn an_action_that_no_server_takes_harms_only_itself(database: TestDatabase) {
    let deployed = deployed(&deployments(&database).await, WORKSPACE).await;
    let served = serve(&database);
    let machine = Machine::new(free());
    let token = token(machine.directory.path(), SECRET, WORKSPACE, &deployed);
    let mut machine = machine.with_token(&token);
    for name in ["a", "b", "c"] {
        assert_eq!(machine.trace(&["step", name, "pass"]).code, 0);
    }
    // Somebody has changed the file: one of the spans begins at no time.
    change(&machine, |span| span["start_time"] = "yesterday".into());
    for name in ["d", "e"] {
        assert_eq!(machine.trace(&["step", name, "pass"]).code, 0);
    }
    machine.url = format!("http://{}", served.http);
    let told = machine.refused(&["flush"]);
    assert!(
        told.contains("the span \"c\"") && told.contains("not kept"),
        "{told}"
    );
    let names = externally(&database, |span| span.name.clone()).await;
    assert_eq!(names, ["a", "b", "d", "e"]);
    assert_eq!(machine.kept(), Vec::<PathBuf>::new());
}

/// A machine whose server is nowhere.
fn alone() -> Machine {
    Machine::new(free()).with_token("no.token")
}

#[test]
fn what_has_no_way_to_go_says_what_to_set() {
    let told = alone().with_token("").refused(&["start", "Deploy"]);
    assert!(told.contains("ANNALS_TRACE_TOKEN"), "{told}");
    let told = alone().refused(&["start", "Deploy", "--url", "ftp://x"]);
    assert!(told.contains("--url or ANNALS_URL"), "{told}");
    let told = alone().refused(&["flush", "--wait", "soon"]);
    assert!(told.contains("--wait") && told.contains("30s"), "{told}");
    let machine = alone();
    assert!(machine.refused(&["end"]).contains("annals trace start"));
    assert!(
        machine
            .refused(&["metadata", "k", "v"])
            .contains("no action is open")
    );
    assert!(
        machine
            .refused(&["end", "--action", "ffff"])
            .contains("\"ffff\"")
    );
    assert!(machine.refused(&["start", " "]).contains("name"));
    assert_eq!(machine.kept(), Vec::<PathBuf>::new());
    // Nothing is open, which is what is asked for.
    machine.ok(&["end", "--all"]);
    machine.ok(&["flush"]);
}

#[test]
fn a_state_that_cannot_be_understood_is_named_and_stays() {
    let machine = alone();
    let state = machine.directory.path().join("state.json");
    let with_state = |command: &[&'static str]| {
        [command, &["--state", state.to_str().unwrap()]]
            .concat()
            .join(" ")
    };
    let run = |line: &str| machine.trace(&line.split(' ').collect::<Vec<_>>());
    assert_eq!(run(&with_state(&["start", "Deploy"])).code, 0);
    let good = std::fs::read(&state).unwrap();
    std::fs::write(&state, &good[..good.len() / 2]).unwrap();
    for command in [&["step", "Apply", "pass"][..], &["end"], &["flush"]] {
        let broken = run(&with_state(command));
        assert!(
            broken.code == 2 && broken.err.contains("state.json"),
            "{broken:?}"
        );
        assert!(broken.err.contains("delete it"), "{broken:?}");
        assert_eq!(std::fs::read(&state).unwrap(), &good[..good.len() / 2]);
    }
    // The state of one job is not another's.
    std::fs::write(&state, &good).unwrap();
    let other = Machine::new(free()).with_token("another.token");
    let told = other.refused(&["end", "--state", state.to_str().unwrap()]);
    assert!(told.contains("another token"), "{told}");
    assert_eq!(std::fs::read(&state).unwrap(), good);
}

#[test]
fn a_configuration_in_the_checkout_does_not_say_where_the_token_goes() {
    let machine = alone();
    let file = machine.directory.path().join("annals.toml");
    std::fs::write(file, "this is = no = configuration").unwrap();
    let run = machine.trace(&["start", "Deploy"]);
    assert!(run.code == 0 && run.err.contains("kept in"), "{run:?}");
}

#[test]
fn a_token_is_made_of_a_secret_that_is_never_told() {
    let directory = tempfile::tempdir().unwrap();
    let deployed = Deployed {
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
        job_span: "00f067aa0ba902b7".to_owned(),
    };
    let made = token(directory.path(), SECRET, WORKSPACE, &deployed);
    let claims = TokenKeys::new(SECRET)
        .unwrap()
        .verify(&made, Timestamp::now())
        .unwrap();
    assert_eq!(claims.span_id, deployed.job_span);
    let life = claims.expires_at.duration_since(Timestamp::now()).as_secs();
    assert!(life.abs_diff(86_400) < 120, "{life}");

    let asked = [
        "trace",
        "token",
        "--trace",
        "t",
        "--span",
        "s",
        "--workspace",
        WORKSPACE,
    ];
    let with = |settings: &[(&str, &str)], more: &[&str]| {
        annals_with(directory.path(), settings, &[&asked[..], more].concat())
    };
    let run = with(&[], &[]);
    assert!(
        run.code == 2 && run.err.contains("TRACE_TOKEN_SECRET"),
        "{run:?}"
    );
    let run = with(&[("TRACE_TOKEN_SECRET", "short one")], &[]);
    assert!(run.code == 2 && !run.err.contains("short one"), "{run:?}");
    let secret = [("TRACE_TOKEN_SECRET", SECRET)];
    for (more, told) in [
        (&["--life", "0s"][..], "--life"),
        (&["--life", "long"], "--life"),
    ] {
        let run = with(&secret, more);
        assert!(run.code == 2 && run.err.contains(told), "{run:?}");
    }
    let run = with(&secret, &["--life", "1h", "--json"]).json();
    assert!(
        run["expires_at"].is_string() && run["token"].is_string(),
        "{run}"
    );
    let shop = annals_with(
        directory.path(),
        &secret,
        &[
            "trace",
            "token",
            "--trace",
            "t",
            "--span",
            "s",
            "--workspace",
            "shop",
        ],
    );
    assert!(shop.code == 2 && shop.err.contains("\"shop\""), "{shop:?}");
}
