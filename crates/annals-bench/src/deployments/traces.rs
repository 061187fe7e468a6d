//! Deployment traces as an engine leaves them. The same seed makes the same traces.
//!
//! About twenty spans a trace, in the shape of a whole reconciliation: planning with three evaluations, eligibility with two
//! checks, a decision of each, execution with a job and an action of steps, and a verification.

use std::fmt::Write as _;

use annals_deploy::{DeploymentSpan, NodeType, Phase, Status, intake::Revision};
use annals_record::{Json, TextEnum as _, Timestamp, TimestampMicros, Uuid};
use fastrand::Rng;

use super::plan::{Target, uuid};

const SECOND: i64 = 1_000_000_000;

const POLICIES: [&str; 6] = [
    "Approval Policy",
    "Environment Progression",
    "Deployment Window",
    "Gradual Rollout",
    "Version Cooldown",
    "Retry Limit",
];

const CHECKS: [&str; 3] = ["Already Deployed", "Job In Progress", "Resource Ready"];

const TRIGGERS: [&str; 6] = [
    "scheduled",
    "scheduled",
    "version.created",
    "approval.created",
    "policy.updated",
    "job.success",
];

const STEPS: [(&str, &str); 4] = [
    ("Check pods", "3/3 ready"),
    ("Check endpoints", "200 OK in 41 ms"),
    ("Check error rate", "0.02 % over 5 minutes"),
    ("Check latency", "p99 182 ms, limit 400 ms"),
];

/// What a trace is about.
pub(super) struct About {
    pub(super) trace_id: String,
    pub(super) release: String,
    pub(super) version: u64,
    pub(super) job: String,
    pub(super) target: Target,
    pub(super) began: Timestamp,
}

/// The spans of a trace, in the order in which they ended; with those of the trace that continues it behind them if
/// that has an id and this one comes to a job.
pub(super) fn recorded(
    about: &About,
    seed: u64,
    continuation: Option<String>,
) -> Vec<DeploymentSpan> {
    let mut rng = Rng::with_seed(seed);
    let mut trace = Trace {
        id: about.trace_id.clone(),
        release: about.release.clone(),
        version: about.version,
        trigger: TRIGGERS[rng.usize(..TRIGGERS.len())],
        job: None,
        target: Some(about.target.clone()),
        workspace: about.target.workspace,
        parent: None,
        now: about.began.unix_nanos() + rng.i64(0..SECOND),
        rng,
        spans: Vec::with_capacity(24),
    };
    let job = trace.reconcile(&about.job);
    let mut spans = trace.finish();
    if let (Some(job), Some(id)) = (job, continuation) {
        let above = spans.iter().find(|span| span.span_id == job);
        spans.extend(continued(id, seed, above.expect("the job's span")));
    }
    spans
}

/// What an external system did under the token of a job.
fn continued(id: String, seed: u64, job: &DeploymentSpan) -> Vec<DeploymentSpan> {
    let mut trace = Trace {
        id,
        release: job.release_id.clone().unwrap_or_default(),
        version: 0,
        trigger: TRIGGERS[0],
        job: job.job_id.clone(),
        target: None,
        workspace: job.workspace_id,
        parent: Some((job.trace_id.clone(), job.span_id.clone())),
        now: job.start_time.unix_nanos() + SECOND,
        rng: Rng::with_seed(seed ^ 1 << 40),
        spans: Vec::new(),
    };
    let root = trace.start("deploy.yml", Phase::External, NodeType::Action, None);
    for name in ["checkout", "build image", "push image", "kubectl apply"] {
        let step = trace.start(name, Phase::External, NodeType::Action, Some(root));
        trace.waits(2, 40);
        trace.note(step, "exit_code", "0");
        trace.end(step, Status::Completed, Some("done"));
    }
    trace.end(root, Status::Completed, None);
    trace.finish()
}

/// A trace that is being recorded.
struct Trace {
    id: String,
    release: String,
    version: u64,
    trigger: &'static str,
    job: Option<String>,
    /// None of a continuation.
    target: Option<Target>,
    workspace: Uuid,
    parent: Option<(String, String)>,
    /// Nanoseconds since 1970.
    now: i64,
    rng: Rng,
    spans: Vec<Recorded>,
}

struct Recorded {
    span: DeploymentSpan,
    /// Members of the object of attributes behind the first ones.
    attributes: String,
    /// Members of the array of events.
    events: String,
}

impl Trace {
    /// One of twenty is blocked, half of these by a policy; one of a hundred others fails, and one of a thousand is aborted.
    fn reconcile(&mut self, job_id: &str) -> Option<String> {
        let blocked = self.rng.u8(..40);
        let root = self.start(
            &format!("Reconciliation ({})", self.trigger),
            Phase::Reconciliation,
            NodeType::Phase,
            None,
        );
        if !self.plan(root, blocked == 0) || !self.check(root, blocked == 1) {
            self.end(root, Status::Failed, None);
            return None;
        }
        let execution = self.phase("Execution", Phase::Execution, root);
        self.job = Some(job_id.to_owned());
        self.spans[root].span.job_id = Some(job_id.to_owned());
        let job = self.start(
            "Job: github-action",
            Phase::Execution,
            NodeType::Action,
            Some(execution),
        );
        self.attribute(job, "job_type", "github-action");
        self.attribute(job, "job_config.workflow", "deploy.yml");
        self.attribute(job, "job_config.ref", &format!("v1.{}.0", self.version));
        let run = self.rng.u64(8_000_000_000..9_000_000_000);
        self.note(job, "github_run_id", &run.to_string());
        self.note(job, "queued_by", "workspace-engine");
        self.waits(30, 240);
        self.end(job, Status::Completed, Some("workflow succeeded"));
        let apply = self.start(
            "Apply manifests",
            Phase::Execution,
            NodeType::Action,
            Some(execution),
        );
        self.note(apply, "namespace", "production");
        let manifests = self.rng.usize(3..=4);
        for name in [
            "deployment.yaml",
            "service.yaml",
            "ingress.yaml",
            "hpa.yaml",
        ]
        .into_iter()
        .take(manifests)
        {
            let step = self.start(name, Phase::Action, NodeType::Action, Some(apply));
            self.waits(0, 2);
            self.attribute(step, "result", "pass");
            self.end(step, Status::Completed, Some("configured"));
        }
        self.end(apply, Status::Completed, None);
        self.end(execution, Status::Completed, None);
        let status = self.verify(root);
        self.end(root, status, None);
        let job = &self.spans[job].span;
        Some(job.span_id.clone())
    }

    fn plan(&mut self, root: usize, blocked: bool) -> bool {
        let planning = self.phase("Planning", Phase::Planning, root);
        let first = self.rng.usize(..POLICIES.len());
        for place in 0..3 {
            let policy = POLICIES[(first + place) % POLICIES.len()];
            let evaluation = self.start(
                policy,
                Phase::Planning,
                NodeType::Evaluation,
                Some(planning),
            );
            self.attribute(evaluation, "version_id", &uuid(6, self.version).to_string());
            self.attribute(evaluation, "version_tag", &format!("v1.{}.0", self.version));
            self.note(evaluation, "policy_type", "approval");
            let approvals = self.rng.u8(1..4).to_string();
            self.note(evaluation, "required_approvals", &approvals);
            let stops = blocked && place == 2;
            self.result(
                evaluation,
                !stops,
                ["allowed", "blocked"],
                ["Approved by alice@company.com", "2 of 3 approvals"],
            );
        }
        self.decide(Phase::Planning, planning, !blocked)
    }

    fn check(&mut self, root: usize, blocked: bool) -> bool {
        let eligibility = self.phase("Eligibility", Phase::Eligibility, root);
        for (place, name) in CHECKS.into_iter().enumerate().take(2) {
            let check = self.start(name, Phase::Eligibility, NodeType::Check, Some(eligibility));
            self.note(check, "target_version", &format!("v1.{}.0", self.version));
            let stops = blocked && place == 1;
            self.result(
                check,
                !stops,
                ["pass", "fail"],
                ["Not deployed", "Job 4711 is still running"],
            );
        }
        self.decide(Phase::Eligibility, eligibility, !blocked)
    }

    fn decide(&mut self, phase: Phase, above: usize, approved: bool) -> bool {
        let message = match (approved, phase) {
            (true, Phase::Planning) => "Deploy approved",
            (true, _) => "Eligible",
            (false, Phase::Planning) => "Blocked by policy",
            (false, _) => "Not eligible",
        };
        let decision = self.start(message, phase, NodeType::Decision, Some(above));
        let (status, word) = match approved {
            true => (Status::Completed, "approved"),
            false => (Status::Failed, "rejected"),
        };
        self.attribute(decision, "decision", word);
        self.end(decision, status, Some(message));
        self.end(above, status, None);
        approved
    }

    fn verify(&mut self, root: usize) -> Status {
        let verification = self.start("Verification", Phase::Action, NodeType::Action, Some(root));
        self.note(verification, "timeout_seconds", "300");
        let steps = self.rng.usize(2..=4);
        let fails = self.rng.u8(..100) == 0;
        for (place, (name, message)) in STEPS.into_iter().take(steps).enumerate() {
            let step = self.start(name, Phase::Action, NodeType::Action, Some(verification));
            self.waits(1, 20);
            let failed = fails && place + 1 == steps;
            self.result(
                step,
                !failed,
                ["pass", "fail"],
                [message, "timed out after 300 s"],
            );
        }
        let status = match (fails, self.rng.u16(..1_000)) {
            (true, _) => Status::Failed,
            (false, 0) => Status::Aborted,
            (false, _) => Status::Completed,
        };
        self.end(verification, status, None);
        status
    }

    fn phase(&mut self, name: &str, phase: Phase, root: usize) -> usize {
        self.start(name, phase, NodeType::Phase, Some(root))
    }

    fn waits(&mut self, from: i64, to: i64) {
        self.now += self.rng.i64(from * SECOND..to * SECOND);
    }

    fn start(&mut self, name: &str, phase: Phase, kind: NodeType, above: Option<usize>) -> usize {
        self.now += self.rng.i64(20_000..400_000);
        let start_time = Timestamp::from_unix_nanos(self.now);
        let span_id = format!("{:016x}", self.rng.u64(..));
        let (parent_span_id, depth) = match above {
            Some(above) => {
                let above = &self.spans[above].span;
                (
                    Some(above.span_id.clone()),
                    above.depth.map(|depth| depth + 1),
                )
            }
            None => (self.parent.as_ref().map(|parent| parent.1.clone()), Some(0)),
        };
        let target = self.target.as_ref();
        let span = DeploymentSpan {
            id: DeploymentSpan::id_of(&self.id, &span_id, start_time),
            trace_id: self.id.clone(),
            span_id,
            parent_span_id,
            name: name.to_owned(),
            start_time,
            end_time: None,
            workspace_id: self.workspace,
            release_target_key: target.map(|target| target.key.clone()),
            release_id: Some(self.release.clone()),
            job_id: self.job.clone(),
            parent_trace_id: self.parent.as_ref().map(|parent| parent.0.clone()),
            phase: Some(phase.as_text().to_owned()),
            node_type: Some(kind.as_text().to_owned()),
            status: Some(Status::Running.as_text().to_owned()),
            depth,
            sequence: i32::try_from(self.spans.len()).ok(),
            attributes: Json::empty_object(),
            events: Json::empty_object(),
            created_at: TimestampMicros::floor(start_time),
            deployment_id: target.map(|target| target.deployment.to_string()),
            trigger: Some(self.trigger.to_owned()),
            message: None,
            status_code: Status::Running.code(),
            revision: 0,
        };
        self.spans.push(Recorded {
            span,
            attributes: String::new(),
            events: String::new(),
        });
        self.spans.len() - 1
    }

    fn attribute(&mut self, at: usize, key: &str, value: &str) {
        let _ = write!(self.spans[at].attributes, r#","ctrlplane.{key}":"{value}""#);
    }

    fn note(&mut self, at: usize, key: &str, value: &str) {
        let time = Timestamp::from_unix_nanos(self.now);
        let events = &mut self.spans[at].events;
        let comma = if events.is_empty() { "" } else { "," };
        let _ = write!(
            events,
            r#"{comma}{{"name":"{key}","timestamp":"{time}","attributes":{{"{key}":"{value}"}}}}"#
        );
    }

    fn result(&mut self, at: usize, good: bool, words: [&str; 2], messages: [&str; 2]) {
        let place = usize::from(!good);
        self.attribute(at, "result", words[place]);
        self.attribute(at, "message", messages[place]);
        let status = if good {
            Status::Completed
        } else {
            Status::Failed
        };
        self.end(at, status, Some(messages[place]));
    }

    fn end(&mut self, at: usize, status: Status, message: Option<&str>) {
        self.now += self.rng.i64(50_000..3_000_000);
        let end = Timestamp::from_unix_nanos(self.now);
        let span = &mut self.spans[at].span;
        span.end_time = Some(end);
        span.status = Some(status.as_text().to_owned());
        span.status_code = status.code();
        span.message = message.map(str::to_owned);
        span.revision = match status {
            Status::Aborted => Revision::aborted(end, 0),
            _ => Revision::ended(end, 0),
        }
        .number();
    }

    /// The rows: their documents are made, and all were stored when the last had ended.
    fn finish(mut self) -> Vec<DeploymentSpan> {
        let stored = TimestampMicros::floor(Timestamp::from_unix_nanos(self.now));
        for recorded in &mut self.spans {
            let span = &mut recorded.span;
            let mut text = format!(r#"{{"ctrlplane.workspace_id":"{}""#, span.workspace_id);
            let columns = [
                ("phase", &span.phase),
                ("node_type", &span.node_type),
                ("status", &span.status),
                ("release_target_key", &span.release_target_key),
                ("release_id", &span.release_id),
                ("job_id", &span.job_id),
                ("parent_trace_id", &span.parent_trace_id),
            ];
            for (name, value) in columns {
                if let Some(value) = value {
                    let _ = write!(text, r#","ctrlplane.{name}":"{value}""#);
                }
            }
            for (name, value) in [("depth", span.depth), ("sequence", span.sequence)] {
                let _ = write!(text, r#","ctrlplane.{name}":{}"#, value.unwrap_or_default());
            }
            let _ = write!(
                text,
                r#","ctrlplane.trigger":"{}"{}}}"#,
                self.trigger, recorded.attributes
            );
            span.attributes = Json::parse(&text).expect("an object");
            span.events = Json::parse(&format!("[{}]", recorded.events)).expect("an array");
            span.created_at = stored;
        }
        self.spans.sort_by_key(|recorded| recorded.span.end_time);
        self.spans
            .into_iter()
            .map(|recorded| recorded.span)
            .collect()
    }
}
