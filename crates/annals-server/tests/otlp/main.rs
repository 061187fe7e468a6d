//! OTLP in and out, as its users see it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests"
)]

mod generate;
mod logs;
mod metrics;
mod no_panic;
mod other_sources;
mod reading;
mod refusals;
mod round_trip;
