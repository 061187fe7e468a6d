//! Deployment traces by HTTP: under workspaces, and under trace tokens.

mod ageing;
mod away;
mod external;
mod guarding;
mod isolation;
mod limits;
mod reading;
mod refused;
mod tokens;
mod workspaces;
mod writing;

use std::time::Duration;

use annals_record::Timestamp;
use annals_testkit::TestDatabase;
use serde_json::{Value, json};

use crate::{
    client::{Answer, get, post},
    serving::{self, Served},
};

pub(crate) const SECRET: &str = "what signs tokens in tests";
pub(crate) const WORKSPACE: &str = "7f0c2a9e-8d1b-4b52-9d3f-1f2a3b4c5d6e";
pub(crate) const OTHER: &str = "0e6a1c54-93a2-4a0e-8f1d-aa5b6c7d8e9f";
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

const SETTINGS: [(&str, &str); 2] = [
    ("TRACE_TOKEN_SECRET", SECRET),
    ("LIFECYCLE_INTERVAL", "off"),
];

/// A server with a secret, that runs no policies by itself.
async fn on(database: &TestDatabase) -> Served {
    serving::on(database, &SETTINGS).await
}

async fn in_memory() -> Served {
    serving::in_memory(&SETTINGS).await
}

/// So many milliseconds ago, and the nanosecond after that.
fn ago(millis: u64) -> String {
    before(Timestamp::now(), millis)
}

/// So many milliseconds before a time.
fn before(now: Timestamp, millis: u64) -> String {
    let time = now - Duration::from_millis(millis);
    let whole = time.unix_nanos() / 1_000_000 * 1_000_000;
    Timestamp::from_unix_nanos(whole + 1).to_string()
}

/// A span that began so many milliseconds ago and took one.
fn span(trace: &str, id: &str, millis: u64) -> Value {
    let now = Timestamp::now();
    json!({
        "trace_id": trace, "span_id": id, "name": format!("span {id}"),
        "start_time": before(now, millis), "end_time": before(now, millis - 1), "status": "completed",
    })
}

/// The same with more fields.
fn with(mut span: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else {
        panic!("{fields} is no object")
    };
    for (name, value) in fields {
        span[name] = value;
    }
    span
}

async fn write(served: &Served, workspace: &str, spans: &[Value]) -> Answer {
    let path = format!("/workspaces/{workspace}/spans");
    let body = json!({ "spans": spans }).to_string();
    post(served.http, &path, &[JSON], body).await
}

/// Writes spans that must all be taken.
async fn written(served: &Served, workspace: &str, spans: &[Value]) {
    let answer = write(served, workspace, spans).await.found();
    assert_eq!(answer, json!({ "accepted": spans.len() }));
}

/// What is found at a path below a workspace.
async fn found(served: &Served, workspace: &str, path: &str) -> Value {
    let path = format!("/workspaces/{workspace}{path}");
    get(served.http, &path).await.found()
}

/// The values of a member of each of a list.
fn each(list: &Value, member: &str) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|item| item[member].as_str().unwrap_or("").to_owned())
        .collect()
}

/// How many spans there are, of every workspace.
async fn stored(database: &TestDatabase) -> i64 {
    let sql = "SELECT count(*) FROM deployment_trace_span";
    database.number(sql).await
}

/// The token of a job, from the server.
async fn token(served: &Served, workspace: &str, trace: &str, span: &str, job: &str) -> String {
    let path = format!("/workspaces/{workspace}/tokens");
    let body = json!({ "trace_id": trace, "span_id": span, "job_id": job }).to_string();
    let made = post(served.http, &path, &[JSON], body).await.found();
    made["token"].as_str().unwrap().to_owned()
}

async fn write_under(served: &Served, token: &str, spans: &[Value]) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), JSON];
    let body = json!({ "spans": spans }).to_string();
    post(served.http, "/api/traces/spans", &headers, body).await
}
