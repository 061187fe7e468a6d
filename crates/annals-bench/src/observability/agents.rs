//! Spans of agents that call models and tools. The same plan makes the same spans.

use std::{sync::Arc, time::Duration};

use annals_record::{Json, Timestamp};
use annals_telemetry::{Span, SpanKind, StatusCode};
use fastrand::Rng;

use super::{
    bodies::Bodies,
    plan::{About, Plan, SERVICES},
};

/// Traces whose spans come mixed, as they would from agents that work beside each other.
const BESIDE: u64 = 64;

/// One call of a model of so many tells its prompt too; two of five spans are calls, so one span of twenty has a body.
const TOLD: u64 = 9;

/// Tools; those that are called most come first.
const TOOLS: [&str; 8] = [
    "lookup_order",
    "search_documents",
    "run_sql",
    "send_mail",
    "open_ticket",
    "fetch_page",
    "calculate",
    "refund_payment",
];

/// A tool that is called by one trace of some thousands.
pub(super) const RARE_TOOL: &str = "escalate_to_human";
const RARE_TOOL_EVERY: u64 = 50_000;

/// Tenants, in an attribute that no column has.
pub(super) const TENANTS: u64 = 200;

/// Makes spans. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Agents {
    plan: Plan,
    bodies: Arc<Bodies>,
    resources: Arc<[Json]>,
}

pub(super) fn order_id(seed: u64) -> String {
    format!("ord-{:010x}", seed >> 24)
}

impl Agents {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            bodies: Arc::new(Bodies::new()),
            resources: SERVICES.iter().map(|service| resource(service)).collect(),
        }
    }

    /// All spans in calls of about so many, in the order in which spans ended.
    pub(super) fn calls(&self, rows: usize) -> impl Iterator<Item = Vec<Span>> {
        let mut first = 0;
        let mut ready: Vec<Span> = Vec::new();
        std::iter::from_fn(move || {
            while ready.len() < rows && first < self.plan.traces {
                let last = self.plan.traces.min(first + BESIDE);
                let mut spans: Vec<Span> = (first..last)
                    .flat_map(|number| self.trace(number))
                    .collect();
                spans.sort_by_cached_key(Span::end_time);
                ready.append(&mut spans);
                first = last;
            }
            let rest = ready.split_off(rows.min(ready.len()));
            let call = std::mem::replace(&mut ready, rest);
            (!call.is_empty()).then_some(call)
        })
    }

    /// The spans of a trace, its root first.
    pub(super) fn trace(&self, number: u64) -> Vec<Span> {
        let about = self.plan.about(number);
        let mut rng = Rng::with_seed(about.seed);
        let mut spans = Vec::with_capacity(about.size);
        if about.size == 1 {
            let mut span = self.span(&about, about.service, about.began, &mut rng);
            self.call(&mut span, &about, &mut rng);
            spans.push(span);
        } else {
            self.work(&about, &mut spans, &mut rng);
        }
        if about.fails {
            fail(&mut spans, &mut rng);
        }
        spans
    }

    /// A request to the gateway, an agent behind it, and what it does one after the other.
    fn work(&self, about: &About, spans: &mut Vec<Span>, rng: &mut Rng) {
        let mut root = self.span(about, 0, about.began, rng);
        root.operation_name = format!("POST /v1/{}", SERVICES[about.service]);
        root.kind = SpanKind::Server;
        self.of_somebody(&mut root, about);
        root.tags = Some(plain(about, rng));
        let root_id = root.span_id.clone();
        spans.push(root);

        let mut at = about.began + Duration::from_millis(rng.u64(1..20));
        let mut parent = root_id;
        for step in 1..about.size {
            let mut span = self.span(about, about.service, at, rng);
            span.parent_span_id = Some(parent.clone());
            // An agent of its own begins every fifty steps.
            if step % 50 == 1 && about.size > 2 {
                span.operation_name = format!("invoke_agent {}", SERVICES[about.service]);
                span.gen_ai_operation = Some("invoke_agent".to_owned());
                span.agent_name = Some(SERVICES[about.service].to_owned());
                span.kind = SpanKind::Internal;
                self.of_somebody(&mut span, about);
                span.tags = Some(plain(about, rng));
                parent.clone_from(&span.span_id);
            } else {
                match rng.u8(..100) {
                    0..48 => self.call(&mut span, about, rng),
                    48..75 => self.tool(&mut span, about, rng),
                    _ => other(&mut span, about, rng),
                }
                at = at + Duration::from_nanos(span.duration_nanos.unsigned_abs());
            }
            spans.push(span);
        }
        let over = at + Duration::from_millis(rng.u64(1..20));
        for span in spans.iter_mut().filter(|span| span.duration_nanos == 0) {
            let took = over.duration_since(span.start_time);
            span.duration_nanos = i64::try_from(took.as_nanos()).unwrap_or(i64::MAX);
        }
    }

    /// What every span has; who has no duration yet gets it at the end.
    fn span(&self, about: &About, service: usize, at: Timestamp, rng: &mut Rng) -> Span {
        let id = format!("{:016x}", rng.u64(..));
        let mut span = Span::new(about.trace_id.clone(), id, SERVICES[service], "", at, 0);
        span.status_code = StatusCode::Ok;
        span.status = Some("ok".to_owned());
        span.flags = 257;
        span.resource = self.resources.get(service).cloned();
        span.scope_name = Some("opentelemetry.instrumentation.agents".to_owned());
        span.scope_version = Some("0.48.2".to_owned());
        span
    }

    fn of_somebody(&self, span: &mut Span, about: &About) {
        span.user_id = Some(about.user.clone());
        span.conversation_id = Some(about.conversation.clone());
    }

    /// A call of a model: about 500 bytes of attributes, and sometimes what was said.
    fn call(&self, span: &mut Span, about: &About, rng: &mut Rng) {
        let (provider, asked, answered) = about.model;
        let (input, output) = (rng.i32(80..6_000), rng.i32(10..1_500));
        let cached = if rng.bool() { input / 4 } else { 0 };
        let nanos =
            i64::from(output) * rng.i64(2_000_000..6_000_000) + rng.i64(80_000_000..900_000_000);
        let id = format!("chatcmpl-{:020x}", rng.u64(..));
        self.of_somebody(span, about);
        span.operation_name = format!("chat {asked}");
        span.kind = SpanKind::Client;
        span.duration_nanos = nanos;
        span.model_name = Some(answered.to_owned());
        span.provider = Some(provider.to_owned());
        span.gen_ai_operation = Some("chat".to_owned());
        span.request_model = Some(asked.to_owned());
        span.response_model = Some(answered.to_owned());
        span.input_tokens = Some(input);
        span.output_tokens = Some(output);
        span.cached_tokens = Some(cached.into());
        span.token_convention = Some("included".to_owned());
        span.time_to_first_token_nanos = Some(nanos / 8);
        span.finish_reason = Some("stop".to_owned());
        span.response_id = Some(id.clone());
        let said = if rng.u64(..TOLD) == 0 {
            format!(r#","gen_ai.input.messages":{}"#, self.bodies.any(rng))
        } else {
            String::new()
        };
        span.tags = Some(json(&format!(
            r#"{{"app.tenant":"{}","app.order_id":"{}","gen_ai.provider.name":"{provider}","gen_ai.operation.name":"chat",
                "gen_ai.request.model":"{asked}","gen_ai.response.model":"{answered}","gen_ai.response.id":"{id}",
                "gen_ai.request.temperature":0.{},"gen_ai.request.max_tokens":4096,"gen_ai.usage.input_tokens":{input},
                "gen_ai.usage.output_tokens":{output},"gen_ai.usage.cache_read.input_tokens":{cached},
                "gen_ai.response.finish_reasons":["stop"],"gen_ai.conversation.id":"{}","user.id":"{}"{said}}}"#,
            tenant(about),
            order_id(about.seed),
            rng.u8(1..10),
            about.conversation,
            about.user,
        )));
    }

    fn tool(&self, span: &mut Span, about: &About, rng: &mut Rng) {
        let tool = if rng.u64(..RARE_TOOL_EVERY) == 0 {
            RARE_TOOL
        } else {
            TOOLS[rng.usize(..TOOLS.len()).min(rng.usize(..TOOLS.len()))]
        };
        span.service_name = SERVICES[3].to_owned();
        span.resource = self.resources.get(3).cloned();
        span.operation_name = format!("execute_tool {tool}");
        span.gen_ai_operation = Some("execute_tool".to_owned());
        span.tool_name = Some(tool.to_owned());
        span.kind = SpanKind::Internal;
        span.duration_nanos = rng.i64(1_000_000..700_000_000);
        span.tags = Some(json(&format!(
            r#"{{"app.tenant":"{}","app.order_id":"{}","gen_ai.operation.name":"execute_tool","gen_ai.tool.name":"{tool}",
                "gen_ai.tool.type":"function","gen_ai.tool.call.id":"call_{:016x}",
                "gen_ai.tool.call.arguments":"{{\"order\":\"{}\",\"limit\":{},\"locale\":\"en-GB\"}}",
                "gen_ai.tool.call.result":"{{\"status\":\"found\",\"lines\":{},\"total\":{}.50,\"currency\":\"EUR\"}}"}}"#,
            tenant(about),
            order_id(about.seed),
            rng.u64(..),
            order_id(about.seed),
            rng.u8(..),
            rng.u8(..),
            rng.u16(..),
        )));
    }
}

/// Retrieval and requests of other services.
fn other(span: &mut Span, about: &About, rng: &mut Rng) {
    let name = [
        "POST /v1/moderations",
        "query documents",
        "GET /orders/{id}",
        "SELECT orders",
    ];
    span.operation_name = name[rng.usize(..name.len())].to_owned();
    span.kind = SpanKind::Client;
    span.duration_nanos = rng.i64(500_000..90_000_000);
    span.tags = Some(plain(about, rng));
}

/// About 330 bytes of attributes.
fn plain(about: &About, rng: &mut Rng) -> Json {
    json(&format!(
        r#"{{"app.tenant":"{}","app.order_id":"{}","http.request.method":"POST","http.response.status_code":200,
            "http.route":"/v1/{{tenant}}/agents/{{agent}}","url.scheme":"https","server.port":8443,
            "server.address":"10.0.{}.{}","client.address":"192.0.2.{}","thread.id":{},"session.id":"{:016x}"}}"#,
        tenant(about),
        order_id(about.seed),
        rng.u8(..),
        rng.u8(..),
        rng.u8(..),
        rng.u16(..),
        rng.u64(..),
    ))
}

fn tenant(about: &About) -> String {
    tenant_name(about.seed % TENANTS)
}

pub(super) fn tenant_name(number: u64) -> String {
    format!("tenant-{number:03}")
}

/// One step fails, and the request with it.
fn fail(spans: &mut [Span], rng: &mut Rng) {
    let step = rng.usize(..spans.len());
    for place in [0, step] {
        let span = &mut spans[place];
        span.status = Some("error".to_owned());
        span.status_code = StatusCode::Error;
        span.status_message = Some("429 Too Many Requests: rate limit reached".to_owned());
        span.events = Some(json(&format!(
            r#"[{{"time_unix_nano":"{}","name":"exception","attributes":{{"exception.type":"RateLimitError",
                "exception.message":"rate limit reached"}},"dropped_attributes_count":0}}]"#,
            span.end_time().unix_nanos(),
        )));
    }
}

fn resource(service: &str) -> Json {
    json(&format!(
        r#"{{"service.name":"{service}","service.version":"2.14.1","deployment.environment.name":"production",
            "telemetry.sdk.language":"python"}}"#
    ))
}

fn json(text: &str) -> Json {
    Json::parse(text).expect("JSON")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn spans(plan: Plan) -> Vec<Span> {
        Agents::new(plan).calls(1_000).flatten().collect()
    }

    #[test]
    fn spans_are_the_same_each_time_and_as_many_as_are_said() {
        let plan = Plan {
            spans: 20_000,
            traces: 2_000,
            end: Timestamp::from_unix_nanos(1_780_000_000_000_000_000),
            days: 30,
        };
        let spans = spans(plan);
        assert_eq!(spans, self::spans(plan));
        let share = |found: &dyn Fn(&Span) -> bool| {
            spans.iter().filter(|span| found(span)).count() as f64 / spans.len() as f64
        };
        assert!(
            (18_000..22_000).contains(&spans.len()),
            "{} spans",
            spans.len()
        );
        let traces: HashSet<&str> = spans.iter().map(|span| &*span.trace_id).collect();
        assert_eq!(traces.len(), 2_000);
        let keys: HashSet<_> = spans
            .iter()
            .map(|span| (&span.trace_id, &span.span_id))
            .collect();
        assert_eq!(keys.len(), spans.len());
        let bodies = share(&|span| {
            span.tags
                .as_ref()
                .is_some_and(|tags| tags.as_str().len() > 4_000)
        });
        assert!((0.04..0.07).contains(&bodies), "{bodies} with bodies");
        let roots: Vec<&Span> = spans
            .iter()
            .filter(|span| span.parent_span_id.is_none())
            .collect();
        let failed = roots
            .iter()
            .filter(|span| span.status_code == StatusCode::Error)
            .count();
        assert!((20..70).contains(&failed), "{failed} failed");
        for span in &spans {
            assert!(
                span.start_time >= plan.begin() && span.end_time() < plan.end,
                "{span:?}"
            );
            assert!(span.duration_nanos > 0, "{span:?}");
        }
    }
}
