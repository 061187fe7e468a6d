//! Logs by OTLP, and as GET /logs tells of them and follows them.

mod away;

use annals_record::Timestamp;
use annals_server::Stop;
use annals_testkit::{TestDatabase, on_every_backend};
use http::Method;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse},
    common::v1::{AnyValue, any_value::Value as Any},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{
    client::{get, post, request as ask, whole},
    exports::{Packing, attribute},
    grpc::{call_with, frame},
    serving::{self, Served, within},
};

on_every_backend!(
    a_record_comes_by_every_road_and_packing_and_is_there_once,
    records_that_cannot_be_are_refused_and_the_others_kept,
    a_record_without_time_is_there_once_too,
    a_search_pages_and_tells_its_window,
    counts_are_a_histogram,
    who_follows_and_comes_back_has_everything_once,
);

const EXPORT: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

fn now() -> u64 {
    u64::try_from(Timestamp::now().unix_nanos()).unwrap()
}

fn said(body: &str) -> LogRecord {
    LogRecord {
        time_unix_nano: now() - 1_000_000_000,
        severity_number: 13,
        severity_text: "WARNING".to_owned(),
        body: Some(AnyValue {
            value: Some(Any::StringValue(body.to_owned())),
        }),
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        ..LogRecord::default()
    }
}

fn request(log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let service = attribute("service.name", Any::StringValue("shop".to_owned()));
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes: vec![service],
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs {
                log_records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

/// Sends by OTLP/HTTP; gives how many records were refused, and why.
async fn export(served: &Served, request: &ExportLogsServiceRequest) -> (i64, String) {
    let headers = [("content-type", "application/x-protobuf")];
    let answer = post(served.otlp, "/v1/logs", &headers, request.encode_to_vec()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = ExportLogsServiceResponse::decode(answer.body.clone()).unwrap();
    let partial = answer.partial_success.unwrap_or_default();
    (partial.rejected_log_records, partial.error_message)
}

async fn read(served: &Served, path: &str) -> Vec<Value> {
    get(served.http, path)
        .await
        .found()
        .as_array()
        .unwrap()
        .clone()
}

async fn a_record_comes_by_every_road_and_packing_and_is_there_once(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let sent = request(vec![said("out of stock")]).encode_to_vec();
    let time = now().to_string();
    let document = json!({ "resourceLogs": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "shop" } }] },
        "scopeLogs": [{ "logRecords": [{
            "timeUnixNano": time, "severityNumber": 17, "eventName": "order.failed",
            "body": { "kvlistValue": { "values": [{ "key": "order", "value": { "intValue": "7" } }] } },
        }] }],
    }] })
    .to_string();
    for packing in Packing::ALL {
        let bytes = packing.pack(&sent);
        let headers = [("grpc-encoding", packing.name())];
        let frame = frame(packing != Packing::Plain, &bytes);
        let reply = call_with(served.grpc, EXPORT, &headers, frame).await;
        let answer: ExportLogsServiceResponse = reply.ok();
        assert_eq!(answer.partial_success, None);
        for (media, body) in [
            ("application/x-protobuf", sent.as_slice()),
            ("application/json", document.as_bytes()),
        ] {
            let headers = [
                ("content-type", media),
                ("content-encoding", packing.name()),
            ];
            let answer = post(served.otlp, "/v1/logs", &headers, packing.pack(body)).await;
            assert_eq!(answer.status, 200, "{packing:?} {media}: {answer:?}");
            assert_eq!(answer.header("content-type"), media);
        }
    }
    let found = read(&served, "/logs?service=shop").await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0]["body"], r#"{"order":7}"#);
    assert_eq!(found[0]["body_json"], json!({ "order": 7 }));
    assert_eq!(found[0]["event_name"], "order.failed");
    assert_eq!(found[1]["body"], "out of stock");
    assert_eq!(found[1]["severity"], "warn");
    assert_eq!(found[1]["trace_id"], "01".repeat(16));
    let figures = get(served.http, "/metrics").await;
    for told in [
        "annals_log_records_total{road=\"otlp_http\",outcome=\"committed\"}",
        "annals_requests_total{road=\"otlp_grpc\",signal=\"logs\",outcome=\"ok\"}",
    ] {
        assert!(figures.text().contains(told), "{told}");
    }
}

async fn records_that_cannot_be_are_refused_and_the_others_kept(database: TestDatabase) {
    let served = serving::on(&database, &[("MAX_ATTRIBUTES", "10")]).await;
    let wide = (0..11).map(|n| attribute(&n.to_string(), Any::IntValue(n)));
    let wide = LogRecord {
        attributes: wide.collect(),
        ..said("wide")
    };
    let grave = LogRecord {
        severity_number: 25,
        ..said("grave")
    };
    let old = LogRecord {
        time_unix_nano: 1,
        ..said("old")
    };
    let sent = request(vec![said("fine"), wide, grave, old, said("also fine")]);
    let (rejected, why) = export(&served, &sent).await;
    assert_eq!(rejected, 3);
    for told in [
        "log record 1 (trace",
        "attributes are 11 where at most 10",
        "severity_number is 25",
        "log record 3",
        "MAX_SPAN_AGE",
    ] {
        assert!(why.contains(told), "{told}: {why}");
    }
    assert_eq!(read(&served, "/logs").await.len(), 2);
    let (rejected, why) = export(&served, &request(vec![said("a\0b")])).await;
    if database.backend.flavor().is_some() {
        assert_eq!(rejected, 1);
        assert!(why.contains("body"), "{why}");
    } else {
        assert_eq!(rejected, 0, "{why}");
    }
}

async fn a_record_without_time_is_there_once_too(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let timeless = LogRecord {
        time_unix_nano: 0,
        ..said("when?")
    };
    let sent = request(vec![timeless.clone(), timeless]);
    for _ in 0..3 {
        assert_eq!(export(&served, &sent).await.0, 0);
    }
    assert_eq!(read(&served, "/logs?text=WHEN").await.len(), 2);
}

async fn a_search_pages_and_tells_its_window(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let records = (0..5).map(|n| said(&format!("number {n}"))).collect();
    export(&served, &request(records)).await;
    let first = get(served.http, "/logs?text=number&limit=3").await;
    let window = first.header("annals-window").to_owned();
    assert!(window.ends_with("; defaulted"), "{window}");
    let cursor = first.header("annals-next-cursor");
    let path = format!("/logs?text=number&limit=3&cursor={cursor}");
    let second = get(served.http, &path).await;
    assert_eq!(second.header("annals-window"), window);
    let mut bodies: Vec<String> = [first.found(), second.found()]
        .iter()
        .flat_map(|page| page.as_array().unwrap())
        .map(|record| record["body"].as_str().unwrap().to_owned())
        .collect();
    bodies.sort();
    assert_eq!(bodies.len(), 5);
    bodies.dedup();
    assert_eq!(bodies.len(), 5);
    let trace = "01".repeat(16);
    let found = get(served.http, &format!("/logs?trace={trace}&severity=warn")).await;
    assert_eq!(found.header("annals-window"), "");
    assert_eq!(found.found().as_array().unwrap().len(), 5);
    assert_eq!(read(&served, "/logs?severity=error").await.len(), 0);
    for (wrong, told) in [
        ("severity=loud", "severity is \"loud\""),
        ("servise=a", "unknown field"),
        ("limit=0", "limit"),
        ("attribute=x", "attribute"),
        ("cursor=x", "cursor"),
        (
            "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
            "since",
        ),
    ] {
        let refused = get(served.http, &format!("/logs?{wrong}"))
            .await
            .refusal(400);
        assert!(refused.contains(told), "{wrong}: {refused}");
    }
}

async fn counts_are_a_histogram(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let silent = LogRecord {
        severity_number: 0,
        ..said("c")
    };
    export(&served, &request(vec![said("a"), said("b"), silent])).await;
    let counts = read(&served, "/logs/counts?bucket=1h&service=shop").await;
    let count = |severity: &Value| -> u64 {
        let counts = counts.iter().filter(|count| count["severity"] == *severity);
        counts.map(|count| count["count"].as_u64().unwrap()).sum()
    };
    assert_eq!(
        (count(&json!("warn")), count(&Value::Null)),
        (2, 1),
        "{counts:?}"
    );
    assert!(counts[0]["start"].as_str().unwrap().contains(":00:00"));
    for wrong in ["bucket=0s", "bucket=1ms", "severity=0", "buckets=1m"] {
        get(served.http, &format!("/logs/counts?{wrong}"))
            .await
            .refusal(400);
    }
}

/// A reader of server-sent events, as a browser is one.
struct Reader {
    body: hyper::body::Incoming,
    connection: tokio::task::JoinHandle<hyper::Result<()>>,
    text: String,
    last_id: String,
}

impl Reader {
    async fn open(served: &Served, path: &str, last_id: &str) -> Self {
        let stream = TcpStream::connect(served.http).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let headers = [("last-event-id", last_id)];
        let response = sender
            .send_request(ask(Method::GET, path, &headers, whole("")))
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut reader = Self {
            body: response.into_body(),
            connection,
            text: String::new(),
            last_id: last_id.to_owned(),
        };
        if last_id.is_empty() {
            // Where it begins comes at once.
            assert_eq!(within(reader.event()).await, Some(Vec::new()));
        }
        reader
    }

    /// The bodies of the next event's records; nothing at the end.
    async fn event(&mut self) -> Option<Vec<String>> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let mut bodies = Vec::new();
                for line in event.lines() {
                    if let Some(id) = line.strip_prefix("id: ") {
                        id.clone_into(&mut self.last_id);
                    }
                    if let Some(data) = line.strip_prefix("data: ") {
                        let records: Vec<Value> = serde_json::from_str(data).unwrap();
                        let told = records
                            .iter()
                            .map(|record| record["body"].as_str().unwrap());
                        bodies.extend(told.map(str::to_owned));
                    }
                }
                return Some(bodies);
            }
            let frame = self.body.frame().await?.unwrap();
            let data = frame.into_data().unwrap();
            self.text += std::str::from_utf8(&data).unwrap();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

async fn who_follows_and_comes_back_has_everything_once(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    export(&served, &request(vec![said("before")])).await;
    let path = "/logs/follow?service=shop&severity=warn";
    let mut reader = Reader::open(&served, path, "").await;
    let mut heard: Vec<String> = Vec::new();
    for round in 0..4 {
        let records = (0..130).map(|n| said(&format!("{round}-{n}"))).collect();
        export(&served, &request(records)).await;
        // One event, and gone in the middle of the others.
        let event = within(async {
            loop {
                let event = reader.event().await.unwrap();
                if !event.is_empty() {
                    break event;
                }
            }
        });
        heard.extend(event.await);
        let last = reader.last_id.clone();
        drop(reader);
        reader = Reader::open(&served, path, &last).await;
    }
    within(async {
        while heard.len() < 520 {
            heard.extend(reader.event().await.unwrap());
        }
    })
    .await;
    assert_eq!(heard.len(), 520);
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), 520);
    assert!(!heard.contains(&"before".to_owned()));
    for (wrong, told) in [
        ("cursor=nonsense", "cursor"),
        ("limit=5", "limit"),
        ("severity=x", "severity"),
    ] {
        let refused = get(served.http, &format!("/logs/follow?{wrong}")).await;
        let refused = refused.refusal(400);
        assert!(refused.contains(told), "{wrong}: {refused}");
    }
    // A stop ends what is followed, in order.
    served.tell(Stop::Drain);
    within(async { while reader.event().await.is_some() {} }).await;
    let report = within(served.end()).await;
    assert_eq!((report.logs.lost, report.logs.committed), (0, 521));
}
