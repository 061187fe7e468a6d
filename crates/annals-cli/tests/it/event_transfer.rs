//! `annals export` and `annals import`, between two servers.

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
};

use annals_testkit::{TestDatabase, on_every_backend};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Value, json};

use crate::{
    event_server::{TOKEN, call},
    program::Run,
    serving::Served,
};

on_every_backend!(what_is_exported_here_is_imported_there_and_back);

/// More than two pages of an export, and than two batches of an import.
const MANY: i64 = 2_300;

/// A server in memory.
fn other() -> Served {
    Served::start_with(&[
        ("DATABASE_URL", "sqlite::memory:"),
        ("EVENTODB_TOKEN", TOKEN),
    ])
}

/// A directory for files, and the program in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, server: SocketAddr, arguments: &[&str]) -> Run {
        self.run_with(server, TOKEN, arguments, b"")
    }

    fn run_with(&self, server: SocketAddr, token: &str, arguments: &[&str], input: &[u8]) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_annals"))
            .current_dir(self.0.path())
            .args(arguments)
            .args(["--url", &format!("http://{server}")])
            .env_clear()
            .env("EVENTODB_TOKEN", token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Whoever fails early does not read to the end.
        let _ = stdin.write_all(input);
        drop(stdin);
        child.wait_with_output().unwrap().into()
    }
}

fn line(n: i64) -> String {
    let stream = format!("account-{}", n % 7);
    format!(
        "{{\"id\":\"01900000-0000-7000-8000-{n:012x}\",\"stream\":\"{stream}\",\"type\":\"Deposited\",\
         \"pos\":{},\"gpos\":{},\"data\":{{\"amount\":{n}.50}},\"meta\":null,\
         \"time\":\"2026-01-0{}T03:04:05.123456Z\"}}\n",
        n / 7,
        n + 1,
        1 + n * 3 / MANY,
    )
}

fn unpacked(packed: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    text
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

async fn what_is_exported_here_is_imported_there_and_back(database: TestDatabase) {
    let place = Place::new();
    let settings = [("DATABASE_URL", &*database.url), ("EVENTODB_TOKEN", TOKEN)];
    let (here, there) = (Served::start_with(&settings), other());
    let lines: String = (0..MANY).map(line).collect();
    std::fs::write(place.path("many"), lines).unwrap();
    let imported = place.run(here.http, &["import", "--input", "many", "--json"]);
    assert_eq!(imported.json()["imported"], MANY);
    let write = r#"["stream.write","日本-🦀 +1",{"type":"É","data":{"big":123456789012345678901234567890,"small":1e-7,"one":1.0,"text":"a\nb\u2028 \"🦀\"","none":null,"list":[1,[]]},"metadata":{"correlationStreamName":"account-1"}}]"#;
    assert_eq!(
        call(here.http, TOKEN, &serde_json::from_str(write).unwrap()).0,
        200
    );
    let big = r#"["stream.write","account-1",{"type":"T","data":{"n":9007199254740993}}]"#;
    assert_eq!(
        call(here.http, TOKEN, &serde_json::from_str(big).unwrap()).0,
        200
    );

    let exported = place.run(here.http, &["export"]);
    assert_eq!(exported.code, 0, "{exported:?}");
    assert!(exported.err.contains("2302 message(s)"), "{}", exported.err);
    assert_eq!(exported.out.lines().count(), 2_302);
    assert!(exported.out.contains("9007199254740993") && exported.out.contains("日本-🦀 +1"));
    assert!(exported.out.contains(".123456Z"), "whole seconds");
    // Packed, it is the same and has its end.
    let arguments = ["export", "--gzip", "--output", "all.gz"];
    assert_eq!(place.run(here.http, &arguments).code, 0);
    let all = std::fs::read(place.path("all.gz")).unwrap();
    assert_eq!(unpacked(&all), exported.out);

    let imported = place.run(there.http, &["import", "--input", "all.gz"]);
    assert_eq!(imported.code, 0, "{imported:?}");
    assert_eq!(place.run(there.http, &["export"]).out, exported.out);
    // What was there is gone before it comes back, as a file and by a pipe.
    let force = ["import", "--force", "--yes", "--input", "all.gz", "--gzip"];
    assert_eq!(place.run(here.http, &force).code, 0);
    let force = ["import", "--force", "--yes", "--gzip", "--json"];
    let back = place.run_with(here.http, TOKEN, &force, &all);
    assert_eq!(back.json()["imported"], 2_302, "{back:?}");
    assert_eq!(place.run(here.http, &["export"]).out, exported.out);

    let of_category = |category: &str| {
        exported
            .out
            .lines()
            .filter(|line| line.contains(category))
            .count()
    };
    let some = [
        "export",
        "--categories",
        "account,日本,account",
        "--output",
        "some",
        "--json",
    ];
    assert_eq!(place.run(here.http, &some).json()["messages"], 2_302);
    let one = place
        .run(here.http, &["export", "--categories", "日本"])
        .out;
    assert_eq!(one.lines().count(), of_category("\"stream\":\"日本"));
    let day = [
        "export",
        "--since",
        "2026-01-02",
        "--until",
        "2026-01-03T00:00:00Z",
    ];
    let day = place.run(here.http, &day).out;
    assert_eq!(day.lines().count(), of_category("\"time\":\"2026-01-02"));
    assert!(!day.is_empty());
    assert_eq!(there.stop()["stopped"], true);
    assert_eq!(here.stop()["stopped"], true);
}

#[test]
fn an_import_that_fails_says_where_and_ends_with_one() {
    let (place, server) = (Place::new(), other());
    let (one, two) = (line(0), line(1));
    for (input, told) in [
        (format!("{one}\n{{\"id\":\n{two}"), "at line 3"),
        (
            format!("{one}{}", two.replace("2026-01", "yesterday")),
            "INVALID_RECORD",
        ),
        (format!("{one}{one}"), "POSITION_EXISTS"),
    ] {
        let run = place.run_with(server.http, TOKEN, &["import"], input.as_bytes());
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.err.contains(told), "{told}: {run:?}");
    }
    assert_eq!(place.run(server.http, &["export"]).out, "");
    let imported = place.run_with(server.http, TOKEN, &["import"], one.as_bytes());
    assert_eq!(imported.code, 0, "{imported:?}");
    // A packed file that was cut: not the server is to blame.
    let whole: String = (2..MANY).map(line).collect();
    let whole = packed(&whole);
    std::fs::write(place.path("cut.gz"), whole.get(..whole.len() / 2).unwrap()).unwrap();
    let run = place.run(server.http, &["import", "--input", "cut.gz"]);
    assert!(
        run.code == 1 && run.err.contains("cannot read cut.gz"),
        "{run:?}"
    );
}

#[test]
fn a_message_that_not_every_server_imports_is_told() {
    let (place, server) = (Place::new(), other());
    let long = json!(["stream.write", "a", { "type": "T", "data": { "t": "x".repeat(1 << 20) } }]);
    assert_eq!(call(server.http, TOKEN, &long).0, 200);
    let short = json!(["stream.write", "a", { "type": "T", "data": {} }]);
    assert_eq!(call(server.http, TOKEN, &short).0, 200);
    let run = place.run(server.http, &["export", "--output", "all", "--json"]);
    assert_eq!(run.json(), json!({ "messages": 2, "long_lines": 1 }));
    assert!(run.err.contains("1 of them"), "{run:?}");
}

#[test]
fn nothing_is_deleted_and_nothing_overwritten_without_leave() {
    let (place, server) = (Place::new(), other());
    let one = line(0);
    assert_eq!(
        place
            .run_with(server.http, TOKEN, &["import"], one.as_bytes())
            .code,
        0
    );
    std::fs::write(place.path("file"), &one).unwrap();
    for (arguments, told) in [
        (&["import", "--force"][..], "--input"),
        (&["import", "--force", "--input", "file"], "--yes"),
        (&["import", "--input", "nowhere"], "nowhere"),
        (&["export", "--categories", "account-1"], "account-1"),
        (&["export", "--since", "yesterday"], "--since"),
        (&["export", "--json"], "--output"),
    ] {
        let run = place.run(server.http, arguments);
        assert!(run.code == 1 && run.err.contains(told), "{run:?}");
    }
    let wrong = TOKEN.replace('0', "1");
    let export = ["export", "--output", "file"];
    let run = place.run_with(server.http, &wrong, &export, b"");
    assert!(
        run.code == 1 && run.err.contains("AUTH_UNAUTHORIZED"),
        "{run:?}"
    );
    assert!(
        run.err.contains("EVENTODB_TOKEN") && !run.err.contains(&wrong),
        "{run:?}"
    );
    let nobody: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let run = place.run(nobody, &export);
    assert!(
        run.code == 1 && run.err.contains("cannot be reached"),
        "{run:?}"
    );
    assert_eq!(std::fs::read_to_string(place.path("file")).unwrap(), one);
    // Under `annals events` they are the same.
    let run = place.run(server.http, &["events", "export"]);
    let found: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(found["data"], json!({ "amount": 0.5 }));
}
