//! Traces listed, drawn and explained.

use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::{Value, json};

use super::Place;
use crate::deployed::{OTHER, TARGET, WORKSPACE, blocked, deployed, deployments};

on_every_backend!(
    deployments_are_listed_by_what_they_are,
    a_blocked_deployment_says_why,
    a_trace_is_drawn_and_told,
    phases_tell_how_they_went,
    before_the_first_migration_there_is_a_way_out,
);

async fn deployments_are_listed_by_what_they_are(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let good = deployed(&deployments, WORKSPACE).await.trace_id;
    let bad = blocked(&deployments, WORKSPACE).await;
    let place = Place::of(&database);
    let traces = |more: &[&str]| -> Vec<String> {
        let listed = place.json(&[&["deployments", "list"], more].concat());
        let traces = listed["traces"].as_array().unwrap().iter();
        traces
            .map(|one| one["trace_id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(traces(&[]), [bad.clone(), good.clone()]);
    assert_eq!(traces(&["--status", "failed"]), std::slice::from_ref(&bad));
    for (flag, value) in [
        ("--deployment", "api"),
        ("--target", TARGET),
        ("--trigger", "version.created"),
    ] {
        assert_eq!(traces(&[flag, value]).len(), 2, "{flag}");
        assert_eq!(traces(&[flag, "another"]), [] as [&str; 0], "{flag}");
    }
    assert_eq!(traces(&["--since", "1h"]).len(), 2);
    assert_eq!(traces(&["--until", "1h"]), [] as [&str; 0]);
    // Page by page.
    let first = place.json(&["deployments", "list", "--limit", "1"]);
    let next = first["next"].as_str().unwrap();
    assert_eq!(traces(&["--limit", "1", "--after", next]), [good]);
    let shown = place.ok(&["deployments", "list", "--limit", "1"]);
    assert!(
        shown.contains(&bad) && shown.contains("more: --after"),
        "{shown}"
    );
    // What is not there may be elsewhere in time.
    let nothing = place.ok(&[
        "deployments",
        "list",
        "--since",
        "2020-01-01",
        "--until",
        "2020-01-02",
    ]);
    assert!(nothing.contains("2020-01-03T00:00:00Z"), "{nothing}");
    let failed = place.json(&["deployments", "failed"]);
    assert_eq!(failed["failures"][0]["trace_id"], *bad, "{failed}");
    assert_eq!(failed["failures"].as_array().unwrap().len(), 1, "{failed}");
    let failed = place.ok(&["deployments", "failed"]);
    assert!(
        failed.contains("Deployment blocked by 2 policies"),
        "{failed}"
    );
}

async fn a_blocked_deployment_says_why(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let place = Place::of(&database);
    deployed(&deployments, WORKSPACE).await;
    let why = ["deployments", "why", TARGET];
    assert!(
        place
            .ok(&why)
            .starts_with("Nothing blocks web-production-api")
    );
    assert_eq!(place.json(&why), Value::Null);
    let trace = blocked(&deployments, WORKSPACE).await;
    let told = place.ok(&why);
    for expected in [
        "web-production-api is not deployed: at ",
        " in planning it was decided: Deployment blocked by 2 policies.\n2 things blocked it:\n",
        "  - the evaluation \"Approval Policy\": waits for two approvals\n",
        "  - the evaluation \"Release Window\": closed until Monday\\u{1b}[2J\n",
        &format!("annals deployments show {trace} --workspace {WORKSPACE}"),
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let told = place.json(&why);
    assert_eq!(told["trace_id"], *trace);
    assert_eq!(told["blocked_by"][0]["message"], "waits for two approvals");
    let nobody = place.ok(&["deployments", "why", "nothing-like-it"]);
    assert!(
        nobody.starts_with("Nothing blocks nothing-like-it"),
        "{nobody}"
    );
}

async fn a_trace_is_drawn_and_told(database: TestDatabase) {
    let deployments = deployments(&database).await;
    let trace = deployed(&deployments, WORKSPACE).await.trace_id;
    let place = Place::of(&database);
    let drawn = place.ok(&["deployments", "show", &trace, "--metadata"]);
    for expected in [
        &*format!("trace {trace}, 8 spans, from "),
        "release target web-production-api, deployment api\n",
        "│  ├─ ✓ Approval Policy  planning/evaluation",
        "  allowed: Approved by alice\n│  │      approver: alice\n│  │      required_approvals: 1\n",
        "│  └─ ✓ Deploy approved  planning/decision  APPROVED\n",
    ] {
        assert!(drawn.contains(expected), "{expected}: {drawn}");
    }
    assert!(
        !drawn.contains('\u{1b}'),
        "no colors where there is no terminal: {drawn}"
    );
    let plain = Place::of(&database).with("LC_ALL", "C");
    let ascii = plain.ok(&["deployments", "show", &trace]);
    assert!(
        ascii.is_ascii() && ascii.contains("|- [ok] Planning"),
        "{ascii}"
    );
    assert_eq!(place.ok(&["deployments", "show", &trace, "--ascii"]), ascii);
    let tree = place.json(&["deployments", "show", &trace]);
    assert_eq!(
        (&tree["trace_id"], &tree["is_cut"]),
        (&json!(trace), &json!(false))
    );
    let root = &tree["roots"][0];
    assert_eq!(root["name"], "Reconciliation (version.created)");
    assert!(
        root["duration_ms"].is_number() && root["revision"].is_null(),
        "{root}"
    );
    assert_eq!(root["children"].as_array().unwrap().len(), 3);
    assert_eq!(root["children"][0]["children"][0]["depth_in_tree"], 2);
    // Nothing of another workspace is reached.
    deployments
        .create_workspace(OTHER.parse().unwrap(), None)
        .await
        .unwrap();
    let other = ["deployments", "show", &trace, "--workspace", OTHER];
    let told = place.refused(&other);
    assert!(told.contains("no trace") && told.contains(&trace), "{told}");
}

async fn phases_tell_how_they_went(database: TestDatabase) {
    let deployments = deployments(&database).await;
    deployed(&deployments, WORKSPACE).await;
    blocked(&deployments, WORKSPACE).await;
    let place = Place::of(&database);
    let told = place.json(&["deployments", "phases"]);
    let phases = told["phases"].as_array().unwrap();
    let planning = phases
        .iter()
        .find(|one| one["phase"] == "planning")
        .unwrap();
    assert!(planning["failed"].as_u64() > Some(0), "{told}");
    assert!(planning["failure_rate"].as_f64() > Some(0.0), "{told}");
    let shown = place.ok(&[
        "deployments",
        "phases",
        "--deployment",
        "api",
        "--since",
        "2d",
    ]);
    assert!(
        shown.contains("eligibility") && shown.contains("P95"),
        "{shown}"
    );
    let nothing = place.ok(&["deployments", "phases", "--deployment", "another"]);
    assert!(nothing.contains("no spans"), "{nothing}");
}

async fn before_the_first_migration_there_is_a_way_out(database: TestDatabase) {
    let told = Place::of(&database).refused(&["deployments", "list"]);
    assert!(told.contains("annals migrate up"), "{told}");
}
