//! Search of traces by HTTP.

use annals_record::{Json, Timestamp};
use annals_telemetry::{Span, SpanStore as _, Spans};
use annals_testkit::{TestDatabase, on_every_backend};
use serde_json::Value;

use crate::{
    client::get,
    serving::{self, Served},
};

on_every_backend!(
    traces_are_found_by_what_they_and_their_spans_are,
    pages_lead_on_and_a_defaulted_window_is_told,
    what_cannot_be_asked_is_refused_by_name,
    a_trace_comes_with_its_summary_and_a_listing_without_bodies,
);

fn ids(traces: &Value) -> Vec<String> {
    let traces = traces.as_array().unwrap().iter();
    traces
        .map(|trace| trace["trace_id"].as_str().unwrap().to_owned())
        .collect()
}

/// Four traces of the last minutes: t0 is the newest.
async fn four(database: &TestDatabase) -> Served {
    let served = serving::on(database, &[]).await;
    let spans = Spans::open(&database.url).await.unwrap();
    let now = Timestamp::now();
    let batch = (0..4_u64).flat_map(|n| {
        let start = now - std::time::Duration::from_secs(60 * (n + 1));
        let root = Span::new(
            format!("t{n}"),
            "root",
            ["api", "db"][n as usize % 2],
            "GET /",
            start,
            5_000_000,
        );
        let mut call = Span::new(
            format!("t{n}"),
            "call",
            "llm",
            "chat",
            start,
            400_000_000 * n as i64,
        );
        call.parent_span_id = Some("root".into());
        call.model_name = Some(["gpt-4", "claude"][n as usize / 2].to_owned());
        call.tags = Json::parse(&format!(r#"{{"tenant": "t-{n}", "tries": {n}}}"#)).ok();
        call.user_id = (n == 3).then(|| "ann".to_owned());
        call.tool_name = (n == 1).then(|| "search".to_owned());
        [root, call]
    });
    assert_eq!(
        spans.write_batch(batch.collect()).await.unwrap().committed,
        8
    );
    served
}

async fn traces_are_found_by_what_they_and_their_spans_are(database: TestDatabase) {
    let served = four(&database).await;
    for (query, expected) in [
        ("", vec!["t0", "t1", "t2", "t3"]),
        ("?service=db", vec!["t1", "t3"]),
        ("?model=claude", vec!["t2", "t3"]),
        ("?model=claude&service=db", vec!["t3"]),
        ("?user=ann", vec!["t3"]),
        ("?user=ann&model=gpt-4", vec![]),
        ("?min_duration=500ms", vec!["t2", "t3"]),
        ("?max_duration=500ms&model=gpt-4", vec!["t0", "t1"]),
        ("?attribute=tenant%3Dt-2", vec!["t2"]),
        ("?attribute=tenant%3Dt-2&attribute=tries%3D2", vec!["t2"]),
        ("?attribute=tenant%3Dt-2&attribute=tries%3D3", vec![]),
        ("?name=CHAT&limit=2", vec!["t0", "t1"]),
        ("?root=get", vec!["t0", "t1", "t2", "t3"]),
        ("?tool=search", vec!["t1"]),
        ("?errors=true", vec![]),
        ("?status=unset&limit=1", vec!["t0"]),
    ] {
        let found = get(served.http, &format!("/traces{query}")).await.found();
        assert_eq!(ids(&found), expected, "{query}");
    }
    let row = &get(served.http, "/traces?user=ann").await.found()[0];
    assert_eq!(
        (&row["span_count"], &row["root_span_name"]),
        (&2.into(), &"GET /".into())
    );
    assert!(
        row["cost"].is_null() && row["start_time"].as_str().unwrap().ends_with('Z'),
        "{row}"
    );
}

async fn pages_lead_on_and_a_defaulted_window_is_told(database: TestDatabase) {
    let served = four(&database).await;
    let mut path = "/traces?name=chat&limit=3".to_owned();
    let (mut seen, mut windows) = (Vec::new(), Vec::new());
    loop {
        let answer = get(served.http, &path).await;
        seen.extend(ids(&answer.found()));
        windows.push(answer.header("annals-window").to_owned());
        let link = answer.header("link");
        let Some(next) = link
            .strip_prefix('<')
            .and_then(|link| link.strip_suffix(">; rel=\"next\""))
        else {
            break;
        };
        path = next.to_owned();
    }
    assert_eq!(seen, ["t0", "t1", "t2", "t3"]);
    assert_eq!(windows.len(), 2);
    assert_eq!(windows[0], windows[1]);
    assert!(
        windows[0].ends_with("; defaulted") && windows[0].contains('/'),
        "{windows:?}"
    );
    let given = get(served.http, "/traces?name=chat&since=2026-01-01T00:00:00Z").await;
    assert_eq!(given.header("annals-window"), "");
    let other = get(served.http, &path.replace("name=chat", "name=chats")).await;
    assert_eq!(other.status, 400, "{}", other.text());
}

async fn what_cannot_be_asked_is_refused_by_name(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    for (query, name) in [
        ("status=failed", "status"),
        ("errors=perhaps", "errors"),
        ("since=noon", "since"),
        ("min_duration=slow", "min_duration"),
        ("min_cost=-1", "min_cost"),
        ("max_tokens=many", "max_tokens"),
        ("min_tokens=5&max_tokens=4", "min_tokens"),
        ("attribute=tenant", "attribute"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=zz", "cursor"),
        ("modle=gpt-4", "modle"),
        ("model=a&model=b", "model"),
        (
            "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
            "since",
        ),
    ] {
        let answer = get(served.http, &format!("/traces?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        assert!(answer.text().contains(name), "{query}: {}", answer.text());
    }
    // No database holds U+0000 in a text: nothing has it, and nothing breaks.
    let answer = get(served.http, "/traces?service=a%00b").await;
    assert!(matches!(answer.status, 200 | 400), "{}", answer.text());
}

async fn a_trace_comes_with_its_summary_and_a_listing_without_bodies(database: TestDatabase) {
    let served = four(&database).await;
    let trace = get(served.http, "/traces/t3").await.found();
    assert_eq!(trace["summary"]["trace_id"], "t3");
    assert_eq!(trace["summary"]["user_id"], "ann");
    assert_eq!(trace["summary"]["span_count"], 2);
    let spans = get(served.http, "/spans?fields=summary&model=gpt-4")
        .await
        .found();
    assert_eq!(spans[0]["model_name"], "gpt-4");
    assert!(
        spans[0]["tags"].is_null() && spans[1]["tool_name"] == "search",
        "{spans}"
    );
    let whole = get(served.http, "/spans?fields=all&model=gpt-4")
        .await
        .found();
    assert_eq!(whole[0]["tags"]["tenant"], "t-0");
    let bad = get(served.http, "/spans?fields=some").await;
    assert!(
        bad.status == 400 && bad.text().contains("fields"),
        "{}",
        bad.text()
    );
}
