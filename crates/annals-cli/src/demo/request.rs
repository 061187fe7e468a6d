//! One request as a trace: the gateway, the model below it, sometimes the tokenizer below that.

use std::time::Duration;

use annals_record::{Json, Timestamp};
use annals_telemetry::{Span, SpanKind, StatusCode};
use serde_json::{Map, Value, json};

use super::{Model, dice::Dice};

const GATEWAY: &str = "demo-gateway";
const INFERENCE: &str = "demo-inference";

/// Of all requests, those that fail.
const FAILING: f64 = 0.01;

/// Of all chats, those whose tokenizer is traced.
const TOKENIZED: f64 = 0.3;

/// Conversations that go on at a time.
const CONVERSATIONS: u64 = 2_000;

/// One call of a model.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) model: &'a Model,
    pub(super) version: &'a str,
    pub(super) start: Timestamp,
    /// How many times longer it takes than usual.
    pub(super) slowdown: f64,
    /// Whether the GPU idles while requests wait.
    pub(super) starved: bool,
    /// Whether its batch is nearly empty.
    pub(super) poor_batch: bool,
}

/// A way to fail.
struct Failure {
    exception: &'static str,
    message: &'static str,
    http_status: u16,
}

const FAILURES: [Failure; 3] = [
    Failure {
        exception: "CudaOutOfMemory",
        message: "CUDA out of memory: tried to allocate 2.00 GiB",
        http_status: 500,
    },
    Failure {
        exception: "DeadlineExceeded",
        message: "the model did not answer in time",
        http_status: 504,
    },
    Failure {
        exception: "ServiceUnavailable",
        message: "no replica of the model is ready",
        http_status: 503,
    },
];

/// The spans of a request, each before those below it.
pub(super) fn spans(call: &Call<'_>, dice: &mut Dice) -> Vec<Span> {
    let [first, ..] = &FAILURES;
    let failure = dice.chance(FAILING).then(|| dice.pick(&FAILURES, first));
    let trace_id = hex(dice, 2);
    let root_id = hex(dice, 1);

    let inference_start = call.start + millis(dice.within(0.4, 2.5));
    let inference = inference(call, failure, &trace_id, &root_id, inference_start, dice);
    let tokenizer = (call.model.millis_per_token.is_some() && dice.chance(TOKENIZED))
        .then(|| tokenizer(&inference, dice));
    let end = inference.end_time() + millis(dice.within(0.2, 1.0));
    let root = gateway(call, failure, trace_id, root_id, end);
    [root, inference].into_iter().chain(tokenizer).collect()
}

fn gateway(
    call: &Call<'_>,
    failure: Option<&Failure>,
    trace_id: String,
    span_id: String,
    end: Timestamp,
) -> Span {
    let duration = nanos(end.duration_since(call.start));
    let route = call.model.route;
    let mut span = Span::new(trace_id, span_id, GATEWAY, route, call.start, duration);
    span.kind = SpanKind::Server;
    let (method, path) = route.split_once(' ').unwrap_or(("POST", route));
    let status = failure.map_or(200, |failure| failure.http_status);
    span.tags = column(&json!({
        "http.request.method": method,
        "http.route": path,
        "http.response.status_code": status,
    }));
    surround(&mut span);
    finish(&mut span, failure);
    span
}

fn inference(
    call: &Call<'_>,
    failure: Option<&Failure>,
    trace_id: &str,
    parent: &str,
    start: Timestamp,
    dice: &mut Dice,
) -> Span {
    let model = call.model;
    let usual_millis = model.millis * dice.within(0.8, 1.2);
    let duration = millis(usual_millis * call.slowdown);
    let first_token_share = dice.within(0.15, 0.35);
    let span_id = hex(dice, 1);
    let mut span = Span::new(
        trace_id,
        span_id,
        INFERENCE,
        model.operation,
        start,
        nanos(duration),
    );
    span.parent_span_id = Some(parent.to_owned());
    span.kind = SpanKind::Client;
    span.model_name = Some(model.name.to_owned());
    span.model_version = Some(call.version.to_owned());
    span.batch_size = Some(model.batch);
    span.provider = Some(model.provider.to_owned());
    span.gen_ai_operation = Some(model.operation.to_owned());
    span.request_model = Some(model.name.to_owned());
    span.input_tokens = i32::try_from(dice.among(model.input_tokens)).ok();
    if failure.is_none() {
        span.response_model = Some(format!("{}-{}", model.name, call.version));
    }
    if let Some(millis_per_token) = model.millis_per_token {
        let conversation = dice.below(CONVERSATIONS);
        span.conversation_id = Some(format!("conv-{conversation:04}"));
        span.output_tokens = Some(0);
        if failure.is_none() {
            // A slow call writes as much as another, only slower.
            let tokens = usual_millis * (1.0 - first_token_share) / millis_per_token;
            span.output_tokens = Some((tokens.round() as i32).max(1));
            let first_token = duration.mul_f64(first_token_share);
            span.time_to_first_token_nanos = Some(nanos(first_token));
        }
    }

    let (gpu, queue_depth) = if call.starved {
        (22.0, 5)
    } else {
        (tenths(dice.within(70.0, 96.0)), dice.below(3))
    };
    span.gpu_utilization = Some(gpu);
    let fill_ratio = if call.poor_batch {
        0.2
    } else {
        dice.within(0.75, 1.0)
    };
    let own = json!({
        "infertrace.queue_depth": queue_depth,
        "infertrace.queue_wait_time_ms": tenths(queue_depth as f64 * dice.within(0.5, 2.0)),
        "infertrace.batch_fill_ratio": (fill_ratio * 100.0).round() / 100.0,
        "infertrace.framework": model.framework,
    });
    let mut tags = conventions(&span, dice);
    tags.extend(own.as_object().cloned().unwrap_or_default());
    span.tags = column(&Value::Object(tags));
    surround(&mut span);
    finish(&mut span, failure);
    span
}

/// What the columns say in the words of the GenAI conventions, as an SDK sends it.
fn conventions(span: &Span, dice: &mut Dice) -> Map<String, Value> {
    let first_token = span.time_to_first_token_nanos.map(|n| n as f64 / 1e9);
    let temperature = span
        .conversation_id
        .as_ref()
        .map(|_| tenths(dice.within(0.0, 1.0)));
    let finish_reason = span.response_model.as_ref().map(|_| ["stop"]);
    let all = [
        ("gen_ai.operation.name", json!(span.gen_ai_operation)),
        ("gen_ai.provider.name", json!(span.provider)),
        ("gen_ai.request.model", json!(span.request_model)),
        ("gen_ai.request.temperature", json!(temperature)),
        ("gen_ai.response.model", json!(span.response_model)),
        ("gen_ai.response.finish_reasons", json!(finish_reason)),
        ("gen_ai.response.time_to_first_chunk", json!(first_token)),
        ("gen_ai.usage.input_tokens", json!(span.input_tokens)),
        ("gen_ai.usage.output_tokens", json!(span.output_tokens)),
        ("gen_ai.conversation.id", json!(span.conversation_id)),
    ];
    all.into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn tokenizer(inference: &Span, dice: &mut Dice) -> Span {
    let start = inference.start_time + millis(dice.within(0.05, 0.2));
    let duration = nanos(millis(dice.within(0.3, 1.5)));
    let (trace_id, span_id) = (inference.trace_id.clone(), hex(dice, 1));
    let mut span = Span::new(trace_id, span_id, INFERENCE, "tokenize", start, duration);
    span.parent_span_id = Some(inference.span_id.clone());
    span.kind = SpanKind::Internal;
    span.tags = column(&json!({ "tokenizer.tokens": inference.input_tokens }));
    surround(&mut span);
    finish(&mut span, None);
    span
}

/// The resource and the scope of a span.
fn surround(span: &mut Span) {
    span.resource = column(&json!({
        "service.name": span.service_name,
        "service.version": "1.0.0",
        "deployment.environment.name": "demo",
    }));
    span.scope_name = Some("annals.demo".to_owned());
    span.scope_version = Some(env!("CARGO_PKG_VERSION").to_owned());
}

/// How a span ended.
fn finish(span: &mut Span, failure: Option<&Failure>) {
    let Some(failure) = failure else {
        span.status = Some("ok".to_owned());
        span.status_code = StatusCode::Ok;
        return;
    };
    span.status = Some("error".to_owned());
    span.status_code = StatusCode::Error;
    span.status_message = Some(failure.message.to_owned());
    span.events = column(&json!([{
        "time_unix_nano": span.end_time().unix_nanos().to_string(),
        "name": "exception",
        "attributes": {
            "exception.type": failure.exception,
            "exception.message": failure.message,
        },
        "dropped_attributes_count": 0,
    }]));
}

/// A column; what is made here is always JSON that can be kept.
fn column(value: &Value) -> Option<Json> {
    Json::try_from(value).ok()
}

fn millis(millis: f64) -> Duration {
    Duration::from_secs_f64(millis / 1e3)
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// 16 hexadecimal digits for each word.
fn hex(dice: &mut Dice, words: usize) -> String {
    (0..words)
        // An id of zeros alone is none.
        .map(|_| format!("{:016x}", dice.number().max(1)))
        .collect()
}
