//! What is asked: of the predecessor's table in its own SQL, and of ours by its API.

use annals_deploy::{
    Asked, DeploymentSpan, Deployments, Page, Phase, Result, SpanFilter, Status, TraceFilter,
};
use annals_record::{TextEnum as _, Timestamp, Uuid};
use fastrand::Rng;
use sqlx::{AssertSqlSafe, PgConnection};

use super::{
    plan::{Plan, workspace},
    traces::About,
};

/// Rows of a page.
pub(super) const PAGE: usize = 100;

/// A question, by the name of the predecessor's endpoint where it had one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) name: &'static str,
    ask: Ask,
}

#[derive(Clone, Copy, Debug)]
enum Ask {
    Trace,
    Children,
    Linked,
    Release,
    Target,
    Job,
    Spans(Only),
    Roots,
    Traces(Of),
    Failed,
    Why,
    Phases,
}

/// Which spans are listed.
#[derive(Clone, Copy, Debug)]
enum Only {
    All,
    PhaseAndStatus,
    /// One of a hundred and some.
    Failed,
    /// One of some ten thousand.
    Aborted,
}

/// Whose traces are listed.
#[derive(Clone, Copy, Debug)]
enum Of {
    Workspace,
    Deployment,
    Target,
    Release,
    Job,
}

pub(super) const QUESTIONS: [Question; 19] = [
    Question::new("byTraceId", Ask::Trace),
    Question::new("getSpanChildren", Ask::Children),
    Question::new("linked traces", Ask::Linked),
    Question::new("byReleaseId", Ask::Release),
    Question::new("byReleaseTargetKey", Ask::Target),
    Question::new("byJobId", Ask::Job),
    Question::new("list", Ask::Spans(Only::All)),
    Question::new("list, phase and status", Ask::Spans(Only::PhaseAndStatus)),
    Question::new("list, failed", Ask::Spans(Only::Failed)),
    Question::new("list, aborted", Ask::Spans(Only::Aborted)),
    Question::new("listRootSpans", Ask::Roots),
    Question::new("getUniqueTraces", Ask::Traces(Of::Workspace)),
    Question::new("getUniqueTraces, deployment", Ask::Traces(Of::Deployment)),
    Question::new("getUniqueTraces, target", Ask::Traces(Of::Target)),
    Question::new("getUniqueTraces, release", Ask::Traces(Of::Release)),
    Question::new("getUniqueTraces, job", Ask::Traces(Of::Job)),
    Question::new("failed deployments of 24 h", Ask::Failed),
    Question::new("why not deployed", Ask::Why),
    Question::new("phases", Ask::Phases),
];

/// A workspace, and what is asked about in it.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    workspace: Uuid,
    values: Vec<String>,
}

/// A page of ours.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) rows: usize,
    pub(super) next: Option<String>,
}

impl Question {
    const fn new(name: &'static str, ask: Ask) -> Self {
        Self { name, ask }
    }

    /// Whether it is answered in pages, which is where the goal of ten times is.
    pub(super) fn is_list(self) -> bool {
        matches!(
            self.ask,
            Ask::Release | Ask::Target | Ask::Job | Ask::Spans(_) | Ask::Roots | Ask::Traces(_)
        )
    }

    /// Whether it takes a window.
    pub(super) fn has_window(self) -> bool {
        self.is_list() || matches!(self.ask, Ask::Phases)
    }

    /// Whether the predecessor could be asked.
    pub(super) fn has_peer(self) -> bool {
        !matches!(self.ask, Ask::Why | Ask::Phases)
    }

    /// What to ask about, in the large workspace or in a small one: what some trace is about that has it.
    pub(super) fn parameter(self, plan: &Plan, large: bool, rng: &mut Rng) -> Parameter {
        loop {
            let number = rng.u64(..plan.traces());
            let about = plan.about(number);
            let workspace = about.target.workspace;
            if (workspace == self::workspace(0)) == large
                && let Some(values) = self.values(plan, number, about)
            {
                return Parameter { workspace, values };
            }
        }
    }

    fn values(self, plan: &Plan, number: u64, about: About) -> Option<Vec<String>> {
        let job = || {
            let mut spans = plan.trace(number).into_iter();
            spans.find(|span| span.name.starts_with("Job: "))
        };
        Some(match self.ask {
            Ask::Spans(_) | Ask::Roots | Ask::Traces(Of::Workspace) | Ask::Failed | Ask::Phases => {
                Vec::new()
            }
            Ask::Release | Ask::Traces(Of::Release) => vec![about.release],
            Ask::Target | Ask::Traces(Of::Target) | Ask::Why => vec![about.target.key],
            Ask::Traces(Of::Deployment) => vec![about.target.deployment.to_string()],
            Ask::Trace => vec![about.trace_id],
            Ask::Children => vec![about.trace_id, job()?.parent_span_id?],
            Ask::Job | Ask::Traces(Of::Job) => vec![job()?.job_id?],
            Ask::Linked => {
                job().filter(|_| Plan::is_continued(number))?;
                vec![about.trace_id]
            }
        })
    }

    /// Asks the predecessor; gives the rows of the page.
    pub(super) async fn of_peer(
        self,
        peer: &mut PgConnection,
        parameter: &Parameter,
        offset: usize,
    ) -> usize {
        let sql = self.peer_sql(offset);
        let query = sqlx::query(AssertSqlSafe(sql.as_str()));
        let query = match self.ask {
            // The seed's own statement, which knows no workspace.
            Ask::Linked => query,
            _ => query.bind(parameter.workspace),
        };
        let values = parameter.values.iter().map(|value| match self.ask {
            Ask::Traces(Of::Deployment) => format!("%-{value}"),
            _ => value.clone(),
        });
        let query = values.fold(query, |query, value| query.bind(value));
        let rows = query.fetch_all(peer).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}")).len()
    }

    fn peer_sql(self, offset: usize) -> String {
        let only = match self.ask {
            Ask::Failed => {
                return "SELECT DISTINCT trace_id, release_target_key, created_at
                          FROM deployment_trace_span
                         WHERE status = 'failed' AND node_type = 'decision' AND workspace_id = $1
                           AND created_at > NOW() - INTERVAL '24 hours'
                         ORDER BY created_at DESC"
                    .to_owned();
            }
            Ask::Linked => {
                return "SELECT * FROM deployment_trace_span WHERE trace_id = $1
                        UNION ALL
                        SELECT * FROM deployment_trace_span WHERE parent_trace_id = $1
                        ORDER BY created_at ASC, sequence ASC"
                    .to_owned();
            }
            Ask::Trace => return of_workspace("trace_id = $2 ORDER BY start_time ASC"),
            Ask::Children => {
                return of_workspace("trace_id = $2 AND parent_span_id = $3 ORDER BY sequence");
            }
            Ask::Release => "release_id = $2",
            Ask::Target => "release_target_key = $2",
            Ask::Job => "job_id = $2",
            Ask::Spans(Only::All) => "true",
            Ask::Spans(Only::PhaseAndStatus) => "phase = 'planning' AND status = 'completed'",
            Ask::Spans(Only::Failed) => "status = 'failed'",
            Ask::Spans(Only::Aborted) => "status = 'aborted'",
            Ask::Roots | Ask::Traces(Of::Workspace) => "parent_span_id IS NULL",
            Ask::Traces(Of::Deployment) => "parent_span_id IS NULL AND release_target_key LIKE $2",
            Ask::Traces(Of::Target) => "parent_span_id IS NULL AND release_target_key = $2",
            Ask::Traces(Of::Release) => "parent_span_id IS NULL AND release_id = $2",
            Ask::Traces(Of::Job) => "parent_span_id IS NULL AND job_id = $2",
            Ask::Why | Ask::Phases => unreachable!("the predecessor had no such question"),
        };
        of_workspace(&format!(
            "{only} ORDER BY created_at DESC LIMIT {PAGE} OFFSET {offset}"
        ))
    }

    /// How many rows the predecessor has for a list.
    pub(super) async fn count(self, peer: &mut PgConnection, parameter: &Parameter) -> usize {
        let sql = self.peer_sql(0).replace("SELECT *", "SELECT count(*)");
        let (sql, _) = sql.split_once("ORDER BY").expect("an order");
        let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(parameter.workspace);
        let values = parameter.values.iter().map(|value| match self.ask {
            Ask::Traces(Of::Deployment) => format!("%-{value}"),
            _ => value.clone(),
        });
        let query = values.fold(query, |query, value| query.bind(value));
        let count: i64 = query.fetch_one(peer).await.expect("a count");
        usize::try_from(count).unwrap_or_default()
    }

    /// Asks ours; `since` is where the window begins if not by default.
    pub(super) async fn of_ours(
        self,
        deployments: &Deployments,
        parameter: &Parameter,
        since: Option<Timestamp>,
        page: (u32, Option<String>),
    ) -> Answer {
        let workspace = deployments.workspace(parameter.workspace.into());
        let (limit, after) = page;
        let asked = Asked {
            since,
            until: None,
            limit: Some(limit),
            after,
        };
        let value = |at: usize| parameter.values[at].as_str();
        match self.ask {
            Ask::Trace => whole(workspace.trace(value(0)).await),
            Ask::Children => whole(workspace.children(value(0), value(1)).await),
            Ask::Linked => {
                let tree = workspace.tree(value(0)).await.expect("a tree");
                Answer {
                    rows: tree.walk().count(),
                    next: None,
                }
            }
            Ask::Release => paged(workspace.of_release(value(0), asked).await),
            Ask::Target => paged(workspace.of_release_target(value(0), asked).await),
            Ask::Job => paged(workspace.of_job(value(0), asked).await),
            Ask::Spans(only) => paged(workspace.spans(only.filter(), asked).await),
            Ask::Roots => paged(workspace.roots(asked).await),
            Ask::Traces(of) => {
                let first = parameter.values.first().cloned();
                paged(workspace.traces(of.filter(first), asked).await)
            }
            Ask::Failed => {
                let failed = workspace.failed(asked).await.expect("failed deployments");
                Answer {
                    rows: failed.rows.len(),
                    next: failed.next,
                }
            }
            Ask::Why => {
                let blocked = workspace.why_not_deployed(value(0)).await;
                let blocked = blocked.expect("an answer");
                Answer {
                    rows: blocked.map_or(0, |blocked| 1 + blocked.blocked_by.len()),
                    next: None,
                }
            }
            Ask::Phases => whole(workspace.phases(None, asked).await),
        }
    }
}

impl Only {
    fn filter(self) -> SpanFilter {
        let (phase, status) = match self {
            Self::All => (None, None),
            Self::PhaseAndStatus => (Some(Phase::Planning), Some(Status::Completed)),
            Self::Failed => (None, Some(Status::Failed)),
            Self::Aborted => (None, Some(Status::Aborted)),
        };
        SpanFilter {
            phase: phase.map(|phase| phase.as_text().to_owned()),
            status: status.map(|status| status.as_text().to_owned()),
            ..SpanFilter::default()
        }
    }
}

impl Of {
    fn filter(self, value: Option<String>) -> TraceFilter {
        let all = TraceFilter::default();
        match self {
            Self::Workspace => all,
            Self::Deployment => TraceFilter {
                deployment_id: value,
                ..all
            },
            Self::Target => TraceFilter {
                release_target_key: value,
                ..all
            },
            Self::Release => TraceFilter {
                release_id: value,
                ..all
            },
            Self::Job => TraceFilter {
                job_id: value,
                ..all
            },
        }
    }
}

/// A statement as the predecessor's endpoints had them.
fn of_workspace(rest: &str) -> String {
    format!("SELECT * FROM deployment_trace_span WHERE workspace_id = $1 AND {rest}")
}

fn whole<T>(rows: Result<Vec<T>>) -> Answer {
    Answer {
        rows: rows.expect("rows").len(),
        next: None,
    }
}

fn paged(page: Result<Page<DeploymentSpan>>) -> Answer {
    let page = page.expect("a page");
    Answer {
        rows: page.rows.len(),
        next: page.next,
    }
}
