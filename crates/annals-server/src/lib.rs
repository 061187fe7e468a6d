//! What arrives over the wire becomes records here, and records go out again.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`otlp`] | OpenTelemetry's protocol: traces in protobuf's shape and in JSON, to spans and back |
//!
//! The mappings are pure functions, so that they can be tested and fuzzed without a socket. This
//! crate knows no SQL.

pub mod otlp;
