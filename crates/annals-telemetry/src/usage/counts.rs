//! What a batch of spans adds to usage, by hour and by day.

use std::{collections::HashMap, hash::Hash};

use super::{DAY, HOUR, floor};
use crate::{Span, StatusCode, cost, genai};

/// Bytes of a name that is part of a key at most: a row of an index has room for about 2,700.
const LONGEST_NAME: usize = 512;

/// Sums over calls. None of them is below zero, whatever spans say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) calls: i64,
    pub(super) errors: i64,
    pub(super) unpriced_calls: i64,
    pub(super) input_tokens: i64,
    pub(super) output_tokens: i64,
    pub(super) cached_tokens: i64,
    pub(super) cache_write_tokens: i64,
    pub(super) reasoning_tokens: i64,
    pub(super) cost_nanos: i64,
    pub(super) duration_ms: f64,
    pub(super) duration_ms_squares: f64,
}

impl Counts {
    fn of(span: &Span) -> Self {
        let cost_nanos = span.cost.and_then(cost::nanodollars);
        let total = |tokens: Option<i32>| i64::from(tokens.unwrap_or(0).max(0));
        let part = |tokens: Option<i64>| tokens.unwrap_or(0).clamp(0, i32::MAX.into());
        let duration_ms = span.duration_nanos.max(0) as f64 / 1e6;
        Self {
            calls: 1,
            errors: i64::from(span.status_code == StatusCode::Error),
            unpriced_calls: i64::from(cost_nanos.is_none()),
            input_tokens: total(span.input_tokens),
            output_tokens: total(span.output_tokens),
            cached_tokens: part(span.cached_tokens),
            cache_write_tokens: part(span.cache_write_tokens),
            reasoning_tokens: part(span.reasoning_tokens),
            cost_nanos: cost_nanos.unwrap_or(0),
            duration_ms,
            duration_ms_squares: duration_ms * duration_ms,
        }
    }

    fn add(&mut self, other: &Self) {
        for (sum, other) in [
            (&mut self.calls, other.calls),
            (&mut self.errors, other.errors),
            (&mut self.unpriced_calls, other.unpriced_calls),
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.cached_tokens, other.cached_tokens),
            (&mut self.cache_write_tokens, other.cache_write_tokens),
            (&mut self.reasoning_tokens, other.reasoning_tokens),
            (&mut self.cost_nanos, other.cost_nanos),
        ] {
            *sum = sum.saturating_add(other);
        }
        self.duration_ms += other.duration_ms;
        self.duration_ms_squares += other.duration_ms_squares;
    }
}

/// The key of a row of `usage_hourly`; times are in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct HourKey<'a> {
    pub(super) hour: i64,
    pub(super) service: &'a str,
    pub(super) provider: &'a str,
    pub(super) model: &'a str,
}

/// The key of a row of `usage_daily`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DayKey<'a> {
    pub(super) day: i64,
    pub(super) subject: &'static str,
    pub(super) id: &'a str,
    pub(super) provider: &'a str,
    pub(super) model: &'a str,
}

/// The subject of what was done for a user.
pub(super) const USER: &str = "user";

/// The subject of what was done in a conversation.
pub(super) const CONVERSATION: &str = "conversation";

/// The row of `usage_hourly` in which a call counts.
pub(super) fn hour_key(span: &Span) -> HourKey<'_> {
    HourKey {
        hour: floor(span.start_time, HOUR),
        service: name(Some(&span.service_name)),
        provider: name(span.provider.as_deref()),
        model: name(span.model_name.as_deref()),
    }
}

/// The rows of `usage_daily` in which it counts.
pub(super) fn day_keys(span: &Span) -> impl Iterator<Item = DayKey<'_>> {
    let subjects = [
        (USER, span.user_id.as_deref()),
        (CONVERSATION, span.conversation_id.as_deref()),
    ];
    subjects.into_iter().filter_map(|(subject, id)| {
        Some(DayKey {
            day: floor(span.start_time, DAY),
            subject,
            id: name(Some(id.filter(|id| !id.is_empty())?)),
            provider: name(span.provider.as_deref()),
            model: name(span.model_name.as_deref()),
        })
    })
}

/// A name as it is part of a key.
pub(super) fn name(name: Option<&str>) -> &str {
    let name = name.unwrap_or("");
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let end = (0..=LONGEST_NAME)
        .rev()
        .find(|end| name.is_char_boundary(*end));
    name.get(..end.unwrap_or(0)).unwrap_or("")
}

/// What spans add, in the order of keys.
#[derive(Debug, Default)]
pub(super) struct Added<'a> {
    /// Days whose usage changes.
    pub(super) days: Vec<i64>,
    pub(super) hourly: Vec<(HourKey<'a>, Counts)>,
    pub(super) daily: Vec<(DayKey<'a>, Counts)>,
}

/// What those of the spans add that are calls of models.
pub(super) fn added<'a>(spans: &[&'a Span]) -> Added<'a> {
    let mut hourly: HashMap<HourKey<'a>, Counts> = HashMap::new();
    let mut daily: HashMap<DayKey<'a>, Counts> = HashMap::new();
    for span in spans.iter().filter(|span| genai::is_model_call(span)) {
        let counts = Counts::of(span);
        hourly.entry(hour_key(span)).or_default().add(&counts);
        for key in day_keys(span) {
            daily.entry(key).or_default().add(&counts);
        }
    }
    let hourly = sorted(hourly);
    let mut days: Vec<i64> = hourly
        .iter()
        .map(|(key, _)| key.hour.div_euclid(DAY) * DAY)
        .collect();
    days.dedup();
    Added {
        days,
        hourly,
        daily: sorted(daily),
    }
}

/// Rows of a map, in the order of keys.
pub(super) fn sorted<K: Ord + Hash, V>(rows: HashMap<K, V>) -> Vec<(K, V)> {
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    rows
}
