//! One price: what it costs what, and when.

use annals_record::Timestamp;

use crate::Span;

/// Tokens for which prices are given.
const MILLION: i128 = 1_000_000;

/// What a model costs, for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Price {
    /// What a span's `cost_source` says of a cost that was made with it: `openai/gpt-4o@2024-10-02`, with `file:` before
    /// it when it is of a file.
    pub id: String,
    /// Who asks for it.
    pub provider: String,
    /// The model, in lower case.
    pub model: String,
    /// Other names of the model.
    pub aliases: Vec<String>,
    /// From when on; `None` for ever before.
    pub valid_from: Option<Timestamp>,
    /// Until when, that instant excluded; `None` for ever.
    pub valid_until: Option<Timestamp>,
    /// What tokens cost.
    pub rates: Rates,
    /// What they cost in calls that read more tokens than so many.
    pub long: Option<(u32, Rates)>,
}

/// What a million tokens cost, in billionths of a US dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rates {
    /// Tokens read.
    pub input: i64,
    /// Tokens written.
    pub output: i64,
    /// Tokens read that came from a cache.
    pub cached: i64,
    /// Tokens read that were written to a cache.
    pub cache_write: i64,
    /// Tokens written while thinking.
    pub reasoning: i64,
}

/// The tokens of a call, none of them below nothing, and no part larger than its whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    input: i64,
    output: i64,
    cached: i64,
    cache_write: i64,
    reasoning: i64,
}

impl TokenCounts {
    /// Those of a span; `None` when it tells of no tokens, read or written.
    #[must_use]
    pub fn of(span: &Span) -> Option<Self> {
        if span.input_tokens.is_none() && span.output_tokens.is_none() {
            return None;
        }
        let total = |tokens: Option<i32>| i64::from(tokens.unwrap_or(0).max(0));
        let part = |tokens: Option<i64>, whole: i64| tokens.unwrap_or(0).clamp(0, whole);
        let (input, output) = (total(span.input_tokens), total(span.output_tokens));
        let cached = part(span.cached_tokens, input);
        Some(Self {
            input,
            output,
            cached,
            cache_write: part(span.cache_write_tokens, input - cached),
            reasoning: part(span.reasoning_tokens, output),
        })
    }
}

impl Price {
    /// Whether it was asked for at a time.
    #[must_use]
    pub fn is_valid(&self, at: Timestamp) -> bool {
        self.valid_from.is_none_or(|from| from <= at)
            && self.valid_until.is_none_or(|until| at < until)
    }

    /// What tokens cost, in billionths of a US dollar, rounded to the next; `None` for more than a call can cost.
    #[must_use]
    pub fn cost(&self, tokens: &TokenCounts) -> Option<i64> {
        let rates = match &self.long {
            Some((above, rates)) if tokens.input > i64::from(*above) => rates,
            _ => &self.rates,
        };
        let of = |tokens: i64, rate: i64| i128::from(tokens) * i128::from(rate);
        let sum = of(
            tokens.input - tokens.cached - tokens.cache_write,
            rates.input,
        ) + of(tokens.cached, rates.cached)
            + of(tokens.cache_write, rates.cache_write)
            + of(tokens.output - tokens.reasoning, rates.output)
            + of(tokens.reasoning, rates.reasoning);
        let nanos = i64::try_from((sum + MILLION / 2) / MILLION).ok()?;
        super::nanodollars(super::dollars(nanos))
    }
}
