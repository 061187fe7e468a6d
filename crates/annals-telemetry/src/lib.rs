//! Spans and traces on any backend.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`span`] | one span: the 15 columns of the inference store, all of OpenTelemetry's, and what GenAI promotes |
//! | [`directory`] | the table `traces`: where in time a trace lies, kept in the transaction of its spans |
//! | [`spans`] | the contract [`SpanStore`] and its implementation [`Spans`] |
//! | [`latency`] | percentiles by model, version and window |
//! | [`models`] | which models were at work, with their counts and versions |
//! | [`regression`] | whether a model became slower than before, or than its version before |
//! | [`analysis`] | what was unusual: slow spans, an idle GPU, batches hardly filled |
//! | [`life`] | what becomes of spans as they age, and of the directory with them |
//!
//! This crate knows no protocol: what arrives by OTLP has become a [`Span`] before it gets here.

pub mod analysis;
mod bind;
pub mod directory;
pub mod error;
pub mod latency;
pub mod life;
pub mod models;
pub mod regression;
pub mod span;
pub mod spans;

use annals_store::Migrations;

pub use analysis::{Analysis, Anomaly, AnomalyCounts, AnomalyKind, Severity};
pub use directory::{Trace, TraceStatus};
pub use error::{Error, Result};
pub use latency::Latency;
pub use life::tables;
pub use models::Model;
pub use regression::{LatencyWindow, Regression, RegressionAlert, RegressionRule, Side, Verdict};
pub use span::{Span, SpanKind, StatusCode};
pub use spans::{SpanFilter, SpanOrder, SpanPage, SpanStore, Spans, SpansOptions};

/// The tables of this crate.
pub static MIGRATIONS: Migrations =
    annals_store::migrations!("telemetry", "0001_spans", "0002_trace_times");
