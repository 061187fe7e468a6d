//! Questions about models: which there are, how fast, whether slower, and what was unusual.

use annals_record::Timestamp;
use annals_server::infertrace::messages::{planned, v1};
use annals_testkit::{TestDatabase, on_every_backend};
use http::Method;
use serde_json::{Value, json};

use crate::{
    client::{get, request, send, whole},
    infertrace::{planned_span, send_planned, send_v1, v1_span},
    serving::{self, Served},
};

on_every_backend!(
    percentiles_go_by_nearest_rank,
    models_are_listed_with_the_most_spans_first,
    a_regression_is_told_at_exactly_the_factor_and_not_below,
    an_analysis_finds_the_three_kinds,
    times_at_the_ends_of_time_have_answers,
);

const SECOND: i64 = 1_000_000_000;
const MS: i64 = 1_000_000;

/// A whole second some hours ago.
fn past() -> i64 {
    (Timestamp::now().unix_nanos() / SECOND - 7_200) * SECOND
}

fn text(nanos: i64) -> String {
    Timestamp::from_unix_nanos(nanos).to_string()
}

fn call(model: &str, n: usize, start: i64, duration: i64) -> v1::Span {
    v1::Span {
        model_name: model.to_owned(),
        start_time_unix_nano: start,
        duration_nanos: duration,
        ..v1_span(&format!("{model}-{start}-{n}"), "1")
    }
}

/// Calls that begin at one time, one for each duration.
async fn calls(served: &Served, model: &str, start: i64, durations: &[i64]) {
    let spans = durations.iter().enumerate();
    let spans: Vec<_> = spans
        .map(|(n, duration)| call(model, n, start, *duration))
        .collect();
    let count = i32::try_from(spans.len()).unwrap();
    assert_eq!(send_v1(served, spans).await, (count, 0));
}

/// How many samples, and the percentiles.
fn figures(latency: &Value) -> [i64; 4] {
    ["sample_count", "p50", "p95", "p99"].map(|name| latency[name].as_i64().unwrap())
}

async fn percentiles_go_by_nearest_rank(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let end = past();
    calls(&served, "one", end - 1_000, &[120]).await;
    calls(&served, "meta/llama 3", end - SECOND, &[40, 10, 30, 20]).await;
    // Outside the window: where it ends, and before it begins.
    calls(&served, "one", end, &[7_000]).await;
    calls(&served, "one", end - 300 * SECOND - 1_000, &[9_000]).await;
    let until = text(end);
    for (model, expected) in [
        ("none", [0, 0, 0, 0]),
        ("one", [1, 120, 120, 120]),
        ("meta%2Fllama%203", [4, 20, 40, 40]),
    ] {
        let path = format!("/models/{model}/latency?until={until}");
        let latency = get(served.http, &path).await.found();
        assert_eq!(figures(&latency), expected, "{model}");
        assert_eq!(latency["window_end"], until);
        assert_eq!(latency["window_start"], text(end - 300 * SECOND));
    }
    let path = format!("/models/one/latency?window=10m&until={until}");
    let latency = get(served.http, &path).await.found();
    assert_eq!(figures(&latency), [2, 120, 9_000, 9_000]);
    let path = format!("/models/meta%2Fllama%203/latency?until={until}");
    let name = &get(served.http, &path).await.found()["model_name"];
    assert_eq!(name, "meta/llama 3");
}

async fn models_are_listed_with_the_most_spans_first(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let end = past();
    calls(&served, "few", end - SECOND, &[1]).await;
    calls(&served, "many", end - SECOND, &[1, 2, 3]).await;
    calls(&served, "later", end, &[1]).await;
    let mut failed = call("many", 9, end - 2 * SECOND, 1);
    failed.status = "error".to_owned();
    send_v1(&served, vec![failed]).await;
    let path = format!("/models?window=1h&until={}", text(end));
    let listed = get(served.http, &path).await.found();
    let models = listed["models"].as_array().unwrap();
    let names: Vec<_> = models
        .iter()
        .map(|model| {
            (
                &model["model_name"],
                &model["span_count"],
                &model["error_count"],
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            (&json!("many"), &json!(4), &json!(1)),
            (&json!("few"), &json!(1), &json!(0))
        ]
    );
    assert_eq!(models[0]["first_seen"], text(end - 2 * SECOND));
    assert_eq!(models[0]["last_seen"], text(end - SECOND));
}

async fn a_regression_is_told_at_exactly_the_factor_and_not_below(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let end = past();
    let (now, before) = (end - 60 * SECOND, end - 600 * SECOND);
    for (model, durations) in [("at", 180 * MS), ("below", 180 * MS - 1)] {
        calls(&served, model, before, &[100 * MS; 20]).await;
        calls(&served, model, now, &[durations; 20]).await;
    }
    calls(&served, "few", before, &[100 * MS; 20]).await;
    calls(&served, "few", now, &[900 * MS; 19]).await;
    let ask = async |model: &str, more: &str| {
        let path = format!("/models/{model}/regression?until={}{more}", text(end));
        get(served.http, &path).await.found()
    };
    let found = ask("at", "").await;
    assert_eq!(found["verdict"], "regressed", "{found}");
    assert_eq!(
        found["alert"],
        json!({
            "model_name": "at",
            "current_p95": 180 * MS,
            "baseline_p95": 100 * MS,
            "multiplier": 1.8,
            "first_seen_at": text(now),
        })
    );
    assert_eq!(figures(&found["current"])[0], 20);
    assert_eq!(figures(&found["baseline"])[0], 20);
    let found = ask("below", "").await;
    assert_eq!(
        (&found["verdict"], &found["alert"]),
        (&json!("steady"), &Value::Null)
    );
    for (model, more, verdict) in [
        ("at", "&factor=1.81", "steady"),
        ("below", "&factor=1.79", "regressed"),
        ("few", "", "too_few_samples"),
        ("few", "&min_samples=19", "regressed"),
        ("at", "&window=10s", "too_few_samples"),
        ("none", "", "too_few_samples"),
    ] {
        let found = ask(model, more).await;
        assert_eq!(found["verdict"], verdict, "{model} {more} {found}");
        assert_ne!(found["reason"], "");
    }
}

async fn an_analysis_finds_the_three_kinds(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    let end = past();
    let begin = end - 100 * SECOND;
    let span = |n: i64, duration: i64, change: fn(&mut planned::InferenceContext), gpu: f64| {
        let mut inference = planned::InferenceContext {
            model_name: "m".to_owned(),
            batch_fill_ratio: 0.9,
            ..planned::InferenceContext::default()
        };
        change(&mut inference);
        planned::Span {
            start_time_unix_nano: begin + n * SECOND,
            duration_nanos: duration,
            inference: Some(inference),
            resources: Some(planned::ResourceMetrics {
                gpu_utilization_percent: gpu,
                ..planned::ResourceMetrics::default()
            }),
            ..planned_span(format!("t{n}").as_bytes(), b"1")
        }
    };
    let mut spans: Vec<_> = (0..20).map(|n| span(n, 50 * MS, |_| {}, 80.0)).collect();
    spans.push(span(20, 500 * MS, |_| {}, 80.0));
    spans.push(span(
        21,
        50 * MS,
        |inference| inference.queue_depth = 5,
        22.0,
    ));
    spans.push(span(22, 50 * MS, |_| {}, 22.0));
    spans.push(span(
        23,
        50 * MS,
        |inference| inference.batch_fill_ratio = 0.25,
        80.0,
    ));
    let answer: planned::SendSpanResponse = send_planned(&served, spans).await.ok();
    assert!(answer.accepted);
    let path = format!("/models/m/analysis?until={}", text(end));
    let found = get(served.http, &path).await.found();
    assert_eq!(
        (&found["spans_examined"], &found["truncated"]),
        (&json!(24), &json!(false))
    );
    let counts = json!({ "latency_spike": 1, "gpu_underutil": 1, "poor_batching": 1 });
    assert_eq!(found["counts"], counts);
    let anomalies = found["anomalies"].as_array().unwrap();
    let told: Vec<_> = anomalies
        .iter()
        .map(|one| ["kind", "severity", "trace_id"].map(|name| one[name].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ["poor_batching", "warning", "t23"],
            ["gpu_underutil", "warning", "t21"],
            ["latency_spike", "critical", "t20"],
        ]
    );
    assert_eq!(
        (&anomalies[0]["value"], &anomalies[0]["baseline"]),
        (&json!(0.25), &json!(0.3))
    );
    assert_eq!(
        (&anomalies[1]["value"], &anomalies[1]["baseline"]),
        (&json!(22.0), &json!(40.0))
    );
    assert_eq!(
        (&anomalies[2]["value"], &anomalies[2]["baseline"]),
        (&json!(5e8), &json!(5e7))
    );
    assert_eq!(found["recommendations"].as_array().unwrap().len(), 3);
    let limited = get(served.http, &format!("{path}&limit=1")).await.found();
    assert_eq!(limited["anomalies"].as_array().unwrap().len(), 1);
    assert_eq!(limited["counts"], counts);
}

async fn times_at_the_ends_of_time_have_answers(database: TestDatabase) {
    let served = serving::on(&database, &[]).await;
    for until in [
        "1677-09-21T00:12:43.145224192Z",
        "1677-09-21T00:12:44Z",
        "1970-01-01T00:00:00Z",
        "2262-04-11T23:47:16.854775807Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ] {
        for question in [
            "/models?window=31d",
            "/models/m/latency?window=31d",
            "/models/m/regression?window=31d&baseline=31d",
            "/models/m/analysis?window=31d",
            "/spans?limit=1",
        ] {
            let path = format!("{question}&until={until}");
            let answer = get(served.http, &path).await;
            let fine = [200, 400].contains(&answer.status);
            assert!(fine, "{path}: {} {}", answer.status, answer.text());
        }
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_by_name() {
    let served = serving::in_memory(&[("MAX_QUERY_WINDOW", "1h")]).await;
    for (path, told) in [
        ("/models/m/latency?window=abc", "window"),
        ("/models/m/latency?window=0s", "window"),
        ("/models/m/latency?window=-5m", "window"),
        ("/models/m/latency?window=", "window"),
        ("/models/m/latency?window=3601s", "MAX_QUERY_WINDOW"),
        ("/models/m/latency?windw=5m", "windw"),
        ("/models/m/latency?until=now", "until"),
        ("/models?window=2h", "MAX_QUERY_WINDOW"),
        ("/models?limit=1", "limit"),
        ("/models/m/regression?factor=1", "factor"),
        ("/models/m/regression?factor=NaN", "factor"),
        ("/models/m/regression?factor=fast", "factor"),
        ("/models/m/regression?baseline=0s", "baseline"),
        ("/models/m/regression?baseline=2h", "MAX_QUERY_WINDOW"),
        ("/models/m/regression?min_samples=0", "min_samples"),
        (
            "/models/m/regression?baseline_version=v1",
            "baseline_version",
        ),
        ("/models/m/analysis?limit=0", "limit"),
        ("/models/m/analysis?limit=1001", "limit"),
        ("/models/m/analysis?window=2h", "MAX_QUERY_WINDOW"),
    ] {
        let error = get(served.http, path).await.refusal(400);
        assert!(error.contains(told), "{path}: {error}");
    }
    let longest = get(served.http, "/models/m/latency?window=3600s").await;
    assert_eq!(figures(&longest.found()), [0; 4]);
    // The default window is cut rather than refused.
    get(served.http, "/models").await.found();
    let asked = request(Method::POST, "/models/m/latency", &[], whole(""));
    assert_eq!(send(served.http, asked).await.status, 405);
    get(served.http, "/models/m/latencies").await.not_served();
}

#[tokio::test]
async fn a_path_that_is_not_utf8_is_refused_as_json() {
    let served = serving::in_memory(&[]).await;
    for path in ["/models/%FF/latency", "/traces/%C3"] {
        get(served.http, path).await.refusal(400);
    }
}
