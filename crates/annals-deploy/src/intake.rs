//! A span becomes a row: attributes with a prefix become columns, and all are kept.
//!
//! | Column | From |
//! |---|---|
//! | `workspace_id` | the attribute, or the workspace for which the span came; both must agree |
//! | `release_target_key`, `release_id`, `job_id`, `parent_trace_id`, `phase`, `node_type`, `trigger` | the attribute, as text |
//! | `depth`, `sequence` | the attribute, a whole number |
//! | `deployment_id` | the attribute, or the UUID at the end of `release_target_key` |
//! | `message` | the attribute, or the status message of the span |
//! | `status` | the attribute; without it a span that has not ended is `running`, one that has is `failed` when its code is `error` and else `completed`, because OpenTelemetry leaves the code of what went well unset |
//! | `status_code` | the code of the span; when it is unset, that of the `status` attribute |
//!
//! Empty texts become NULL. Ends before starts stay: clocks are set back, and a span is not the place to mend them.
//! Trace tokens are taken out of every text, and no id may be one.

mod columns;
mod document;
mod redact;

use std::mem;

use annals_record::{Json, TextEnum, Timestamp, TimestampMicros};

use self::columns::Columns;
pub(crate) use self::redact::redacted;
use crate::{DeploymentSpan, OtelSpan, Status, StatusCode, WorkspaceId};

/// Bytes of an id, and of any other text that an index may hold: PostgreSQL refuses index entries above 2,700.
pub const MAX_ID_BYTES: usize = 512;

/// Bytes of a name or a message.
pub const MAX_TEXT_BYTES: usize = 64 << 10;

/// Bytes of the attributes of a span, as JSON.
pub const MAX_ATTRIBUTES_BYTES: usize = 1 << 20;

/// Bytes of the events of a span, as JSON.
pub const MAX_EVENTS_BYTES: usize = 1 << 20;

/// Why a span cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("span {name:?} (trace_id={trace_id}, span_id={span_id}) {problem}")]
pub struct SpanError {
    /// What the span is called, shortened.
    pub name: String,
    /// Its trace, shortened.
    pub trace_id: String,
    /// Its id, shortened.
    pub span_id: String,
    /// What is wrong with it, as the rest of a sentence.
    pub problem: String,
    /// Whether it is of another workspace than the one for which it came, and would be right elsewhere.
    pub is_foreign: bool,
}

/// What is wrong with a span, before it is said which.
struct Problem {
    text: String,
    is_foreign: bool,
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        let is_foreign = false;
        Self { text, is_foreign }
    }
}

impl SpanError {
    fn of(span: &OtelSpan, problem: Problem) -> Self {
        Self {
            name: shortened(&span.name),
            trace_id: shortened(&span.trace_id).escape_debug().to_string(),
            span_id: shortened(&span.span_id).escape_debug().to_string(),
            problem: problem.text,
            is_foreign: problem.is_foreign,
        }
    }
}

/// As much of a text as an error needs, and no token.
fn shortened(text: &str) -> String {
    const MOST: usize = 64;
    let clean = redacted(text);
    match clean.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean.into_owned(),
    }
}

/// How spans become rows.
#[derive(Clone, Debug)]
pub struct Intake {
    prefix: String,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            prefix: "ctrlplane.".to_owned(),
        }
    }
}

impl Intake {
    /// With another prefix than `ctrlplane.` of the attributes that become columns.
    #[must_use]
    pub fn with_prefix(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    /// The prefix of the attributes that become columns.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The row of a span, created now. `workspace` is that of spans that name none; one that names another is refused.
    ///
    /// `version` orders what is written of one span: the version with the larger one stays.
    ///
    /// # Errors
    ///
    /// The span has no workspace or a foreign one, an attribute does not fit its column, or a value cannot be stored
    /// anywhere.
    pub fn row(
        &self,
        mut span: OtelSpan,
        workspace: Option<WorkspaceId>,
        version: Revision,
    ) -> Result<DeploymentSpan, SpanError> {
        let (workspace, columns, attributes, events) = match self.read(&mut span, workspace) {
            Ok(read) => read,
            Err(problem) => return Err(SpanError::of(&span, problem)),
        };
        let (status, status_code) = status(columns.status, span.status_code, span.end_time);
        let said = span.status_message.filter(|message| !message.is_empty());
        Ok(DeploymentSpan {
            id: DeploymentSpan::id_of(&span.trace_id, &span.span_id, span.start_time),
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent_span_id: span.parent_span_id.filter(|id| !id.is_empty()),
            name: redact::clean(span.name),
            start_time: span.start_time,
            end_time: span.end_time,
            workspace_id: workspace.uuid(),
            release_target_key: columns.release_target_key,
            release_id: columns.release_id,
            job_id: columns.job_id,
            parent_trace_id: columns.parent_trace_id,
            phase: columns.phase,
            node_type: columns.node_type,
            status: Some(status),
            depth: columns.depth,
            sequence: columns.sequence,
            attributes,
            events,
            created_at: TimestampMicros::floor(Timestamp::now()),
            deployment_id: columns.deployment_id,
            trigger: columns.trigger,
            message: columns.message.or_else(|| said.map(redact::clean)),
            status_code,
            revision: version.number(),
        })
    }

    /// Everything about a span that can be refused; takes its attributes and events, and leaves what says which it is.
    fn read(
        &self,
        span: &mut OtelSpan,
        workspace: Option<WorkspaceId>,
    ) -> Result<(WorkspaceId, Columns, Json, Json), Problem> {
        check_id("trace_id", &span.trace_id, true)?;
        check_id("span_id", &span.span_id, true)?;
        let parent_span_id = span.parent_span_id.as_deref().unwrap_or_default();
        check_id("parent_span_id", parent_span_id, false)?;
        check_text("name", &span.name, MAX_TEXT_BYTES)?;
        let said = span.status_message.as_deref().unwrap_or_default();
        check_text("status message", said, MAX_TEXT_BYTES)?;

        let (attributes, values) = document::attributes(mem::take(&mut span.attributes))?;
        let columns = Columns::of(values, &self.prefix)?;
        let workspace = self.workspace(columns.workspace, workspace)?;
        let events = document::events(mem::take(&mut span.events))?;
        Ok((workspace, columns, attributes, events))
    }

    fn workspace(
        &self,
        named: Option<WorkspaceId>,
        asked: Option<WorkspaceId>,
    ) -> Result<WorkspaceId, Problem> {
        match (named, asked) {
            (Some(named), Some(asked)) if named != asked => Err(Problem {
                text: format!("is of workspace {named}, and came for {asked}"),
                is_foreign: true,
            }),
            (Some(workspace), _) | (None, Some(workspace)) => Ok(workspace),
            (None, None) => Err(Problem::from(format!(
                "is missing required attribute \"{}workspace_id\"",
                self.prefix
            ))),
        }
    }

    /// The rows of a batch, all or none.
    ///
    /// # Errors
    ///
    /// The first span that cannot be taken.
    pub fn rows(
        &self,
        spans: Vec<OtelSpan>,
        workspace: Option<WorkspaceId>,
    ) -> Result<Vec<DeploymentSpan>, SpanError> {
        let mut rows = Vec::with_capacity(spans.len());
        for span in spans {
            let version = Revision::of(span.end_time);
            rows.push(self.row(span, workspace, version)?);
        }
        Ok(rows)
    }

    /// The rows of those spans of a batch that can be taken, and why the others cannot.
    #[must_use]
    pub fn rows_that_fit(
        &self,
        spans: Vec<OtelSpan>,
        workspace: Option<WorkspaceId>,
    ) -> (Vec<DeploymentSpan>, Vec<SpanError>) {
        let mut refused = Vec::new();
        let mut rows = Vec::with_capacity(spans.len());
        for span in spans {
            let version = Revision::of(span.end_time);
            match self.row(span, workspace, version) {
                Ok(row) => rows.push(row),
                Err(error) => refused.push(error),
            }
        }
        (rows, refused)
    }
}

fn check_id(field: &str, id: &str, is_required: bool) -> Result<(), String> {
    if is_required && id.is_empty() {
        return Err(format!("has no {field}"));
    }
    check_text(field, id, MAX_ID_BYTES)?;
    // In its place all ids would be the same one.
    if matches!(redacted(id), std::borrow::Cow::Owned(_)) {
        return Err(format!(
            "has a trace token in its {field}, and a token is a secret; give an id"
        ));
    }
    Ok(())
}

fn check_text(field: &str, text: &str, most: usize) -> Result<(), String> {
    if text.len() > most {
        let bytes = text.len();
        return Err(format!(
            "has a {field} of {bytes} bytes, more than the {most} that it may have"
        ));
    }
    if text.contains('\0') {
        return Err(document::nul(&format!("its {field}")));
    }
    Ok(())
}

/// What is known of how a span ended, from whichever of the two says it.
fn status(
    named: Option<String>,
    code: StatusCode,
    end_time: Option<Timestamp>,
) -> (String, StatusCode) {
    if let Some(named) = named {
        let code = match Status::from_text(&named) {
            Some(status) if code == StatusCode::Unset => status.code(),
            _ => code,
        };
        return (named, code);
    }
    let status = match (end_time, code) {
        (None, _) => Status::Running,
        (Some(_), StatusCode::Error) => Status::Failed,
        (Some(_), StatusCode::Ok | StatusCode::Unset) => Status::Completed,
    };
    (status.as_text().to_owned(), code)
}

/// The order of what is written of one span: one that has ended is more than one that was aborted, and that more than
/// one that runs; of those that have ended the one that ended later; then the one that was changed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(i64);

/// Bits of a revision for changes after the end.
const CHANGES: u32 = 8;

/// Bits for the end, in microseconds: until the year 2112.
const END: u32 = 52;

impl Revision {
    /// Of a span that runs, after so many changes.
    #[must_use]
    pub fn running(changes: u32) -> Self {
        Self(changes.into())
    }

    /// Of a span that was still open when its recorder ended.
    #[must_use]
    pub fn aborted(end: Timestamp, changes: u32) -> Self {
        Self::over(1, end, changes)
    }

    /// Of a span that has ended.
    #[must_use]
    pub fn ended(end: Timestamp, changes: u32) -> Self {
        Self::over(2, end, changes)
    }

    /// Of a span of which only its end is known.
    #[must_use]
    pub fn of(end: Option<Timestamp>) -> Self {
        end.map_or(Self::running(0), |end| Self::ended(end, 0))
    }

    fn over(rank: i64, end: Timestamp, changes: u32) -> Self {
        let end = TimestampMicros::floor(end)
            .unix_micros()
            .clamp(0, (1 << END) - 1);
        let changes = i64::from(changes.min((1 << CHANGES) - 1));
        Self(rank << (END + CHANGES) | end << CHANGES | changes)
    }

    /// As it is stored.
    #[must_use]
    pub const fn number(self) -> i64 {
        self.0
    }
}
