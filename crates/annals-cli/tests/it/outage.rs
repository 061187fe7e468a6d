//! The database goes away under load from a real SDK and comes back: clients are told to come again, they
//! do, and every span is in its table once.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use annals_testkit::{
    Backend, TestDatabase, on_every_server,
    server::{Cluster, Options},
};
use serde_json::Value;

use crate::serving::{Answer, Served, http, is_wanted, script};

on_every_server!(an_outage_of_the_database_loses_and_doubles_nothing);

/// Within this a client is told to come again: by default an SDK waits no longer.
const ANSWER: Duration = Duration::from_secs(10);

/// The trace of a span that is sent past the SDK.
const PROBE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// An outage of less is over before clients that wait for their commit are told to come again.
const SHORTEST: u64 = 12;

/// How long the database is away: what the requirement says on PostgreSQL, and enough for the server to be
/// asked with and without knowing of it on TimescaleDB, whose absence is no different.
fn outage(backend: Backend) -> Duration {
    let seconds = std::env::var("ANNALS_TEST_OUTAGE_SECONDS").map_or_else(
        |_| {
            if backend == Backend::Postgres {
                30
            } else {
                SHORTEST
            }
        },
        |seconds| seconds.parse().unwrap(),
    );
    Duration::from_secs(seconds.max(SHORTEST))
}

async fn an_outage_of_the_database_loses_and_doubles_nothing(like: TestDatabase) {
    if !is_wanted("python") {
        return;
    }
    let flavor = like.backend.flavor().unwrap();
    let cluster = tokio::task::block_in_place(|| Cluster::start(flavor, Options::new())).unwrap();
    let url = cluster.url(&cluster.create_database().await.unwrap());
    let database = TestDatabase::at(like.backend, url);
    let directory = tempfile::tempdir().unwrap();
    let ids = directory.path().join("ids");

    let (served, summary, probe) = tokio::task::block_in_place(|| {
        let served = Served::start(&database);
        let mut load = Load::start(&served, directory.path());
        load.wait_for_delivery();
        let probe = probe();
        cluster.stop_fast().unwrap();
        let away = Instant::now();
        let outage = outage(like.backend);
        probe_while_away(&served, &probe, away, outage);
        thread::sleep(outage.saturating_sub(away.elapsed()));
        cluster.start_again().unwrap();
        // Load goes on for a moment: what is new meets what comes again.
        thread::sleep(Duration::from_secs(2));
        (served, load.finish(), probe)
    });
    println!("the SDK said: {summary}");

    // The SDK lost nothing by itself, and it did meet the outage.
    assert_eq!(summary["made"], summary["delivered"], "{summary}");
    assert_eq!(summary["queue_full"], 0, "{summary}");
    for (code, road) in [("503", "otlp_http"), ("UNAVAILABLE", "otlp_grpc")] {
        assert!(
            summary["codes"][code].as_u64() > Some(0),
            "{code}: {summary}"
        );
        let labels = [&*format!("road=\"{road}\""), "outcome=\"away\""];
        assert!(
            served.metric("annals_requests_total", &labels) > 0.0,
            "{labels:?}"
        );
    }

    let mut made: Vec<String> = std::fs::read_to_string(ids)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    made.sort_unstable();
    let mut stored = database
        .query("SELECT span_id FROM spans WHERE service_name = 'load'")
        .await;
    stored.sort_unstable();
    assert_eq!(stored.len(), made.len(), "lost or doubled: {summary}");
    assert!(stored == made, "as many spans as were made, and other ones");
    // Each trace has two spans, and its entry in the directory counts them once too.
    let miscounted =
        format!("SELECT count(*) FROM traces WHERE span_count <> 2 AND trace_id <> '{PROBE}'");
    assert_eq!(database.number(&miscounted).await, 0);

    // Who was told to come again comes again, whatever became of it before.
    let again = send(&served, &probe);
    assert_eq!(again.status, 200, "{again:?}");
    let probes = "SELECT count(*) FROM spans WHERE service_name = 'probe'";
    assert_eq!(database.number(probes).await, 1);
    let report = tokio::task::block_in_place(|| served.stop());
    println!("the server reported: {report}");
    let otlp = &report["roads"]["otlp"];
    assert!(
        otlp["lost"] == 0 && otlp["parked"] == 0 && otlp["refused"] == 0,
        "{report}"
    );
}

/// A span that is sent past the SDK, to see the very answer.
fn probe() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    serde_json::json!({ "resourceSpans": [{
        "resource": { "attributes": [
            { "key": "service.name", "value": { "stringValue": "probe" } },
        ] },
        "scopeSpans": [{ "spans": [{
            "traceId": PROBE, "spanId": "00f067aa0ba902b7", "name": "probe",
            "startTimeUnixNano": now.to_string(), "endTimeUnixNano": now.to_string(),
        }] }],
    }] })
    .to_string()
}

fn send(served: &Served, probe: &str) -> Answer {
    http(served.otlp_http, "POST", "/v1/traces", probe)
}

/// Every answer during the outage is 503, with a time to come again, before a client loses its patience.
fn probe_while_away(served: &Served, probe: &str, away: Instant, outage: Duration) {
    let mut times = Vec::new();
    while times.is_empty() || away.elapsed() + ANSWER < outage {
        let asked = Instant::now();
        let answer = send(served, probe);
        let time = asked.elapsed();
        assert_eq!(
            answer.status,
            503,
            "{answer:?} after {:?} of absence",
            away.elapsed()
        );
        let retry_after = answer.header("Retry-After").map(str::parse::<u64>);
        assert!(matches!(retry_after, Some(Ok(1..))), "{answer:?}");
        assert!(time < ANSWER, "{time:?}");
        times.push(time);
        thread::sleep(Duration::from_secs(1));
    }
    println!("clients were told to come again after {times:?}");
}

/// The SDK at work.
struct Load {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    said: std::path::PathBuf,
}

impl Load {
    fn start(served: &Served, directory: &Path) -> Self {
        let [_, otlp_grpc, otlp_http] = served.addresses();
        let said = directory.join("load");
        let mut child = script("python/python.sh")
            .args(["outage_load.py", &otlp_grpc, &otlp_http])
            .arg(directory.join("ids"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&said).unwrap())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out, said }
    }

    fn wait_for_delivery(&mut self) {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        assert!(line.contains("every exporter has delivered"), "{line:?}");
    }

    /// Has it make no more and deliver the rest; gives what the SDK said in the end.
    fn finish(mut self) -> Value {
        drop(self.child.stdin.take());
        let mut summary = String::new();
        self.out.read_to_string(&mut summary).unwrap();
        assert!(self.child.wait().unwrap().success(), "{summary}");
        serde_json::from_str(&summary).unwrap()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let said = std::fs::read_to_string(&self.said).unwrap_or_default();
            eprintln!("the SDK said:\n{said}");
        }
    }
}
