//! Which attributes become columns of their own.
//!
//! For each column there is a list of names, and the first that has a usable value wins: our own
//! names, those of OpenTelemetry's GenAI conventions, the names that these had before, OpenInference
//! (`llm.…`), OpenLLMetry (`llm.usage.…`, `traceloop.…`), the Vercel AI SDK (`ai.…`), and plain names
//! as InferTrace has them. Names under `annals.` are what [`span::to_proto`](super::span::to_proto)
//! writes for a column that the attributes do not tell, and anybody may use them to say it outright.
//!
//! Nothing is taken away: `tags` keeps every attribute as it came. Nothing is refused either: a value
//! of another type, or beyond its column, leaves the column absent. Numbers may come as text.
//!
//! Input tokens include cached ones and output tokens include reasoning, as the conventions say. A
//! producer that counts them beside the totals is not recognised.

use std::{collections::HashSet, sync::LazyLock};

use annals_record::Timestamp;
use annals_telemetry::Span;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};

type Names = &'static [&'static str];

const MODEL_NAME: Names = &[
    "annals.model_name",
    "gen_ai.response.model",
    "gen_ai.request.model",
    "llm.model_name",
    "llm.response.model",
    "llm.request.model",
    "ai.response.model",
    "ai.model.id",
    "model_name",
];
const MODEL_VERSION: Names = &["annals.model_version", "model_version"];
const BATCH_SIZE: Names = &["annals.batch_size", "batch_size"];
const INPUT_TOKENS: Names = &[
    "annals.input_tokens",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt",
    "llm.usage.prompt_tokens",
    "ai.usage.inputTokens",
    "ai.usage.promptTokens",
    "input_tokens",
];
const OUTPUT_TOKENS: Names = &[
    "annals.output_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.token_count.completion",
    "llm.usage.completion_tokens",
    "ai.usage.outputTokens",
    "ai.usage.completionTokens",
    "output_tokens",
];
/// In percent, all of them.
const GPU_UTILIZATION: Names = &[
    "annals.gpu_utilization",
    "gpu_utilization_percent",
    "gpu_utilization",
];
const PROVIDER: Names = &[
    "annals.provider",
    "gen_ai.provider.name",
    "gen_ai.system",
    "llm.provider",
    "llm.system",
    "ai.model.provider",
];
const GEN_AI_OPERATION: Names = &[
    "annals.gen_ai_operation",
    "gen_ai.operation.name",
    OPENINFERENCE_KIND,
    "llm.request.type",
    "traceloop.span.kind",
    "ai.operationId",
];
const REQUEST_MODEL: Names = &[
    "annals.request_model",
    "gen_ai.request.model",
    "llm.request.model",
    "ai.model.id",
];
const RESPONSE_MODEL: Names = &[
    "annals.response_model",
    "gen_ai.response.model",
    "llm.response.model",
    "ai.response.model",
];
const CACHED_TOKENS: Names = &[
    "annals.cached_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.cached_tokens",
    "llm.token_count.prompt_details.cache_read",
    "llm.usage.cache_read_input_tokens",
    "ai.usage.cachedInputTokens",
    "cached_tokens",
];
const REASONING_TOKENS: Names = &[
    "annals.reasoning_tokens",
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
    "llm.usage.reasoning_tokens",
    "ai.usage.reasoningTokens",
    "reasoning_tokens",
];
const FIRST_TOKEN_NANOS: Names = &[
    "annals.time_to_first_token_nanos",
    "time_to_first_token_nanos",
];
const FIRST_TOKEN_SECONDS: Names = &[
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.response.time_to_first_token",
    "gen_ai.server.time_to_first_token",
];
const FIRST_TOKEN_MILLIS: Names = &["ai.response.msToFirstChunk"];
const CONVERSATION_ID: Names = &[
    "annals.conversation_id",
    "gen_ai.conversation.id",
    "traceloop.association.properties.session_id",
];
/// A conversation in OpenInference's spans only: elsewhere it is the session of a browser.
const OPENINFERENCE_SESSION: Names = &["session.id"];
const OPENINFERENCE_KIND: &str = "openinference.span.kind";
const COST: Names = &[
    "annals.cost",
    "gen_ai.usage.cost",
    "gen_ai.usage.cost_usd",
    "llm.cost.total",
    "llm.usage.cost",
];

/// All names above, so that other attributes are passed over at the price of one look.
static KNOWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let lists: [Names; 18] = [
        MODEL_NAME,
        MODEL_VERSION,
        BATCH_SIZE,
        INPUT_TOKENS,
        OUTPUT_TOKENS,
        GPU_UTILIZATION,
        PROVIDER,
        GEN_AI_OPERATION,
        REQUEST_MODEL,
        RESPONSE_MODEL,
        CACHED_TOKENS,
        REASONING_TOKENS,
        FIRST_TOKEN_NANOS,
        FIRST_TOKEN_SECONDS,
        FIRST_TOKEN_MILLIS,
        CONVERSATION_ID,
        OPENINFERENCE_SESSION,
        COST,
    ];
    lists.into_iter().flatten().copied().collect()
});

/// Fills in the columns that a span's attributes tell.
pub(super) fn promote(attributes: &[KeyValue], span: &mut Span) {
    let known = Known::of(attributes);
    if known.0.is_empty() {
        return;
    }
    span.model_name = known.find(MODEL_NAME, text);
    span.model_version = known.find(MODEL_VERSION, text);
    span.batch_size = known.find(BATCH_SIZE, small);
    span.input_tokens = known.find(INPUT_TOKENS, small);
    span.output_tokens = known.find(OUTPUT_TOKENS, small);
    span.gpu_utilization = known.find(GPU_UTILIZATION, float);
    span.provider = known.find(PROVIDER, text);
    span.gen_ai_operation = known.find(GEN_AI_OPERATION, text);
    span.request_model = known.find(REQUEST_MODEL, text);
    span.response_model = known.find(RESPONSE_MODEL, text);
    span.cached_tokens = known.find(CACHED_TOKENS, whole);
    span.reasoning_tokens = known.find(REASONING_TOKENS, whole);
    span.time_to_first_token_nanos = known
        .find(FIRST_TOKEN_NANOS, whole)
        .or_else(|| known.find(FIRST_TOKEN_SECONDS, |value| nanos(float(value)?, 1e9)))
        .or_else(|| known.find(FIRST_TOKEN_MILLIS, |value| nanos(float(value)?, 1e6)));
    span.conversation_id = known.find(CONVERSATION_ID, text).or_else(|| {
        known.find(&[OPENINFERENCE_KIND], text)?;
        known.find(OPENINFERENCE_SESSION, text)
    });
    span.cost = known.find(COST, float);
}

/// Adds attributes for the columns that the others do not tell, so that a span which came by another
/// protocol goes out whole.
pub(super) fn tell(span: &Span, attributes: &mut Vec<KeyValue>) {
    let mut told = Span::new("", "", "", "", Timestamp::default(), 0);
    promote(attributes, &mut told);
    let mut add = |names: Names, value: Option<Any>| {
        if let (Some(name), Some(value)) = (names.first(), value) {
            attributes.retain(|attribute| attribute.key != *name);
            attributes.push(KeyValue {
                key: (*name).to_owned(),
                value: Some(AnyValue { value: Some(value) }),
                ..KeyValue::default()
            });
        }
    };
    let string =
        |column: &Option<String>, told: &Option<String>| untold(column, told).map(Any::StringValue);
    let small = |column: Option<i32>, told| untold(&column, &told).map(|n| Any::IntValue(n.into()));
    let whole = |column: Option<i64>, told| untold(&column, &told).map(Any::IntValue);
    let float = |column: Option<f64>, told| untold(&column, &told).map(Any::DoubleValue);
    add(MODEL_NAME, string(&span.model_name, &told.model_name));
    add(
        MODEL_VERSION,
        string(&span.model_version, &told.model_version),
    );
    add(BATCH_SIZE, small(span.batch_size, told.batch_size));
    add(INPUT_TOKENS, small(span.input_tokens, told.input_tokens));
    add(OUTPUT_TOKENS, small(span.output_tokens, told.output_tokens));
    add(
        GPU_UTILIZATION,
        float(span.gpu_utilization, told.gpu_utilization),
    );
    add(PROVIDER, string(&span.provider, &told.provider));
    add(
        GEN_AI_OPERATION,
        string(&span.gen_ai_operation, &told.gen_ai_operation),
    );
    add(
        REQUEST_MODEL,
        string(&span.request_model, &told.request_model),
    );
    add(
        RESPONSE_MODEL,
        string(&span.response_model, &told.response_model),
    );
    add(CACHED_TOKENS, whole(span.cached_tokens, told.cached_tokens));
    add(
        REASONING_TOKENS,
        whole(span.reasoning_tokens, told.reasoning_tokens),
    );
    let first_token = whole(
        span.time_to_first_token_nanos,
        told.time_to_first_token_nanos,
    );
    add(FIRST_TOKEN_NANOS, first_token);
    add(
        CONVERSATION_ID,
        string(&span.conversation_id, &told.conversation_id),
    );
    add(COST, float(span.cost, told.cost));
}

/// What a column has and the attributes do not tell.
fn untold<T: Clone + PartialEq>(column: &Option<T>, told: &Option<T>) -> Option<T> {
    if column == told { None } else { column.clone() }
}

/// The attributes with a name that matters here.
struct Known<'a>(Vec<(&'a str, &'a Any)>);

impl<'a> Known<'a> {
    fn of(attributes: &'a [KeyValue]) -> Self {
        // From the end, since the last of equal keys counts.
        let known = attributes
            .iter()
            .rev()
            .filter(|kv| KNOWN.contains(kv.key.as_str()));
        let values =
            known.filter_map(|kv| Some((kv.key.as_str(), kv.value.as_ref()?.value.as_ref()?)));
        Self(values.collect())
    }

    /// The value of the first name that has a usable one.
    fn find<T>(&self, names: &[&str], read: impl Fn(&Any) -> Option<T>) -> Option<T> {
        names.iter().find_map(|name| {
            let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
            read(value)
        })
    }
}

fn text(value: &Any) -> Option<String> {
    match value {
        Any::StringValue(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

fn whole(value: &Any) -> Option<i64> {
    /// From here on not every whole number is a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Any::IntValue(int) => Some(*int),
        Any::DoubleValue(double) if double.fract() == 0.0 && double.abs() < EXACT => {
            Some(*double as i64)
        }
        Any::StringValue(text) => text.parse().ok(),
        _ => None,
    }
}

fn small(value: &Any) -> Option<i32> {
    i32::try_from(whole(value)?).ok()
}

/// Not every backend holds NaN and the infinities, and a column of convenience is no reason to
/// refuse a span.
fn float(value: &Any) -> Option<f64> {
    match value {
        Any::DoubleValue(double) => Some(*double),
        Any::IntValue(int) => Some(*int as f64),
        Any::StringValue(text) => text.parse().ok(),
        _ => None,
    }
    .filter(|double| double.is_finite())
}

fn nanos(time: f64, nanos_per_unit: f64) -> Option<i64> {
    /// 2^63, the first that does not fit.
    const END: f64 = 9_223_372_036_854_775_808.0;
    let nanos = (time * nanos_per_unit).round();
    (-END..END).contains(&nanos).then_some(nanos as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promoted<const N: usize>(attributes: [(&str, Any); N]) -> Span {
        let attributes: Vec<_> = attributes
            .into_iter()
            .map(|(key, value)| KeyValue {
                key: key.to_owned(),
                value: Some(AnyValue { value: Some(value) }),
                ..KeyValue::default()
            })
            .collect();
        let mut span = Span::new("", "", "", "", Timestamp::default(), 0);
        promote(&attributes, &mut span);
        span
    }

    fn string(text: &str) -> Any {
        Any::StringValue(text.to_owned())
    }

    #[test]
    fn the_conventions_fill_every_column() {
        let span = promoted([
            ("gen_ai.provider.name", string("openai")),
            ("gen_ai.operation.name", string("chat")),
            ("gen_ai.request.model", string("gpt-4o")),
            ("gen_ai.response.model", string("gpt-4o-2024-08-06")),
            ("gen_ai.usage.input_tokens", Any::IntValue(1200)),
            ("gen_ai.usage.output_tokens", Any::IntValue(350)),
            ("gen_ai.usage.cache_read.input_tokens", Any::IntValue(800)),
            ("gen_ai.usage.reasoning.output_tokens", Any::IntValue(120)),
            (
                "gen_ai.response.time_to_first_chunk",
                Any::DoubleValue(0.25),
            ),
            ("gen_ai.conversation.id", string("c-1")),
            ("gen_ai.usage.cost", string("0.0145")),
        ]);
        assert_eq!(span.provider.as_deref(), Some("openai"));
        assert_eq!(span.gen_ai_operation.as_deref(), Some("chat"));
        assert_eq!(span.request_model.as_deref(), Some("gpt-4o"));
        assert_eq!(span.response_model.as_deref(), Some("gpt-4o-2024-08-06"));
        assert_eq!(span.model_name.as_deref(), Some("gpt-4o-2024-08-06"));
        assert_eq!(
            (span.input_tokens, span.output_tokens),
            (Some(1200), Some(350))
        );
        assert_eq!(
            (span.cached_tokens, span.reasoning_tokens),
            (Some(800), Some(120))
        );
        assert_eq!(span.time_to_first_token_nanos, Some(250_000_000));
        assert_eq!(span.conversation_id.as_deref(), Some("c-1"));
        assert_eq!(span.cost, Some(0.0145));
    }

    #[test]
    fn older_names_stand_in_and_newer_ones_win() {
        let span = promoted([
            ("gen_ai.system", string("anthropic")),
            ("gen_ai.usage.prompt_tokens", Any::IntValue(7)),
            ("gen_ai.usage.completion_tokens", Any::IntValue(8)),
            ("gen_ai.usage.output_tokens", Any::IntValue(9)),
        ]);
        assert_eq!(span.provider.as_deref(), Some("anthropic"));
        assert_eq!((span.input_tokens, span.output_tokens), (Some(7), Some(9)));
    }

    #[test]
    fn openinference_names_are_known() {
        let span = promoted([
            ("openinference.span.kind", string("LLM")),
            ("llm.provider", string("openai")),
            ("llm.model_name", string("gpt-4o")),
            ("llm.token_count.prompt", Any::IntValue(10)),
            ("llm.token_count.completion", Any::IntValue(20)),
            (
                "llm.token_count.prompt_details.cache_read",
                Any::IntValue(4),
            ),
            (
                "llm.token_count.completion_details.reasoning",
                Any::IntValue(5),
            ),
            ("llm.cost.total", Any::DoubleValue(0.5)),
            ("session.id", string("s-1")),
        ]);
        assert_eq!(span.gen_ai_operation.as_deref(), Some("LLM"));
        assert_eq!(span.provider.as_deref(), Some("openai"));
        assert_eq!(span.model_name.as_deref(), Some("gpt-4o"));
        assert_eq!(
            (span.input_tokens, span.output_tokens),
            (Some(10), Some(20))
        );
        assert_eq!(
            (span.cached_tokens, span.reasoning_tokens),
            (Some(4), Some(5))
        );
        assert_eq!(span.cost, Some(0.5));
        assert_eq!(span.conversation_id.as_deref(), Some("s-1"));
    }

    #[test]
    fn plain_names_of_infertrace_are_known() {
        let span = promoted([
            ("model_name", string("llama-70b")),
            ("model_version", string("v3")),
            ("batch_size", Any::IntValue(8)),
            ("gpu_utilization_percent", Any::DoubleValue(91.5)),
            ("input_tokens", Any::IntValue(1)),
            ("output_tokens", Any::IntValue(2)),
        ]);
        assert_eq!(span.model_name.as_deref(), Some("llama-70b"));
        assert_eq!(span.model_version.as_deref(), Some("v3"));
        assert_eq!(
            (span.batch_size, span.gpu_utilization),
            (Some(8), Some(91.5))
        );
        assert_eq!((span.input_tokens, span.output_tokens), (Some(1), Some(2)));
    }

    #[test]
    fn a_browser_session_is_no_conversation() {
        assert_eq!(
            promoted([("session.id", string("s-1"))]).conversation_id,
            None
        );
    }

    #[test]
    fn an_unusable_value_is_passed_over() {
        let span = promoted([
            ("gen_ai.usage.input_tokens", Any::IntValue(i64::MAX)),
            ("llm.token_count.prompt", Any::DoubleValue(12.0)),
            ("gen_ai.usage.output_tokens", string("many")),
            ("gen_ai.response.model", string("")),
            ("gen_ai.usage.cost", Any::DoubleValue(f64::NAN)),
            (
                "gen_ai.response.time_to_first_chunk",
                Any::DoubleValue(1e30),
            ),
        ]);
        assert_eq!(span.input_tokens, Some(12));
        assert_eq!((span.output_tokens, span.cost), (None, None));
        assert_eq!(
            (span.model_name, span.time_to_first_token_nanos),
            (None, None)
        );
    }

    #[test]
    fn of_a_repeated_attribute_the_last_value_counts() {
        let span = promoted([
            ("batch_size", Any::IntValue(1)),
            ("batch_size", Any::IntValue(2)),
        ]);
        assert_eq!(span.batch_size, Some(2));
    }
}
