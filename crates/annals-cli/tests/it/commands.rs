//! Commands, their words and their exit codes.

use std::path::Path;

use annals_telemetry::{Span, SpanStore as _, Spans};
use annals_testkit::{Backend, TestDatabase, on_every_backend};

use crate::program::{Run, annals};

on_every_backend!(
    a_newcomer_gets_from_nothing_to_a_trace,
    refused_spans_are_named_and_the_others_imported,
    migrations_go_up_and_down,
    a_command_before_the_first_migration_says_what_to_do,
    dead_letters_are_listed_shown_replayed_and_purged,
);

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn request(spans: &str) -> String {
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"api"}}}}]}},"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#
    )
}

fn otlp_span(id: &str, parent: &str, name: &str) -> String {
    format!(
        r#"{{"traceId":"{TRACE}","spanId":"{id}","parentSpanId":"{parent}","name":"{name}","kind":2,"startTimeUnixNano":"1735689600000000123","endTimeUnixNano":"1735689600100000124"}}"#
    )
}

struct Place<'a> {
    directory: tempfile::TempDir,
    database: &'a TestDatabase,
}

impl<'a> Place<'a> {
    fn of(database: &'a TestDatabase) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            database,
        }
    }

    fn run(&self, arguments: &[&str]) -> Run {
        annals(self.directory.path(), Some(&self.database.url), arguments)
    }

    fn file(&self, name: &str, lines: &[String]) -> String {
        std::fs::write(self.directory.path().join(name), lines.join("\n")).unwrap();
        name.to_owned()
    }
}

async fn a_newcomer_gets_from_nothing_to_a_trace(database: TestDatabase) {
    let place = Place::of(&database);
    let file = place.file(
        "traces.jsonl",
        &[
            request(&otlp_span("00f067aa0ba902b7", "", "GET /")),
            String::new(),
            request(&otlp_span("00f067aa0ba902b8", "00f067aa0ba902b7", "SELECT")),
        ],
    );
    assert_eq!(place.run(&["migrate", "up"]).code, 0);
    let import = place.run(&["spans", "import", &file]);
    assert_eq!(import.code, 0, "{import:?}");
    assert!(
        import.out.contains("2 committed, 0 parked, 0 refused"),
        "{import:?}"
    );
    // Again: what is there stays there, once.
    assert_eq!(place.run(&["spans", "import", &file]).code, 0);
    let list = place.run(&["traces", "list", "--json"]).json();
    assert_eq!(list["traces"][0]["trace_id"], TRACE);
    assert_eq!(list["traces"][0]["span_count"], 2);
    let trace = place.run(&["traces", "get", TRACE, "--json"]).json();
    assert_eq!(
        trace["spans"][0]["start_time"],
        "2025-01-01T00:00:00.000000123Z"
    );
    assert_eq!(trace["spans"][1]["duration_nanos"], 100_000_001);
    let shown = place.run(&["traces", "get", TRACE]).out;
    assert!(
        shown.contains("\n0 ns") && shown.contains("  SELECT"),
        "{shown}"
    );
    let unknown = place.run(&["traces", "get", "ffff"]);
    assert_eq!(
        (unknown.code, unknown.err.contains("no trace \"ffff\"")),
        (1, true),
        "{unknown:?}"
    );
}

async fn refused_spans_are_named_and_the_others_imported(database: TestDatabase) {
    let place = Place::of(&database);
    place.run(&["migrate", "up"]);
    let bad = otlp_span("short", "", "bad");
    let good = otlp_span("00f067aa0ba902b7", "", "good");
    let file = place.file("some.jsonl", &[request(&format!("{bad},{good}"))]);
    let import = place.run(&["spans", "import", &file]);
    assert_eq!(import.code, 1);
    assert!(
        import.out.contains("1 committed, 0 parked, 1 refused"),
        "{import:?}"
    );
    assert!(
        import.err.contains("line 1") && import.err.contains("spanId"),
        "{import:?}"
    );
    let broken = place.file("broken.jsonl", &["{\"resourceSpans\": [".to_owned()]);
    let import = place.run(&["spans", "import", &broken]);
    assert_eq!(import.code, 1);
    assert!(import.err.contains("line 1 of broken.jsonl"), "{import:?}");
    let missing = place.run(&["spans", "import", "nowhere.jsonl"]);
    assert!(
        missing.code == 1 && missing.err.contains("nowhere.jsonl"),
        "{missing:?}"
    );
}

async fn migrations_go_up_and_down(database: TestDatabase) {
    let place = Place::of(&database);
    assert!(place.run(&["migrate", "status"]).out.contains("pending"));
    assert!(
        place
            .run(&["migrate", "up"])
            .out
            .contains("applied telemetry/0001_spans")
    );
    assert!(place.run(&["migrate", "up"]).out.contains("nothing to do"));
    // Without a terminal nobody can be asked, so the answer is no.
    let unasked = place.run(&["migrate", "down"]);
    assert!(
        unasked.code == 1 && unasked.err.contains("--yes"),
        "{unasked:?}"
    );
    let all = place.run(&["migrate", "status", "--json"]).json();
    let all = all.as_array().unwrap().len().to_string();
    assert!(
        place
            .run(&["migrate", "down", "--steps", &all, "--yes"])
            .out
            .contains("undone kernel")
    );
    assert!(!place.run(&["migrate", "status"]).out.contains("applied"));
}

async fn a_command_before_the_first_migration_says_what_to_do(database: TestDatabase) {
    let place = Place::of(&database);
    let list = place.run(&["traces", "list"]);
    assert!(
        list.code == 1 && list.err.contains("annals migrate up"),
        "{list:?}"
    );
    let file = place.file(
        "t.jsonl",
        &[request(&otlp_span("00f067aa0ba902b7", "", "a"))],
    );
    let import = place.run(&["spans", "import", &file]);
    assert!(
        import.code == 1 && import.err.contains("annals migrate up"),
        "{import:?}"
    );
}

async fn dead_letters_are_listed_shown_replayed_and_purged(database: TestDatabase) {
    let place = Place::of(&database);
    place.run(&["migrate", "up"]);
    assert!(
        place
            .run(&["dead-letters", "list"])
            .out
            .contains("no dead letters")
    );
    let (rule, no_rule) = match database.backend {
        Backend::Sqlite => (
            "CREATE TRIGGER rule BEFORE INSERT ON spans WHEN NEW.operation_name = 'bad'
             BEGIN SELECT RAISE(ABORT, 'bad is not welcome'); END",
            "DROP TRIGGER rule",
        ),
        _ => (
            "ALTER TABLE spans ADD CONSTRAINT rule CHECK (operation_name <> 'bad')",
            "ALTER TABLE spans DROP CONSTRAINT rule",
        ),
    };
    database.execute(rule).await;
    let file = place.file(
        "t.jsonl",
        &[request(
            &["1", "2", "3"]
                .map(|n| {
                    otlp_span(
                        &format!("00f067aa0ba902b{n}"),
                        "",
                        if n == "1" { "good" } else { "bad" },
                    )
                })
                .join(","),
        )],
    );
    let import = place.run(&["spans", "import", &file]);
    assert_eq!(import.code, 1);
    assert!(
        import.out.contains("1 committed, 2 parked, 0 refused"),
        "{import:?}"
    );
    let list = place
        .run(&["dead-letters", "list", "--table", "spans", "--json"])
        .json();
    let ids: Vec<&str> = list["dead_letters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|letter| letter["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 2);
    let shown = place
        .run(&["dead-letters", "show", ids[0], "--json"])
        .json();
    assert_eq!(shown["record"]["operation_name"], "bad");
    assert_eq!(
        shown["record"]["start_time"],
        "2025-01-01T00:00:00.000000123Z"
    );
    let refused = place.run(&["dead-letters", "replay", "--all"]);
    assert!(
        refused.code == 1 && refused.out.contains("refused again 2"),
        "{refused:?}"
    );

    database.execute(no_rule).await;
    let replayed = place.run(&["dead-letters", "replay", ids[0]]);
    assert!(
        replayed.code == 0 && replayed.out.contains("replayed 1"),
        "{replayed:?}"
    );
    let gone = place.run(&["dead-letters", "show", ids[0]]);
    assert!(
        gone.code == 1 && gone.err.contains("no dead letter"),
        "{gone:?}"
    );
    assert_eq!(place.run(&["dead-letters", "purge", "--all"]).code, 1);
    assert!(
        place
            .run(&["dead-letters", "purge", "--all", "--yes"])
            .out
            .contains("purged 1")
    );
    // The replayed span is in its table, and its trace counts it.
    let spans = Spans::open(&database.url).await.unwrap();
    let names: Vec<Span> = spans.get_trace(TRACE).await.unwrap();
    assert_eq!(names.len(), 2);
    assert_eq!(spans.trace(TRACE).await.unwrap().unwrap().span_count, 2);
}

#[test]
fn no_arguments_print_help_and_succeed() {
    let run = annals(Path::new("/"), None, &[]);
    assert_eq!(run.code, 0);
    assert!(
        run.out.contains("Usage: annals") && run.out.contains("annals serve --demo"),
        "{run:?}"
    );
}

#[test]
fn bad_settings_stop_with_their_name_and_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let run = annals(
        directory.path(),
        Some("postgres://ann:topsecret@[x"),
        &["doctor"],
    );
    assert_eq!(run.code, 2);
    assert!(
        run.err.contains("DATABASE_URL") && !run.err.contains("topsecret"),
        "{run:?}"
    );
    std::fs::write(
        directory.path().join("annals.toml"),
        "db_max_conections = 3",
    )
    .unwrap();
    let run = annals(directory.path(), None, &["doctor"]);
    assert!(
        run.code == 2 && run.err.contains("DB_MAX_CONNECTIONS"),
        "{run:?}"
    );
}
