//! The life of data by HTTP, under `/admin`.

mod acting;
mod closed;
mod exporting;
mod looking;
mod policies;
mod scheduling;

use annals_record::Timestamp;
use annals_testkit::TestDatabase;
use http::Method;
use serde_json::{Value, json};

use crate::{
    client::{Answer, request, send, whole},
    exports,
    serving::{self, Served},
};

pub(crate) const TOKEN: &str = "correct-horse-battery";
pub(crate) const BEARER: &str = "Bearer correct-horse-battery";

/// A server that runs no policies by itself, so that what a test does is all that happens.
async fn on(database: &TestDatabase) -> Served {
    let settings = [
        ("API_TOKEN", TOKEN),
        ("EVENTODB_TOKEN", crate::events::TOKEN),
        ("LIFECYCLE_INTERVAL", "off"),
    ];
    serving::on(database, &settings).await
}

async fn in_memory() -> Served {
    serving::in_memory(&[("API_TOKEN", TOKEN), ("LIFECYCLE_INTERVAL", "off")]).await
}

async fn asked(served: &Served, method: Method, path: &str, body: String) -> Answer {
    let mut headers = vec![("authorization", BEARER)];
    if !body.is_empty() {
        headers.push(("content-type", "application/json"));
    }
    send(served.http, request(method, path, &headers, whole(body))).await
}

async fn get(served: &Served, path: &str) -> Answer {
    asked(served, Method::GET, path, String::new()).await
}

async fn post(served: &Served, path: &str, body: &Value) -> Answer {
    asked(served, Method::POST, path, body.to_string()).await
}

async fn put(served: &Served, path: &str, body: &Value) -> Answer {
    asked(served, Method::PUT, path, body.to_string()).await
}

async fn delete(served: &Served, path: &str) -> Answer {
    asked(served, Method::DELETE, path, String::new()).await
}

/// The lines of an operation that must have come to its end: its steps, and the totals.
fn done(answer: &Answer) -> (Vec<Value>, Value) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    assert!(answer.text().ends_with('\n'), "{}", answer.text());
    let lines = answer.text().lines().map(serde_json::from_str);
    let mut lines: Vec<Value> = lines.map(Result::unwrap).collect();
    let totals = lines.pop().unwrap();
    assert_eq!(totals["done"], true, "{}", answer.text());
    assert!(lines.iter().all(|line| line["outcome"].is_string()));
    (lines, totals)
}

/// How many rows a table has.
async fn count(database: &TestDatabase, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    database.number(&sql).await
}

/// So many bars of a symbol, each a day older than the one before; the first so many days old.
fn bars(symbol: &str, days: u32, number: u32) -> Value {
    let minute = 60_000_000_000;
    let now = Timestamp::now().unix_nanos() / minute * minute;
    let bar = |days: u32| {
        let time = now - i64::from(days) * 1_440 * minute;
        let seconds = Timestamp::from_unix_seconds(time / 1_000_000_000).unwrap();
        json!({
            "symbol": symbol, "timestamp": seconds.to_string(), "open": 1.0, "high": 3.0,
            "low": 1.0, "close": 2.0, "volume": days, "vwap": 2.0,
        })
    };
    (days..days + number).map(bar).collect()
}

/// Writes bars that must all be taken.
async fn written(served: &Served, bars: &Value) {
    let answer = post(served, "/bars", bars).await.found();
    assert_eq!(answer["committed"], bars.as_array().unwrap().len());
}

/// Ten bars of each of two symbols that are older than 90 days, and five of each that are not.
async fn old_and_new(served: &Served) {
    for symbol in ["A", "B"] {
        written(served, &bars(symbol, 400, 10)).await;
        written(served, &bars(symbol, 0, 5)).await;
    }
}

/// Writes so many spans of a service, so many days old.
async fn spans_written(served: &Served, service: &str, days: u64, number: u8) {
    let spans = (1..=number).map(|id| {
        // A trace for each service and age.
        let mut span = exports::span(id, (days % 200) as u8 + 1);
        span.trace_id[0] = service.len() as u8;
        span.start_time_unix_nano -= days * 86_400_000_000_000;
        span.end_time_unix_nano = span.start_time_unix_nano + 1;
        span
    });
    let mut document = exports::document(&spans.collect::<Vec<_>>());
    let name = &mut document["resourceSpans"][0]["resource"]["attributes"][0]["value"];
    *name = json!({ "stringValue": service });
    let headers = [("authorization", BEARER)];
    let bytes = document.to_string();
    let sent = exports::Road::Json.send(served, exports::Packing::Plain, &headers, bytes);
    assert_eq!(sent.await.unwrap().rejected, 0);
}
