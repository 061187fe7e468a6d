use std::collections::{HashMap, HashSet};

use annals_telemetry::{SpanKind, StatusCode};

use super::*;

const SECOND: i64 = 1_000_000_000;

/// Some morning of 2026, in seconds.
const MORNING: i64 = 1_790_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_nanos((MORNING + seconds) * SECOND)
}

fn traffic(from: i64, to: i64, rate: f64) -> Vec<Span> {
    Traffic::new(7).between(at(from), at(to), rate)
}

fn roots(spans: &[Span]) -> impl Iterator<Item = &Span> {
    spans.iter().filter(|span| span.parent_span_id.is_none())
}

fn calls<'a>(spans: &'a [Span], model: &str) -> Vec<&'a Span> {
    spans
        .iter()
        .filter(|span| span.model_name.as_deref() == Some(model))
        .collect()
}

fn millis(span: &Span) -> f64 {
    span.duration_nanos as f64 / 1e6
}

fn tag(span: &Span, name: &str) -> serde_json::Value {
    span.tags.as_ref().unwrap().to_value()[name].clone()
}

/// By nearest rank, in milliseconds.
fn p95(spans: &[&Span]) -> f64 {
    let mut all: Vec<f64> = spans.iter().map(|span| millis(span)).collect();
    all.sort_by(f64::total_cmp);
    all[(all.len() * 95).div_ceil(100) - 1]
}

#[test]
fn a_seed_gives_the_same_traffic_and_another_seed_another() {
    let first = traffic(0, 2, 1.0);
    assert_eq!(first, traffic(0, 2, 1.0));
    let other = Traffic::new(8).between(at(0), at(2), 1.0);
    let ids: HashSet<_> = first.iter().map(|span| &span.span_id).collect();
    assert!(other.iter().all(|span| !ids.contains(&span.span_id)));
}

#[test]
fn slices_add_up_to_the_whole() {
    let traffic = Traffic::new(7);
    // Not at a boundary of any model's slots.
    let middle = Timestamp::from_unix_nanos(at(1).unix_nanos() + 1_234_567);
    let mut slices = traffic.between(at(0), middle, 1.5);
    slices.extend(traffic.between(middle, at(3), 1.5));
    assert_eq!(slices, traffic.between(at(0), at(3), 1.5));
}

#[test]
fn requests_start_in_the_window_in_order() {
    let spans = traffic(10, 20, 1.0);
    let starts: Vec<_> = roots(&spans).map(|root| root.start_time).collect();
    assert!(starts.iter().all(|start| (at(10)..at(20)).contains(start)));
    assert!(starts.is_sorted());
}

#[test]
fn no_stretch_and_no_rate_give_nothing() {
    assert_eq!(traffic(5, 5, 1.0), []);
    assert_eq!(traffic(5, 4, 1.0), []);
    for rate in [0.0, -1.0, f64::NAN, 1e-300] {
        assert_eq!(traffic(0, 1, rate), [], "{rate}");
    }
}

#[test]
fn rates_hold_and_scale() {
    for rate in [0.5, 1.0, 3.0] {
        let spans = traffic(0, 60, rate);
        for (model, per_second) in [("gpt-4", 50.0), ("llama-70b", 20.0), ("clip-vit", 200.0)] {
            let expected = per_second * 60.0 * rate;
            let found = calls(&spans, model).len() as f64;
            assert!(
                (found - expected).abs() <= 0.05 * expected,
                "{model} at {rate}: {found} where {expected} are due"
            );
        }
    }
}

#[test]
fn each_trace_is_a_root_that_covers_a_call() {
    let spans = traffic(0, 10, 1.0);
    let mut traces: HashMap<&str, Vec<&Span>> = HashMap::new();
    for span in &spans {
        traces.entry(&span.trace_id).or_default().push(span);
    }
    assert_eq!(traces.len(), roots(&spans).count());
    let mut tokenizers = 0;
    for trace in traces.values() {
        let root = trace[0];
        assert_eq!(root.parent_span_id, None);
        assert_eq!(root.kind, SpanKind::Server);
        assert_eq!(root.service_name, "demo-gateway");
        assert_eq!(trace[1].parent_span_id.as_ref(), Some(&root.span_id));
        for span in &trace[1..] {
            let parent = span.parent_span_id.as_ref().unwrap();
            let parent = trace.iter().find(|other| other.span_id == *parent).unwrap();
            assert!(parent.start_time <= span.start_time);
            assert!(span.end_time() <= parent.end_time());
            assert!(span.duration_nanos > 0);
        }
        tokenizers += trace.len() - 2;
        assert!(trace.len() <= 3);
    }
    assert!(tokenizers > 100, "{tokenizers}");
}

#[test]
fn ids_are_hexadecimal_and_unique() {
    let spans = traffic(0, 10, 1.0);
    let is_hex = |id: &str| id.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
    for span in &spans {
        assert!(span.trace_id.len() == 32 && is_hex(&span.trace_id));
        assert!(span.span_id.len() == 16 && is_hex(&span.span_id));
    }
    let ids: HashSet<_> = spans.iter().map(|span| &span.span_id).collect();
    assert_eq!(ids.len(), spans.len());
}

#[test]
fn a_call_tells_what_the_model_did() {
    let spans = traffic(0, 10, 1.0);
    for (model, operation, batch, usual) in [
        ("gpt-4", "chat", 32, 80.0),
        ("llama-70b", "chat", 8, 200.0),
        ("clip-vit", "embeddings", 64, 15.0),
    ] {
        for call in calls(&spans, model) {
            let failed = call.status_code == StatusCode::Error;
            assert_eq!(call.service_name, "demo-inference");
            assert_eq!(call.operation_name, operation);
            assert_eq!(call.gen_ai_operation.as_deref(), Some(operation));
            assert_eq!(call.batch_size, Some(batch));
            assert_eq!(call.request_model.as_deref(), Some(model));
            assert_eq!(call.response_model.is_none(), failed);
            assert!(call.provider.is_some() && call.model_version.is_some());
            assert!(call.input_tokens.unwrap() > 0);
            assert_eq!(call.cost, None);
            let slow = millis(call) > 5.0 * usual;
            let usual_millis = millis(call) / if slow { 10.0 } else { 1.0 };
            assert!((0.8 * usual..=1.2 * usual).contains(&usual_millis));
            let is_chat = operation == "chat";
            assert_eq!(call.conversation_id.is_some(), is_chat);
            assert_eq!(call.output_tokens.is_some(), is_chat);
            assert_eq!(call.time_to_first_token_nanos.is_some(), is_chat && !failed);
            if let Some(first_token) = call.time_to_first_token_nanos {
                assert!((1..call.duration_nanos).contains(&first_token));
                assert!(call.output_tokens.unwrap() > 0);
                assert_eq!(
                    tag(call, "gen_ai.usage.output_tokens"),
                    call.output_tokens.unwrap()
                );
            }
        }
    }
}

#[test]
fn the_faults_that_detectors_look_for_are_there() {
    let spans = traffic(0, 60, 1.0);
    let gpt = calls(&spans, "gpt-4");
    let slow = gpt.iter().filter(|call| millis(call) >= 640.0).count();
    assert_eq!(slow, gpt.len() / 100);
    let all: Vec<_> = spans
        .iter()
        .filter(|span| span.model_name.is_some())
        .collect();
    let starved: Vec<_> = all
        .iter()
        .filter(|call| call.gpu_utilization.unwrap() < 40.0)
        .collect();
    assert!(starved.iter().all(|call| {
        call.gpu_utilization == Some(22.0) && tag(call, "infertrace.queue_depth") == 5
    }));
    assert!(starved.len().abs_diff(all.len() / 50) <= 3);
    let poor: Vec<_> = all
        .iter()
        .filter(|call| tag(call, "infertrace.batch_fill_ratio").as_f64().unwrap() < 0.3)
        .collect();
    assert!(!poor.is_empty());
    assert!(poor.iter().all(|call| {
        call.model_name.as_deref() == Some("clip-vit")
            && tag(call, "infertrace.batch_fill_ratio") == 0.2
    }));
    assert!(poor.len() < calls(&spans, "clip-vit").len() / 20);
}

#[test]
fn one_request_in_a_hundred_fails_and_says_why() {
    let spans = traffic(0, 120, 1.0);
    let requests = roots(&spans).count();
    let failed: Vec<_> = roots(&spans)
        .filter(|root| root.status_code == StatusCode::Error)
        .collect();
    let share = failed.len() as f64 / requests as f64;
    assert!((0.007..0.013).contains(&share), "{share}");
    let failed_calls: Vec<_> = spans
        .iter()
        .filter(|span| span.model_name.is_some() && span.status_code == StatusCode::Error)
        .collect();
    assert_eq!(failed_calls.len(), failed.len());
    for span in failed.iter().chain(&failed_calls) {
        assert_eq!(span.status.as_deref(), Some("error"));
        assert!(span.status_message.is_some());
        let events = span.events.as_ref().unwrap().to_value();
        assert_eq!(events[0]["name"], "exception");
        assert!(events[0]["attributes"]["exception.type"].is_string());
        let time: i64 = events[0]["time_unix_nano"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(time, span.end_time().unix_nanos());
    }
}

#[test]
fn a_deploy_changes_version_and_latency_of_one_model_and_fires_a_regression_alert() {
    let now = 35 * 60;
    let deploy = now - 294;
    let mut traffic = Traffic::new(7);
    traffic.deploy_at = at(deploy);
    let spans = traffic.between(at(0), at(now), 0.05);
    let starts: HashMap<&str, Timestamp> = roots(&spans)
        .map(|root| (root.trace_id.as_str(), root.start_time))
        .collect();
    for call in calls(&spans, "llama-70b") {
        let expected = if starts[call.trace_id.as_str()] < at(deploy) {
            "2024-07"
        } else {
            "2024-11"
        };
        assert_eq!(call.model_version.as_deref(), Some(expected));
    }
    for model in ["llama-70b", "gpt-4", "clip-vit"] {
        let (baseline, recent): (Vec<_>, Vec<_>) = calls(&spans, model)
            .into_iter()
            .partition(|call| call.start_time < at(now - 300));
        let ratio = p95(&recent) / p95(&baseline);
        if model == "llama-70b" {
            assert!((2.1..2.3).contains(&ratio), "{ratio}");
        } else {
            assert!((0.9..1.1).contains(&ratio), "{model}: {ratio}");
        }
    }
}

#[test]
fn what_otlp_reads_from_the_tags_is_what_the_columns_say() {
    for span in traffic(0, 5, 1.0) {
        let sent = annals_server::otlp::span::to_proto(&span).unwrap();
        let told: Vec<_> = sent
            .attributes
            .iter()
            .map(|attribute| attribute.key.as_str())
            .filter(|key| key.starts_with("annals."))
            .collect();
        // Columns for which the conventions have no name.
        let known = [
            "annals.model_name",
            "annals.model_version",
            "annals.batch_size",
            "annals.gpu_utilization",
        ];
        assert!(told.iter().all(|key| known.contains(key)), "{told:?}");
    }
}
