//! Behaviour of deployment traces, on every backend.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod intake;
mod public_sql;
mod reading;
mod recorder;
mod storing;
mod support;
mod tokens;
mod under_token;
mod workspaces;
