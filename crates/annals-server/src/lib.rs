//! Protocols: what arrives over the wire becomes records here, and records go out again.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`config`] | the server's settings, with one table of defaults |
//! | [`server`] | a server's life: ports, serving, stopping with a report |
//! | [`bars`] | bars and ticks, to what the store takes |
//! | [`life`] | the tables of every family, as ones that age |
//! | `deployments` | deployment traces: spans as JSON or OTLP, to what the store takes, and every question of them |
//! | [`infertrace`] | InferTrace's two contracts, to spans |
//! | [`otlp`] | OpenTelemetry's protocol: traces in protobuf's shape and in JSON, to spans and back |
//! | `events` | the event store's contract: calls, subscriptions and imports, to what the store takes |
//! | [`error`] | why a server does not start |
//!
//! Inside: `listener` accepts connections, `auth` asks for the token, `grpc` and `otlp_http` are the roads
//! in, `api` the road out and the road in of bars and ticks, `admin` what operators do to tables, `intake` and `bar_intake` write, `refusal` says no in every protocol's words.
//!
//! The mappings are pure functions, so that they can be tested and fuzzed without a socket. This
//! crate knows no SQL.

mod admin;
mod api;
mod auth;
mod bar_intake;
pub mod bars;
mod body;
pub mod config;
mod deployments;
pub mod error;
mod events;
mod grpc;
pub mod infertrace;
mod intake;
pub mod life;
mod listener;
mod metrics;
mod not_taken;
pub mod otlp;
mod otlp_export;
mod otlp_http;
mod packed;
mod prices;
mod refusal;
mod roads;
pub mod server;
mod tls;

pub use auth::ApiToken;
pub use config::{SETTINGS, ServerConfig};
pub use error::{Error, Result};
pub use server::{MIGRATIONS, ServeReport, Server, Stop};
