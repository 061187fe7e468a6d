#![doc = include_str!("../../../README.md")]

/// What was read before, in process and in Redis.
#[cfg(feature = "telemetry")]
pub use annals_cache as cache;
/// Deployment traces.
#[cfg(feature = "deploy")]
pub use annals_deploy as deploy;
/// The event store.
#[cfg(feature = "events")]
pub use annals_events as events;
/// Bars of market data.
#[cfg(feature = "market")]
pub use annals_market as market;
/// What a record is: the derive, its descriptor, fields and filters.
pub use annals_record as record;
/// Protocols: OTLP, InferTrace, the HTTP API.
#[cfg(feature = "server")]
pub use annals_server as server;
/// Where records are kept: store, writer, query, migrations, configuration.
pub use annals_store as store;
/// Traces, metrics, logs, and what models cost.
#[cfg(feature = "telemetry")]
pub use annals_telemetry as telemetry;

pub use annals_record::{Filter, Json, Record, TextEnum, Timestamp, TimestampMicros, Uuid};
pub use annals_store::{
    AgingTable, Capabilities, DatabaseConfig, DeadLetter, Edition, Error, Interval, Lifecycle,
    LifecycleError, Overflow, Page, Query, Result, Store, Ticket, WriteError, Writer,
    WriterOptions, WriterReport, Written,
};
