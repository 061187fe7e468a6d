//! The names that are looked for. Of one slot, the first with a usable value wins.

use std::sync::LazyLock;

/// What a name tells. Several slots can make one column, see [`super::told`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Under `annals.`: a column outright.
    Outright(Column),
    RequestModel,
    ResponseModel,
    /// A model, not saying whether it is the one asked for or the one that answered.
    Model,
    /// JSON with what the model was asked, among it which one.
    Parameters,
    ModelVersion,
    BatchSize,
    GpuUtilization,
    Provider,
    /// Who made the model, where it is not said who serves it.
    System,
    Operation,
    OpenInferenceKind,
    RequestType,
    TraceloopKind,
    VercelOperation,
    LangfuseType,
    Input,
    Output,
    Total,
    Cached,
    /// The same in Anthropic's own words, which a source may have taken over with Anthropic's way of counting.
    CachedRaw,
    CacheWrite,
    CacheWriteRaw,
    /// Input tokens beside the cached ones: who counts them has cached ones in the total.
    NotCached,
    Reasoning,
    Usage,
    FirstTokenNanos,
    FirstTokenSeconds,
    FirstTokenMillis,
    FirstTokenAt,
    Conversation,
    /// A conversation in the spans of some dialects only; elsewhere it is the session of a browser.
    Session,
    User,
    FinishReasons,
    ResponseId,
    Tool,
    Agent,
    /// An agent's name in OpenInference's spans only; elsewhere an agent is what collects telemetry.
    OpenInferenceAgent,
    /// The name of whatever kind of thing the span is.
    Entity,
    Cost,
    CostDetails,
}

/// A column that can be told outright.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    ModelName,
    ModelVersion,
    BatchSize,
    InputTokens,
    OutputTokens,
    GpuUtilization,
    Provider,
    Operation,
    RequestModel,
    ResponseModel,
    CachedTokens,
    CacheWriteTokens,
    ReasoningTokens,
    TokenConvention,
    FirstTokenNanos,
    ConversationId,
    UserId,
    FinishReason,
    ResponseId,
    ToolName,
    AgentName,
    Cost,
    CostSource,
}

use Slot::{
    Agent, BatchSize, CacheWrite, CacheWriteRaw, Cached, CachedRaw, Conversation, Cost,
    CostDetails, Entity, FinishReasons, FirstTokenAt, FirstTokenMillis, FirstTokenNanos,
    FirstTokenSeconds, GpuUtilization, Input, LangfuseType, Model, ModelVersion, NotCached,
    OpenInferenceAgent, OpenInferenceKind, Operation, Output, Outright, Parameters, Provider,
    Reasoning, RequestModel, RequestType, ResponseId, ResponseModel, Session, System, Tool, Total,
    TraceloopKind, Usage, User, VercelOperation,
};

/// Every name, and what it tells. Sources: the conventions' registry (GenAI, 2026) and what they had before, the
/// constants of openinference-semantic-conventions 0.1.42 and opentelemetry-semantic-conventions-ai 0.5.1, spans of
/// `ai` 6.0 and of langfuse 5.0, and names that Sentry, Pydantic AI and Strands write.
#[rustfmt::skip]
const NAMES: &[(&str, Slot)] = &[
    ("annals.model_name", Outright(Column::ModelName)),
    ("annals.model_version", Outright(Column::ModelVersion)),
    ("annals.batch_size", Outright(Column::BatchSize)),
    ("annals.input_tokens", Outright(Column::InputTokens)),
    ("annals.output_tokens", Outright(Column::OutputTokens)),
    ("annals.gpu_utilization", Outright(Column::GpuUtilization)),
    ("annals.provider", Outright(Column::Provider)),
    ("annals.gen_ai_operation", Outright(Column::Operation)),
    ("annals.request_model", Outright(Column::RequestModel)),
    ("annals.response_model", Outright(Column::ResponseModel)),
    ("annals.cached_tokens", Outright(Column::CachedTokens)),
    ("annals.cache_write_tokens", Outright(Column::CacheWriteTokens)),
    ("annals.reasoning_tokens", Outright(Column::ReasoningTokens)),
    ("annals.token_convention", Outright(Column::TokenConvention)),
    ("annals.time_to_first_token_nanos", Outright(Column::FirstTokenNanos)),
    ("annals.conversation_id", Outright(Column::ConversationId)),
    ("annals.user_id", Outright(Column::UserId)),
    ("annals.finish_reason", Outright(Column::FinishReason)),
    ("annals.response_id", Outright(Column::ResponseId)),
    ("annals.tool_name", Outright(Column::ToolName)),
    ("annals.agent_name", Outright(Column::AgentName)),
    ("annals.cost", Outright(Column::Cost)),
    ("annals.cost_source", Outright(Column::CostSource)),

    ("gen_ai.request.model", RequestModel),
    ("llm.request.model_name", RequestModel),
    ("llm.request.model", RequestModel),
    ("ai.model.id", RequestModel),
    ("gen_ai.response.model", ResponseModel),
    ("llm.response.model_name", ResponseModel),
    ("llm.response.model", ResponseModel),
    ("ai.response.model", ResponseModel),
    ("llm.model_name", Model),
    ("embedding.model_name", Model),
    ("reranker.model_name", Model),
    ("langfuse.observation.model.name", Model),
    ("llm.model", Model),
    ("model_name", Model),
    ("llm.invocation_parameters", Parameters),
    ("embedding.invocation_parameters", Parameters),
    ("model_version", ModelVersion),
    ("batch_size", BatchSize),
    ("gpu_utilization_percent", GpuUtilization),
    ("gpu_utilization", GpuUtilization),

    ("gen_ai.provider.name", Provider),
    ("gen_ai.system", Provider),
    ("llm.provider", Provider),
    ("ai.model.provider", Provider),
    ("llm.system", System),

    ("gen_ai.operation.name", Operation),
    ("openinference.span.kind", OpenInferenceKind),
    ("llm.request.type", RequestType),
    ("traceloop.span.kind", TraceloopKind),
    ("ai.operationId", VercelOperation),
    ("langfuse.observation.type", LangfuseType),

    ("gen_ai.usage.input_tokens", Input),
    ("gen_ai.usage.prompt_tokens", Input),
    ("llm.token_count.prompt", Input),
    ("llm.usage.prompt_tokens", Input),
    ("llm.usage.input_tokens", Input),
    ("ai.usage.inputTokens", Input),
    ("ai.usage.promptTokens", Input),
    ("ai.usage.tokens", Input),
    ("input_tokens", Input),
    ("gen_ai.usage.output_tokens", Output),
    ("gen_ai.usage.completion_tokens", Output),
    ("llm.token_count.completion", Output),
    ("llm.usage.completion_tokens", Output),
    ("llm.usage.output_tokens", Output),
    ("ai.usage.outputTokens", Output),
    ("ai.usage.completionTokens", Output),
    ("output_tokens", Output),
    ("gen_ai.usage.total_tokens", Total),
    ("llm.token_count.total", Total),
    ("llm.usage.total_tokens", Total),
    ("ai.usage.totalTokens", Total),
    ("gen_ai.usage.cache_read.input_tokens", Cached),
    ("gen_ai.usage.details.cache_read_tokens", Cached),
    ("gen_ai.usage.input_tokens.cached", Cached),
    ("gen_ai.usage.cached_tokens", Cached),
    ("llm.token_count.prompt_details.cache_read", Cached),
    ("llm.token_count.prompt_details.cache_input", Cached),
    ("ai.usage.inputTokenDetails.cacheReadTokens", Cached),
    ("ai.usage.cachedInputTokens", Cached),
    ("cached_tokens", Cached),
    ("gen_ai.usage.cache_read_input_tokens", CachedRaw),
    ("llm.usage.cache_read_input_tokens", CachedRaw),
    ("llm.usage.cache_read_tokens", CachedRaw),
    ("gen_ai.usage.cache_write.input_tokens", CacheWrite),
    ("gen_ai.usage.cache_creation.input_tokens", CacheWrite),
    ("gen_ai.usage.details.cache_write_tokens", CacheWrite),
    ("gen_ai.usage.input_tokens.cache_write", CacheWrite),
    ("llm.token_count.prompt_details.cache_write", CacheWrite),
    ("ai.usage.inputTokenDetails.cacheWriteTokens", CacheWrite),
    ("cache_write_tokens", CacheWrite),
    ("gen_ai.usage.cache_creation_input_tokens", CacheWriteRaw),
    ("gen_ai.usage.cache_write_input_tokens", CacheWriteRaw),
    ("llm.usage.cache_creation_input_tokens", CacheWriteRaw),
    ("llm.usage.cache_write_tokens", CacheWriteRaw),
    ("ai.usage.inputTokenDetails.noCacheTokens", NotCached),
    ("gen_ai.usage.reasoning.output_tokens", Reasoning),
    ("gen_ai.usage.reasoning_tokens", Reasoning),
    ("gen_ai.usage.details.reasoning_tokens", Reasoning),
    ("gen_ai.usage.output_tokens.reasoning", Reasoning),
    ("llm.token_count.completion_details.reasoning", Reasoning),
    ("llm.usage.reasoning_tokens", Reasoning),
    ("ai.usage.outputTokenDetails.reasoningTokens", Reasoning),
    ("ai.usage.reasoningTokens", Reasoning),
    ("reasoning_tokens", Reasoning),
    ("langfuse.observation.usage_details", Usage),

    ("time_to_first_token_nanos", FirstTokenNanos),
    ("gen_ai.response.time_to_first_chunk", FirstTokenSeconds),
    ("gen_ai.response.time_to_first_token", FirstTokenSeconds),
    ("gen_ai.server.time_to_first_token", FirstTokenSeconds),
    ("ai.response.msToFirstChunk", FirstTokenMillis),
    ("ai.stream.msToFirstChunk", FirstTokenMillis),
    ("time_to_first_token_ms", FirstTokenMillis),
    ("langfuse.observation.completion_start_time", FirstTokenAt),

    ("gen_ai.conversation.id", Conversation),
    ("langfuse.session.id", Conversation),
    ("traceloop.association.properties.session_id", Conversation),
    ("traceloop.association.properties.conversation_id", Conversation),
    ("traceloop.association.properties.thread_id", Conversation),
    ("traceloop.association.properties.chat_id", Conversation),
    ("ai.telemetry.metadata.sessionId", Conversation),
    ("ai.telemetry.metadata.conversationId", Conversation),
    ("ai.telemetry.metadata.threadId", Conversation),
    ("ai.telemetry.metadata.chatId", Conversation),
    ("session.id", Session),
    ("langfuse.user.id", User),
    ("traceloop.association.properties.user_id", User),
    ("ai.telemetry.metadata.userId", User),
    ("user.id", User),
    ("enduser.id", User),
    ("gen_ai.user", User),
    ("llm.user", User),

    ("gen_ai.response.finish_reasons", FinishReasons),
    ("gen_ai.response.finish_reason", FinishReasons),
    ("gen_ai.response.stop_reason", FinishReasons),
    ("gen_ai.completion.0.finish_reason", FinishReasons),
    ("llm.finish_reason", FinishReasons),
    ("llm.response.finish_reason", FinishReasons),
    ("llm.response.stop_reason", FinishReasons),
    ("llm.stop_reason", FinishReasons),
    ("ai.response.finishReason", FinishReasons),
    ("langfuse.observation.metadata.finish_reason", FinishReasons),
    ("gen_ai.response.id", ResponseId),
    ("llm.response.id", ResponseId),
    ("ai.response.id", ResponseId),

    ("gen_ai.tool.name", Tool),
    ("tool.name", Tool),
    ("ai.toolCall.name", Tool),
    ("gen_ai.agent.name", Agent),
    ("agent.name", OpenInferenceAgent),
    ("graph.node.name", OpenInferenceAgent),
    ("graph.node.id", OpenInferenceAgent),
    ("traceloop.entity.name", Entity),

    ("gen_ai.usage.cost", Cost),
    ("gen_ai.usage.cost_usd", Cost),
    ("gen_ai.usage.total_cost", Cost),
    ("gen_ai.cost.total", Cost),
    ("llm.cost.total", Cost),
    ("llm.cost.total_usd", Cost),
    ("llm.usage.cost", Cost),
    ("langfuse.observation.cost_details", CostDetails),
];

/// A name's place in [`NAMES`]: the smaller, the better.
pub(super) type Place = u16;

/// The slot and the place of a name, if it is known. All others cost this one look.
pub(super) fn find(name: &str) -> Option<(Place, Slot)> {
    static TABLE: LazyLock<Table> = LazyLock::new(Table::new);
    TABLE.find(name)
}

/// Open addressing over a fixed set of names, less than a quarter full: who is not in it is mostly found
/// out at the first place, by one cheap hash and no comparison.
struct Table {
    /// Places in [`NAMES`], plus one; 0 is empty.
    places: [Place; SIZE],
    shortest: usize,
    longest: usize,
}

const SIZE: usize = 1024;

impl Table {
    fn new() -> Self {
        let mut table = Self {
            places: [0; SIZE],
            shortest: usize::MAX,
            longest: 0,
        };
        for (place, (name, _)) in (1..).zip(NAMES) {
            table.shortest = table.shortest.min(name.len());
            table.longest = table.longest.max(name.len());
            let free = probes(name).find(|at| table.places.get(*at) == Some(&0));
            if let Some(free) = free.and_then(|at| table.places.get_mut(at)) {
                *free = place;
            }
        }
        table
    }

    fn find(&self, name: &str) -> Option<(Place, Slot)> {
        if !(self.shortest..=self.longest).contains(&name.len()) {
            return None;
        }
        for at in probes(name) {
            let place = self.places.get(at)?.checked_sub(1)?;
            match NAMES.get(usize::from(place)) {
                Some((known, slot)) if *known == name => return Some((place, *slot)),
                _ => {}
            }
        }
        None
    }
}

/// Where a name may be, in order.
fn probes(name: &str) -> impl Iterator<Item = usize> {
    let first = hash(name.as_bytes());
    (0..SIZE).map(move |step| (first + step) % SIZE)
}

fn hash(name: &[u8]) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = name.len() as u64;
    for chunk in name.chunks(8) {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        hash = (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(ODD);
    }
    (hash >> 54) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_is_found_and_nothing_else() {
        let all: HashSet<_> = NAMES.iter().map(|(name, _)| name).collect();
        assert_eq!(all.len(), NAMES.len(), "a name stands there twice");
        for (place, (name, slot)) in NAMES.iter().enumerate() {
            assert_eq!(find(name), Some((place as Place, *slot)));
            assert_eq!(find(&name[1..]), None);
            let longer = format!("{name}.");
            assert_eq!(find(&longer), None);
        }
        for other in [
            "",
            "http.request.method",
            "url.full",
            "gen_ai.input.messages",
        ] {
            assert_eq!(find(other), None);
        }
    }

    #[test]
    fn names_that_are_not_known_rarely_cost_a_comparison() {
        let table = Table::new();
        let longest = NAMES.iter().map(|(name, _)| {
            probes(name)
                .position(|at| table.places[at] == 0)
                .unwrap_or(SIZE)
        });
        assert!(longest.max() < Some(16));
    }
}
