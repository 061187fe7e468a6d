//! The event store over raw HTTP, row by row of its contract.

mod framing;
mod importing;
mod limits;
mod messages;
mod namespaces;
mod opening;
mod reads;
mod subscribing;
mod tokens;

use std::net::SocketAddr;

use annals_testkit::TestDatabase;
use serde_json::Value;

use crate::{
    client::{Answer, post},
    serving::{self, Served},
};

/// The token of `default` that every test suite uses.
pub(crate) const TOKEN: &str =
    "ns_ZGVmYXVsdA_0000000000000000000000000000000000000000000000000000000000000000";

/// A server with `default` and its token.
pub(crate) async fn on(database: &TestDatabase) -> Served {
    serving::on(database, &[("EVENTODB_TOKEN", TOKEN)]).await
}

/// The same from a database in memory.
pub(crate) async fn in_memory() -> Served {
    serving::in_memory(&[("EVENTODB_TOKEN", TOKEN)]).await
}

/// Calls with a token.
pub(crate) async fn call_as(address: SocketAddr, token: &str, body: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    post(address, "/rpc", &headers, body.to_owned()).await
}

/// Calls as whoever has the token of `default`.
pub(crate) async fn call(served: &Served, body: &str) -> Answer {
    call_as(served.http, TOKEN, body).await
}

/// The result of a call that must have one.
pub(crate) async fn result(served: &Served, body: &str) -> Value {
    let answer = call(served, body).await;
    assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    answer.json()
}

/// The code and message of a call that must be refused with a status.
pub(crate) fn refused(answer: &Answer, status: u16) -> (String, String) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    let error = &answer.json()["error"];
    let text = |name: &str| error[name].as_str().unwrap().to_owned();
    (text("code"), text("message"))
}

/// Calls one after the other, each with the status and the result or the code that it must have.
pub(crate) async fn assert_rows(served: &Served, rows: &[(&str, u16, &str)]) {
    for (body, status, expected) in rows {
        let answer = call(served, body).await;
        assert_eq!(answer.status, *status, "{body}: {}", answer.text());
        if *status == 200 {
            let expected: Value = serde_json::from_str(expected).unwrap();
            let result = answer.json();
            assert!(
                fits(&expected, &result),
                "{body}: {expected} and not {result}"
            );
        } else {
            let (code, _) = refused(&answer, *status);
            assert_eq!(code, *expected, "{body}: {}", answer.text());
        }
    }
}

/// Whether a value is as expected, where `"*"` is any text, and `"*time"` one of a time.
pub(crate) fn fits(expected: &Value, value: &Value) -> bool {
    match (expected, value) {
        (Value::String(any), Value::String(_)) if any == "*" => true,
        (Value::String(time), Value::String(text)) if time == "*time" => {
            text.ends_with('Z') && text.parse::<annals_record::Timestamp>().is_ok()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| fits(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same = |(name, a): (&String, &Value)| b.get(name).is_some_and(|b| fits(a, b));
            a.len() == b.len() && a.iter().all(same)
        }
        _ => expected == value,
    }
}
