//! What phases are made of: evaluations, checks, jobs and actions.

use std::{sync::Arc, time::Duration};

use annals_record::{TextEnum, Timestamp};

use super::{
    guard::{Guard, Place, started, with_metadata, with_status},
    journal::Start,
    value::MetadataValue,
};
use crate::{
    CheckResult, Claims, EvaluationResult, NodeType, Phase, Status, StepResult, TokenError,
    TraceToken, token::DEFAULT_LIFE,
};

/// The evaluation of a policy.
#[derive(Debug)]
pub struct Evaluation(pub(super) Guard);

/// An eligibility check.
#[derive(Debug)]
pub struct Check(pub(super) Guard);

/// A job in another system.
#[derive(Debug)]
pub struct Job(pub(super) Guard);

/// An action, made of steps.
#[derive(Debug)]
pub struct Action(pub(super) Guard);

started!(Evaluation, Check, Job, Action);
with_metadata!(Evaluation, Check, Job, Action);
with_status!(Job, Action);

impl Evaluation {
    /// Its result, and why.
    pub fn set_result(&self, result: EvaluationResult, message: &str) -> &Self {
        let status = Status::from(result);
        self.0
            .set_status(status, Some(result.as_text()), Some(message));
        self
    }
}

impl Check {
    /// Its result, and why.
    pub fn set_result(&self, result: CheckResult, message: &str) -> &Self {
        let status = Status::from(result);
        self.0
            .set_status(status, Some(result.as_text()), Some(message));
        self
    }
}

impl Job {
    /// The job's id there: it and every span that begins from now on carry it, but for other jobs.
    pub fn set_job_id(&self, job_id: &str) -> &Self {
        let journal = &self.0.journal;
        let job_id: Arc<str> = journal.constants.fit_id(job_id).into();
        journal.state().job_id = Some(Arc::clone(&job_id));
        self.0.change(|span| span.job_id = Some(job_id));
        self
    }

    /// A token with which the other system continues this trace under this job, for 24 hours. It is not kept here.
    ///
    /// # Errors
    ///
    /// The recorder has no keys ([`TokenError::NoSecret`]).
    pub fn token(&self) -> Result<TraceToken, TokenError> {
        self.token_for(DEFAULT_LIFE)
    }

    /// The same for another time, to the second.
    ///
    /// # Errors
    ///
    /// The recorder has no keys ([`TokenError::NoSecret`]).
    pub fn token_for(&self, life: Duration) -> Result<TraceToken, TokenError> {
        let journal = &self.0.journal;
        let keys = journal.keys.as_ref().ok_or(TokenError::NoSecret)?;
        let state = journal.state();
        let own = match self.0.place {
            Place::Kept(index) => state.spans.get(index).and_then(|job| job.job_id.clone()),
            Place::Dropped { .. } => None,
        };
        let job_id = own.or_else(|| state.recorder_job_id.clone());
        drop(state);
        Ok(keys.sign(&Claims::lasting(
            &journal.constants.trace_id,
            self.0.span_id(),
            job_id.as_deref().unwrap_or_default(),
            journal.constants.workspace,
            life,
            Timestamp::now(),
        )))
    }
}

impl Action {
    /// Notes a step: a span of its own.
    pub fn add_step(&self, name: &str, result: StepResult, message: &str) -> &Self {
        self.add_step_with(name, result, message, [] as [(&str, &str); 0])
    }

    /// Notes a step with free attributes.
    pub fn add_step_with<K: AsRef<str>, V: Into<MetadataValue>>(
        &self,
        name: &str,
        result: StepResult,
        message: &str,
        attributes: impl IntoIterator<Item = (K, V)>,
    ) -> &Self {
        let constants = &self.0.journal.constants;
        let free = |(key, value): (K, V)| constants.attribute(key.as_ref(), value.into());
        self.0.note(Start {
            ended_as: Some(result.into()),
            result: Some(result.as_text()),
            message: Some(message),
            attributes: attributes.into_iter().filter_map(free).collect(),
            ..Start::new(name, Phase::Action, NodeType::Action)
        });
        self
    }
}
