//! What the attributes of one span tell, and the columns that are made of it.

use std::borrow::Cow;

use annals_record::Timestamp;
use serde::Deserialize;

use super::{
    Attribute, LONGEST, REPORTED, TokenConvention, langfuse,
    names::{self, Column, Place, Slot},
    sensible_cost,
    tokens::{Said, count},
    words,
};
use crate::Span;

/// The attributes with a name that matters.
pub(super) struct Told<'a>(Vec<(Place, Slot, Attribute<'a>)>);

impl<'a> Told<'a> {
    pub(super) fn of<V: Into<Attribute<'a>>>(
        attributes: impl DoubleEndedIterator<Item = (&'a str, V)>,
    ) -> Self {
        let mut told: Vec<(Place, Slot, Attribute<'a>)> = Vec::new();
        // From the end, since the last of equal names counts.
        for (name, value) in attributes.rev() {
            if let Some((place, slot)) = names::find(name)
                && told.iter().all(|(other, ..)| *other != place)
            {
                told.push((place, slot, value.into()));
            }
        }
        // The better name first.
        told.sort_unstable_by_key(|(place, ..)| *place);
        Self(told)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn values(&self, slot: Slot) -> impl Iterator<Item = &Attribute<'a>> {
        let of_slot = self.0.iter().filter(move |(_, other, _)| *other == slot);
        of_slot.map(|(_, _, value)| value)
    }

    fn has(&self, slot: Slot) -> bool {
        self.values(slot).next().is_some()
    }

    /// The first usable value of a slot.
    fn find<T>(&self, slot: Slot, read: impl Fn(&Attribute<'a>) -> Option<T>) -> Option<T> {
        self.values(slot).find_map(read)
    }

    fn text(&self, slot: Slot) -> Option<&'a str> {
        self.find(slot, text)
    }

    /// A text that a column takes.
    fn short(&self, slot: Slot) -> Option<String> {
        self.find(slot, |value| short(text(value)?))
    }

    fn count(&self, slot: Slot) -> Option<i64> {
        self.find(slot, |value| count(whole(value)?))
    }

    /// Gives what the dialects tell.
    pub(super) fn give_dialects(&self, span: &mut Span) {
        // First, since a name can be known by what kind of thing it belongs to.
        give(&mut span.gen_ai_operation, self.operation());
        self.give_models(span);
        give(&mut span.provider, self.provider());
        self.give_tokens(span);
        self.give_people(span);
        let first_token = self.first_token(span.start_time);
        give(&mut span.time_to_first_token_nanos, first_token);
        give(&mut span.finish_reason, self.finish_reason());
        give(&mut span.response_id, self.short(Slot::ResponseId));
        give(&mut span.model_version, self.short(Slot::ModelVersion));
        give(&mut span.batch_size, self.find(Slot::BatchSize, small));
        give(
            &mut span.gpu_utilization,
            self.find(Slot::GpuUtilization, float),
        );
        if let Some(cost) = self.cost() {
            span.cost = Some(cost);
            span.cost_source = Some(REPORTED.to_owned());
        }
    }

    fn operation(&self) -> Option<String> {
        let vercel = self
            .text(Slot::VercelOperation)
            .and_then(words::vercel_operation);
        // What surrounds calls is none, whatever else it says.
        let outer = vercel.filter(|word| *word == "chain").map(Cow::Borrowed);
        let said = |slot| self.find(slot, |value| words::operation(text(value)?));
        let word = outer
            .or_else(|| said(Slot::Operation))
            .or_else(|| said(Slot::OpenInferenceKind))
            .or_else(|| said(Slot::RequestType))
            .or_else(|| said(Slot::TraceloopKind))
            .or_else(|| vercel.map(Cow::Borrowed))
            .or_else(|| said(Slot::LangfuseType))?;
        short(&word)
    }

    fn give_models(&self, span: &mut Span) {
        let model = self.short(Slot::Model);
        let mut response = self.short(Slot::ResponseModel);
        let mut request = self.short(Slot::RequestModel);
        if request.is_none() && response.is_none() {
            // Where it is told apart which model was asked for, the other is the one that answered.
            request = self.find(Slot::Parameters, |value| model_asked(text(value)?));
            if request.is_some() {
                response.clone_from(&model);
            }
        }
        let name = response.clone().or(model).or_else(|| request.clone());
        give(&mut span.model_name, name);
        give(&mut span.request_model, request);
        give(&mut span.response_model, response);
    }

    fn provider(&self) -> Option<String> {
        let said = |slot| self.find(slot, |value| words::provider(text(value)?));
        let word = said(Slot::Provider).or_else(|| said(Slot::System))?;
        short(&word)
    }

    fn give_tokens(&self, span: &mut Span) {
        let said = self
            .find(Slot::Usage, |value| langfuse::usage(text(value)?))
            .unwrap_or_else(|| self.tokens(span));
        let counts = said.counts();
        give(&mut span.input_tokens, counts.input);
        give(&mut span.output_tokens, counts.output);
        give(&mut span.cached_tokens, counts.cached);
        give(&mut span.cache_write_tokens, counts.cache_write);
        give(&mut span.reasoning_tokens, counts.reasoning);
        let convention = counts.convention.map(|word| word.as_str().to_owned());
        give(&mut span.token_convention, convention);
    }

    fn tokens(&self, span: &Span) -> Said {
        let is_vercel = self.has(Slot::VercelOperation);
        let has_raw = self.has(Slot::CachedRaw) || self.has(Slot::CacheWriteRaw);
        // Anthropic and Bedrock count beside. OpenLLMetry adds before it tells.
        let provider = span.provider.as_deref();
        let counts_beside = matches!(provider, Some("anthropic" | "aws.bedrock"));
        let is_openllmetry = span
            .scope_name
            .as_deref()
            .is_some_and(|scope| scope.starts_with("opentelemetry.instrumentation."));
        let beside = if is_vercel {
            !self.has(Slot::NotCached)
        } else {
            has_raw && !is_openllmetry
        };
        Said {
            input: self.count(Slot::Input),
            output: self.count(Slot::Output),
            total: self.find(Slot::Total, whole).filter(|total| *total >= 0),
            cached: self
                .count(Slot::Cached)
                .or_else(|| self.count(Slot::CachedRaw)),
            cache_write: self
                .count(Slot::CacheWrite)
                .or_else(|| self.count(Slot::CacheWriteRaw)),
            reasoning: self.count(Slot::Reasoning),
            is_cache_beside: counts_beside && beside,
            is_reasoning_beside: false,
            is_total_a_sum: is_vercel,
        }
    }

    /// Conversation, user, tool and agent.
    fn give_people(&self, span: &mut Span) {
        let is_openinference = self.has(Slot::OpenInferenceKind);
        let is_langfuse = self.has(Slot::LangfuseType);
        let conversation = self.short(Slot::Conversation).or_else(|| {
            let is_conversation = is_openinference || is_langfuse;
            self.short(Slot::Session).filter(|_| is_conversation)
        });
        give(&mut span.conversation_id, conversation);
        give(&mut span.user_id, self.short(Slot::User));

        let operation = span.gen_ai_operation.as_deref();
        let (is_tool, is_agent) = (
            operation == Some("execute_tool"),
            operation == Some("invoke_agent"),
        );
        // OpenLLMetry names whatever it is by one attribute, Langfuse by the name of the span.
        let entity = || {
            let name = self.short(Slot::Entity);
            name.or_else(|| short(&span.operation_name).filter(|_| is_langfuse))
        };
        let tool = self
            .short(Slot::Tool)
            .or_else(|| if is_tool { entity() } else { None });
        let agent = self
            .short(Slot::Agent)
            .or_else(|| {
                self.short(Slot::OpenInferenceAgent)
                    .filter(|_| is_openinference)
            })
            .or_else(|| if is_agent { entity() } else { None });
        give(&mut span.tool_name, tool);
        give(&mut span.agent_name, agent);
    }

    fn first_token(&self, start: Timestamp) -> Option<i64> {
        self.find(Slot::FirstTokenNanos, whole)
            .or_else(|| self.find(Slot::FirstTokenSeconds, |value| nanos(value, 1e9)))
            .or_else(|| self.find(Slot::FirstTokenMillis, |value| nanos(value, 1e6)))
            .or_else(|| {
                let at = self.text(Slot::FirstTokenAt)?.trim_matches('"');
                let at: Timestamp = at.parse().ok()?;
                at.unix_nanos().checked_sub(start.unix_nanos())
            })
            .filter(|nanos| *nanos >= 0)
    }

    fn finish_reason(&self) -> Option<String> {
        self.find(Slot::FinishReasons, |value| match value {
            Attribute::Text(text) => match text.trim() {
                list if list.starts_with('[') => {
                    let list: Vec<Cow<'_, str>> = serde_json::from_str(list).ok()?;
                    reasons(list.iter().map(|reason| &**reason))
                }
                one => reasons([one.trim_matches('"')].into_iter()),
            },
            Attribute::Texts(list) => reasons(list.iter().copied()),
            _ => None,
        })
    }

    fn cost(&self) -> Option<f64> {
        self.find(Slot::Cost, |value| sensible_cost(float(value)?))
            .or_else(|| {
                self.find(Slot::CostDetails, |value| {
                    sensible_cost(langfuse::cost(text(value)?)?)
                })
            })
    }

    /// Gives what is said outright.
    pub(super) fn give_outright(&self, span: &mut Span) {
        for (_, slot, value) in &self.0 {
            if let Slot::Outright(column) = slot {
                give_column(*column, value, span);
            }
        }
    }
}

fn give_column(column: Column, value: &Attribute<'_>, span: &mut Span) {
    let word = || short(text(value)?);
    let tokens = || count(whole(value)?);
    let small_tokens = || i32::try_from(tokens()?).ok();
    match column {
        Column::ModelName => give(&mut span.model_name, word()),
        Column::ModelVersion => give(&mut span.model_version, word()),
        Column::BatchSize => give(&mut span.batch_size, small(value)),
        Column::InputTokens => give(&mut span.input_tokens, small_tokens()),
        Column::OutputTokens => give(&mut span.output_tokens, small_tokens()),
        Column::GpuUtilization => give(&mut span.gpu_utilization, float(value)),
        Column::Provider => give(&mut span.provider, word()),
        Column::Operation => give(&mut span.gen_ai_operation, word()),
        Column::RequestModel => give(&mut span.request_model, word()),
        Column::ResponseModel => give(&mut span.response_model, word()),
        Column::CachedTokens => give(&mut span.cached_tokens, tokens()),
        Column::CacheWriteTokens => give(&mut span.cache_write_tokens, tokens()),
        Column::ReasoningTokens => give(&mut span.reasoning_tokens, tokens()),
        Column::TokenConvention => {
            let all = [TokenConvention::Included, TokenConvention::Beside];
            let word = word().filter(|word| all.iter().any(|known| known.as_str() == word));
            give(&mut span.token_convention, word);
        }
        Column::FirstTokenNanos => {
            let nanos = whole(value).filter(|nanos| *nanos >= 0);
            give(&mut span.time_to_first_token_nanos, nanos);
        }
        Column::ConversationId => give(&mut span.conversation_id, word()),
        Column::UserId => give(&mut span.user_id, word()),
        Column::FinishReason => give(&mut span.finish_reason, word()),
        Column::ResponseId => give(&mut span.response_id, word()),
        Column::ToolName => give(&mut span.tool_name, word()),
        Column::AgentName => give(&mut span.agent_name, word()),
        Column::Cost => {
            if let Some(cost) = float(value).and_then(sensible_cost) {
                span.cost = Some(cost);
                span.cost_source = Some(REPORTED.to_owned());
            }
        }
        // Which price was taken is not for others to say: a cost that came with a span was told.
        Column::CostSource => {}
    }
}

/// Gives a column a value, if there is one.
fn give<T>(column: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *column = value;
    }
}

/// Which model was asked for, by the parameters of the call.
fn model_asked(json: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Asked<'a> {
        #[serde(borrow, default)]
        model: Option<Cow<'a, str>>,
        #[serde(borrow, default)]
        model_name: Option<Cow<'a, str>>,
    }
    let asked: Asked<'_> = serde_json::from_str(json).ok()?;
    short(&asked.model.or(asked.model_name)?)
}

/// Reasons, each once, in the order in which they came.
fn reasons<'a>(said: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut words: Vec<Cow<'a, str>> = Vec::new();
    for word in said.filter_map(words::finish_reason) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    short(&words.join(","))
}

fn text<'a>(value: &Attribute<'a>) -> Option<&'a str> {
    match value {
        Attribute::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// A text that a column takes.
fn short(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= LONGEST && !text.contains('\0');
    fits.then(|| text.to_owned())
}

fn whole(value: &Attribute<'_>) -> Option<i64> {
    /// From here on not every whole number is a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Attribute::Int(int) => Some(*int),
        Attribute::Double(double) if double.fract() == 0.0 && double.abs() < EXACT => {
            Some(*double as i64)
        }
        Attribute::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn small(value: &Attribute<'_>) -> Option<i32> {
    i32::try_from(whole(value)?).ok()
}

/// Not every backend holds NaN and the infinities, and a column of convenience is no reason to
/// refuse a span.
fn float(value: &Attribute<'_>) -> Option<f64> {
    match value {
        Attribute::Double(double) => Some(*double),
        Attribute::Int(int) => Some(*int as f64),
        Attribute::Text(text) => text.parse().ok(),
        _ => None,
    }
    .filter(|double: &f64| double.is_finite())
}

/// A time that a column takes, in nanoseconds.
fn nanos(value: &Attribute<'_>, nanos_per_unit: f64) -> Option<i64> {
    /// 2^63, the first that does not fit.
    const END: f64 = 9_223_372_036_854_775_808.0;
    let nanos = (float(value)? * nanos_per_unit).round();
    (0.0..END).contains(&nanos).then_some(nanos as i64)
}
