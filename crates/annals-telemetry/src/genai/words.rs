//! One word for one thing: operations, providers and reasons to stop as the dialects call them.
//!
//! Where OpenTelemetry's GenAI conventions have a word, that is the one.

use std::borrow::Cow;

/// Operations that are calls of a model.
pub(super) const CALLS: [&str; 10] = [
    "chat",
    "text_completion",
    "generate_content",
    "embeddings",
    "rerank",
    "image_generation",
    "video_generation",
    "speech",
    "transcription",
    "moderation",
];

/// The word for an operation, from any attribute that names one; `None` where it says nothing.
///
/// A word that is not known stays, in lower case.
pub(super) fn operation(said: &str) -> Option<Cow<'static, str>> {
    let word = said.trim().to_ascii_lowercase();
    let known = match word.as_str() {
        "" | "unknown" | "undefined" | "span" | "event" => return None,
        // OpenInference and Langfuse name kinds of spans; theirs for calls do not say which.
        "llm" | "generation" | "chat_completion" | "chat.completions" | "chat completion"
        | "messages" | "responses" => "chat",
        "completion" | "completions" | "text_completions" => "text_completion",
        "embedding" | "embed" => "embeddings",
        "reranker" | "reranking" => "rerank",
        "image" | "images" | "generate_image" => "image_generation",
        "text_to_speech" | "generate_speech" => "speech",
        "transcribe" | "speech_to_text" => "transcription",
        "tool" | "function" | "tool_call" => "execute_tool",
        "agent" | "agent_run" => "invoke_agent",
        "workflow" => "invoke_workflow",
        "retriever" | "retrieve" | "search" => "retrieval",
        _ => return Some(Cow::Owned(word)),
    };
    Some(Cow::Borrowed(known))
}

/// The word for what the Vercel AI SDK calls an operation.
///
/// `ai.generateText.doGenerate` is a call. `ai.generateText` is what surrounds one or several: it repeats
/// their tokens, and their sum.
pub(super) fn vercel_operation(id: &str) -> Option<&'static str> {
    let (outer, inner) = id.strip_prefix("ai.")?.split_once('.').map_or_else(
        || (id.trim_start_matches("ai."), None),
        |(outer, inner)| (outer, Some(inner)),
    );
    Some(match (outer, inner) {
        ("toolCall", _) => "execute_tool",
        (_, None) => "chain",
        ("generateText" | "streamText" | "generateObject" | "streamObject", Some(_)) => "chat",
        ("embed" | "embedMany", Some(_)) => "embeddings",
        ("rerank", Some(_)) => "rerank",
        ("generateImage", Some(_)) => "image_generation",
        ("generateVideo", Some(_)) => "video_generation",
        ("generateSpeech", Some(_)) => "speech",
        ("transcribe", Some(_)) => "transcription",
        _ => return None,
    })
}

/// Who serves a model, in the words of `gen_ai.provider.name`. Others stay, in lower case.
pub(super) fn provider(said: &str) -> Option<Cow<'static, str>> {
    let word = said.trim().to_ascii_lowercase();
    // Vercel names the kind of model behind the provider: `openai.chat`, `anthropic.messages`.
    let known = match word.as_str() {
        "" | "unknown" => return None,
        "openai"
        | "openai.chat"
        | "openai.responses"
        | "openai.completion"
        | "openai.embedding"
        | "openai.image"
        | "openai.speech"
        | "openai.transcription" => "openai",
        "anthropic" | "anthropic.messages" | "claude" => "anthropic",
        "azure"
        | "az.ai.openai"
        | "azure.openai"
        | "azure_openai"
        | "azure-openai"
        | "azure.chat"
        | "azure.responses"
        | "azure.completion"
        | "azure.embeddings"
        | "azure-openai.chat"
        | "azure-openai.responses"
        | "azure.ai.openai" => "azure.ai.openai",
        "az.ai.inference" => "azure.ai.inference",
        "aws" | "bedrock" | "aws_bedrock" | "amazon-bedrock" | "amazon_bedrock" => "aws.bedrock",
        "google" | "google.generative-ai" | "gemini" | "google_genai" | "google.gemini" => {
            "gcp.gemini"
        }
        "vertexai" | "vertex_ai" | "vertex" | "google_vertexai" | "google.vertex"
        | "google.vertex.chat" => "gcp.vertex_ai",
        "mistral" | "mistralai" | "mistral.chat" | "mistral.embedding" => "mistral_ai",
        "xai" | "xai.chat" | "xai.responses" => "x_ai",
        "cohere.chat" | "cohere.textembedding" => "cohere",
        "deepseek.chat" => "deepseek",
        "groq.chat" => "groq",
        "perplexity.chat" => "perplexity",
        "watsonx" => "ibm.watsonx.ai",
        "together" | "together.ai" | "togetherai" | "togetherai.chat" => "together_ai",
        "fireworks.chat" | "fireworks_ai" => "fireworks",
        "huggingface" => "hugging_face",
        _ => return Some(Cow::Owned(word)),
    };
    Some(Cow::Borrowed(known))
}

/// Why a model stopped, in the words of the conventions' messages. Others stay as they are.
pub(super) fn finish_reason(said: &str) -> Option<Cow<'_, str>> {
    let said = said.trim();
    let known = match said {
        "" | "null" | "unknown" => return None,
        "end_turn" | "stop_sequence" | "STOP" | "COMPLETE" | "eos" | "eos_token" | "completed" => {
            "stop"
        }
        "max_tokens" | "MAX_TOKENS" | "max_output_tokens" | "model_length" => "length",
        "tool_calls" | "tool-calls" | "tool_use" | "function_call" | "TOOL_CALL" => "tool_call",
        "content-filter" | "SAFETY" | "content_filtered" | "guardrail_intervened" | "refusal" => {
            "content_filter"
        }
        _ => return Some(Cow::Borrowed(said)),
    };
    Some(Cow::Borrowed(known))
}
