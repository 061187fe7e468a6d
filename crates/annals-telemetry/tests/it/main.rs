//! The behaviour suite of spans, on every backend.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod analysis;
mod directory;
mod lifecycle;
mod logs;
mod metrics;
mod models;
mod public_sql;
mod regression;
mod remembered;
mod repository;
mod search;
mod spans;
mod trace_views;
mod usage;
