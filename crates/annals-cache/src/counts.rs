//! The names of this crate's metrics.
//!
//! | Name | Kind | Labels |
//! |---|---|---|
//! | `annals_cache_requests_total` | counter, values asked for | `kind`: what the value is; `layer`: memory, redis; `outcome`: hit, miss, stale (there, and of another version), error |
//! | `annals_cache_bytes` | gauge, about what values in process take | |
//! | `annals_cache_entries` | gauge, values in process | |
//! | `annals_cache_redis_up` | gauge, 1 while Redis answers, 0 while it is left alone; absent without one | |
//! | `annals_cache_writes_dropped_total` | counter, values that were not put into Redis, as others were on their way or it takes none | |
//!
//! While Redis is left alone it is not asked, and counts nothing.

use metrics::{counter, gauge};

/// Where a value was looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layer {
    Memory,
    Redis,
}

/// What was found there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Hit,
    Miss,
    Stale,
    Error,
}

pub(crate) fn asked(kind: &'static str, layer: Layer, outcome: Outcome) {
    let layer = match layer {
        Layer::Memory => "memory",
        Layer::Redis => "redis",
    };
    let outcome = match outcome {
        Outcome::Hit => "hit",
        Outcome::Miss => "miss",
        Outcome::Stale => "stale",
        Outcome::Error => "error",
    };
    counter!("annals_cache_requests_total", "kind" => kind, "layer" => layer, "outcome" => outcome)
        .increment(1);
}

pub(crate) fn held(bytes: u64, entries: usize) {
    gauge!("annals_cache_bytes").set(bytes as f64);
    gauge!("annals_cache_entries").set(entries as f64);
}

pub(crate) fn redis_up(is_up: bool) {
    gauge!("annals_cache_redis_up").set(f64::from(u8::from(is_up)));
}

pub(crate) fn write_dropped() {
    counter!("annals_cache_writes_dropped_total").increment(1);
}
