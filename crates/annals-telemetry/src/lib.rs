//! Telemetry on any backend: spans and traces, metrics, logs, and what models cost.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`span`] | one span: the 15 columns of the inference store, all of OpenTelemetry's, and what GenAI promotes |
//! | [`directory`] | the table `traces`: where in time a trace lies, kept in the transaction of its spans |
//! | [`spans`] | the contract [`SpanStore`] and its implementation [`Spans`] |
//! | [`remembered`] | traces that were read before, used for as long as their row says that they are the same |
//! | [`search`] | traces by what they and their spans are |
//! | [`repository`] | traces, spans and events as typed rows: checks, batch writers, reads by id |
//! | [`genai`] | which attributes become columns, in every dialect |
//! | [`cost`] | prices of models, and what calls cost |
//! | [`usage`] | calls, tokens and money by model, provider, user, conversation and day |
//! | [`metric`], [`metrics`] | a metric and its points; their store |
//! | [`log`], [`logs`] | a log record; the store of them |
//! | [`latency`] | percentiles by model, version and window |
//! | [`models`] | which models were at work, with their counts and versions |
//! | [`regression`] | whether a model became slower than before, or than its version before |
//! | [`analysis`] | what was unusual: slow spans, an idle GPU, batches hardly filled |
//! | [`life`] | what becomes of spans as they age, and of the directory with them |
//!
//! This crate knows no protocol: what arrives by OTLP has become a [`Span`] before it gets here.

pub mod analysis;
mod bind;
pub mod cost;
pub mod directory;
pub mod error;
pub mod genai;
pub mod latency;
pub mod life;
pub mod log;
pub mod logs;
pub mod metric;
pub mod metrics;
pub mod models;
pub mod regression;
pub mod remembered;
pub mod repository;
pub mod search;
pub mod span;
pub mod spans;
pub mod usage;

use annals_store::Migrations;

pub use analysis::{Analysis, Anomaly, AnomalyCounts, AnomalyKind, Severity};
pub use cost::PriceList;
pub use directory::{Trace, TraceStatus};
pub use error::{Error, Result};
pub use latency::Latency;
pub use life::tables;
pub use log::{LogError, LogLevel, LogRecord};
pub use logs::{
    LogCount, LogCounts, LogFilter, LogFollower, LogOrder, LogPage, Logs, LogsOptions, NewLogs,
};
pub use metric::{Metric, MetricDataPoint, MetricType, Temporality};
pub use metrics::{Metrics, MetricsOptions};
pub use models::Model;
pub use regression::{LatencyWindow, Regression, RegressionAlert, RegressionRule, Side, Verdict};
pub use remembered::TraceCache;
pub use repository::{Inserted, Invalid, TraceEvent, TraceFilters, TraceRepository};
pub use search::{
    AttributeEquals, SpanSummary, SpanSummaryPage, TracePage, TraceSearch, TraceWindow,
};
pub use span::{Span, SpanKind, StatusCode};
pub use spans::{SpanFilter, SpanOrder, SpanPage, SpanStore, Spans, SpansOptions};

/// The tables of this crate.
pub static MIGRATIONS: Migrations = annals_store::migrations!(
    "telemetry",
    "0001_spans",
    "0002_trace_times",
    "0003_genai",
    "0004_metrics",
    "0005_logs",
    "0006_trace_views",
    "0007_trace_cache",
);
