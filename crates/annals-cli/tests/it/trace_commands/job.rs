//! A job as a shell script, seen under the one who started it.

use std::collections::HashMap;

use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::Value;

use super::{Machine, serve};
use crate::{
    deployed::{SECRET, WORKSPACE, deployed, deployments, externally, token},
    program::annals,
    serving::script,
};

on_every_backend!(
    a_shell_script_continues_the_trace_of_its_job,
    a_script_that_stops_early_leaves_nothing_open,
    steps_at_the_same_time_are_all_there,
);

async fn a_shell_script_continues_the_trace_of_its_job(database: TestDatabase) {
    let deployed = deployed(&deployments(&database).await, WORKSPACE).await;
    let served = serve(&database);
    let machine = Machine::new(served.http);
    let token = token(machine.directory.path(), SECRET, WORKSPACE, &deployed);
    let machine = machine.with_token(&token);
    let run = machine.shell(script("shell/ci_job.sh").arg(env!("CARGO_BIN_EXE_annals")));
    assert_eq!(
        (run.code, run.out.as_str(), run.err.as_str()),
        (0, "", ""),
        "{run:?}"
    );
    assert_eq!(machine.kept(), Vec::<std::path::PathBuf>::new());

    let show = ["deployments", "show", &deployed.trace_id];
    let drawn = annals(machine.directory.path(), Some(&database.url), &show);
    println!("{}", drawn.out);
    let lines = bare(&drawn.out);
    let expected = "\
✓ Reconciliation (version.created)  reconciliation/phase
├─ ✓ Planning  planning/phase
│  ├─ ✓ Approval Policy  planning/evaluation  allowed: Approved by alice
│  └─ ✓ Deploy approved  planning/decision  APPROVED
├─ ✓ Eligibility  eligibility/phase
│  └─ ✓ Already Deployed  eligibility/check  pass: Not deployed
└─ ✓ Execution  execution/phase
   └─ ✓ Job: github-action  execution/action
      └─ ✗ CI job  external/action  (trace T)  failed
         ├─ ✓ Checkout  external/action  pass: 1,204 files
         ├─ ✓ Build  external/action
         │  ├─ ✓ Build api  external/action  pass
         │  ├─ ✓ Build worker  external/action  pass
         │  └─ ✓ Build web  external/action  pass
         ├─ ✓ Test  external/action  lint is no reason to stop
         │  ├─ ✓ Unit tests  external/action  pass: 412 passed
         │  └─ ✗ Lint  external/action  fail:
         │         exit code 3
         │         lint: 3 warnings
         └─ ✗ Deploy  external/action  failed: deployed
            ├─ ✓ Regions  external/action
            │  ├─ ✓ Region eu  external/action";
    assert!(lines.contains(expected), "{lines}");
    let verified = "
            └─ ✗ Verify  external/action  failed
               ├─ ✓ Check endpoints  external/action  pass: 200 OK
               └─ ✗ Check certificate  external/action  fail: expires in 2 days";
    assert!(lines.contains(verified), "{lines}");

    let told = annals(
        machine.directory.path(),
        Some(&database.url),
        &[&show[..], &["--json"]].concat(),
    );
    let tree = told.json();
    let mut spans = HashMap::new();
    collect(&tree["roots"], &mut spans);
    let external: Vec<&Value> = spans
        .values()
        .filter(|span| span["phase"] == "external")
        .collect();
    assert_eq!(external.len(), 20, "{tree}");
    // One trace of its own, whose every span says what it continues.
    for span in &external {
        assert_eq!(span["trace_id"], external[0]["trace_id"]);
        assert_ne!(span["trace_id"], *deployed.trace_id);
        assert_eq!(span["parent_trace_id"], *deployed.trace_id);
        assert_eq!(span["workspace_id"], WORKSPACE);
        assert_eq!(span["job_id"], "job-42");
    }
    assert_eq!(spans["CI job"]["parent_span_id"], *deployed.job_span);
    assert_eq!(spans["Test"]["events"][0]["attributes"]["tests"], 412);
    let images = &spans["Build"]["events"][0]["attributes"]["images"];
    assert_eq!(*images, serde_json::json!(["api", "worker", "web"]));
    let branch = &spans["CI job"]["events"][1]["attributes"]["branch"];
    assert_eq!(*branch, "feature/naïve \"quotes\" & spaces");
    for region in ["eu", "us"] {
        let parent = &spans[&format!("Region {region}")]["span_id"];
        assert_eq!(
            spans[&format!("Apply in {region}")]["parent_span_id"],
            *parent
        );
    }
    // Nobody can read the token out of the database.
    let payload = token.split('.').next().unwrap();
    assert!(!told.out.contains(payload), "{tree}");
}

async fn a_script_that_stops_early_leaves_nothing_open(database: TestDatabase) {
    let deployed = deployed(&deployments(&database).await, WORKSPACE).await;
    let served = serve(&database);
    let machine = Machine::new(served.http);
    let token = token(machine.directory.path(), SECRET, WORKSPACE, &deployed);
    let machine = machine.with_token(&token);
    let program = env!("CARGO_BIN_EXE_annals");
    let job = format!(
        "set -eu
         trap '{program} trace end --all --status failed --message \"no space left\"' EXIT
         {program} trace start Deploy >/dev/null
         {program} trace start Apply >/dev/null
         false"
    );
    let run = machine.shell(std::process::Command::new("sh").args(["-c", &job]));
    assert_eq!((run.code, run.err.as_str()), (1, ""), "{run:?}");
    let told = externally(&database, |span| {
        let message = span.message.as_deref().unwrap_or("-");
        format!(
            "{} {} {message}",
            span.name,
            span.status.as_deref().unwrap()
        )
    });
    assert_eq!(
        told.await,
        ["Deploy failed -", "Apply failed no space left"]
    );
    assert_eq!(machine.kept(), Vec::<std::path::PathBuf>::new());
}

async fn steps_at_the_same_time_are_all_there(database: TestDatabase) {
    const STEPS: usize = 16;
    let deployed = deployed(&deployments(&database).await, WORKSPACE).await;
    let served = serve(&database);
    let machine = Machine::new(served.http);
    let token = token(machine.directory.path(), SECRET, WORKSPACE, &deployed);
    let machine = machine.with_token(&token);
    machine.ok(&["start", "Deploy"]);
    std::thread::scope(|scope| {
        for step in 0..STEPS {
            let machine = &machine;
            scope.spawn(move || machine.ok(&["step", &format!("step {step}"), "pass"]));
        }
    });
    machine.ok(&["end"]);
    let steps = "SELECT count(*) FROM deployment_trace_span WHERE name LIKE 'step %' AND depth = 1";
    assert_eq!(database.number(steps).await, i64::try_from(STEPS).unwrap());
    let sequences =
        "SELECT count(DISTINCT sequence) FROM deployment_trace_span WHERE phase = 'external'";
    assert_eq!(
        database.number(sequences).await,
        i64::try_from(STEPS).unwrap() + 1
    );
    assert_eq!(machine.kept(), Vec::<std::path::PathBuf>::new());
}

/// What was drawn without what differs from run to run: durations, and the trace.
fn bare(drawn: &str) -> String {
    let is_duration = |field: &str| {
        let mut parts = field.split(' ');
        let number = parts
            .next()
            .is_some_and(|number| number.parse::<f64>().is_ok());
        number
            && parts
                .next()
                .is_some_and(|unit| ["ns", "µs", "ms", "s"].contains(&unit))
    };
    let lines = drawn.lines().map(|line| {
        // Behind the guides, fields are two blanks apart.
        let at = line.find(|c: char| !" │├└─".contains(c)).unwrap_or(0);
        let (guides, told) = line.split_at(at);
        let fields = told.split("  ").filter(|field| !is_duration(field));
        let fields = fields.map(|field| {
            if field.starts_with("(trace ") {
                "(trace T)"
            } else {
                field
            }
        });
        guides.to_owned() + &fields.collect::<Vec<_>>().join("  ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Every span of a tree by its name.
fn collect(nodes: &Value, spans: &mut HashMap<String, Value>) {
    for node in nodes.as_array().unwrap() {
        spans.insert(node["name"].as_str().unwrap().to_owned(), node.clone());
        collect(&node["children"], spans);
    }
}
