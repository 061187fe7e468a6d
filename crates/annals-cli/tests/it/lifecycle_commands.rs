//! The life of data by command line: chunks, policies, sizes, deletions, and how each is refused.

use annals_record::Timestamp;
use annals_store::Edition;
use annals_testkit::{Backend, TestDatabase, on_community, on_every_backend};
use serde_json::{Value, json};

use crate::program::{Run, annals};

on_every_backend!(
    chunks_are_listed_and_dropped_after_a_question,
    a_chunk_is_exported_once_and_the_same_each_time,
    chunks_that_begin_from_now_on_have_another_length,
    compression_is_there_or_is_refused_with_the_edition,
    policies_are_set_shown_and_removed,
    a_default_that_was_removed_stays_away,
    policies_survive_a_migration_down_and_up,
    retention_says_what_goes_and_asks,
    retention_of_one_owner_leaves_the_others,
    policies_are_run_by_hand_after_a_question,
    rows_of_one_owner_are_deleted_after_a_question,
    stats_have_every_table_and_their_total,
    messages_of_a_namespace_are_a_table,
    what_cannot_be_asked_for_is_exit_code_2,
    before_the_first_migration_they_say_what_to_do,
    who_may_not_is_told_whom_to_connect_as,
);

const DAY: i64 = 86_400;

/// A directory with a database whose tables are there.
struct Place<'a> {
    directory: tempfile::TempDir,
    database: &'a TestDatabase,
}

impl<'a> Place<'a> {
    fn of(database: &'a TestDatabase) -> Self {
        let place = Self::before_migrations(database);
        let up = place.run(&["migrate", "up"]);
        assert_eq!((up.code, up.err.as_str()), (0, ""), "{up:?}");
        place
    }

    fn before_migrations(database: &'a TestDatabase) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            database,
        }
    }

    fn run(&self, arguments: &[&str]) -> Run {
        annals(self.directory.path(), Some(&self.database.url), arguments)
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}");
        run.out
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).json()
    }

    /// Runs what must be refused, and gives what it says.
    fn refused(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!(
            (run.code, run.out.as_str()),
            (2, ""),
            "{arguments:?}: {run:?}"
        );
        run.err
    }

    fn has_chunks(&self) -> bool {
        self.database.backend == Backend::Timescale
    }

    /// Spans of services, each so many days old.
    fn with_spans(self, spans: &[(&str, i64)]) -> Self {
        let now = Timestamp::now().unix_nanos() / 1_000_000_000;
        let lines: Vec<String> = (1..)
            .zip(spans)
            .map(|(n, (service, days))| {
                let start = now - days * DAY;
                let span = json!({
                    "traceId": format!("{n:032x}"), "spanId": format!("{n:016x}"),
                    "name": "work", "kind": 2,
                    "startTimeUnixNano": format!("{start}000000000"),
                    "endTimeUnixNano": format!("{start}000000001"),
                });
                let service = json!({ "key": "service.name", "value": { "stringValue": service } });
                let resource = json!({ "attributes": [service] });
                let spans = json!([{ "resource": resource, "scopeSpans": [{ "spans": [span] }] }]);
                json!({ "resourceSpans": spans }).to_string()
            })
            .collect();
        std::fs::write(self.directory.path().join("spans.jsonl"), lines.join("\n")).unwrap();
        self.ok(&["spans", "import", "spans.jsonl"]);
        self
    }

    async fn spans(&self) -> i64 {
        self.database.number("SELECT count(*) FROM spans").await
    }

    /// The policies of a kind that a table has.
    fn policies(&self, kind: &str, table: &str) -> Vec<Value> {
        let shown = self.json(&["policy", "show", table]);
        let policies = shown["policies"].as_array().unwrap().iter();
        let of_kind = policies.filter(|policy| policy["kind"] == kind);
        of_kind.cloned().collect()
    }
}

async fn edition(database: &TestDatabase) -> Edition {
    database.store().await.capabilities().edition()
}

async fn chunks_are_listed_and_dropped_after_a_question(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[("api", 100), ("api", 98), ("api", 1)]);
    let drop = ["chunks", "drop", "spans", "--older-than", "90 days"];
    if !place.has_chunks() {
        let edition = edition(&database).await.to_string();
        for command in [&["chunks", "list", "spans"][..], &drop] {
            let said = place.refused(command);
            assert!(
                said.contains("TimescaleDB") && said.contains(&edition),
                "{said}"
            );
        }
        assert_eq!(place.spans().await, 3);
        return;
    }
    let listed = place.json(&["chunks", "list", "spans", "--count"]);
    let chunks = listed["chunks"].as_array().unwrap();
    assert_eq!(chunks.len(), 3, "{listed}");
    for chunk in chunks {
        assert_eq!(chunk["rows"], 1, "{chunk}");
        assert_eq!(chunk["state"], "hot", "{chunk}");
        assert!(chunk["bytes"].as_u64().unwrap() > 0, "{chunk}");
        assert!(chunk["range_start"].as_str() < chunk["range_end"].as_str());
    }
    assert_eq!(listed["totals"]["chunks"], 3, "{listed}");
    assert_eq!(listed["totals"]["rows"], 3, "{listed}");
    let text = place.ok(&["chunks", "list", "spans"]);
    let first = chunks[0]["name"].as_str().unwrap();
    let day = chunks[0]["range_start"]
        .as_str()
        .unwrap()
        .split_once('T')
        .unwrap()
        .0;
    let line = text.lines().find(|line| line.contains(first)).unwrap();
    // Where a day begins, the day says it all.
    assert!(
        line.contains(&format!("{day} ")) && line.contains("hot"),
        "{text}"
    );
    assert!(
        text.lines()
            .last()
            .unwrap()
            .starts_with("3 chunks, 0 compressed"),
        "{text}"
    );

    let would = place.ok(&[&drop[..], &["--dry-run"]].concat());
    assert_eq!(would.matches("would drop ").count(), 2, "{would}");
    assert!(would.contains("2 chunks would be dropped"), "{would}");
    let unasked = place.refused(&drop);
    assert!(unasked.contains("--yes"), "{unasked}");
    assert_eq!(place.spans().await, 3);

    let dropped = place.json(&[&drop[..], &["--yes"]].concat());
    assert_eq!(
        (&dropped["chunks"], &dropped["left"]),
        (&json!(2), &json!(0)),
        "{dropped}"
    );
    assert_eq!(dropped["steps"][0]["outcome"], "dropped", "{dropped}");
    assert_eq!(dropped["steps"][0]["chunk"]["name"], first, "{dropped}");
    assert!(dropped["bytes"].as_u64().unwrap() > 0, "{dropped}");
    assert_eq!(place.spans().await, 1);
    // Nothing is left to ask about.
    let again = place.ok(&drop);
    assert!(again.contains("nothing to do"), "{again}");
    // A trace whose spans are gone is gone.
    let traces = place.json(&["traces", "list"]);
    assert_eq!(traces["traces"].as_array().unwrap().len(), 1, "{traces}");
}

async fn a_chunk_is_exported_once_and_the_same_each_time(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[("api", 3), ("a \"b\", c", 3), ("api", 1)]);
    if !place.has_chunks() {
        place.refused(&["chunks", "export", "spans", "any", "--output", "c.csv"]);
        assert!(!place.directory.path().join("c.csv").exists());
        return;
    }
    let listed = place.json(&["chunks", "list", "spans", "--count"]);
    let chunks = listed["chunks"].as_array().unwrap();
    let chunk = chunks.iter().find(|chunk| chunk["rows"] == 2);
    // Three days ago two spans began within a moment, which may be two days.
    let Some(chunk) = chunk else { return };
    let name = chunk["name"].as_str().unwrap();
    let export = ["chunks", "export", "spans", name, "--output"];
    let report = place.json(&[&export[..], &["c.csv"]].concat());
    let file = std::fs::read_to_string(place.directory.path().join("c.csv")).unwrap();
    assert_eq!(report["rows"], 2, "{report}");
    assert_eq!(report["bytes"], file.len(), "{report}");
    let hash = report["sha256"].as_str().unwrap();
    assert_eq!(hash.len(), 64, "{report}");
    assert_eq!(file.lines().count(), 3, "{file}");
    assert!(file.lines().next().unwrap().contains("trace_id"), "{file}");
    assert!(file.contains(r#""a ""b"", c""#), "{file}");

    let again = place.refused(&[&export[..], &["c.csv"]].concat());
    assert!(
        again.contains("c.csv") && again.contains("--force"),
        "{again}"
    );
    let forced = place.ok(&[&export[..], &["c.csv", "--force"]].concat());
    assert!(
        forced.contains("2 rows") && forced.contains(hash),
        "{forced}"
    );
    let piped = place.run(&[&export[..], &["-"]].concat());
    assert_eq!((piped.code, &piped.out), (0, &file));
    assert!(piped.err.contains(hash), "{piped:?}");

    let unknown = place.refused(&["chunks", "export", "spans", "nope", "--output", "n.csv"]);
    assert!(unknown.contains("annals chunks list spans"), "{unknown}");
    let json = place.refused(&[&export[..], &["-", "--json"]].concat());
    assert!(json.contains("--output FILE"), "{json}");
    let mut files: Vec<_> = std::fs::read_dir(place.directory.path()).unwrap().collect();
    files.retain(|file| {
        !file
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains(".db")
    });
    assert_eq!(files.len(), 2, "something was left: {files:?}");
}

async fn chunks_that_begin_from_now_on_have_another_length(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[("api", 10)]);
    let set = ["chunks", "interval", "spans", "12 hours"];
    if !place.has_chunks() {
        place.refused(&set);
        return;
    }
    let told = place.ok(&set);
    assert!(told.contains("12 hours"), "{told}");
    // Done again, it is done.
    place.ok(&set);
    let place = place.with_spans(&[("api", 1)]);
    let listed = place.json(&["chunks", "list", "spans"]);
    let long = |n: usize| {
        let at = |end: &str| -> Timestamp {
            listed["chunks"][n][end].as_str().unwrap().parse().unwrap()
        };
        at("range_end").duration_since(at("range_start")).as_secs()
    };
    assert_eq!((long(0), long(1)), (86_400, 43_200), "{listed}");
}

async fn compression_is_there_or_is_refused_with_the_edition(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[("api", 10)]);
    let edition = edition(&database).await;
    if edition == Edition::TimescaleCommunity {
        // What it does there has a test of its own.
        return;
    }
    for command in [
        &["chunks", "compress", "spans", "--older-than", "7 days"][..],
        &[
            "chunks",
            "compress",
            "spans",
            "--older-than",
            "7 days",
            "--dry-run",
        ],
        &["chunks", "decompress", "spans", "--all"],
        &["policy", "set", "compression", "spans", "--after", "7 days"],
    ] {
        let said = place.refused(command);
        assert!(said.contains("Community edition"), "{said}");
        assert!(said.contains(&edition.to_string()), "{said}");
    }
    assert_eq!(place.spans().await, 1);
}

#[test]
fn chunks_are_compressed_and_made_rows_again() {
    on_community(async |database| {
        let place = Place::of(&database).with_spans(&[("api", 30), ("api", 29), ("api", 1)]);
        let older = ["chunks", "compress", "spans", "--older-than", "7 days"];
        let would = place.ok(&[&older[..], &["--dry-run"]].concat());
        assert_eq!(would.matches("would compress ").count(), 2, "{would}");
        let chunks = || {
            let listed = place.json(&["chunks", "list", "spans", "--count"]);
            listed["chunks"].as_array().unwrap().clone()
        };
        assert!(chunks().iter().all(|chunk| chunk["state"] == "hot"));
        let name = chunks()[0]["name"].as_str().unwrap().to_owned();
        let export = ["chunks", "export", "spans", &name, "--output"];
        let hot = place.json(&[&export[..], &["hot.csv"]].concat());

        let compressed = place.json(&older);
        assert_eq!(compressed["chunks"], 2, "{compressed}");
        assert_eq!(compressed["steps"][0]["outcome"], "done", "{compressed}");
        assert_eq!(compressed["steps"][0]["chunk"]["name"], name.as_str());
        let states: Vec<Value> = chunks()
            .iter()
            .map(|chunk| chunk["state"].clone())
            .collect();
        assert_eq!(states, ["compressed", "compressed", "hot"]);
        assert!(chunks()[0]["bytes_before"].as_u64().unwrap() > 0);
        let again = place.ok(&older);
        assert!(again.contains("nothing to do"), "{again}");
        let listed = place.ok(&["chunks", "list", "spans"]);
        assert!(listed.contains("3 chunks, 2 compressed"), "{listed}");
        let stats = place.json(&["stats", "spans"]);
        assert_eq!(stats["tables"][0]["compressed_chunks"], 2, "{stats}");
        assert!(
            stats["tables"][0]["before_bytes"].as_u64().unwrap() > 0,
            "{stats}"
        );
        assert!(stats["tables"][0]["ratio"].as_f64().is_some(), "{stats}");
        // The same rows have the same hash.
        let cold = place.json(&[&export[..], &["cold.csv"]].concat());
        assert_eq!(cold["sha256"], hot["sha256"]);

        let nothing = place.run(&["chunks", "decompress", "spans", "--until", "2001-01-01"]);
        assert!(nothing.out.contains("nothing to do"), "{nothing:?}");
        let would = place.ok(&["chunks", "decompress", "spans", "--all", "--dry-run"]);
        assert!(would.contains("2 chunks would be decompressed"), "{would}");
        let rows = place.run(&["chunks", "decompress", "spans", "--all"]);
        assert!(
            rows.code == 0 && rows.out.contains("2 chunks decompressed"),
            "{rows:?}"
        );
        // The default policy would take them up again.
        assert!(
            rows.err.contains("annals policy remove compression spans"),
            "{rows:?}"
        );
        assert!(chunks().iter().all(|chunk| chunk["state"] == "hot"));
    });
}

#[test]
fn a_policy_of_compression_is_the_databases_own() {
    on_community(async |database| {
        let place = Place::of(&database);
        let default = place.policies("compression", "spans");
        assert_eq!(default.len(), 1, "{default:?}");
        assert_eq!(default[0]["is_set"], false, "{default:?}");
        assert_eq!(default[0]["runner"], "the database", "{default:?}");
        let jobs = "SELECT count(*) FROM timescaledb_information.jobs
                    WHERE hypertable_name = 'spans' AND config::text LIKE '%72:00:00%'";
        let told = place.ok(&[
            "policy",
            "set",
            "compression",
            "spans",
            "--after",
            "72 hours",
        ]);
        assert!(told.contains("by the database itself"), "{told}");
        assert_eq!(database.number(jobs).await, 1);
        // Down and up: the policy is in force again.
        migrate_down(&place);
        assert_eq!(database.number(jobs).await, 0);
        place.ok(&["migrate", "up"]);
        assert_eq!(database.number(jobs).await, 1);
        place.ok(&["policy", "remove", "compression", "spans", "--yes"]);
        assert_eq!(database.number(jobs).await, 0);
    });
}

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

/// Undoes every migration but the kernel's.
fn migrate_down(place: &Place<'_>) {
    let all = place.json(&["migrate", "status"]);
    let families = all
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["set"] != "kernel");
    let steps = families.count().to_string();
    place.ok(&["migrate", "down", "--steps", &steps, "--yes"]);
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

async fn stats_have_every_table_and_their_total(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[("api", 3), ("api", 1)]);
    let stats = place.json(&["stats"]);
    let tables = stats["tables"].as_array().unwrap();
    let labels: Vec<_> = tables
        .iter()
        .map(|one| one["table"].as_str().unwrap())
        .collect();
    for known in ["spans", "bars_1m", "bars_5m", "bars_15m", "bars_1h"] {
        assert!(labels.contains(&known), "{labels:?}");
    }
    let sum: u64 = tables
        .iter()
        .map(|one| one["total_bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(stats["total"]["total_bytes"], sum, "{stats}");
    assert!(sum > 0, "{stats}");
    let spans = &place.json(&["stats", "spans"])["tables"][0];
    assert_eq!(
        spans["chunks"],
        if place.has_chunks() { 2 } else { 0 },
        "{spans}"
    );
    if database.backend == Backend::Sqlite {
        assert_eq!(
            (&stats["rows_are_counted"], &spans["rows"]),
            (&json!(true), &json!(2))
        );
    }
    let text = place.ok(&["stats"]);
    assert!(text.lines().last().unwrap().starts_with("total "), "{text}");
    assert!(!place.ok(&["stats", "spans"]).contains("total "), "{text}");
}

async fn messages_of_a_namespace_are_a_table(database: TestDatabase) {
    let place = Place::of(&database);
    place.ok(&["events", "create", "orders"]);
    place.ok(&["events", "create", "an odd: name"]);
    place.ok(&[
        "events",
        "write",
        "order-1",
        "Placed",
        "{}",
        "--namespace",
        "orders",
    ]);
    for of in [&["events:orders"][..], &["--namespace", "orders"]] {
        let stats = place.json(&[&["stats"], of].concat());
        assert_eq!(stats["tables"][0]["table"], "events:orders", "{stats}");
    }
    let set = [
        "policy",
        "set",
        "retention",
        "--after",
        "1 year",
        "--namespace",
    ];
    for namespace in ["orders", "an odd: name"] {
        place.ok(&[&set[..], &[namespace]].concat());
        let label = format!("events:{namespace}");
        assert_eq!(place.policies("retention", &label)[0]["interval"], "1 year");
    }
    let unknown = place.refused(&["stats", "--namespace", "odrers"]);
    assert!(
        unknown.contains("events:odrers") && unknown.contains("events:orders"),
        "{unknown}"
    );
    if place.has_chunks() {
        let chunks = place.json(&["chunks", "list", "--namespace", "orders", "--count"]);
        assert_eq!(chunks["chunks"][0]["rows"], 1, "{chunks}");
        place.ok(&["chunks", "interval", "--namespace", "orders", "1 day"]);
        let name = chunks["chunks"][0]["name"].as_str().unwrap();
        let export = [
            "chunks",
            "export",
            "--namespace",
            "orders",
            name,
            "--output",
            "-",
        ];
        assert_eq!(place.ok(&export).lines().count(), 2);
    }
}

async fn what_cannot_be_asked_for_is_exit_code_2(database: TestDatabase) {
    let place = Place::of(&database).with_spans(&[("api", 100)]);
    for wrong in ["90", "soon", "-1 day", "0 days", "2000 years", ""] {
        for command in [
            &["policy", "set", "retention", "spans", "--yes", "--after"][..],
            &["chunks", "drop", "spans", "--yes", "--older-than"],
            &["delete", "spans", "--only", "api", "--yes", "--older-than"],
            &["policy", "set", "refresh", "bars_1m", "--every"],
            &["chunks", "interval", "spans"],
        ] {
            let said = place.refused(&[command, &[wrong]].concat());
            assert!(!said.is_empty(), "{command:?} {wrong}");
        }
    }
    let said = place.refused(&["chunks", "drop", "spans", "--older-than", "90"]);
    assert!(
        said.contains("no unit") && said.contains("90 days"),
        "{said}"
    );
    for command in [
        &["chunks", "list", "spnas"][..],
        &["stats", "spnas"],
        &["policy", "show", "spnas"],
        &["policy", "run", "spnas", "--yes"],
        &[
            "policy",
            "set",
            "retention",
            "spnas",
            "--after",
            "1 day",
            "--yes",
        ],
        &["policy", "remove", "retention", "spnas", "--yes"],
        &["delete", "spnas", "--only", "api", "--yes"],
        &[
            "chunks",
            "drop",
            "dead_letters",
            "--older-than",
            "1 day",
            "--yes",
        ],
    ] {
        let said = place.refused(command);
        assert!(said.contains("spans, bars_1m"), "{said}");
    }
    // Longer bars are made of all symbols' minutes.
    for more in ["--dry-run", "--yes"] {
        let of_one = ["policy", "set", "retention", "bars_1m", "--after", "1 day"];
        let said = place.refused(&[&of_one[..], &["--only", "AAPL", more]].concat());
        assert!(said.contains("annals delete"), "{said}");
    }
    // Spans are not made into anything.
    let said = place.refused(&["policy", "set", "refresh", "spans", "--every", "1 minute"]);
    assert!(said.contains("spans"), "{said}");
    for command in [
        &["chunks", "list"][..],
        &["chunks", "list", "spans", "--namespace", "orders"],
        &["chunks", "decompress", "spans"],
        &[
            "chunks",
            "decompress",
            "spans",
            "--all",
            "--from",
            "2026-01-01",
        ],
        &["chunks", "decompress", "spans", "--from", "yesterday"],
        &[
            "chunks",
            "decompress",
            "spans",
            "--from",
            "2026-01-02",
            "--until",
            "2026-01-01",
        ],
        &["delete", "spans", "--yes"],
        &["policy", "set", "retention", "spans"],
        &["policy", "remove", "everything", "spans", "--yes"],
    ] {
        place.refused(command);
    }
    assert_eq!(place.spans().await, 1);
    assert_eq!(place.policies("retention", "spans"), [] as [Value; 0]);
    // Others keep their code.
    assert_eq!(place.run(&["traces", "get", "ffff"]).code, 1);
}

async fn before_the_first_migration_they_say_what_to_do(database: TestDatabase) {
    let place = Place::before_migrations(&database);
    for command in [
        &["stats"][..],
        &["stats", "spans"],
        &[
            "policy",
            "set",
            "retention",
            "spans",
            "--after",
            "1 day",
            "--yes",
        ],
        &["delete", "spans", "--only", "api", "--yes"],
    ] {
        let said = place.refused(command);
        assert!(said.contains("annals migrate up"), "{command:?}: {said}");
    }
}

async fn who_may_not_is_told_whom_to_connect_as(database: TestDatabase) {
    if database.backend == Backend::Sqlite {
        // Whoever has the file has it all.
        return;
    }
    let place = Place::of(&database).with_spans(&[("api", 100), ("api", 1)]);
    let (scheme, rest) = database.url.split_once("://").unwrap();
    let (_, server) = rest.split_once('@').unwrap();
    let name = server.split_once('/').unwrap().1;
    let name = name.split('?').next().unwrap();
    let role = format!("reader_{name}");
    // No CREATE: who reads makes nothing.
    database
        .execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'reading';
             GRANT USAGE ON SCHEMA public TO {role};
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
             REVOKE CREATE ON SCHEMA public FROM PUBLIC"
        ))
        .await;
    let reader = TestDatabase::at(
        database.backend,
        format!("{scheme}://{role}:reading@{server}"),
    );
    let place_of_reader = Place::before_migrations(&reader);
    let mut commands = vec![
        &["delete", "spans", "--only", "api", "--yes"][..],
        &[
            "policy",
            "set",
            "retention",
            "spans",
            "--after",
            "1 day",
            "--yes",
        ],
    ];
    if place.has_chunks() {
        commands.push(&["chunks", "drop", "spans", "--older-than", "1 day", "--yes"]);
        commands.push(&["chunks", "interval", "spans", "1 hour"]);
    }
    if edition(&database).await == Edition::TimescaleCommunity {
        commands.push(&["chunks", "compress", "spans", "--older-than", "1 day"]);
    }
    for command in commands {
        let said = place_of_reader.refused(command);
        assert!(said.contains("owner"), "{command:?}: {said}");
    }
    assert_eq!(place.spans().await, 2);
    assert_eq!(place.policies("retention", "spans"), [] as [Value; 0]);
    database
        .execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

/// A command on a terminal where somebody types.
#[cfg(target_os = "linux")]
fn on_terminal(place: &Place<'_>, typed: &str, command: &str) -> Option<Run> {
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
    annals_testkit::backend::run(Backend::Sqlite, async |database| {
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

#[test]
fn help_teaches_by_examples() {
    let directory = tempfile::tempdir().unwrap();
    for command in [
        &["chunks"][..],
        &["chunks", "list"],
        &["chunks", "compress"],
        &["chunks", "decompress"],
        &["chunks", "drop"],
        &["chunks", "export"],
        &["chunks", "interval"],
        &["policy"],
        &["policy", "set", "compression"],
        &["policy", "set", "retention"],
        &["policy", "set", "refresh"],
        &["policy", "show"],
        &["policy", "remove"],
        &["policy", "run"],
        &["stats"],
        &["delete"],
    ] {
        let help = annals(directory.path(), None, &[command, &["--help"]].concat());
        assert_eq!(help.code, 0, "{help:?}");
        let example = format!("annals {}", command.join(" "));
        let (_, examples) = help.out.rsplit_once("\n\n").unwrap();
        assert!(help.out.contains(&example), "{}", help.out);
        assert!(examples.lines().count() < 8, "{}", help.out);
    }
}

#[test]
fn a_server_that_is_not_there_is_exit_code_2_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = Some("postgres://ann@127.0.0.1:1/annals");
    let run = annals(directory.path(), nowhere, &["stats"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert_eq!(
        annals(directory.path(), nowhere, &["traces", "list"]).code,
        1
    );
}
