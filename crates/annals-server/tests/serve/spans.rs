//! Questions about spans: listings by filter and page, traces, and what is asked wrongly.

use annals_record::Timestamp;
use annals_testkit::{TestDatabase, on_every_backend};
use http::Method;
use serde_json::Value;

use crate::{
    client::{get, request, send, whole},
    infertrace::{send_v1, v1_span},
    serving::{self, Served},
};

on_every_backend!(
    pages_give_every_span_once_in_either_order,
    a_listing_filters_and_includes_both_ends,
    writers_and_readers_do_not_disturb_each_other,
    a_trace_is_whole_and_in_order,
    a_text_that_no_database_holds_is_found_nowhere,
    a_cursor_that_was_changed_is_refused_or_leads_somewhere,
);

/// Starts of spans that are a microsecond apart, a while ago.
fn starts(count: i64) -> impl Iterator<Item = i64> {
    let first = (Timestamp::now().unix_nanos() / 1_000_000_000 - 3_600) * 1_000_000_000;
    (0..count).map(move |n| first + n * 1_000)
}

fn ids(spans: &Value) -> Vec<String> {
    let spans = spans.as_array().unwrap().iter();
    spans
        .map(|span| span["span_id"].as_str().unwrap().to_owned())
        .collect()
}

/// Ten spans in one trace, named by their order; of two services and two models.
async fn ten(served: &Served) -> Vec<i64> {
    let starts: Vec<i64> = starts(10).collect();
    let spans = starts.iter().enumerate().map(|(n, start)| {
        let mut span = v1_span("t", &format!("s{n}"));
        span.start_time_unix_nano = *start;
        span.service_name = ["even", "odd"][n % 2].to_owned();
        span.model_name = if n < 5 { "low" } else { "a/high model" }.to_owned();
        span
    });
    assert_eq!(send_v1(served, spans.collect()).await, (10, 0));
    starts
}

fn named(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|n| format!("s{n}")).collect()
}

async fn pages_give_every_span_once_in_either_order(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    ten(&served).await;
    for (order, expected) in [("newest", named((0..10).rev())), ("oldest", named(0..10))] {
        let mut path = format!("/spans?limit=3&order={order}");
        let mut seen = Vec::new();
        let mut pages = 0;
        loop {
            let answer = get(served.http, &path).await;
            seen.extend(ids(&answer.found()));
            pages += 1;
            let link = answer.header("link");
            let cursor = answer.header("annals-next-cursor");
            if link.is_empty() {
                assert_eq!(cursor, "");
                break;
            }
            path = link
                .strip_prefix('<')
                .and_then(|link| link.strip_suffix(">; rel=\"next\""))
                .unwrap_or_else(|| panic!("{link}"))
                .to_owned();
            assert!(path.contains(cursor) && path.contains("limit=3"), "{path}");
        }
        assert_eq!((seen, pages), (expected, 4), "{order}");
    }
    // A page that ends where the spans end is the last one.
    let answer = get(served.http, "/spans?limit=10").await;
    assert_eq!(ids(&answer.found()), named((0..10).rev()));
    assert_eq!(answer.header("link"), "");
}

async fn a_listing_filters_and_includes_both_ends(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let starts = ten(&served).await;
    let time = |n: usize| Timestamp::from_unix_nanos(starts[n]).to_string();
    for (query, expected) in [
        ("service=odd".to_owned(), named([9, 7, 5, 3, 1])),
        (
            "model=a%2Fhigh%20model&order=oldest".to_owned(),
            named(5..10),
        ),
        ("model=a/high+model&service=even".to_owned(), named([8, 6])),
        (
            format!("since={}&until={}", time(3), time(5)),
            named([5, 4, 3]),
        ),
        (format!("since={}", time(8)), named([9, 8])),
        (format!("until={}", time(1)), named([1, 0])),
        ("service=none".to_owned(), named([])),
    ] {
        let found = get(served.http, &format!("/spans?{query}")).await.found();
        assert_eq!(ids(&found), expected, "{query}");
    }
}

async fn a_trace_is_whole_and_in_order(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    ten(&served).await;
    let found = get(served.http, "/traces/t").await.found();
    assert_eq!(found["trace_id"], "t");
    assert_eq!(ids(&found["spans"]), named(0..10));
    assert_eq!(found["spans"][0]["duration_ms"], 1.0);
    let error = get(served.http, "/traces/unknown").await.refusal(404);
    assert!(error.contains("unknown"), "{error}");
}

async fn writers_and_readers_do_not_disturb_each_other(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let served = &served;
    let write = async |writer: usize| {
        for round in 0..5 {
            let trace = format!("w{writer}-{round}");
            let spans = (0..20).map(|n| v1_span(&trace, &format!("{n}"))).collect();
            assert_eq!(send_v1(served, spans).await, (20, 0));
            assert_eq!(served.trace(&trace).await.len(), 20);
        }
    };
    let read = async || {
        for path in ["/spans?limit=50", "/models", "/models/gpt-4/latency"] {
            for _ in 0..5 {
                get(served.http, path).await.found();
            }
        }
    };
    let writers = futures_util::future::join_all((0..8).map(write));
    let readers = futures_util::future::join_all((0..8).map(|_| read()));
    tokio::join!(writers, readers);
    assert_eq!(served.count().await, 8 * 5 * 20);
    let latency = get(served.http, "/models/gpt-4/latency").await.found();
    assert_eq!(latency["sample_count"], 8 * 5 * 20);
}

async fn a_text_that_no_database_holds_is_found_nowhere(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    ten(&served).await;
    let mut failed = Vec::new();
    for path in [
        "/spans?service=a%00b",
        "/spans?model=%00",
        "/traces/%00",
        "/models/%00/latency",
        "/models/low/latency?version=%00",
        "/models/%00/regression",
        "/models/%00/analysis",
    ] {
        let status = get(served.http, path).await.status;
        if ![200, 400, 404].contains(&status) {
            failed.push((path, status));
        }
    }
    assert_eq!(failed, []);
}

async fn a_cursor_that_was_changed_is_refused_or_leads_somewhere(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    ten(&served).await;
    let answer = get(served.http, "/spans?limit=2").await;
    let cursor = answer.header("annals-next-cursor").to_owned();
    let cut = (0..cursor.len()).map(|length| cursor[..length].to_owned());
    let changed = (0..cursor.len()).map(|place| {
        let mut changed = cursor.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        String::from_utf8(changed).unwrap()
    });
    let mut failed = Vec::new();
    for cursor in cut.chain(changed) {
        let path = format!("/spans?limit=2&cursor={cursor}");
        let status = get(served.http, &path).await.status;
        if ![200, 400].contains(&status) {
            failed.push((cursor, status));
        }
    }
    assert_eq!(failed, []);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_by_name() {
    let served = serving::in_memory(&[]).await;
    for (query, told) in [
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("limt=5", "limt"),
        ("Service=shop", "Service"),
        ("since=yesterday", "since"),
        ("until=2026-13-01T00:00:00Z", "until"),
        ("order=random", "order"),
        ("limit=1&limit=2", "limit"),
        ("cursor=nonsense", "cursor"),
    ] {
        let path = format!("/spans?{query}");
        let error = get(served.http, &path).await.refusal(400);
        assert!(error.contains(told), "{query}: {error}");
    }
    for limit in [1, 10_000] {
        let path = format!("/spans?limit={limit}");
        assert_eq!(get(served.http, &path).await.found(), Value::Array(vec![]));
    }
}

#[tokio::test]
async fn a_cursor_of_another_question_is_refused() {
    let served = serving::in_memory(&[]).await;
    ten(&served).await;
    let answer = get(served.http, "/spans?limit=2&service=odd").await;
    let cursor = answer.header("annals-next-cursor");
    assert_ne!(cursor, "");
    for other in ["service=even", "order=oldest", "service=odd&order=oldest"] {
        let path = format!("/spans?limit=2&{other}&cursor={cursor}");
        let error = get(served.http, &path).await.refusal(400);
        assert!(error.contains("cursor"), "{error}");
    }
}

#[tokio::test]
async fn paths_and_methods_that_there_are_not_are_refused_as_json() {
    let served = serving::in_memory(&[]).await;
    for path in ["/nowhere", "/spans/", "/models/a/b/latency", "/traces/"] {
        let hint = get(served.http, path).await.not_served();
        assert!(hint.contains(path), "{hint}");
        assert_eq!(hint.contains("%2F"), path.starts_with("/models/"), "{hint}");
    }
    for path in ["/spans", "/traces/x", "/models/m/latency", "/openapi.json"] {
        for method in [Method::POST, Method::DELETE, Method::PUT] {
            let asked = request(method, path, &[], whole("{}"));
            let answer = send(served.http, asked).await;
            assert!(answer.refusal(405).contains("GET"), "{path}");
            assert!(answer.header("allow").contains("GET"), "{path}");
        }
    }
}
