//! Counts of tokens, brought to one way of counting: totals include cached and reasoning tokens.
//!
//! | Evidence | Weight |
//! |---|---|
//! | more cached (or reasoning) tokens than the total they would be in | they are beside it, whoever says so |
//! | a total of all tokens that is right only if they are added | beside |
//! | a total that is right without | included, if the total is the provider's and not a sum by the SDK |
//! | the dialect: Vercel's SDK up to 5 and Anthropic's own names with a provider that counts like Anthropic | beside |
//! | otherwise | included, as the conventions say |

use super::TokenConvention::{self, Beside, Included};

/// What a source says about one call. All numbers are at least 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) input: Option<i64>,
    pub(super) output: Option<i64>,
    pub(super) total: Option<i64>,
    pub(super) cached: Option<i64>,
    pub(super) cache_write: Option<i64>,
    pub(super) reasoning: Option<i64>,
    /// Whether its dialect counts cached tokens beside the input.
    pub(super) is_cache_beside: bool,
    /// Whether its dialect counts reasoning beside the output.
    pub(super) is_reasoning_beside: bool,
    /// Whether the total is only ever input and output, and so tells nothing.
    pub(super) is_total_a_sum: bool,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) input: Option<i32>,
    pub(super) output: Option<i32>,
    pub(super) cached: Option<i64>,
    pub(super) cache_write: Option<i64>,
    pub(super) reasoning: Option<i64>,
    pub(super) convention: Option<TokenConvention>,
}

/// A number of tokens that a column takes; any other is none.
pub(super) fn count(number: i64) -> Option<i64> {
    (0..=i64::from(i32::MAX))
        .contains(&number)
        .then_some(number)
}

impl Said {
    pub(super) fn counts(&self) -> Counts {
        let cache = self.cached.unwrap_or(0) + self.cache_write.unwrap_or(0);
        let reasoning = self.reasoning.unwrap_or(0);
        let (cache_beside, reasoning_beside) = self.beside(cache, reasoning);
        let added = |total: Option<i64>, beside: bool, part: i64| {
            total.map(|total| if beside { total + part } else { total })
        };
        let input = added(self.input, cache_beside, cache);
        let output = added(self.output, reasoning_beside, reasoning);
        let is_any_added = (self.input.is_some() && cache_beside && cache > 0)
            || (self.output.is_some() && reasoning_beside && reasoning > 0);
        let is_any_told = self.input.is_some() || self.output.is_some();
        Counts {
            input: input.and_then(|n| i32::try_from(n).ok()),
            output: output.and_then(|n| i32::try_from(n).ok()),
            cached: self.cached,
            cache_write: self.cache_write,
            reasoning: self.reasoning,
            convention: is_any_told.then_some(if is_any_added { Beside } else { Included }),
        }
    }

    /// Whether cached tokens are beside the input, and reasoning beside the output.
    fn beside(&self, cache: i64, reasoning: i64) -> (bool, bool) {
        let is_more = |part: i64, total: Option<i64>| total.is_some_and(|total| part > total);
        let must = (is_more(cache, self.input), is_more(reasoning, self.output));
        let dialect = (self.is_cache_beside, self.is_reasoning_beside);
        let by_dialect = (must.0 || dialect.0, must.1 || dialect.1);
        let Some(total) = self.total else {
            return by_dialect;
        };
        let sum = self.input.unwrap_or(0) + self.output.unwrap_or(0);
        let is_right = |(with_cache, with_reasoning): (bool, bool)| {
            let cache = if with_cache { cache } else { 0 };
            let reasoning = if with_reasoning { reasoning } else { 0 };
            total == sum + cache + reasoning
        };
        // What the dialect would say stands first, so that it is kept where several are right.
        let all = [
            by_dialect,
            (false, false),
            (true, false),
            (false, true),
            (true, true),
        ];
        let right = all.into_iter().find(|beside| {
            let is_possible = (beside.0 || !must.0) && (beside.1 || !must.1);
            let is_any_added = (beside.0 && cache > 0) || (beside.1 && reasoning > 0);
            let is_evidence = is_any_added || !self.is_total_a_sum;
            is_possible && is_evidence && is_right(*beside)
        });
        right.unwrap_or(by_dialect)
    }
}
