//! The words in which deployments are told. Their texts are stored, and are a public interface.

use annals_record::TextEnum;

macro_rules! displayed {
    ($($word:ty),+ $(,)?) => {$(
        impl std::fmt::Display for $word {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_text())
            }
        }
    )+};
}

displayed!(
    Phase,
    NodeType,
    EvaluationResult,
    CheckResult,
    StepResult,
    Decision,
    Status,
    StatusCode,
    Trigger
);

/// What a part of a reconciliation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum Phase {
    /// The reconciliation itself.
    Reconciliation,
    /// What should be deployed: policies are evaluated.
    Planning,
    /// Whether it may be deployed now: checks.
    Eligibility,
    /// Jobs.
    Execution,
    /// Whatever else is done, such as a verification.
    Action,
    /// What an external system did under a trace token.
    External,
}

/// What kind of thing a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum NodeType {
    /// A phase.
    Phase,
    /// A policy's evaluation.
    Evaluation,
    /// An eligibility check.
    Check,
    /// A decision.
    Decision,
    /// A job, an action or a step of one.
    Action,
}

/// What a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum EvaluationResult {
    /// Go on.
    Allowed,
    /// Not now.
    Blocked,
}

/// What a check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum CheckResult {
    /// Passed.
    Pass,
    /// Failed.
    Fail,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum StepResult {
    /// Passed.
    Pass,
    /// Failed.
    Fail,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum Decision {
    /// Go on.
    Approved,
    /// Stop here.
    Rejected,
}

/// How far a span is, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum Status {
    /// It has not ended.
    Running,
    /// It ended well.
    Completed,
    /// It failed, or was blocked.
    Failed,
    /// There was nothing to do.
    Skipped,
    /// It ended and nobody said how: an evaluation or a check without a result.
    Unset,
    /// Whoever recorded it ended before it did.
    Aborted,
}

impl Status {
    /// OpenTelemetry's code for it (source: OTLP `Status.StatusCode`).
    #[must_use]
    pub const fn code(self) -> StatusCode {
        match self {
            Self::Completed => StatusCode::Ok,
            Self::Failed | Self::Aborted => StatusCode::Error,
            Self::Running | Self::Skipped | Self::Unset => StatusCode::Unset,
        }
    }

    /// The one of two that decides about whatever contains both.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if other.badness() > self.badness() {
            other
        } else {
            self
        }
    }

    const fn badness(self) -> u8 {
        match self {
            Self::Unset => 0,
            Self::Skipped => 1,
            Self::Completed => 2,
            Self::Running => 3,
            Self::Aborted => 4,
            Self::Failed => 5,
        }
    }
}

impl From<EvaluationResult> for Status {
    fn from(result: EvaluationResult) -> Self {
        match result {
            EvaluationResult::Allowed => Self::Completed,
            EvaluationResult::Blocked => Self::Failed,
        }
    }
}

impl From<CheckResult> for Status {
    fn from(result: CheckResult) -> Self {
        match result {
            CheckResult::Pass => Self::Completed,
            CheckResult::Fail => Self::Failed,
        }
    }
}

impl From<StepResult> for Status {
    fn from(result: StepResult) -> Self {
        match result {
            StepResult::Pass => Self::Completed,
            StepResult::Fail => Self::Failed,
        }
    }
}

impl From<Decision> for Status {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Approved => Self::Completed,
            Decision::Rejected => Self::Failed,
        }
    }
}

/// How a span ended, in OpenTelemetry's words (source: OTLP `Status.StatusCode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum StatusCode {
    /// Not said.
    #[default]
    Unset,
    /// Well.
    Ok,
    /// Failed.
    Error,
}

/// What set a reconciliation off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, TextEnum)]
#[record(crate = "annals_record")]
pub enum Trigger {
    /// The clock.
    Scheduled,
    /// A deployment was made.
    #[record(text = "deployment.created")]
    DeploymentCreated,
    /// A deployment was changed.
    #[record(text = "deployment.updated")]
    DeploymentUpdated,
    /// An environment was made.
    #[record(text = "environment.created")]
    EnvironmentCreated,
    /// An environment was changed.
    #[record(text = "environment.updated")]
    EnvironmentUpdated,
    /// A resource was made.
    #[record(text = "resource.created")]
    ResourceCreated,
    /// A resource was changed.
    #[record(text = "resource.updated")]
    ResourceUpdated,
    /// A version was made.
    #[record(text = "version.created")]
    VersionCreated,
    /// An approval was given.
    #[record(text = "approval.created")]
    ApprovalCreated,
    /// An approval was changed.
    #[record(text = "approval.updated")]
    ApprovalUpdated,
    /// A policy was changed.
    #[record(text = "policy.updated")]
    PolicyUpdated,
    /// Variables were changed.
    #[record(text = "variables.updated")]
    VariablesUpdated,
    /// A job agent was changed.
    #[record(text = "jobagent.updated")]
    JobAgentUpdated,
    /// A job succeeded.
    #[record(text = "job.success")]
    JobSuccess,
    /// A person.
    Manual,
    /// The engine's first start.
    FirstBoot,
    /// A deployment was linked to a system.
    #[record(text = "system-deployment.linked")]
    SystemDeploymentLinked,
    /// A deployment was unlinked from a system.
    #[record(text = "system-deployment.unlinked")]
    SystemDeploymentUnlinked,
    /// An environment was linked to a system.
    #[record(text = "system-environment.linked")]
    SystemEnvironmentLinked,
    /// An environment was unlinked from a system.
    #[record(text = "system-environment.unlinked")]
    SystemEnvironmentUnlinked,
}
