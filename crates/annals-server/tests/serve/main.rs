//! The server as its clients meet it: over sockets, in every protocol, on every backend.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod absence;
mod admin;
mod auth;
mod bars;
mod bars_away;
mod bars_refused;
mod bars_rolled_up;
mod client;
mod costs;
mod deployments;
mod description;
mod events;
mod exporting;
mod exports;
mod grpc;
mod infertrace;
mod infertrace_queue;
mod logs;
mod malformed;
mod malformed_grpc;
mod metrics;
mod models;
mod overload;
mod remembered;
mod serving;
mod sizes;
mod span_limits;
mod spans;
mod starting;
mod stopping;
mod ticks;
mod tls;
mod traces;
