//! A server that is killed in the middle of exports of every kind.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::mpsc,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use annals_record::Timestamp;
use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::{Value, json};

use crate::serving::{PATIENCE, Served, http, http_with};

on_every_backend!(what_was_acknowledged_of_every_kind_outlives_a_kill);

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Exports that every client has heard an answer to before the kill.
const HEARD: u64 = 25;

/// What one client sends: numbered exports of a signal.
#[derive(Clone, Copy, Debug)]
enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
        }
    }

    /// The export of a number: a second after the one before it.
    fn export(self, begin: u64, number: u64) -> String {
        let time = (begin + number * 1_000_000_000).to_string();
        let export = match self {
            Self::Traces => json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [{
                "traceId": TRACE, "spanId": format!("{:016x}", number + 1), "name": number.to_string(),
                "startTimeUnixNano": time, "endTimeUnixNano": time,
            }] }] }] }),
            Self::Metrics => json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [{
                "name": "number", "gauge": { "dataPoints": [{ "timeUnixNano": time, "asInt": number.to_string() }] },
            }] }] }] }),
            Self::Logs => json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [{
                "timeUnixNano": time, "body": { "stringValue": number.to_string() },
            }] }] }] }),
        };
        export.to_string()
    }

    /// The numbers that are stored, each as often as it is.
    fn stored(self, served: &Served, begin: u64) -> Vec<u64> {
        let since = Timestamp::from_unix_nanos(begin.cast_signed());
        let get = |path: &str| http(served.http, "GET", path, "").json();
        let list = |found: &Value| found.as_array().unwrap().clone();
        let number = |value: &Value| match value {
            Value::String(text) => text.parse::<u64>().unwrap(),
            other => other.as_f64().unwrap() as u64,
        };
        let mut numbers: Vec<u64> = match self {
            Self::Traces => {
                let trace = get(&format!("/traces/{TRACE}"));
                let spans = list(&trace["spans"]);
                spans
                    .iter()
                    .map(|span| number(&span["operation_name"]))
                    .collect()
            }
            Self::Metrics => {
                let series = list(&get(&format!(
                    "/metrics-data/number?since={since}&limit=10000"
                )));
                assert_eq!(series.len(), 1, "{series:?}");
                let points = list(&series[0]["points"]);
                points.iter().map(|point| number(&point["value"])).collect()
            }
            Self::Logs => {
                let records = list(&get(&format!("/logs?since={since}&limit=10000")));
                records
                    .iter()
                    .map(|record| number(&record["body"]))
                    .collect()
            }
        };
        numbers.sort_unstable();
        numbers
    }
}

/// Sends export after export until the server is gone. Gives how many were acknowledged; one more was on its way.
fn client(
    signal: Signal,
    address: SocketAddr,
    begin: u64,
    heard: mpsc::Sender<()>,
) -> thread::JoinHandle<u64> {
    thread::spawn(move || {
        for number in 0.. {
            let export = signal.export(begin, number);
            match http_with(address, "POST", signal.path(), "", &export) {
                Ok(answer) => assert_eq!(answer.json(), json!({}), "{answer:?}"),
                Err(_gone) => return number,
            }
            if number + 1 == HEARD {
                heard.send(()).unwrap();
            }
        }
        unreachable!("it is killed before")
    })
}

async fn what_was_acknowledged_of_every_kind_outlives_a_kill(database: TestDatabase) {
    let signals = [Signal::Traces, Signal::Metrics, Signal::Logs];
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3_600);
    let begin = an_hour_ago.duration_since(UNIX_EPOCH).unwrap();
    let begin = u64::try_from(begin.as_nanos()).unwrap();
    let mut served = Served::start(&database);
    let (tell, heard) = mpsc::channel();
    let clients = signals.map(|signal| client(signal, served.otlp_http, begin, tell.clone()));
    for _ in signals {
        heard.recv_timeout(PATIENCE).unwrap();
    }
    served.program.signal("KILL");
    assert!(!served.program.end().success());
    let acknowledged = clients.map(|client| client.join().unwrap());

    let served = Served::start(&database);
    for (signal, acknowledged) in signals.into_iter().zip(acknowledged) {
        assert!(acknowledged >= HEARD, "{signal:?}");
        let stored: BTreeSet<u64> = signal.stored(&served, begin).into_iter().collect();
        assert!(
            (0..acknowledged).all(|number| stored.contains(&number)),
            "{signal:?}: {acknowledged} were acknowledged, and these are stored: {stored:?}"
        );
        // As a client does that heard no answer to the last one, and is not sure of the one before it.
        for number in acknowledged - 1..=acknowledged {
            let export = signal.export(begin, number);
            let answer = http(served.otlp_http, "POST", signal.path(), &export);
            assert_eq!(answer.json(), json!({}), "{answer:?}");
        }
        let all: Vec<u64> = (0..=acknowledged).collect();
        assert_eq!(signal.stored(&served, begin), all, "{signal:?}");
    }
    let _ = served.stop();
}
