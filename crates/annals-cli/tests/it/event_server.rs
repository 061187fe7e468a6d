//! The program as those start it who know EventoDB's server.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use annals_testkit::{Backend, TestDatabase, on_every_backend};
use serde_json::{Value, json};

use crate::{
    program::annals,
    serving::{PATIENCE, Program, http, http_with},
};

on_every_backend!(
    it_starts_in_words_of_eventodb_and_leaves_at_once,
    a_token_that_nobody_gave_is_told_once_and_opens_default,
    a_stop_loses_nothing_that_was_acknowledged,
);

/// The token that EventoDB's test suites start their servers with.
pub(crate) const TOKEN: &str =
    "ns_ZGVmYXVsdA_0000000000000000000000000000000000000000000000000000000000000000";

/// The end that nobody may have to wait for: what is measured is printed, and is far below.
const BOUND: Duration = Duration::from_secs(5);

/// Calls a method with a token; gives the status and what was answered.
pub(crate) fn call(address: SocketAddr, token: &str, call: &Value) -> (u16, Value) {
    let token = format!("Authorization: Bearer {token}\r\n");
    let answer = http_with(address, "POST", "/rpc", &token, &call.to_string()).unwrap();
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

/// Starts the program in a directory of its own, and gives it with what it says when it is ready.
fn start(settings: &[(&str, &str)], arguments: &[&str]) -> (Program, Value) {
    let arguments = [arguments, &["--json"]].concat();
    let program = Program::start(tempfile::tempdir().unwrap(), settings, &arguments);
    let ready = program.json_line();
    assert_eq!(ready["ready"], true, "{ready}");
    (program, ready)
}

fn address(ready: &Value) -> SocketAddr {
    ready["http"].as_str().unwrap().parse().unwrap()
}

fn assert_opens_http_alone(ready: &Value) {
    assert!(address(ready).ip().is_loopback(), "{ready}");
    assert_eq!(ready["otlp_grpc"], Value::Null, "{ready}");
    assert_eq!(ready["otlp_http"], Value::Null, "{ready}");
}

/// Follows everything; gives the stream once it is ready.
pub(crate) fn follow(address: SocketAddr) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET /subscribe?all=true&token={TOKEN} HTTP/1.1\r\nHost: {address}\r\n\r\n"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while !line.contains(": ready") {
        line.clear();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "it ended");
    }
    reader
}

async fn it_starts_in_words_of_eventodb_and_leaves_at_once(database: TestDatabase) {
    let kind = match database.backend {
        Backend::Sqlite => "sqlite",
        Backend::Postgres => "postgres",
        Backend::Timescale => "timescale",
    };
    let given = ["-port", "0", "-token", TOKEN, "-db-type", kind];
    let arguments = [&given[..], &["-db-url", &database.url]].concat();
    let started = Instant::now();
    let (mut program, ready) = start(&[], &arguments);
    let address = address(&ready);
    assert_eq!(
        http(address, "GET", "/health", "").json(),
        json!({ "status": "ok" })
    );
    println!(
        "{:?}: healthy after {:?}",
        database.backend,
        started.elapsed()
    );
    assert_opens_http_alone(&ready);
    assert_eq!(ready.get("new_eventodb_token"), None, "{ready}");
    let mut following = follow(address);
    let write = json!(["stream.write", "a-1", { "type": "T", "data": {} }]);
    assert_eq!(call(address, TOKEN, &write).0, 200);
    let mut poke = String::new();
    while !poke.contains("\"stream\":\"a-1\"") {
        assert_ne!(following.read_line(&mut poke).unwrap(), 0, "{poke}");
    }
    let told = Instant::now();
    program.signal("TERM");
    assert!(program.end().success());
    // The port can be had the moment the program is gone.
    drop(TcpListener::bind(address).unwrap());
    let took = told.elapsed();
    println!("{:?}: gone after {took:?}", database.backend);
    assert!(took < BOUND, "{took:?}");
    // The stream has its end, and no cut.
    following.read_to_string(&mut poke).unwrap();
    assert!(poke.ends_with("0\r\n\r\n"), "{poke:?}");
    // The same again, on a database that has this very token.
    let again = [
        ("EVENTODB_DB_URL", &*database.url),
        ("DATABASE_URL", "sqlite:elsewhere.db"),
        ("EVENTODB_PORT", "0"),
        ("EVENTODB_LOG_FORMAT", "json"),
    ];
    let (program, ready) = start(&again, &["--token", TOKEN]);
    assert_opens_http_alone(&ready);
    let version = json!(["stream.version", "a-1"]);
    assert_eq!(
        call(self::address(&ready), TOKEN, &version),
        (200, json!(0))
    );
    drop(program);
}

async fn a_stop_loses_nothing_that_was_acknowledged(database: TestDatabase) {
    const WRITERS: usize = 4;
    let arguments = ["-port=0", "-token", TOKEN, "-db-url", &database.url];
    let (mut program, ready) = start(&[], &arguments);
    let address = address(&ready);
    let write = move |n: usize| {
        let call = json!(["stream.write", format!("a-{n}"), { "type": "T", "data": {} }]);
        let token = format!("Authorization: Bearer {TOKEN}\r\n");
        let mut last = None;
        while let Ok(answer) = http_with(address, "POST", "/rpc", &token, &call.to_string()) {
            let Ok(place) = serde_json::from_str::<Value>(&answer.body) else {
                break;
            };
            let Some(position) = place["position"].as_i64() else {
                break;
            };
            last = Some(position);
        }
        last
    };
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| thread::spawn(move || write(n)))
        .collect();
    thread::sleep(Duration::from_millis(300));
    program.signal("TERM");
    assert!(program.end().success());
    let acknowledged: Vec<Option<i64>> = writers
        .into_iter()
        .map(|writer| writer.join().unwrap())
        .collect();
    let (_program, ready) = start(&[], &arguments);
    for (n, last) in acknowledged.into_iter().enumerate() {
        let call = json!(["stream.version", format!("a-{n}")]);
        let (_, version) = self::call(self::address(&ready), TOKEN, &call);
        assert!(last.is_some(), "nothing was written");
        assert!(version.as_i64() >= last, "{version} {last:?}");
    }
}

async fn a_token_that_nobody_gave_is_told_once_and_opens_default(database: TestDatabase) {
    let settings = [("DATABASE_URL", &*database.url)];
    let (program, ready) = start(&settings, &["serve", "--port", "0"]);
    let token = ready["new_eventodb_token"].as_str().unwrap();
    let info = json!(["ns.info", "default"]);
    let (status, answer) = call(address(&ready), token, &info);
    assert_eq!((status, &answer["messageCount"]), (200, &json!(0)));
    assert_eq!(call(address(&ready), TOKEN, &info).0, 403);
    assert!(!program.errors().contains("ns_"), "{}", program.errors());
    drop(program);
    let (program, ready) = start(&settings, &["serve", "--port", "0"]);
    assert!(!ready.to_string().contains("ns_"), "{ready}");
    assert_eq!(call(address(&ready), token, &info).0, 200);
    drop(program);
}

#[test]
fn a_new_token_is_told_with_what_it_is_for() {
    let program = Program::serve(&[], &["--port=0"]);
    let lines = program.lines_until("ready after").join("\n");
    assert!(lines.contains("namespace, default"), "{lines}");
    assert_eq!(lines.matches("ns_ZGVmYXVsdA_").count(), 1, "{lines}");
    assert!(lines.contains("Authorization: Bearer"), "{lines}");
}

#[test]
fn test_mode_needs_no_database_and_no_token() {
    for (settings, arguments) in [
        (
            &[][..],
            &["--test-mode", "--port=0", &format!("--token={TOKEN}")][..],
        ),
        (
            &[("EVENTODB_TEST_MODE", "T"), ("EVENTODB_PORT", "0")][..],
            &["serve"][..],
        ),
    ] {
        let (program, ready) = start(settings, arguments);
        assert_opens_http_alone(&ready);
        assert_eq!(ready["database"], "SQLite in memory");
        let body = json!(["sys.version"]).to_string();
        let answer = http(address(&ready), "POST", "/rpc", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(program.errors().contains("TEST MODE"));
    }
}

#[test]
fn a_taken_port_ends_the_start_at_once() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let directory = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let arguments = ["--test-mode", "--port", &port, "--token", TOKEN];
    let run = annals(directory.path(), None, &arguments);
    assert_eq!((run.code, &*run.out), (1, ""), "{run:?}");
    assert!(run.err.contains(&port), "{run:?}");
    assert!(started.elapsed() < BOUND);
}

#[test]
fn a_directory_for_data_is_made_and_holds_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("a/b");
    let data = data.to_str().unwrap();
    for url in ["sqlite://", "sqlite://own.db"] {
        let arguments = ["--db-url", url, "--data-dir", data, "migrate", "status"];
        let run = annals(directory.path(), None, &arguments);
        assert_eq!(run.code, 0, "{run:?}");
    }
    for file in ["annals.db", "own.db"] {
        assert!(std::path::Path::new(data).join(file).exists(), "{file}");
    }
}

#[test]
fn words_that_it_cannot_serve_with_are_told() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, code, told) in [
        (&["-port", "nonsense"][..], 2, "--port"),
        (&["-token", "ns_secret"], 1, "EVENTODB_TOKEN"),
        (&["-db-url", "pebble://x"], 1, "Pebble"),
        (&["-test-mode=yes"], 1, "EVENTODB_TEST_MODE"),
        (&["-log-level", "loud"], 1, "EVENTODB_LOG_LEVEL"),
        (&["serve", "-log-format", "xml"], 1, "EVENTODB_LOG_FORMAT"),
        (&["-nonsense"], 2, "unexpected argument"),
    ] {
        let run = annals(directory.path(), None, arguments);
        assert_eq!((run.code, &*run.out), (code, ""), "{run:?}");
        assert!(run.err.contains(told), "{run:?}");
        assert!(!run.err.contains("ns_secret"), "{run:?}");
    }
}

#[test]
fn help_and_version_are_there_in_every_spelling() {
    let directory = tempfile::tempdir().unwrap();
    let out = |arguments: &[&str]| {
        let run = annals(directory.path(), Some("pebble://x"), arguments);
        assert_eq!(run.code, 0, "{run:?}");
        run.out
    };
    for help in [&[][..], &["help"], &["-h"], &["--help"]] {
        assert!(out(help).contains("Usage: annals"), "{help:?}");
    }
    let version = out(&["version"]);
    for same in ["-v", "-V", "--version"] {
        assert_eq!(out(&[same]), version);
        assert!(out(&[same, "--full"]).starts_with(&version));
    }
}

#[test]
fn the_log_is_json_where_that_is_wanted() {
    let settings = [("EVENTODB_LOG_FORMAT", "json"), ("EVENTODB_TEST_MODE", "1")];
    let (program, _) = start(&settings, &["serve", "--port", "0"]);
    let errors = program.errors();
    let line: Value = serde_json::from_str(errors.lines().next().unwrap()).unwrap();
    assert_eq!(line["level"], "WARN", "{errors}");
}
