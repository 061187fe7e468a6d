//! The life of data by command line: chunks, policies, sizes, deletions, and how each is refused.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`chunks`] | listed, dropped, exported, and of another length from now on |
//! | [`compression`] | there, or refused with the edition |
//! | [`policies`] | set, shown, removed, and run by hand |
//! | [`deleting`] | what retention and deletions say and ask before rows go |
//! | [`tables`] | sizes, the messages of a namespace, and help by examples |
//! | [`refusals`] | what cannot be, exit codes, and who may not |
//!
//! What they share is here: a directory with a database, and what is run in it.

mod chunks;
mod compression;
mod deleting;
mod policies;
mod refusals;
mod tables;

use annals_record::Timestamp;
use annals_store::Edition;
use annals_testkit::{Backend, TestDatabase};
use serde_json::{Value, json};

use crate::program::{Run, annals};

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
