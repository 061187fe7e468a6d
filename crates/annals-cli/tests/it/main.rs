//! The program as a person or a script meets it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bars;
mod bars_pandas;
mod commands;
mod costs_commands;
mod deployed;
mod deployments_commands;
mod doctor;
mod event_client;
mod event_commands;
mod event_order;
mod event_server;
mod event_transfer;
mod kill;
mod lifecycle_commands;
mod llm_dialects;
mod logs;
mod outage;
mod program;
mod python_sdk;
mod sdk_logs;
mod sdk_metrics;
mod serve;
mod serve_sdks;
mod serving;
mod trace_commands;
mod traces;
