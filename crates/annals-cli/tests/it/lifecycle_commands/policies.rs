//! Policies by command line: set, shown, removed, and run by hand.

use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::{Value, json};

use super::{Place, migrate_down};

on_every_backend!(
    policies_are_set_shown_and_removed,
    a_default_that_was_removed_stays_away,
    policies_survive_a_migration_down_and_up,
    policies_are_run_by_hand_after_a_question,
);

async fn policies_are_set_shown_and_removed(database: TestDatabase) {
    let place = Place::of(&database);
    assert_eq!(place.policies("retention", "spans"), [] as [Value; 0]);
    let set = ["policy", "set", "retention", "spans", "--after"];
    let told = place.ok(&[&set[..], &["90 days"]].concat());
    assert!(
        told.contains("spans: retention after 90 days") && told.contains("annals serve"),
        "{told}"
    );
    // In place of the one before.
    place.ok(&[&set[..], &["1 year 6 months"]].concat());
    place.ok(&[&set[..], &["14d", "--only", "load test"]].concat());
    let policies = place.policies("retention", "spans");
    let told: Vec<_> = policies
        .iter()
        .map(|one| (one["only"].as_str(), one["interval"].as_str().unwrap()))
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.contains(&(None, "1 year 6 months")), "{told:?}");
    assert!(told.contains(&(Some("load test"), "14 days")), "{told:?}");
    for policy in &policies {
        assert_eq!(
            (&policy["is_set"], &policy["table"]),
            (&json!(true), &json!("spans"))
        );
        assert_eq!(policy["runner"], "annals serve", "{policy}");
        assert_eq!(policy["has_failed"], false, "{policy}");
    }
    let text = place.ok(&["policy", "show"]);
    let line = text
        .lines()
        .find(|line| line.contains("load test"))
        .unwrap();
    assert!(
        line.contains("spans") && line.contains("after 14 days"),
        "{text}"
    );

    let refresh = place.json(&["policy", "set", "refresh", "bars_1m", "--every", "1 minute"]);
    assert_eq!(
        (&refresh["kind"], &refresh["interval"]),
        (&json!("refresh"), &json!("1 minute")),
        "{refresh}"
    );
    let unasked = place.refused(&["policy", "remove", "retention", "spans"]);
    assert!(unasked.contains("--yes"), "{unasked}");
    assert_eq!(place.policies("retention", "spans").len(), 2);
    let removed = place.ok(&["policy", "remove", "retention", "spans", "--yes"]);
    assert!(
        removed.contains("no policy of retention any more"),
        "{removed}"
    );
    let left = place.policies("retention", "spans");
    let left: Vec<_> = left
        .iter()
        .filter(|one| !one["interval"].is_null())
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["only"], "load test", "{left:?}");
    let again = place.ok(&["policy", "remove", "retention", "spans"]);
    assert!(again.contains("nothing to do"), "{again}");
}

async fn a_default_that_was_removed_stays_away(database: TestDatabase) {
    let place = Place::of(&database);
    let defaults = place.policies("refresh", "bars_1m");
    assert_eq!(defaults.len(), 1, "{defaults:?}");
    assert_eq!(defaults[0]["is_set"], false, "{defaults:?}");
    place.ok(&["policy", "remove", "refresh", "bars_1m", "--yes"]);
    place.ok(&["migrate", "up"]);
    let never = place.policies("refresh", "bars_1m");
    assert!(
        never.iter().all(|one| one["interval"].is_null()),
        "{never:?}"
    );
    let text = place.ok(&["policy", "show", "bars_1m"]);
    assert!(!text.contains("every"), "{text}");
    place.ok(&["policy", "set", "refresh", "bars_1m", "--every", "5s"]);
    assert_eq!(
        place.policies("refresh", "bars_1m")[0]["interval"],
        "5 seconds"
    );
}

async fn policies_survive_a_migration_down_and_up(database: TestDatabase) {
    let place = Place::of(&database);
    let set = ["policy", "set", "retention", "spans", "--after"];
    place.ok(&[&set[..], &["90 days"]].concat());
    place.ok(&[&set[..], &["1 day", "--only", "load-test"]].concat());
    place.ok(&["policy", "set", "refresh", "bars_1m", "--every", "1 minute"]);
    place.ok(&["policy", "remove", "refresh", "bars_1m", "--yes"]);
    let all = || {
        (
            place.policies("retention", "spans"),
            place.policies("refresh", "bars_1m"),
        )
    };
    let before = all();
    migrate_down(&place);
    place.ok(&["migrate", "up"]);
    assert_eq!(before, all());
    assert_eq!(before.0.len(), 2, "{before:?}");
    assert!(before.1.iter().all(|one| one["interval"].is_null()));
}

async fn policies_are_run_by_hand_after_a_question(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[("api", 100), ("api", 95), ("api", 1)]);
    place.ok(&[
        "policy",
        "set",
        "retention",
        "spans",
        "--after",
        "90 days",
        "--yes",
    ]);
    let dry = place.json(&["policy", "run", "--dry-run"]);
    assert_eq!(dry["dry_run"], true, "{dry}");
    let policies = dry["policies"].as_array().unwrap();
    let retention = policies
        .iter()
        .find(|one| one["kind"] == "retention")
        .unwrap();
    assert!(
        retention["due"]["chunks"] == 2 || retention["due"]["rows"] == 2,
        "{dry}"
    );
    let text = place.ok(&["policy", "run", "spans", "--dry-run"]);
    assert!(text.contains("would let go: 2 "), "{text}");
    let unasked = place.refused(&["policy", "run"]);
    assert!(unasked.contains("--yes"), "{unasked}");
    assert_eq!(place.spans().await, 3);

    let ran = place.json(&["policy", "run", "--yes"]);
    let policies = ran["policies"].as_array().unwrap();
    assert!(policies.iter().all(|one| one["error"].is_null()), "{ran}");
    assert!(
        policies.iter().any(|one| one["kind"] == "retention"),
        "{ran}"
    );
    assert_eq!(place.spans().await, 1);
    // It is known who did what.
    let status = &place.policies("retention", "spans")[0];
    assert!(status["last_run"].is_string(), "{status}");
    assert!(status["last_outcome"].is_string(), "{status}");
    // Nothing would go: nothing is asked.
    place.ok(&["policy", "run", "spans"]);
}
