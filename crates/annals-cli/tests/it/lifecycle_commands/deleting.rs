//! What goes for good: it is said, and asked about, before it goes.

use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::{Value, json};

use super::Place;

on_every_backend!(
    retention_says_what_goes_and_asks,
    retention_of_one_owner_leaves_the_others,
    rows_of_one_owner_are_deleted_after_a_question,
);

async fn retention_says_what_goes_and_asks(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[("api", 100), ("api", 95), ("api", 1)]);
    let set = ["policy", "set", "retention", "spans", "--after", "90 days"];
    let what = if place.has_chunks() {
        "2 chunks"
    } else {
        "2 rows"
    };
    let would = place.ok(&[&set[..], &["--dry-run"]].concat());
    assert!(would.contains(what) && would.contains("not set"), "{would}");
    let unasked = place.refused(&set);
    assert!(unasked.contains("--yes"), "{unasked}");
    assert_eq!(place.policies("retention", "spans"), [] as [Value; 0]);

    let told = place.json(&[&set[..], &["--yes"]].concat());
    let due = if place.has_chunks() {
        &told["due"]["chunks"]
    } else {
        &told["due"]["rows"]
    };
    assert_eq!(due, 2, "{told}");
    assert_eq!(
        (&told["interval"], &told["is_set"]),
        (&json!("90 days"), &json!(true)),
        "{told}"
    );
    // Who runs it has not run.
    assert_eq!(place.spans().await, 3);
    // Nothing would go: nothing is asked.
    place.ok(&["policy", "set", "retention", "spans", "--after", "1 year"]);
    assert_eq!(
        place.policies("retention", "spans")[0]["interval"],
        "1 year"
    );
}

async fn retention_of_one_owner_leaves_the_others(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[("load", 20), ("api", 20), ("load", 1)]);
    let set = [
        "policy",
        "set",
        "retention",
        "spans",
        "--after",
        "14 days",
        "--only",
        "load",
    ];
    let would = place.ok(&[&set[..], &["--dry-run"]].concat());
    assert!(would.contains("1 row"), "{would}");
    place.refused(&set);
    place.ok(&[&set[..], &["--yes"]].concat());
    let ran = place.ok(&["policy", "run", "spans", "--yes"]);
    assert!(ran.contains("retention of \"load\" after 14 days"), "{ran}");
    assert_eq!(place.spans().await, 2);
    let of_api = "SELECT count(*) FROM spans WHERE service_name = 'api'";
    assert_eq!(database.number(of_api).await, 1);
}

async fn rows_of_one_owner_are_deleted_after_a_question(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[
        ("load", 40),
        ("load", 20),
        ("load", 1),
        ("api", 20),
        ("it's \"odd\" 日本", 20),
    ]);
    let delete = ["delete", "spans", "--only", "load"];
    let would = place.ok(&[&delete[..], &["--dry-run"]].concat());
    assert!(would.contains("3 rows would be deleted"), "{would}");
    let unasked = place.refused(&delete);
    assert!(unasked.contains("--yes"), "{unasked}");
    assert_eq!(place.spans().await, 5);
    let old = place.json(&[&delete[..], &["--older-than", "30 days", "--yes"]].concat());
    assert_eq!(
        (&old["rows"], &old["older_than"]),
        (&json!(1), &json!("30 days")),
        "{old}"
    );
    assert_eq!(place.spans().await, 4);
    let all = place.ok(&[&delete[..], &["--yes"]].concat());
    assert!(all.contains("2 rows deleted"), "{all}");
    // Nobody is asked about nothing.
    let nobody = place.ok(&delete);
    assert!(nobody.contains("nothing to do"), "{nobody}");
    let odd = place.json(&["delete", "spans", "--only", "it's \"odd\" 日本", "--yes"]);
    assert_eq!(odd["rows"], 1, "{odd}");
    assert_eq!(place.spans().await, 1);
}

/// A command on a terminal where somebody types.
#[cfg(target_os = "linux")]
fn on_terminal(place: &Place<'_>, typed: &str, command: &str) -> Option<crate::program::Run> {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };
    let program = env!("CARGO_BIN_EXE_annals");
    let started = Command::new("script")
        .args(["-qec", &format!("{program} {command}"), "/dev/null"])
        .current_dir(place.directory.path())
        .env("DATABASE_URL", &place.database.url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut terminal) = started else {
        println!("skipped: there is no `script` that gives a program a terminal");
        return None;
    };
    let mut keyboard = terminal.stdin.take().unwrap();
    keyboard.write_all(typed.as_bytes()).unwrap();
    drop(keyboard);
    Some(terminal.wait_with_output().unwrap().into())
}

#[test]
#[cfg(target_os = "linux")]
fn a_question_is_answered_on_the_terminal() {
    annals_testkit::backend::run(annals_testkit::Backend::Sqlite, async |database| {
        let place = Place::of(&database).with_spans(&[("load", 100), ("load", 1), ("api", 1)]);
        let Some(no) = on_terminal(&place, "n\n", "delete spans --only load") else {
            return;
        };
        let question = "Delete 2 rows for good (spans, service_name \"load\")? [y/N]";
        assert!(no.code == 2 && no.out.contains(question), "{no:?}");
        let set = "policy set retention spans --after 90d";
        let neither = on_terminal(&place, "\n", set).unwrap();
        assert!(
            neither.code == 2 && neither.out.contains("1 row"),
            "{neither:?}"
        );
        assert_eq!(place.spans().await, 3);
        assert_eq!(place.policies("retention", "spans"), [] as [Value; 0]);
        let yes = on_terminal(&place, "y\n", "delete spans --only load").unwrap();
        assert!(
            yes.code == 0 && yes.out.contains("2 rows deleted"),
            "{yes:?}"
        );
        assert_eq!(place.spans().await, 1);
    });
}
