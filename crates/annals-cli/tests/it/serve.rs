//! `annals serve` as an operator meets it: its ready line, its settings, its signals and its report.

use std::{
    net::TcpListener,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::{Value, json};

use crate::serving::{ANY_PORTS, Program, Served, eventually, http, http_with};

on_every_backend!(
    a_span_is_read_back_to_the_nanosecond_and_reported,
    what_was_acknowledged_outlives_a_kill,
    a_stop_has_its_end_though_the_database_does_not_write,
    a_second_signal_does_not_wait,
);

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A span of now, and when it began.
fn span() -> (String, u128) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    // Digits in every place, however coarse the clock is.
    let start = now.as_nanos() / 1_000_000 * 1_000_000 + 123_457;
    let request = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [{
        "traceId": TRACE, "spanId": "00f067aa0ba902b7", "name": "GET /",
        "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 1_000_000_001).to_string(),
    }] }] }] });
    (request.to_string(), start)
}

fn send(served: &Served, request: &str) {
    let answer = http(served.otlp_http, "POST", "/v1/traces", request);
    assert_eq!(answer.json(), json!({}), "{answer:?}");
}

fn spans_of_the_trace(served: &Served) -> Vec<Value> {
    let trace = http(served.http, "GET", &format!("/traces/{TRACE}"), "").json();
    trace["spans"].as_array().unwrap().clone()
}

async fn a_span_is_read_back_to_the_nanosecond_and_reported(database: TestDatabase) {
    let served = Served::start(&database);
    assert_eq!(http(served.http, "GET", "/ready", "").status, 200);
    let (request, start) = span();
    send(&served, &request);
    // As a client does that heard no answer.
    send(&served, &request);
    let spans = spans_of_the_trace(&served);
    assert_eq!(spans.len(), 1, "{spans:?}");
    let below_seconds = format!(".{:09}Z", start % 1_000_000_000);
    let told = spans[0]["start_time"].as_str().unwrap();
    assert!(told.ends_with(&below_seconds), "{told}: {below_seconds}");
    assert_eq!(spans[0]["duration_nanos"], 1_000_000_001);
    let report = served.stop();
    let otlp = &report["roads"]["otlp"];
    assert_eq!(
        (&otlp["accepted"], &otlp["committed"]),
        (&json!(2), &json!(2)),
        "{report}"
    );
    assert_eq!(
        (&otlp["lost"], &otlp["parked"]),
        (&json!(0), &json!(0)),
        "{report}"
    );
}

async fn what_was_acknowledged_outlives_a_kill(database: TestDatabase) {
    let mut served = Served::start(&database);
    send(&served, &span().0);
    served.program.signal("KILL");
    assert!(!served.program.end().success());
    let served = Served::start(&database);
    assert_eq!(spans_of_the_trace(&served).len(), 1);
    let _ = served.stop();
}

/// Whatever waits longer than a test does is not what ends the server.
const NEVER: [(&str, &str); 2] = [("INGEST_TIMEOUT", "1h"), ("DB_ATTEMPT_TIMEOUT", "1h")];

/// Has a client wait for a span to be written, and gives what that client hears in the end.
fn send_what_is_not_written(served: &Served) -> thread::JoinHandle<Option<u16>> {
    let (address, request) = (served.otlp_http, span().0);
    let client = thread::spawn(move || {
        let answer = http_with(address, "POST", "/v1/traces", "", &request);
        Some(answer.ok()?.status)
    });
    eventually("the span is held", || {
        served.metric("timescale_write_queue_depth", &["spans"]) > 0.0
    });
    client
}

/// Nobody was told that the one span is kept, whether it was on its way to the database or not.
fn assert_ends_without_it(mut served: Served, client: thread::JoinHandle<Option<u16>>) {
    let report = served.program.json_line();
    let status = served.program.end();
    let otlp = &report["roads"]["otlp"];
    assert_eq!(
        (&otlp["accepted"], &otlp["committed"]),
        (&json!(1), &json!(0)),
        "{report}"
    );
    let lost = otlp["lost"].as_u64().unwrap();
    assert_eq!(lost + otlp["returned"].as_u64().unwrap(), 1, "{report}");
    assert_eq!(status.code(), Some(i32::from(lost > 0)), "{report}");
    assert_ne!(client.join().unwrap(), Some(200));
}

async fn a_stop_has_its_end_though_the_database_does_not_write(database: TestDatabase) {
    let settings = [("DATABASE_URL", &*database.url), ("SHUTDOWN_TIMEOUT", "1s")];
    let served = Served::start_with(&[&settings[..], &NEVER].concat());
    let lock = database.lock_table("spans").await;
    let client = send_what_is_not_written(&served);
    served.program.signal("TERM");
    assert_ends_without_it(served, client);
    lock.release().await;
}

async fn a_second_signal_does_not_wait(database: TestDatabase) {
    let settings = [("DATABASE_URL", &*database.url), ("SHUTDOWN_TIMEOUT", "1h")];
    let served = Served::start_with(&[&settings[..], &NEVER].concat());
    let lock = database.lock_table("spans").await;
    let client = send_what_is_not_written(&served);
    served.program.signal("TERM");
    // Of two signals of a kind that come at once, one is heard.
    eventually("it has heard", || {
        served.program.errors().contains("stopping")
    });
    served.program.signal("TERM");
    assert_ends_without_it(served, client);
    lock.release().await;
}

#[test]
fn an_interrupt_stops_it_and_it_reports_in_words() {
    let mut program = Program::serve(&[], &ANY_PORTS);
    let welcome = program.lines_until("ready after");
    assert!(
        welcome[0].contains("keeps what it takes in SQLite at annals.db"),
        "{welcome:?}"
    );
    for service in [
        "OTLP/gRPC and InferTrace",
        "OTLP/HTTP",
        "queries, health, metrics",
    ] {
        assert!(
            welcome.iter().any(|line| line.contains(service)),
            "{service}: {welcome:?}"
        );
    }
    program.signal("INT");
    let report = program.lines_until("infertrace: ");
    assert!(
        report[0].starts_with("otlp: 0 accepted, 0 committed"),
        "{report:?}"
    );
    assert!(program.end().success());
}

#[test]
fn the_demo_shows_what_it_says() {
    let mut program = Program::serve(&[], &[&ANY_PORTS[..], &["--demo"]].concat());
    let lines = program.lines_until("/spans?model=");
    // A database of its own, not the one that somebody may have here.
    assert!(lines[0].contains("annals-demo.db"), "{lines:?}");
    let urls: Vec<(&str, &str)> = lines
        .iter()
        .filter_map(|line| line.trim().strip_prefix("http://")?.split(' ').next())
        .map(|url| url.split_at(url.find('/').unwrap()))
        .collect();
    assert_eq!(urls.len(), 7, "{lines:?}");
    let answer = |part: &str| {
        let (address, path) = urls.iter().find(|(_, path)| path.contains(part)).unwrap();
        http(address.parse().unwrap(), "GET", path, "").json()
    };
    let models = answer("/models").to_string();
    for model in ["gpt-4", "llama-70b", "clip-vit"] {
        assert!(models.contains(model), "{models}");
    }
    let regression = answer("/regression");
    assert_eq!(regression["verdict"], "regressed", "{regression}");
    let latency = answer("/latency");
    assert!(latency["p95"].as_u64() > Some(0), "{latency}");
    assert!(answer("/analysis").is_object());
    assert_eq!(answer("/spans").as_array().unwrap().len(), 3);
    assert_eq!(answer("/traces?errors").as_array().unwrap().len(), 3);
    let costs = answer("/costs");
    let of = |model: &str| {
        let groups = costs["groups"].as_array().unwrap();
        groups.iter().find(|group| group["model"] == model).unwrap()
    };
    assert!(of("gpt-4")["cost"].as_f64() > Some(0.0), "{costs}");
    let told = program.lines_until("costs --by model");
    assert!(
        told.iter()
            .any(|line| line.contains("DATABASE_URL=sqlite:annals-demo.db")),
        "{told:?}"
    );
    assert!(
        of("llama-70b").get("cost").is_none(),
        "nobody's price is no zero: {costs}"
    );
    program.signal("TERM");
    program.lines_until("infertrace: ");
    assert!(program.end().success());
}

#[test]
fn a_port_that_is_taken_ends_the_start_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for setting in ["HTTP_ADDR", "OTLP_GRPC_ADDR", "OTLP_HTTP_ADDR"] {
        let mut settings = [
            ("HTTP_ADDR", "127.0.0.1:0"),
            ("OTLP_GRPC_ADDR", "127.0.0.1:0"),
            ("OTLP_HTTP_ADDR", "127.0.0.1:0"),
        ];
        for (name, value) in &mut settings {
            if *name == setting {
                *value = &address;
            }
        }
        assert_does_not_start(&settings, &[], &[setting, &address]);
    }
}

/// It ends by itself, prints nothing for a script to take for readiness, and says why.
fn assert_does_not_start(settings: &[(&str, &str)], arguments: &[&str], why: &[&str]) {
    let mut program = Program::serve(settings, arguments);
    assert_eq!(program.line(), None);
    assert_eq!(program.end().code(), Some(1));
    let errors = program.errors();
    for told in why {
        assert!(errors.contains(told), "{told}: {errors}");
    }
    assert!(!errors.contains("topsecret"), "{errors}");
}

#[test]
fn what_it_cannot_serve_with_ends_the_start_by_name() {
    assert_does_not_start(
        &[("HTTP_ADDR", "nonsense")],
        &[],
        &["HTTP_ADDR", "nonsense"],
    );
    assert_does_not_start(
        &[],
        &["--http-addr", "0.0.0.0:0"],
        &["API_TOKEN", "--insecure"],
    );
    assert_does_not_start(&[("API_TOKEN", "topsecret")], &[], &["API_TOKEN"]);
    assert_does_not_start(
        &[],
        &["--tls-cert", "nowhere.pem"],
        &["TLS_CERT", "nowhere.pem"],
    );
    assert_does_not_start(&[], &["--demo", "--demo-rate", "0"], &["--demo-rate"]);
    let no_tables = [&ANY_PORTS[..], &["--no-migrate"]].concat();
    assert_does_not_start(&[], &no_tables, &["spans", "migrate"]);
}

#[test]
fn a_database_that_is_not_there_ends_the_start_without_its_password() {
    // No system hands this port out.
    let gone = "127.0.0.1:1";
    let url = format!("postgres://ann:topsecret@{gone}/annals");
    let settings = [("DATABASE_URL", &*url), ("DB_CONNECT_TIMEOUT", "1s")];
    assert_does_not_start(&settings, &ANY_PORTS, &["cannot connect", gone]);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file =
        "http_addr = \"nonsense\"\notlp_grpc_addr = \"off\"\notlp_http_addr = \"nonsense\"\n";
    std::fs::write(directory.path().join("annals.toml"), file).unwrap();
    let settings = [("HTTP_ADDR", "nonsense"), ("OTLP_HTTP_ADDR", "127.0.0.1:0")];
    let program = Program::serve_in(
        directory,
        &settings,
        &["--http-addr", "127.0.0.1:0", "--json"],
    );
    let ready = program.json_line();
    assert_eq!(ready["ready"], true, "{ready}");
    assert_eq!(ready["otlp_grpc"], Value::Null, "{ready}");
    assert!(
        ready["http"].is_string() && ready["otlp_http"].is_string(),
        "{ready}"
    );
}

#[test]
fn a_token_is_asked_for_and_never_told() {
    let served = Served::start_with(&[("API_TOKEN", "correct-horse-battery")]);
    assert_eq!(http(served.http, "GET", "/models", "").status, 401);
    assert_eq!(
        http(served.otlp_http, "POST", "/v1/traces", &span().0).status,
        401
    );
    let token = "Authorization: Bearer correct-horse-battery\r\n";
    let sent = http_with(served.otlp_http, "POST", "/v1/traces", token, &span().0);
    assert_eq!(sent.unwrap().status, 200);
    let path = format!("/traces/{TRACE}");
    let found = http_with(served.http, "GET", &path, token, "").unwrap();
    assert_eq!(found.status, 200, "{found:?}");
    assert!(!served.program.errors().contains("horse"));
}
