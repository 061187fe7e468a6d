//! Deployment traces: why something was deployed, or was not, and what became of it.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`vocabulary`] | phases, kinds of spans, results, decisions, statuses, triggers |
//! | [`recorder`] | records a reconciliation while it runs: no await, no failure, nothing lost on return |
//! | [`span`] | a finished or running span in OpenTelemetry's model, from whatever source |
//! | [`intake`] | such a span becomes a row: attributes with a prefix become columns, and all are kept |
//! | [`row`] | the tables: spans, the directory of traces, workspaces |
//! | [`sink`] | where a recorder's spans go: the database, memory, or two places at once |
//! | `directory` | keeps the directory of traces, and workspaces that are made on first use, with each batch |
//! | [`store`] | the database: writes that are acknowledged once they are committed |
//! | [`workspace`] | ids of workspaces, and their making and deletion |
//! | [`read`] | every question that is asked of traces, each within one workspace |
//! | [`tree`] | a trace and those linked to it as one tree |
//! | [`token`] | what lets an external system continue a trace |
//! | [`life`] | what becomes of spans as they age |
//!
//! This crate knows no protocol.

mod directory;
pub mod error;
pub mod intake;
pub mod life;
pub mod read;
pub mod recorder;
pub mod row;
pub mod sink;
pub mod span;
pub mod store;
pub mod token;
pub mod tree;
pub mod vocabulary;
pub mod workspace;

use annals_store::Migrations;

pub use error::{Error, Result};
pub use intake::{Intake, SpanError};
pub use life::tables;
pub use read::{
    Asked, BlockedTarget, FailedDeployment, Page, PhaseStatistics, SpanFilter, TraceFilter,
    WorkspaceReads,
};
pub use recorder::{
    Action, Check, Eligibility, Evaluation, Execution, Job, Limits, MetadataValue, Planning,
    ReconcileTarget, RecorderOptions,
};
pub use row::{DeploymentSpan, DeploymentTrace, Workspace};
pub use sink::{Both, MemoryStore, SpanSink};
pub use span::{OtelSpan, SpanEvent};
pub use store::{Deployments, DeploymentsOptions};
pub use token::{Claims, TokenError, TokenKeys, TraceToken};
pub use tree::{Node, Tree};
pub use vocabulary::{
    CheckResult, Decision, EvaluationResult, NodeType, Phase, Status, StatusCode, StepResult,
    Trigger,
};
pub use workspace::{WorkspaceId, WorkspacePolicy};

/// The tables of this crate.
pub static MIGRATIONS: Migrations = annals_store::migrations!("deploy", "0001_deployments");
