//! Langfuse's attributes that are JSON: usage and cost by kind.
//!
//! Its usage types stand beside each other, and those with `input` or `output` in their name make up the
//! input and the output. Besides, its SDKs pass on what OpenAI answers, where details are inside totals.

use serde_json::{Map, Value};

use super::tokens::{Said, count};

type Object = Map<String, Value>;

/// What `langfuse.observation.usage_details` says.
pub(super) fn usage(json: &str) -> Option<Said> {
    let details: Object = serde_json::from_str(json).ok()?;
    let has = |name: &str| details.contains_key(name);
    if has("input") || has("output") {
        Some(by_kind(&details))
    } else if has("prompt_tokens") || has("completion_tokens") || has("input_tokens_details") {
        Some(of_openai(&details))
    } else if has("input_tokens") || has("output_tokens") {
        Some(of_anthropic(&details))
    } else {
        None
    }
}

fn number(details: &Object, name: &str) -> Option<i64> {
    count(details.get(name)?.as_i64()?)
}

fn any(details: &Object, names: &[&str]) -> Option<i64> {
    names.iter().find_map(|name| number(details, name))
}

fn inside(details: &Object, objects: &[&str], names: &[&str]) -> Option<i64> {
    objects
        .iter()
        .find_map(|object| any(details.get(*object)?.as_object()?, names))
}

const CACHED: [&str; 6] = [
    "input_cached_tokens",
    "input_cache_read",
    "cache_read_input_tokens",
    "input_cache_read_tokens",
    "input_cached",
    "cached_input_tokens",
];
const CACHE_WRITE: [&str; 5] = [
    "input_cache_creation",
    "cache_creation_input_tokens",
    "input_cache_write",
    "input_cache_creation_tokens",
    "cache_write_input_tokens",
];
const REASONING: [&str; 4] = [
    "output_reasoning_tokens",
    "output_reasoning",
    "reasoning_tokens",
    "reasoning",
];

fn by_kind(details: &Object) -> Said {
    let cached = any(details, &CACHED);
    let cache_write = any(details, &CACHE_WRITE);
    let reasoning = any(details, &REASONING);
    // Other kinds, such as audio, have no column. They are added where cached ones are.
    let others = |part: &str, whole: &str, known: &[&str]| -> i64 {
        let others = details.iter().filter(|(name, _)| {
            name.contains(part) && *name != whole && !known.contains(&name.as_str())
        });
        others.filter_map(|(_, n)| count(n.as_i64()?)).sum()
    };
    let known_input = [CACHED.as_slice(), CACHE_WRITE.as_slice()].concat();
    let of_input = others("input", "input", &known_input);
    let of_output = others("output", "output", &REASONING);
    let [input, output] = ["input", "output"].map(|name| number(details, name));
    let total = number(details, "total");
    // A total that is right without the kinds says that this source has them inside.
    let is_inside = total.is_some() && total == Some(input.unwrap_or(0) + output.unwrap_or(0));
    let [of_input, of_output] = [of_input, of_output].map(|n| if is_inside { 0 } else { n });
    Said {
        input: input.map(|n| n + of_input),
        output: output.map(|n| n + of_output),
        total: total.filter(|_| is_inside),
        cached,
        cache_write,
        reasoning,
        is_cache_beside: !is_inside,
        is_reasoning_beside: !is_inside,
        is_total_a_sum: false,
    }
}

fn of_openai(details: &Object) -> Said {
    let of_input = ["prompt_tokens_details", "input_tokens_details"];
    let of_output = ["completion_tokens_details", "output_tokens_details"];
    Said {
        input: any(details, &["prompt_tokens", "input_tokens"]),
        output: any(details, &["completion_tokens", "output_tokens"]),
        total: any(details, &["total_tokens"]),
        cached: inside(details, &of_input, &["cached_tokens"]),
        cache_write: inside(details, &of_input, &["cache_write_tokens"]),
        reasoning: inside(details, &of_output, &["reasoning_tokens"]),
        ..Said::default()
    }
}

fn of_anthropic(details: &Object) -> Said {
    Said {
        input: number(details, "input_tokens"),
        output: number(details, "output_tokens"),
        total: number(details, "total_tokens"),
        cached: any(details, &CACHED),
        cache_write: any(details, &CACHE_WRITE),
        reasoning: any(details, &REASONING),
        is_cache_beside: true,
        ..Said::default()
    }
}

/// What `langfuse.observation.cost_details` says it cost: the total, or else the sum of its kinds.
pub(super) fn cost(json: &str) -> Option<f64> {
    let details: Object = serde_json::from_str(json).ok()?;
    if let Some(total) = details.get("total") {
        return total.as_f64();
    }
    if details.is_empty() {
        return None;
    }
    details.values().map(Value::as_f64).sum()
}
