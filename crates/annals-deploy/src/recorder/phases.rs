//! The three phases of a reconciliation.

use super::{
    Action, Check, Evaluation, Job,
    guard::{Guard, started, with_status},
    journal::Start,
};
use crate::{Decision, MetadataValue, NodeType, Phase};

/// The planning phase.
#[derive(Debug)]
pub struct Planning(pub(super) Guard);

/// The eligibility phase.
#[derive(Debug)]
pub struct Eligibility(pub(super) Guard);

/// The execution phase.
#[derive(Debug)]
pub struct Execution(pub(super) Guard);

started!(Planning, Eligibility, Execution);
with_status!(Planning, Eligibility, Execution);

impl Planning {
    /// Begins the evaluation of a policy.
    #[must_use = "what is dropped has ended"]
    pub fn start_evaluation(&self, name: &str) -> Evaluation {
        let start = Start::new(name, Phase::Planning, NodeType::Evaluation);
        Evaluation(self.0.start(start))
    }

    /// Notes a decision: a span of its own, called by the message.
    pub fn make_decision(&self, message: &str, decision: Decision) {
        self.0.decide(Phase::Planning, message, decision);
    }
}

impl Eligibility {
    /// Begins a check.
    #[must_use = "what is dropped has ended"]
    pub fn start_check(&self, name: &str) -> Check {
        let start = Start::new(name, Phase::Eligibility, NodeType::Check);
        Check(self.0.start(start))
    }

    /// Notes a decision: a span of its own, called by the message.
    pub fn make_decision(&self, message: &str, decision: Decision) {
        self.0.decide(Phase::Eligibility, message, decision);
    }
}

impl Execution {
    /// Begins a job; its configuration becomes attributes.
    #[must_use = "what is dropped has ended"]
    pub fn trigger_job<'a>(
        &self,
        job_type: &str,
        config: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Job {
        let constants = &self.0.journal.constants;
        let attribute = |(key, value): (&str, &str)| {
            let key = constants.fit(&format!("{}job_config.{key}", constants.prefix));
            (
                key,
                MetadataValue::from(value).fit(constants.limits.text_bytes),
            )
        };
        let attributes = config.into_iter().map(attribute).collect();
        let name = format!("Job: {job_type}");
        Job(self.0.start(Start {
            job_type: Some(job_type),
            attributes,
            ..Start::new(&name, Phase::Execution, NodeType::Action)
        }))
    }

    /// Begins an action.
    #[must_use = "what is dropped has ended"]
    pub fn start_action(&self, name: &str) -> Action {
        let start = Start::new(name, Phase::Execution, NodeType::Action);
        Action(self.0.start(start))
    }
}
