//! Spans as a service that talks to language models sends them. The same seed makes the same spans.

use std::time::Duration;

use annals_record::{Json, Timestamp};
use annals_telemetry::{Span, SpanKind, StatusCode};
use fastrand::Rng;

/// Spans of one trace.
pub(crate) const SPANS_PER_TRACE: usize = 8;

/// Traces that run beside each other.
const BESIDE: u64 = 32;

/// 2026-03-02T12:00:00Z: noon, so that a day of spans lies in two chunks of a day.
const NOON: i64 = 1_772_452_800;

/// What a trace's spans do: service, name, kind.
const STEPS: [(usize, &str, SpanKind); SPANS_PER_TRACE] = [
    (0, "POST /v1/chat/completions", SpanKind::Server),
    (1, "invoke_agent support", SpanKind::Internal),
    (2, "embeddings", SpanKind::Client),
    (2, "query documents", SpanKind::Client),
    (1, "chat", SpanKind::Client),
    (3, "execute_tool lookup_order", SpanKind::Internal),
    (1, "chat", SpanKind::Client),
    (0, "POST /v1/moderations", SpanKind::Client),
];

const SERVICES: [&str; 4] = ["chat-gateway", "support-agent", "retrieval", "order-tools"];

/// Provider, what was asked for, what answered, dollars for a million tokens.
const MODELS: [(&str, &str, &str, f64); 3] = [
    ("openai", "gpt-4o", "gpt-4o-2024-08-06", 5.0),
    (
        "anthropic",
        "claude-sonnet-4",
        "claude-sonnet-4-20250514",
        6.0,
    ),
    ("mistral_ai", "mistral-large", "mistral-large-2411", 3.0),
];

/// Which spans to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many.
    pub(crate) rows: usize,
    /// Where in time the first trace begins.
    pub(crate) begin: Timestamp,
    /// Over how long the traces are spread.
    pub(crate) length: Duration,
}

impl Plan {
    /// `rows` spans in the 24 hours from noon: two chunks.
    pub(crate) fn one_day(rows: usize) -> Self {
        let begin = Timestamp::from_unix_nanos(NOON * 1_000_000_000);
        Self {
            rows,
            begin,
            length: Duration::from_secs(86_400),
        }
    }

    /// `rows` spans in so many whole days of UTC, which are as many chunks.
    pub(crate) fn days(rows: usize, days: u64) -> Self {
        let begin = Timestamp::from_unix_nanos((NOON + 12 * 3_600) * 1_000_000_000);
        // A trace that begins last must not reach into the next day.
        Self {
            rows,
            begin,
            length: Duration::from_secs(days * 86_400 - 120),
        }
    }

    /// Traces that the spans are of.
    pub(crate) fn traces(&self) -> u64 {
        self.rows.div_ceil(SPANS_PER_TRACE) as u64
    }

    /// The time of the last span, or a little after.
    pub(crate) fn end(&self) -> Timestamp {
        self.begin + self.length + Duration::from_secs(60)
    }

    /// The spans, in the order in which they ended: that is how they are sent.
    pub(crate) fn spans(self) -> impl Iterator<Item = Span> {
        let resources: Vec<Json> = SERVICES.iter().map(|service| resource(service)).collect();
        let traces = self.traces();
        let groups = (0..traces).step_by(usize::try_from(BESIDE).unwrap_or(1));
        groups
            .flat_map(move |first| {
                let group = first..traces.min(first + BESIDE);
                let mut spans: Vec<Span> = group
                    .flat_map(|trace| trace_spans(&self, trace, &resources))
                    .collect();
                spans.sort_by_key(Span::end_time);
                spans
            })
            .take(self.rows)
    }
}

/// The id of a trace by its number.
pub(crate) fn trace_id(number: u64) -> String {
    format!("{:032x}", Rng::with_seed(number).u128(..))
}

fn trace_spans(plan: &Plan, number: u64, resources: &[Json]) -> Vec<Span> {
    let mut rng = Rng::with_seed(!number);
    let trace_id = trace_id(number);
    let share = number as f64 / plan.traces() as f64;
    let begin = plan.begin + plan.length.mul_f64(share);
    let conversation = format!("conv_{:016x}", rng.u64(..));
    let mut root = None;
    (STEPS.iter().enumerate())
        .map(|(step, &(service, name, kind))| {
            let offset = Duration::from_nanos(step as u64 * 150_000_000 + rng.u64(..90_000_000));
            let span_id = format!("{:016x}", rng.u64(..));
            let nanos = rng.i64(2_000_000..900_000_000);
            let mut span = Span::new(
                trace_id.clone(),
                span_id,
                SERVICES[service],
                name,
                begin + offset,
                nanos,
            );
            span.parent_span_id = root.clone();
            root.get_or_insert_with(|| span.span_id.clone());
            span.kind = kind;
            span.flags = 257;
            span.resource = resources.get(service).cloned();
            span.scope_name = Some(format!(
                "opentelemetry.instrumentation.{}",
                SERVICES[service]
            ));
            span.scope_version = Some("0.48.2".to_owned());
            ending(&mut span, &mut rng);
            match name {
                "chat" => chat(&mut span, &conversation, &mut rng),
                _ => plain(&mut span, step, &mut rng),
            }
            span
        })
        .collect()
}

/// One span of a hundred fails.
fn ending(span: &mut Span, rng: &mut Rng) {
    if rng.u8(..100) > 0 {
        span.status = Some("ok".to_owned());
        return;
    }
    span.status = Some("error".to_owned());
    span.status_code = StatusCode::Error;
    span.status_message = Some("429 Too Many Requests: rate limit reached".to_owned());
    span.events = Some(json(&format!(
        r#"[{{"time_unix_nano":"{}","name":"exception","attributes":{{"exception.type":"RateLimitError",
            "exception.message":"rate limit reached"}},"dropped_attributes_count":0}}]"#,
        span.end_time().unix_nanos(),
    )));
}

/// A call of a model: about 400 bytes of attributes.
fn chat(span: &mut Span, conversation: &str, rng: &mut Rng) {
    let (provider, asked, answered, price) = MODELS[rng.usize(..MODELS.len())];
    let (input, output) = (rng.i32(80..6_000), rng.i32(10..1_500));
    let cached = input / 4;
    let first = span.duration_nanos / 5;
    let cost = f64::from(input + 3 * output) * price / 1e6;
    span.operation_name = format!("chat {asked}");
    span.model_name = Some(answered.to_owned());
    span.input_tokens = Some(input);
    span.output_tokens = Some(output);
    span.provider = Some(provider.to_owned());
    span.gen_ai_operation = Some("chat".to_owned());
    span.request_model = Some(asked.to_owned());
    span.response_model = Some(answered.to_owned());
    span.cached_tokens = Some(cached.into());
    span.time_to_first_token_nanos = Some(first);
    span.conversation_id = Some(conversation.to_owned());
    span.cost = Some(cost);
    span.tags = Some(json(&format!(
        r#"{{"gen_ai.provider.name":"{provider}","gen_ai.operation.name":"chat",
            "gen_ai.request.model":"{asked}","gen_ai.response.model":"{answered}",
            "gen_ai.response.id":"chatcmpl-{:020x}","gen_ai.request.temperature":0.{},
            "gen_ai.request.max_tokens":4096,"gen_ai.usage.input_tokens":{input},
            "gen_ai.usage.output_tokens":{output},"gen_ai.response.finish_reasons":["stop"],
            "gen_ai.conversation.id":"{conversation}","server.address":"api.{provider}.com"}}"#,
        rng.u64(..),
        rng.u8(1..10),
    )));
}

/// Anything else: about 150 bytes of attributes.
fn plain(span: &mut Span, step: usize, rng: &mut Rng) {
    span.tags = Some(json(&format!(
        r#"{{"http.request.method":"POST","http.response.status_code":200,"server.port":8443,
            "server.address":"10.0.{}.{}","thread.id":{},"user.id":"user_{:08x}"}}"#,
        step,
        rng.u8(..),
        rng.u16(..),
        rng.u32(..),
    )));
}

fn resource(service: &str) -> Json {
    json(&format!(
        r#"{{"service.name":"{service}","service.version":"2.14.1","service.namespace":"support",
            "deployment.environment.name":"production","telemetry.sdk.language":"python",
            "telemetry.sdk.name":"opentelemetry","telemetry.sdk.version":"1.27.0",
            "k8s.pod.name":"{service}-7d9f8b6c5-x2x7k","host.name":"worker-17"}}"#
    ))
}

fn json(text: &str) -> Json {
    Json::parse(text).expect("JSON")
}
