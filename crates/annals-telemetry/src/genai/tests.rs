//! One call in every dialect, and what hostile attributes do.

use annals_record::Timestamp;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    Attribute::{self, Bool, Double, Int, Other, Text, Texts},
    is_model_call, normalise,
};
use crate::Span;

type Attributes<'a> = Vec<(&'a str, Attribute<'a>)>;

const START: i64 = 1_700_000_000_000_000_000;

fn span() -> Span {
    let start = Timestamp::from_unix_nanos(START);
    Span::new("t", "s", "service", "a name", start, 0)
}

fn normal(attributes: Attributes<'_>) -> Span {
    let mut span = span();
    normalise(attributes.into_iter(), &mut span);
    span
}

/// The call that every dialect tells below: 1,200 tokens in, of which 800 came from a cache and 100 went
/// to it, and 350 out, of which 120 are reasoning.
fn call() -> Span {
    let text = |text: &str| Some(text.to_owned());
    Span {
        provider: text("openai"),
        gen_ai_operation: text("chat"),
        model_name: text("gpt-4o-2024-08-06"),
        request_model: text("gpt-4o"),
        response_model: text("gpt-4o-2024-08-06"),
        input_tokens: Some(1200),
        output_tokens: Some(350),
        cached_tokens: Some(800),
        cache_write_tokens: Some(100),
        reasoning_tokens: Some(120),
        token_convention: text("included"),
        finish_reason: text("tool_call"),
        response_id: text("r-1"),
        time_to_first_token_nanos: Some(250_000_000),
        conversation_id: text("c-1"),
        user_id: text("u-1"),
        cost: Some(0.5),
        cost_source: text("reported"),
        ..span()
    }
}

fn conventions() -> Attributes<'static> {
    vec![
        ("gen_ai.provider.name", Text("openai")),
        ("gen_ai.operation.name", Text("chat")),
        ("gen_ai.request.model", Text("gpt-4o")),
        ("gen_ai.response.model", Text("gpt-4o-2024-08-06")),
        ("gen_ai.usage.input_tokens", Int(1200)),
        ("gen_ai.usage.output_tokens", Int(350)),
        ("gen_ai.usage.cache_read.input_tokens", Int(800)),
        ("gen_ai.usage.cache_creation.input_tokens", Int(100)),
        ("gen_ai.usage.reasoning.output_tokens", Int(120)),
        ("gen_ai.response.finish_reasons", Texts(vec!["tool_calls"])),
        ("gen_ai.response.id", Text("r-1")),
        ("gen_ai.response.time_to_first_chunk", Double(0.25)),
        ("gen_ai.conversation.id", Text("c-1")),
        ("user.id", Text("u-1")),
        ("gen_ai.usage.cost", Double(0.5)),
    ]
}

fn older_conventions() -> Attributes<'static> {
    vec![
        ("gen_ai.system", Text("openai")),
        ("gen_ai.operation.name", Text("chat")),
        ("gen_ai.request.model", Text("gpt-4o")),
        ("gen_ai.response.model", Text("gpt-4o-2024-08-06")),
        ("gen_ai.usage.prompt_tokens", Int(1200)),
        ("gen_ai.usage.completion_tokens", Int(350)),
        ("gen_ai.usage.cache_read_input_tokens", Int(800)),
        ("gen_ai.usage.cache_write_input_tokens", Int(100)),
        ("gen_ai.usage.reasoning_tokens", Int(120)),
        ("gen_ai.response.finish_reasons", Text(r#"["tool_calls"]"#)),
        ("gen_ai.response.id", Text("r-1")),
        ("gen_ai.server.time_to_first_token", Text("0.25")),
        ("gen_ai.conversation.id", Text("c-1")),
        ("enduser.id", Text("u-1")),
        ("gen_ai.usage.cost_usd", Text("0.5")),
    ]
}

fn openinference() -> Attributes<'static> {
    vec![
        ("openinference.span.kind", Text("LLM")),
        ("llm.system", Text("openai")),
        (
            "llm.invocation_parameters",
            Text(r#"{"n": 1, "model": "gpt-4o"}"#),
        ),
        ("llm.model_name", Text("gpt-4o-2024-08-06")),
        ("llm.token_count.prompt", Int(1200)),
        ("llm.token_count.completion", Int(350)),
        ("llm.token_count.total", Int(1550)),
        ("llm.token_count.prompt_details.cache_read", Int(800)),
        ("llm.token_count.prompt_details.cache_write", Int(100)),
        ("llm.token_count.completion_details.reasoning", Int(120)),
        ("llm.finish_reason", Text("tool_calls")),
        ("session.id", Text("c-1")),
        ("user.id", Text("u-1")),
        ("llm.cost.total", Double(0.5)),
        // It has no names for these two.
        ("gen_ai.response.id", Text("r-1")),
        ("time_to_first_token_nanos", Int(250_000_000)),
    ]
}

fn openllmetry() -> Attributes<'static> {
    vec![
        ("gen_ai.system", Text("OpenAI")),
        ("llm.request.type", Text("chat")),
        ("traceloop.workflow.name", Text("report")),
        ("gen_ai.request.model", Text("gpt-4o")),
        ("gen_ai.response.model", Text("gpt-4o-2024-08-06")),
        ("llm.usage.prompt_tokens", Int(1200)),
        ("llm.usage.completion_tokens", Int(350)),
        ("llm.usage.total_tokens", Int(1550)),
        ("llm.usage.cache_read_input_tokens", Int(800)),
        ("llm.usage.cache_creation_input_tokens", Int(100)),
        ("llm.usage.reasoning_tokens", Int(120)),
        ("gen_ai.completion.0.finish_reason", Text("tool_calls")),
        ("gen_ai.response.id", Text("r-1")),
        ("traceloop.association.properties.session_id", Text("c-1")),
        ("traceloop.association.properties.user_id", Text("u-1")),
        ("llm.usage.cost", Double(0.5)),
        ("time_to_first_token_ms", Int(250)),
    ]
}

fn vercel() -> Attributes<'static> {
    vec![
        ("ai.operationId", Text("ai.streamText.doStream")),
        ("ai.model.provider", Text("openai.chat")),
        ("gen_ai.system", Text("openai.chat")),
        ("ai.model.id", Text("gpt-4o")),
        ("ai.response.model", Text("gpt-4o-2024-08-06")),
        ("ai.usage.inputTokens", Int(1200)),
        ("ai.usage.outputTokens", Int(350)),
        ("ai.usage.totalTokens", Int(1550)),
        ("ai.usage.inputTokenDetails.noCacheTokens", Int(300)),
        ("ai.usage.cachedInputTokens", Int(800)),
        ("ai.usage.inputTokenDetails.cacheWriteTokens", Int(100)),
        ("ai.usage.reasoningTokens", Int(120)),
        ("ai.response.finishReason", Text("tool-calls")),
        ("ai.response.id", Text("r-1")),
        ("ai.response.msToFirstChunk", Double(250.0)),
        ("ai.telemetry.metadata.sessionId", Text("c-1")),
        ("ai.telemetry.metadata.userId", Text("u-1")),
        ("gen_ai.usage.cost", Double(0.5)),
    ]
}

fn langfuse() -> Attributes<'static> {
    vec![
        ("langfuse.observation.type", Text("generation")),
        ("langfuse.observation.model.name", Text("gpt-4o-2024-08-06")),
        (
            "langfuse.observation.usage_details",
            Text(
                r#"{"prompt_tokens": 1200, "completion_tokens": 350, "total_tokens": 1550,
                "prompt_tokens_details": {"cached_tokens": 800, "cache_write_tokens": 100, "audio_tokens": null},
                "completion_tokens_details": {"reasoning_tokens": 120}}"#,
            ),
        ),
        (
            "langfuse.observation.cost_details",
            Text(r#"{"input": 0.25, "output": 0.25}"#),
        ),
        (
            "langfuse.observation.completion_start_time",
            Text(r#""2023-11-14T22:13:20.25Z""#),
        ),
        (
            "langfuse.observation.metadata.finish_reason",
            Text(r#""tool_calls""#),
        ),
        ("session.id", Text("c-1")),
        ("user.id", Text("u-1")),
        // It has no names for these.
        ("gen_ai.provider.name", Text("openai")),
        ("gen_ai.request.model", Text("gpt-4o")),
        ("gen_ai.response.model", Text("gpt-4o-2024-08-06")),
        ("gen_ai.response.id", Text("r-1")),
    ]
}

/// The `llm.…` names that the libraries of the LLM observatory write.
fn observatory() -> Attributes<'static> {
    vec![
        ("llm.provider", Text("openai")),
        ("llm.request.type", Text("chat")),
        ("llm.request.model", Text("gpt-4o")),
        ("llm.response.model", Text("gpt-4o-2024-08-06")),
        ("llm.usage.input_tokens", Int(1200)),
        ("llm.usage.output_tokens", Int(350)),
        ("llm.usage.cache_read_tokens", Int(800)),
        ("llm.usage.cache_write_tokens", Int(100)),
        ("llm.usage.reasoning_tokens", Int(120)),
        ("llm.stop_reason", Text("tool_calls")),
        ("llm.response.id", Text("r-1")),
        ("llm.cost.total_usd", Double(0.5)),
        ("llm.user", Text("u-1")),
        ("gen_ai.conversation.id", Text("c-1")),
        ("time_to_first_token_ms", Int(250)),
    ]
}

/// What a dialect calls itself, and a call in its words.
type Dialect = (&'static str, fn() -> Attributes<'static>);

#[test]
fn a_call_is_the_same_in_every_dialect() {
    let dialects: [Dialect; 7] = [
        ("conventions", conventions),
        ("older conventions", older_conventions),
        ("OpenInference", openinference),
        ("OpenLLMetry", openllmetry),
        ("Vercel", vercel),
        ("Langfuse", langfuse),
        ("observatory", observatory),
    ];
    for (dialect, attributes) in dialects {
        let span = normal(attributes());
        assert_eq!(span, call(), "{dialect}");
        assert!(is_model_call(&span), "{dialect}");
        // The order in which attributes come says nothing.
        let reversed = normal(attributes().into_iter().rev().collect());
        assert_eq!(reversed, call(), "{dialect}");
    }
}

#[test]
fn plain_names_of_infertrace_are_known() {
    let span = normal(vec![
        ("model_name", Text("llama-70b")),
        ("model_version", Text("v3")),
        ("batch_size", Int(8)),
        ("gpu_utilization_percent", Double(91.5)),
        ("input_tokens", Int(1)),
        ("output_tokens", Int(2)),
    ]);
    assert_eq!(span.model_name.as_deref(), Some("llama-70b"));
    assert_eq!(span.model_version.as_deref(), Some("v3"));
    assert_eq!(
        (span.batch_size, span.gpu_utilization),
        (Some(8), Some(91.5))
    );
    assert_eq!((span.input_tokens, span.output_tokens), (Some(1), Some(2)));
    assert!(is_model_call(&span));
}

#[test]
fn what_is_said_outright_wins() {
    let mut attributes = conventions();
    attributes.extend([
        ("annals.input_tokens", Int(7)),
        ("annals.gen_ai_operation", Text("My Own")),
        ("annals.cost", Double(0.25)),
        ("annals.cost_source", Text("a price")),
        ("annals.token_convention", Text("nonsense")),
    ]);
    let expected = Span {
        input_tokens: Some(7),
        gen_ai_operation: Some("My Own".to_owned()),
        cost: Some(0.25),
        ..call()
    };
    assert_eq!(normal(attributes), expected);
}

/// Dialect, what it says a span is, and what it becomes: operation, tool, agent, and whether it is a call.
type Kind = (
    &'static [(&'static str, &'static str)],
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
    bool,
);

#[test]
fn a_span_is_what_its_dialect_says_it_is() {
    const OI: &str = "openinference.span.kind";
    const TL: &str = "traceloop.span.kind";
    const AI: &str = "ai.operationId";
    const LF: &str = "langfuse.observation.type";
    const OP: &str = "gen_ai.operation.name";
    const ENTITY: &str = "traceloop.entity.name";
    let kinds: [Kind; 31] = [
        (&[(OP, "chat")], Some("chat"), None, None, true),
        (
            &[(OP, "Text_Completion")],
            Some("text_completion"),
            None,
            None,
            true,
        ),
        (&[(OP, "embedding")], Some("embeddings"), None, None, true),
        (
            &[(OP, "invoke_agent"), ("gen_ai.agent.name", "p")],
            Some("invoke_agent"),
            None,
            Some("p"),
            false,
        ),
        (
            &[(OP, "execute_tool"), ("gen_ai.tool.name", "w")],
            Some("execute_tool"),
            Some("w"),
            None,
            false,
        ),
        (
            &[(OP, "something_new")],
            Some("something_new"),
            None,
            None,
            false,
        ),
        (&[(OI, "LLM")], Some("chat"), None, None, true),
        (&[(OI, "EMBEDDING")], Some("embeddings"), None, None, true),
        (&[(OI, "RERANKER")], Some("rerank"), None, None, true),
        (
            &[(OI, "TOOL"), ("tool.name", "w")],
            Some("execute_tool"),
            Some("w"),
            None,
            false,
        ),
        (
            &[(OI, "AGENT"), ("agent.name", "p")],
            Some("invoke_agent"),
            None,
            Some("p"),
            false,
        ),
        (
            &[(OI, "AGENT"), ("graph.node.id", "p")],
            Some("invoke_agent"),
            None,
            Some("p"),
            false,
        ),
        (&[(OI, "RETRIEVER")], Some("retrieval"), None, None, false),
        (&[(OI, "CHAIN")], Some("chain"), None, None, false),
        (&[(OI, "UNKNOWN")], None, None, None, true),
        (
            &[(TL, "workflow"), (ENTITY, "r")],
            Some("invoke_workflow"),
            None,
            None,
            false,
        ),
        (
            &[(TL, "task"), (ENTITY, "r")],
            Some("task"),
            None,
            None,
            false,
        ),
        (
            &[(TL, "tool"), (ENTITY, "w")],
            Some("execute_tool"),
            Some("w"),
            None,
            false,
        ),
        (
            &[(TL, "agent"), (ENTITY, "p")],
            Some("invoke_agent"),
            None,
            Some("p"),
            false,
        ),
        (
            &[("llm.request.type", "completion")],
            Some("text_completion"),
            None,
            None,
            true,
        ),
        (
            &[("llm.request.type", "unknown"), (TL, "task")],
            Some("task"),
            None,
            None,
            false,
        ),
        (
            &[(AI, "ai.generateText.doGenerate")],
            Some("chat"),
            None,
            None,
            true,
        ),
        (
            &[(AI, "ai.generateText"), (OP, "chat")],
            Some("chain"),
            None,
            None,
            false,
        ),
        (&[(AI, "ai.streamObject")], Some("chain"), None, None, false),
        (
            &[(AI, "ai.embedMany.doEmbed")],
            Some("embeddings"),
            None,
            None,
            true,
        ),
        (
            &[(AI, "ai.toolCall"), ("ai.toolCall.name", "w")],
            Some("execute_tool"),
            Some("w"),
            None,
            false,
        ),
        (&[(LF, "generation")], Some("chat"), None, None, true),
        (
            &[(LF, "tool")],
            Some("execute_tool"),
            Some("a name"),
            None,
            false,
        ),
        (
            &[(LF, "agent")],
            Some("invoke_agent"),
            None,
            Some("a name"),
            false,
        ),
        (&[(LF, "span")], None, None, None, true),
        // An agent elsewhere is what collects telemetry.
        (&[("agent.name", "elastic")], None, None, None, true),
    ];
    for (said, operation, tool, agent, is_call) in kinds {
        let mut attributes: Attributes<'_> = said
            .iter()
            .map(|(name, value)| (*name, Text(value)))
            .collect();
        attributes.push(("llm.model_name", Text("m")));
        attributes.push(("input_tokens", Int(3)));
        let span = normal(attributes);
        assert_eq!(span.gen_ai_operation.as_deref(), operation, "{said:?}");
        assert_eq!(span.tool_name.as_deref(), tool, "{said:?}");
        assert_eq!(span.agent_name.as_deref(), agent, "{said:?}");
        assert_eq!(is_model_call(&span), is_call, "{said:?}");
    }
    assert!(!is_model_call(&normal(vec![("llm.model_name", Text("m"))])));
    assert!(!is_model_call(&normal(vec![("input_tokens", Int(3))])));
}

#[test]
fn providers_have_one_name() {
    let cases = [
        ("OpenAI", "openai"),
        ("openai.responses", "openai"),
        ("anthropic.messages", "anthropic"),
        ("az.ai.openai", "azure.ai.openai"),
        ("amazon-bedrock", "aws.bedrock"),
        ("google.generative-ai", "gcp.gemini"),
        ("vertexai", "gcp.vertex_ai"),
        ("mistralai", "mistral_ai"),
        ("xai", "x_ai"),
        ("Our Own", "our own"),
    ];
    for (said, provider) in cases {
        let span = normal(vec![("gen_ai.system", Text(said))]);
        assert_eq!(span.provider.as_deref(), Some(provider));
    }
    // Who serves it wins over who made it.
    let both = vec![
        ("llm.system", Text("openai")),
        ("llm.provider", Text("azure")),
    ];
    assert_eq!(normal(both).provider.as_deref(), Some("azure.ai.openai"));
}

#[test]
fn reasons_to_stop_have_one_name_and_are_told_once() {
    let cases = [
        (
            Texts(vec!["stop", "end_turn", "length"]),
            Some("stop,length"),
        ),
        (Text("max_tokens"), Some("length")),
        (Text("STOP"), Some("stop")),
        (Text("content-filter"), Some("content_filter")),
        (Text("pause_turn"), Some("pause_turn")),
        (Text(r#"["tool_use"]"#), Some("tool_call")),
        (Text("[1]"), None),
        (Texts(vec![]), None),
        (Int(1), None),
    ];
    for (said, reason) in cases {
        let span = normal(vec![("gen_ai.response.finish_reasons", said.clone())]);
        assert_eq!(span.finish_reason.as_deref(), reason, "{said:?}");
    }
}

/// The attributes, and the totals and the convention that come of them.
type Counting = (
    Attributes<'static>,
    (Option<i32>, Option<i32>),
    Option<&'static str>,
);

#[test]
fn totals_include_what_a_source_counts_beside_them() {
    const IN: &str = "gen_ai.usage.input_tokens";
    const OUT: &str = "gen_ai.usage.output_tokens";
    const TOTAL: &str = "gen_ai.usage.total_tokens";
    const READ: &str = "gen_ai.usage.cache_read.input_tokens";
    const RAW_READ: &str = "gen_ai.usage.cache_read_input_tokens";
    const RAW_WRITE: &str = "gen_ai.usage.cache_creation_input_tokens";
    const THOUGHT: &str = "gen_ai.usage.reasoning_tokens";
    const AI: (&str, Attribute<'_>) = ("ai.operationId", Text("ai.generateText.doGenerate"));
    const CLAUDE: (&str, Attribute<'_>) = ("gen_ai.system", Text("anthropic"));
    let usage = |json| vec![("langfuse.observation.usage_details", Text(json))];
    let cases: Vec<Counting> = vec![
        (
            vec![(IN, Int(9)), (OUT, Int(4))],
            (Some(9), Some(4)),
            Some("included"),
        ),
        (vec![(READ, Int(9))], (None, None), None),
        // More than there can be.
        (
            vec![(IN, Int(3)), (READ, Int(8))],
            (Some(11), None),
            Some("beside"),
        ),
        (
            vec![(OUT, Int(3)), (THOUGHT, Int(8))],
            (None, Some(11)),
            Some("beside"),
        ),
        // As many as there can be are no proof.
        (
            vec![(IN, Int(8)), (READ, Int(8))],
            (Some(8), None),
            Some("included"),
        ),
        // The total tells.
        (
            vec![
                (IN, Int(9)),
                (OUT, Int(4)),
                (READ, Int(2)),
                (TOTAL, Int(15)),
            ],
            (Some(11), Some(4)),
            Some("beside"),
        ),
        (
            vec![
                (IN, Int(9)),
                (OUT, Int(4)),
                (THOUGHT, Int(2)),
                (TOTAL, Int(15)),
            ],
            (Some(9), Some(6)),
            Some("beside"),
        ),
        // Anthropic's own names, as Anthropic counts, unless the total tells otherwise.
        (
            vec![
                CLAUDE,
                (IN, Int(9)),
                (RAW_READ, Int(2)),
                (RAW_WRITE, Int(3)),
            ],
            (Some(14), None),
            Some("beside"),
        ),
        (
            vec![
                CLAUDE,
                (IN, Int(9)),
                (OUT, Int(1)),
                (RAW_READ, Int(2)),
                (TOTAL, Int(10)),
            ],
            (Some(9), Some(1)),
            Some("included"),
        ),
        (
            vec![CLAUDE, (IN, Int(9)), (READ, Int(2))],
            (Some(9), None),
            Some("included"),
        ),
        (
            vec![(IN, Int(9)), (RAW_READ, Int(2))],
            (Some(9), None),
            Some("included"),
        ),
        // Vercel's SDK up to 5 takes over Anthropic's way of counting, and its total is a sum.
        (
            vec![
                AI,
                CLAUDE,
                ("ai.usage.inputTokens", Int(9)),
                ("ai.usage.outputTokens", Int(1)),
                ("ai.usage.totalTokens", Int(10)),
                ("ai.usage.cachedInputTokens", Int(2)),
            ],
            (Some(11), Some(1)),
            Some("beside"),
        ),
        // Langfuse's kinds stand beside each other, unless their total says that they do not.
        (
            usage(
                r#"{"input": 300, "output": 230, "cache_read_input_tokens": 800, "input_cache_creation": 100,
                    "output_reasoning_tokens": 120, "input_audio_tokens": 7}"#,
            ),
            (Some(1207), Some(350)),
            Some("beside"),
        ),
        (
            usage(r#"{"input": 1200, "output": 350, "total": 1550, "input_cached_tokens": 800}"#),
            (Some(1200), Some(350)),
            Some("included"),
        ),
        (
            usage(r#"{"input": 400, "output": 350, "total": 1550, "input_cached_tokens": 800}"#),
            (Some(1200), Some(350)),
            Some("beside"),
        ),
        (
            usage(r#"{"input_tokens": 300, "output_tokens": 1, "cache_read_input_tokens": 200}"#),
            (Some(500), Some(1)),
            Some("beside"),
        ),
        (usage(r#"{"input": 9}"#), (Some(9), None), Some("included")),
        (usage("{"), (None, None), None),
        (usage("[]"), (None, None), None),
        // A sum beyond the column leaves it absent.
        (
            vec![(IN, Int(1)), (READ, Int(i32::MAX.into()))],
            (None, None),
            Some("beside"),
        ),
    ];
    for (attributes, totals, convention) in cases {
        let span = normal(attributes.clone());
        assert_eq!(
            (span.input_tokens, span.output_tokens),
            totals,
            "{attributes:?}"
        );
        assert_eq!(
            span.token_convention.as_deref(),
            convention,
            "{attributes:?}"
        );
    }
}

#[test]
fn openllmetry_has_added_anthropics_cached_tokens_already() {
    let mut span = span();
    span.scope_name = Some("opentelemetry.instrumentation.anthropic".to_owned());
    let attributes = vec![
        ("gen_ai.system", Text("Anthropic")),
        ("gen_ai.usage.prompt_tokens", Int(1200)),
        ("gen_ai.usage.cache_read_input_tokens", Int(800)),
    ];
    normalise(attributes.into_iter(), &mut span);
    assert_eq!(span.input_tokens, Some(1200));
    assert_eq!(span.token_convention.as_deref(), Some("included"));
}

#[test]
fn a_browser_session_is_no_conversation() {
    let browser = normal(vec![("session.id", Text("s"))]);
    assert_eq!(browser.conversation_id, None);
}

#[test]
fn the_better_name_wins_and_an_unusable_value_is_passed_over() {
    let long = "x".repeat(513);
    let span = normal(vec![
        ("gen_ai.usage.input_tokens", Text("18446744073709551615")),
        ("llm.token_count.prompt", Double(12.0)),
        ("gen_ai.usage.output_tokens", Text("many")),
        ("gen_ai.usage.completion_tokens", Int(-1)),
        (
            "gen_ai.usage.reasoning_tokens",
            Int(i64::from(i32::MAX) + 1),
        ),
        ("gen_ai.usage.cache_read.input_tokens", Double(f64::NAN)),
        ("gen_ai.usage.cost", Double(f64::NAN)),
        ("llm.cost.total", Double(-1.0)),
        ("gen_ai.response.time_to_first_chunk", Double(1e30)),
        ("ai.response.msToFirstChunk", Double(-1.0)),
        ("gen_ai.response.model", Text("")),
        ("llm.response.model", Text("good")),
        ("gen_ai.conversation.id", Text(&long)),
        ("langfuse.session.id", Text("nul\0")),
        ("gen_ai.tool.name", Other),
        ("gen_ai.agent.name", Bool(true)),
    ]);
    let expected = Span {
        input_tokens: Some(12),
        token_convention: Some("included".to_owned()),
        model_name: Some("good".to_owned()),
        response_model: Some("good".to_owned()),
        ..self::span()
    };
    assert_eq!(span, expected);
}

#[test]
fn a_failed_call_has_the_model_that_was_asked_for() {
    let span = normal(vec![
        ("openinference.span.kind", Text("LLM")),
        ("llm.invocation_parameters", Text(r#"{"model": "gpt-4o"}"#)),
    ]);
    assert_eq!(span.model_name.as_deref(), Some("gpt-4o"));
    assert_eq!(
        (span.request_model.as_deref(), span.response_model),
        (Some("gpt-4o"), None)
    );
}

/// Names that are known and names that are nearly known.
fn name() -> impl Strategy<Value = String> {
    let known: Vec<&str> = [
        conventions,
        older_conventions,
        openinference,
        openllmetry,
        vercel,
        langfuse,
        observatory,
    ]
    .iter()
    .flat_map(|dialect| dialect())
    .map(|(name, _)| name)
    .chain([
        "annals.input_tokens",
        "annals.cached_tokens",
        "annals.cost",
        "annals.token_convention",
    ])
    .chain([
        "annals.time_to_first_token_nanos",
        "annals.output_tokens",
        "ai.usage.tokens",
    ])
    .collect();
    prop_oneof![9 => select(known).prop_map(str::to_owned), 1 => any::<String>()]
}

#[derive(Clone, Debug)]
enum Given {
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
    Texts(Vec<String>),
    Other,
}

fn text() -> impl Strategy<Value = String> {
    let edges = [
        "",
        "0",
        "-1",
        "2147483647",
        "2147483648",
        "18446744073709551615",
        "1e400",
        "NaN",
        "-0",
        "[",
        "[[",
        "{",
        "null",
        "ai.generateText",
        "ai.",
        "ai",
        ".",
        "2023-11-14T22:13:20.25Z",
        "9999-12-31T23:59:59Z",
        "é\0",
        r#"{"input": 9223372036854775807, "output": 2147483647, "input_x": 2147483647, "total": -5}"#,
        r#"{"prompt_tokens": -1, "prompt_tokens_details": 7, "completion_tokens_details": {"reasoning_tokens": 1e9}}"#,
        r#"{"total": "much"}"#,
        r#"{"a": 1e308, "b": 1e308}"#,
        "anthropic",
        "LLM",
    ];
    prop_oneof![
        select(edges.to_vec()).prop_map(str::to_owned),
        any::<String>(),
        any::<i64>().prop_map(|n| n.to_string())
    ]
}

fn value() -> impl Strategy<Value = Given> {
    let ints = select(vec![
        0,
        1,
        -1,
        2_147_483_647,
        2_147_483_648,
        i64::MAX,
        i64::MIN,
    ]);
    prop_oneof![
        text().prop_map(Given::Text),
        prop_oneof![ints, any::<i64>(), -9..3000_i64].prop_map(Given::Int),
        prop_oneof![
            any::<f64>(),
            Just(f64::NAN),
            Just(f64::INFINITY),
            Just(-0.0)
        ]
        .prop_map(Given::Double),
        any::<bool>().prop_map(Given::Bool),
        vec(text(), 0..4).prop_map(Given::Texts),
        Just(Given::Other),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn no_attributes_panic_or_give_a_column_what_it_cannot_have(
        attributes in vec((name(), value()), 0..24),
    ) {
        let borrowed = attributes.iter().map(|(name, value)| {
            let value = match value {
                Given::Text(text) => Text(text),
                Given::Int(int) => Int(*int),
                Given::Double(double) => Double(*double),
                Given::Bool(bool) => Bool(*bool),
                Given::Texts(texts) => Texts(texts.iter().map(String::as_str).collect()),
                Given::Other => Other,
            };
            (name.as_str(), value)
        });
        let mut span = span();
        normalise(borrowed, &mut span);
        let small = [span.input_tokens, span.output_tokens];
        prop_assert!(small.iter().flatten().all(|tokens| *tokens >= 0));
        let parts = [span.cached_tokens, span.cache_write_tokens, span.reasoning_tokens];
        prop_assert!(parts.iter().flatten().all(|tokens| (0..=i64::from(i32::MAX)).contains(tokens)));
        prop_assert!(span.time_to_first_token_nanos.is_none_or(|nanos| nanos >= 0));
        prop_assert!(span.cost.is_none_or(|cost| crate::cost::nanodollars(cost).is_some()));
        prop_assert_eq!(span.cost.is_some(), span.cost_source.is_some());
        let texts = [&span.model_name, &span.provider, &span.user_id, &span.finish_reason, &span.conversation_id];
        let is_sound = |text: &&str| {
            !text.is_empty() && text.len() <= super::LONGEST && !text.contains('\0')
        };
        prop_assert!(texts.into_iter().filter_map(|text| text.as_deref()).all(|text| is_sound(&text)));
    }
}
